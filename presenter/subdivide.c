/* subdivide.c - see subdivide.h.
 *
 *   level: vertices V, triangles F, rows of weights V x control
 *     edges by sorted keys -> one new vertex an edge
 *     new:  3/8 (a + b) + 1/8 (c + d) inside; 1/2 (a + b) on a border; 5/8 a + 3/8 b inside when a
 *           is a corner, where the smooth rule would fold the surface
 *     old:  (1 - n beta) v + beta sum of neighbours inside, 6/8 v + 1/8 (a + b) on a border
 *     beta = (5/8 - (3/8 + cos(2 pi / n) / 4)^2) / n
 *
 * Done once when a bust is made; application is one pass over the weights.
 */
#include "presenter/subdivide.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/types.h"

typedef struct edge_key {
    int32_t lo, hi, half; /* half = 3 * triangle + side */
} edge_key;

/* A mesh on its way down, and the tables of one step. */
typedef struct level {
    int vertices, triangles, edges;
    int32_t (*triangle)[3];
    int32_t *row;
    uint16_t *column;
    float *weight;
    edge_key *key;
    int32_t *edge_of_half;
    int32_t (*edge)[4];        /* two ends, two opposite vertices (-1: border) */
    int32_t *valence, *border; /* border: neighbours on the border, 2 a vertex, -1 = none */
} level;

static void level_clear(level *l) {
    stk_free(l->triangle);
    stk_free(l->row);
    stk_free(l->column);
    stk_free(l->weight);
    stk_free(l->key);
    stk_free(l->edge_of_half);
    stk_free(l->edge);
    stk_free(l->valence);
    stk_free(l->border);
    memset(l, 0, sizeof *l);
}

static int key_order(const void *a, const void *b) {
    const edge_key *x = a, *y = b;
    if (x->lo != y->lo) return x->lo < y->lo ? -1 : 1;
    if (x->hi != y->hi) return x->hi < y->hi ? -1 : 1;
    return x->half < y->half ? -1 : x->half > y->half;
}

static void border_add(level *l, int vertex, int neighbour) {
    int32_t *slot = l->border + 2 * vertex;
    slot[slot[0] >= 0] = neighbour;
}

/* Fills edges, valences and border neighbours of a level whose triangles are set. */
static stk_status level_connect(level *l) {
    const int halves = 3 * l->triangles;
    l->key = stk_calloc_aligned((size_t)halves, sizeof *l->key);
    l->edge_of_half = stk_calloc_aligned((size_t)halves, sizeof *l->edge_of_half);
    l->edge = stk_calloc_aligned((size_t)halves, sizeof *l->edge);
    l->valence = stk_calloc_aligned((size_t)l->vertices, sizeof *l->valence);
    l->border = stk_calloc_aligned((size_t)l->vertices, 2 * sizeof *l->border);
    if (!l->key || !l->edge_of_half || !l->edge || !l->valence || !l->border)
        return stk_fail_memory("subdivision");
    for (int h = 0; h < halves; h++) {
        const int a = l->triangle[h / 3][h % 3], b = l->triangle[h / 3][(h + 1) % 3];
        l->key[h] = (edge_key){a < b ? a : b, a < b ? b : a, h};
    }
    qsort(l->key, (size_t)halves, sizeof *l->key, key_order);
    for (int v = 0; v < 2 * l->vertices; v++) l->border[v] = -1;
    l->edges = 0;
    for (int i = 0; i < halves;) {
        const edge_key *k = l->key + i;
        int same = 1;
        while (i + same < halves && k[same].lo == k->lo && k[same].hi == k->hi) same++;
        if (same > 2) return stk_fail(STK_ERR_ARGUMENT, "subdivision: edge of three triangles");
        int32_t *e = l->edge[l->edges];
        e[0] = k->lo, e[1] = k->hi, e[3] = -1;
        for (int s = 0; s < same; s++) {
            e[2 + s] = l->triangle[k[s].half / 3][(k[s].half + 2) % 3];
            l->edge_of_half[k[s].half] = l->edges;
        }
        l->valence[k->lo]++, l->valence[k->hi]++;
        if (same == 1) border_add(l, k->lo, k->hi), border_add(l, k->hi, k->lo);
        l->edges++, i += same;
    }
    return STK_OK;
}

