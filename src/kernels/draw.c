/* draw.c - lines, discs and 5x7 text on pictures, for contact sheets and overlays; plain C.
 *
 * Everything is clipped to the picture. On grey pictures the colour's green is used; alpha becomes
 * opaque. Coordinates are px (pixel centres at +0.5) for lines and discs, whole pixels for text.
 */
#include "kernels/image.h"

#include <math.h>

enum { GLYPH_WIDTH = 5, GLYPH_HEIGHT = 7, ADVANCE = 6, FIRST = 32, LAST = 126 };

/* clang-format off */
/* Rows from the top, the leftmost pixel is bit 4. */
static const uint8_t GLYPHS[LAST - FIRST + 1][GLYPH_HEIGHT] = {
    {0, 0, 0, 0, 0, 0, 0}, /* space */
    {4, 4, 4, 4, 4, 0, 4}, /* ! */
    {10, 10, 10, 0, 0, 0, 0}, /* " */
    {10, 10, 31, 10, 31, 10, 10}, /* # */
    {4, 15, 20, 14, 5, 30, 4}, /* $ */
    {24, 25, 2, 4, 8, 19, 3}, /* % */
    {12, 18, 20, 8, 21, 18, 13}, /* & */
    {4, 4, 8, 0, 0, 0, 0}, /* ' */
    {2, 4, 8, 8, 8, 4, 2}, /* ( */
    {8, 4, 2, 2, 2, 4, 8}, /* ) */
    {0, 4, 21, 14, 21, 4, 0}, /* * */
    {0, 4, 4, 31, 4, 4, 0}, /* + */
    {0, 0, 0, 0, 12, 4, 8}, /* , */
    {0, 0, 0, 31, 0, 0, 0}, /* - */
    {0, 0, 0, 0, 0, 12, 12}, /* . */
    {0, 1, 2, 4, 8, 16, 0}, /* / */
    {14, 17, 19, 21, 25, 17, 14}, /* 0 */
    {4, 12, 4, 4, 4, 4, 14}, /* 1 */
    {14, 17, 1, 2, 4, 8, 31}, /* 2 */
    {31, 2, 4, 2, 1, 17, 14}, /* 3 */
    {2, 6, 10, 18, 31, 2, 2}, /* 4 */
    {31, 16, 30, 1, 1, 17, 14}, /* 5 */
    {6, 8, 16, 30, 17, 17, 14}, /* 6 */
    {31, 1, 2, 4, 8, 8, 8}, /* 7 */
    {14, 17, 17, 14, 17, 17, 14}, /* 8 */
    {14, 17, 17, 15, 1, 2, 12}, /* 9 */
    {0, 12, 12, 0, 12, 12, 0}, /* : */
    {0, 12, 12, 0, 12, 4, 8}, /* ; */
    {2, 4, 8, 16, 8, 4, 2}, /* < */
    {0, 0, 31, 0, 31, 0, 0}, /* = */
    {8, 4, 2, 1, 2, 4, 8}, /* > */
    {14, 17, 1, 2, 4, 0, 4}, /* ? */
    {14, 17, 1, 13, 21, 21, 14}, /* @ */
    {14, 17, 17, 17, 31, 17, 17}, /* A */
    {30, 17, 17, 30, 17, 17, 30}, /* B */
    {14, 17, 16, 16, 16, 17, 14}, /* C */
    {28, 18, 17, 17, 17, 18, 28}, /* D */
    {31, 16, 16, 30, 16, 16, 31}, /* E */
    {31, 16, 16, 30, 16, 16, 16}, /* F */
    {14, 17, 16, 23, 17, 17, 15}, /* G */
    {17, 17, 17, 31, 17, 17, 17}, /* H */
    {14, 4, 4, 4, 4, 4, 14}, /* I */
    {7, 2, 2, 2, 2, 18, 12}, /* J */
    {17, 18, 20, 24, 20, 18, 17}, /* K */
    {16, 16, 16, 16, 16, 16, 31}, /* L */
    {17, 27, 21, 21, 17, 17, 17}, /* M */
    {17, 17, 25, 21, 19, 17, 17}, /* N */
    {14, 17, 17, 17, 17, 17, 14}, /* O */
    {30, 17, 17, 30, 16, 16, 16}, /* P */
    {14, 17, 17, 17, 21, 18, 13}, /* Q */
    {30, 17, 17, 30, 20, 18, 17}, /* R */
    {15, 16, 16, 14, 1, 1, 30}, /* S */
    {31, 4, 4, 4, 4, 4, 4}, /* T */
    {17, 17, 17, 17, 17, 17, 14}, /* U */
    {17, 17, 17, 17, 17, 10, 4}, /* V */
    {17, 17, 17, 21, 21, 21, 10}, /* W */
    {17, 17, 10, 4, 10, 17, 17}, /* X */
    {17, 17, 17, 10, 4, 4, 4}, /* Y */
    {31, 1, 2, 4, 8, 16, 31}, /* Z */
    {14, 8, 8, 8, 8, 8, 14}, /* [ */
    {0, 16, 8, 4, 2, 1, 0}, /* backslash */
    {14, 2, 2, 2, 2, 2, 14}, /* ] */
    {4, 10, 17, 0, 0, 0, 0}, /* ^ */
    {0, 0, 0, 0, 0, 0, 31}, /* _ */
    {8, 4, 2, 0, 0, 0, 0}, /* ` */
    {0, 0, 14, 1, 15, 17, 15}, /* a */
    {16, 16, 22, 25, 17, 17, 30}, /* b */
    {0, 0, 14, 16, 16, 17, 14}, /* c */
    {1, 1, 13, 19, 17, 17, 15}, /* d */
    {0, 0, 14, 17, 31, 16, 14}, /* e */
    {6, 9, 8, 28, 8, 8, 8}, /* f */
    {0, 15, 17, 17, 15, 1, 14}, /* g */
    {16, 16, 22, 25, 17, 17, 17}, /* h */
    {4, 0, 12, 4, 4, 4, 14}, /* i */
    {2, 0, 6, 2, 2, 18, 12}, /* j */
    {16, 16, 18, 20, 24, 20, 18}, /* k */
    {12, 4, 4, 4, 4, 4, 14}, /* l */
    {0, 0, 26, 21, 21, 17, 17}, /* m */
    {0, 0, 22, 25, 17, 17, 17}, /* n */
    {0, 0, 14, 17, 17, 17, 14}, /* o */
    {0, 0, 30, 17, 30, 16, 16}, /* p */
    {0, 0, 13, 19, 15, 1, 1}, /* q */
    {0, 0, 22, 25, 16, 16, 16}, /* r */
    {0, 0, 14, 16, 14, 1, 30}, /* s */
    {8, 8, 28, 8, 8, 9, 6}, /* t */
    {0, 0, 17, 17, 17, 19, 13}, /* u */
    {0, 0, 17, 17, 17, 10, 4}, /* v */
    {0, 0, 17, 17, 21, 21, 10}, /* w */
    {0, 0, 17, 10, 4, 10, 17}, /* x */
    {0, 0, 17, 17, 15, 1, 14}, /* y */
    {0, 0, 31, 2, 4, 8, 31}, /* z */
    {2, 4, 4, 8, 4, 4, 2}, /* { */
    {4, 4, 4, 4, 4, 4, 4}, /* | */
    {8, 4, 4, 2, 4, 4, 8}, /* } */
    {0, 0, 8, 21, 2, 0, 0}, /* ~ */
};
/* clang-format on */

