/* plan.c - what a step takes: how its rays are laid out over slots, its frames, windows and rays.
 *
 *   schedule (position, step) -> kind -> layout -> frames -> windows -> picks of a slot
 *
 * Slots are the tasks that threads share out, so a step of few pictures cuts each into parts. The
 * cut does not depend on the number of threads.
 *
 * DIFFERS from reference.md 1.6: patches and lips lie within the rectangle that the head covers
 * over the clip; the square of the lips has one size in all frames (that which 95 % of them fit),
 * so that a step's memory is known beforehand.
 */
#include "train/internal.h"
#include "base/face_mesh.h"
#include "base/memory.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS_WANTED = 16, RAY_SLOTS_WANTED = 8, PICTURES_MAX = 16, LIPS_SIDE_MIN = 16 };
enum { LIPS_FIRST = 48, LIPS_END = 60 };  /* outer lip, of the 68 points */
static const float PUBLISHED_RATE = 0.5f; /* of the coarse stage, at its end */
/* Where our own patches lie: shares as RAY_SHARES of trainer.c, without the far backdrop. */
static const float PATCH_SHARES[STK_RAY_CLASSES] = {0.0f, 0.1f, 0.4f, 0.2f, 0.3f};

/* Rays at the lids themselves: of a blink's, instead of as many at eyes and brows; of other frames'
 * in clips with blinks, so that open eyes stay as sharp, instead of as many of the head. (Fewer at
 * their brows, and brows are not learned.) */
static const float SHUT_SHARE = 0.35f, OPEN_SHARE = 0.05f;

int stk_train_first_ray(const step_plan *plan, int slot, int *count) {
    const int first = slot % plan->parts * plan->slot_rays, left = plan->picture_rays - first;
    *count = left < plan->slot_rays ? left : plan->slot_rays;
    return slot / plan->parts * plan->picture_rays + first;
}

static step_plan layout_of(int pictures, int picture_rays, int slots_wanted) {
    int parts = slots_wanted / pictures;
    if (parts < 1) parts = 1;
    if (parts > picture_rays) parts = picture_rays;
    step_plan p = {.pictures = pictures, .parts = parts, .picture_rays = picture_rays};
    p.slot_rays = (picture_rays + parts - 1) / parts;
    p.parts = (picture_rays + p.slot_rays - 1) / p.slot_rays; /* none of them empty */
    p.slots = p.pictures * p.parts;
    p.rays = p.pictures * p.picture_rays;
    return p;
}

static step_plan layout_of_windows(const stk_trainer *t, int side, int pictures) {
    const stk_rect rect = stk_ray_cache_rect(t->cache);
    const int width = side < rect.x1 - rect.x0 ? side : rect.x1 - rect.x0;
    const int height = side < rect.y1 - rect.y0 ? side : rect.y1 - rect.y0;
    if (pictures == 0) pictures = t->settings.rays / (width * height);
    if (pictures < 1) pictures = 1;
    if (pictures > PICTURES_MAX) pictures = PICTURES_MAX;
    step_plan p = layout_of(pictures, width * height, SLOTS_WANTED);
    p.width = width, p.height = height;
    return p;
}

/* --- lips ------------------------------------------------------------------------------------- */

static int clamped(float v, int hi) {
    return (int)stk_clampf(v, 0.0f, (float)hi);
}

/* Middle and half side of the square around the outer lip (reference.md 1.3). */
static int lips_of(const stk_trainer *t, int frame, int middle[2]) {
    const float(*points)[3] = stk_subject_landmarks(t->subject, frame);
    const int size[2] = {t->performance.width, t->performance.height};
    int side = 0;
    for (int axis = 0; axis < 2; axis++) {
        int lo = size[axis], hi = 0;
        for (int i = LIPS_FIRST; i < LIPS_END; i++) {
            const int at = clamped(points[stk_mesh_of_68[i]][axis], size[axis]);
            if (at < lo) lo = at;
            if (at > hi) hi = at;
        }
        middle[axis] = (lo + hi) / 2;
        if (hi - lo > side) side = hi - lo;
    }
    return side / 2;
}

