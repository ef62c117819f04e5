/* lids.c - shut lids, learned from other sides and with other brows than the few that the clip
 * shows them with.
 *
 *   blink: its rays, with the lids of an open frame -> where they end -> a plane through each eye
 *          -> rays at the lids turned about the plane: as the camera of another frame sees them,
 *          with that frame's brows -> the same colours
 *   other frames: some rays above the eyes, lids left out, hear the lids of a blink -> the same
 *
 * A clip has a handful of blinks, each in one pose and with one set of brows. By these alone shut
 * lids may lie at any depth, and what they are with other brows is never asked: from elsewhere dark
 * smears were drawn, and brows tore while the lids went down (doc/MODEL.md). Where the surface
 * lies, a thousand open frames tell; a lid is there too, to a millimetre or two. So two of three
 * rays at the lids of a blink begin at the camera of a frame drawn at random, go through the same
 * point of the eye, and hear its brows and the individual code that rendering has.
 *
 * DIFFERS: the published system has nothing of the kind.
 */
#include "train/internal.h"
#include "base/spd.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum { FIRST_STEP = 256, RAYS_MIN = 6, TRIES = 8, EYES = 2 };
enum { SEED = 313, RAY_SEED = 317, PICK_SEED = 331 };
static const float TURNED_SHARE = 0.67f; /* of a blink's rays at the lids */
static const float BROWS_SHARE = 0.15f;  /* of other frames' rays above the eyes */
static const float WEIGHT_MIN = 0.5f;
/* Reach of the lids about the middle of the eye's corners, shares of the eye's width; the middle
 * itself lies a little higher. Further out, shares of that: what tells where the eye lies; where
 * nothing of the lids is left. */
static const float HALF_WIDTH = 0.62f, HALF_HEIGHT = 0.32f, RISE = 0.04f;
static const float FIT_REACH = 1.4f, CLEAR_REACH = 1.3f;

static int enough(const stk_trainer *t) {
    return t->blink_count > 0 && t->plan.now.kind == STK_STEP_RAYS && !t->plan.two_passes &&
           !t->schedule->published_rays && t->step >= FIRST_STEP;
}

int stk_train_lids_turn(const stk_trainer *t, int slot) {
    return enough(t) && t->lids_down[t->frame_list[slot]];
}

/* --- conditions ------------------------------------------------------------------------------- */

static float draw(const stk_trainer *t, int slot, int number) {
    return stk_train_noise((uint64_t)t->settings.seed + SEED, t->step,
                           (int64_t)slot * (TRIES + 1) + number);
}

/* The frame with open lids whose camera and brows a blink's rays get. */
static int32_t open_frame(const stk_trainer *t, int slot) {
    int32_t frame = 0;
    for (int i = 0; i < TRIES; i++) {
        frame = (int32_t)(draw(t, slot, i) * (float)t->performance.train_frames);
        if (!t->lids_down[frame]) break;
    }
    return frame;
}

/* The frame whose lids an open frame's rays hear. */
static int32_t blink_frame(const stk_trainer *t, int slot) {
    return t->blinks[(int)(draw(t, slot, TRIES) * (float)t->blink_count)];
}

/* Rows beyond those of the slots. */
static size_t open_row(const stk_trainer *t, int slot) {
    return (size_t)(t->slots_max + slot);
}
static size_t mixed_row(const stk_trainer *t, int slot) {
    return (size_t)(2 * t->slots_max + slot);
}

/* brows and lids: rows of seven, or fewer inputs. */
static void fill_row(stk_trainer *t, int slot, size_t row, const float *brows, const float *lids) {
    const int inputs = t->nets.config.exp, first = inputs - STK_TRAIN_LIDS;
    float *expression = t->expression + row * STK_EXP_MAX;
    memset(expression, 0, STK_EXP_MAX * sizeof(float));
    memcpy(expression, brows, (size_t)first * sizeof(float));
    memcpy(expression + first, lids + first, STK_TRAIN_LIDS * sizeof(float));
    memcpy(t->audio_code + row * STK_AUD, t->audio_code + (size_t)slot * STK_AUD,
           STK_AUD * sizeof(float));
    memset(t->daudio + row * STK_AUD, 0, STK_AUD * sizeof(float));
    memset(t->dcode + row * STK_CODE, 0, STK_CODE * sizeof(float));
}