static void put(stk_image *image, int x, int y, const uint8_t colour[3]) {
    if (x < 0 || y < 0 || x >= image->width || y >= image->height) return;
    uint8_t *pixel = stk_image_row(image, y) + (ptrdiff_t)x * image->channels;
    if (image->channels == 1) {
        pixel[0] = colour[1];
        return;
    }
    for (int c = 0; c < 3; c++) pixel[c] = colour[c];
    if (image->channels == 4) pixel[3] = 255;
}

/* Cuts the parameter range [*t0,*t1] of p + t d to 0 <= p + t d <= size; 0 if nothing is left. */
static int clip_axis(float p, float d, float size, float *t0, float *t1) {
    if (d == 0) return p >= 0 && p <= size;
    float enter = (d > 0 ? 0 : size) - p, leave = (d > 0 ? size : 0) - p;
    if (enter / d > *t0) *t0 = enter / d;
    if (leave / d < *t1) *t1 = leave / d;
    return *t0 <= *t1;
}

void stk_draw_line(stk_image *image, float x0, float y0, float x1, float y1,
                   const uint8_t colour[3]) {
    float dx = x1 - x0, dy = y1 - y0, t0 = 0, t1 = 1;
    if (!isfinite(dx) || !isfinite(dy)) return;
    if (!clip_axis(x0, dx, (float)image->width, &t0, &t1)) return;
    if (!clip_axis(y0, dy, (float)image->height, &t0, &t1)) return;
    float ax = x0 + t0 * dx, ay = y0 + t0 * dy, bx = x0 + t1 * dx, by = y0 + t1 * dy;
    int steps = 2 * (int)ceilf(fmaxf(fabsf(bx - ax), fabsf(by - ay))); /* half a pixel: no holes */
    for (int i = 0; i <= steps; i++) {
        float t = steps > 0 ? (float)i / (float)steps : 0;
        put(image, (int)floorf(ax + t * (bx - ax)), (int)floorf(ay + t * (by - ay)), colour);
    }
}

void stk_draw_disc(stk_image *image, float x, float y, float radius, const uint8_t colour[3]) {
    if (!isfinite(x) || !isfinite(y) || !(radius >= 0)) return;
    int left = (int)stk_clampf(floorf(x - radius), 0, (float)image->width);
    int right = (int)stk_clampf(ceilf(x + radius), 0, (float)image->width);
    int top = (int)stk_clampf(floorf(y - radius), 0, (float)image->height);
    int bottom = (int)stk_clampf(ceilf(y + radius), 0, (float)image->height);
    for (int py = top; py < bottom; py++)
        for (int px = left; px < right; px++) {
            float dx = (float)px + 0.5f - x, dy = (float)py + 0.5f - y;
            if (dx * dx + dy * dy <= radius * radius) put(image, px, py, colour);
        }
}

static void draw_glyph(stk_image *image, int x, int y, int scale, int code,
                       const uint8_t colour[3]) {
    const uint8_t *rows = GLYPHS[code - FIRST];
    for (int v = 0; v < GLYPH_HEIGHT * scale; v++)
        for (int u = 0; u < GLYPH_WIDTH * scale; u++)
            if (rows[v / scale] >> (GLYPH_WIDTH - 1 - u / scale) & 1)
                put(image, x + u, y + v, colour);
}

void stk_draw_text(stk_image *image, int x, int y, int scale, const char *text,
                   const uint8_t colour[3]) {
    int at = x;
    if (scale < 1) scale = 1;
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++) {
        if (*p == '\n') {
            at = x;
            y += (GLYPH_HEIGHT + 2) * scale;
            continue;
        }
        if (at < image->width) /* what UTF-8 brings beyond ASCII shows as one '?' a byte */
            draw_glyph(image, at, y, scale, *p >= FIRST && *p <= LAST ? *p : '?', colour);
        at += ADVANCE * scale;
    }
}
