/* inception.c - Inception v3's weights, found, checked, batch norms folded into them
 * (nn/norm.h), and pictures through it. See fid.h.
 */
#include "base/image.h"
#include "base/memory.h"
#include "metrics/fid.h"
#include "metrics/inception_private.h"
#include "nn/norm.h"
#include "nn/state_dict.h"
#include "nn/weights.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { COLOURS = 3, NORMS = 4 };
static const double NORM_EPSILON = 0.001;

struct stk_inception {
    inception_table table;
    stk_pool *pool;
    stk_frozen *net;
    int places, waiting;               /* pictures at a time; those pushed and not computed */
    float *features[STK_FID_PICTURES]; /* of those that wait */
    stk_status status[STK_FID_PICTURES];
};

/* --- weights ---------------------------------------------------------------------------------- */

/* A float tensor of this very shape. */
static stk_status read_tensor(const stk_state_dict *dict, const char *layer, const char *part,
                              const int64_t shape[4], float *out) {
    char name[2 * INCEPTION_NAME];
    const int rank = shape[1] > 0 ? 4 : 1;
    snprintf(name, sizeof name, "%s.%s", layer, part);
    const stk_state_tensor *tensor = stk_state_dict_find(dict, name);
    int good = tensor != NULL && tensor->rank == rank && tensor->dtype == STK_F32;
    for (int i = 0; good && i < rank; i++) good = tensor->shape[i] == shape[i];
    if (!good)
        return stk_fail(STK_ERR_WEIGHTS,
                        "%s: has no %s of the shape wanted, so it is another network",
                        stk_state_dict_path(dict), name);
    return stk_state_dict_read(dict, tensor, out);
}

typedef struct loading {
    float *block, *norms; /* norms [4][channels at most] */
    const float *weights[STK_FROZEN_LAYERS], *biases[STK_FROZEN_LAYERS];
} loading;

static size_t fan_in_of(const inception_table *t, int i) {
    const stk_frozen_layer *l = &t->layer[i];
    return (size_t)stk_frozen_in_channels(t->layer, i, COLOURS) * (size_t)l->kernel_h *
           (size_t)l->kernel_w;
}

static stk_status read_layer(const inception_table *t, int i, const stk_state_dict *dict,
                             loading *to, float **at) {
    static const char *const parts[NORMS] = {"bn.weight", "bn.bias", "bn.running_mean",
                                             "bn.running_var"};
    const stk_frozen_layer *l = &t->layer[i];
    const int64_t shape[4] = {l->out_c, stk_frozen_in_channels(t->layer, i, COLOURS), l->kernel_h,
                              l->kernel_w};
    const int64_t vector[4] = {l->out_c};
    const size_t fan_in = fan_in_of(t, i);
    float *weights = *at, *bias = weights + (size_t)l->out_c * fan_in;
    STK_TRY(read_tensor(dict, t->name[i], "conv.weight", shape, weights));
    for (int k = 0; k < NORMS; k++)
        STK_TRY(read_tensor(dict, t->name[i], parts[k], vector, to->norms + k * l->out_c));
    const float *norms = to->norms;
    const stk_norm fold = {
        norms, norms + l->out_c, norms + 2 * l->out_c, norms + 3 * l->out_c, NORM_EPSILON, 0};
    memset(bias, 0, (size_t)l->out_c * sizeof *bias);
    if (!stk_norm_fold(&fold, l->out_c, fan_in, weights, bias))
        return stk_fail(STK_ERR_WEIGHTS, "%s: is damaged (%s holds no numbers)",
                        stk_state_dict_path(dict), t->name[i]);
    to->weights[i] = weights;
    to->biases[i] = bias;
    *at = bias + l->out_c;
    return STK_OK;
}

static stk_status load(stk_inception *net, const stk_state_dict *dict, loading *to) {
    const inception_table *t = &net->table;
    size_t floats = 0;
    int most = 0;
    for (int i = 0; i < t->count; i++) {
        if (t->name[i][0] == '\0') continue;
        floats += (size_t)t->layer[i].out_c * (fan_in_of(t, i) + 1);
        if (t->layer[i].out_c > most) most = t->layer[i].out_c;
    }
    to->block = stk_calloc_aligned(floats, sizeof *to->block);
    to->norms = stk_calloc_aligned(NORMS * (size_t)most, sizeof *to->norms);
    if (to->block == NULL || to->norms == NULL) return stk_fail_memory("Inception");
    float *at = to->block;
    for (int i = 0; i < t->count; i++)
        if (t->name[i][0] != '\0') STK_TRY(read_layer(t, i, dict, to, &at));
    const stk_frozen_settings settings = {
        .layers = t->layer,
        .count = t->count,
        .weights = to->weights,
        .biases = to->biases,
        .height = STK_FID_SIDE,
        .width = STK_FID_SIDE,
        .channels = COLOURS,
        .micro = 1,
        .tasks = net->places,
    };
    return stk_frozen_create(&net->net, &settings);
}

