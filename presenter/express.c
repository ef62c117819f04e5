/* express.c - the 52 expressions: from a face state to the control mesh.
 *
 *   neutral + sum value * field      lips, brows, cheeks, nose: fields made once from the pulls of
 *                                    express_shapes.c by express_smooth.c, kept sparse
 *   -> jaw     x += share(x) (J x - x), J the turn of the jaw about its joints (stk_express_jaw)
 *   -> lips    mouthClose, then contact: an upper inner lip never passes the lower one
 *   -> lids    express_lids.c
 *   -> skull and throat (vertices from 468 on) follow the face oval with decay
 *
 * A state of zeros leaves the neutral mesh to the bit. 1000 vertices take some 0.04 ms. An
 * stk_express is read only after its creation, so threads may share it.
 */
#include "presenter/express.h"

#include "base/face_mesh.h"
#include "base/memory.h"
#include "presenter/express_lids.h"
#include "presenter/express_shapes.h"
#include "presenter/express_smooth.h"

#include <math.h>
#include <string.h>

enum {
    FACE = STK_MESH_LANDMARKS,
    LIP_COLUMNS = STK_LIP_POINTS - 2, /* without the corners */
    MAX_HANDLES = 160,
    FOLLOWED = 6, /* oval vertices that a skull or throat vertex follows */
};

static const float SMOOTH_M = 0.0085f;      /* length of the skin's memory, express_smooth.h */
static const float SMALLEST_M = 0.00003f;   /* moves below this are dropped */
static const float FOLLOW_DECAY_M = 0.040f; /* of skull and throat behind the oval */
static const float UPPER_LIP_SHARE = 0.4f;  /* of a closing: the lower lip does the rest */

typedef struct stk_sparse_move {
    int16_t vertex;
    float metres[3];
} stk_sparse_move;

/* What the skin at a vertex takes of the motion of a lip's nine inner border points. */
typedef struct stk_lip_skin {
    int16_t vertex;
    float share[LIP_COLUMNS];
} stk_lip_skin;

typedef struct stk_follower {
    int16_t oval[FOLLOWED];
    float share[FOLLOWED];
} stk_follower;

struct stk_express {
    int vertices;
    float (*neutral)[3];
    float *free_share;
    stk_sparse_move *moves; /* shape k's: first[k] .. first[k + 1] */
    int first[STK_BLENDSHAPES + 1];
    float jaw_share[FACE];
    float joint[3]; /* middle of the jaw's axis */
    float scale;    /* size of this face over the canonical one's */
    stk_lip_skin lip[2][FACE];
    int lip_count[2];
    float lip_floor[LIP_COLUMNS]; /* least height of upper over lower inner lip */
    stk_lids lids[2];
    stk_follower *follower; /* of vertices 468 .. */
};

/* Room while creating. */
typedef struct stk_express_work {
    stk_smooth *smooth;
    int16_t mirror[FACE];
    int16_t identity[FACE];
    float field[FACE][LIP_COLUMNS]; /* channels as needed, packed */
    int16_t handle[MAX_HANDLES];
    float target[MAX_HANDLES * LIP_COLUMNS];
    int handles;
} stk_express_work;

/* --- creation: tables ------------------------------------------------------------------------- */

/* Left <-> right on the canonical mesh, which is symmetric. */
static void find_mirror(stk_express_work *work) {
    const float(*face)[3] = stk_canonical_face();
    for (int v = 0; v < FACE; v++) {
        float best = 1e9f;
        for (int o = 0; o < FACE; o++) {
            const float x = face[v][0] + face[o][0], y = face[v][1] - face[o][1];
            const float z = face[v][2] - face[o][2], d = x * x + y * y + z * z;
            if (d < best) {
                best = d;
                work->mirror[v] = (int16_t)o;
            }
        }
        work->identity[v] = (int16_t)v;
    }
}

/* Border vertices of the openings: 1 mouth, 2 and 3 the eyes. */
static void mark_holes(const stk_express_work *work, uint8_t hole[FACE]) {
    memset(hole, 0, FACE);
    for (int i = 0; i < STK_LIP_POINTS; i++) hole[stk_lip_upper[i]] = hole[stk_lip_lower[i]] = 1;
    for (int i = 0; i < STK_LID_POINTS + 2; i++) {
        const int16_t upper =
            i < STK_LID_POINTS ? stk_lid_upper[0][i] : stk_lid_corners[i - STK_LID_POINTS];
        const int16_t lower = i < STK_LID_POINTS ? stk_lid_lower[0][i] : upper;
        hole[upper] = hole[lower] = 2;
        hole[work->mirror[upper]] = hole[work->mirror[lower]] = 3;
    }
}

