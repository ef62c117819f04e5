/* frozen.c - shapes, memory and primitives of a frozen network. See frozen.h. */
#include "nn/frozen.h"
#include "base/memory.h"
#include "nn/frozen_private.h"

/* --- shapes ----------------------------------------------------------------------------------- */

int stk_frozen_channels(const stk_frozen_layer *layers, int layer, int channels) {
    if (layer == STK_FROZEN_INPUT) return channels;
    const stk_frozen_layer *l = &layers[layer];
    if (l->kind == STK_FROZEN_CONV) return l->out_c;
    int sum = 0;
    for (int i = 0; i < l->sources; i++) sum += stk_frozen_channels(layers, l->from[i], channels);
    return sum;
}

int stk_frozen_in_channels(const stk_frozen_layer *layers, int layer, int channels) {
    return stk_frozen_channels(layers, layers[layer].from[0], channels);
}

static void source_shape(const stk_frozen *net, int source, int shape[3]) {
    const stk_frozen_settings *s = &net->settings;
    const int input = source == STK_FROZEN_INPUT;
    shape[0] = input ? s->height : net->node[source].h;
    shape[1] = input ? s->width : net->node[source].w;
    shape[2] = input ? s->channels : net->node[source].c;
}

/* Windows along one side; 0 when none fits. */
static int windows(const stk_frozen_layer *l, int in, int kernel, int pad) {
    const int room = in + 2 * pad - kernel;
    if (room < 0) return 0;
    int n = (room + (l->part ? l->stride - 1 : 0)) / l->stride + 1;
    if ((n - 1) * l->stride >= in + pad) n--; /* a window must begin inside */
    return n;
}

static stk_status set_shapes(stk_frozen *net) {
    const stk_frozen_settings *s = &net->settings;
    for (int i = 0; i < s->count; i++) {
        const stk_frozen_layer *l = &s->layers[i];
        frozen_node *node = &net->node[i];
        int in[3];
        source_shape(net, l->from[0], in);
        node->h = l->kind == STK_FROZEN_JOIN ? in[0] : windows(l, in[0], l->kernel_h, l->pad_h);
        node->w = l->kind == STK_FROZEN_JOIN ? in[1] : windows(l, in[1], l->kernel_w, l->pad_w);
        node->c = stk_frozen_channels(s->layers, i, s->channels);
        if (node->h <= 0 || node->w <= 0)
            return stk_fail(STK_ERR_ARGUMENT,
                            "a picture of %dx%d is too small for the network (its layer %d)",
                            s->width, s->height, i);
        if (l->kind == STK_FROZEN_AVERAGE_POOL && s->graded > 0)
            return stk_fail(STK_ERR_ARGUMENT, "no way back through an average pool");
        node->floats = (size_t)s->micro * (size_t)node->h * (size_t)node->w * (size_t)node->c;
        node->last_use = s->count;
        for (int k = 0; k < l->sources; k++)
            if (l->from[k] != STK_FROZEN_INPUT) net->node[l->from[k]].last_use = i;
    }
    net->input_floats =
        (size_t)s->micro * (size_t)s->height * (size_t)s->width * (size_t)s->channels;
    return STK_OK;
}

/* Which buffer each layer writes where memory is used again: the largest that nobody reads any
 * more, else a new one. */
static void share_slots(stk_frozen *net) {
    int until[STK_FROZEN_LAYERS]; /* the last layer that reads what the slot holds */
    for (int i = 0; i < net->settings.count; i++) {
        frozen_node *node = &net->node[i];
        int best = -1;
        for (int k = 0; k < net->slots; k++)
            if (until[k] < i && (best < 0 || net->slot_floats[k] > net->slot_floats[best]))
                best = k;
        if (best < 0) best = net->slots++;
        node->slot = best;
        until[best] = node->last_use;
        if (net->slot_floats[best] < node->floats) net->slot_floats[best] = node->floats;
    }
}

/* --- memory ----------------------------------------------------------------------------------- */

static stk_status take(float **block, size_t floats) {
    *block = stk_calloc_aligned(floats, sizeof **block);
    return *block != NULL ? STK_OK : stk_fail_memory("network layer");
}

static stk_status create_conv(stk_frozen *net, int i) {
    const stk_frozen_settings *s = &net->settings;
    const stk_frozen_layer *l = &s->layers[i];
    int in[3];
    source_shape(net, l->from[0], in);
    const stk_conv_shape shape = {
        .batch = s->micro,
        .in_h = in[0],
        .in_w = in[1],
        .in_c = in[2],
        .out_h = net->node[i].h,
        .out_w = net->node[i].w,
        .out_c = net->node[i].c,
        .kernel_h = l->kernel_h,
        .kernel_w = l->kernel_w,
        .stride_h = l->stride,
        .stride_w = l->stride,
        .dilation_h = 1,
        .dilation_w = 1,
        .pad_top = l->pad_h,
        .pad_left = l->pad_w,
        .pad_bottom = l->pad_h,
        .pad_right = l->pad_w,
        .groups = 1,
    };
    return frozen_conv_create(&net->node[i].conv, &shape, s->weights[i], s->biases[i], s->tasks,
                              s->graded > 0);
}

