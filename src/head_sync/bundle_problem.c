/* bundle_problem.c - tracks, poses and landmarks into the arrays of bundle adjustment.
 *
 *   tracks by frame -> observations by point (counting sort), and back by index
 *   frames          -> takes: no point is seen on both sides of a cut
 *   anchor of a point, its pose, the face mesh -> where the point is expected in the head
 */
#include "base/face_mesh.h"
#include "base/memory.h"
#include "head_sync/bundle_drive.h"
#include "head_sync/head_shape.h"

#include <math.h>
#include <string.h>

static const double POINT_M = 0.1; /* spread about the face mesh: says next to nothing */
static const double FAR_PX = 1e5;  /* no picture is so large */

static int usable_observation(const stk_tracks *tracks, const stk_observation *o) {
    return o->point >= 0 && o->point < tracks->points && o->weight > 0 && o->weight <= 1 &&
           fabsf(o->x_px) < FAR_PX && fabsf(o->y_px) < FAR_PX; /* NaN fails each */
}

static stk_status check(const stk_bundle_input *input) {
    const stk_tracks *t = input->tracks;
    if (t->frames < 1 || t->points < 0 || t->first[t->frames] - t->first[0] > INT32_MAX)
        return stk_fail(STK_ERR_ARGUMENT, "bundle adjustment: %d frames, %d points", t->frames,
                        t->points);
    if (!(input->camera.focal_px > 1) || !isfinite(input->camera.focal_px) ||
        !isfinite(input->camera.cx_px) || !isfinite(input->camera.cy_px))
        return stk_fail(STK_ERR_ARGUMENT, "bundle adjustment: a focal length of %g px",
                        (double)input->camera.focal_px);
    for (int f = 0; f < t->frames; f++)
        if (!stk_pose_possible(&input->poses[f]) || !(input->poses[f].t[2] < 0))
            return stk_fail(STK_ERR_ARGUMENT,
                            "bundle adjustment: the pose of frame %d is not one of a head in front "
                            "of the camera",
                            f);
    return STK_OK;
}

static stk_status allocate(stk_bundle_problem *b) {
    size_t f = (size_t)b->frames, p = (size_t)b->points, n = (size_t)b->count + 1;
    b->list = stk_calloc_aligned(n, sizeof *b->list);
    b->by_frame = stk_calloc_aligned(n, sizeof *b->by_frame);
    b->error_px = stk_calloc_aligned(n, sizeof *b->error_px);
    b->point_first = stk_calloc_aligned(p + 2, sizeof *b->point_first);
    b->frame_first = stk_calloc_aligned(f + 1, sizeof *b->frame_first);
    b->take = stk_calloc_aligned(f, sizeof *b->take);
    b->usable = stk_calloc_aligned(f, 1);
    b->part = stk_calloc_aligned(p + 1, 1);
    b->kept = stk_calloc_aligned(p + 1, 1);
    b->trust = stk_calloc_aligned(p + 1, sizeof *b->trust);
    b->sorted = stk_calloc_aligned(p + 1, sizeof *b->sorted);
    b->poses = stk_calloc_aligned(f, sizeof *b->poses);
    b->start = stk_calloc_aligned(f, sizeof *b->start);
    b->anchored = stk_calloc_aligned(f, 1);
    b->information = stk_calloc_aligned(f, sizeof *b->information);
    b->place = stk_calloc_aligned(p + 1, sizeof *b->place);
    b->prior = stk_calloc_aligned(p + 1, sizeof *b->prior);
    b->first_place = stk_calloc_aligned(p + 1, sizeof *b->first_place);
    if (b->list == NULL || b->by_frame == NULL || b->error_px == NULL || b->point_first == NULL ||
        b->frame_first == NULL || b->trust == NULL || b->sorted == NULL || b->take == NULL ||
        b->usable == NULL || b->part == NULL || b->kept == NULL || b->poses == NULL ||
        b->start == NULL || b->anchored == NULL || b->information == NULL || b->place == NULL ||
        b->prior == NULL || b->first_place == NULL)
        return stk_fail_memory("bundle adjustment");
    return STK_OK;
}

