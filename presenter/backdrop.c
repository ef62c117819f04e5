/* backdrop.c - paints a room: shapes in linear light, the lens' blur, sRGB.
 *
 *   look -> room (backdrop_room.c: up to 2048 shapes) -> 3 float planes -> Gaussian -> RGB8
 *
 * A task paints 16 rows of all three planes; planes are blurred one task each. Every pixel is a
 * function of its place only, so the picture does not depend on the number of threads. Blurring
 * linear light lets bright spots grow as they do behind a lens. A faint grain of the wall and half
 * a step of dither are added after the blur: neither banding nor a plate that looks made of wax.
 */
#include "presenter/backdrop.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "kernels/image.h"
#include "presenter/backdrop_private.h"
#include "presenter/noise.h"

enum { STK_BACKDROP_ROWS = 16, STK_BACKDROP_RADIUS = 31 };

typedef struct stk_backdrop_work {
    stk_image *rgb;
    const stk_room *room;
    float *plane[3], *scratch[3];
    uint32_t seed;
} stk_backdrop_work;

/* Share of the shape at its own coordinates (a, b), 0 .. 1. */
static float shape_cover(const stk_shape *shape, float a, float b) {
    const float hx = shape->hx, hy = shape->hy, soft = shape->soft;
    float inside; /* distance to the border, positive within */
    switch (shape->kind) {
    case STK_SHAPE_BOX: {
        const float dx = fabsf(a) - hx + shape->corner, dy = fabsf(b) - hy + shape->corner;
        const float ox = dx > 0.0f ? dx : 0.0f, oy = dy > 0.0f ? dy : 0.0f;
        const float deep = dx > dy ? dx : dy;
        inside = shape->corner - sqrtf(ox * ox + oy * oy) - (deep < 0.0f ? deep : 0.0f);
        break;
    }
    case STK_SHAPE_OVAL: {
        const float r = sqrtf(a * a / (hx * hx) + b * b / (hy * hy));
        inside = (1.0f - r) * (hx < hy ? hx : hy);
        break;
    }
    case STK_SHAPE_LEAF: {
        const float t = b / hy;
        inside = hx * (1.0f - t * t) * (1.0f - 0.35f * t) - fabsf(a);
        break;
    }
    default:
        return expf(-3.0f * (a * a / (hx * hx) + b * b / (hy * hy)));
    }
    return stk_clampf(inside / soft + 0.5f, 0.0f, 1.0f);
}

static float shape_brightness(const stk_shape *shape, float a, float b) {
    const float u = stk_clampf(a / shape->hx, -1.0f, 1.0f);
    const float v = stk_clampf(b / shape->hy, -1.0f, 1.0f);
    float value = 1.0f + shape->slope[0] * u + shape->slope[1] * v - shape->round * u * u;
    if (shape->streak > 0.0f) {
        const float x = a * shape->fine, y = b * shape->fine / shape->stretch;
        value += shape->streak * stk_noise_fractal3(x, y, 0.5f, 3, shape->seed);
    }
    return value > 0.0f ? value : 0.0f;
}

static void shape_lay(const stk_shape *shape, float a, float b, float rgb[3]) {
    const float cover = shape_cover(shape, a, b);
    if (cover <= 0.0f) return;
    const float value = shape_brightness(shape, a, b);
    for (int c = 0; c < 3; c++) {
        const float own = shape->rgb[c] * value;
        if (shape->mode == STK_SHAPE_OVER)
            rgb[c] += (own - rgb[c]) * cover;
        else if (shape->mode == STK_SHAPE_DARK)
            rgb[c] *= 1.0f + (own - 1.0f) * cover;
        else
            rgb[c] += own * cover;
    }
}

/* One shape into the rows [y0, y1), within its bounding box only. */
static void paint_shape(const stk_backdrop_work *work, const stk_shape *shape, int y0, int y1) {
    const int width = work->rgb->width, height = work->rgb->height;
    const float size = (float)height, cosine = cosf(shape->turn), sine = sinf(shape->turn);
    const float reach = shape->kind == STK_SHAPE_GLOW ? 1.6f : 1.0f;
    const float ex = reach * (fabsf(cosine) * shape->hx + fabsf(sine) * shape->hy) + shape->soft;
    const float ey = reach * (fabsf(sine) * shape->hx + fabsf(cosine) * shape->hy) + shape->soft;
    const float middle = 0.5f * (float)width;
    const int left = stk_clampi((int)floorf((shape->x - ex) * size + middle), 0, width);
    const int right = stk_clampi((int)ceilf((shape->x + ex) * size + middle) + 1, 0, width);
    const int top = stk_clampi((int)floorf((shape->y - ey) * size), y0, y1);
    const int bottom = stk_clampi((int)ceilf((shape->y + ey) * size) + 1, y0, y1);
    for (int y = top; y < bottom; y++)
        for (int x = left; x < right; x++) {
            const float dx = ((float)x + 0.5f - middle) / size - shape->x;
            const float dy = ((float)y + 0.5f) / size - shape->y;
            const size_t at = (size_t)y * (size_t)width + (size_t)x;
            float rgb[3] = {work->plane[0][at], work->plane[1][at], work->plane[2][at]};
            shape_lay(shape, cosine * dx + sine * dy, cosine * dy - sine * dx, rgb);
            for (int c = 0; c < 3; c++) work->plane[c][at] = rgb[c];
        }
}

