/* cuts.c - see cuts.h.
 *
 *   grey -> n = (g - mean) / max(deviation, DEVIATION_LEAST)                     [frames][1024]
 *   d(a, b) = mean |n_a - n_b|                     the difference of two frames, in deviations
 *   apart(i) = min d(a, b), a in i-REACH..i-1, b in i..i+REACH-1       across the border before i
 *   alive(i) = max d(k-1, k), k in i-AROUND..i+AROUND without i        what moves anyway
 *
 * Linear in the number of frames; besides 8 bytes a frame, 24 KiB.
 */
#include "subject/cuts.h"

#include "base/memory.h"
#include "kernels/image.h"

#include <math.h>

enum {
    REACH = 3,       /* frames on either side that a cut parts: a flash of two frames is none */
    AROUND = 3,      /* neighbouring steps that a cut is compared with */
    FACE_AROUND = 6, /* of the face */
    TAKE_LEAST = 3,  /* frames; a shorter one is a flash at the clip's end */
};
static const float DEVIATION_LEAST = 4; /* grey levels; a black picture has no contrast */
/* The picture alone: measured on 20 clips, cuts are 8 to 42 times what moves around them and at
 * least 0.16 deviations; film of 30 brought to 25 pictures a second (every fifth step is two)
 * reaches 2.8 times. A whole other picture (0.4 and more; quick hands and turns stay below 0.25)
 * need not stand out as much: it may be in a shaken clip. */
static const float APART_LEAST = 0.04f, APART_RATIO = 4.5f, FAR_LEAST = 0.3f, FAR_RATIO = 1.6f;
/* Together with the face mesh (face widths): cuts 5.5 to 12.6 times what moves around, quick nods
 * 2.7 at most. */
static const float FACE_LEAST = 0.03f, FACE_RATIO = 4, FACE_APART_LEAST = 0.02f,
                   FACE_APART_RATIO = 1.5f;

void stk_cut_look(const stk_image *rgb, uint8_t grey[STK_CUT_PIXELS]) {
    uint8_t pixels[STK_CUT_PIXELS * 3];
    stk_image small = {pixels, STK_CUT_SIDE, STK_CUT_SIDE, 3, (ptrdiff_t)3 * STK_CUT_SIDE};
    stk_image_resize(&small, rgb);
    for (int i = 0; i < STK_CUT_PIXELS; i++) { /* luma of BT.601, in 1/256 */
        const uint8_t *p = pixels + (ptrdiff_t)3 * i;
        grey[i] = (uint8_t)((77 * p[0] + 150 * p[1] + 29 * p[2]) >> 8);
    }
}

float stk_cut_face_movement(const stk_landmarks *before, const stk_landmarks *now) {
    enum { SAMPLES = 52, EVERY = STK_MESH_LANDMARKS / SAMPLES };
    const float *left = before->xyz[234], *right = before->xyz[454]; /* the cheeks' outer ends */
    float sorted[SAMPLES];
    for (int i = 0; i < SAMPLES; i++) {
        const float *p = before->xyz[i * EVERY], *q = now->xyz[i * EVERY];
        float d = hypotf(p[0] - q[0], p[1] - q[1]);
        int k = i;
        for (; k > 0 && sorted[k - 1] > d; k--) sorted[k] = sorted[k - 1];
        sorted[k] = d;
    }
    return sorted[SAMPLES / 2] / fmaxf(1.0f, hypotf(left[0] - right[0], left[1] - right[1]));
}

/* --- pictures --------------------------------------------------------------------------------- */

enum { RING = 2 * REACH };
typedef float picture[STK_CUT_PIXELS];

static void normalise(const uint8_t *grey, picture out) {
    int64_t sum = 0, squares = 0;
    for (int i = 0; i < STK_CUT_PIXELS; i++) {
        sum += grey[i];
        squares += grey[i] * grey[i];
    }
    const double mean = (double)sum / STK_CUT_PIXELS;
    const double variance = (double)squares / STK_CUT_PIXELS - mean * mean;
    const float scale = 1 / fmaxf((float)sqrt(fmax(variance, 0)), DEVIATION_LEAST);
    for (int i = 0; i < STK_CUT_PIXELS; i++) out[i] = scale * ((float)grey[i] - (float)mean);
}

static float difference(const picture a, const picture b) {
    float sum = 0;
    for (int i = 0; i < STK_CUT_PIXELS; i++) sum += fabsf(a[i] - b[i]);
    return sum / STK_CUT_PIXELS;
}

/* Least difference across the border before `at`; ring holds the frames around it. */
static float least_across(const picture ring[RING], int at, int frames) {
    float least = INFINITY;
    for (int a = at - REACH < 0 ? 0 : at - REACH; a < at; a++)
        for (int b = at; b < at + REACH && b < frames; b++)
            least = fminf(least, difference(ring[a % RING], ring[b % RING]));
    return least;
}

typedef struct look {
    picture *ring;       /* [RING] */
    float *apart, *step; /* [frames] across the border before a frame; from the frame before */
} look;

static void look_at_borders(const look *l, const uint8_t (*grey)[STK_CUT_PIXELS], int frames) {
    int ready = 0; /* frames in the ring so far */
    for (int at = 1; at < frames; at++) {
        for (; ready < frames && ready < at + REACH; ready++) {
            normalise(grey[ready], l->ring[ready % RING]);
            if (ready > 0)
                l->step[ready] = difference(l->ring[(ready - 1) % RING], l->ring[ready % RING]);
        }
        l->apart[at] = least_across((const picture *)l->ring, at, frames);
    }
}

/* --- cuts ------------------------------------------------------------------------------------- */

/* Largest of values[1 ..] around `at`, itself left out. */
static float most_around(const float *values, int frames, int at, int reach) {
    float most = 0;
    for (int k = at - reach; k <= at + reach; k++)
        if (k > 0 && k < frames && k != at) most = fmaxf(most, values[k]);
    return most;
}

static int is_cut(const look *l, const float *moved, int frames, int at) {
    if (at < TAKE_LEAST || at > frames - TAKE_LEAST) return 0;
    const float apart = l->apart[at], alive = most_around(l->step, frames, at, AROUND);
    if (apart > APART_LEAST && apart > APART_RATIO * alive) return 1;
    if (apart > FAR_LEAST && apart > FAR_RATIO * alive) return 1;
    const float around = most_around(moved, frames, at, FACE_AROUND);
    return moved[at] > FACE_LEAST && moved[at] > FACE_RATIO * around && apart > FACE_APART_LEAST &&
           apart > FACE_APART_RATIO * alive;
}

stk_status stk_cuts_find(const uint8_t (*grey)[STK_CUT_PIXELS], const float *moved, int frames,
                         int32_t *take) {
    look l = {stk_calloc_aligned(RING, sizeof *l.ring),
              stk_calloc_aligned((size_t)frames, sizeof *l.apart),
              stk_calloc_aligned((size_t)frames, sizeof *l.step)};
    stk_status status = STK_OK;
    if (l.ring == NULL || l.apart == NULL || l.step == NULL) {
        status = stk_fail_memory("looking for cuts");
    } else {
        look_at_borders(&l, grey, frames);
        take[0] = 0;
        for (int i = 1; i < frames; i++) take[i] = take[i - 1] + is_cut(&l, moved, frames, i);
    }
    stk_free(l.ring);
    stk_free(l.apart);
    stk_free(l.step);
    return status;
}