static int by_size(const void *a, const void *b) {
    const int x = *(const int *)a, y = *(const int *)b;
    return (x > y) - (x < y);
}

static int start_of(int middle, int length, int lo, int hi) {
    int start = middle - length / 2;
    if (start > hi - length) start = hi - length;
    return start < lo ? lo : start;
}

static stk_status lay_out_lips(stk_trainer *t, int pictures) {
    const stk_rect rect = stk_ray_cache_rect(t->cache);
    const int frames = t->performance.train_frames;
    t->lips = stk_calloc_aligned((size_t)frames, sizeof *t->lips);
    int *halves = stk_calloc_aligned((size_t)frames, sizeof *halves), middle[2];
    if (t->lips == NULL || halves == NULL) {
        stk_free(halves);
        return stk_fail_memory("training");
    }
    for (int i = 0; i < frames; i++) halves[i] = lips_of(t, i, middle);
    qsort(halves, (size_t)frames, sizeof *halves, by_size);
    int side = 2 * halves[(frames - 1) * 95 / 100];
    stk_free(halves);
    if (side < LIPS_SIDE_MIN) side = LIPS_SIDE_MIN;
    step_plan *p = &t->layout[STK_STEP_LIPS];
    *p = layout_of_windows(t, side, pictures);
    for (int i = 0; i < frames; i++) {
        lips_of(t, i, middle);
        const int x = start_of(middle[0], p->width, rect.x0, rect.x1);
        const int y = start_of(middle[1], p->height, rect.y0, rect.y1);
        t->lips[i] = (stk_rect){x, y, x + p->width, y + p->height};
    }
    return STK_OK;
}

/* --- layouts ---------------------------------------------------------------------------------- */

stk_status stk_train_plan_init(stk_trainer *t) {
    const stk_schedule *s = t->schedule;
    step_plan *layout = t->layout;
    if (stk_schedule_has(s, STK_STEP_RAYS))
        layout[STK_STEP_RAYS] =
            layout_of(t->batch.frames, t->batch.rays / t->batch.frames, RAY_SLOTS_WANTED);
    if (stk_schedule_has(s, STK_STEP_PATCHES))
        layout[STK_STEP_PATCHES] = layout_of_windows(t, s->patch_side, s->patches);
    /* The released code takes one frame's lips a step. */
    if (stk_schedule_has(s, STK_STEP_LIPS))
        STK_TRY(lay_out_lips(t, s->published_rays ? 1 : s->patches));
    for (int k = 0; k < STK_STEP_KINDS; k++) {
        const unsigned terms = stk_schedule_terms(s, (stk_step_kind)k);
        const int moved = (terms & STK_TERM_SMOOTHNESS) != 0; /* smooth.c has as many again */
        const int blocks = (layout[k].slot_rays + BLOCK_RAYS - 1) / BLOCK_RAYS;
        layout[k].slot_tiles = blocks * BLOCK_TILES * (1 + moved);
        if (layout[k].slots > t->slots_max) t->slots_max = layout[k].slots;
    }
    return STK_OK;
}

stk_training stk_train_provenance(const stk_trainer *t) {
    stk_training training;
    snprintf(training.schedule, sizeof training.schedule, "%s", t->schedule->name);
    snprintf(training.perceptual, sizeof training.perceptual, "%s",
             stk_perceptual_name(t->perceptual));
    snprintf(training.perceptual_sha256, sizeof training.perceptual_sha256, "%s",
             stk_perceptual_sha256(t->perceptual));
    return training;
}

size_t stk_train_most_rays(const stk_trainer *t) {
    int most = 0;
    for (int k = 0; k < STK_STEP_KINDS; k++)
        if (t->layout[k].rays > most) most = t->layout[k].rays;
    return (size_t)most;
}

