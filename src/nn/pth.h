/* pth.h - reads PyTorch files (torch.save) without executing anything they say.
 *
 *   file -> restricted unpickler (pickle.h)
 *     -> a tree of None, bool, int, float, text, list, tuple, dict and tensors; tensor data lie in
 *        memory owned by the file handle
 *
 * Both containers are read: the zip of torch >= 1.6 (stored entries) and the older concatenation of
 * pickles and raw storages. The pickle may only name the classes of a short list (ordered
 * dictionaries, tensor rebuilding, storages, NumPy scalars); anything else, any opcode outside the
 * list, and any size that does not fit are refused with one sentence. Limits: pickle 64 MB, tree
 * 256 MB, depth 64. A handle may be read by several threads.
 */
#ifndef STK_NN_PTH_H
#define STK_NN_PTH_H

#include "base/status.h"
#include "nn/dtype.h"

typedef enum stk_pth_type {
    STK_PTH_NONE,
    STK_PTH_BOOL,   /* integer: 0 or 1 */
    STK_PTH_INT,    /* integer */
    STK_PTH_FLOAT,  /* real; NumPy scalars too */
    STK_PTH_STRING, /* text, `count` bytes and a NUL; bytes objects too */
    STK_PTH_LIST,   /* items[count] */
    STK_PTH_TUPLE,  /* items[count] */
    STK_PTH_DICT, /* keys[count], items[count], in file order; a repeated key: the later one counts
                   */
    STK_PTH_TENSOR, /* tensor */
    STK_PTH_OTHER,  /* a harmless object without content for us, e.g. torch.device */
} stk_pth_type;

typedef struct stk_pth_tensor {
    stk_dtype dtype;
    int rank;
    int64_t shape[8], stride[8]; /* in elements; strides >= 0 */
    int64_t count;               /* product of the shape */
    const uint8_t *data;         /* element [0,0,..]; any alignment; all elements lie inside */
} stk_pth_tensor;

typedef struct stk_pth_value {
    stk_pth_type type;
    int count;
    union {
        int64_t integer;
        double real;
        const char *text;
        struct stk_pth_value **items;
        const stk_pth_tensor *tensor;
    };
    struct stk_pth_value **keys;
} stk_pth_value;

typedef struct stk_pth stk_pth;
stk_status stk_pth_open(stk_pth **file, const char *path);
/* Without the elements of the state dict's tensors whose names begin so ("classifier."), unless
 * others share them: they stay on disk, `data` is NULL, copying them is refused. NULL: all. */
stk_status stk_pth_open_without(stk_pth **file, const char *path, const char *without);
void stk_pth_close(stk_pth **file);
/* The tree; it and everything below live until the file is closed. */
const stk_pth_value *stk_pth_root(const stk_pth *file);
/* Entry of a dict by text or whole-number key; NULL when absent or when `dict` is NULL or no dict.
 */
const stk_pth_value *stk_pth_get(const stk_pth_value *dict, const char *key);
const stk_pth_value *stk_pth_get_index(const stk_pth_value *dict, int64_t key);
/* The state dict: the entry "model" of a checkpoint, "state_dict" of others, or the root itself
 * when the file is a bare dictionary of tensors. NULL if there is none. */
const stk_pth_value *stk_pth_model(const stk_pth *file);
/* A number of any kind (also a tensor of one element) as double; `otherwise` if it is none. */
double stk_pth_number(const stk_pth_value *value, double otherwise);
/* Copies to contiguous floats, first index slowest; requires this element count. `label` names the
 * tensor in the sentence. */
stk_status stk_pth_read_f32(const stk_pth_value *tensor, float *out, int64_t count,
                            const char *label);
/* Copies the elements as they are (contiguous, `bytes` in all), for integer tensors. */
stk_status stk_pth_read_raw(const stk_pth_value *tensor, stk_dtype dtype, void *out, size_t bytes,
                            const char *label);

#endif
