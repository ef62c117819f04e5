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
    float dx, dy, inverse; /* along; 1 / length^2 */
    float length, reach;   /* px */
    int y0, y1, width;
    int last; /* of its strand: the end is included */
    uint8_t part;
} ribbon;

static void cover(stk_canvas *canvas, const ribbon *r, int x, int y) {
    const ptrdiff_t at = (ptrdiff_t)y * canvas->width + x;
    canvas_pixel *pixel = &canvas->pixel[at];
    for (int k = 0; k < 4; k++) {
        const float sx = (float)x + (k & 1 ? 0.75f : 0.25f) - r->a->x;
        const float sy = (float)y + (k & 2 ? 0.75f : 0.25f) - r->a->y;
        const float t = (sx * r->dx + sy * r->dy) * r->inverse;
        if (!(t >= 0 && (t < 1 || (r->last && t <= 1)))) continue;
        const float distance = fabsf(sx * r->dy - sy * r->dx) / r->length;
        const float half = r->a->half_px + t * (r->b->half_px - r->a->half_px);
        const float edge = (half - distance) * (1 / RAMP_PX) + 0.5f;
        if (edge <= 0) continue;
        const float near = r->a->near + t * (r->b->near - r->a->near);
        if (near <= canvas->nearness[at][k]) continue;
        const float alpha = (r->a->alpha + t * (r->b->alpha - r->a->alpha)) * fminf(edge, 1);
        if (!canvas->live[at]) {
            canvas->live[at] = 1;
            *pixel = (canvas_pixel){.r = {0}};
        }
        const float keep = 1 - alpha;
        const float *p = r->a->rgb, *q = r->b->rgb;
        pixel->r[k] = pixel->r[k] * keep + alpha * (p[0] + t * (q[0] - p[0]));
        pixel->g[k] = pixel->g[k] * keep + alpha * (p[1] + t * (q[1] - p[1]));
        pixel->b[k] = pixel->b[k] * keep + alpha * (p[2] + t * (q[2] - p[2]));
        pixel->a[k] = pixel->a[k] * keep + alpha;
        if (alpha >= SOLID_PART || (canvas->part[at][k] == 0 && pixel->a[k] >= 0.5f))
            canvas->part[at][k] = r->part;
        if (alpha >= SOLID_DEPTH) canvas->nearness[at][k] = near;
    }
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
        for (int x = x0; x <= x1; x++) cover(canvas, r, x, y);
    }
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
        ribbon r = {.a = a, .b = b, .dx = b->x - a->x, .dy = b->y - a->y, .width = canvas->width};
        const float squared = r.dx * r.dx + r.dy * r.dy;
        if (!(squared > 1e-8f)) continue;
        r.inverse = 1 / squared;
        r.length = sqrtf(squared);
        r.reach = fmaxf(a->half_px, b->half_px) + 0.5f * RAMP_PX + 0.36f;
        r.last = segment % across == across - 1;
        r.part = job->force_part >= 0 ? (uint8_t)job->force_part : strands->part;
        r.y0 = (int)fmaxf(fminf(a->y, b->y) - r.reach, (float)y0);
        r.y1 = (int)fminf(fmaxf(a->y, b->y) + r.reach, (float)y1);
        draw_ribbon(canvas, &r);
    }
}
