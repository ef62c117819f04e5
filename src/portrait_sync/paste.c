/* paste.c - see paste.h. Frame pixel centre X + 0.5 lies at (X + 0.5 - crop.x0) w / crop width in
 * the square; two rows of it and two pixels of a row are mixed (bilinear), held at the border.
 */
#include "portrait_sync/paste.h"

#include "base/memory.h"

#include <math.h>
#include <string.h>

/* The pixel before position `at` (centres at +0.5) and the share of the next one. Both lie inside:
 * the last pixel is reached with a share of 1. */
static void place(double at, int size, int32_t *first, int32_t *share) {
    double v = at - 0.5;
    v = v < 0 ? 0 : v > size - 1 ? size - 1 : v;
    int32_t i = (int32_t)v;
    if (i > size - 2) i = size - 2;
    *first = i;
    *share = (int32_t)lrint((v - i) * STK_BLEND_ONE);
}

stk_status stk_paste_init(stk_paste *paste, int width, int height, stk_rect crop) {
    *paste = (stk_paste){.width = width, .height = height, .crop = crop};
    const int columns = crop.x1 - crop.x0;
    if (width < 2 || height < 2 || columns < 1 || crop.y1 - crop.y0 < 1)
        return stk_fail(STK_ERR_ARGUMENT, "a square of %d x %d cannot be pasted", width, height);
    stk_blend_kernels_init(&paste->kernels);
    paste->first = stk_calloc_aligned((size_t)columns, sizeof *paste->first);
    paste->share = stk_calloc_aligned((size_t)columns, sizeof *paste->share);
    if (paste->first == NULL || paste->share == NULL) return stk_fail_memory("pasting");
    for (int x = 0; x < columns; x++)
        place((x + 0.5) * width / columns, width, &paste->first[x], &paste->share[x]);
    return STK_OK;
}

void stk_paste_clear(stk_paste *paste) {
    stk_free(paste->first);
    stk_free(paste->share);
    *paste = (stk_paste){0};
}

size_t stk_paste_scratch(const stk_paste *paste) {
    return 4 * (size_t)paste->width;
}

/* Columns [first, end) that are not 0 in either row; first >= end when all are. */
static void mask_span(const uint8_t *a, const uint8_t *b, int width, int *first, int *end) {
    int x0 = 0, x1 = width;
    while (x0 < x1 && (a[x0] | b[x0]) == 0) x0++;
    while (x1 > x0 && (a[x1 - 1] | b[x1 - 1]) == 0) x1--;
    *first = x0, *end = x1;
}

/* The first crop column whose sample begins at or behind `wanted`. */
static int column_of(const stk_paste *paste, int wanted) {
    int low = 0, high = paste->crop.x1 - paste->crop.x0;
    while (low < high) {
        const int middle = (low + high) / 2;
        if (paste->first[middle] >= wanted)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static void paste_row(const stk_paste *paste, const stk_image *square, const stk_image *mask,
                      int32_t y, int32_t share, uint16_t *row, uint8_t *target, int frame_width) {
    const uint8_t *masks[2] = {stk_image_row(mask, y), stk_image_row(mask, y + 1)};
    int x0, x1;
    mask_span(masks[0], masks[1], paste->width, &x0, &x1);
    if (x0 >= x1) return;
    x0 = x0 > 0 ? x0 - 1 : 0; /* samples between a pixel outside and one inside */
    x1 = x1 < paste->width ? x1 + 1 : paste->width;
    const uint8_t *rgb[2] = {stk_image_row(square, y) + 3 * (ptrdiff_t)x0,
                             stk_image_row(square, y + 1) + 3 * (ptrdiff_t)x0};
    const uint8_t *m[2] = {masks[0] + x0, masks[1] + x0};
    paste->kernels.between(x1 - x0, rgb, m, share, row + 4 * (ptrdiff_t)x0);
    int from = column_of(paste, x0), to = column_of(paste, x1 - 1); /* reads first and first + 1 */
    from = from + paste->crop.x0 < 0 ? -paste->crop.x0 : from;
    to = to + paste->crop.x0 > frame_width ? frame_width - paste->crop.x0 : to;
    if (from >= to) return;
    const stk_blend_columns columns = {paste->first + from, paste->share + from};
    paste->kernels.paste(to - from, row, &columns, target + 3 * ((ptrdiff_t)paste->crop.x0 + from));
}

void stk_paste_frame(const stk_paste *paste, const stk_image *square, const stk_image *mask,
                     uint16_t *scratch, stk_image *frame) {
    const stk_rect *crop = &paste->crop;
    const int rows = crop->y1 - crop->y0;
    for (int y = crop->y0 > 0 ? crop->y0 : 0; y < crop->y1 && y < frame->height; y++) {
        int32_t first, share;
        place((y - crop->y0 + 0.5) * paste->height / rows, paste->height, &first, &share);
        paste_row(paste, square, mask, first, share, scratch, stk_image_row(frame, y),
                  frame->width);
    }
}
