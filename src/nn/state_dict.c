/* state_dict.c - see state_dict.h. The list is made once, when the file is opened. */
#include "nn/state_dict.h"
#include "base/file.h"
#include "base/memory.h"
#include "nn/pth.h"
#include "nn/safetensors.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A checkpoint of this family has at most 66 tensors; finding a name is a walk through the list. */
enum { TENSORS_MAX = 16384 };

struct stk_state_dict {
    char *path;
    stk_pth *pth; /* one of the two */
    stk_safetensors *safetensors;
    stk_state_tensor *list;
    int count;
};

/* --- the list --------------------------------------------------------------------------------- */

static const char *plain_name(const char *name) {
    static const char wrapper[] = "module.";
    return strncmp(name, wrapper, sizeof wrapper - 1) == 0 ? name + sizeof wrapper - 1 : name;
}

static stk_status make_room(stk_state_dict *dict, int count) {
    if (count > TENSORS_MAX)
        return stk_fail(STK_ERR_FORMAT, "%s: has %d tensors, %d are read at most", dict->path,
                        count, TENSORS_MAX);
    dict->list = stk_calloc_aligned((size_t)count + 1, sizeof *dict->list);
    return dict->list != NULL ? STK_OK : stk_fail_memory(dict->path);
}

/* A repeated name: the later one counts, as in Python. */
static void add(stk_state_dict *dict, const stk_state_tensor *tensor) {
    for (int i = 0; i < dict->count; i++) {
        if (strcmp(dict->list[i].name, tensor->name) != 0) continue;
        dict->list[i] = *tensor;
        return;
    }
    dict->list[dict->count++] = *tensor;
}

static stk_state_tensor from_pth(const char *name, const stk_pth_value *value) {
    const stk_pth_tensor *t = value->tensor;
    stk_state_tensor tensor = {name, t->dtype, t->rank, {0}, t->count, value};
    memcpy(tensor.shape, t->shape, sizeof tensor.shape);
    return tensor;
}

static int is_without(const char *name, const char *without) {
    return without != NULL && strncmp(name, without, strlen(without)) == 0;
}

static stk_status list_pth(stk_state_dict *dict, const char *without) {
    STK_TRY(stk_pth_open_without(&dict->pth, dict->path, without));
    const stk_pth_value *model = stk_pth_model(dict->pth);
    if (model == NULL) return make_room(dict, 0);
    STK_TRY(make_room(dict, model->count));
    for (int i = 0; i < model->count; i++) {
        if (model->items[i]->type != STK_PTH_TENSOR || model->keys[i]->type != STK_PTH_STRING ||
            is_without(model->keys[i]->text, without))
            continue;
        const stk_state_tensor tensor = from_pth(plain_name(model->keys[i]->text), model->items[i]);
        add(dict, &tensor);
    }
    return STK_OK;
}

static stk_status list_safetensors(stk_state_dict *dict, const char *without) {
    STK_TRY(stk_safetensors_open(&dict->safetensors, dict->path));
    int count = stk_safetensors_count(dict->safetensors);
    STK_TRY(make_room(dict, count));
    for (int i = 0; i < count; i++) {
        const stk_tensor_info *t = stk_safetensors_at(dict->safetensors, i);
        if (is_without(t->name, without)) continue;
        stk_state_tensor tensor = {plain_name(t->name), t->dtype, t->rank, {0}, t->count, t};
        memcpy(tensor.shape, t->shape, sizeof tensor.shape);
        add(dict, &tensor);
    }
    return STK_OK;
}

static stk_status list_tensors(stk_state_dict *dict, const char *without) {
    stk_map map;
    STK_TRY(stk_map_open(&map, dict->path));
    int json = map.size > 8 && map.data[8] == '{'; /* the header of safetensors */
    stk_map_close(&map);
    return json ? list_safetensors(dict, without) : list_pth(dict, without);
}

stk_status stk_state_dict_open(stk_state_dict **dict, const char *path) {
    return stk_state_dict_open_without(dict, path, NULL);
}

stk_status stk_state_dict_open_without(stk_state_dict **out, const char *path,
                                       const char *without) {
    *out = NULL;
    stk_state_dict *dict = stk_calloc_aligned(1, sizeof *dict);
    if (dict == NULL) return stk_fail_memory(path);
    dict->path = strdup(path);
    stk_status status = dict->path != NULL ? STK_OK : stk_fail_memory(path);
    if (status == STK_OK && stk_file_is_directory(path))
        status = stk_fail(STK_ERR_FORMAT, "%s: is a folder; give a checkpoint file", path);
    if (status == STK_OK) status = list_tensors(dict, without);
    if (status != STK_OK)
        stk_state_dict_close(&dict);
    else
        *out = dict;
    return status;
}

