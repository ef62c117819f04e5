/* batch.c - draws a training batch from the ray cache: frames without replacement within an epoch,
 * rays with replacement within a frame, a set share of them from each weight class.
 *
 * A pixel of a class is drawn by rejection inside the class's bounds (one random read a try; mouth
 * and eyes nearly fill theirs). After TRIES misses the exact way is taken: a rank among the class's
 * pixels, found through the counts per row. Both are uniform over the class, so is their mixture.
 * Nothing is allocated, and what is drawn depends on the generator alone.
 *
 * DIFFERS: what stands before the face, which is of no class, is left out of uniform draws, too.
 */
#include "subject/ray_file.h"

#include <string.h>

enum { TRIES = 24, CLASS_PLAIN = 0, CLASS_HEAD = 2 };

/* --- frames ----------------------------------------------------------------------------------- */

static void shuffle(int32_t *order, int n, stk_rng *rng) {
    for (int i = 0; i < n; i++) order[i] = i;
    for (int i = n - 1; i > 0; i--) {
        int j = (int)stk_rng_below(rng, (uint32_t)i + 1);
        int32_t swap = order[i];
        order[i] = order[j], order[j] = swap;
    }
}

static int listed(const int32_t *list, int count, int32_t frame) {
    for (int i = 0; i < count; i++)
        if (list[i] == frame) return 1;
    return 0;
}

/* The next frame of the epoch. Where a new epoch begins inside a batch, a frame that the batch
 * already has changes places with a later one. */
static int32_t next_frame(int32_t *order, int32_t *position, int n, stk_rng *rng,
                          const int32_t *list, int count) {
    if (*position <= 0 || *position >= n) {
        shuffle(order, n, rng);
        *position = 0;
    }
    for (int i = *position; i < n; i++) {
        if (listed(list, count, order[i])) continue;
        int32_t swap = order[*position];
        order[*position] = order[i], order[i] = swap;
        break;
    }
    int32_t frame = order[*position];
    *position = *position + 1 == n ? 0 : *position + 1;
    return frame;
}

/* --- rays ------------------------------------------------------------------------------------- */

typedef struct spot {
    int x, y; /* inside the rectangle */
} spot;

static spot exact_spot(const stk_ray_cache *cache, int frame, int class, uint32_t rank) {
    const uint16_t *rows = stk_ray_row_counts(cache, frame, class);
    const uint8_t *pixels = stk_ray_cache_frame(cache, frame);
    spot s = {0, 0};
    while (s.y < cache->height - 1 && rank >= rows[s.y]) rank -= rows[s.y++];
    const uint8_t *row = pixels + (size_t)s.y * (size_t)cache->width * STK_RAY_BYTES;
    for (; s.x < cache->width - 1; s.x++) {
        if (row[s.x * STK_RAY_BYTES + 7] != class) continue;
        if (rank-- == 0) break;
    }
    return s;
}

static spot draw_spot(const stk_ray_cache *cache, int frame, int class, stk_rng *rng) {
    const stk_ray_index *index = stk_ray_index_of(cache, frame);
    const uint8_t *pixels = stk_ray_cache_frame(cache, frame);
    const stk_rect box = index->box[class];
    if (index->count[class] == 0) return (spot){0, 0}; /* a frame with none at all */
    for (int i = 0; i < TRIES; i++) {
        int x = box.x0 + (int)stk_rng_below(rng, (uint32_t)(box.x1 - box.x0));
        int y = box.y0 + (int)stk_rng_below(rng, (uint32_t)(box.y1 - box.y0));
        size_t at = (size_t)y * (size_t)cache->width + (size_t)x;
        if (pixels[at * STK_RAY_BYTES + 7] == class) return (spot){x, y};
    }
    return exact_spot(cache, frame, class, stk_rng_below(rng, index->count[class]));
}

static int inside(const stk_rect *r, int x, int y) {
    return x >= r->x0 && x < r->x1 && y >= r->y0 && y < r->y1;
}

static void fill_pick(const stk_ray_cache *cache, int frame, int slot, spot s, stk_ray_pick *pick) {
    const stk_ray_index *index = stk_ray_index_of(cache, frame);
    const uint8_t *pixel = stk_ray_cache_frame(cache, frame) +
                           ((size_t)s.y * (size_t)cache->width + (size_t)s.x) * STK_RAY_BYTES;
    int col = cache->header.rect.x0 + s.x, row = cache->header.rect.y0 + s.y;
    *pick = (stk_ray_pick){.frame = frame,
                           .slot = (uint16_t)slot,
                           .col = (uint16_t)col,
                           .row = (uint16_t)row,
                           .label = pixel[6]};
    memcpy(pick->target, pixel, 3);
    memcpy(pick->backdrop, pixel + 3, 3);
    pick->in_face = (uint8_t)inside(&index->face, col, row);
    pick->in_low_face = (uint8_t)inside(&index->low_face, col, row);
}

/* The class that stands in for one that the frame does not have. */
static int present_class(const stk_ray_index *index, int class) {
    if (index->count[class] > 0) return class;
    if (index->count[CLASS_HEAD] > 0) return CLASS_HEAD;
    for (class = CLASS_PLAIN; class < STK_RAY_CLASSES - 1 && index->count[class] == 0;) class ++;
    return class;
}

