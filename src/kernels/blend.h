/* blend.h - what putting a rendered face into a frame costs, row by row.
 *
 *   RGB row, shifts -> RGB row                            colour brought nearer to the frame's
 *   mask row, RGB row over RGB row -> RGB row             round((m a + (255 - m) b) / 255)
 *   two rows of RGB and mask -> RGBM row, 7 bits behind the point
 *   RGBM row, columns -> sampled between two pixels, mixed into a row of a larger (or smaller)
 *   picture
 *
 * All in integers and exact: the same bits on every ISA. Pure functions, no allocation. Rows need
 * no alignment and may be of any length; nothing beyond n pixels is touched.
 */
#ifndef STK_KERNELS_BLEND_H
#define STK_KERNELS_BLEND_H

#include <stddef.h>
#include <stdint.h>

enum {
    STK_BLEND_BITS = 7,
    STK_BLEND_ONE = 1 << STK_BLEND_BITS, /* a share of 1 */
};

/* Where n pixels of the target row lie in an RGBM row: between pixels first[i] and first[i] + 1,
 * share[i] (0 .. STK_BLEND_ONE) of the second. */
typedef struct stk_blend_columns {
    const int32_t *first;
    const int32_t *share;
} stk_blend_columns;

typedef struct stk_blend_kernels {
    const char *isa;
    /* a[i] = clamp(a[i] + shift[i]) for 3n values; |shift| at most 255. */
    void (*shade)(int n, uint8_t *a, const int16_t *shift);
    /* a = m a + (1 - m) b. */
    void (*mix)(int n, const uint8_t *mask, uint8_t *a, const uint8_t *b);
    /* out[4i + c] = (128 - share) upper + share lower, c: R, G, B, mask. rgb and mask: of the upper
     * and the lower row. */
    void (*between)(int n, const uint8_t *const rgb[2], const uint8_t *const mask[2], int share,
                    uint16_t *out);
    /* The pixel of `row` at each column, rounded to 8 bits, mixed into target [3n] by its own mask.
     * Reads pixels first[i] and first[i] + 1. */
    void (*paste)(int n, const uint16_t *row, const stk_blend_columns *columns, uint8_t *target);
} stk_blend_kernels;

/* The best table that stk_cpu_flags() allows; the C twin in every slot no variant fills. */
void stk_blend_kernels_init(stk_blend_kernels *kernels);

#endif
