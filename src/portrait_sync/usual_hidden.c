/* usual_hidden.c - stk_usual_hidden of usual.h.
 *
 *   beyond, mean of 3 x 3 cells -> pieces over JOIN_LEVELS
 *     -> those with a core: a hand is broad; folds, hair and the dark rim of a turned face are not
 *     -> outwards, from the face's middle, to its rim: what is before a face comes from outside,
 *        and where it has the face's colour nothing tells it
 */
#include "portrait_sync/usual.h"

#include <math.h>
#include <string.h>

enum { CELLS = STK_CELLS, COUNT = CELLS * CELLS };
/* Levels beyond what is usual, means of 3 x 3 cells. Pieces over 2.5 have a core of at most 2 % of
 * the face on french, obama and may, 4 to 6 % on heads turned far; a hand's 5 to 25 %. */
static const float JOIN_LEVELS = 2.5f, SEED_LEVELS = 6;

enum { OFF = 0, FACE = 1, JOIN = 2, TAKEN = 4, CORE = 8 };

typedef struct pieces {
    float mean[COUNT];
    uint8_t kind[COUNT];
    int16_t queue[COUNT];
    int face;
} pieces;

static void smooth(const float *beyond, pieces *p) {
    memset(p->kind, OFF, sizeof p->kind);
    p->face = 0;
    for (int y = 1; y < CELLS - 1; y++)
        for (int x = 1; x < CELLS - 1; x++) {
            const int at = y * CELLS + x;
            float sum = 0;
            int count = 0;
            for (int k = 0; k < 9; k++) {
                const float v = beyond[at + (k / 3 - 1) * CELLS + k % 3 - 1];
                if (v >= 0) sum += v, count++;
            }
            p->face += beyond[at] >= 0;
            if (count == 0) continue;
            p->mean[at] = sum / (float)count;
            p->kind[at] = p->mean[at] > JOIN_LEVELS ? FACE | JOIN : FACE;
        }
    for (int y = 1; y < CELLS - 1; y++)
        for (int x = 1; x < CELLS - 1; x++) {
            int all = 1;
            for (int k = 0; k < 9; k++)
                all &= (p->kind[(y + k / 3 - 1) * CELLS + x + k % 3 - 1] & JOIN) != 0;
            if (all) p->kind[y * CELLS + x] |= CORE;
        }
}

/* The piece that holds cell `first`, into p->queue; returns its size. */
static int take_piece(pieces *p, int first, int *core) {
    static const int step[4] = {1, -1, CELLS, -CELLS};
    int end = 0;
    *core = 0;
    p->queue[end++] = (int16_t)first;
    p->kind[first] |= TAKEN;
    for (int n = 0; n < end; n++) {
        *core += (p->kind[p->queue[n]] & CORE) != 0;
        for (int d = 0; d < 4; d++) { /* the outermost cells are never of a piece */
            const int to = p->queue[n] + step[d];
            if ((p->kind[to] & (JOIN | TAKEN)) != JOIN) continue;
            p->kind[to] |= TAKEN;
            p->queue[end++] = (int16_t)to;
        }
    }
    return end;
}

static void face_middle(const pieces *p, float middle[2]) {
    float sum[2] = {0, 0}, count = 0;
    for (int i = 0; i < COUNT; i++)
        if (p->kind[i] & FACE) sum[0] += (float)(i % CELLS), sum[1] += (float)(i / CELLS), count++;
    middle[0] = sum[0] / fmaxf(count, 1), middle[1] = sum[1] / fmaxf(count, 1);
}

/* Every cell between a hidden one and the face's rim, straight away from its middle. */
static void reach_outwards(const pieces *p, int first, const float middle[2], uint8_t *hidden) {
    float x = (float)(first % CELLS), y = (float)(first / CELLS);
    const float dx = x - middle[0], dy = y - middle[1], length = hypotf(dx, dy);
    if (length < 1) return;
    for (int n = 0; n < CELLS; n++) {
        x += dx / length, y += dy / length;
        const int cx = (int)lrintf(x), cy = (int)lrintf(y);
        if (cx < 0 || cy < 0 || cx >= CELLS || cy >= CELLS) return;
        if (!(p->kind[cy * CELLS + cx] & FACE)) return;
        hidden[cy * CELLS + cx] = 1;
    }
}

int stk_usual_hidden(const float *beyond, float core, uint8_t *hidden) {
    pieces p;
    float middle[2];
    int count = 0;
    memset(hidden, 0, COUNT);
    smooth(beyond, &p);
    face_middle(&p, middle);
    for (int i = 0; i < COUNT; i++) {
        int inside;
        if ((p.kind[i] & (JOIN | TAKEN)) != JOIN || p.mean[i] < SEED_LEVELS) continue;
        const int size = take_piece(&p, i, &inside);
        if ((float)inside < fmaxf(core * (float)p.face, 1)) continue;
        for (int n = 0; n < size; n++) hidden[p.queue[n]] = 1;
        for (int n = 0; n < size; n++) reach_outwards(&p, p.queue[n], middle, hidden);
    }
    for (int i = 0; i < COUNT; i++) count += hidden[i];
    return count;
}