void stk_bundle_problem_clear(stk_bundle_problem *b) {
    stk_free(b->list);
    stk_free(b->by_frame);
    stk_free(b->error_px);
    stk_free(b->point_first);
    stk_free(b->frame_first);
    stk_free(b->take);
    stk_free(b->usable);
    stk_free(b->part);
    stk_free(b->slow);
    stk_free(b->kept);
    stk_free(b->trust);
    stk_free(b->sorted);
    stk_free(b->poses);
    stk_free(b->start);
    stk_free(b->anchored);
    stk_free(b->information);
    stk_free(b->place);
    stk_free(b->prior);
    stk_free(b->first_place);
    stk_bundle_drive_clear(b);
    memset(b, 0, sizeof *b);
}

/* Counting sort by point; frames come in rising order. */
static void sort_observations(stk_bundle_problem *b, const stk_tracks *t) {
    int64_t *cursor = b->point_first + 1, kept = 0; /* [p] first free place of point p */
    for (int64_t k = t->first[0]; k < t->first[t->frames]; k++)
        if (usable_observation(t, &t->list[k])) cursor[t->list[k].point + 1]++;
    for (int p = 0; p < b->points; p++) cursor[p + 1] += cursor[p];
    for (int f = 0; f < b->frames; f++) {
        b->frame_first[f] = kept;
        for (int64_t k = t->first[f]; k < t->first[f + 1]; k++) {
            const stk_observation *o = &t->list[k];
            if (!usable_observation(t, o)) continue;
            int64_t at = cursor[o->point]++;
            b->list[at] = (stk_bundle_observation){f, o->point, {o->x_px, o->y_px}, o->weight, 0};
            b->by_frame[kept++] = (int32_t)at;
        }
    }
    b->frame_first[b->frames] = kept;
}

/* A point seen twice in a frame keeps the first place. */
static void drop_doubles(stk_bundle_problem *b) {
    for (int64_t k = 1; k < b->count; k++)
        if (b->list[k].point == b->list[k - 1].point && b->list[k].frame == b->list[k - 1].frame)
            b->list[k].weight = 0;
}

/* A new take begins where the caller says, else at a frame of which no point was seen in the frame
 * before, unless either frame has none at all. */
static void find_takes(stk_bundle_problem *b, const int32_t *given) {
    int32_t take = 0;
    for (int f = 0; f < b->frames; f++) {
        int joined = 0;
        if (given != NULL) {
            take += f > 0 && given[f] != given[f - 1];
            b->take[f] = take;
            continue;
        }
        for (int64_t k = b->frame_first[f]; !joined && k < b->frame_first[f + 1]; k++) {
            int64_t at = b->by_frame[k];
            joined = at > 0 && b->list[at - 1].point == b->list[at].point &&
                     b->list[at - 1].frame >= f - 1;
        }
        int both = f > 0 && b->frame_first[f + 1] > b->frame_first[f] &&
                   b->frame_first[f] > b->frame_first[f - 1];
        if (f > 0 && both && !joined) take++;
        b->take[f] = take;
    }
    b->takes = take + 1;
}

/* --- where things are expected ---------------------------------------------------------------- */

/* Where the ray of a point's first observation passes the face: at the depth of the vertex next to
 * it in the picture, limited to a head's size. */
static void expect_point(stk_bundle_problem *b, const double (*face)[3], int point) {
    const stk_bundle_observation *o = &b->list[b->point_first[point]];
    const stk_se3 *pose = &b->poses[o->frame];
    const stk_bundle_camera *c = &b->camera;
    double x = -(o->px[0] - c->cx_px) / c->focal_px, y = (o->px[1] - c->cy_px) / c->focal_px;
    double least = INFINITY, z = pose->t[2], d[3];
    for (int v = 0; v < STK_MESH_LANDMARKS; v += 3) {
        double q[3];
        stk_mat3_apply(pose->R, face[v], q);
        for (int i = 0; i < 3; i++) q[i] += pose->t[i];
        if (!(q[2] < 0)) continue;
        double dx = q[0] / q[2] - x, dy = q[1] / q[2] - y, far = dx * dx + dy * dy;
        if (far >= least) continue;
        least = far;
        z = q[2];
    }
    d[0] = x * z - pose->t[0], d[1] = y * z - pose->t[1], d[2] = z - pose->t[2];
    for (int i = 0; i < 3; i++) /* R' d */
        b->prior[point][i] = pose->R[i] * d[0] + pose->R[3 + i] * d[1] + pose->R[6 + i] * d[2];
    double n = sqrt(d[0] * d[0] + d[1] * d[1] + d[2] * d[2]), most = 0.2;
    for (int i = 0; n > most && i < 3; i++) b->prior[point][i] *= most / n;
}