void stk_train_lids_conditions(stk_trainer *t, int slot) {
    if (!enough(t)) return;
    const float(*expressions)[STK_EXPRESSIONS] = t->performance.expressions;
    const float *own = expressions[t->frame_list[slot]];
    const float *rendered = stk_params_value(&t->nets.params, t->nets.field.codes);
    const int turned = stk_train_lids_turn(t, slot);
    const float *open = turned ? expressions[open_frame(t, slot)] : own;
    const float *shut = turned ? own : expressions[blink_frame(t, slot)];
    fill_row(t, slot, open_row(t, slot), open, open);
    fill_row(t, slot, mixed_row(t, slot), open, shut);
    const float *code = turned ? rendered : t->code + (size_t)slot * STK_CODE;
    memcpy(t->code + open_row(t, slot) * STK_CODE, rendered, STK_CODE * sizeof(float));
    memcpy(t->code + mixed_row(t, slot) * STK_CODE, code, STK_CODE * sizeof(float));
}

uint16_t stk_train_lids_open(const stk_trainer *t, int slot) {
    return (uint16_t)open_row(t, slot);
}

void stk_train_lids_collect(stk_trainer *t, int slot) {
    if (!enough(t)) return;
    const size_t mixed = mixed_row(t, slot), own = (size_t)slot;
    for (int i = 0; i < STK_AUD; i++)
        t->daudio[own * STK_AUD + (size_t)i] += t->daudio[mixed * STK_AUD + (size_t)i];
    if (stk_train_lids_turn(t, slot)) return; /* it was not this frame's code */
    for (int i = 0; i < STK_CODE; i++)
        t->dcode[own * STK_CODE + (size_t)i] += t->dcode[mixed * STK_CODE + (size_t)i];
}

/* --- where the eyes are ----------------------------------------------------------------------- */

typedef struct eye {
    float x, y, ux, uy, width; /* middle, direction from corner to corner, px */
    int fitted;
    double plane[3]; /* end of a ray = plane . (1, along, down), in widths */
    float near, far; /* of the ends that it was fitted to */
} eye;

static void find_eye(const float (*points)[3], int first, int last, eye *e) {
    const float *a = points[first], *b = points[last];
    e->width = fmaxf(hypotf(b[0] - a[0], b[1] - a[1]), 1.0f);
    e->ux = (b[0] - a[0]) / e->width;
    e->uy = (b[1] - a[1]) / e->width;
    e->x = 0.5f * (a[0] + b[0]) + RISE * e->width * e->uy;
    e->y = 0.5f * (a[1] + b[1]) - RISE * e->width * e->ux;
    e->fitted = 0;
}

static void find_eyes(const stk_trainer *t, int slot, eye eyes[EYES]) {
    const float(*points)[3] = stk_subject_landmarks(t->subject, t->frame_list[slot]);
    find_eye(points, 33, 133, &eyes[0]);
    find_eye(points, 362, 263, &eyes[1]);
}

/* Place of a pixel along and down, in widths of the eye; 1 when it lies within `reach` times the
 * lids' ellipse. */
static int within(const eye *e, const stk_ray_pick *pick, float reach, double at[2]) {
    const float x = (float)pick->col + 0.5f - e->x, y = (float)pick->row + 0.5f - e->y;
    at[0] = (double)((x * e->ux + y * e->uy) / e->width);
    at[1] = (double)((y * e->ux - x * e->uy) / e->width);
    const double p = at[0] / (double)HALF_WIDTH, q = at[1] / (double)HALF_HEIGHT;
    return p * p + q * q <= (double)(reach * reach);
}

void stk_train_lids_picks(const stk_trainer *t, int slot, stk_ray_pick *picks, int count) {
    const stk_rect rect = stk_ray_cache_rect(t->cache);
    stk_rng rng;
    eye eyes[EYES];
    find_eyes(t, slot, eyes);
    stk_rng_seed(&rng, t->ray_seed + PICK_SEED, (uint64_t)slot);
    for (int i = 0; i < count; i++) {
        const eye *e = &eyes[i % EYES];
        const float angle = 6.2831853f * stk_rng_float(&rng), far = sqrtf(stk_rng_float(&rng));
        const float along = e->width * HALF_WIDTH * far * cosf(angle);
        const float down = e->width * HALF_HEIGHT * far * sinf(angle);
        const int x = (int)stk_clampf(e->x + along * e->ux - down * e->uy, (float)rect.x0,
                                      (float)(rect.x1 - 1));
        const int y = (int)stk_clampf(e->y + along * e->uy + down * e->ux, (float)rect.y0,
                                      (float)(rect.y1 - 1));
        stk_ray_cache_pick(t->cache, slot, t->frame_list[slot], x, y, &picks[i]);
    }
}