size_t stk_train_most_tiles(const stk_trainer *t) {
    int most = 0;
    for (int k = 0; k < STK_STEP_KINDS; k++)
        if (t->layout[k].slots * t->layout[k].slot_tiles > most)
            most = t->layout[k].slots * t->layout[k].slot_tiles;
    return (size_t)most;
}

/* --- a step ----------------------------------------------------------------------------------- */

static void place_windows(stk_trainer *t) {
    const step_plan *p = &t->plan;
    stk_rng rng;
    stk_rng_seed(&rng, t->ray_seed, (uint64_t)t->slots_max);
    for (int picture = 0; picture < p->pictures; picture++) {
        const int frame = t->drawn[picture];
        const stk_rect window =
            p->now.kind == STK_STEP_LIPS
                ? t->lips[frame]
                : stk_ray_cache_place(t->cache, t->schedule->published_rays ? NULL : PATCH_SHARES,
                                      frame, p->width, p->height, &rng);
        for (int i = 0; i < p->parts; i++) t->window[picture * p->parts + i] = window;
    }
}

void stk_train_plan_step(stk_trainer *t, double position) {
    stk_schedule_step now = stk_schedule_at(t->schedule, position, t->step);
    if (t->settings.vary & STK_VARY_RATES) now.rate = powf(PUBLISHED_RATE, (float)position);
    t->fraction = position;
    t->plan = t->layout[now.kind];
    t->plan.now = now;
    if (now.kind != STK_STEP_RAYS && strcmp(stk_perceptual_name(t->perceptual), "none") != 0)
        t->plan.now.terms |= STK_TERM_PERCEPTUAL;
    t->plan.two_passes = (t->plan.now.terms & (STK_TERM_PERCEPTUAL | STK_TERM_UNCERTAINTY)) != 0;
    stk_batch_settings batch = t->batch;
    batch.frames = t->plan.pictures;
    t->ray_seed = stk_ray_cache_frames(t->cache, &batch, &t->rng, t->epoch_order,
                                       &t->epoch_position, t->drawn);
    if (!t->schedule->published_rays) stk_train_blinks_draw(t);
    for (int slot = 0; slot < t->plan.slots; slot++)
        t->frame_list[slot] = t->drawn[slot / t->plan.parts];
    if (now.kind != STK_STEP_RAYS) place_windows(t);
}

/* By classes; of eyes and brows partly at the lids themselves. */
static void draw_rays(stk_trainer *t, int slot, int count, stk_ray_pick *picks) {
    const int32_t frame = t->frame_list[slot];
    stk_batch_settings batch = stk_train_blinks_shares(t, frame);
    batch.frames = 1;
    batch.rays = count;
    stk_ray_cache_rays(t->cache, &batch, t->ray_seed, slot, frame, picks);
    if (t->blink_count == 0) return;
    float before = 0; /* the last ones of the head and the first ones of the eyes meet there */
    for (int class = 0; class < STK_RAY_EYES; class ++) before += batch.share[class];
    const int eyes = (int)(before * (float)count + 0.5f);
    const int open = (int)(OPEN_SHARE * (float)count), shut = (int)(SHUT_SHARE * (float)count);
    if (t->lids_down[frame])
        stk_train_lids_picks(t, slot, picks + eyes, shut);
    else
        stk_train_lids_picks(t, slot, picks + eyes - open, open);
}

void stk_train_plan_rays(stk_trainer *t, int slot) {
    const step_plan *p = &t->plan;
    const int frame = t->frame_list[slot];
    int count;
    stk_ray_pick *picks = t->picks + stk_train_first_ray(p, slot, &count);
    if (p->now.kind != STK_STEP_RAYS)
        stk_ray_cache_window(t->cache, slot, frame, t->window[slot], slot % p->parts * p->slot_rays,
                             count, picks);
    else if (t->schedule->published_rays || t->settings.vary & STK_VARY_REGIONS)
        stk_ray_cache_uniform(t->cache, t->ray_seed, slot, frame, count, picks);
    else
        draw_rays(t, slot, count, picks);
}
