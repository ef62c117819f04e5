/* matte.c - see matte.h.
 *
 * With the plate B known, the person's colour F taken from near by inside, and the pixel
 * I = a F + (1 - a) B, a = <I - B, F - B> / |F - B|^2. Where F and B are alike nothing tells them
 * apart: there a falls over the labels' border by the distance alone. Hair reaches farther out than
 * anything else, so the band is wider beside the head.
 */
#include "portrait_sync/matte.h"

#include "kernels/image.h"
#include "layers.h"

#include <math.h>
#include <string.h>

enum {
    REDUCED = 4,     /* F is taken from a picture of a quarter of the size */
    SPREAD = 6,      /* reduced pixels that F may come from */
    REFERENCE = 512, /* the widths below are px of a picture of this width */
    DISTANCE_CAP = 200,
};
static const float INSIDE_PX = 4, OUTSIDE_PX = 4, OUTSIDE_HAIR_PX = 10; /* the band */
static const float ALIKE = 16, APART = 48;      /* |F - B|, levels: nothing told .. all told */
static const float FAINT = 0.10f, FULL = 0.92f; /* a below: the plate's own noise; above: person */

typedef struct workspace {
    uint8_t *outside, *inside, *from_head; /* [h*w] chamfer thirds */
    float *plane[4], *blur;                /* [rh*rw] of person only: R G B, weight */
    int width, height, full_width;         /* reduced; of the picture */
} workspace;

/* px that one of the widths above has; edges of small pictures are no sharper than a pixel. */
static float unit_of(int width) {
    return width > REFERENCE ? (float)width / REFERENCE : 1;
}

static size_t aligned(size_t bytes) {
    return (bytes + 63) & ~(size_t)63;
}

static size_t reduced_floats(int width, int height) {
    return aligned(sizeof(float) * (size_t)((width + REDUCED - 1) / REDUCED) *
                   (size_t)((height + REDUCED - 1) / REDUCED));
}

size_t stk_matte_scratch_bytes(int width, int height) {
    return 3 * aligned((size_t)width * (size_t)height) + 5 * reduced_floats(width, height);
}

static workspace workspace_at(void *scratch, int width, int height) {
    const size_t pixels = aligned((size_t)width * (size_t)height);
    uint8_t *at = scratch;
    workspace s = {.width = (width + REDUCED - 1) / REDUCED,
                   .height = (height + REDUCED - 1) / REDUCED,
                   .full_width = width};
    s.outside = at, s.inside = at + pixels, s.from_head = at + 2 * pixels;
    at += 3 * pixels;
    for (int i = 0; i < 5; i++, at += reduced_floats(width, height))
        *(i < 4 ? &s.plane[i] : &s.blur) = (float *)(void *)at;
    return s;
}

/* The person's colours, where they are certain, spread beyond the border. */
static void spread_colours(const stk_image *picture, const workspace *s, int certain) {
    const int w = picture->width;
    for (int y = 0; y < s->height; y++) {
        const int py = stk_clampi(y * REDUCED + REDUCED / 2, 0, picture->height - 1);
        const uint8_t *row = stk_image_row(picture, py), *d = s->inside + (size_t)py * (size_t)w;
        for (int x = 0; x < s->width; x++) {
            const int px = stk_clampi(x * REDUCED + REDUCED / 2, 0, w - 1);
            const size_t at = (size_t)y * (size_t)s->width + (size_t)x;
            const float weight = d[px] > certain ? 1 : 0;
            for (int c = 0; c < 3; c++) s->plane[c][at] = weight * (float)row[3 * px + c];
            s->plane[3][at] = weight;
        }
    }
    for (int i = 0; i < 4; i++)
        stk_plane_blur(s->plane[i], s->blur, s->width, s->height, 0.5f * SPREAD, SPREAD);
}

/* The person's colour near pixel (x, y); 0 where there is none within reach. */
static int colour_near(const workspace *s, int x, int y, float colour[3]) {
    const size_t at = (size_t)(y / REDUCED) * (size_t)s->width + (size_t)(x / REDUCED);
    const float weight = s->plane[3][at];
    if (weight < 1e-3f) return 0;
    for (int c = 0; c < 3; c++) colour[c] = s->plane[c][at] / weight;
    return 1;
}

