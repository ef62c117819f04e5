/* pickle_object.c - the allow-list: the only classes a file may name, and what "calling" them
 * gives.
 *
 * Nothing is called: each class stands for one small C function that checks its arguments and makes
 * a node. [torch/_utils.py, numpy.core.multiarray.scalar: argument orders]
 */
#include "nn/pickle.h"

#include <stdio.h>
#include <string.h>

enum class_kind {
    ORDERED_DICT,
    TENSOR,
    PARAMETER,
    OPAQUE,
    STORAGE,
    NUMPY_SCALAR,
    NUMPY_DTYPE,
    NUMPY_ARRAY,
    NUMPY_ARRAY_CLASS,
    ENCODE
};

static const struct {
    const char *module, *name;
    enum class_kind kind;
    stk_dtype dtype; /* of a storage */
} CLASSES[] = {
    {"collections", "OrderedDict", ORDERED_DICT, 0},
    {"torch._utils", "_rebuild_tensor_v2", TENSOR, 0},
    {"torch._utils", "_rebuild_tensor", TENSOR, 0},
    {"torch._utils", "_rebuild_parameter", PARAMETER, 0},
    {"torch", "Size", OPAQUE, 0},
    {"torch", "device", OPAQUE, 0},
    {"torch", "DoubleStorage", STORAGE, STK_F64},
    {"torch", "FloatStorage", STORAGE, STK_F32},
    {"torch", "HalfStorage", STORAGE, STK_F16},
    {"torch", "BFloat16Storage", STORAGE, STK_BF16},
    {"torch", "LongStorage", STORAGE, STK_I64},
    {"torch", "IntStorage", STORAGE, STK_I32},
    {"torch", "ShortStorage", STORAGE, STK_I16},
    {"torch", "CharStorage", STORAGE, STK_I8},
    {"torch", "ByteStorage", STORAGE, STK_U8},
    {"torch", "BoolStorage", STORAGE, STK_BOOL},
    {"numpy.core.multiarray", "scalar", NUMPY_SCALAR, 0},
    {"numpy._core.multiarray", "scalar", NUMPY_SCALAR, 0},
    {"numpy", "dtype", NUMPY_DTYPE, 0},
    {"numpy.core.multiarray", "_reconstruct", NUMPY_ARRAY, 0},
    {"numpy._core.multiarray", "_reconstruct", NUMPY_ARRAY, 0},
    {"numpy", "ndarray", NUMPY_ARRAY_CLASS, 0},
    {"_codecs", "encode", ENCODE, 0}, /* how protocol 2 spells a bytes object */
};

stk_status stk_pickle_class(stk_pickle *pickle, const char *module, const char *name,
                            stk_pth_value **result) {
    for (size_t i = 0; i < sizeof CLASSES / sizeof *CLASSES; i++) {
        if (strcmp(CLASSES[i].module, module) != 0 || strcmp(CLASSES[i].name, name) != 0) continue;
        *result = stk_pickle_node_new(pickle, STK_PICKLE_CLASS);
        if (*result == NULL) return stk_fail_memory(pickle->path);
        (*result)->integer = (int64_t)i;
        return STK_OK;
    }
    return stk_fail(
        STK_ERR_FORMAT,
        "%s: names the object %.64s.%.64s; only tensors, numbers, text and dictionaries "
        "are read from a %s",
        pickle->path, module, name, pickle->what);
}

static stk_status bad_arguments(const stk_pickle *pickle, const char *what) {
    char reason[96];
    snprintf(reason, sizeof reason, "%s with unexpected arguments", what);
    return stk_pickle_refuse(pickle, reason);
}

static stk_status result_or_memory(const stk_pickle *pickle, const stk_pth_value *result) {
    return result != NULL ? STK_OK : stk_fail_memory(pickle->path);
}

static stk_status make_dict(stk_pickle *pickle, const stk_pth_value *args, stk_pth_value **result) {
    *result = stk_pickle_node_new(pickle, STK_PTH_DICT);
    STK_TRY(result_or_memory(pickle, *result));
    if (args->count == 0) return STK_OK;
    const stk_pth_value *pairs = args->items[0];
    if (args->count != 1 || pairs->type != STK_PTH_LIST)
        return bad_arguments(pickle, "an OrderedDict");
    for (int i = 0; i < pairs->count; i++) {
        const stk_pth_value *pair = pairs->items[i];
        if ((pair->type != STK_PTH_LIST && pair->type != STK_PTH_TUPLE) || pair->count != 2)
            return bad_arguments(pickle, "an OrderedDict");
        STK_TRY(stk_pickle_append(pickle, *result, pair->items[0], pair->items[1]));
    }
    return STK_OK;
}

