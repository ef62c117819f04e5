/* field.c - registers the radiance field's tensors under their official names, initialises them as
 * the published code does, and turns poses into ngp cameras.
 *
 *   stk_params <- [rows][4] codes, 3 x [entries][1] tables, five bias-free nets (3.4, 3.8)
 *   stk_pose (head -> cam) -> json camera-to-world (7.5) -> ngp camera (1.4)
 *
 * Numbers in brackets are sections of reference.md.
 *
 * No state of its own; all functions may be called from any thread once the store is sealed.
 */
#include "portrait/field.h"

#include <math.h>
#include <stdio.h>

static const float NGP_SCALE = 4.0f; /* ngp units a metre */
static const float TABLE_INIT = 1e-4f;
static const float CODE_INIT = 0.1f;

static stk_status add_net(stk_params *params, const char *net, int layer, int out, int in,
                          int *index) {
    char name[72];
    const int shape[2] = {out, in};
    snprintf(name, sizeof name, "%s.net.%d.weight", net, layer);
    return stk_params_add(params, name, STK_GROUP_NET, 2, shape, index);
}

static stk_status add_nets(stk_field *field, stk_params *params) {
    const int enc = field->shape.enc, exp = field->shape.exp, hidden = field->shape.exp_hidden;
    const int sigma_in = enc + STK_AUD + exp, color_in = STK_SH + STK_GEO + STK_CODE;
    STK_TRY(add_net(params, "eye_att_net", 0, hidden, enc, &field->exp_att[0]));
    STK_TRY(add_net(params, "eye_att_net", 1, exp, hidden, &field->exp_att[1]));
    STK_TRY(add_net(params, "sigma_net", 0, STK_HIDDEN, sigma_in, &field->sigma[0]));
    STK_TRY(add_net(params, "sigma_net", 1, STK_HIDDEN, STK_HIDDEN, &field->sigma[1]));
    STK_TRY(add_net(params, "sigma_net", 2, 1 + STK_GEO, STK_HIDDEN, &field->sigma[2]));
    STK_TRY(add_net(params, "color_net", 0, STK_HIDDEN, color_in, &field->color[0]));
    STK_TRY(add_net(params, "color_net", 1, 3, STK_HIDDEN, &field->color[1]));
    STK_TRY(add_net(params, "unc_net", 0, STK_UNC_HIDDEN, enc, &field->unc[0]));
    STK_TRY(add_net(params, "unc_net", 1, 1, STK_UNC_HIDDEN, &field->unc[1]));
    STK_TRY(add_net(params, "aud_ch_att_net", 0, STK_HIDDEN, enc, &field->aud_att[0]));
    STK_TRY(add_net(params, "aud_ch_att_net", 1, STK_AUD, STK_HIDDEN, &field->aud_att[1]));
    return STK_OK;
}

stk_status stk_field_register(stk_field *field, stk_params *params, int levels, int exp,
                              int code_rows) {
    static const char *const planes[STK_PLANES] = {"encoder_xy.embeddings", "encoder_yz.embeddings",
                                                   "encoder_xz.embeddings"};
    if (levels < 1 || levels > STK_LEVELS_MAX || exp < 1 || exp > STK_EXP_MAX || code_rows < 1)
        return stk_fail(STK_ERR_ARGUMENT,
                        "a field of %d levels, %d expression inputs and %d codes cannot be made; "
                        "levels go to %d, expressions to %d, and there is at least one code",
                        levels, exp, code_rows, STK_LEVELS_MAX, STK_EXP_MAX);
    *field = (stk_field){.code_rows = code_rows};
    field->shape.enc = STK_PLANES * levels;
    field->shape.exp = exp;
    field->shape.exp_hidden = exp == 1 ? 16 : STK_HIDDEN; /* --au45 has the narrow net */
    stk_grid_layout_init(&field->shape.grid, levels);
    stk_field_kernels_init(&field->kernels);
    const int codes[2] = {code_rows, STK_CODE};
    const int table[2] = {(int)field->shape.grid.offset[levels], 1};
    STK_TRY(stk_params_add(params, "individual_codes", STK_GROUP_NET, 2, codes, &field->codes));
    for (int k = 0; k < STK_PLANES; k++)
        STK_TRY(stk_params_add(params, planes[k], STK_GROUP_GRID, 2, table, &field->plane[k]));
    return add_nets(field, params);
}

