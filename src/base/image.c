/* image.c */
#include "base/image.h"
#include "base/memory.h"

#include <string.h>

enum { IMAGE_SIDE_MAX = 1 << 15 };

stk_status stk_image_init(stk_image *image, int width, int height, int channels) {
    *image = (stk_image){0};
    if (width <= 0 || height <= 0 || width > IMAGE_SIDE_MAX || height > IMAGE_SIDE_MAX)
        return stk_fail(STK_ERR_ARGUMENT, "a picture of %d x %d pixels is not possible", width,
                        height);
    ptrdiff_t stride = ((ptrdiff_t)width * channels + 63) & ~(ptrdiff_t)63;
    uint8_t *data = stk_calloc_aligned((size_t)height, (size_t)stride);
    if (data == NULL) return stk_fail_memory("picture");
    *image = (stk_image){data, width, height, channels, stride};
    return STK_OK;
}

void stk_image_clear(stk_image *image) {
    if (image == NULL) return;
    stk_free(image->data);
    *image = (stk_image){0};
}

stk_image stk_image_view(const stk_image *image, stk_rect rect) {
    uint8_t *corner = stk_image_row(image, rect.y0) + (ptrdiff_t)rect.x0 * image->channels;
    return (stk_image){corner, rect.x1 - rect.x0, rect.y1 - rect.y0, image->channels,
                       image->stride};
}

void stk_image_copy(stk_image *target, const stk_image *source) {
    size_t bytes = (size_t)source->width * (size_t)source->channels;
    for (int y = 0; y < source->height; y++)
        memcpy(stk_image_row(target, y), stk_image_row(source, y), bytes);
}