static void expect_points(stk_bundle_problem *b, const stk_bundle_input *input) {
    static const int LEAST = STK_BUNDLE_POINT_LEAST;
    double face[STK_MESH_LANDMARKS][3];
    const float(*mesh)[3] = input->shape_head != NULL ? input->shape_head : stk_canonical_face();
    for (int v = 0; v < STK_MESH_LANDMARKS; v++)
        for (int i = 0; i < 3; i++) face[v][i] = mesh[v][i];
    for (int p = 0; p < b->points; p++) {
        int64_t seen = b->point_first[p + 1] - b->point_first[p];
        b->kept[p] = seen >= LEAST;
        b->trust[p] = 1;
        if (seen > 0) expect_point(b, (const double(*)[3])face, p);
        memcpy(b->place[p], b->prior[p], sizeof b->place[p]);
    }
}

/* 32 of the rigid vertices, evenly. Their landmarks err alike from frame to frame (about a second),
 * so one counts as a small part of an independent observation. */
static void place_anchors(stk_bundle_problem *b, const stk_bundle_input *input) {
    static const double WEIGHT = 0.04, WIDTH_PX = 4; /* landmarks err by 1 to 2 px */
    stk_bundle_anchors *a = &b->anchors;
    stk_head_shape shape;
    if (input->landmarks == NULL || input->valid == NULL || input->shape_head == NULL) return;
    stk_head_shape_init(&shape);
    a->landmarks = input->landmarks;
    a->valid = b->anchored;
    a->weight = WEIGHT;
    a->width_px = WIDTH_PX;
    a->count = shape.rigid_count < STK_BUNDLE_ANCHORS ? shape.rigid_count : STK_BUNDLE_ANCHORS;
    for (int k = 0; k < a->count; k++) {
        a->vertex[k] = shape.rigid[k * shape.rigid_count / a->count];
        for (int i = 0; i < 3; i++)
            a->place[k][i] = a->prior[k][i] = input->shape_head[a->vertex[k]][i];
    }
    for (int f = 0; f < b->frames; f++) {
        b->anchored[f] = input->valid[f] != 0;
        for (int k = 0; input->valid[f] && k < a->count; k++) {
            const float *l = input->landmarks[f].xyz[a->vertex[k]];
            if (!(fabsf(l[0]) < FAR_PX && fabsf(l[1]) < FAR_PX)) b->anchored[f] = 0;
        }
    }
}

static void mark_frames(stk_bundle_problem *b) {
    for (int f = 0; f < b->frames; f++) {
        int64_t seen = b->frame_first[f + 1] - b->frame_first[f];
        if (b->anchors.landmarks != NULL && b->anchors.valid[f]) seen += STK_BUNDLE_FRAME_LEAST;
        b->usable[f] = seen >= STK_BUNDLE_FRAME_LEAST;
    }
}

stk_status stk_bundle_problem_init(stk_bundle_problem *b, const stk_bundle_input *input,
                                   stk_pool *pool, const stk_job *job) {
    const stk_tracks *t = input->tracks;
    memset(b, 0, sizeof *b);
    STK_TRY(check(input));
    b->frames = t->frames;
    b->points = t->points;
    b->pool = pool;
    b->job = job;
    b->fold = -1;
    b->point_prior = 1 / (POINT_M * POINT_M);
    b->noise_px = 1;
    b->width_px = 4;
    b->camera =
        (stk_bundle_camera){input->camera.focal_px, input->camera.cx_px, input->camera.cy_px, 0};
    b->start_focal_px = b->camera.focal_px;
    for (int64_t k = t->first[0]; k < t->first[t->frames]; k++)
        b->count += usable_observation(t, &t->list[k]);
    STK_TRY(allocate(b));
    sort_observations(b, t);
    drop_doubles(b);
    find_takes(b, input->take);
    for (int f = 0; f < b->frames; f++) {
        for (int i = 0; i < 9; i++) b->poses[f].R[i] = input->poses[f].R[i];
        for (int i = 0; i < 3; i++) b->poses[f].t[i] = input->poses[f].t[i];
        stk_mat3_polar(b->poses[f].R);
        b->start[f] = b->poses[f];
    }
    STK_TRY(stk_bundle_drive_init(b, input));
    place_anchors(b, input);
    expect_points(b, input);
    mark_frames(b);
    return STK_OK;
}
