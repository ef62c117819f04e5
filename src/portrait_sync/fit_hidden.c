/* fit_hidden.c - what stands before the face in the source frame: a hand, a microphone.
 *
 *   |render - frame|, mean over cells of 8 x 8 (at 512) inside the mask
 *     -> cells that differ by far, outside eyes and mouth, which may differ -> seeds
 *     -> those and what differs beside them, if it hangs together, is large, and reaches the rim
 *
 * The labels cannot tell a hand from a head (one class holds both), but the render can: it knows
 * the face. What it draws badly differs too, so much must differ and in one piece that comes from
 * outside the face. What looks unlike the clip's own face (usual.h) is hidden whatever is drawn:
 * a hand that is there for long is learned, too.
 */
#include "portrait_sync/fit_private.h"

#include <stdlib.h>
#include <string.h>

enum { CELLS = STK_CELLS, COUNT = CELLS * CELLS, SEEDS_MIN = 4, REGION_MIN = 28, GAP = 10 };
/* Levels, and what is added a level of the face's usual difference (below), which tells how well
 * the model knows this face. Presenter with a hand before the mouth, 1500 steps: usual 2, elsewhere
 * up to 7, hand 6 to 47. */
static const float SEED_LEVELS = 9, SEED_USUAL = 6, JOIN_LEVELS = 5, JOIN_USUAL = 3;
static const float USUAL_SHARE = 0.3f; /* of the cells differ less than usual */
static const float MOUTH_GROWN = 1.5f, EYES_GROWN = 1.7f;

enum { OUT = 0, INSIDE = 1, MOVES = 2, RIM = 4, SEED = 8, JOIN = 16, TAKEN = 32 };

typedef struct cells {
    float difference[COUNT];
    uint8_t kind[COUNT];
    int16_t queue[COUNT];
} cells;

/* Mean over every second pixel of a cell; kind by the mask. */
static void look_at_cell(const stk_fit_input *in, int cx, int cy, cells *c) {
    const int w = in->mask->width, h = in->mask->height;
    const int x0 = cx * w / CELLS, x1 = (cx + 1) * w / CELLS;
    const int y0 = cy * h / CELLS, y1 = (cy + 1) * h / CELLS;
    int sum = 0, full = 0, some = 0, count = 0;
    for (int y = y0; y < y1; y += 2) {
        const uint8_t *a = stk_image_row(in->picture, y), *b = stk_image_row(in->frame, y);
        const uint8_t *m = stk_image_row(in->mask, y);
        for (int x = x0; x < x1; x += 2, count++) {
            if (m[x] == 0) continue;
            some++;
            full += m[x] > 200;
            for (int i = 0; i < 3; i++) sum += abs(a[3 * x + i] - b[3 * x + i]);
        }
    }
    const int at = cy * CELLS + cx;
    c->difference[at] = some > 0 ? (float)sum / (3.0f * (float)some) : 0;
    c->kind[at] = (uint8_t)(some == 0 ? OUT : full < count ? INSIDE | RIM : INSIDE);
}

/* Cells of the grown box of some landmarks may differ: that is what the face does. */
static void mark_moving(const stk_fit_input *in, const int16_t *indices, int n, float grown,
                        cells *c) {
    float low[2] = {1e9f, 1e9f}, high[2] = {-1e9f, -1e9f};
    for (int i = 0; i < n; i++)
        for (int k = 0; k < 2; k++) {
            const float v = in->landmarks[indices[i]][k] * in->landmark_scale;
            low[k] = v < low[k] ? v : low[k];
            high[k] = v > high[k] ? v : high[k];
        }
    const float half = 0.5f * grown * (high[0] - low[0]);
    const float x = 0.5f * (low[0] + high[0]), y = 0.5f * (low[1] + high[1]);
    const float cell = (float)in->mask->width / CELLS;
    const int x0 = stk_clampi((int)((x - half) / cell), 0, CELLS - 1);
    const int x1 = stk_clampi((int)((x + half) / cell), 0, CELLS - 1);
    const int y0 = stk_clampi((int)((y - half) / cell), 0, CELLS - 1);
    const int y1 = stk_clampi((int)((y + half) / cell), 0, CELLS - 1);
    for (int cy = y0; cy <= y1; cy++)
        for (int cx = x0; cx <= x1; cx++) c->kind[cy * CELLS + cx] |= MOVES;
}

/* The difference that a share of the face's cells stay below, in whole levels. */
static float usual_difference(const cells *c) {
    int counts[256] = {0}, total = 0, below = 0, level = 0;
    for (int i = 0; i < COUNT; i++)
        if (c->kind[i] & INSIDE) {
            counts[stk_clampi((int)c->difference[i], 0, 255)]++;
            total++;
        }
    while (level < 255 && (float)(below += counts[level]) < USUAL_SHARE * (float)total) level++;
    return (float)level;
}