/* One row under construction: dense weights and which of them are in use. */
typedef struct gather {
    float *dense;
    uint16_t *used;
    int count, control;
} gather;

static void gather_add(gather *g, const level *from, int vertex, float factor) {
    for (int i = from->row[vertex]; i < from->row[vertex + 1]; i++) {
        const int c = from->column[i];
        if (g->dense[c] == 0) g->used[g->count++] = (uint16_t)c;
        g->dense[c] += factor * from->weight[i];
    }
}

static int index_order(const void *a, const void *b) {
    return (int)*(const uint16_t *)a - (int)*(const uint16_t *)b;
}

/* Ends row `vertex` of `to`; weights are positive, so a touched entry is never 0 again. */
static void gather_store(gather *g, level *to, int vertex) {
    qsort(g->used, (size_t)g->count, sizeof *g->used, index_order);
    int at = to->row[vertex];
    for (int i = 0; i < g->count; i++, at++) {
        to->column[at] = g->used[i];
        to->weight[at] = g->dense[g->used[i]];
        g->dense[g->used[i]] = 0;
    }
    to->row[vertex + 1] = at;
    g->count = 0;
}

/* Weights of the old vertices: own share, and that of every neighbour (inside) or of the two on the
 * border. */
static void step_old(const level *from, level *to, const uint8_t *corner, int corners, gather *g,
                     int32_t (*around)[16]) {
    for (int v = 0; v < from->vertices; v++) {
        const int32_t *border = from->border + 2 * v;
        const int n = from->valence[v];
        if (border[0] >= 0) {
            const float side = v < corners && corner[v] ? 0.0f : 0.125f;
            gather_add(g, from, v, 1 - 2 * side);
            if (side > 0)
                gather_add(g, from, border[0], side), gather_add(g, from, border[1], side);
        } else {
            const double c = 0.375 + 0.25 * cos(2 * 3.14159265358979 / n);
            const float beta = (float)((0.625 - c * c) / n);
            gather_add(g, from, v, 1 - (float)n * beta);
            for (int i = 0; i < n; i++) gather_add(g, from, around[v][i], beta);
        }
        gather_store(g, to, v);
    }
}

static void step_new(const level *from, level *to, const uint8_t *corner, int corners, gather *g) {
    for (int e = 0; e < from->edges; e++) {
        const int32_t *v = from->edge[e];
        const int sharp0 = v[0] < corners && corner[v[0]], sharp1 = v[1] < corners && corner[v[1]];
        const int border = v[3] < 0, sharp = !border && sharp0 != sharp1;
        gather_add(g, from, v[0], border ? 0.5f : sharp0 && sharp ? 0.625f : 0.375f);
        gather_add(g, from, v[1], border ? 0.5f : sharp1 && sharp ? 0.625f : 0.375f);
        if (!border && !sharp) gather_add(g, from, v[2], 0.125f), gather_add(g, from, v[3], 0.125f);
        gather_store(g, to, from->vertices + e);
    }
    for (int t = 0; t < from->triangles; t++) {
        const int32_t *c = from->triangle[t], *h = from->edge_of_half + 3 * t;
        const int m[3] = {from->vertices + h[0], from->vertices + h[1], from->vertices + h[2]};
        int32_t(*out)[3] = to->triangle + 4 * t;
        out[0][0] = c[0], out[0][1] = m[0], out[0][2] = m[2];
        out[1][0] = m[0], out[1][1] = c[1], out[1][2] = m[1];
        out[2][0] = m[2], out[2][1] = m[1], out[2][2] = c[2];
        out[3][0] = m[0], out[3][1] = m[1], out[3][2] = m[2];
    }
}

/* Upper bound of a row after `levels` steps of a mesh of valence <= 16. */
enum { ROW_MOST = 64, VALENCE_MOST = 16 };

