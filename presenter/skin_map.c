/* skin_map.c - which point of the surface a texel shows, and slopes from heights.
 *
 *   triangles in uv --rasterised, bands of rows--> rest [side][side] mm, scalp, inside = 1
 *   inside = 1 --grown by BORDER texels--> inside = 2 (mean of the neighbours, so that bilinear
 *   filtering at a border of the uv chart reads painted texels only)
 *   height [side][side] mm --central differences over true distances--> R, G of the detail picture
 *
 * A band is a task; a texel in two triangles belongs to the later one, so the result does not
 * depend on the number of threads.
 */
#include "presenter/skin_parts.h"

#include <math.h>
#include <string.h>

#include "base/image.h"
#include "base/memory.h"
#include "presenter/noise.h"

enum { BAND = 32, BORDER = 4 };

typedef struct map_job {
    stk_skin_map *map;
    const stk_surface *surface;
    const float *scalp;
    const uint8_t *before; /* inside, before this growth */
    stk_image *detail;
    int pass;
} map_job;

static void texel_write(const map_job *job, const int32_t *t, const float w[3], float pitch,
                        size_t i) {
    const stk_surface *s = job->surface;
    stk_skin_map *map = job->map;
    for (int c = 0; c < 3; c++) {
        map->rest[i][c] =
            1e3f * (w[0] * s->rest[t[0]][c] + w[1] * s->rest[t[1]][c] + w[2] * s->rest[t[2]][c]);
    }
    if (job->scalp != NULL) {
        map->scalp[i] = w[0] * job->scalp[t[0]] + w[1] * job->scalp[t[1]] + w[2] * job->scalp[t[2]];
    }
    map->pitch[i] = pitch;
    map->inside[i] = 1;
}

/* mm a texel: root of the triangle's area over its area in texels. */
static float triangle_pitch(const stk_surface *s, const int32_t *t, float texels2) {
    float a[3], b[3];
    for (int c = 0; c < 3; c++) {
        a[c] = 1e3f * (s->rest[t[1]][c] - s->rest[t[0]][c]);
        b[c] = 1e3f * (s->rest[t[2]][c] - s->rest[t[0]][c]);
    }
    float n[3] = {a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]};
    float area2 = sqrtf(n[0] * n[0] + n[1] * n[1] + n[2] * n[2]);
    return stk_clampf(sqrtf(area2 / texels2), 0.02f, 5.0f);
}

static void triangle_rasterise(const map_job *job, const int32_t *t, int y0, int y1) {
    const int side = job->map->side;
    float p[3][2];
    for (int k = 0; k < 3; k++) {
        p[k][0] = job->surface->uv[t[k]][0] * (float)side - 0.5f;
        p[k][1] = job->surface->uv[t[k]][1] * (float)side - 0.5f;
    }
    float top = fminf(p[0][1], fminf(p[1][1], p[2][1]));
    float bottom = fmaxf(p[0][1], fmaxf(p[1][1], p[2][1]));
    if (bottom < (float)y0 || top > (float)(y1 - 1)) return;
    float left = fminf(p[0][0], fminf(p[1][0], p[2][0]));
    float right = fmaxf(p[0][0], fmaxf(p[1][0], p[2][0]));
    float area =
        (p[1][0] - p[0][0]) * (p[2][1] - p[0][1]) - (p[2][0] - p[0][0]) * (p[1][1] - p[0][1]);
    if (fabsf(area) < 1e-9f) return;
    float pitch = triangle_pitch(job->surface, t, fabsf(area));
    int x0 = stk_clampi((int)ceilf(left), 0, side), x1 = stk_clampi((int)right + 1, 0, side);
    int ya = stk_clampi((int)ceilf(top), y0, y1), yb = stk_clampi((int)bottom + 1, y0, y1);
    for (int y = ya; y < yb; y++) {
        for (int x = x0; x < x1; x++) {
            float fx = (float)x, fy = (float)y, w[3];
            w[1] = ((fx - p[0][0]) * (p[2][1] - p[0][1]) - (p[2][0] - p[0][0]) * (fy - p[0][1])) /
                   area;
            w[2] = ((p[1][0] - p[0][0]) * (fy - p[0][1]) - (fx - p[0][0]) * (p[1][1] - p[0][1])) /
                   area;
            w[0] = 1.0f - w[1] - w[2];
            if (w[0] < -1e-5f || w[1] < -1e-5f || w[2] < -1e-5f) continue;
            texel_write(job, t, w, pitch, (size_t)y * (size_t)side + (size_t)x);
        }
    }
}

static void raster_band(void *ctx, int task, int worker) {
    const map_job *job = ctx;
    (void)worker;
    int y0 = task * BAND, y1 = y0 + BAND < job->map->side ? y0 + BAND : job->map->side;
    for (int t = 0; t < job->surface->triangles; t++) {
        triangle_rasterise(job, job->surface->triangle[t], y0, y1);
    }
}

