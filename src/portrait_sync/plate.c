/* plate.c - the background without the person, gathered over a clip (reference.md 6.4).
 *
 *   frame + labels -> distance of every pixel to the nearest person pixel
 *                  -> per pixel the CANDIDATES colours seen farthest from the person
 *   finish: per pixel and channel the median of its candidates; never-seen pixels by pull-push
 *
 * DIFFERS: the published code keeps the one farthest frame; a single frame whose mask missed an arm
 * then stays in the plate for ever. The median of five outvotes it and halves the codec noise.
 * Unseen pixels take a smooth fill instead of the nearest pixel's colour, which draws rays behind
 * the head. Memory: 20 bytes a pixel whatever the length of the clip. One thread per handle.
 */
#include "layers.h"
#include "portrait_sync/parsing.h"

#include "base/memory.h"

#include <string.h>

enum {
    CANDIDATES = 5,
    DISTANCE_MIN_PX = 5,   /* nearer pixels may hold hair or mask errors (6.4) */
    DISTANCE_FULL_PX = 48, /* farther than this counts as equally good */
    FRAMES_TO_DOUBT = 8, /* after so many frames a pixel seen only once is taken for a mask error */
};

typedef struct candidate {
    uint8_t rgb[3], distance; /* distance 0: empty */
} candidate;

struct stk_plate {
    int width, height, frames;
    candidate *candidates; /* [h*w][CANDIDATES] */
    uint8_t *distance;     /* [h*w] */
    void *scratch;
};

stk_status stk_plate_create(stk_plate **plate, int width, int height) {
    *plate = NULL;
    if (width < 1 || height < 1 || width > 16384 || height > 16384)
        return stk_fail(STK_ERR_ARGUMENT, "background plate: size %dx%d is not possible", width,
                        height);
    stk_plate *p = stk_calloc_aligned(1, sizeof *p);
    if (p == NULL) return stk_fail_memory("background plate");
    size_t pixels = (size_t)width * (size_t)height;
    p->width = width, p->height = height;
    p->candidates = stk_calloc_aligned(pixels * CANDIDATES, sizeof *p->candidates);
    p->distance = stk_calloc_aligned(pixels, 1);
    p->scratch = stk_calloc_aligned(stk_distance_scratch_bytes(width, height), 1);
    if (p->candidates == NULL || p->distance == NULL || p->scratch == NULL) {
        stk_plate_free(&p);
        return stk_fail_memory("background plate");
    }
    *plate = p;
    return STK_OK;
}

void stk_plate_free(stk_plate **plate) {
    stk_plate *p = *plate;
    if (p == NULL) return;
    stk_free(p->candidates);
    stk_free(p->distance);
    stk_free(p->scratch);
    stk_free(p);
    *plate = NULL;
}

/* Reservoir sampling: which slot frame n (from 1) takes among equally good candidates, or one past
 * the end. The same for all pixels, so that neighbours come from the same frames; splitmix64 of n.
 */
static unsigned reservoir_slot(unsigned n) {
    uint64_t z = n * UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (unsigned)((z ^ z >> 31) % n);
}

static void offer(candidate *slots, const uint8_t *rgb, int distance, unsigned reservoir) {
    unsigned worst = 0;
    for (unsigned i = 1; i < CANDIDATES; i++)
        if (slots[i].distance < slots[worst].distance) worst = i;
    if (distance > slots[worst].distance) {
        slots[worst] = (candidate){{rgb[0], rgb[1], rgb[2]}, (uint8_t)distance};
    } else if (distance == DISTANCE_FULL_PX && reservoir < CANDIDATES) {
        slots[reservoir] = (candidate){{rgb[0], rgb[1], rgb[2]}, (uint8_t)distance};
    }
}

stk_status stk_plate_add(stk_plate *plate, const stk_image *rgb, const stk_image *labels) {
    int w = plate->width, h = plate->height;
    if (rgb->width != w || rgb->height != h || labels->width != w || labels->height != h ||
        rgb->channels != 3 || labels->channels != 1)
        return stk_fail(STK_ERR_ARGUMENT,
                        "background plate is %dx%d: the frame is %dx%dx%d, its labels %dx%dx%d", w,
                        h, rgb->width, rgb->height, rgb->channels, labels->width, labels->height,
                        labels->channels);
    stk_distance_exact(plate->distance, labels, STK_LABELS_PERSON, plate->scratch);
    unsigned reservoir = reservoir_slot((unsigned)++plate->frames);
    for (int y = 0; y < h; y++) {
        const uint8_t *row = stk_image_row(rgb, y);
        const uint8_t *d = plate->distance + (size_t)y * (size_t)w;
        candidate *slots = plate->candidates + (size_t)y * (size_t)w * CANDIDATES;
        for (int x = 0; x < w; x++, slots += CANDIDATES) {
            if (d[x] <= DISTANCE_MIN_PX) continue;
            int distance = d[x] < DISTANCE_FULL_PX ? d[x] : DISTANCE_FULL_PX;
            offer(slots, row + 3 * (size_t)x, distance, reservoir);
        }
    }
    return STK_OK;
}

/* --- the fill: pull-push (Gortler et al., The Lumigraph, 1996) -------------------------------- */

typedef struct texel {
    float rgb[3], weight; /* colour already divided by the weight; weight in [0,1] */
} texel;

