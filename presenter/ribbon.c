/* ribbon.c - strand segments over the surfaces of a band.
 *
 *   sort      the band's segments from the nearest to the farthest (stable radix sort, 16 bits)
 *   blend     each below those before it: colour += clear alpha rgb, clear *= 1 - alpha; a sample
 *             that lets nothing through any more takes no further strands
 *   finish    the fringe over the samples of the surfaces; where it covers more than half, it is
 *             the sample's part and depth
 *
 * A segment covers the samples whose foot lies on it and whose distance from it is below half its
 * width, with a ramp of half a pixel at the border.
 */
#include "presenter/canvas_private.h"

#include <math.h>
#include <string.h>

static const float RAMP_PX = 0.5f;
/* A sample that lets less through is full. */
static const float FULL = 0.03f;

enum { FRINGE_UNUSED, FRINGE_USED, FRINGE_FULL };
enum { AHEAD = 6 }; /* segments to fetch before their turn */

typedef struct ribbon {
    const canvas_point *a, *b;
    float dx, dy, length, reach;         /* px */
    float along_x, along_y;              /* t = sample . along, 0 .. 1 from a to b */
    float across_x, across_y;            /* distance from the line, px / RAMP_PX */
    float half, half_step;               /* half width / RAMP_PX + 1/2 at a, and to b */
    float near_step, alpha_step, rgb[3]; /* from a to b */
    float end;                           /* t is below this */
    canvas_f4 nearest;                   /* of both ends */
    int y0, y1, width;
    uint8_t part;
} ribbon;

static canvas_f4 splat(float v) {
    return (canvas_f4){v, v, v, v};
}
static canvas_f4 keep_if(canvas_i4 mask, canvas_f4 v) {
    return (canvas_f4)((canvas_i4)v & mask);
}

/* Coverage times opacity of the four samples, 0 where hidden or outside; their place along. */
static canvas_f4 cover(const ribbon *r, int x, int y, canvas_f4 nearness, canvas_f4 *along,
                       canvas_f4 *near) {
    const canvas_f4 sx = CANVAS_SAMPLE_X + splat((float)x - r->a->x),
                    sy = CANVAS_SAMPLE_Y + splat((float)y - r->a->y);
    const canvas_f4 t = sx * splat(r->along_x) + sy * splat(r->along_y);
    const canvas_f4 side = sx * splat(r->across_x) + sy * splat(r->across_y);
    const canvas_f4 away = (canvas_f4)((canvas_i4)side & 0x7fffffff);
    const canvas_f4 edge = splat(r->half) + t * splat(r->half_step) - away;
    *near = splat(r->a->near) + t * splat(r->near_step);
    const canvas_i4 in = (canvas_i4)(t >= splat(0)) & (canvas_i4)(t < splat(r->end)) &
                         (canvas_i4)(edge > splat(0)) & (canvas_i4)(*near > nearness);
    if (!canvas_any(in)) return splat(0);
    const canvas_i4 full = edge > splat(1);
    const canvas_f4 share = (canvas_f4)(((canvas_i4)splat(1) & full) | ((canvas_i4)edge & ~full));
    *along = t;
    return keep_if(in, share * (splat(r->a->alpha) + t * splat(r->alpha_step)));
}

static canvas_f4 choose(canvas_i4 mask, canvas_f4 yes, canvas_f4 no) {
    return (canvas_f4)(((canvas_i4)yes & mask) | ((canvas_i4)no & ~mask));
}