/* Gives an outside texel the mean of its neighbours of the previous passes. */
static void texel_grow(const map_job *job, int x, int y) {
    stk_skin_map *map = job->map;
    const int side = map->side;
    float sum[5] = {0}, n = 0.0f;
    for (int dy = -1; dy <= 1; dy++) {
        for (int dx = -1; dx <= 1; dx++) {
            int nx = x + dx, ny = y + dy;
            if (nx < 0 || ny < 0 || nx >= side || ny >= side) continue;
            size_t j = (size_t)ny * (size_t)side + (size_t)nx;
            if (job->before[j] == 0) continue;
            for (int c = 0; c < 3; c++) sum[c] += map->rest[j][c];
            sum[3] += map->scalp[j];
            sum[4] += map->pitch[j];
            n += 1.0f;
        }
    }
    if (n == 0.0f) return;
    size_t i = (size_t)y * (size_t)side + (size_t)x;
    for (int c = 0; c < 3; c++) map->rest[i][c] = sum[c] / n;
    map->scalp[i] = sum[3] / n;
    map->pitch[i] = sum[4] / n;
    map->inside[i] = 2;
}

static void grow_band(void *ctx, int task, int worker) {
    const map_job *job = ctx;
    (void)worker;
    const int side = job->map->side;
    int y1 = task * BAND + BAND < side ? task * BAND + BAND : side;
    for (int y = task * BAND; y < y1; y++) {
        for (int x = 0; x < side; x++) {
            if (job->before[(size_t)y * (size_t)side + (size_t)x] == 0) texel_grow(job, x, y);
        }
    }
}

stk_status stk_skin_map_init(stk_skin_map *map, const stk_surface *surface, const float *scalp,
                             int side, stk_pool *pool) {
    memset(map, 0, sizeof *map);
    size_t texels = (size_t)side * (size_t)side;
    map->side = side;
    map->rest = stk_calloc_aligned(texels, sizeof *map->rest);
    map->scalp = stk_calloc_aligned(texels, sizeof *map->scalp);
    map->pitch = stk_calloc_aligned(texels, sizeof *map->pitch);
    map->height = stk_calloc_aligned(texels, sizeof *map->height);
    map->inside = stk_calloc_aligned(texels, 1);
    uint8_t *before = stk_calloc_aligned(texels, 1);
    stk_status status = STK_OK;
    if (map->rest == NULL || map->scalp == NULL || map->pitch == NULL || map->height == NULL ||
        map->inside == NULL || before == NULL) {
        stk_skin_map_clear(map);
        status = stk_fail_memory("the presenter's skin map");
    } else {
        map_job job = {.map = map, .surface = surface, .scalp = scalp, .before = before};
        int bands = (side + BAND - 1) / BAND;
        stk_pool_run(pool, bands, raster_band, &job);
        for (int pass = 0; pass < BORDER; pass++) {
            memcpy(before, map->inside, texels);
            stk_pool_run(pool, bands, grow_band, &job);
        }
    }
    stk_free(before);
    return status;
}

void stk_skin_map_clear(stk_skin_map *map) {
    stk_free(map->rest);
    stk_free(map->scalp);
    stk_free(map->pitch);
    stk_free(map->height);
    stk_free(map->inside);
    memset(map, 0, sizeof *map);
}

/* dh/ds between texels a and b, as the byte of stk_texture.detail; flat across a gap. */
static uint8_t slope_byte(const stk_skin_map *map, size_t a, size_t b) {
    if (map->inside[a] == 0 || map->inside[b] == 0) return 128;
    float s2 = 0.0f;
    for (int c = 0; c < 3; c++) {
        float d = map->rest[b][c] - map->rest[a][c];
        s2 += d * d;
    }
    float slope = (map->height[b] - map->height[a]) / sqrtf(s2 + 1e-4f);
    return (uint8_t)(128.0f + floorf(127.0f * stk_clampf(slope, -1.0f, 1.0f) + 0.5f));
}

static void slope_band(void *ctx, int task, int worker) {
    const map_job *job = ctx;
    (void)worker;
    const int side = job->map->side;
    const size_t row = (size_t)side;
    int y1 = task * BAND + BAND < side ? task * BAND + BAND : side;
    for (int y = task * BAND; y < y1; y++) {
        uint8_t *out = stk_image_row(job->detail, y);
        for (int x = 0; x < side; x++) {
            size_t i = (size_t)y * row + (size_t)x;
            out[4 * x] = slope_byte(job->map, x > 0 ? i - 1 : i, x < side - 1 ? i + 1 : i);
            out[4 * x + 1] = slope_byte(job->map, y > 0 ? i - row : i, y < side - 1 ? i + row : i);
        }
    }
}

void stk_skin_map_slopes(const stk_skin_map *map, stk_image *detail, stk_pool *pool) {
    stk_skin_map view = *map;
    map_job job = {.map = &view, .detail = detail};
    stk_pool_run(pool, (map->side + BAND - 1) / BAND, slope_band, &job);
}

/* --- textures --- */

stk_status stk_texture_init(stk_texture *texture, int side) {
    stk_image_clear(&texture->colour);
    stk_image_clear(&texture->detail);
    STK_TRY(stk_image_init(&texture->colour, side, side, 4));
    STK_TRY(stk_image_init(&texture->detail, side, side, 4));
    for (int y = 0; y < side; y++) {
        uint8_t *colour = stk_image_row(&texture->colour, y);
        uint8_t *detail = stk_image_row(&texture->detail, y);
        for (int x = 0; x < side; x++) {
            colour[4 * x + 3] = 255;
            detail[4 * x] = detail[4 * x + 1] = 128;
            detail[4 * x + 2] = 128;
            detail[4 * x + 3] = 255;
        }
    }
    return STK_OK;
}

uint8_t stk_skin_byte(float linear) {
    return (uint8_t)(255.0f * stk_srgb_from_linear(linear) + 0.5f);
}
