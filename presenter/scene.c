/* scene.c - memory of surfaces and strands, and the normals of a surface.
 *
 * A vertex' normal is gathered from the triangles around it (rings in one block, made once), so
 * that vertices can be worked on in any order by any thread with the same result. Vertices that lie
 * at the same place, as along a seam of the texture, share their triangles if their own normals
 * differ by less than 60 degrees; a sharper edge is meant as one.
 */
#include "presenter/scene.h"

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const float WELD_COSINE = 0.5f;
/* Edges below a third of a micrometre are rounding. */
static const float SHORTEST_M2 = 1e-13f;

static void *array(int count, size_t size, int *failed) {
    void *block = stk_calloc_aligned(count > 0 ? (size_t)count : 1, size);
    if (block == NULL) *failed = 1;
    return block;
}

stk_status stk_surface_init(stk_surface *s, const char *name, int vertices, int triangles) {
    int failed = 0;
    *s = (stk_surface){.name = name, .vertices = vertices, .triangles = triangles, .casts = 1};
    s->triangle = array(triangles, sizeof *s->triangle, &failed);
    s->rest = array(vertices, sizeof *s->rest, &failed);
    s->uv = array(vertices, sizeof *s->uv, &failed);
    s->bind = array(vertices, sizeof *s->bind, &failed);
    s->shade = array(vertices, sizeof *s->shade, &failed);
    s->part = array(triangles, sizeof *s->part, &failed);
    s->transfer = array(vertices, sizeof *s->transfer, &failed);
    s->key = array(vertices, sizeof *s->key, &failed);
    s->position = array(vertices, sizeof *s->position, &failed);
    s->normal = array(vertices, sizeof *s->normal, &failed);
    s->light = array(vertices, sizeof *s->light, &failed);
    if (failed) {
        stk_surface_clear(s);
        return stk_fail_memory("surface");
    }
    for (int i = 0; i < vertices; i++) s->bind[i] = s->shade[i] = 1;
    return STK_OK;
}

void stk_surface_clear(stk_surface *s) {
    void *blocks[] = {s->triangle, s->rest,       s->uv,  s->bind,     s->shade,
                      s->part,     s->transfer,   s->key, s->position, s->normal,
                      s->light,    s->ring_start, s->ring};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) stk_free(blocks[i]);
    *s = (stk_surface){.name = NULL};
}

static void subtract(const float a[3], const float b[3], float out[3]) {
    for (int i = 0; i < 3; i++) out[i] = a[i] - b[i];
}
static float dot(const float a[3], const float b[3]) {
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

/* Adds a triangle's normal (any length of its own) to `sum`, weighted by its angle at corner k. */
static void add_corner(const int32_t t[3], const float (*p)[3], int k, float sum[3]) {
    float a[3], b[3];
    subtract(p[t[(k + 1) % 3]], p[t[k]], a);
    subtract(p[t[(k + 2) % 3]], p[t[k]], b);
    const float n[3] = {a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2],
                        a[0] * b[1] - a[1] * b[0]};
    /* sin(angle) / (|a| |b|) is the angle's weight to second order [Max 1999] */
    const float aa = dot(a, a), bb = dot(b, b);
    if (aa < SHORTEST_M2 || bb < SHORTEST_M2) return;
    const float weight = 1 / (aa * bb);
    for (int i = 0; i < 3; i++) sum[i] += weight * n[i];
}

void stk_surface_normals(const stk_surface *s, const float (*position)[3], int first, int last,
                         float (*normal)[3]) {
    for (int v = first; v < last; v++) {
        float sum[3] = {0, 0, 0};
        for (int r = s->ring_start[v]; r < s->ring_start[v + 1]; r++) {
            /* a ring entry is 4 * triangle + corner */
            add_corner(s->triangle[s->ring[r] >> 2], position, s->ring[r] & 3, sum);
        }
        const float length = sqrtf(dot(sum, sum));
        const float scale = length > 1e-20f ? 1 / length : 0;
        for (int i = 0; i < 3; i++) normal[v][i] = sum[i] * scale;
        if (length <= 1e-20f) normal[v][2] = 1;
    }
}

/* Counting sort of the corners by vertex. `same` leads from a vertex to the next at its place in a
 * closed chain. Two passes: count, then fill. */
static stk_status make_rings(stk_surface *s, const int32_t *same) {
    int32_t *own = stk_calloc_aligned((size_t)s->vertices + 1, sizeof *own);
    int32_t *corner = stk_calloc_aligned((size_t)s->triangles * 3 + 1, sizeof *corner);
    int32_t *start = stk_calloc_aligned((size_t)s->vertices + 1, sizeof *start);
    int32_t *ring = NULL;
    if (own == NULL || corner == NULL || start == NULL) goto fail;
    for (int t = 0; t < s->triangles; t++)
        for (int k = 0; k < 3; k++) own[s->triangle[t][k] + 1]++;
    for (int v = 0; v < s->vertices; v++) own[v + 1] += own[v];
    for (int t = s->triangles - 1; t >= 0; t--) { /* own[v + 1] is used as the cursor from above */
        for (int k = 2; k >= 0; k--) corner[--own[s->triangle[t][k] + 1]] = 4 * t + k;
    }
    /* now own[v + 1] is where v's corners begin; they end where those of v + 1 begin */
    for (int v = 0; v < s->vertices; v++) own[v] = own[v + 1];
    own[s->vertices] = 3 * s->triangles;
    for (int v = 0; v < s->vertices; v++) {
        int count = 0, other = v;
        do {
            count += own[other + 1] - own[other];
        } while ((other = same[other]) != v);
        start[v + 1] = start[v] + count;
    }
    ring = stk_calloc_aligned((size_t)start[s->vertices] + 1, sizeof *ring);
    if (ring == NULL) goto fail;
    for (int v = 0; v < s->vertices; v++) {
        int at = start[v], other = v;
        do {
            for (int i = own[other]; i < own[other + 1]; i++) ring[at++] = corner[i];
        } while ((other = same[other]) != v);
    }
    stk_free(own);
    stk_free(corner);
    stk_free(s->ring_start);
    stk_free(s->ring);
    s->ring_start = start;
    s->ring = ring;
    return STK_OK;
fail:
    stk_free(own);
    stk_free(corner);
    stk_free(start);
    return stk_fail_memory("surface rings");
}