void stk_state_dict_close(stk_state_dict **handle) {
    if (handle == NULL || *handle == NULL) return;
    stk_state_dict *dict = *handle;
    stk_pth_close(&dict->pth);
    stk_safetensors_close(&dict->safetensors);
    stk_free(dict->list);
    free(dict->path);
    stk_free(dict);
    *handle = NULL;
}

/* --- access ----------------------------------------------------------------------------------- */

const char *stk_state_dict_path(const stk_state_dict *dict) {
    return dict->path;
}

int stk_state_dict_count(const stk_state_dict *dict) {
    return dict->count;
}

const stk_state_tensor *stk_state_dict_at(const stk_state_dict *dict, int index) {
    return &dict->list[index];
}

const stk_state_tensor *stk_state_dict_find(const stk_state_dict *dict, const char *name) {
    for (int i = 0; i < dict->count; i++)
        if (strcmp(dict->list[i].name, name) == 0) return &dict->list[i];
    return NULL;
}

stk_status stk_state_dict_read(const stk_state_dict *dict, const stk_state_tensor *tensor,
                               void *out) {
    size_t bytes = (size_t)tensor->count * stk_dtype_size(tensor->dtype);
    if (dict->pth != NULL)
        return stk_pth_read_raw(tensor->source, tensor->dtype, out, bytes, tensor->name);
    const stk_tensor_info *info = tensor->source;
    memcpy(out, info->data, bytes);
    return STK_OK;
}

const char *stk_state_dict_text(const stk_state_dict *dict, const char *key) {
    if (dict->pth == NULL) return stk_safetensors_metadata(dict->safetensors, key);
    const stk_pth_value *value = stk_pth_get(stk_pth_root(dict->pth), key);
    return value != NULL && value->type == STK_PTH_STRING ? value->text : NULL;
}

double stk_state_dict_number(const stk_state_dict *dict, const char *key, double otherwise) {
    if (dict->pth != NULL)
        return stk_pth_number(stk_pth_get(stk_pth_root(dict->pth), key), otherwise);
    const char *text = stk_safetensors_metadata(dict->safetensors, key);
    char *end;
    if (text == NULL) return otherwise;
    double number = strtod(text, &end);
    return end != text && *end == '\0' ? number : otherwise;
}

static const stk_pth_value *averages(const stk_state_dict *dict) {
    if (dict->pth == NULL) return NULL;
    const stk_pth_value *list =
        stk_pth_get(stk_pth_get(stk_pth_root(dict->pth), "ema"), "shadow_params");
    return list != NULL && list->type == STK_PTH_LIST ? list : NULL;
}

int stk_state_dict_averages(const stk_state_dict *dict) {
    const stk_pth_value *list = averages(dict);
    return list != NULL ? list->count : -1;
}

stk_status stk_state_dict_average(const stk_state_dict *dict, int i, stk_state_tensor *tensor) {
    const stk_pth_value *list = averages(dict);
    if (list == NULL || i < 0 || i >= list->count || list->items[i]->type != STK_PTH_TENSOR)
        return stk_fail(STK_ERR_FORMAT, "%s: ema.shadow_params has no tensor number %d", dict->path,
                        i);
    *tensor = from_pth("ema.shadow_params", list->items[i]);
    return STK_OK;
}

stk_status stk_state_dict_read_weights(const stk_state_dict *dict, const char *what,
                                       const char *name, int rank, const int *shape, float *out) {
    const char *path = stk_state_dict_path(dict);
    const stk_state_tensor *tensor = stk_state_dict_find(dict, name);
    if (tensor == NULL)
        return stk_fail(STK_ERR_WEIGHTS, "%s: is not %s: it has no %s", path, what, name);
    int same = tensor->dtype == STK_F32;
    same = same && (rank == 0 ? tensor->count == shape[0] : tensor->rank == rank);
    for (int i = 0; i < rank && same; i++) same = tensor->shape[i] == shape[i];
    if (!same)
        return stk_fail(STK_ERR_WEIGHTS, "%s: is not %s: %s has another shape", path, what, name);
    STK_TRY(stk_state_dict_read(dict, tensor, out));
    for (int64_t i = 0; i < tensor->count; i++)
        if (!isfinite(out[i]))
            return stk_fail(STK_ERR_WEIGHTS, "%s: is not %s: %s holds values that are no numbers",
                            path, what, name);
    return STK_OK;
}