/* Shapes with a left and a right: the left one of a right one, else -1. */
static int left_of(int shape) {
    switch (shape) {
    case STK_BROW_DOWN_R:
    case STK_BROW_OUTER_UP_R:
    case STK_CHEEK_SQUINT_R:
    case STK_EYE_SQUINT_R:
    case STK_MOUTH_DIMPLE_R:
    case STK_MOUTH_FROWN_R:
    case STK_MOUTH_LOWER_DOWN_R:
    case STK_MOUTH_PRESS_R:
    case STK_MOUTH_SMILE_R:
    case STK_MOUTH_STRETCH_R:
    case STK_MOUTH_UPPER_UP_R:
    case STK_NOSE_SNEER_R:
        return shape - 1;
    case STK_MOUTH_RIGHT:
        return STK_MOUTH_LEFT;
    default:
        return -1;
    }
}

/* --- creation: fields ------------------------------------------------------------------------- */

/* The first to name a landmark sets it. */
static void pin(stk_express_work *work, int landmark, int channels, const float *value) {
    for (int i = 0; i < work->handles; i++)
        if (work->handle[i] == landmark) return;
    if (work->handles == MAX_HANDLES) return;
    memcpy(work->target + work->handles * channels, value, (size_t)channels * sizeof *value);
    work->handle[work->handles++] = (int16_t)landmark;
}

/* Lid borders stay where they are: express_lids.c alone moves them. */
static void pin_lids(stk_express_work *work, int channels) {
    static const float still[LIP_COLUMNS] = {0};
    for (int side = 0; side < 2; side++) {
        const int16_t *map = side ? work->mirror : work->identity;
        for (int i = 0; i < STK_LID_POINTS; i++) {
            pin(work, map[stk_lid_upper[0][i]], channels, still);
            pin(work, map[stk_lid_lower[0][i]], channels, still);
        }
        for (int i = 0; i < 2; i++) pin(work, map[stk_lid_corners[i]], channels, still);
    }
}

static void pin_pulls(stk_express_work *work, int shape, int mirrored, float scale) {
    for (int i = 0; i < stk_shape_pull_count; i++) {
        const stk_shape_pull *pull = &stk_shape_pulls[i];
        if (pull->shape != shape) continue;
        const float size = 0.001f * scale;
        float metres[3] = {size * pull->mm[0], size * pull->mm[1], size * pull->mm[2]};
        if (mirrored) metres[0] = -metres[0];
        pin(work, mirrored ? work->mirror[pull->landmark] : pull->landmark, 3, metres);
    }
}

/* Appends the non-zero part of work->field as the moves of `shape`. */
static void keep_moves(stk_express *e, const stk_express_work *work, int *count) {
    const float(*field)[3] = (const float(*)[3]) & work->field[0][0];
    for (int v = 0; v < FACE; v++) {
        const float *d = field[v];
        if (d[0] * d[0] + d[1] * d[1] + d[2] * d[2] < SMALLEST_M * SMALLEST_M) continue;
        stk_sparse_move *move = &e->moves[(*count)++];
        move->vertex = (int16_t)v;
        memcpy(move->metres, d, sizeof move->metres);
    }
}

static stk_status make_shapes(stk_express *e, stk_express_work *work) {
    int count = 0;
    for (int shape = 0; shape < STK_BLENDSHAPES; shape++) {
        e->first[shape] = count;
        const int right = shape == STK_MOUTH_LEFT ? STK_MOUTH_RIGHT : shape + 1;
        const int is_left = right < STK_BLENDSHAPES && left_of(right) == shape;
        work->handles = 0;
        pin_pulls(work, is_left ? right : shape, is_left, e->scale);
        if (work->handles == 0) continue;
        if (!is_left && left_of(shape) < 0) pin_pulls(work, shape, 1, e->scale);
        pin_lids(work, 3);
        STK_TRY(stk_smooth_solve(work->smooth, work->handle, work->handles, work->target, 3,
                                 &work->field[0][0]));
        keep_moves(e, work, &count);
    }
    e->first[STK_BLENDSHAPES] = count;
    return STK_OK;
}