static stk_status step(const level *from, level *to, const uint8_t *corner, int corners,
                       gather *g) {
    to->vertices = from->vertices + from->edges;
    to->triangles = 4 * from->triangles;
    const size_t entries = (size_t)to->vertices * ROW_MOST;
    to->triangle = stk_calloc_aligned((size_t)to->triangles, sizeof *to->triangle);
    to->row = stk_calloc_aligned((size_t)to->vertices + 1, sizeof *to->row);
    to->column = stk_calloc_aligned(entries, sizeof *to->column);
    to->weight = stk_calloc_aligned(entries, sizeof *to->weight);
    int32_t(*around)[VALENCE_MOST] = stk_calloc_aligned((size_t)from->vertices, sizeof *around);
    int32_t *count = stk_calloc_aligned((size_t)from->vertices, sizeof *count);
    stk_status status = STK_OK;
    if (!to->triangle || !to->row || !to->column || !to->weight || !around || !count) {
        status = stk_fail_memory("subdivision");
        goto fail;
    }
    for (int e = 0; e < from->edges; e++)
        for (int side = 0; side < 2; side++) {
            const int v = from->edge[e][side];
            if (count[v] >= VALENCE_MOST) {
                status = stk_fail(STK_ERR_ARGUMENT, "subdivision: valence over %d", VALENCE_MOST);
                goto fail;
            }
            around[v][count[v]++] = from->edge[e][!side];
        }
    step_old(from, to, corner, corners, g, around);
    step_new(from, to, corner, corners, g);
fail:
    stk_free(around);
    stk_free(count);
    return status;
}

static stk_status level_start(level *l, const int32_t (*triangle)[3], int triangles, int control) {
    l->vertices = control;
    l->triangles = triangles;
    l->triangle = stk_calloc_aligned((size_t)triangles, sizeof *l->triangle);
    l->row = stk_calloc_aligned((size_t)control + 1, sizeof *l->row);
    l->column = stk_calloc_aligned((size_t)control, sizeof *l->column);
    l->weight = stk_calloc_aligned((size_t)control, sizeof *l->weight);
    if (!l->triangle || !l->row || !l->column || !l->weight) return stk_fail_memory("subdivision");
    memcpy(l->triangle, triangle, (size_t)triangles * sizeof *triangle);
    for (int v = 0; v < control; v++) {
        l->row[v] = v, l->column[v] = (uint16_t)v, l->weight[v] = 1;
    }
    l->row[control] = control;
    return STK_OK;
}

stk_status stk_subdivision_init(stk_subdivision *sub, const int32_t (*triangle)[3], int triangles,
                                int control, const uint8_t *corner, int levels) {
    memset(sub, 0, sizeof *sub);
    level now = {0}, next = {0};
    gather g = {.control = control};
    stk_status status = level_start(&now, triangle, triangles, control);
    g.dense = stk_calloc_aligned((size_t)control, sizeof *g.dense);
    g.used = stk_calloc_aligned((size_t)control, sizeof *g.used);
    if (status == STK_OK && (!g.dense || !g.used)) status = stk_fail_memory("subdivision");
    for (int i = 0; status == STK_OK && i < levels; i++) {
        status = level_connect(&now);
        if (status == STK_OK) status = step(&now, &next, corner, control, &g);
        if (status != STK_OK) break;
        level_clear(&now);
        now = next;
        memset(&next, 0, sizeof next);
    }
    stk_free(g.dense);
    stk_free(g.used);
    level_clear(&next);
    if (status == STK_OK) {
        *sub = (stk_subdivision){control, now.vertices, now.triangles, now.triangle,
                                 now.row, now.column,   now.weight};
        now.triangle = NULL, now.row = NULL, now.column = NULL, now.weight = NULL;
    }
    level_clear(&now);
    return status;
}

void stk_subdivision_clear(stk_subdivision *sub) {
    stk_free(sub->triangle);
    stk_free(sub->row);
    stk_free(sub->column);
    stk_free(sub->weight);
    memset(sub, 0, sizeof *sub);
}

void stk_subdivision_apply(const stk_subdivision *sub, const float *in, int width, float *out) {
    for (int v = 0; v < sub->vertices; v++) {
        float sum[3] = {0, 0, 0};
        for (int i = sub->row[v]; i < sub->row[v + 1]; i++) {
            const float *p = in + (size_t)sub->column[i] * (size_t)width;
            for (int k = 0; k < width; k++) sum[k] += sub->weight[i] * p[k];
        }
        for (int k = 0; k < width; k++) out[(size_t)v * (size_t)width + (size_t)k] = sum[k];
    }
}
