/* head_shape.c - see head_shape.h. Threading: vertices and views are tasks of the pool. */
#include "head_sync/head_shape.h"
#include "base/face_mesh.h"
#include "base/spd.h"
#include "head_sync/motion_tracker.h"
#include "head_sync/similarity.h"
#include "base/attr.h"

#include <math.h>
#include <string.h>

/* How far one person's vertices lie from the canonical face after alignment, 1 sigma. 3-5 mm is the
 * spread that 3-D morphable models of faces show after a similarity fit. */
static const double SHAPE_SIGMA_M = 0.004;
/* Errors of one landmark in neighbouring frames are alike, and part of them is the same in every
 * frame: ten views are counted as one observation when weighed against the prior. */
static const double VIEWS_PER_OBSERVATION = 10;
/* The prior never believes that landmarks are better than this. */
static const double NOISE_FLOOR_PX = 0.3;

/* One side and the midline; the other side follows from the mirror symmetry of the canonical face.
 * Left out: lips, lids, brows and what lies directly on them, nostril wings, chin and lower jaw.
 * The face contour (ears down to the upper jaw) counts little: the detector slides it. */
typedef struct rigid_group {
    double weight;
    int count;
    short vertices[24];
} rigid_group;

static const rigid_group rigid_groups[] = {
    /* nose: bridge, sides and tip, the stiffest part that is always seen */
    {1.0, 21, {168, 6,  197, 195, 5,   4,   1,   122, 196, 3,  51,
               45,  44, 174, 236, 188, 245, 134, 220, 237, 114}},
    {0.5, 10, {8, 193, 217, 198, 131, 115, 2, 19, 94, 126}},
    /* corners of the eyes */
    {1.0, 8, {33, 133, 130, 243, 244, 173, 155, 128}},
    /* temples and cheek bones */
    {0.7, 11, {143, 34, 156, 139, 35, 111, 116, 117, 124, 121, 232}},
    {0.4, 10, {118, 119, 120, 100, 101, 47, 142, 50, 123, 36}},
    /* forehead: the skin follows the brows a little */
    {0.4, 10, {9, 151, 10, 108, 109, 69, 67, 104, 103, 71}},
    {0.25, 4, {68, 54, 21, 162}},
    /* contour and upper jaw sides */
    {0.25, 5, {127, 227, 234, 137, 93}},
};

static int mirror_of(const float (*face)[3], int vertex) {
    int best = vertex;
    double distance = INFINITY;
    for (int v = 0; v < STK_MESH_LANDMARKS; v++) {
        double x = (double)face[v][0] + face[vertex][0], y = (double)face[v][1] - face[vertex][1];
        double z = (double)face[v][2] - face[vertex][2], d = x * x + y * y + z * z;
        if (d < distance) distance = d, best = v;
    }
    return best;
}

static void add_rigid(stk_head_shape *shape, int vertex, double weight) {
    for (int k = 0; k < shape->rigid_count; k++)
        if (shape->rigid[k] == vertex) return; /* the midline is its own mirror */
    shape->rigid[shape->rigid_count] = vertex;
    shape->weights[shape->rigid_count++] = weight;
}

void stk_head_shape_init(stk_head_shape *shape) {
    const float(*face)[3] = stk_canonical_face();
    memset(shape, 0, sizeof *shape);
    for (int v = 0; v < STK_MESH_LANDMARKS; v++)
        for (int i = 0; i < 3; i++) shape->shape_head[v][i] = face[v][i];
    for (size_t g = 0; g < STK_ARRAY_SIZE(rigid_groups); g++) {
        const rigid_group *group = &rigid_groups[g];
        for (int k = 0; k < group->count; k++) {
            add_rigid(shape, group->vertices[k], group->weight);
            add_rigid(shape, mirror_of(face, group->vertices[k]), group->weight);
        }
    }
}

void stk_head_shape_attach(const stk_head_shape *shape, stk_pose_model *model) {
    model->shape_head = shape->shape_head;
    model->vertices = shape->rigid;
    model->weights = shape->weights;
    model->count = shape->rigid_count;
}