static void blend(stk_canvas *canvas, const canvas_fringes *fringes, const ribbon *r, int x,
                  int y) {
    const ptrdiff_t here = (ptrdiff_t)(y % CANVAS_BAND) * canvas->width + x;
    if (fringes->state[here] == FRINGE_FULL) return;
    canvas_f4 t, near, nearness = canvas->nearness[(ptrdiff_t)y * canvas->width + x];
    if (!canvas_any((canvas_i4)(nearness < r->nearest))) return;
    canvas_f4 alpha = cover(r, x, y, nearness, &t, &near);
    if (!canvas_any((canvas_i4)alpha)) return;
    canvas_fringe *f = &fringes->fringe[here];
    if (fringes->state[here] == FRINGE_UNUSED) *f = (canvas_fringe){.clear = splat(1)};
    alpha *= f->clear;
    const float *rgb = r->a->rgb;
    f->r += alpha * (splat(rgb[0]) + t * splat(r->rgb[0]));
    f->g += alpha * (splat(rgb[1]) + t * splat(r->rgb[1]));
    f->b += alpha * (splat(rgb[2]) + t * splat(r->rgb[2]));
    const canvas_f4 clear = f->clear - alpha;
    const canvas_i4 now = (canvas_i4)(clear < splat(0.5f)) & (canvas_i4)(f->clear >= splat(0.5f));
    f->clear = clear;
    fringes->state[here] = canvas_any((canvas_i4)(clear > splat(FULL))) ? FRINGE_USED : FRINGE_FULL;
    f->near = choose(now, near, f->near);
    f->part = (f->part & ~now) | ((canvas_i4){r->part, r->part, r->part, r->part} & now);
}

/* Pixels of each row within reach of the segment's line. */
static void draw_ribbon(stk_canvas *canvas, const canvas_fringes *fringes, const ribbon *r) {
    const float left = canvas_min(r->a->x, r->b->x) - r->reach;
    const float right = canvas_max(r->a->x, r->b->x) + r->reach;
    const float slope = fabsf(r->dy) > 1e-4f * r->length ? r->dx / r->dy : 0;
    const float half =
        r->reach * r->length / canvas_max(fabsf(r->dy), 1e-4f * r->length) + 0.5f * fabsf(slope);
    for (int y = r->y0; y <= r->y1; y++) {
        float low = left, high = right;
        if (slope != 0) {
            const float middle = r->a->x + ((float)y + 0.5f - r->a->y) * slope;
            low = canvas_max(low, middle - half);
            high = canvas_min(high, middle + half);
        }
        const int x0 = (int)canvas_max(low, 0), x1 = (int)canvas_min(high, (float)(r->width - 1));
        if (high < 0) continue;
        for (int x = x0; x <= x1; x++) blend(canvas, fringes, r, x, y);
    }
}

static int measure(ribbon *r, int last) {
    const canvas_point *a = r->a, *b = r->b;
    r->dx = b->x - a->x;
    r->dy = b->y - a->y;
    const float squared = r->dx * r->dx + r->dy * r->dy;
    if (!(squared > 1e-8f)) return 0;
    r->length = sqrtf(squared);
    r->along_x = r->dx / squared;
    r->along_y = r->dy / squared;
    r->across_x = r->dy / (r->length * RAMP_PX);
    r->across_y = -r->dx / (r->length * RAMP_PX);
    r->half = a->half_px / RAMP_PX + 0.5f;
    r->half_step = (b->half_px - a->half_px) / RAMP_PX;
    r->near_step = b->near - a->near;
    r->nearest = splat(canvas_max(a->near, b->near));
    r->alpha_step = b->alpha - a->alpha;
    for (int c = 0; c < 3; c++) r->rgb[c] = b->rgb[c] - a->rgb[c];
    r->end = last ? 1.0001f : 1; /* the last segment has its end, the others leave it to the next */
    r->reach = canvas_max(a->half_px, b->half_px) + 0.5f * RAMP_PX + 0.36f;
    return 1;
}

static const canvas_point *start_of(const stk_canvas *canvas, int32_t item) {
    return canvas->point + canvas->job.strand_first[item >> 26] + (item & 0x3ffffff);
}