void stk_ray_cache_rays(const stk_ray_cache *cache, const stk_batch_settings *settings,
                        uint64_t seed, int slot, int32_t frame, stk_ray_pick *picks) {
    int rays = settings->rays / settings->frames, done = 0;
    float sum = 0.0f;
    stk_rng rng;
    stk_rng_seed(&rng, seed, (uint64_t)slot);
    for (int class = 0; class < STK_RAY_CLASSES; class ++) {
        sum += settings->share[class];
        int until = (int)(sum * (float)rays + 0.5f);
        if (until > rays || class == STK_RAY_CLASSES - 1) until = rays;
        int drawn = present_class(stk_ray_index_of(cache, frame), class);
        for (; done < until; done++)
            fill_pick(cache, frame, slot, draw_spot(cache, frame, drawn, &rng), &picks[done]);
    }
}

static int of_a_class(const stk_ray_cache *cache, int frame, spot s) {
    const size_t at = (size_t)s.y * (size_t)cache->width + (size_t)s.x;
    return stk_ray_cache_frame(cache, frame)[at * STK_RAY_BYTES + 7] < STK_RAY_CLASSES;
}

/* Any pixel that is of a class, uniformly. */
static spot draw_anywhere(const stk_ray_cache *cache, int frame, stk_rng *rng) {
    const uint32_t *count = stk_ray_index_of(cache, frame)->count;
    uint32_t all = 0;
    int class = 0;
    for (int i = 0; i < TRIES; i++) {
        spot s;
        s.x = (int)stk_rng_below(rng, (uint32_t)cache->width);
        s.y = (int)stk_rng_below(rng, (uint32_t)cache->height);
        if (of_a_class(cache, frame, s)) return s;
    }
    for (int i = 0; i < STK_RAY_CLASSES; i++) all += count[i];
    if (all == 0) return (spot){0, 0};
    uint32_t rank = stk_rng_below(rng, all);
    while (rank >= count[class]) rank -= count[class ++];
    return exact_spot(cache, frame, class, rank);
}

void stk_ray_cache_uniform(const stk_ray_cache *cache, uint64_t seed, int slot, int32_t frame,
                           int n, stk_ray_pick *picks) {
    stk_rng rng;
    stk_rng_seed(&rng, seed, (uint64_t)slot);
    for (int i = 0; i < n; i++)
        fill_pick(cache, frame, slot, draw_anywhere(cache, frame, &rng), &picks[i]);
}

int stk_ray_cache_pick(const stk_ray_cache *cache, int slot, int32_t frame, int col, int row,
                       stk_ray_pick *pick) {
    const spot s = {col - cache->header.rect.x0, row - cache->header.rect.y0};
    if (!of_a_class(cache, frame, s)) return 0;
    fill_pick(cache, frame, slot, s, pick);
    return 1;
}

/* --- windows ---------------------------------------------------------------------------------- */

void stk_ray_cache_window(const stk_ray_cache *cache, int slot, int32_t frame, stk_rect window,
                          int first, int n, stk_ray_pick *picks) {
    const int width = window.x1 - window.x0;
    for (int i = 0; i < n; i++) {
        const spot s = {window.x0 - cache->header.rect.x0 + (first + i) % width,
                        window.y0 - cache->header.rect.y0 + (first + i) / width};
        fill_pick(cache, frame, slot, s, &picks[i]);
    }
}

static int drawn_class(const float *share, stk_rng *rng) {
    float left = stk_rng_float(rng);
    int class = 0;
    while (class < STK_RAY_CLASSES - 1 && left >= share[class]) left -= share[class ++];
    return class;
}

/* Start of a side of `length` around `middle`, inside [0, limit). */
static int start_of(int middle, int length, int limit) {
    int start = middle - length / 2;
    if (start > limit - length) start = limit - length;
    return start > 0 ? start : 0;
}

stk_rect stk_ray_cache_place(const stk_ray_cache *cache, const float *share, int32_t frame,
                             int width, int height, stk_rng *rng) {
    int x, y;
    if (share != NULL) {
        const int class = present_class(stk_ray_index_of(cache, frame), drawn_class(share, rng));
        const spot s = draw_spot(cache, frame, class, rng);
        x = start_of(s.x, width, cache->width);
        y = start_of(s.y, height, cache->height);
    } else {
        x = (int)stk_rng_below(rng, (uint32_t)(cache->width - width + 1));
        y = (int)stk_rng_below(rng, (uint32_t)(cache->height - height + 1));
    }
    x += cache->header.rect.x0, y += cache->header.rect.y0;
    return (stk_rect){x, y, x + width, y + height};
}

/* --- batches ---------------------------------------------------------------------------------- */

uint64_t stk_ray_cache_frames(const stk_ray_cache *cache, const stk_batch_settings *settings,
                              stk_rng *rng, int32_t *epoch_order, int32_t *epoch_position,
                              int32_t *frame_list) {
    for (int slot = 0; slot < settings->frames; slot++)
        frame_list[slot] = next_frame(epoch_order, epoch_position, cache->header.train_frames, rng,
                                      frame_list, slot);
    uint64_t high = stk_rng_u32(rng);
    return high << 32 | stk_rng_u32(rng);
}

void stk_ray_cache_batch(const stk_ray_cache *cache, const stk_batch_settings *settings,
                         stk_rng *rng, int32_t *epoch_order, int32_t *epoch_position,
                         int32_t *frame_list, stk_ray_pick *picks) {
    int per_slot = settings->rays / settings->frames;
    uint64_t seed =
        stk_ray_cache_frames(cache, settings, rng, epoch_order, epoch_position, frame_list);
    for (int slot = 0; slot < settings->frames; slot++)
        stk_ray_cache_rays(cache, settings, seed, slot, frame_list[slot],
                           picks + (size_t)slot * (size_t)per_slot);
}