static stk_status create_graded(stk_frozen *net, frozen_task *t) {
    size_t most = net->input_floats;
    for (int i = 0; i < net->settings.count; i++) {
        STK_TRY(take(&t->y[i], net->node[i].floats));
        STK_TRY(take(&t->dy[i], net->node[i].floats));
        if (net->node[i].floats > most) most = net->node[i].floats;
    }
    STK_TRY(take(&t->dx, net->input_floats));
    return take(&t->more, most);
}

static stk_status create_task(stk_frozen *net, int task, size_t scratch) {
    frozen_task *t = &net->task[task];
    STK_TRY(take(&t->input, net->input_floats));
    t->scratch = stk_calloc_aligned(scratch, 1);
    if (t->scratch == NULL) return stk_fail_memory("network scratch");
    if (task < net->settings.graded) return create_graded(net, t);
    for (int i = 0; i < net->slots; i++) STK_TRY(take(&t->slots[i], net->slot_floats[i]));
    for (int i = 0; i < net->settings.count; i++) t->y[i] = t->slots[net->node[i].slot];
    return STK_OK;
}

static stk_status build(stk_frozen *net) {
    const stk_frozen_settings *s = &net->settings;
    if (s->count < 1 || s->count > STK_FROZEN_LAYERS || s->micro < 1 || s->tasks < 1 ||
        s->graded > s->tasks)
        return stk_fail(STK_ERR_ARGUMENT, "a network of %d layers and %d tasks is not possible",
                        s->count, s->tasks);
    STK_TRY(set_shapes(net));
    share_slots(net);
    net->task = stk_calloc_aligned((size_t)s->tasks, sizeof *net->task);
    if (net->task == NULL) return stk_fail_memory("network");
    size_t scratch = 1;
    for (int i = 0; i < s->count; i++) {
        if (s->layers[i].kind != STK_FROZEN_CONV) continue;
        STK_TRY(create_conv(net, i));
        const size_t wanted = frozen_conv_scratch(net->node[i].conv);
        if (wanted > scratch) scratch = wanted;
    }
    for (int i = 0; i < s->tasks; i++) STK_TRY(create_task(net, i, scratch));
    return STK_OK;
}

stk_status stk_frozen_create(stk_frozen **out, const stk_frozen_settings *settings) {
    *out = NULL;
    stk_frozen *net = stk_calloc_aligned(1, sizeof *net);
    if (net == NULL) return stk_fail_memory("network");
    net->settings = *settings;
    const stk_status status = build(net);
    net->settings.weights = net->settings.biases = NULL; /* the caller's */
    if (status != STK_OK) stk_frozen_free(&net);
    *out = net;
    return status;
}

static void free_task(stk_frozen *net, int task) {
    frozen_task *t = &net->task[task];
    stk_free(t->input);
    stk_free(t->scratch);
    stk_free(t->dx);
    stk_free(t->more);
    for (int i = 0; i < STK_FROZEN_LAYERS; i++) {
        if (task < net->settings.graded) stk_free(t->y[i]);
        stk_free(t->dy[i]);
        stk_free(t->slots[i]);
    }
}

void stk_frozen_free(stk_frozen **handle) {
    if (handle == NULL || *handle == NULL) return;
    stk_frozen *net = *handle;
    for (int i = 0; net->task != NULL && i < net->settings.tasks; i++) free_task(net, i);
    for (int i = 0; i < STK_FROZEN_LAYERS; i++) frozen_conv_free(&net->node[i].conv);
    stk_free(net->task);
    stk_free(net);
    *handle = NULL;
}

/* --- what is there ---------------------------------------------------------------------------- */

void stk_frozen_shape(const stk_frozen *net, int layer, int shape[3]) {
    source_shape(net, layer, shape);
}

float *stk_frozen_input(stk_frozen *net, int task) {
    return net->task[task].input;
}

const float *stk_frozen_output(const stk_frozen *net, int task, int layer) {
    return net->task[task].y[layer];
}

void stk_frozen_kernels(const stk_frozen *net, int layer, const char *names[2]) {
    names[0] = names[1] = "none";
    if (net->node[layer].conv != NULL) frozen_conv_kernels(net->node[layer].conv, names);
}