static stk_status make_jaw(stk_express *e, stk_express_work *work) {
    work->handles = 0;
    for (int side = 0; side < 2; side++)
        for (int i = 0; i < stk_jaw_share_count; i++) {
            const int16_t landmark = stk_jaw_shares[i].landmark;
            pin(work, side ? work->mirror[landmark] : landmark, 1, &stk_jaw_shares[i].share);
        }
    pin_lids(work, 1);
    float *field = &work->field[0][0];
    STK_TRY(stk_smooth_solve(work->smooth, work->handle, work->handles, work->target, 1, field));
    for (int v = 0; v < FACE; v++)
        e->jaw_share[v] = field[v] < 0.004f ? 0 : stk_clampf(field[v], 0, 1);
    /* joints in front of the ears, a little above the level of the nose tip */
    const float *right = e->neutral[234], *left = e->neutral[454];
    e->joint[0] = 0.5f * (right[0] + left[0]);
    e->joint[1] = 0.5f * (right[1] + left[1]) - 0.012f * e->scale;
    e->joint[2] = 0.5f * (right[2] + left[2]) + 0.012f * e->scale;
    return STK_OK;
}

/* lip 0 upper, 1 lower: moves of its inner border spread over the skin; the other stays. */
static stk_status make_lip(stk_express *e, stk_express_work *work, int lip) {
    static const float still[LIP_COLUMNS] = {0};
    const int16_t *own = lip ? stk_lip_lower : stk_lip_upper;
    const int16_t *other = lip ? stk_lip_upper : stk_lip_lower;
    work->handles = 0;
    for (int i = 0; i < LIP_COLUMNS; i++) {
        float one[LIP_COLUMNS] = {0};
        one[i] = 1;
        pin(work, own[i + 1], LIP_COLUMNS, one);
    }
    for (int i = 0; i < STK_LIP_POINTS; i++) pin(work, other[i], LIP_COLUMNS, still);
    pin(work, 2, LIP_COLUMNS, still);
    pin(work, 199, LIP_COLUMNS, still);
    STK_TRY(stk_smooth_solve(work->smooth, work->handle, work->handles, work->target, LIP_COLUMNS,
                             &work->field[0][0]));
    for (int v = 0; v < FACE; v++) {
        float largest = 0;
        for (int i = 0; i < LIP_COLUMNS; i++) largest = fmaxf(largest, fabsf(work->field[v][i]));
        if (largest < 0.005f) continue;
        stk_lip_skin *skin = &e->lip[lip][e->lip_count[lip]++];
        skin->vertex = (int16_t)v;
        memcpy(skin->share, work->field[v], sizeof skin->share);
    }
    return STK_OK;
}

/* Skull and throat: inverse-distance shares of the nearest oval vertices, fading with distance. */
static void make_follower(const stk_express *e, int vertex, stk_follower *follower) {
    float nearest[FOLLOWED], sum = 0;
    const float *p = e->neutral[vertex];
    for (int k = 0; k < FOLLOWED; k++) nearest[k] = 1e9f;
    for (int i = 0; i < STK_OVAL_POINTS; i++) {
        const float *q = e->neutral[stk_face_oval[i]];
        const float x = p[0] - q[0], y = p[1] - q[1], z = p[2] - q[2];
        float d = x * x + y * y + z * z;
        int16_t at = stk_face_oval[i];
        for (int k = 0; k < FOLLOWED; k++)
            if (d < nearest[k]) {
                const float d_out = nearest[k];
                const int16_t at_out = follower->oval[k];
                nearest[k] = d;
                follower->oval[k] = at;
                d = d_out;
                at = at_out;
            }
    }
    const float fade = expf(-nearest[0] / (FOLLOW_DECAY_M * FOLLOW_DECAY_M));
    const float reach = nearest[FOLLOWED - 1]; /* the last one's share is zero: no jumps */
    for (int k = 0; k < FOLLOWED; k++) {
        follower->share[k] = (reach - nearest[k]) / (nearest[k] + 1e-6f) + 1e-6f;
        sum += follower->share[k];
    }
    for (int k = 0; k < FOLLOWED; k++) follower->share[k] *= fade * e->free_share[vertex] / sum;
}

/* --- creation: all ---------------------------------------------------------------------------- */

static float eye_distance(const float (*face)[3]) {
    const float x = face[263][0] - face[33][0], y = face[263][1] - face[33][1];
    const float z = face[263][2] - face[33][2];
    return sqrtf(x * x + y * y + z * z);
}

static stk_status allocate(stk_express *e, int vertices) {
    const size_t rest = (size_t)(vertices - FACE);
    e->vertices = vertices;
    e->neutral = stk_calloc_aligned((size_t)vertices, sizeof *e->neutral);
    e->free_share = stk_calloc_aligned((size_t)vertices, sizeof *e->free_share);
    e->moves = stk_calloc_aligned((size_t)STK_BLENDSHAPES * FACE, sizeof *e->moves);
    e->follower = stk_calloc_aligned(rest + 1, sizeof *e->follower);
    if (e->neutral == NULL || e->free_share == NULL || e->moves == NULL || e->follower == NULL)
        return stk_fail_memory("the presenter's expressions");
    return STK_OK;
}

