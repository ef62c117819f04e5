/* ribbon.c - strand segments over the surfaces of a band, in drawing order.
 *
 * A segment covers the samples whose foot lies on it and whose distance from it is below half its
 * width, with a ramp of half a pixel at the border. It hides by depth, and is itself depth where it
 * is nearly opaque.
 */
#include "presenter/canvas_private.h"

#include <math.h>

static const float RAMP_PX = 0.5f;
/* A fragment of this opacity counts as the strand's part, and as depth. */
static const float SOLID_PART = 0.4f, SOLID_DEPTH = 0.6f;

typedef struct ribbon {
    const canvas_point *a, *b;
    float dx, dy, length, reach;         /* px */
    float along_x, along_y;              /* t = sample . along, 0 .. 1 from a to b */
    float across_x, across_y;            /* distance from the line, px / RAMP_PX */
    float half, half_step;               /* half width / RAMP_PX + 1/2 at a, and to b */
    float near_step, alpha_step, rgb[3]; /* from a to b */
    float end;                           /* t is below this */
    int y0, y1, width;
    uint8_t part;
} ribbon;

static canvas_f4 splat(float v) {
    return (canvas_f4){v, v, v, v};
}
static canvas_f4 keep_if(canvas_i4 mask, canvas_f4 v) {
    return (canvas_f4)((canvas_i4)v & mask);
}

static void mark(stk_canvas *canvas, ptrdiff_t at, canvas_f4 alpha, const ribbon *r) {
    for (int k = 0; k < 4; k++) {
        if (alpha[k] >= SOLID_PART ||
            (alpha[k] > 0 && canvas->part[at][k] == 0 && canvas->pixel[at].a[k] >= 0.5f))
            canvas->part[at][k] = r->part;
    }
}

/* Coverage times opacity of the four samples, 0 where hidden or outside; their place along. */
static canvas_f4 cover(const ribbon *r, int x, int y, canvas_f4 nearness, canvas_f4 *along,
                       canvas_f4 *near) {
    static const canvas_f4 off_x = {0.25f, 0.75f, 0.25f, 0.75f};
    static const canvas_f4 off_y = {0.25f, 0.25f, 0.75f, 0.75f};
    const canvas_f4 sx = off_x + splat((float)x - r->a->x), sy = off_y + splat((float)y - r->a->y);
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

static void blend(stk_canvas *canvas, const ribbon *r, int x, int y) {
    const ptrdiff_t at = (ptrdiff_t)y * canvas->width + x;
    canvas_f4 t, near;
    const canvas_f4 alpha = cover(r, x, y, canvas->nearness[at], &t, &near);
    if (!canvas_any((canvas_i4)alpha)) return;
    canvas_pixel *pixel = &canvas->pixel[at];
    if (!canvas->live[at]) {
        canvas->live[at] = 1;
        *pixel = (canvas_pixel){.r = {0}};
    }
    const canvas_f4 keep = splat(1) - alpha;
    const float *rgb = r->a->rgb;
    pixel->r = pixel->r * keep + alpha * (splat(rgb[0]) + t * splat(r->rgb[0]));
    pixel->g = pixel->g * keep + alpha * (splat(rgb[1]) + t * splat(r->rgb[1]));
    pixel->b = pixel->b * keep + alpha * (splat(rgb[2]) + t * splat(r->rgb[2]));
    pixel->a = pixel->a * keep + alpha;
    const canvas_i4 solid = alpha >= splat(SOLID_DEPTH);
    canvas->nearness[at] =
        (canvas_f4)(((canvas_i4)near & solid) | ((canvas_i4)canvas->nearness[at] & ~solid));
    mark(canvas, at, alpha, r);
}

/* Pixels of each row within reach of the segment's line. */
static void draw_ribbon(stk_canvas *canvas, const ribbon *r) {
    const float left = fminf(r->a->x, r->b->x) - r->reach;
    const float right = fmaxf(r->a->x, r->b->x) + r->reach;
    const float slope = fabsf(r->dy) > 1e-4f * r->length ? r->dx / r->dy : 0;
    const float half =
        r->reach * r->length / fmaxf(fabsf(r->dy), 1e-4f * r->length) + 0.5f * fabsf(slope);
    for (int y = r->y0; y <= r->y1; y++) {
        float low = left, high = right;
        if (slope != 0) {
            const float middle = r->a->x + ((float)y + 0.5f - r->a->y) * slope;
            low = fmaxf(low, middle - half);
            high = fminf(high, middle + half);
        }
        const int x0 = (int)fmaxf(low, 0), x1 = (int)fminf(high, (float)(r->width - 1));
        if (high < 0) continue;
        for (int x = x0; x <= x1; x++) blend(canvas, r, x, y);
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
    r->alpha_step = b->alpha - a->alpha;
    for (int c = 0; c < 3; c++) r->rgb[c] = b->rgb[c] - a->rgb[c];
    r->end = last ? 1.0001f : 1; /* the last segment has its end, the others leave it to the next */
    r->reach = fmaxf(a->half_px, b->half_px) + 0.5f * RAMP_PX + 0.36f;
    return 1;
}

void canvas_ribbons(stk_canvas *canvas, int band) {
    const canvas_job *job = &canvas->job;
    const canvas_bins *bins = &canvas->segments;
    const int y0 = band * CANVAS_BAND;
    const int y1 = (y0 + CANVAS_BAND < canvas->height ? y0 + CANVAS_BAND : canvas->height) - 1;
    for (int i = bins->start[band]; i < bins->start[band + 1]; i++) {
        const int set = bins->item[i] >> 26, segment = bins->item[i] & 0x3ffffff;
        const stk_strands *strands = job->actor->strands[set];
        const int across = strands->points - 1;
        const canvas_point *a = canvas->point + job->strand_first[set] +
                                segment / across * strands->points + segment % across;
        const canvas_point *b = a + 1;
        ribbon r = {.a = a, .b = b, .width = canvas->width};
        if (!measure(&r, segment % across == across - 1)) continue;
        r.part = job->force_part >= 0 ? (uint8_t)job->force_part : strands->part;
        r.y0 = (int)fmaxf(fminf(a->y, b->y) - r.reach, (float)y0);
        r.y1 = (int)fminf(fmaxf(a->y, b->y) + r.reach, (float)y1);
        draw_ribbon(canvas, &r);
    }
}
