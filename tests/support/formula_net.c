/* formula_net.c - see formula_net.h. */
#include "formula_net.h"
#include "base/memory.h"
#include "metrics/inception_private.h"
#include "metrics/lpips_private.h"
#include "nn/safetensors.h"
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

float formula_unit(uint32_t seed, uint32_t i) {
    uint32_t x = i + seed * 0x9e3779b9u;
    x ^= x >> 16;
    x *= 0x7feb352du;
    x ^= x >> 15;
    x *= 0x846ca68bu;
    x ^= x >> 16;
    return (float)(x >> 8) / 16777216.0f;
}

void formula_floats(float *x, size_t n, uint32_t seed) {
    for (size_t i = 0; i < n; i++) x[i] = formula_unit(seed, (uint32_t)i);
}

static void write_data(stk_safetensors_writer *file, const float *values, size_t n) {
    TEST_OK(stk_safetensors_writer_data(file, values, n * sizeof *values));
}

/* Weight and bias of convolution i; shape: of the weight. */
static void conv_shape(const lpips_net *net, int i, int64_t shape[4]) {
    const stk_frozen_layer *l = &net->layers[i];
    shape[0] = l->out_c;
    shape[1] = stk_frozen_in_channels(net->layers, i, 3);
    shape[2] = l->kernel_h;
    shape[3] = l->kernel_w;
}

static void declare_backbone(stk_safetensors_writer *file, const lpips_net *net,
                             formula_damage damage) {
    for (int i = 0; i < net->count; i++) {
        int64_t shape[4];
        char name[64];
        if (net->names[i] == NULL) continue;
        conv_shape(net, i, shape);
        if (i == 0 && damage == FORMULA_OTHER_SHAPE) shape[0]--;
        snprintf(name, sizeof name, "%s.weight", net->names[i]);
        TEST_OK(stk_safetensors_writer_declare(file, name, STK_F32, 4, shape));
        snprintf(name, sizeof name, "%s.bias", net->names[i]);
        const int last = net->count - 1 - (net->names[net->count - 1] == NULL);
        if (i == last && damage == FORMULA_LACKS_ONE) strcpy(name, "features.unheard_of.bias");
        TEST_OK(stk_safetensors_writer_declare(file, name, STK_F32, 1, shape));
    }
}

static void write_backbone(const char *path, const lpips_net *net, formula_damage damage) {
    stk_safetensors_writer *file;
    float *values = stk_calloc_aligned(512 * 512 * 9, sizeof *values);
    uint32_t seed = 1;
    assert_non_null(values);
    TEST_OK(stk_safetensors_writer_create(&file, path));
    declare_backbone(file, net, damage);
    for (int i = 0; i < net->count; i++) {
        int64_t shape[4];
        if (net->names[i] == NULL) continue;
        conv_shape(net, i, shape);
        if (i == 0 && damage == FORMULA_OTHER_SHAPE) shape[0]--;
        const size_t fan_in = (size_t)(shape[1] * shape[2] * shape[3]);
        const size_t n = (size_t)shape[0] * fan_in, out = (size_t)shape[0];
        const float bound = (float)sqrt(6.0 / (double)fan_in);
        formula_floats(values, n, seed++);
        for (size_t k = 0; k < n; k++) values[k] = (2 * values[k] - 1) * bound;
        write_data(file, values, n);
        formula_floats(values, out, seed++);
        for (size_t k = 0; k < out; k++) values[k] = (2 * values[k] - 1) * 0.1f;
        if (i == 0 && damage == FORMULA_NO_NUMBER) values[3] = NAN;
        write_data(file, values, out);
    }
    TEST_OK(stk_safetensors_writer_finish(&file));
    stk_free(values);
}