static stk_status prepare(stk_express *e, const stk_eye_globe globes[2], stk_express_work *work) {
    uint8_t hole[FACE];
    find_mirror(work);
    mark_holes(work, hole);
    e->scale = eye_distance((const float(*)[3])e->neutral) / eye_distance(stk_canonical_face());
    STK_TRY(
        stk_smooth_create(&work->smooth, (const float(*)[3])e->neutral, hole, SMOOTH_M * e->scale));
    STK_TRY(make_shapes(e, work));
    STK_TRY(make_jaw(e, work));
    for (int lip = 0; lip < 2; lip++) STK_TRY(make_lip(e, work, lip));
    for (int i = 0; i < LIP_COLUMNS; i++)
        e->lip_floor[i] =
            fminf(0, e->neutral[stk_lip_upper[i + 1]][1] - e->neutral[stk_lip_lower[i + 1]][1]);
    for (int left = 0; left < 2; left++)
        stk_lids_init(&e->lids[left], (const float(*)[3])e->neutral, &globes[left],
                      left ? work->mirror : work->identity);
    for (int v = FACE; v < e->vertices; v++) make_follower(e, v, &e->follower[v - FACE]);
    return STK_OK;
}

stk_status stk_express_create(stk_express **express, const float (*neutral)[3],
                              const float *free_share, int vertices,
                              const stk_eye_globe globes[2]) {
    *express = NULL;
    if (vertices < FACE)
        return stk_fail(STK_ERR_ARGUMENT, "a control mesh of %d vertices has no face", vertices);
    stk_express *e = *express = stk_calloc_aligned(1, sizeof *e);
    stk_express_work *work = stk_calloc_aligned(1, sizeof *work);
    stk_status status = STK_OK;
    if (e == NULL || work == NULL) status = stk_fail_memory("the presenter's expressions");
    if (status == STK_OK) status = allocate(e, vertices);
    if (status == STK_OK) {
        memcpy(e->neutral, neutral, (size_t)vertices * sizeof *neutral);
        memcpy(e->free_share, free_share, (size_t)vertices * sizeof *free_share);
        status = prepare(e, globes, work);
    }
    if (work != NULL) stk_smooth_free(&work->smooth);
    stk_free(work);
    if (status != STK_OK) stk_express_free(express);
    return status;
}

void stk_express_free(stk_express **express) {
    stk_express *e = *express;
    if (e == NULL) return;
    stk_free(e->neutral);
    stk_free(e->free_share);
    stk_free(e->moves);
    stk_free(e->follower);
    stk_free(e);
    *express = NULL;
}

/* --- a frame ---------------------------------------------------------------------------------- */

/* Values in [0, 1]; not-a-number is 0. */
static void clamp_state(const stk_face_state *state, float shapes[STK_BLENDSHAPES]) {
    for (int k = 0; k < STK_BLENDSHAPES; k++) shapes[k] = stk_clampf(state->shapes[k], 0, 1);
}

/* A tongue that comes out needs a mouth that is a little open. */
static float jaw_opening(const float shapes[STK_BLENDSHAPES]) {
    return fmaxf(shapes[STK_JAW_OPEN], 0.12f * shapes[STK_TONGUE_OUT]);
}

/* Opening: 27 degrees about the joints, which slide forward and down as they do in life; so the gap
 * between the lips is 36 mm. Sideways: 6 mm and a turn about the vertical of 3 degrees. */
static void jaw_motion(const stk_express *e, const float shapes[STK_BLENDSHAPES], stk_pose *jaw) {
    const float open = jaw_opening(shapes);
    const float aside = shapes[STK_JAW_LEFT] - shapes[STK_JAW_RIGHT];
    const float pitch = 0.471f * open, yaw = 0.055f * aside;
    const float cp = cosf(pitch), sp = sinf(pitch), cy = cosf(yaw), sy = sinf(yaw);
    const float R[9] = {cy, sy * sp, sy * cp, 0, cp, -sp, -sy, cy * sp, cy * cp};
    const float slide[3] = {0.004f * aside, -0.005f * open,
                            0.008f * open + 0.007f * shapes[STK_JAW_FORWARD]};
    memcpy(jaw->R, R, sizeof R);
    for (int i = 0; i < 3; i++) {
        jaw->t[i] = e->joint[i] + e->scale * slide[i];
        for (int k = 0; k < 3; k++) jaw->t[i] -= R[3 * i + k] * e->joint[k];
    }
}