/* Reads shape and strides and proves that every element lies inside the storage. */
static int read_extent(const stk_pth_value *shape, const stk_pth_value *stride, int64_t offset,
                       int64_t stored, stk_pth_tensor *tensor) {
    if (shape->type != STK_PTH_TUPLE || stride->type != STK_PTH_TUPLE ||
        shape->count != stride->count || shape->count > 8)
        return 0;
    tensor->rank = shape->count;
    tensor->count = 1;
    int64_t last = offset;
    for (int i = 0; i < tensor->rank; i++) {
        int64_t extent = shape->items[i]->integer, step = stride->items[i]->integer, reach;
        if (shape->items[i]->type != STK_PTH_INT || stride->items[i]->type != STK_PTH_INT ||
            extent < 0 || step < 0 || extent > INT32_MAX ||
            __builtin_mul_overflow(tensor->count, extent, &tensor->count) ||
            (extent > 0 && (__builtin_mul_overflow(extent - 1, step, &reach) ||
                            __builtin_add_overflow(last, reach, &last))))
            return 0;
        tensor->shape[i] = extent;
        tensor->stride[i] = step;
    }
    if (tensor->count > INT32_MAX || offset < 0) return 0;
    return tensor->count == 0 ? offset <= stored : last < stored;
}

/* (storage, offset, size, stride, ...) */
static stk_status make_tensor(stk_pickle *pickle, const stk_pth_value *args,
                              stk_pth_value **result) {
    if (args->count < 4 || (int)args->items[0]->type != STK_PICKLE_STORAGE ||
        args->items[1]->type != STK_PTH_INT)
        return bad_arguments(pickle, "a tensor");
    int storage = (int)args->items[0]->integer;
    stk_pickle_tensor *made = stk_pickle_alloc(pickle, sizeof *made);
    *result = stk_pickle_node_new(pickle, STK_PTH_TENSOR);
    if (made == NULL || *result == NULL) return stk_fail_memory(pickle->path);
    made->storage = storage;
    made->offset = args->items[1]->integer;
    made->tensor.dtype = pickle->storages[storage].dtype;
    if (!read_extent(args->items[2], args->items[3], made->offset, pickle->storages[storage].count,
                     &made->tensor))
        return stk_pickle_refuse(pickle, "a tensor reaches outside its storage");
    made->next = pickle->tensors;
    pickle->tensors = made;
    (*result)->tensor = &made->tensor;
    return STK_OK;
}

/* encode(text, 'latin1'): code points below 256, one byte each. */
static stk_status make_bytes(stk_pickle *pickle, const stk_pth_value *args,
                             stk_pth_value **result) {
    if (args->count < 1 || args->items[0]->type != STK_PTH_STRING)
        return bad_arguments(pickle, "a bytes object");
    const stk_pth_value *text = args->items[0];
    *result = stk_pickle_text(pickle, text->text, (size_t)text->count);
    STK_TRY(result_or_memory(pickle, *result));
    char *out = (char *)(uintptr_t)(*result)->text; /* our own copy */
    int n = 0;
    for (int i = 0; i < text->count; i++) {
        unsigned byte = (uint8_t)text->text[i];
        if (byte >= 0xc2 && byte <= 0xc3 && i + 1 < text->count)
            byte = (byte & 3) << 6 | ((uint8_t)text->text[++i] & 0x3f);
        else if (byte >= 0x80)
            return bad_arguments(pickle, "a bytes object");
        out[n++] = (char)byte;
    }
    out[n] = 0;
    (*result)->count = n;
    return STK_OK;
}

/* dtype('f8', ...) */
static stk_status make_numpy_type(stk_pickle *pickle, const stk_pth_value *args,
                                  stk_pth_value **result) {
    static const struct {
        const char *name;
        stk_dtype dtype;
    } TYPES[] = {{"f8", STK_F64},    {"f4", STK_F32},  {"f2", STK_F16}, {"i8", STK_I64},
                 {"i4", STK_I32},    {"i2", STK_I16},  {"u1", STK_U8},  {"b1", STK_BOOL},
                 {"O8", STK_DTYPES}, {"O", STK_DTYPES}};
    if (args->count < 1 || args->items[0]->type != STK_PTH_STRING)
        return bad_arguments(pickle, "a NumPy type");
    for (size_t i = 0; i < sizeof TYPES / sizeof *TYPES; i++) {
        if (strcmp(TYPES[i].name, args->items[0]->text) != 0) continue;
        *result = stk_pickle_node_new(pickle, STK_PICKLE_NUMPY_TYPE);
        STK_TRY(result_or_memory(pickle, *result));
        (*result)->integer = TYPES[i].dtype;
        return STK_OK;
    }
    return bad_arguments(pickle, "a NumPy type");
}