typedef struct turn_context {
    stk_head_shape *shape;
    stk_head_views *views;
    stk_pose_model model; /* for the shape update its vertex list is the one being moved */
    double prior;         /* px^2 / m^2 */
    int start;
} turn_context;

static void refine_view(void *ctx, int task, int worker) {
    (void)worker;
    turn_context *turn = ctx;
    const float(*landmarks)[3] = turn->views->landmarks[turn->views->frames[task]].xyz;
    stk_se3 *pose = &turn->views->poses[task];
    if (turn->start) stk_pose_initial(&turn->model, landmarks, pose, NULL);
    turn->views->costs[task] = stk_pose_refine(&turn->model, landmarks, pose, NULL);
}

void stk_head_views_start(stk_head_views *views, const stk_pose_model *model, stk_pool *pool) {
    turn_context turn = {.views = views, .model = *model, .start = 1};
    stk_pool_run(pool, views->count, refine_view, &turn);
}

double stk_head_views_loss(const stk_head_views *views) {
    double sum = 0;
    for (int i = 0; i < views->count; i++) sum += views->costs[i];
    return sum / views->count;
}

/* Gauss-Newton on one vertex X: sum_views rho(|P(R X + T) - l|) + prior |X - X_canonical|^2. */
static void update_vertex(void *ctx, int task, int worker) {
    (void)worker;
    enum { STEPS = 3 };
    turn_context *turn = ctx;
    int vertex = turn->model.vertices[task];
    double *X = turn->shape->shape_head[vertex];
    const float *canonical = stk_canonical_face()[vertex];
    for (int step = 0; step < STEPS; step++) {
        double A[9] = {turn->prior, 0, 0, 0, turn->prior, 0, 0, 0, turn->prior}, b[3];
        for (int i = 0; i < 3; i++) b[i] = turn->prior * (canonical[i] - X[i]);
        for (int n = 0; n < turn->views->count; n++) {
            const float(*landmarks)[3] = turn->views->landmarks[turn->views->frames[n]].xyz;
            const stk_se3 *pose = &turn->views->poses[n];
            double r[2], J[12], G[2][3];
            if (!stk_pose_residual(&turn->model, landmarks, pose, task, r, J)) continue;
            double e = sqrt(r[0] * r[0] + r[1] * r[1]);
            double w = e > turn->model.huber_px ? turn->model.huber_px / e : 1;
            for (int i = 0; i < 3; i++)
                for (int k = 0; k < 2; k++)
                    G[k][i] = J[6 * k + 3] * pose->R[i] + J[6 * k + 4] * pose->R[3 + i] +
                              J[6 * k + 5] * pose->R[6 + i];
            for (int i = 0; i < 3; i++) {
                b[i] -= w * (G[0][i] * r[0] + G[1][i] * r[1]);
                for (int j = 0; j < 3; j++)
                    A[3 * i + j] += w * (G[0][i] * G[0][j] + G[1][i] * G[1][j]);
            }
        }
        if (!stk_spd_solve(A, b, 3)) return;
        for (int i = 0; i < 3; i++) X[i] += b[i];
    }
}

/* The rigid set onto the canonical face. */
static int align_to_canonical(const stk_head_shape *shape, stk_similarity *s) {
    double x[STK_RIGID_MAX][3], y[STK_RIGID_MAX][3];
    for (int k = 0; k < shape->rigid_count; k++)
        for (int i = 0; i < 3; i++) {
            x[k][i] = shape->shape_head[shape->rigid[k]][i];
            y[k][i] = stk_canonical_face()[shape->rigid[k]][i];
        }
    return stk_similarity_fit(x, y, shape->weights, shape->rigid_count, s);
}