static void write_heads(const char *path, const lpips_net *net) {
    stk_safetensors_writer *file;
    float values[512];
    TEST_OK(stk_safetensors_writer_create(&file, path));
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < net->taps; i++) {
            char name[64];
            const int64_t shape[4] = {1, stk_frozen_channels(net->layers, net->tap[i], 3), 1, 1};
            snprintf(name, sizeof name, "lin%d.model.1.weight", i);
            if (pass == 0)
                TEST_OK(stk_safetensors_writer_declare(file, name, STK_F32, 4, shape));
            else {
                formula_floats(values, (size_t)shape[1], 1000 + (uint32_t)i);
                write_data(file, values, (size_t)shape[1]);
            }
        }
    TEST_OK(stk_safetensors_writer_finish(&file));
}

void formula_lpips_write(const char *folder, stk_lpips_net net, formula_damage damage,
                         char backbone[STK_PATH_MAX], char heads[STK_PATH_MAX]) {
    const lpips_net *n = lpips_net_get(net);
    char name[64];
    snprintf(name, sizeof name, "%s.safetensors", n->name);
    TEST_OK(stk_path_join(backbone, STK_PATH_MAX, folder, name));
    snprintf(name, sizeof name, "%s_heads.safetensors", n->name);
    TEST_OK(stk_path_join(heads, STK_PATH_MAX, folder, name));
    write_backbone(backbone, n, damage);
    write_heads(heads, n);
}

/* --- Inception v3 ----------------------------------------------------------------------------- */

static const struct {
    const char *part;
    float least, gain;
} norms[] = {{"bn.weight", 0.5f, 1},
             {"bn.bias", -0.1f, 0.2f},
             {"bn.running_mean", -0.1f, 0.2f},
             {"bn.running_var", 0.5f, 1}};

/* Declares a layer's tensors, or writes their values, made of the five seeds from `seed` on. */
static void put_layer(stk_safetensors_writer *file, const inception_table *t, int i, float *values,
                      uint32_t seed) {
    const stk_frozen_layer *l = &t->layer[i];
    const int64_t shape[4] = {l->out_c, stk_frozen_in_channels(t->layer, i, 3), l->kernel_h,
                              l->kernel_w};
    const size_t fan_in = (size_t)(shape[1] * shape[2] * shape[3]), out = (size_t)shape[0];
    const float bound = (float)sqrt(6.0 / (double)fan_in);
    char name[64];
    if (values == NULL) {
        snprintf(name, sizeof name, "%s.conv.weight", t->name[i]);
        TEST_OK(stk_safetensors_writer_declare(file, name, STK_F32, 4, shape));
    } else {
        formula_floats(values, out * fan_in, seed);
        for (size_t k = 0; k < out * fan_in; k++) values[k] = (2 * values[k] - 1) * bound;
        write_data(file, values, out * fan_in);
    }
    for (uint32_t n = 0; n < 4; n++) {
        snprintf(name, sizeof name, "%s.%s", t->name[i], norms[n].part);
        if (values == NULL) {
            TEST_OK(stk_safetensors_writer_declare(file, name, STK_F32, 1, shape));
            continue;
        }
        formula_floats(values, out, seed + 1 + n);
        for (size_t k = 0; k < out; k++) values[k] = norms[n].least + norms[n].gain * values[k];
        write_data(file, values, out);
    }
}

void formula_inception_write(const char *folder, formula_damage damage, char path[STK_PATH_MAX]) {
    inception_table *t = stk_calloc_aligned(1, sizeof *t);
    float *values = stk_calloc_aligned(448 * 384 * 9, sizeof *values);
    stk_safetensors_writer *file;
    assert_true(t != NULL && values != NULL);
    inception_table_fill(t);
    if (damage == FORMULA_LACKS_ONE) strcpy(t->name[0], "another");
    TEST_OK(stk_path_join(path, STK_PATH_MAX, folder, "inception.safetensors"));
    TEST_OK(stk_safetensors_writer_create(&file, path));
    for (int pass = 0; pass < 2; pass++) {
        uint32_t seed = 1;
        for (int i = 0; i < t->count; i++)
            if (t->name[i][0] != '\0') {
                put_layer(file, t, i, pass == 1 ? values : NULL, seed);
                seed += 5;
            }
    }
    TEST_OK(stk_safetensors_writer_finish(&file));
    stk_free(values);
    stk_free(t);
}