static void pull(texel *coarse, const texel *fine, int w, int h) {
    int cw = (w + 1) / 2, ch = (h + 1) / 2;
    for (int y = 0; y < ch; y++)
        for (int x = 0; x < cw; x++) {
            float sum[3] = {0, 0, 0}, weight = 0;
            for (int i = 0; i < 4; i++) {
                int fx = 2 * x + (i & 1), fy = 2 * y + (i >> 1);
                if (fx >= w || fy >= h) continue;
                const texel *t = fine + (size_t)fy * (size_t)w + fx;
                for (int c = 0; c < 3; c++) sum[c] += t->weight * t->rgb[c];
                weight += t->weight;
            }
            texel *out = coarse + (size_t)y * (size_t)cw + x;
            for (int c = 0; c < 3; c++) out->rgb[c] = weight > 0 ? sum[c] / weight : 0;
            out->weight = weight < 1 ? weight : 1;
        }
}

/* Bilinear sample of the coarser level at the centre of fine pixel (x, y). */
static void sample_coarse(float rgb[3], const texel *coarse, int cw, int ch, int x, int y) {
    int x0 = x / 2, y0 = y / 2;
    int x1 = stk_clampi(x0 + ((x & 1) ? 1 : -1), 0, cw - 1);
    int y1 = stk_clampi(y0 + ((y & 1) ? 1 : -1), 0, ch - 1);
    const texel *corner[4] = {
        coarse + (size_t)y0 * (size_t)cw + x0, coarse + (size_t)y0 * (size_t)cw + x1,
        coarse + (size_t)y1 * (size_t)cw + x0, coarse + (size_t)y1 * (size_t)cw + x1};
    static const float share[4] = {9.0f / 16, 3.0f / 16, 3.0f / 16, 1.0f / 16};
    for (int c = 0; c < 3; c++) {
        rgb[c] = 0;
        for (int i = 0; i < 4; i++) rgb[c] += share[i] * corner[i]->rgb[c];
    }
}

static void push(texel *fine, const texel *coarse, int w, int h) {
    int cw = (w + 1) / 2, ch = (h + 1) / 2;
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++) {
            texel *t = fine + (size_t)y * (size_t)w + x;
            if (t->weight >= 1) continue;
            float rgb[3];
            sample_coarse(rgb, coarse, cw, ch, x, y);
            for (int c = 0; c < 3; c++)
                t->rgb[c] = t->weight * t->rgb[c] + (1 - t->weight) * rgb[c];
            t->weight = 1;
        }
}

/* texels[0 .. w*h) holds the picture; the coarser levels follow it. */
static void fill_holes(texel *texels, int w, int h) {
    if (w == 1 && h == 1) {
        if (texels->weight == 0) /* nothing was ever seen: neutral grey */
            *texels = (texel){{128, 128, 128}, 1};
        return;
    }
    texel *coarse = texels + (size_t)w * (size_t)h;
    pull(coarse, texels, w, h);
    fill_holes(coarse, (w + 1) / 2, (h + 1) / 2);
    push(texels, coarse, w, h);
}

static size_t pyramid_texels(int w, int h) {
    size_t total = (size_t)w * (size_t)h;
    while (w > 1 || h > 1) {
        w = (w + 1) / 2, h = (h + 1) / 2;
        total += (size_t)w * (size_t)h;
    }
    return total;
}

/* Median of the candidates, the mean of the middle two for an even count. Returns how many. */
static int median_colour(float rgb[3], const candidate *slots) {
    int count = 0;
    for (int c = 0; c < 3; c++) {
        uint8_t sorted[CANDIDATES];
        count = 0;
        for (int i = 0; i < CANDIDATES; i++) {
            if (slots[i].distance == 0) continue;
            int at = count++;
            for (; at > 0 && sorted[at - 1] > slots[i].rgb[c]; at--) sorted[at] = sorted[at - 1];
            sorted[at] = slots[i].rgb[c];
        }
        if (count > 0) rgb[c] = 0.5f * (float)(sorted[(count - 1) / 2] + sorted[count / 2]);
    }
    return count;
}

stk_status stk_plate_finish(stk_plate *plate, stk_image *rgb, float *seen) {
    int w = plate->width, h = plate->height;
    if (rgb->width != w || rgb->height != h || rgb->channels != 3)
        return stk_fail(STK_ERR_ARGUMENT, "background plate is %dx%d, not %dx%dx%d", w, h,
                        rgb->width, rgb->height, rgb->channels);
    texel *texels = stk_calloc_aligned(pyramid_texels(w, h), sizeof *texels);
    if (texels == NULL) return stk_fail_memory("filling the background plate");
    size_t pixels = (size_t)w * (size_t)h, trusted = 0;
    int needed = plate->frames >= FRAMES_TO_DOUBT ? 2 : 1;
    for (size_t i = 0; i < pixels; i++) {
        int count = median_colour(texels[i].rgb, plate->candidates + i * CANDIDATES);
        texels[i].weight = count >= needed ? 1 : 0;
        trusted += count >= needed;
    }
    fill_holes(texels, w, h);
    for (int y = 0; y < h; y++) {
        uint8_t *row = stk_image_row(rgb, y);
        const texel *t = texels + (size_t)y * (size_t)w;
        for (int x = 0; x < 3 * w; x++)
            row[x] = (uint8_t)stk_clampf(t[x / 3].rgb[x % 3] + 0.5f, 0, 255);
    }
    stk_free(texels);
    *seen = (float)trusted / (float)pixels;
    return STK_OK;
}
