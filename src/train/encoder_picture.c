/* encoder_picture.c - the lips of a window, as they are and spoilt.
 *
 * Spoilt: one similarity for all five crops (turned by +-6 degrees, 0.9 to 1.12 times the size,
 * moved by +-4 px, mirrored half the time), one change of brightness, contrast, colour (grey three
 * times in ten), and a little noise; less of all but the mirror when the strength is less than 1.
 * Numbers are 2 v / 255 - 1.
 */
#include "train/encoder_internal.h"

#include <math.h>

enum { SIDE = STK_CROP_SIDE, PIXELS = STK_LIPS_H * STK_LIPS_W };

typedef struct look {
    float m[6];               /* out pixel about the mouth's middle -> crop pixel */
    float gain[3], offset[3]; /* of 0 .. 255 */
    float grey;               /* share of grey, 0 or 1 */
    float noise;
} look;

static float between(stk_rng *rng, float low, float high) {
    return low + (high - low) * stk_rng_float(rng);
}

static look draw_look(const stk_spoiling *spoiling) {
    stk_rng *rng = spoiling->rng;
    const float much = spoiling->strength;
    look l = {.grey = stk_rng_float(rng) < 0.3f * much ? 1.0f : 0.0f};
    const float angle = much * between(rng, -0.105f, 0.105f);
    const float size = 1.0f / (1.0f + much * between(rng, -0.1f, 0.12f));
    const float mirror = stk_rng_float(rng) < 0.5f ? -1.0f : 1.0f;
    l.m[0] = mirror * size * cosf(angle), l.m[1] = -size * sinf(angle);
    l.m[3] = mirror * size * sinf(angle), l.m[4] = size * cosf(angle);
    l.m[2] = 0.5f * SIDE - 0.5f + much * between(rng, -4, 4);
    l.m[5] = 0.75f * SIDE - 0.5f + much * between(rng, -4, 4);
    const float contrast = 1.0f + much * between(rng, -0.3f, 0.3f);
    const float brightness = much * between(rng, -35, 35);
    for (int k = 0; k < 3; k++) {
        l.gain[k] = contrast * (1.0f + much * between(rng, -0.1f, 0.1f));
        l.offset[k] = 110.0f * (1.0f - contrast) + brightness;
    }
    l.noise = stk_rng_float(rng) < 0.3f ? much * between(rng, 0, 6) : 0;
    return l;
}

static void put(float rgb[3], const look *l, stk_rng *rng, float *out) {
    const float grey = 0.299f * rgb[0] + 0.587f * rgb[1] + 0.114f * rgb[2];
    for (int k = 0; k < 3; k++) {
        float v = l->gain[k] * (rgb[k] + l->grey * (grey - rgb[k])) + l->offset[k];
        if (l->noise > 0)
            v += l->noise * 3.46f * (stk_rng_float(rng) - 0.5f); /* uniform of that deviation */
        v = v < 0 ? 0 : v > 255 ? 255 : v;
        out[k] = v * (2.0f / 255) - 1.0f;
    }
}

static float inside(float v) {
    return v < 0 ? 0 : v > SIDE - 1.001f ? SIDE - 1.001f : v;
}

static void spoil_pixel(const uint8_t *crops, float x, float y, const look *l, stk_rng *rng,
                        float *out) {
    x = inside(x), y = inside(y);
    const int x0 = (int)x, y0 = (int)y;
    const float fx = x - (float)x0, fy = y - (float)y0;
    for (int f = 0; f < STK_LIPS_FRAMES; f++, out += 3) {
        const uint8_t *p = crops + (ptrdiff_t)f * STK_SPEECH_CROP + (y0 * SIDE + x0) * 3;
        float rgb[3];
        for (int k = 0; k < 3; k++) {
            const float top = (float)p[k] + fx * (float)(p[k + 3] - p[k]);
            const float low =
                (float)p[SIDE * 3 + k] + fx * (float)(p[SIDE * 3 + k + 3] - p[SIDE * 3 + k]);
            rgb[k] = top + fy * (low - top);
        }
        put(rgb, l, rng, out);
    }
    *out = 0;
}

void stk_encoder_picture(const stk_speech *s, int frame, const stk_spoiling *spoiling,
                         float *lips) {
    const uint8_t *crops = s->crops + (ptrdiff_t)(frame - STK_LIPS_SIDE) * STK_SPEECH_CROP;
    if (spoiling == NULL) {
        stk_encoder_lips_plain(s, frame, lips);
        return;
    }
    const look l = draw_look(spoiling);
    for (int i = 0; i < PIXELS; i++, lips += STK_LIPS_CHANNELS) {
        const float x = (float)(i % STK_LIPS_W) - 0.5f * (STK_LIPS_W - 1);
        const float y = (float)(i / STK_LIPS_W) - 0.5f * (STK_LIPS_H - 1);
        spoil_pixel(crops, l.m[0] * x + l.m[1] * y + l.m[2], l.m[3] * x + l.m[4] * y + l.m[5], &l,
                    spoiling->rng, lips);
    }
}

/* Mean of 2 x 2 pixels, 0 .. 1. */
static float halved(const uint8_t *crop, int row, int column, int channel) {
    const uint8_t *p = crop + (2 * row * SIDE + 2 * column) * 3 + channel;
    return (float)(p[0] + p[3] + p[SIDE * 3] + p[SIDE * 3 + 3]) * (1.0f / 1020);
}

void stk_encoder_face(const stk_speech *s, int frame, int reference, int flip, float *face,
                      float *mouth) {
    const uint8_t *here = s->crops + (ptrdiff_t)frame * STK_SPEECH_CROP;
    const uint8_t *other = s->crops + (ptrdiff_t)reference * STK_SPEECH_CROP;
    for (int i = 0; i < STK_FACE_SIDE; i++)
        for (int j = 0; j < STK_FACE_SIDE; j++, face += STK_FACE_CHANNELS) {
            const int column = flip ? STK_FACE_SIDE - 1 - j : j;
            const int masked = i >= STK_FACE_SIDE - STK_MOUTH_H;
            for (int k = 0; k < 3; k++) {
                face[k] = masked ? 0 : halved(here, i, column, k);
                face[3 + k] = halved(other, i, column, k);
                if (masked) *mouth++ = halved(here, i, column, k);
            }
            face[6] = face[7] = 0;
        }
}