/* --- a blink's rays --------------------------------------------------------------------------- */

/* Least squares over the rays about the eye that end somewhere. */
static void fit_plane(eye *e, const stk_train_rays *rays) {
    double a[9] = {0}, at[2];
    int used = 0;
    memset(e->plane, 0, sizeof e->plane);
    e->near = FLT_MAX, e->far = 0;
    for (int r = 0; r < rays->count; r++) {
        if (!(rays->end[r] > 0) || !within(e, &rays->picks[r], FIT_REACH, at)) continue;
        const double row[3] = {1, at[0], at[1]};
        for (int i = 0; i < 3; i++) {
            for (int j = 0; j < 3; j++) a[3 * i + j] += row[i] * row[j];
            e->plane[i] += row[i] * (double)rays->end[r];
        }
        e->near = fminf(e->near, rays->end[r]);
        e->far = fmaxf(e->far, rays->end[r]);
        used++;
    }
    e->fitted = used >= RAYS_MIN && stk_spd_solve(a, e->plane, 3);
}

/* How far a ray goes: no nearer and no farther than any that was seen, as rays nearly in a line say
 * little of the plane beside it. */
static float end_at(const eye *e, const double at[2]) {
    const double end = e->plane[0] + e->plane[1] * at[0] + e->plane[2] * at[1];
    return stk_clampf((float)end, e->near, e->far);
}

/* Samples stand a step before what compositing takes for their distance. */
float stk_train_lids_end(const stk_ray_out *out) {
    return out->weight > WEIGHT_MIN ? out->depth / out->weight - STK_STEP_NGP : 0;
}

/* The ray from `from` through the point at distance `end`. */
static void turn(const float from[3], float end, float origin[3], float direction[3]) {
    float d[3];
    for (int c = 0; c < 3; c++) d[c] = origin[c] + end * direction[c] - from[c];
    const float inverse = 1 / sqrtf(d[0] * d[0] + d[1] * d[1] + d[2] * d[2]);
    for (int c = 0; c < 3; c++) {
        origin[c] = from[c];
        direction[c] = d[c] * inverse;
    }
}

static int chosen(const stk_trainer *t, const stk_train_rays *rays, int r, float share) {
    return rays->picks[r].label == STK_LABEL_HEAD &&
           stk_train_noise((uint64_t)t->settings.seed + RAY_SEED, t->step, rays->first + r) < share;
}

static void turn_rays(const stk_trainer *t, int slot, eye eyes[EYES], const stk_train_rays *rays) {
    stk_ngp_camera camera;
    double at[2];
    const int32_t from = open_frame(t, slot);
    stk_ngp_camera_from_pose(&t->performance.camera, &t->performance.poses[from], &camera);
    for (int k = 0; k < EYES; k++) fit_plane(&eyes[k], rays);
    for (int r = 0; r < rays->count; r++) {
        if (!chosen(t, rays, r, TURNED_SHARE)) continue;
        const int k = within(&eyes[0], &rays->picks[r], 1, at) ? 0 : 1;
        if (!eyes[k].fitted || !within(&eyes[k], &rays->picks[r], 1, at)) continue;
        turn(camera.origin, end_at(&eyes[k], at), rays->origin + 3 * r, rays->direction + 3 * r);
        rays->row[r] = (uint16_t)mixed_row(t, slot);
    }
}

/* --- other frames' ---------------------------------------------------------------------------- */

static void mix_rays(const stk_trainer *t, int slot, const eye eyes[EYES],
                     const stk_train_rays *rays) {
    double at[EYES][2];
    for (int r = 0; r < rays->count; r++) {
        if (!chosen(t, rays, r, BROWS_SHARE)) continue;
        int lids = 0, above = 1;
        for (int k = 0; k < EYES; k++) {
            lids |= within(&eyes[k], &rays->picks[r], CLEAR_REACH, at[k]);
            above &= at[k][1] < 0;
        }
        if (above && !lids) rays->row[r] = (uint16_t)mixed_row(t, slot);
    }
}

void stk_train_lids(const stk_trainer *t, int slot, const stk_train_rays *rays) {
    eye eyes[EYES];
    if (!enough(t)) return;
    find_eyes(t, slot, eyes);
    if (stk_train_lids_turn(t, slot))
        turn_rays(t, slot, eyes, rays);
    else
        mix_rays(t, slot, eyes, rays);
}
