/* params.c - registration, one block for all planes, initial values, filling from files. */
#include "nn/params.h"
#include "base/memory.h"
#include "nn/pth.h"
#include "nn/safetensors.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FLOATS_PER_LINE = STK_CACHE_LINE / sizeof(float) };

stk_status stk_params_init(stk_params *params) {
    *params = (stk_params){0};
    return STK_OK;
}

void stk_params_clear(stk_params *params) {
    if (params == NULL) return;
    free(params->list);
    stk_free(params->value); /* grad, v and ema lie in the same block */
    *params = (stk_params){0};
}

static stk_status grow(stk_params *params) {
    if (params->n < params->capacity) return STK_OK;
    int capacity = params->capacity == 0 ? 64 : 2 * params->capacity;
    stk_param *list = realloc(params->list, (size_t)capacity * sizeof *list);
    if (list == NULL) return stk_fail_memory("the parameter list");
    params->list = list;
    params->capacity = capacity;
    return STK_OK;
}

stk_status stk_params_add(stk_params *params, const char *name, stk_param_group group, int rank,
                          const int *shape, int *index) {
    stk_param param = {.rank = rank, .count = 1, .group = group};
    if (params->value != NULL)
        return stk_fail(STK_ERR_ARGUMENT, "parameter %s registered after sealing", name);
    if (strlen(name) >= sizeof param.name || rank < 0 || rank > 4)
        return stk_fail(STK_ERR_ARGUMENT, "parameter %s: name too long or rank %d not 0 to 4", name,
                        rank);
    if (stk_params_find(params, name) >= 0)
        return stk_fail(STK_ERR_ARGUMENT, "parameter %s is registered twice", name);
    for (int i = 0; i < rank; i++) {
        if (shape[i] <= 0 || param.count > (size_t)INT32_MAX / (size_t)shape[i])
            return stk_fail(STK_ERR_ARGUMENT, "parameter %s: impossible size %d", name, shape[i]);
        param.shape[i] = shape[i];
        param.count *= (size_t)shape[i];
    }
    STK_TRY(grow(params));
    strcpy(param.name, name);
    param.offset = params->total;
    params->total += (param.count + FLOATS_PER_LINE - 1) / FLOATS_PER_LINE * FLOATS_PER_LINE;
    *index = params->n;
    params->list[params->n++] = param;
    return STK_OK;
}

stk_status stk_params_seal(stk_params *params, int training) {
    if (params->value != NULL) return stk_fail(STK_ERR_ARGUMENT, "parameters are sealed twice");
    size_t planes = training ? 4 : 1;
    float *block = stk_calloc_aligned(params->total, planes * sizeof *block);
    if (block == NULL) return stk_fail_memory("the parameters");
    params->value = block;
    if (training) {
        params->grad = block + params->total;
        params->v = block + 2 * params->total;
        params->ema = block + 3 * params->total;
    }
    return STK_OK;
}

int stk_params_find(const stk_params *params, const char *name) {
    for (int i = 0; i < params->n; i++)
        if (strcmp(params->list[i].name, name) == 0) return i;
    return -1;
}

float *stk_params_value(const stk_params *params, int index) {
    return params->value + params->list[index].offset;
}

float *stk_params_grad(const stk_params *params, int index) {
    return params->grad + params->list[index].offset;
}

void stk_params_fill_uniform(stk_params *params, int index, float bound, stk_rng *rng) {
    float *value = stk_params_value(params, index);
    for (size_t i = 0; i < params->list[index].count; i++)
        value[i] = bound * (2.0f * stk_rng_float(rng) - 1.0f);
}

void stk_params_fill_normal(stk_params *params, int index, float scale, stk_rng *rng) {
    float *value = stk_params_value(params, index);
    for (size_t i = 0; i < params->list[index].count; i++) value[i] = scale * stk_rng_normal(rng);
}

/* --- from files ------------------------------------------------------------------------------- */

static void note_missing(stk_params_missing *missing, const char *name) {
    size_t used = strlen(missing->names), room = sizeof missing->names - used;
    if (strlen(name) + 3 < room)
        snprintf(missing->names + used, room, "%s%s", used > 0 ? ", " : "", name);
    missing->count++;
}