/* scalar(dtype, bytes) */
static stk_status make_numpy_scalar(stk_pickle *pickle, const stk_pth_value *args,
                                    stk_pth_value **result) {
    if (args->count != 2 || (int)args->items[0]->type != STK_PICKLE_NUMPY_TYPE ||
        args->items[1]->type != STK_PTH_STRING)
        return bad_arguments(pickle, "a NumPy number");
    stk_dtype dtype = (stk_dtype)args->items[0]->integer;
    if (dtype == STK_DTYPES || (size_t)args->items[1]->count != stk_dtype_size(dtype))
        return bad_arguments(pickle, "a NumPy number");
    *result = stk_pickle_node_new(pickle, STK_PTH_FLOAT);
    STK_TRY(result_or_memory(pickle, *result));
    if (dtype == STK_F64) {
        memcpy(&(*result)->real, args->items[1]->text, sizeof(double));
    } else {
        float value;
        stk_dtype_to_f32(dtype, args->items[1]->text, 1, &value);
        (*result)->real = (double)value;
    }
    return STK_OK;
}

stk_status stk_pickle_call(stk_pickle *pickle, const stk_pth_value *callable,
                           const stk_pth_value *args, stk_pth_value **result) {
    if ((int)callable->type != STK_PICKLE_CLASS || args->type != STK_PTH_TUPLE)
        return stk_pickle_refuse(pickle, "it calls something that is no known class");
    switch (CLASSES[callable->integer].kind) {
    case ORDERED_DICT:
        return make_dict(pickle, args, result);
    case TENSOR:
        return make_tensor(pickle, args, result);
    case ENCODE:
        return make_bytes(pickle, args, result);
    case NUMPY_DTYPE:
        return make_numpy_type(pickle, args, result);
    case NUMPY_SCALAR:
        return make_numpy_scalar(pickle, args, result);
    case NUMPY_ARRAY: /* (class, shape, type code) of an empty array; what counts is its state */
        *result = stk_pickle_node_new(pickle, STK_PICKLE_NUMPY_ARRAY);
        return result_or_memory(pickle, *result);
    case OPAQUE:
        *result = stk_pickle_node_new(pickle, STK_PTH_OTHER);
        return result_or_memory(pickle, *result);
    case PARAMETER: /* (data, requires_grad, hooks): the tensor itself */
        if (args->count < 1 || args->items[0]->type != STK_PTH_TENSOR)
            return bad_arguments(pickle, "a parameter");
        *result = args->items[0];
        return STK_OK;
    case NUMPY_ARRAY_CLASS:
        return stk_pickle_refuse(pickle, "it calls a class that only names a type");
    case STORAGE:
        break;
    }
    return stk_pickle_refuse(pickle, "it calls a storage class");
}

/* Shape, strides and number of elements of a whole array. */
static int read_shape(const stk_pth_value *shape, int fortran, stk_pth_tensor *tensor) {
    if (shape->type != STK_PTH_TUPLE || shape->count > 8) return 0;
    tensor->rank = shape->count;
    tensor->count = 1;
    for (int k = 0; k < tensor->rank; k++) {
        int i = fortran ? k : tensor->rank - 1 - k; /* from the fastest index on */
        tensor->shape[i] = shape->items[i]->integer;
        tensor->stride[i] = tensor->count;
        if (shape->items[i]->type != STK_PTH_INT || tensor->shape[i] < 0 ||
            __builtin_mul_overflow(tensor->count, tensor->shape[i], &tensor->count) ||
            tensor->count > INT32_MAX)
            return 0;
    }
    return 1;
}

/* (version, shape, type, stored column by column, data): numbers become a tensor, objects a list.
 * The data stay where the bytes object has them. */
static stk_status set_array(stk_pickle *pickle, stk_pth_value *array, const stk_pth_value *state) {
    if (state->type != STK_PTH_TUPLE || state->count != 5 ||
        (int)state->items[2]->type != STK_PICKLE_NUMPY_TYPE ||
        state->items[3]->type != STK_PTH_BOOL)
        return stk_pickle_refuse(pickle, "an array is described wrongly");
    const stk_pth_value *data = state->items[4];
    stk_dtype dtype = (stk_dtype)state->items[2]->integer;
    if (dtype == STK_DTYPES && data->type == STK_PTH_LIST) {
        array->type = STK_PTH_LIST;
        array->items = data->items;
        array->count = data->count;
        ((stk_pickle_node *)array)->capacity = data->count; /* the room behind is not its own */
        return STK_OK;
    }
    stk_pth_tensor *tensor = stk_pickle_alloc(pickle, sizeof *tensor);
    if (tensor == NULL) return stk_fail_memory(pickle->path);
    tensor->dtype = dtype;
    if (dtype == STK_DTYPES ||
        (data->type != STK_PTH_STRING && (int)data->type != STK_PICKLE_BYTES) ||
        !read_shape(state->items[1], (int)state->items[3]->integer, tensor) ||
        (uint64_t)tensor->count * stk_dtype_size(dtype) != (uint64_t)data->count)
        return stk_pickle_refuse(pickle, "an array's data do not fit its shape");
    tensor->data = (const uint8_t *)data->text;
    array->type = STK_PTH_TENSOR;
    array->tensor = tensor;
    return STK_OK;
}

