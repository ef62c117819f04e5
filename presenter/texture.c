/* texture.c - textures as the shader wants them: linear light, halved again and again.
 *
 * Colour and detail share a texel of eight 16-bit values. A level is the mean of 2x2 texels of the
 * one before; odd borders are repeated.
 */
#include "presenter/canvas_private.h"

#include "base/memory.h"

#include <math.h>
#include <string.h>

typedef uint16_t h4 __attribute__((vector_size(8)));

void canvas_texture_clear(canvas_texture *texture) {
    stk_free(texture->block);
    *texture = (canvas_texture){.block = NULL};
}

static void first_level(const stk_canvas *canvas, const stk_texture *source,
                        canvas_texture *texture) {
    const int width = texture->width[0], height = texture->height[0];
    const stk_image *c = &source->colour, *d = &source->detail;
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++) {
            uint16_t *value = texture->texel[0][(ptrdiff_t)y * width + x].value;
            for (int k = 0; k < 3; k++)
                value[k] =
                    c->data == NULL
                        ? 65535
                        : (uint16_t)lrintf(
                              65535 * canvas->to_linear[stk_image_row(c, y)[x * c->channels + k]]);
            value[3] = 0;
            value[4] = value[5] = 128 * 256;
            value[6] = value[7] = 65535;
            if (d->data == NULL) continue;
            /* the detail may have its own size */
            const uint8_t *at =
                stk_image_row(d, y * d->height / height) + x * d->width / width * d->channels;
            value[4] = (uint16_t)(at[0] * 256);
            value[5] = (uint16_t)(at[1] * 256);
            value[6] = (uint16_t)(at[2] * 257);
            value[7] = (uint16_t)(at[3] * 257);
        }
    }
}

static void halve(canvas_texture *texture, int level) {
    const int width = texture->width[level - 1], height = texture->height[level - 1];
    for (int y = 0; y < texture->height[level]; y++) {
        const int y0 = 2 * y, y1 = 2 * y + 1 < height ? 2 * y + 1 : height - 1;
        for (int x = 0; x < texture->width[level]; x++) {
            const int x0 = 2 * x, x1 = 2 * x + 1 < width ? 2 * x + 1 : width - 1;
            const canvas_texel *from = texture->texel[level - 1];
            const uint16_t *a = from[(ptrdiff_t)y0 * width + x0].value;
            const uint16_t *b = from[(ptrdiff_t)y0 * width + x1].value;
            const uint16_t *c = from[(ptrdiff_t)y1 * width + x0].value;
            const uint16_t *d = from[(ptrdiff_t)y1 * width + x1].value;
            uint16_t *to = texture->texel[level][(ptrdiff_t)y * texture->width[level] + x].value;
            for (int k = 0; k < 8; k++) to[k] = (uint16_t)((a[k] + b[k] + c[k] + d[k] + 2) >> 2);
        }
    }
}

static stk_status build(const stk_canvas *canvas, const stk_texture *source,
                        canvas_texture *texture) {
    const stk_image *size = source->colour.data != NULL ? &source->colour : &source->detail;
    *texture = (canvas_texture){.colour = source->colour.data, .detail = source->detail.data};
    size_t total = 0;
    int w = size->width, h = size->height;
    for (;;) {
        texture->width[texture->levels] = w;
        texture->height[texture->levels++] = h;
        total += (size_t)w * (size_t)h;
        if ((w == 1 && h == 1) || texture->levels == CANVAS_LEVELS) break;
        w = w > 1 ? w / 2 : 1;
        h = h > 1 ? h / 2 : 1;
    }
    texture->block = stk_calloc_aligned(total, sizeof *texture->block);
    if (texture->block == NULL) return stk_fail_memory("canvas texture");
    canvas_texel *at = texture->block;
    for (int k = 0; k < texture->levels; k++) {
        texture->texel[k] = at;
        at += (ptrdiff_t)texture->width[k] * texture->height[k];
    }
    first_level(canvas, source, texture);
    for (int k = 1; k < texture->levels; k++) halve(texture, k);
    return STK_OK;
}

stk_status canvas_texture_get(stk_canvas *canvas, const stk_texture *source,
                              const canvas_texture **texture) {
    *texture = NULL;
    if (source->colour.data == NULL && source->detail.data == NULL) return STK_OK;
    for (int i = 0; i < canvas->textures && *texture == NULL; i++)
        if (canvas->texture[i].colour == source->colour.data &&
            canvas->texture[i].detail == source->detail.data)
            *texture = &canvas->texture[i];
    if (*texture != NULL) return STK_OK;
    if (canvas->textures == CANVAS_TEXTURES)
        return stk_fail(STK_ERR_ARGUMENT, "a canvas has room for %d textures", CANVAS_TEXTURES);
    STK_TRY(build(canvas, source, &canvas->texture[canvas->textures]));
    *texture = &canvas->texture[canvas->textures++];
    return STK_OK;
}

static void add_texel(const canvas_texel *texel, float weight, canvas_f4 sum[2]) {
    h4 packed[2];
    memcpy(packed, texel->value, sizeof packed);
    for (int k = 0; k < 2; k++) sum[k] += __builtin_convertvector(packed[k], canvas_f4) * weight;
}

static void bilinear(const canvas_texture *texture, int level, float u, float v, float weight,
                     canvas_f4 sum[2]) {
    const int w = texture->width[level], h = texture->height[level];
    const float x = stk_clampf(u * (float)w - 0.5f, 0, (float)(w - 1));
    const float y = stk_clampf(v * (float)h - 0.5f, 0, (float)(h - 1));
    const int x0 = (int)x, y0 = (int)y, x1 = x0 + 1 < w ? x0 + 1 : x0,
              y1 = y0 + 1 < h ? y0 + 1 : y0;
    const float a = x - (float)x0, b = y - (float)y0;
    const canvas_texel *top = texture->texel[level] + (ptrdiff_t)y0 * w;
    const canvas_texel *below = texture->texel[level] + (ptrdiff_t)y1 * w;
    add_texel(top + x0, weight * (1 - a) * (1 - b), sum);
    add_texel(top + x1, weight * a * (1 - b), sum);
    add_texel(below + x0, weight * (1 - a) * b, sum);
    add_texel(below + x1, weight * a * b, sum);
}

void canvas_texture_sample(const canvas_texture *texture, float u, float v, float level,
                           float value[8]) {
    const float fine = stk_clampf(level, 0, (float)(texture->levels - 1));
    const int first = (int)fine;
    const float beyond = fine - (float)first;
    canvas_f4 sum[2] = {{0}};
    const int near_first = beyond<0.02f, near_next = beyond> 0.98f;
    if (!near_next) bilinear(texture, first, u, v, near_first ? 1 : 1 - beyond, sum);
    if (!near_first)
        bilinear(texture, first + 1 < texture->levels ? first + 1 : first, u, v,
                 near_next ? 1 : beyond, sum);
    for (int k = 0; k < 4; k++) value[k] = sum[0][k] * (1.0f / 65535);
    for (int k = 0; k < 2; k++) value[4 + k] = (sum[1][k] - 32768) * (1.0f / (127 * 256));
    for (int k = 2; k < 4; k++) value[4 + k] = sum[1][k] * (1.0f / 65535);
}
