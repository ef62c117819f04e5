/* head_model_bfm.c - the Basel Face Model 2009 as the published pipeline converts it.
 *
 *   3DMM_info.npy, a pickled dictionary (reference.md 7.2, Appendix A):
 *     mu_shape [3N]  b_shape [n][3N]  sig_shape [n]   identity, n = 199 (the first 100 are taken)
 *     mu_exp [3N]    b_exp [m][3N]    sig_exp [m]     expression, m = 79
 *     mu_tex b_tex sig_tex                            not read
 * Coordinates go x y z x y z ...; x = mu_shape + mu_exp + sum_k a_k sig_k b_k. The bases may be of
 * any float type, stored by rows or by columns; the vectors of any shape with that many elements.
 */
#include "head_sync/head_model_file.h"

#include "base/memory.h"

#include <math.h>
#include <stdio.h>

static stk_status refuse_array(const stk_head_file *file, const char *name, const char *what) {
    char reason[128];
    snprintf(reason, sizeof reason, "its array \"%s\" %s", name, what);
    return stk_head_file_refuse(file->path, reason);
}

static stk_status add_mean(stk_head_file *file, const char *name) {
    const stk_pth_value *value = stk_npy_dict_get(file->dict, name);
    size_t count = 3 * (size_t)file->vertices;
    if (value == NULL) return refuse_array(file, name, "is missing");
    float *numbers = stk_calloc_aligned(count, sizeof *numbers);
    if (numbers == NULL) return stk_fail_memory(file->path);
    stk_status status = stk_pth_read_f32(value, numbers, (int64_t)count, file->path);
    for (size_t i = 0; status == STK_OK && i < count; i++) file->mean[i] += numbers[i];
    stk_free(numbers);
    return status;
}

static stk_status take_sigmas(stk_head_file *file, const char *name, stk_head_modes *modes) {
    const stk_pth_value *value = stk_npy_dict_get(file->dict, name);
    if (value == NULL) return refuse_array(file, name, "is missing");
    if (value->tensor->count != modes->stored)
        return refuse_array(file, name, "does not have one number for each mode");
    float *numbers = stk_calloc_aligned((size_t)modes->stored, sizeof *numbers);
    if (numbers == NULL) return stk_fail_memory(file->path);
    stk_status status = stk_pth_read_f32(value, numbers, modes->stored, file->path);
    for (int k = 0; status == STK_OK && k < modes->count; k++) {
        modes->sigma[k] = (double)numbers[k];
        if (!(numbers[k] >= 0) || !isfinite(numbers[k]))
            status = refuse_array(file, name, "holds something that is no standard deviation");
    }
    stk_free(numbers);
    return status;
}

static stk_status take_modes(stk_head_file *file, const char *basis, const char *sigmas,
                             stk_head_modes *modes) {
    enum { STORED_MAX = 4096 };
    const stk_pth_value *value = stk_npy_dict_get(file->dict, basis);
    if (value == NULL) return refuse_array(file, basis, "is missing");
    const stk_pth_tensor *t = value->tensor;
    if (t->rank != 2 || t->shape[0] < 1 || t->shape[0] > STORED_MAX ||
        t->shape[1] != 3 * (int64_t)file->vertices)
        return refuse_array(file, basis, "is not [modes][3 vertices]");
    if (t->dtype > STK_F16) return refuse_array(file, basis, "does not hold real numbers");
    modes->stored = (int)t->shape[0];
    modes->count = modes->stored < STK_HEAD_MODES_MAX ? modes->stored : STK_HEAD_MODES_MAX;
    modes->dtype = t->dtype;
    modes->row_step = t->stride[1];
    for (int k = 0; k < modes->count; k++)
        modes->column[k] = t->data + (size_t)(t->stride[0] * k) * stk_dtype_size(t->dtype);
    return take_sigmas(file, sigmas, modes);
}

stk_status stk_head_file_read_bfm(stk_head_file *file) {
    STK_TRY(stk_npy_dict_open(&file->dict, file->path));
    const stk_pth_value *mean = stk_npy_dict_get(file->dict, "mu_shape");
    if (mean == NULL) return refuse_array(file, "mu_shape", "is missing");
    int64_t rows = mean->tensor->count;
    if (rows % 3 != 0 || rows < 3 * STK_HEAD_VERTICES_MIN || rows > 3 * STK_HEAD_VERTICES_MAX)
        return refuse_array(file, "mu_shape", "does not hold a head's vertices");
    file->vertices = (int)(rows / 3);
    file->mean = stk_calloc_aligned((size_t)rows, sizeof *file->mean);
    if (file->mean == NULL) return stk_fail_memory(file->path);
    STK_TRY(add_mean(file, "mu_shape"));
    STK_TRY(add_mean(file, "mu_exp"));
    STK_TRY(take_modes(file, "b_shape", "sig_shape", &file->identity));
    return take_modes(file, "b_exp", "sig_exp", &file->expression);
}