void stk_express_jaw(const stk_express *express, const stk_face_state *state, stk_pose *jaw) {
    float shapes[STK_BLENDSHAPES];
    clamp_state(state, shapes);
    jaw_motion(express, shapes, jaw);
}

static void apply_jaw(const stk_express *e, const float shapes[STK_BLENDSHAPES],
                      float (*moved)[3]) {
    if (jaw_opening(shapes) == 0 && shapes[STK_JAW_FORWARD] == 0 &&
        shapes[STK_JAW_LEFT] == shapes[STK_JAW_RIGHT])
        return;
    stk_pose jaw;
    jaw_motion(e, shapes, &jaw);
    for (int v = 0; v < FACE; v++) {
        const float share = e->jaw_share[v];
        if (share == 0) continue;
        const float x[3] = {moved[v][0], moved[v][1], moved[v][2]};
        for (int i = 0; i < 3; i++) {
            const float *row = jaw.R + 3 * i;
            const float turned = row[0] * x[0] + row[1] * x[1] + row[2] * x[2] + jaw.t[i];
            moved[v][i] += share * (turned - x[i]);
        }
    }
}

static void spread_lip(const stk_express *e, int lip, const float move[LIP_COLUMNS][3],
                       float (*moved)[3]) {
    for (int k = 0; k < e->lip_count[lip]; k++) {
        const stk_lip_skin *skin = &e->lip[lip][k];
        for (int i = 0; i < LIP_COLUMNS; i++)
            for (int c = 0; c < 3; c++) moved[skin->vertex][c] += skin->share[i] * move[i][c];
    }
}

/* Brings the lips together by mouthClose and takes back what has passed into one another. */
static void apply_contact(const stk_express *e, const float shapes[STK_BLENDSHAPES],
                          float (*moved)[3]) {
    /* mouthClose = jawOpen closes (the convention of the 52), and so does 1 */
    const float close =
        stk_clampf(shapes[STK_MOUTH_CLOSE] / fmaxf(jaw_opening(shapes), 0.02f), 0, 1);
    float up[LIP_COLUMNS][3] = {{0}}, down[LIP_COLUMNS][3] = {{0}};
    int any = 0;
    for (int i = 0; i < LIP_COLUMNS; i++) {
        const float *upper = moved[stk_lip_upper[i + 1]], *lower = moved[stk_lip_lower[i + 1]];
        float share = close;
        for (int c = 0; c < 3; c++) {
            const float gap = upper[c] - lower[c];
            up[i][c] = -UPPER_LIP_SHARE * share * gap;
            down[i][c] = (1 - UPPER_LIP_SHARE) * share * gap;
        }
        const float height = (1 - share) * (upper[1] - lower[1]);
        const float passed = height - e->lip_floor[i];
        if (passed < 0) {
            up[i][1] -= 0.5f * passed;
            down[i][1] += 0.5f * passed;
        }
        any |= share > 0 || passed < 0;
    }
    if (!any) return;
    spread_lip(e, 0, (const float(*)[3])up, moved);
    spread_lip(e, 1, (const float(*)[3])down, moved);
}

static void apply_followers(const stk_express *e, float (*moved)[3]) {
    for (int v = FACE; v < e->vertices; v++) {
        const stk_follower *follower = &e->follower[v - FACE];
        for (int k = 0; k < FOLLOWED; k++) {
            const int oval = follower->oval[k];
            for (int c = 0; c < 3; c++)
                moved[v][c] += follower->share[k] * (moved[oval][c] - e->neutral[oval][c]);
        }
    }
}

void stk_express_apply(const stk_express *express, const stk_face_state *state, float (*moved)[3]) {
    const stk_express *e = express;
    float shapes[STK_BLENDSHAPES];
    clamp_state(state, shapes);
    memcpy(moved, e->neutral, (size_t)e->vertices * sizeof *moved);
    for (int k = 0; k < STK_BLENDSHAPES; k++) {
        if (shapes[k] == 0) continue;
        for (int i = e->first[k]; i < e->first[k + 1]; i++)
            for (int c = 0; c < 3; c++)
                moved[e->moves[i].vertex][c] += shapes[k] * e->moves[i].metres[c];
    }
    apply_jaw(e, shapes, moved);
    apply_contact(e, shapes, moved);
    for (int left = 0; left < 2; left++) stk_lids_apply(&e->lids[left], shapes, left, moved);
    apply_followers(e, moved);
}
