/* ray_file.h - layout of cache/rays.bin, shared by its builder (ray_cache.c) and the sampler
 * (batch.c):
 *
 *   stk_ray_header                          4096 bytes
 *   index  [frames] x index_stride bytes    stk_ray_index, then u16 row_count[STK_RAY_CLASSES][h]
 *   pixels [frames][h][w][STK_RAY_BYTES]    page-aligned start
 *
 * A file that this very machine wrote for itself: native byte order, rebuilt when the key differs.
 */
#ifndef STK_SUBJECT_RAY_FILE_H
#define STK_SUBJECT_RAY_FILE_H

#include "subject/ray_cache.h"

enum { STK_RAY_HEADER_BYTES = 4096, STK_RAY_VERSION = 3 };

typedef struct stk_ray_header {
    char magic[8]; /* "STKRAYS" */
    uint32_t version;
    int32_t frames, train_frames;
    stk_rect rect; /* of the picture */
    uint64_t index_offset, index_stride, pixel_offset, file_bytes;
    char key[STK_SHA256_TEXT]; /* digest of what it was built from */
} stk_ray_header;

typedef struct stk_ray_index {
    uint32_t count[STK_RAY_CLASSES]; /* pixels of each class */
    stk_rect box[STK_RAY_CLASSES];   /* their bounds inside the rectangle */
    stk_rect face, low_face;         /* picture px (reference.md 1.3) */
} stk_ray_index;

struct stk_ray_cache {
    stk_map map;
    stk_ray_header header;
    int width, height; /* of the rectangle */
};

static inline const stk_ray_index *stk_ray_index_of(const stk_ray_cache *cache, int frame) {
    const uint8_t *base = cache->map.data + cache->header.index_offset;
    return (const stk_ray_index *)(const void *)(base + (size_t)frame * cache->header.index_stride);
}
/* [h] pixels of this class in each row. */
static inline const uint16_t *stk_ray_row_counts(const stk_ray_cache *cache, int frame, int class) {
    const uint16_t *counts = (const uint16_t *)(const void *)(stk_ray_index_of(cache, frame) + 1);
    return counts + (size_t) class * (size_t)cache->height;
}

#endif
