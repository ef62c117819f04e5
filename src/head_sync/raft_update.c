/* raft_update.c - one iteration: what the correlations and the flow say of the motion, the
 * recurrent unit, the step of the flow.
 *
 *   taps [P][196] -1x1-> [96]; flow [2] -7x7-> [64] -3x3-> [32]; both -3x3-> [80]; with flow: 82
 *   u = [state 96 | context 64 | motion 82]
 *   z, r = sigmoid(3x3 u); q = tanh(3x3 [r state | context | motion])
 *   state <- (1 - z) state + z q;  flow <- flow + 3x3 R(3x3 state)
 *
 * The context is the same in all iterations and a convolution is linear: its 64 of the 242 columns
 * are applied once a picture (layer `context`, with the biases) and added before the activations.
 * That saves a quarter of the unit's work, which is two thirds of the whole.
 */
#include "head_sync/raft_private.h"

#include "base/memory.h"

#include <string.h>

enum { NINE = 9, COLUMNS = RAFT_STATE + RAFT_CONTEXT + STK_FLOW_MOTION };

/* --- creation --------------------------------------------------------------------------------- */

/* The unit's weights by destination: [z r][178][9], [q][178][9], [z r q][64][9] and biases. */
typedef struct unit_weights {
    float *moving, *context; /* [288][178][9], [288][64][9] */
    float bias[STK_FLOW_CONTEXT];
} unit_weights;

static stk_status read_unit(stk_raft_loader *loader, unit_weights *unit) {
    static const char *const names[3] = {"update_block.gru.convz", "update_block.gru.convr",
                                         "update_block.gru.convq"};
    const size_t state = RAFT_STATE * NINE, context = RAFT_CONTEXT * NINE;
    const size_t motion = STK_FLOW_MOTION * NINE;
    float *moving = unit->moving, *still = unit->context;
    for (int gate = 0; gate < 3; gate++) {
        STK_TRY(stk_raft_loader_read(loader, names[gate], COLUMNS, RAFT_STATE, 3));
        memcpy(unit->bias + gate * RAFT_STATE, loader->bias, RAFT_STATE * sizeof(float));
        const float *w = loader->weight;
        for (int o = 0; o < RAFT_STATE; o++, w += COLUMNS * NINE) {
            memcpy(moving, w, state * sizeof(float));
            memcpy(moving + state, w + state + context, motion * sizeof(float));
            memcpy(still, w + state, context * sizeof(float));
            moving += state + motion, still += context;
        }
    }
    return STK_OK;
}

static stk_status create_unit(stk_raft_update *update, stk_raft_loader *loader, int h, int w) {
    unit_weights unit;
    unit.moving = stk_calloc_aligned(STK_FLOW_CONTEXT * STK_FLOW_UNIT_IN * NINE, sizeof(float));
    unit.context = stk_calloc_aligned(STK_FLOW_CONTEXT * RAFT_CONTEXT * NINE, sizeof(float));
    stk_status status = unit.moving != NULL && unit.context != NULL
                            ? read_unit(loader, &unit)
                            : stk_fail_memory("optical flow");
    stk_raft_conv conv = {STK_FLOW_UNIT_IN, STK_FLOW_GATES, 3, 1, h, w, STK_ACT_NONE};
    if (status == STK_OK) status = stk_raft_conv_create(&update->gates, &conv, unit.moving, NULL);
    conv.out = RAFT_STATE;
    const size_t gates = (size_t)STK_FLOW_GATES * STK_FLOW_UNIT_IN * NINE;
    if (status == STK_OK)
        status = stk_raft_conv_create(&update->wanted, &conv, unit.moving + gates, NULL);
    conv.in = RAFT_CONTEXT, conv.out = STK_FLOW_CONTEXT;
    if (status == STK_OK)
        status = stk_raft_conv_create(&update->context, &conv, unit.context, unit.bias);
    stk_free(unit.moving);
    stk_free(unit.context);
    return status;
}

static stk_status create_layers(stk_raft_update *update, stk_raft_loader *loader, int h, int w) {
    const struct {
        stk_dnnl_layer **layer;
        const char *name;
        stk_raft_conv conv;
    } layers[] = {
        {&update->corr, "encoder.convc1", {RAFT_TAPS, 96, 1, 1, h, w, STK_ACT_RELU}},
        {&update->flow1, "encoder.convf1", {2, 64, 7, 1, h, w, STK_ACT_RELU}},
        {&update->flow2, "encoder.convf2", {64, 32, 3, 1, h, w, STK_ACT_RELU}},
        {&update->motion, "encoder.conv", {128, 80, 3, 1, h, w, STK_ACT_RELU}},
        {&update->head1, "flow_head.conv1", {96, 128, 3, 1, h, w, STK_ACT_RELU}},
        {&update->head2, "flow_head.conv2", {128, 2, 3, 1, h, w, STK_ACT_NONE}},
    };
    for (size_t i = 0; i < STK_ARRAY_SIZE(layers); i++) {
        char name[64] = "update_block.";
        strcat(name, layers[i].name);
        STK_TRY(stk_raft_conv_load(layers[i].layer, loader, name, &layers[i].conv));
    }
    return create_unit(update, loader, h, w);
}