stk_status stk_inception_open_file(stk_inception **out, const char *path, stk_pool *pool) {
    stk_state_dict *dict;
    *out = NULL;
    STK_TRY(stk_state_dict_open_without(&dict, path, "fc."));
    stk_inception *net = stk_calloc_aligned(1, sizeof *net);
    loading *to = stk_calloc_aligned(1, sizeof *to);
    stk_status status = net != NULL && to != NULL ? STK_OK : stk_fail_memory("Inception");
    if (status == STK_OK) {
        net->pool = pool;
        net->places = pool != NULL ? stk_pool_threads(pool) : 1;
        if (net->places > STK_FID_PICTURES) net->places = STK_FID_PICTURES;
        inception_table_fill(&net->table);
        status = load(net, dict, to);
    }
    if (to != NULL) stk_free(to->norms);
    if (to != NULL) stk_free(to->block);
    stk_free(to);
    stk_state_dict_close(&dict);
    if (status != STK_OK) stk_inception_close(&net);
    *out = net;
    return status;
}

stk_status stk_inception_open(stk_inception **out, const char *models, stk_pool *pool) {
    static const char *const names[] = {"pt_inception-2015-12-05-6726825d.pth"};
    char path[STK_PATH_MAX];
    *out = NULL;
    STK_TRY(stk_weights_find_hashed(models, names, 1, "the Inception network under FID", path));
    return stk_inception_open_file(out, path, pool);
}

void stk_inception_close(stk_inception **handle) {
    if (handle == NULL || *handle == NULL) return;
    stk_frozen_free(&(*handle)->net);
    stk_free(*handle);
    *handle = NULL;
}

/* --- pictures --------------------------------------------------------------------------------- */

/* Where sample number `at` of STK_FID_SIDE lies among n pixels: between *first and the one after
 * it, which is itself at the end; the share of the latter. */
static float place(int at, int n, int *first, int *second) {
    const float x = fmaxf(0, ((float)at + 0.5f) * ((float)n / STK_FID_SIDE) - 0.5f);
    *first = stk_clampi((int)x, 0, n - 1);
    *second = *first + 1 < n ? *first + 1 : *first;
    return x - (float)*first;
}

/* Bilinear, pixel centres at a half, no antialiasing, as torch's interpolate does; then 2x - 1. */
static void fill(const stk_image *picture, float *x) {
    for (int i = 0; i < STK_FID_SIDE; i++) {
        int y0, y1;
        const float down = place(i, picture->height, &y0, &y1);
        const uint8_t *upper = stk_image_row(picture, y0), *lower = stk_image_row(picture, y1);
        for (int j = 0; j < STK_FID_SIDE; j++, x += COLOURS) {
            int x0, x1;
            const float right = place(j, picture->width, &x0, &x1);
            for (int c = 0; c < COLOURS; c++) {
                const float a = (float)upper[COLOURS * x0 + c] * (1 - right) +
                                (float)upper[COLOURS * x1 + c] * right;
                const float b = (float)lower[COLOURS * x0 + c] * (1 - right) +
                                (float)lower[COLOURS * x1 + c] * right;
                x[c] = (a * (1 - down) + b * down) * (2.0f / 255) - 1;
            }
        }
    }
}

static void picture_task(void *context, int task, int worker) {
    stk_inception *net = context;
    const int last = net->table.count - 1;
    (void)worker;
    net->status[task] = stk_frozen_forward(net->net, task, 0, last);
    if (net->status[task] != STK_OK) return;
    const float *y = stk_frozen_output(net->net, task, last);
    for (int k = 0; k < STK_FID_FEATURES; k++) net->features[task][k] = y[k];
}

stk_status stk_inception_finish(stk_inception *net) {
    const int count = net->waiting;
    net->waiting = 0;
    stk_pool_run(net->pool, count, picture_task, net);
    for (int i = 0; i < count; i++)
        if (net->status[i] != STK_OK)
            return stk_fail(net->status[i], "a network layer of Inception could not be computed");
    return STK_OK;
}

void stk_inception_forget(stk_inception *net) {
    net->waiting = 0;
}

stk_status stk_inception_push(stk_inception *net, const stk_image *picture, float *features) {
    fill(picture, stk_frozen_input(net->net, net->waiting));
    net->features[net->waiting++] = features;
    return net->waiting == net->places ? stk_inception_finish(net) : STK_OK;
}
