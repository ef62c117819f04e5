/* portrait.c - pasting: which pixels a mask touches, and the mix. See portrait.h. */
#include "portrait_sync/portrait.h"

#include "kernels/blend.h"

#include <string.h>

/* Columns [first, end) of the row that are not 0; {0, 0} when all are. */
static void row_span(const uint8_t *row, int width, int span[2]) {
    int first = 0, end = width;
    while (first < end && row[first] == 0) first++;
    while (end > first && row[end - 1] == 0) end--;
    span[0] = first < end ? first : 0;
    span[1] = first < end ? end : 0;
}

static int is_empty(const int span[2]) {
    return span[0] >= span[1];
}

/* Each row takes in what lies up to `margin` rows above (from the top) or below it. */
static void grow_rows(int (*spans)[2], int height, int margin, int step) {
    int first = step > 0 ? height - 1 : 0; /* against the direction of growth: in place */
    for (int n = 0, y = first; n < height; n++, y -= step)
        for (int k = 1; k <= margin; k++) {
            const int from = y - k * step;
            if (from < 0 || from >= height || is_empty(spans[from])) continue;
            if (is_empty(spans[y])) memcpy(spans[y], spans[from], sizeof spans[y]);
            if (spans[from][0] < spans[y][0]) spans[y][0] = spans[from][0];
            if (spans[from][1] > spans[y][1]) spans[y][1] = spans[from][1];
        }
}

stk_rect stk_face_mask_spans(const stk_image *mask, int margin, int (*spans)[2]) {
    const int width = mask->width, height = mask->height;
    stk_rect rect = {width, height, 0, 0};
    for (int y = 0; y < height; y++) row_span(stk_image_row(mask, y), width, spans[y]);
    grow_rows(spans, height, margin, 1);
    grow_rows(spans, height, margin, -1);
    for (int y = 0; y < height; y++) {
        if (is_empty(spans[y])) continue;
        spans[y][0] = stk_clampi(spans[y][0] - margin, 0, width);
        spans[y][1] = stk_clampi(spans[y][1] + margin, 0, width);
        if (spans[y][0] < rect.x0) rect.x0 = spans[y][0];
        if (spans[y][1] > rect.x1) rect.x1 = spans[y][1];
        if (y < rect.y0) rect.y0 = y;
        rect.y1 = y + 1;
    }
    return rect.y1 > rect.y0 ? rect : (stk_rect){0};
}

void stk_portrait_paste(stk_image *picture, const stk_image *mask, const stk_image *frame) {
    stk_blend_kernels kernels;
    stk_blend_kernels_init(&kernels);
    for (int y = 0; y < picture->height; y++) {
        const uint8_t *m = stk_image_row(mask, y), *b = stk_image_row(frame, y);
        uint8_t *a = stk_image_row(picture, y);
        int span[2];
        row_span(m, picture->width, span);
        memcpy(a, b, 3 * (size_t)span[0]);
        kernels.mix(span[1] - span[0], m + span[0], a + 3 * span[0], b + 3 * span[0]);
        memcpy(a + 3 * span[1], b + 3 * span[1], 3 * (size_t)(picture->width - span[1]));
    }
}