stk_status stk_raft_update_create(stk_raft_update *update, stk_raft_loader *loader, int height,
                                  int width) {
    *update = (stk_raft_update){.pixels = height * width};
    const struct {
        float **block;
        size_t channels;
    } blocks[] = {
        {&update->taps, RAFT_TAPS},
        {&update->wide, STK_FLOW_GATES},
        {&update->joined, 128},
        {&update->small, RAFT_STATE},
        {&update->input, STK_FLOW_UNIT_IN},
        {&update->state, RAFT_STATE},
        {&update->flow, 2},
    };
    for (size_t i = 0; i < STK_ARRAY_SIZE(blocks); i++) {
        *blocks[i].block =
            stk_calloc_aligned((size_t)update->pixels * blocks[i].channels, sizeof(float));
        if (*blocks[i].block == NULL) return stk_fail_memory("optical flow");
    }
    return create_layers(update, loader, height, width);
}

void stk_raft_update_clear(stk_raft_update *update) {
    stk_dnnl_layer **layers[] = {&update->corr,    &update->flow1, &update->flow2,
                                 &update->motion,  &update->gates, &update->wanted,
                                 &update->context, &update->head1, &update->head2};
    float *blocks[] = {update->taps,  update->wide,  update->joined, update->small,
                       update->input, update->state, update->flow};
    for (size_t i = 0; i < STK_ARRAY_SIZE(layers); i++) stk_dnnl_layer_free(layers[i]);
    for (size_t i = 0; i < STK_ARRAY_SIZE(blocks); i++) stk_free(blocks[i]);
    *update = (stk_raft_update){0};
}

/* --- forward ---------------------------------------------------------------------------------- */

/* Columns [at, at + count) of rows of `stride` from dense rows of `count`. */
static void put_columns(int pixels, const float *from, int count, float *to, int stride) {
    for (int p = 0; p < pixels; p++, from += count, to += stride)
        memcpy(to, from, (size_t)count * sizeof(float));
}

/* taps and flow -> the motion columns of input. */
static stk_status run_motion(stk_raft_update *u) {
    STK_TRY(stk_dnnl_layer_run(u->corr, u->taps, u->small));
    put_columns(u->pixels, u->small, 96, u->joined, 128);
    STK_TRY(stk_dnnl_layer_run(u->flow1, u->flow, u->wide));
    STK_TRY(stk_dnnl_layer_run(u->flow2, u->wide, u->small));
    put_columns(u->pixels, u->small, 32, u->joined + 96, 128);
    STK_TRY(stk_dnnl_layer_run(u->motion, u->joined, u->wide));
    put_columns(u->pixels, u->wide, 80, u->input + RAFT_STATE, STK_FLOW_UNIT_IN);
    put_columns(u->pixels, u->flow, 2, u->input + RAFT_STATE + 80, STK_FLOW_UNIT_IN);
    return STK_OK;
}

stk_status stk_raft_context_run(const stk_raft_update *u, const float *context, float *added) {
    return stk_dnnl_layer_run(u->context, context, added);
}

stk_status stk_raft_update_run(stk_raft_update *u, const stk_flow_kernels *kernels,
                               const float *added) {
    STK_TRY(run_motion(u));
    put_columns(u->pixels, u->state, RAFT_STATE, u->input, STK_FLOW_UNIT_IN);
    STK_TRY(stk_dnnl_layer_run(u->gates, u->input, u->wide));
    kernels->unit_reset(u->pixels, added, u->state, u->wide, u->input);
    STK_TRY(stk_dnnl_layer_run(u->wanted, u->input, u->small));
    kernels->unit_update(u->pixels, added, u->wide, u->small, u->state);
    STK_TRY(stk_dnnl_layer_run(u->head1, u->state, u->joined));
    STK_TRY(stk_dnnl_layer_run(u->head2, u->joined, u->small));
    for (int i = 0; i < 2 * u->pixels; i++) u->flow[i] += u->small[i];
    return STK_OK;
}
