/* npy_dict.c - see npy_dict.h. The pickle follows the header; its root is an array of objects of
 * shape () that holds the dictionary. */
#include "nn/npy_dict.h"
#include "base/file.h"
#include "base/memory.h"
#include "nn/pickle.h"

#include <stdlib.h>
#include <string.h>

enum { PREAMBLE = 8, HEADER_LIMIT = 65535 };
static const char MAGIC[6] = {(char)0x93, 'N', 'U', 'M', 'P', 'Y'};

struct stk_npy_dict {
    char *path;
    stk_map map;
    stk_pickle pickle;
    const stk_pth_value *root;
};

static stk_status no_dictionary(const stk_npy_dict *dict) {
    return stk_fail(
        STK_ERR_FORMAT,
        "%s: is not a dictionary of arrays that numpy.save wrote; fetch it or convert it again",
        dict->path);
}

static stk_status parse(stk_npy_dict *dict) {
    const uint8_t *bytes = dict->map.data;
    size_t size = dict->map.size, length = 0, used;
    stk_pth_value *root;
    if (size < PREAMBLE + 4 || memcmp(bytes, MAGIC, sizeof MAGIC) != 0 || bytes[6] < 1 ||
        bytes[6] > 3)
        return no_dictionary(dict);
    size_t field = bytes[6] == 1 ? 2 : 4, at = PREAMBLE + field;
    memcpy(&length, bytes + PREAMBLE, field);
    if (length > HEADER_LIMIT || length > size - at) return no_dictionary(dict);
    if (memmem(bytes + at, length, "'|O'", 4) == NULL) return no_dictionary(dict);
    at += length;
    STK_TRY(stk_pickle_read(&dict->pickle, bytes + at, size - at, &used, &root));
    if (root->type == STK_PTH_LIST && root->count == 1) root = root->items[0];
    if (root->type != STK_PTH_DICT) return no_dictionary(dict);
    dict->root = root;
    return STK_OK;
}

stk_status stk_npy_dict_open(stk_npy_dict **out, const char *path) {
    *out = NULL;
    stk_npy_dict *dict = stk_calloc_aligned(1, sizeof *dict);
    if (dict == NULL) return stk_fail_memory(path);
    dict->path = strdup(path);
    stk_status status = dict->path != NULL ? STK_OK : stk_fail_memory(path);
    if (status == STK_OK) {
        stk_pickle_init(&dict->pickle, dict->path);
        dict->pickle.what = "NumPy dictionary";
        dict->pickle.maker = "numpy.save";
        dict->pickle.keep_bytes = 1;
        status = stk_map_open(&dict->map, path);
    }
    if (status == STK_OK) status = parse(dict);
    if (status == STK_OK)
        *out = dict;
    else
        stk_npy_dict_close(&dict);
    return status;
}

void stk_npy_dict_close(stk_npy_dict **handle) {
    if (handle == NULL || *handle == NULL) return;
    stk_npy_dict *dict = *handle;
    stk_pickle_clear(&dict->pickle);
    stk_map_close(&dict->map);
    free(dict->path);
    stk_free(dict);
    *handle = NULL;
}

const stk_pth_value *stk_npy_dict_get(const stk_npy_dict *dict, const char *name) {
    const stk_pth_value *value = stk_pth_get(dict->root, name);
    return value != NULL && value->type == STK_PTH_TENSOR ? value : NULL;
}