/* One pass by a byte of the key: 65535 at `low` nearness or farther, 0 at low + 65535 / scale. */
static void sort_pass(const stk_canvas *canvas, const int32_t *from, int32_t *to, int count,
                      const float range[2], int shift) {
    int place[257] = {0};
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < count; i++) {
            const canvas_point *a = start_of(canvas, from[i]);
            const float far = 65535 - (a[0].near + a[1].near - range[0]) * range[1];
            const int byte = (int)stk_clampf(far, 0, 65535) >> shift & 255;
            if (pass == 0)
                place[byte + 1]++;
            else
                to[place[byte]++] = from[i];
        }
        for (int b = 0; pass == 0 && b < 256; b++) place[b + 1] += place[b];
    }
}

static void sort_band(const stk_canvas *canvas, int first, int count) {
    const canvas_bins *bins = &canvas->segments;
    float low = 1e30f, high = 0;
    for (int i = first; i < first + count; i++) {
        const canvas_point *a = start_of(canvas, bins->item[i]);
        low = canvas_min(low, a[0].near + a[1].near);
        high = canvas_max(high, a[0].near + a[1].near);
    }
    const float range[2] = {low, 65535 / canvas_max(high - low, 1e-9f)};
    sort_pass(canvas, bins->item + first, bins->spare + first, count, range, 0);
    sort_pass(canvas, bins->spare + first, bins->item + first, count, range, 8);
}

static void finish_pixel(stk_canvas *canvas, const canvas_fringe *f, ptrdiff_t at) {
    canvas_pixel *pixel = &canvas->pixel[at];
    if (!canvas->live[at]) {
        canvas->live[at] = 1;
        *pixel = (canvas_pixel){.r = {0}};
    }
    pixel->r = f->r + f->clear * pixel->r;
    pixel->g = f->g + f->clear * pixel->g;
    pixel->b = f->b + f->clear * pixel->b;
    pixel->a = splat(1) - f->clear + f->clear * pixel->a;
    const canvas_i4 most = f->near > splat(0);
    canvas->nearness[at] = choose(most, f->near, canvas->nearness[at]);
    for (int k = 0; k < 4; k++)
        if (most[k]) canvas->part[at][k] = (uint8_t)f->part[k];
}

void canvas_ribbons(stk_canvas *canvas, int band, const canvas_fringes *fringes) {
    const canvas_job *job = &canvas->job;
    const canvas_bins *bins = &canvas->segments;
    const int first = bins->start[band], count = bins->start[band + 1] - first;
    if (count == 0) return;
    const int y0 = band * CANVAS_BAND;
    const int y1 = (y0 + CANVAS_BAND < canvas->height ? y0 + CANVAS_BAND : canvas->height) - 1;
    const int pixels = (y1 - y0 + 1) * canvas->width;
    memset(fringes->state, FRINGE_UNUSED, (size_t)pixels);
    sort_band(canvas, first, count);
    for (int i = first; i < first + count; i++) {
        const int set = bins->item[i] >> 26, point = bins->item[i] & 0x3ffffff;
        const stk_strands *strands = job->actor->strands[set];
        if (i + AHEAD < first + count) __builtin_prefetch(start_of(canvas, bins->item[i + AHEAD]));
        const canvas_point *a = start_of(canvas, bins->item[i]);
        ribbon r = {.a = a, .b = a + 1, .width = canvas->width};
        if (!measure(&r, point % strands->points == strands->points - 2)) continue;
        r.part = job->force_part >= 0 ? (uint8_t)job->force_part : strands->part;
        r.y0 = (int)canvas_max(canvas_min(a[0].y, a[1].y) - r.reach, (float)y0);
        r.y1 = (int)canvas_min(canvas_max(a[0].y, a[1].y) + r.reach, (float)y1);
        draw_ribbon(canvas, fringes, &r);
    }
    for (int i = 0; i < pixels; i++)
        if (fringes->state[i] != FRINGE_UNUSED)
            finish_pixel(canvas, &fringes->fringe[i], (ptrdiff_t)y0 * canvas->width + i);
}
