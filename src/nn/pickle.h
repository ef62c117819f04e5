/* pickle.h - the restricted unpickler behind pth.c; private to nn.
 *
 *   bytes -> stack machine (pickle.c) -> nodes in an arena; objects only through the allow-list of
 *   pickle_object.c.
 *
 * NumPy arrays are complete after reading: their data are bytes objects. Tensor data are not read
 * here: storages are collected, with key, type and length, and the
 * container fills in `data` afterwards, then stk_pickle_resolve points the tensors at them.
 *
 * All memory belongs to the stk_pickle and is bounded by MEMORY_LIMIT. Nothing recurses during
 * reading; the final check of the tree refuses cycles and depths over STK_PICKLE_DEPTH.
 */
#ifndef STK_NN_PICKLE_H
#define STK_NN_PICKLE_H

#include "nn/pth.h"

enum { STK_PICKLE_DEPTH = 64, STK_PICKLE_STORAGES = 16384, STK_PICKLE_KEY = 32 };

/* Kinds that exist only while reading. */
enum {
    STK_PICKLE_CLASS = STK_PTH_OTHER + 1, /* integer: row of the allow-list */
    STK_PICKLE_STORAGE,                   /* integer: index into storages */
    STK_PICKLE_NUMPY_TYPE,                /* integer: stk_dtype, STK_DTYPES: any object */
    STK_PICKLE_NUMPY_ARRAY,               /* until its state is set */
    STK_PICKLE_BYTES,                     /* text, count: a large bytes object where it lies */
};

typedef struct stk_pickle_node {
    stk_pth_value value; /* first: nodes and values are cast into each other */
    int capacity;        /* of items and keys */
    int height;          /* 0 unvisited, -1 on the path, else 1 + height of the highest child */
} stk_pickle_node;

typedef struct stk_pickle_storage {
    char key[STK_PICKLE_KEY];
    stk_dtype dtype;
    int64_t count;       /* elements */
    const uint8_t *data; /* filled by the container */
} stk_pickle_storage;

typedef struct stk_pickle_tensor {
    stk_pth_tensor tensor; /* first: values point to it */
    int storage;
    int64_t offset; /* elements */
    struct stk_pickle_tensor *next;
} stk_pickle_tensor;

typedef struct stk_pickle {
    const char *path;         /* borrowed, for sentences */
    const char *what, *maker; /* "PyTorch file", "torch.save", for sentences */
    int keep_bytes; /* bytes objects of 64 KiB and more are not copied: they point into the input,
                         which has to live as long as the tree */
    struct stk_pickle_chunk *chunks;
    size_t memory;
    stk_pickle_storage *storages;
    int storage_count, storage_capacity;
    stk_pickle_tensor *tensors;
} stk_pickle;

/* A PyTorch file that copies; what and keep_bytes may be set behind it. */
void stk_pickle_init(stk_pickle *pickle, const char *path);
void stk_pickle_clear(stk_pickle *pickle);
/* Reads one pickle from the front of `bytes`; *used receives its length. */
stk_status stk_pickle_read(stk_pickle *pickle, const uint8_t *bytes, size_t size, size_t *used,
                           stk_pth_value **root);
/* Once the storages have their data; tensors of those without have none. */
void stk_pickle_resolve(stk_pickle *pickle);

/* --- shared by pickle.c and pickle_object.c --------------------------------------------------- */
stk_status stk_pickle_refuse(const stk_pickle *pickle, const char *reason);
/* NULL when out of memory or over the limit; zeroed, 16-byte aligned. */
void *stk_pickle_alloc(stk_pickle *pickle, size_t size);
stk_pth_value *stk_pickle_node_new(stk_pickle *pickle, int type);
/* Text value from bytes (copied, NUL-terminated); NULL when out of memory. */
stk_pth_value *stk_pickle_text(stk_pickle *pickle, const void *bytes, size_t size);
stk_status stk_pickle_append(stk_pickle *pickle, stk_pth_value *container, stk_pth_value *key,
                             stk_pth_value *item);
/* Objects: a class by name, calling one, setting its state, a storage by persistent id. */
stk_status stk_pickle_class(stk_pickle *pickle, const char *module, const char *name,
                            stk_pth_value **result);
stk_status stk_pickle_call(stk_pickle *pickle, const stk_pth_value *callable,
                           const stk_pth_value *args, stk_pth_value **result);
stk_status stk_pickle_build(stk_pickle *pickle, stk_pth_value *object, const stk_pth_value *state);
stk_status stk_pickle_persistent(stk_pickle *pickle, const stk_pth_value *id,
                                 stk_pth_value **result);

#endif
