/* bins.c - which bands of rows each triangle and each strand segment touches.
 *
 * Two passes over chunks of items: ranges and counts, then places. A chunk's place in a band's list
 * follows from the counts of the chunks before it, so lists keep the drawing order whatever thread
 * fills them.
 */
#include "presenter/canvas_private.h"

#include "base/memory.h"

#include <math.h>

stk_status canvas_bins_reserve(canvas_bins *bins, int items, int bands) {
    const int chunks = (items + CANVAS_CHUNK - 1) / CANVAS_CHUNK;
    bins->items = items;
    if (bins->start == NULL) {
        bins->start = stk_calloc_aligned((size_t)bands + 1, sizeof *bins->start);
        if (bins->start == NULL) return stk_fail_memory("canvas bins");
    }
    if (chunks <= bins->chunks) return STK_OK;
    stk_free(bins->count);
    stk_free(bins->range);
    stk_free(bins->code);
    const size_t room = (size_t)chunks * CANVAS_CHUNK;
    bins->count = stk_calloc_aligned((size_t)chunks * (size_t)bands, sizeof *bins->count);
    bins->range = stk_calloc_aligned(room, sizeof *bins->range);
    bins->code = stk_calloc_aligned(room, sizeof *bins->code);
    bins->chunks = 0;
    if (bins->count == NULL || bins->range == NULL || bins->code == NULL)
        return stk_fail_memory("canvas bins");
    bins->chunks = chunks;
    return STK_OK;
}

void canvas_bins_free(canvas_bins *bins) {
    stk_free(bins->item);
    stk_free(bins->spare);
    stk_free(bins->start);
    stk_free(bins->count);
    stk_free(bins->range);
    stk_free(bins->code);
    *bins = (canvas_bins){.item = NULL};
}

/* Bands [range[0], range[1]) of rows y0..y1 px. */
static void set_range(const stk_canvas *canvas, float y0, float y1, uint16_t range[2]) {
    range[0] = range[1] = 0;
    if (!(y1 > 0 && y0 < (float)canvas->height)) return;
    range[0] = (uint16_t)(stk_clampi((int)y0, 0, canvas->height - 1) / CANVAS_BAND);
    range[1] =
        (uint16_t)(stk_clampi((int)canvas_min(y1, 1e6f), 0, canvas->height - 1) / CANVAS_BAND + 1);
}

static int kept(const canvas_job *job, int part) {
    return job->keep == -1 || (job->keep >> part & 1);
}

static int group_of(const int *first, int item) {
    int group = 0;
    while (item >= first[group + 1]) group++;
    return group;
}

static void range_triangle(stk_canvas *canvas, int item, uint16_t range[2], int32_t *code) {
    const canvas_job *job = &canvas->job;
    const int s = group_of(job->triangle_first, item), t = item - job->triangle_first[s];
    const stk_surface *surface = job->actor->surface[s];
    *code = s << 24 | t;
    range[0] = range[1] = 0;
    if (surface->hidden || !kept(job, surface->part[t])) return;
    const canvas_vertex *v = canvas->vertex + job->surface_first[s];
    const int32_t *corner = surface->triangle[t];
    const canvas_vertex *a = v + corner[0], *b = v + corner[1], *c = v + corner[2];
    if (!(a->near > 0 && b->near > 0 && c->near > 0)) return;
    /* rows count downwards: what is counter-clockwise in space has a negative area here */
    const float area = (b->x - a->x) * (c->y - a->y) - (b->y - a->y) * (c->x - a->x);
    if (!(area < 0) && !(surface->two_sided && area > 0)) return;
    const float right = canvas_max(a->x, canvas_max(b->x, c->x)),
                left = canvas_min(a->x, canvas_min(b->x, c->x));
    if (!(right > 0 && left < (float)canvas->width)) return;
    set_range(canvas, canvas_min(a->y, canvas_min(b->y, c->y)),
              canvas_max(a->y, canvas_max(b->y, c->y)), range);
}