static stk_status check_shape(const stk_param *param, int rank, const int64_t *shape,
                              const char *label) {
    int same = rank == param->rank;
    for (int i = 0; same && i < rank; i++) same = shape[i] == param->shape[i];
    if (same) return STK_OK;
    char is[96] = "", wanted[96] = "";
    for (int i = 0; i < rank && i < 4; i++)
        snprintf(is + strlen(is), sizeof is - strlen(is), "%s%lld", i ? "," : "",
                 (long long)shape[i]);
    for (int i = 0; i < param->rank; i++)
        snprintf(wanted + strlen(wanted), sizeof wanted - strlen(wanted), "%s%d", i ? "," : "",
                 param->shape[i]);
    return stk_fail(STK_ERR_MISMATCH, "%s: tensor %s is [%s], this model needs [%s]", label,
                    param->name, is, wanted);
}

static stk_status refuse_missing(const stk_params_missing *missing, const char *label) {
    if (missing->count == 0) return STK_OK;
    return stk_fail(STK_ERR_MISMATCH, "%s: %d tensor%s missing: %s", label, missing->count,
                    missing->count == 1 ? " is" : "s are", missing->names);
}

stk_status stk_params_load_pth(stk_params *params, const struct stk_pth_value *model,
                               const char *label, stk_params_missing *missing) {
    stk_params_missing absent = {0};
    for (int i = 0; i < params->n; i++) {
        const stk_param *param = &params->list[i];
        const stk_pth_value *tensor = stk_pth_get(model, param->name);
        if (tensor == NULL) {
            note_missing(&absent, param->name);
            continue;
        }
        if (tensor->type != STK_PTH_TENSOR)
            return stk_fail(STK_ERR_FORMAT, "%s: %s is not a tensor", label, param->name);
        STK_TRY(check_shape(param, tensor->tensor->rank, tensor->tensor->shape, label));
        STK_TRY(stk_pth_read_f32(tensor, stk_params_value(params, i), (int64_t)param->count,
                                 param->name));
    }
    if (missing == NULL) return refuse_missing(&absent, label);
    *missing = absent;
    return STK_OK;
}

/* Weights in eight bits are in units of "<name>.scale" [shape[0]], one a row (output channel). */
static stk_status apply_scale(const stk_safetensors *file, const char *name,
                              const stk_tensor_info *tensor, float *values) {
    char scale_name[176];
    snprintf(scale_name, sizeof scale_name, "%s.scale", name);
    const stk_tensor_info *scale = stk_safetensors_find(file, scale_name);
    if (tensor->dtype != STK_I8) return STK_OK;
    if (scale == NULL || tensor->rank == 0)
        return stk_fail(STK_ERR_FORMAT, "%s: tensor %s has no %s, the units of its eight bits",
                        stk_safetensors_path(file), name, scale_name);
    const int64_t rows = tensor->shape[0], row = rows > 0 ? tensor->count / rows : 0;
    if (scale->count != rows)
        return stk_fail(STK_ERR_MISMATCH, "%s: tensor %s has %lld elements, %lld are needed",
                        stk_safetensors_path(file), scale_name, (long long)scale->count,
                        (long long)rows);
    for (int64_t r = 0; r < rows; r++) {
        float unit;
        stk_dtype_to_f32(scale->dtype,
                         (const char *)scale->data + (size_t)r * stk_dtype_size(scale->dtype), 1,
                         &unit);
        if (!isfinite(unit))
            return stk_fail(STK_ERR_FORMAT, "%s: tensor %s holds no numbers",
                            stk_safetensors_path(file), scale_name);
        for (int64_t i = 0; i < row; i++) values[r * row + i] *= unit;
    }
    return STK_OK;
}

stk_status stk_params_load_safetensors(const stk_params *params, float *plane,
                                       const struct stk_safetensors *file, const char *prefix,
                                       stk_params_missing *missing) {
    stk_params_missing absent = {0};
    const char *label = stk_safetensors_path(file);
    for (int i = 0; i < params->n; i++) {
        const stk_param *param = &params->list[i];
        char name[160];
        snprintf(name, sizeof name, "%s%s", prefix, param->name);
        const stk_tensor_info *tensor = stk_safetensors_find(file, name);
        if (tensor == NULL) {
            note_missing(&absent, name);
            continue;
        }
        STK_TRY(check_shape(param, tensor->rank, tensor->shape, label));
        stk_dtype_to_f32(tensor->dtype, tensor->data, tensor->count, plane + param->offset);
        STK_TRY(apply_scale(file, name, tensor, plane + param->offset));
    }
    if (missing == NULL) return refuse_missing(&absent, label);
    *missing = absent;
    return STK_OK;
}