/* Brings the shape into the canonical gauge; x_cam only scales, so projections stay. */
static void fix_gauge(stk_head_shape *shape, stk_head_views *views) {
    stk_similarity s;
    if (!align_to_canonical(shape, &s)) return;
    for (int v = 0; v < STK_MESH_LANDMARKS; v++) {
        double moved[3];
        stk_similarity_apply(&s, shape->shape_head[v], moved);
        memcpy(shape->shape_head[v], moved, sizeof moved);
    }
    for (int n = 0; n < views->count; n++) stk_similarity_undo(&s, &views->poses[n]);
}

/* Mean over the rigid set of |X - X_canonical|^2, m^2. */
static double distance_to_canonical(const stk_head_shape *shape) {
    const float(*face)[3] = stk_canonical_face();
    double sum = 0, total = 0;
    for (int k = 0; k < shape->rigid_count; k++) {
        for (int i = 0; i < 3; i++) {
            double d = shape->shape_head[shape->rigid[k]][i] - face[shape->rigid[k]][i];
            sum += shape->weights[k] * d * d;
        }
        total += shape->weights[k];
    }
    return sum / total;
}

/* Moves the rigid vertices (all: every vertex) under the views' poses. Returns the prior, px^2/m^2.
 */
static double move_vertices(stk_head_shape *shape, stk_head_views *views,
                            const stk_pose_model *model, int all, stk_pool *pool) {
    static const double SIGMA2 = 2; /* |residual|^2 is the sum of two coordinates' variances */
    double noise2 = fmax(stk_head_views_loss(views) / SIGMA2, NOISE_FLOOR_PX * NOISE_FLOOR_PX);
    double per_view = noise2 / (SHAPE_SIGMA_M * SHAPE_SIGMA_M * VIEWS_PER_OBSERVATION);
    turn_context turn = {.shape = shape, .views = views, .model = *model};
    turn.prior = per_view * fmax(views->count, VIEWS_PER_OBSERVATION);
    int every[STK_MESH_LANDMARKS];
    if (all) {
        for (int v = 0; v < STK_MESH_LANDMARKS; v++) every[v] = v;
        turn.model.vertices = every;
    }
    stk_pool_run(pool, all ? STK_MESH_LANDMARKS : shape->rigid_count, update_vertex, &turn);
    return turn.prior;
}

double stk_head_shape_turn(stk_head_shape *shape, stk_head_views *views,
                           const stk_pose_model *model, int all, stk_pool *pool) {
    double prior = move_vertices(shape, views, model, all, pool);
    turn_context turn = {.shape = shape, .views = views, .model = *model};
    fix_gauge(shape, views);
    stk_pool_run(pool, views->count, refine_view, &turn);
    return prior / views->count * distance_to_canonical(shape);
}

void stk_head_shape_follow(stk_head_shape *shape, stk_head_views *views,
                           const stk_pose_model *model, stk_pool *pool) {
    move_vertices(shape, views, model, 1, pool);
}

void stk_head_shape_reweight(stk_head_shape *shape, const stk_head_views *views,
                             const stk_pose_model *model) {
    double error2[STK_RIGID_MAX], sorted[STK_RIGID_MAX], r[2];
    double cap = 9 * model->huber_px * model->huber_px; /* one wild frame must not sink a vertex */
    stk_head_shape base;
    stk_head_shape_init(&base);
    for (int k = 0; k < shape->rigid_count; k++) {
        error2[k] = 0;
        for (int n = 0; n < views->count; n++) {
            const float(*landmarks)[3] = views->landmarks[views->frames[n]].xyz;
            int seen = stk_pose_residual(model, landmarks, &views->poses[n], k, r, NULL);
            error2[k] += seen ? fmin(r[0] * r[0] + r[1] * r[1], cap) : cap;
        }
        error2[k] /= views->count;
        int at = k; /* insertion sort for the median */
        for (; at > 0 && sorted[at - 1] > error2[k]; at--) sorted[at] = sorted[at - 1];
        sorted[at] = error2[k];
    }
    double median = sorted[shape->rigid_count / 2] + 1e-12;
    for (int k = 0; k < shape->rigid_count; k++)
        shape->weights[k] = base.weights[k] * 2 * median / (median + error2[k]);
}
