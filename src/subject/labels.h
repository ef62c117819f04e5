/* labels.h - label maps, deflated one by one, in labels.safetensors:
 *
 *   index    I64 [frames + 1]   byte offsets into `deflated`
 *   deflated U8  [bytes]        zlib streams, width x height bytes each once inflated
 *
 * Packing is done per chunk of frames (the parse step runs chunks on several threads); unpacking
 * allocates nothing and may be called from any thread.
 */
#ifndef STK_SUBJECT_LABELS_H
#define STK_SUBJECT_LABELS_H

#include "base/status.h"
#include "base/types.h"
#include "nn/safetensors.h"

/* The deflated maps of consecutive frames; zero-initialised, released with stk_label_pack_clear. */
typedef struct stk_label_pack {
    uint8_t *bytes;
    size_t used, capacity;
    int64_t *sizes; /* [frames] of this pack */
    int frames, frame_capacity;
} stk_label_pack;

stk_status stk_label_pack_add(stk_label_pack *pack, const stk_image *labels);
void stk_label_pack_clear(stk_label_pack *pack);
/* Joins packs (in order) into the file. */
stk_status stk_labels_write(const char *path, const stk_label_pack *packs, int count);
/* Inflates one map into `labels` (1 channel, size set). what/frame name it in the sentence. */
stk_status stk_label_unpack(const uint8_t *bytes, size_t size, const char *what, int frame,
                            stk_image *labels);
/* labels.safetensors of a folder that is no whole subject yet; stk_label_file_close frees it. */
typedef struct stk_label_file {
    stk_safetensors *file;
    const int64_t *index;
    const uint8_t *bytes;
    void *owned;
    char path[STK_PATH_MAX];
} stk_label_file;

stk_status stk_label_file_open(stk_label_file *labels, const char *folder, int frames);
void stk_label_file_close(stk_label_file *labels);
/* As stk_label_unpack. */
stk_status stk_label_file_read(const stk_label_file *labels, int frame, stk_image *map);

/* The rectangle that holds the head of one map, specks ignored; empty (x1 <= x0) without a head.
 * columns: [width] scratch. */
stk_rect stk_labels_head_rect(const stk_image *labels, int *columns);
/* The rectangle around both; an empty one does not count. */
stk_rect stk_rect_union(stk_rect a, stk_rect b);
/* With a margin, even borders, inside the (even) picture: the subject's head_rect. */
stk_rect stk_head_rect_roomy(stk_rect head, int width, int height);

#endif
