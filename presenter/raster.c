/* raster.c - which triangle is nearest at each sample of a band.
 *
 * An edge is tested from its upper (left) end whichever triangle asks, so both of its triangles get
 * the same number with opposite meaning: no sample falls between them or into both. Nearness is a
 * plane over the screen.
 */
#include "presenter/canvas_private.h"

#include <math.h>

typedef struct edge {
    float x, y, dx, dy;
    int32_t flip; /* -1: the inside is where the product is negative */
} edge;

static edge edge_make(const canvas_vertex *p, const canvas_vertex *q) {
    const int swap = p->y > q->y || (p->y == q->y && p->x > q->x);
    const canvas_vertex *a = swap ? q : p, *b = swap ? p : q;
    return (edge){a->x, a->y, b->x - a->x, b->y - a->y, swap ? -1 : 0};
}

static canvas_f4 splat(float v) {
    return (canvas_f4){v, v, v, v};
}

typedef struct fill {
    edge e[3];
    float x, y, near, slope_x, slope_y;
    int x0, x1, y0, y1; /* inclusive */
} fill;

static int fill_make(const canvas_vertex *a, const canvas_vertex *b, const canvas_vertex *c,
                     fill *f) {
    float area = (b->x - a->x) * (c->y - a->y) - (b->y - a->y) * (c->x - a->x);
    if (area < 0) { /* as always but for backs that are shown */
        const canvas_vertex *t = b;
        b = c;
        c = t;
        area = -area;
    }
    f->e[0] = edge_make(a, b);
    f->e[1] = edge_make(b, c);
    f->e[2] = edge_make(c, a);
    const float scale = 1 / area, bn = b->near - a->near, cn = c->near - a->near;
    f->x = a->x;
    f->y = a->y;
    f->near = a->near;
    f->slope_x = ((c->y - a->y) * bn - (b->y - a->y) * cn) * scale;
    f->slope_y = ((b->x - a->x) * cn - (c->x - a->x) * bn) * scale;
    f->x0 = (int)canvas_max(canvas_min(a->x, canvas_min(b->x, c->x)), 0);
    f->y0 = (int)canvas_max(canvas_min(a->y, canvas_min(b->y, c->y)), 0);
    f->x1 = (int)canvas_min(canvas_max(a->x, canvas_max(b->x, c->x)), 1e6f);
    f->y1 = (int)canvas_min(canvas_max(a->y, canvas_max(b->y, c->y)), 1e6f);
    return isfinite(scale);
}

static void fill_rows(const fill *f, int width, canvas_f4 *nearness, canvas_i4 *nearest,
                      int32_t item) {
    const canvas_i4 id = {item, item, item, item};
    canvas_i4 flip[3];
    for (int k = 0; k < 3; k++)
        flip[k] = (canvas_i4){f->e[k].flip, f->e[k].flip, f->e[k].flip, f->e[k].flip};
    for (int y = f->y0; y <= f->y1; y++) {
        const canvas_f4 fy = splat((float)y) + CANVAS_SAMPLE_Y;
        canvas_f4 row[3];
        for (int k = 0; k < 3; k++) row[k] = (fy - splat(f->e[k].y)) * splat(f->e[k].dx);
        const canvas_f4 near_row = splat(f->near) + (fy - splat(f->y)) * splat(f->slope_y);
        const ptrdiff_t at = (ptrdiff_t)(y % CANVAS_BAND) * width;
        for (int x = f->x0; x <= f->x1; x++) {
            const canvas_f4 fx = splat((float)x) + CANVAS_SAMPLE_X;
            canvas_i4 in = {-1, -1, -1, -1};
            for (int k = 0; k < 3; k++) {
                const canvas_f4 product = row[k] - (fx - splat(f->e[k].x)) * splat(f->e[k].dy);
                in &= (canvas_i4)(product >= splat(0)) ^ flip[k];
            }
            if (!canvas_any(in)) continue;
            const canvas_f4 near = near_row + (fx - splat(f->x)) * splat(f->slope_x);
            in &= (canvas_i4)(near > nearness[at + x]);
            nearness[at + x] =
                (canvas_f4)(((canvas_i4)near & in) | ((canvas_i4)nearness[at + x] & ~in));
            nearest[at + x] = (id & in) | (nearest[at + x] & ~in);
        }
    }
}

void canvas_raster(stk_canvas *canvas, int band, canvas_i4 *nearest) {
    const canvas_job *job = &canvas->job;
    const canvas_bins *bins = &canvas->triangles;
    const int y0 = band * CANVAS_BAND;
    const int y1 = (y0 + CANVAS_BAND < canvas->height ? y0 + CANVAS_BAND : canvas->height) - 1;
    canvas_f4 *nearness = canvas->nearness + (ptrdiff_t)y0 * canvas->width;
    for (int i = bins->start[band]; i < bins->start[band + 1]; i++) {
        const int32_t item = bins->item[i];
        const int s = item >> 24;
        const int32_t *t = job->actor->surface[s]->triangle[item & 0xffffff];
        const canvas_vertex *v = canvas->vertex + job->surface_first[s];
        fill f;
        if (!fill_make(v + t[0], v + t[1], v + t[2], &f)) continue;
        f.x1 = f.x1 < canvas->width ? f.x1 : canvas->width - 1;
        f.y0 = f.y0 > y0 ? f.y0 : y0;
        f.y1 = f.y1 < y1 ? f.y1 : y1;
        fill_rows(&f, canvas->width, nearness, nearest, item);
    }
}
