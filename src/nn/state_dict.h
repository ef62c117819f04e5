/* state_dict.h - a flat list of named tensors, whichever container they come in:
 *
 *   .pth .pt       zip or legacy; entry "model", "state_dict", or a bare dictionary
 *   .safetensors   all tensors
 *
 * The container is told by its first bytes; a file without tensors gives an empty list. "module."
 * in front of a name (a model that was wrapped for several devices) is dropped. Numbers beside the
 * tensors ("global_step") come from the checkpoint's own dictionary or from the metadata. A handle
 * may be read by several threads.
 */
#ifndef STK_NN_STATE_DICT_H
#define STK_NN_STATE_DICT_H

#include "base/status.h"
#include "nn/dtype.h"

typedef struct stk_state_tensor {
    const char *name;
    stk_dtype dtype;
    int rank;
    int64_t shape[8], count;
    const void *source; /* of the container */
} stk_state_tensor;

typedef struct stk_state_dict stk_state_dict;
stk_status stk_state_dict_open(stk_state_dict **dict, const char *path);
/* The list without tensors whose names begin so, which are not read from a .pth (pth.h). */
stk_status stk_state_dict_open_without(stk_state_dict **dict, const char *path,
                                       const char *without);
void stk_state_dict_close(stk_state_dict **dict);
/* Owned by the handle. */
const char *stk_state_dict_path(const stk_state_dict *dict);
/* In file order. */
int stk_state_dict_count(const stk_state_dict *dict);
const stk_state_tensor *stk_state_dict_at(const stk_state_dict *dict, int index);
/* NULL when absent. */
const stk_state_tensor *stk_state_dict_find(const stk_state_dict *dict, const char *name);
/* The elements as they are, contiguous: count * size of dtype bytes. */
stk_status stk_state_dict_read(const stk_state_dict *dict, const stk_state_tensor *tensor,
                               void *out);
/* Float32 tensor `name` of this shape (rank 0: of any, with shape[0] elements), all of it finite;
 * else STK_ERR_WEIGHTS, "PATH: is not WHAT: ...". */
stk_status stk_state_dict_read_weights(const stk_state_dict *dict, const char *what,
                                       const char *name, int rank, const int *shape, float *out);
/* Text beside them, NULL when absent. */
const char *stk_state_dict_text(const stk_state_dict *dict, const char *key);
double stk_state_dict_number(const stk_state_dict *dict, const char *key, double otherwise);
/* Moving averages of the parameters (ema.shadow_params of a full checkpoint), in parameter order,
 * without names: how many, -1 when the file has none; and number i as a tensor to be read. */
int stk_state_dict_averages(const stk_state_dict *dict);
stk_status stk_state_dict_average(const stk_state_dict *dict, int i, stk_state_tensor *tensor);

#endif