typedef struct place {
    float at[3];
    int32_t vertex;
} place;

static int compare_places(const void *a, const void *b) {
    const place *p = a, *q = b;
    for (int i = 0; i < 3; i++)
        if (p->at[i] != q->at[i]) return p->at[i] < q->at[i] ? -1 : 1;
    return p->vertex < q->vertex ? -1 : p->vertex > q->vertex;
}

/* 0 for a vertex that only triangles without area meet, as at the poles of a sphere. */
static int has_normal(const stk_surface *s, int v) {
    for (int r = s->ring_start[v]; r < s->ring_start[v + 1]; r++) {
        float sum[3] = {0, 0, 0};
        add_corner(s->triangle[s->ring[r] >> 2], (const float(*)[3])s->rest, s->ring[r] & 3, sum);
        if (dot(sum, sum) > 0) return 1;
    }
    return 0;
}

/* Chains the vertices that lie at one place and face about the same way as its first. */
static void weld(const stk_surface *s, place *places, int32_t *same) {
    for (int v = 0; v < s->vertices; v++) {
        same[v] = v;
        places[v].vertex = v;
        for (int i = 0; i < 3; i++) places[v].at[i] = s->rest[v][i] + 0.0f; /* no -0 */
    }
    qsort(places, (size_t)s->vertices, sizeof *places, compare_places);
    for (int i = 0, first = 0; i < s->vertices; i++) {
        if (memcmp(places[i].at, places[first].at, sizeof places[i].at) != 0) first = i;
        const int32_t a = places[first].vertex, b = places[i].vertex;
        if (a == b) continue;
        if (has_normal(s, a) && has_normal(s, b) && dot(s->normal[a], s->normal[b]) < WELD_COSINE)
            continue;
        same[b] = same[a];
        same[a] = b;
    }
}

stk_status stk_surface_link(stk_surface *s) {
    if (s->ring_start != NULL) return STK_OK;
    int32_t *same = stk_calloc_aligned((size_t)s->vertices + 1, sizeof *same);
    place *places = stk_calloc_aligned((size_t)s->vertices + 1, sizeof *places);
    stk_status status = same && places ? STK_OK : stk_fail_memory("surface rings");
    for (int v = 0; status == STK_OK && v < s->vertices; v++) same[v] = v;
    if (status == STK_OK) status = make_rings(s, same);
    if (status == STK_OK) {
        stk_surface_normals(s, (const float(*)[3])s->rest, 0, s->vertices, s->normal);
        weld(s, places, same);
        status = make_rings(s, same);
    }
    stk_free(same);
    stk_free(places);
    return status;
}

stk_status stk_strands_init(stk_strands *s, const char *name, int count, int points) {
    int failed = 0;
    const int all = count * points;
    *s = (stk_strands){.name = name, .count = count, .points = points, .opacity = 1};
    s->width_m[0] = s->width_m[1] = 1e-4f;
    s->rest = array(all, sizeof *s->rest, &failed);
    s->bind = array(all, sizeof *s->bind, &failed);
    s->rgb = array(count, sizeof *s->rgb, &failed);
    s->transfer = array(all, sizeof *s->transfer, &failed);
    s->key = array(all, sizeof *s->key, &failed);
    s->position = array(all, sizeof *s->position, &failed);
    s->light = array(all, sizeof *s->light, &failed);
    if (failed) {
        stk_strands_clear(s);
        return stk_fail_memory("strands");
    }
    for (int i = 0; i < all; i++) s->bind[i] = 1;
    return STK_OK;
}

void stk_strands_clear(stk_strands *s) {
    void *blocks[] = {s->rest, s->bind, s->rgb, s->transfer, s->key, s->position, s->light};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) stk_free(blocks[i]);
    *s = (stk_strands){.name = NULL};
}

stk_status stk_actor_add_surface(stk_actor *actor, stk_surface *surface) {
    if (actor->surfaces == STK_ACTOR_SURFACES)
        return stk_fail(STK_ERR_ARGUMENT, "an actor has at most %d surfaces", STK_ACTOR_SURFACES);
    actor->surface[actor->surfaces++] = surface;
    return STK_OK;
}

stk_status stk_actor_add_strands(stk_actor *actor, stk_strands *strands) {
    if (actor->strands_count == STK_ACTOR_STRANDS)
        return stk_fail(STK_ERR_ARGUMENT, "an actor has at most %d sets of strands",
                        STK_ACTOR_STRANDS);
    actor->strands[actor->strands_count++] = strands;
    return STK_OK;
}