/* Attributes of a dict (_metadata) are dropped; a NumPy type's state says its byte order. */
stk_status stk_pickle_build(stk_pickle *pickle, stk_pth_value *object, const stk_pth_value *state) {
    if (object->type == STK_PTH_DICT) return STK_OK;
    if ((int)object->type == STK_PICKLE_NUMPY_ARRAY) return set_array(pickle, object, state);
    if ((int)object->type != STK_PICKLE_NUMPY_TYPE || state->type != STK_PTH_TUPLE ||
        state->count < 2 || state->items[1]->type != STK_PTH_STRING)
        return stk_pickle_refuse(pickle, "it sets the state of an object that has none");
    if (strcmp(state->items[1]->text, ">") == 0)
        return stk_pickle_refuse(pickle, "a big-endian number");
    return STK_OK;
}

static int find_storage(const stk_pickle *pickle, const char *key) {
    for (int i = pickle->storage_count - 1; i >= 0; i--)
        if (strcmp(pickle->storages[i].key, key) == 0) return i;
    return -1;
}

static stk_status add_storage(stk_pickle *pickle, const char *key, stk_dtype dtype, int64_t count,
                              int *index) {
    if (pickle->storage_count == STK_PICKLE_STORAGES)
        return stk_pickle_refuse(pickle, "too many tensors");
    if (pickle->storage_count == pickle->storage_capacity) {
        int capacity = pickle->storage_capacity == 0 ? 64 : 2 * pickle->storage_capacity;
        stk_pickle_storage *list = stk_pickle_alloc(pickle, (size_t)capacity * sizeof *list);
        if (list == NULL) return stk_fail_memory(pickle->path);
        if (pickle->storage_count > 0)
            memcpy(list, pickle->storages, (size_t)pickle->storage_count * sizeof *list);
        pickle->storages = list;
        pickle->storage_capacity = capacity;
    }
    *index = pickle->storage_count++;
    stk_pickle_storage *storage = &pickle->storages[*index];
    snprintf(storage->key, sizeof storage->key, "%s", key);
    storage->dtype = dtype;
    storage->count = count;
    return STK_OK;
}

/* ('storage', class, key, device, elements[, None]); the device is of no concern. */
stk_status stk_pickle_persistent(stk_pickle *pickle, const stk_pth_value *id,
                                 stk_pth_value **result) {
    if (id->type != STK_PTH_TUPLE || id->count < 5 || id->items[0]->type != STK_PTH_STRING ||
        strcmp(id->items[0]->text, "storage") != 0 || (int)id->items[1]->type != STK_PICKLE_CLASS ||
        CLASSES[id->items[1]->integer].kind != STORAGE || id->items[2]->type != STK_PTH_STRING ||
        id->items[4]->type != STK_PTH_INT || id->items[4]->integer < 0 ||
        id->items[2]->count >= STK_PICKLE_KEY)
        return stk_pickle_refuse(pickle, "a storage is described wrongly");
    if (id->count > 5 && id->items[5]->type != STK_PTH_NONE)
        return stk_fail(STK_ERR_UNSUPPORTED,
                        "%s: holds views into shared storages, which are not read; save it again "
                        "with every tensor cloned",
                        pickle->path);
    const char *key = id->items[2]->text;
    stk_dtype dtype = CLASSES[id->items[1]->integer].dtype;
    int index = find_storage(pickle, key);
    if (index < 0)
        STK_TRY(add_storage(pickle, key, dtype, id->items[4]->integer, &index));
    else if (pickle->storages[index].dtype != dtype ||
             pickle->storages[index].count != id->items[4]->integer)
        return stk_pickle_refuse(pickle, "one storage is described in two ways");
    *result = stk_pickle_node_new(pickle, STK_PICKLE_STORAGE);
    STK_TRY(result_or_memory(pickle, *result));
    (*result)->integer = index;
    return STK_OK;
}