static void classify(const stk_fit_input *in, cells *c) {
    static const int16_t mouth[] = {61, 291, 0, 17, 13, 14, 152};
    static const int16_t right_eye[] = {33, 133, 159, 145, 70, 105};
    static const int16_t left_eye[] = {263, 362, 386, 374, 300, 334};
    for (int cy = 0; cy < CELLS; cy++)
        for (int cx = 0; cx < CELLS; cx++) look_at_cell(in, cx, cy, c);
    mark_moving(in, mouth, 7, MOUTH_GROWN, c);
    mark_moving(in, right_eye, 6, EYES_GROWN, c);
    mark_moving(in, left_eye, 6, EYES_GROWN, c);
    const float usual = usual_difference(c);
    const float join = JOIN_LEVELS + JOIN_USUAL * usual, seed = SEED_LEVELS + SEED_USUAL * usual;
    for (int i = 0; i < COUNT; i++) {
        if (!(c->kind[i] & INSIDE)) continue;
        if (c->difference[i] > join) c->kind[i] |= JOIN;
        if (c->difference[i] > seed && !(c->kind[i] & (MOVES | RIM))) c->kind[i] |= SEED;
    }
}

/* The piece that holds cell `first`, into c->queue; returns its size, *seeds and *rim count. */
static int take_piece(cells *c, int first, int *seeds, int *rim) {
    static const int step[4] = {1, -1, CELLS, -CELLS};
    int end = 0;
    *seeds = *rim = 0;
    c->queue[end++] = (int16_t)first;
    c->kind[first] |= TAKEN;
    for (int n = 0; n < end; n++) {
        const int at = c->queue[n];
        *seeds += (c->kind[at] & SEED) != 0;
        *rim += (c->kind[at] & RIM) != 0;
        for (int d = 0; d < 4; d++) {
            const int to = at + step[d];
            if (to < 0 || to >= COUNT || (d < 2 && to / CELLS != at / CELLS)) continue;
            if ((c->kind[to] & (JOIN | TAKEN)) != JOIN) continue;
            c->kind[to] |= TAKEN;
            c->queue[end++] = (int16_t)to;
        }
    }
    return end;
}

/* Where a hand has the face's own colour nothing differs: short runs between hidden cells, along
 * rows (step 1) or columns (step CELLS), are hidden too. */
static void close_gaps(float *hidden, int step) {
    const int across = step == 1 ? CELLS : 1;
    for (int line = 0; line < CELLS; line++) {
        int last = -1;
        for (int i = 0; i < CELLS; i++) {
            if (hidden[line * across + i * step] < 1) continue;
            for (int k = last + 1; last >= 0 && i - last <= GAP && k < i; k++)
                hidden[line * across + k * step] = 1;
            last = i;
        }
    }
}

/* One cell more on all sides, for soft borders. scratch: COUNT floats. */
static void grow(float *hidden, float *scratch) {
    memcpy(scratch, hidden, COUNT * sizeof *hidden);
    for (int y = 0; y < CELLS; y++)
        for (int x = 0; x < CELLS; x++)
            for (int dy = -1; dy <= 1; dy++)
                for (int dx = -1; dx <= 1; dx++) {
                    const int at_x = stk_clampi(x + dx, 0, CELLS - 1);
                    const int at_y = stk_clampi(y + dy, 0, CELLS - 1);
                    if (scratch[at_y * CELLS + at_x] >= 1) hidden[y * CELLS + x] = 1;
                }
}

void stk_fit_hidden(const stk_fit_input *input, float *hidden) {
    cells c;
    int any = 0;
    memset(hidden, 0, COUNT * sizeof *hidden);
    classify(input, &c);
    for (int i = 0; i < COUNT; i++) {
        int seeds, rim;
        if ((c.kind[i] & (SEED | TAKEN)) != SEED) continue;
        const int size = take_piece(&c, i, &seeds, &rim);
        if (seeds < SEEDS_MIN || size < REGION_MIN || rim == 0) continue;
        for (int n = 0; n < size; n++) hidden[c.queue[n]] = 1;
        any = 1;
    }
    for (int i = 0; input->known != NULL && i < COUNT; i++)
        if (input->known[i] && (c.kind[i] & INSIDE)) hidden[i] = 1, any = 1;
    if (!any) return;
    close_gaps(hidden, 1);
    close_gaps(hidden, CELLS);
    grow(hidden, c.difference);
}

void stk_fit_uncover(const float *hidden, stk_image *mask) {
    int any = 0;
    for (int i = 0; i < COUNT; i++) any |= hidden[i] > 0.02f;
    for (int y = 0; any && y < mask->height; y++) {
        uint8_t *m = stk_image_row(mask, y);
        const float v =
            stk_clampf(((float)y + 0.5f) * CELLS / (float)mask->height - 0.5f, 0, CELLS - 1.001f);
        const float *upper = hidden + (int)v * CELLS, *lower = upper + CELLS;
        const float fy = v - (float)(int)v;
        for (int x = 0; x < mask->width; x++) {
            if (m[x] == 0) continue;
            const float u = stk_clampf(((float)x + 0.5f) * CELLS / (float)mask->width - 0.5f, 0,
                                       CELLS - 1.001f);
            const int i = (int)u;
            const float fx = u - (float)i;
            const float a = upper[i] + fx * (upper[i + 1] - upper[i]);
            const float b = lower[i] + fx * (lower[i + 1] - lower[i]);
            m[x] = (uint8_t)((float)m[x] * (1 - (a + fy * (b - a))) + 0.5f);
        }
    }
}