/* U(-1/sqrt(fan_in), +1/sqrt(fan_in)), the default of the published framework. */
static void init_layers(const int *index, int layers, stk_params *params, stk_rng *rng) {
    for (int i = 0; i < layers; i++) {
        const float fan_in = (float)params->list[index[i]].shape[1];
        stk_params_fill_uniform(params, index[i], 1.0f / sqrtf(fan_in), rng);
    }
}

void stk_field_init(const stk_field *field, stk_params *params, stk_rng *rng) {
    stk_params_fill_normal(params, field->codes, CODE_INIT, rng);
    for (int k = 0; k < STK_PLANES; k++)
        stk_params_fill_uniform(params, field->plane[k], TABLE_INIT, rng);
    init_layers(field->exp_att, 2, params, rng);
    init_layers(field->sigma, 3, params, rng);
    init_layers(field->color, 2, params, rng);
    init_layers(field->unc, 2, params, rng);
    init_layers(field->aud_att, 2, params, rng);
}

void stk_field_weights_view(const stk_field *field, const stk_params *params, const float *value,
                            stk_field_weights *weights) {
    const stk_param *list = params->list;
    for (int k = 0; k < STK_PLANES; k++) weights->plane[k] = value + list[field->plane[k]].offset;
    for (int k = 0; k < 2; k++) {
        weights->aud_att[k] = value + list[field->aud_att[k]].offset;
        weights->exp_att[k] = value + list[field->exp_att[k]].offset;
        weights->color[k] = value + list[field->color[k]].offset;
        weights->unc[k] = value + list[field->unc[k]].offset;
    }
    for (int k = 0; k < 3; k++) weights->sigma[k] = value + list[field->sigma[k]].offset;
}

void stk_field_grads_view(const stk_field *field, const stk_params *params, float *grad,
                          stk_field_grads *grads) {
    const stk_param *list = params->list;
    for (int k = 0; k < 2; k++) {
        grads->aud_att[k] = grad + list[field->aud_att[k]].offset;
        grads->exp_att[k] = grad + list[field->exp_att[k]].offset;
        grads->color[k] = grad + list[field->color[k]].offset;
        grads->unc[k] = grad + list[field->unc[k]].offset;
    }
    for (int k = 0; k < 3; k++) grads->sigma[k] = grad + list[field->sigma[k]].offset;
}

/* World axes (x, y, z) -> (y, z, x); columns y and z of the camera change sign; metres times 4. */
void stk_ngp_camera_from_json(const float matrix[16], float fx, float fy, float cx, float cy,
                              stk_ngp_camera *ngp) {
    static const int source_row[3] = {1, 2, 0};
    for (int row = 0; row < 3; row++) {
        const float *r = matrix + 4 * source_row[row];
        ngp->R[3 * row] = r[0];
        ngp->R[3 * row + 1] = -r[1];
        ngp->R[3 * row + 2] = -r[2];
        ngp->origin[row] = r[3] * NGP_SCALE;
    }
    ngp->fx = fx;
    ngp->fy = fy;
    ngp->cx = cx;
    ngp->cy = cy;
}

/* json = [R^T | -R^T t], reference.md 7.5. */
void stk_ngp_camera_from_pose(const stk_camera *camera, const stk_pose *pose, stk_ngp_camera *ngp) {
    float matrix[16] = {0};
    for (int row = 0; row < 3; row++) {
        float position = 0;
        for (int k = 0; k < 3; k++) {
            matrix[4 * row + k] = pose->R[3 * k + row];
            position -= pose->R[3 * k + row] * pose->t[k];
        }
        matrix[4 * row + 3] = position;
    }
    matrix[15] = 1;
    stk_ngp_camera_from_json(matrix, camera->focal_px, camera->focal_px, camera->cx_px,
                             camera->cy_px, ngp);
}

void stk_ngp_ray(const stk_ngp_camera *ngp, float col, float row, float d[3]) {
    const float x = (col + 0.5f - ngp->cx) / ngp->fx, y = (row + 0.5f - ngp->cy) / ngp->fy;
    const float inverse = 1.0f / sqrtf(x * x + y * y + 1.0f);
    const float c[3] = {x * inverse, y * inverse, inverse};
    for (int k = 0; k < 3; k++)
        d[k] = ngp->R[3 * k] * c[0] + ngp->R[3 * k + 1] * c[1] + ngp->R[3 * k + 2] * c[2];
}

void stk_ngp_from_head(const float head[3], float ngp[3]) {
    ngp[0] = NGP_SCALE * head[1];
    ngp[1] = NGP_SCALE * head[2];
    ngp[2] = NGP_SCALE * head[0];
}
