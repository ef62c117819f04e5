/* torso.c - the torso branch's tensors, and what a frame makes of them: anchors seen by its camera,
 * their frequency encoding, the condition folded into the first layers; and the way back.
 *
 *   anchor a [4], camera (R, t) -> q = (R^T (a_xyz - t a_w), a_w) -> (q_x, q_y) / (q_w q_z)
 *   6 numbers -> freq3 -> [6 | sin, cos of 1, 2, 4 times the six] = 42
 *   first layer W [32][lead + 50], condition c [50] -> [32][lead + 1], last column W_c c
 *
 * Numbers in brackets are sections of reference.md. Everything here is small and runs on the
 * caller, in double.
 */
#include "portrait/torso.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    DEFORM_IN = STK_TORSO_ENC + STK_TORSO_COND, /* 84 */
    NET_IN = STK_TORSO_FEATURES + DEFORM_IN,    /* 116 */
    POINTS = 2 * STK_TORSO_ANCHORS,
    OCTAVES = 3, /* of the anchors' encoding */
};

static const float TABLE_INIT = 1e-4f;
static const float CODE_INIT = 0.1f;
static const float ANCHOR_INIT[STK_TORSO_ANCHORS][4] = {
    {0.01f, 0.01f, 0.1f, 1}, {-0.1f, -0.1f, 0.1f, 1}, {0.1f, -0.1f, 0.1f, 1}};

/* --- parameters ------------------------------------------------------------------------------- */

static stk_status add_net(stk_params *params, const char *net, int layer, int out, int in,
                          int *index) {
    char name[72];
    const int shape[2] = {out, in};
    snprintf(name, sizeof name, "%s.net.%d.weight", net, layer);
    return stk_params_add(params, name, STK_GROUP_NET, 2, shape, index);
}

stk_status stk_torso_register(stk_torso *torso, stk_params *params, int code_rows) {
    if (code_rows < 1)
        return stk_fail(STK_ERR_ARGUMENT, "a torso with %d codes cannot be made; it needs one",
                        code_rows);
    *torso = (stk_torso){.code_rows = code_rows};
    stk_torso_grid_init(&torso->layout);
    stk_torso_kernels_init(&torso->kernels);
    const int hidden = STK_TORSO_HIDDEN;
    const int anchors[2] = {STK_TORSO_ANCHORS, 4}, codes[2] = {code_rows, STK_TORSO_CODE};
    const int grid[2] = {STK_TORSO_ENTRIES, STK_TORSO_PER_LEVEL};
    STK_TRY(stk_params_add(params, "anchor_points", STK_GROUP_NET, 2, anchors, &torso->anchors));
    STK_TRY(
        stk_params_add(params, "individual_codes_torso", STK_GROUP_NET, 2, codes, &torso->codes));
    STK_TRY(add_net(params, "torso_deform_net", 0, hidden, DEFORM_IN, &torso->deform[0]));
    STK_TRY(add_net(params, "torso_deform_net", 1, hidden, hidden, &torso->deform[1]));
    STK_TRY(add_net(params, "torso_deform_net", 2, 2, hidden, &torso->deform[2]));
    STK_TRY(
        stk_params_add(params, "torso_encoder.embeddings", STK_GROUP_GRID, 2, grid, &torso->grid));
    STK_TRY(add_net(params, "torso_net", 0, hidden, NET_IN, &torso->net[0]));
    STK_TRY(add_net(params, "torso_net", 1, hidden, hidden, &torso->net[1]));
    return add_net(params, "torso_net", 2, STK_TORSO_OUT, hidden, &torso->net[2]);
}

void stk_torso_init(const stk_torso *torso, stk_params *params, stk_rng *rng) {
    memcpy(stk_params_value(params, torso->anchors), ANCHOR_INIT, sizeof ANCHOR_INIT);
    stk_params_fill_normal(params, torso->codes, CODE_INIT, rng);
    stk_params_fill_uniform(params, torso->grid, TABLE_INIT, rng);
    for (int k = 0; k < 6; k++) {
        const int index = k < 3 ? torso->deform[k] : torso->net[k - 3];
        const float fan_in = (float)params->list[index].shape[1];
        stk_params_fill_uniform(params, index, 1.0f / sqrtf(fan_in), rng);
    }
}

/* --- anchors ---------------------------------------------------------------------------------- */

/* An anchor in the camera's frame: P^-1 a for the homogeneous a (3.6). */
static void anchor_to_camera(const stk_ngp_camera *camera, const float a[4], double q[4]) {
    double d[3];
    for (int k = 0; k < 3; k++) d[k] = (double)a[k] - (double)camera->origin[k] * (double)a[3];
    for (int k = 0; k < 3; k++)
        q[k] = (double)camera->R[k] * d[0] + (double)camera->R[3 + k] * d[1] +
               (double)camera->R[6 + k] * d[2];
    q[3] = (double)a[3];
}

/* da += the gradient by a, from that by the projected point: w = (q_x, q_y) / (q_w q_z). */
static void anchor_backward(const stk_ngp_camera *camera, const float a[4], const double dw[2],
                            float da[4]) {
    double q[4], world[3];
    anchor_to_camera(camera, a, q);
    const double inverse = 1 / (q[3] * q[2]), along = (dw[0] * q[0] + dw[1] * q[1]) * inverse;
    const double dq[4] = {dw[0] * inverse, dw[1] * inverse, -along / q[2], -along / q[3]};
    double dw_homogeneous = dq[3];
    for (int k = 0; k < 3; k++) {
        const float *r = camera->R + 3 * k;
        world[k] = (double)r[0] * dq[0] + (double)r[1] * dq[1] + (double)r[2] * dq[2];
        dw_homogeneous -= (double)camera->origin[k] * world[k];
        da[k] += (float)world[k];
    }
    da[3] += (float)dw_homogeneous;
}