static void range_segment(stk_canvas *canvas, int item, uint16_t range[2], int32_t *code) {
    const canvas_job *job = &canvas->job;
    const int s = group_of(job->segment_first, item), segment = item - job->segment_first[s];
    const stk_strands *strands = job->actor->strands[s];
    const int across = strands->points - 1;
    const int first = segment / across * strands->points + segment % across;
    *code = s << 26 | first;
    range[0] = range[1] = 0;
    if (strands->hidden || !kept(job, strands->part)) return;
    const canvas_point *a = canvas->point + job->strand_first[s] + first, *b = a + 1;
    if (!(a->near > 0 && b->near > 0)) return;
    const float margin = canvas_max(a->half_px, b->half_px) + 1;
    if (canvas_max(a->x, b->x) + margin < 0 ||
        canvas_min(a->x, b->x) - margin > (float)canvas->width)
        return;
    set_range(canvas, canvas_min(a->y, b->y) - margin, canvas_max(a->y, b->y) + margin, range);
}

typedef struct bin_run {
    stk_canvas *canvas;
    canvas_bins *bins;
    void (*range)(stk_canvas *, int, uint16_t *, int32_t *);
} bin_run;

static void count_chunk(void *ctx, int chunk, int worker) {
    (void)worker;
    const bin_run *run = ctx;
    canvas_bins *bins = run->bins;
    const int bands = run->canvas->bands;
    int32_t *count = bins->count + (ptrdiff_t)chunk * bands;
    for (int b = 0; b < bands; b++) count[b] = 0;
    const int first = chunk * CANVAS_CHUNK;
    const int last = first + CANVAS_CHUNK < bins->items ? first + CANVAS_CHUNK : bins->items;
    for (int i = first; i < last; i++) {
        run->range(run->canvas, i, bins->range[i], &bins->code[i]);
        for (int b = bins->range[i][0]; b < bins->range[i][1]; b++) count[b]++;
    }
}

static void fill_chunk(void *ctx, int chunk, int worker) {
    (void)worker;
    const bin_run *run = ctx;
    canvas_bins *bins = run->bins;
    int32_t *place = bins->count + (ptrdiff_t)chunk * run->canvas->bands;
    const int first = chunk * CANVAS_CHUNK;
    const int last = first + CANVAS_CHUNK < bins->items ? first + CANVAS_CHUNK : bins->items;
    for (int i = first; i < last; i++)
        for (int b = bins->range[i][0]; b < bins->range[i][1]; b++)
            bins->item[place[b]++] = bins->code[i];
}

static stk_status bin(bin_run *run) {
    canvas_bins *bins = run->bins;
    const int bands = run->canvas->bands;
    const int chunks = (bins->items + CANVAS_CHUNK - 1) / CANVAS_CHUNK;
    stk_pool_run(run->canvas->pool, chunks, count_chunk, run);
    int total = 0;
    for (int b = 0; b < bands; b++) {
        bins->start[b] = total;
        for (int c = 0; c < chunks; c++) {
            int32_t *count = &bins->count[(ptrdiff_t)c * bands + b];
            const int here = *count;
            *count = total;
            total += here;
        }
    }
    bins->start[bands] = total;
    if (total > bins->capacity) { /* half as much again, so that other poses fit, too */
        const size_t room = (size_t)total + (size_t)total / 2;
        stk_free(bins->item);
        stk_free(bins->spare);
        bins->capacity = 0;
        bins->item = stk_calloc_aligned(room, sizeof *bins->item);
        bins->spare = stk_calloc_aligned(room, sizeof *bins->spare);
        if (bins->item == NULL || bins->spare == NULL) return stk_fail_memory("canvas bins");
        bins->capacity = total + total / 2;
    }
    stk_pool_run(run->canvas->pool, chunks, fill_chunk, run);
    return STK_OK;
}

stk_status canvas_bin(stk_canvas *canvas) {
    STK_TRY(bin(&(bin_run){canvas, &canvas->triangles, range_triangle}));
    return bin(&(bin_run){canvas, &canvas->segments, range_segment});
}