static void paint_rows(void *ctx, int task, int worker) {
    const stk_backdrop_work *work = ctx;
    (void)worker;
    const int y0 = task * STK_BACKDROP_ROWS;
    const int y1 = stk_clampi(y0 + STK_BACKDROP_ROWS, 0, work->rgb->height);
    for (int i = 0; i < work->room->shapes; i++) paint_shape(work, &work->room->shape[i], y0, y1);
}

static void blur_plane(void *ctx, int task, int worker) {
    const stk_backdrop_work *work = ctx;
    (void)worker;
    const int width = work->rgb->width, height = work->rgb->height;
    const float sigma = work->room->blur * (float)height;
    int radius = stk_clampi((int)ceilf(3.0f * sigma), 1, STK_BACKDROP_RADIUS);
    const int least = (width < height ? width : height) - 1; /* the border is mirrored once */
    if (radius > least) radius = least;
    if (radius < 1) return;
    stk_plane_blur(work->plane[task], work->scratch[task], width, height, sigma, radius);
}

static void finish_rows(void *ctx, int task, int worker) {
    const stk_backdrop_work *work = ctx;
    (void)worker;
    const int width = work->rgb->width, height = work->rgb->height;
    const int y1 = stk_clampi((task + 1) * STK_BACKDROP_ROWS, 0, height);
    for (int y = task * STK_BACKDROP_ROWS; y < y1; y++) {
        uint8_t *row = stk_image_row(work->rgb, y);
        for (int x = 0; x < width; x++) {
            const size_t at = (size_t)y * (size_t)width + (size_t)x;
            const float u = 260.0f * (float)x / (float)height,
                        v = 260.0f * (float)y / (float)height;
            const float noise = stk_noise_fractal3(u, v, 7.5f, 2, work->seed);
            const float gain = work->room->exposure * (1.0f + work->room->wall_soft * noise);
            const uint32_t bits = stk_noise_hash((uint32_t)x, (uint32_t)y, 3, work->seed);
            const float dither = (float)(bits >> 8) / 16777216.0f;
            for (int c = 0; c < 3; c++) {
                const float light = stk_clampf(work->plane[c][at] * gain, 0.0f, 1.0f);
                const float value = 255.0f * stk_srgb_from_linear(light) + dither;
                row[3 * x + c] = (uint8_t)stk_clampf(value, 0.0f, 255.0f);
            }
        }
    }
}

static void paint_all(stk_backdrop_work *work, stk_pool *pool) {
    const int tasks = (work->rgb->height + STK_BACKDROP_ROWS - 1) / STK_BACKDROP_ROWS;
    stk_pool_run(pool, tasks, paint_rows, work);
    stk_pool_run(pool, 3, blur_plane, work);
    stk_pool_run(pool, tasks, finish_rows, work);
}

stk_status stk_backdrop_paint(stk_image *rgb, const stk_look *look, stk_pool *pool) {
    if (!rgb->data || rgb->channels != 3 || rgb->width < 1 || rgb->height < 1)
        return stk_fail(STK_ERR_ARGUMENT, "a backdrop needs an RGB picture, not %d x %d of %d",
                        rgb->width, rgb->height, rgb->channels);
    const size_t area = (size_t)rgb->width * (size_t)rgb->height;
    stk_room *room = stk_calloc_aligned(1, sizeof *room);
    float *planes = stk_calloc_aligned(6 * area, sizeof *planes);
    stk_status status = STK_OK;
    if (room && planes) {
        stk_backdrop_work work = {.rgb = rgb, .room = room, .seed = 77u + (uint32_t)look->seed};
        for (int c = 0; c < 3; c++) {
            work.plane[c] = planes + (size_t)c * area;
            work.scratch[c] = planes + (size_t)(c + 3) * area;
        }
        stk_room_furnish(room, look, 0.5f * (float)rgb->width / (float)rgb->height);
        paint_all(&work, pool);
    } else
        status = stk_fail_memory("the backdrop");
    stk_free(planes);
    stk_free(room);
    return status;
}