/* [x | sin x, cos x | sin 2x, cos 2x | sin 4x, cos 4x], six of each (3.3). */
static void encode_anchors(const float x[POINTS], float *enc) {
    memcpy(enc, x, POINTS * sizeof *x);
    for (int octave = 0; octave < OCTAVES; octave++) {
        float *row = enc + POINTS * (1 + 2 * octave);
        for (int i = 0; i < POINTS; i++) {
            const double angle = (double)x[i] * (1 << octave);
            row[i] = (float)sin(angle);
            row[POINTS + i] = (float)cos(angle);
        }
    }
}

static void encode_anchors_backward(const float *enc, const double *denc, double dx[POINTS]) {
    for (int i = 0; i < POINTS; i++) {
        dx[i] = denc[i];
        for (int octave = 0; octave < OCTAVES; octave++) {
            const int s = POINTS * (1 + 2 * octave) + i, c = s + POINTS;
            dx[i] += (1 << octave) * (denc[s] * (double)enc[c] - denc[c] * (double)enc[s]);
        }
    }
}

/* --- first layers ----------------------------------------------------------------------------- */

/* w [32][lead + 50] -> folded [32][lead + 1]: the last column is what the condition contributes. */
static void fold(const float *w, int lead, const float *cond, float *folded) {
    for (int o = 0; o < STK_TORSO_HIDDEN; o++, w += lead + STK_TORSO_COND, folded += lead + 1) {
        double sum = 0;
        memcpy(folded, w, (size_t)lead * sizeof *w);
        for (int j = 0; j < STK_TORSO_COND; j++) sum += (double)w[lead + j] * (double)cond[j];
        folded[lead] = (float)sum;
    }
}

static void fold_backward(const float *w, int lead, const float *cond, const float *dfolded,
                          float *dw, double *dcond) {
    const int stride = lead + STK_TORSO_COND;
    for (int o = 0; o < STK_TORSO_HIDDEN; o++, w += stride, dw += stride, dfolded += lead + 1) {
        const double sum = (double)dfolded[lead];
        for (int i = 0; i < lead; i++) dw[i] += dfolded[i];
        for (int j = 0; j < STK_TORSO_COND; j++) {
            dw[lead + j] += (float)(sum * (double)cond[j]);
            dcond[j] += sum * (double)w[lead + j];
        }
    }
}

void stk_torso_frame_init(stk_torso_frame *frame, const stk_torso *torso, const stk_params *params,
                          const float *values, const stk_ngp_camera *camera, int code_row) {
    const stk_param *list = params->list;
    const float *anchors = values + list[torso->anchors].offset;
    const float *codes = values + list[torso->codes].offset;
    for (int i = 0; i < STK_TORSO_ANCHORS; i++) {
        double q[4];
        anchor_to_camera(camera, anchors + 4 * i, q);
        for (int k = 0; k < 2; k++) frame->anchors[2 * i + k] = (float)(q[k] / (q[3] * q[2]));
    }
    encode_anchors(frame->anchors, frame->cond);
    memcpy(frame->cond + STK_TORSO_ANCHOR_ENC, codes + (size_t)code_row * STK_TORSO_CODE,
           STK_TORSO_CODE * sizeof(float));
    fold(values + list[torso->deform[0]].offset, STK_TORSO_ENC, frame->cond, frame->deform);
    fold(values + list[torso->net[0]].offset, STK_TORSO_FEATURES + STK_TORSO_ENC, frame->cond,
         frame->net);
    frame->weights = (stk_torso_weights){
        .deform = {frame->deform}, .table = values + list[torso->grid].offset, .net = {frame->net}};
    for (int k = 1; k < 3; k++) {
        frame->weights.deform[k] = values + list[torso->deform[k]].offset;
        frame->weights.net[k] = values + list[torso->net[k]].offset;
    }
}

void stk_torso_frame_backward(const stk_torso_frame *frame, const stk_torso *torso,
                              stk_params *params, const stk_ngp_camera *camera, int code_row,
                              const float *const dfirst[2]) {
    double dcond[STK_TORSO_COND] = {0}, dpoints[POINTS];
    fold_backward(stk_params_value(params, torso->deform[0]), STK_TORSO_ENC, frame->cond, dfirst[0],
                  stk_params_grad(params, torso->deform[0]), dcond);
    fold_backward(stk_params_value(params, torso->net[0]), STK_TORSO_FEATURES + STK_TORSO_ENC,
                  frame->cond, dfirst[1], stk_params_grad(params, torso->net[0]), dcond);
    float *dcode = stk_params_grad(params, torso->codes) + (size_t)code_row * STK_TORSO_CODE;
    for (int k = 0; k < STK_TORSO_CODE; k++) dcode[k] += (float)dcond[STK_TORSO_ANCHOR_ENC + k];
    encode_anchors_backward(frame->cond, dcond, dpoints);
    const float *anchors = stk_params_value(params, torso->anchors);
    float *danchors = stk_params_grad(params, torso->anchors);
    for (int i = 0; i < STK_TORSO_ANCHORS; i++)
        anchor_backward(camera, anchors + 4 * i, dpoints + 2 * i, danchors + 4 * i);
}