/* 1 well inside, 0 well outside, half on the border; distance px, positive inside. */
static float by_distance(float distance, float unit) {
    const float t = stk_clampf(0.5f + distance / (4 * unit), 0, 1);
    return t * t * (3 - 2 * t);
}

/* *told: how far the colours tell, 0 .. 1. */
static float by_colour(const uint8_t *pixel, const uint8_t *plate, const float person[3],
                       float *told) {
    float along = 0, size = 0;
    for (int c = 0; c < 3; c++) {
        const float f = person[c] - (float)plate[c];
        along += f * ((float)pixel[c] - (float)plate[c]);
        size += f * f;
    }
    *told = stk_clampf((sqrtf(size) - ALIKE) / (APART - ALIKE), 0, 1);
    return stk_clampf(along / (size > 1 ? size : 1), 0, 1);
}

/* a of a pixel in the band; *share: what its colour says of it, less strict about noise. */
static float pixel_alpha(const workspace *s, const uint8_t *pixel, const uint8_t *plate,
                         const int at[2], float distance, float reach, float *share) {
    const float unit = unit_of(s->full_width);
    float person[3], told = 0, a = 0;
    if (colour_near(s, at[0], at[1], person)) a = by_colour(pixel, plate, person, &told);
    const float even = by_distance(distance, unit);
    const float out = stk_clampf((reach * unit + distance) / (2 * unit), 0, 1);
    const float in = stk_clampf((INSIDE_PX * unit - distance) / (2 * unit), 0, 1);
    const float clean = stk_clampf((a - FAINT) / (FULL - FAINT), 0, 1);
    *share = 1 - in + in * (told * a + (1 - told) * even);
    /* meets 0 and 1 at the band's ends */
    return 1 - in + in * out * (told * clean + (1 - told) * even);
}

/* The person's share of the colour, alone. */
static void uncover(uint8_t *pixel, const uint8_t *plate, float a) {
    for (int c = 0; c < 3 && a > 0.02f; c++) {
        const float v = (float)plate[c] + ((float)pixel[c] - (float)plate[c]) / a;
        pixel[c] = (uint8_t)lrintf(stk_clampf(v, 0, 255));
    }
}

void stk_matte_cut(stk_image *picture, const stk_image *labels, const stk_image *plate,
                   void *scratch, stk_image *alpha) {
    const int w = picture->width, h = picture->height;
    const float unit = unit_of(w), third = 1.0f / STK_CHAMFER_UNIT;
    const workspace s = workspace_at(scratch, w, h);
    stk_distance_chamfer(s.outside, labels, STK_LABELS_PERSON, DISTANCE_CAP);
    stk_distance_chamfer(s.inside, labels, STK_LABEL_SET(STK_LABEL_BACKGROUND), DISTANCE_CAP);
    stk_distance_chamfer(s.from_head, labels, STK_LABEL_SET(STK_LABEL_HEAD), DISTANCE_CAP);
    spread_colours(picture, &s, (int)(INSIDE_PX * unit / third));
    for (int y = 0; y < h; y++) {
        uint8_t *p = stk_image_row(picture, y), *a = stk_image_row(alpha, y);
        const uint8_t *b = stk_image_row(plate, y);
        for (int x = 0; x < w; x++, p += 3, b += 3) {
            const size_t at = (size_t)y * (size_t)w + (size_t)x;
            const float distance = third * (float)(s.inside[at] - s.outside[at]);
            const float head = third * (float)s.from_head[at];
            const float reach = head <= OUTSIDE_HAIR_PX * unit ? OUTSIDE_HAIR_PX : OUTSIDE_PX;
            a[x] = distance > 0 ? 255 : 0;
            if (distance >= INSIDE_PX * unit || distance <= -reach * unit) continue;
            float share;
            const int place[2] = {x, y};
            a[x] = (uint8_t)lrintf(255 * pixel_alpha(&s, p, b, place, distance, reach, &share));
            uncover(p, b, share);
        }
    }
}
