/* chain.c - see chain.h. */
#include "nn/chain.h"
#include "base/memory.h"
#include "nn/dnnl.h"
#include "nn/norm.h"

static const double NORM_EPSILON = 1e-5;

struct stk_chain {
    stk_dnnl_layer *layers[STK_STACK_BLOCKS];
    float *acts[2]; /* [batch][largest block's output], block b writes acts[b % 2] */
    float *input;
    int n;
};

static float *tensor_of(const stk_stack *stack, int index) {
    return stk_params_value(stack->params, index);
}

/* Weights [out][in][kh][kw] and bias [out] in place; 0 when one is not a number. */
static int fold_block(const stk_stack *stack, int i) {
    const stk_stack_block *b = &stack->blocks[i];
    const stk_stack_layer *l = &stack->layer[i];
    const int taps = b->kernel_h * b->kernel_w;
    const stk_norm norm = {.gain = tensor_of(stack, l->gain),
                           .shift = tensor_of(stack, l->shift),
                           .mean = tensor_of(stack, l->mean),
                           .variance = tensor_of(stack, l->variance),
                           .epsilon = NORM_EPSILON,
                           .taps = b->residual ? taps : 0};
    return stk_norm_fold(&norm, b->out_c, (size_t)(b->in_c * taps), tensor_of(stack, l->weight),
                         tensor_of(stack, l->bias));
}

static stk_status create_layer(const stk_stack *stack, int i, int batch, stk_dnnl_layer **layer) {
    const stk_stack_block *b = &stack->blocks[i];
    const stk_conv_shape shape = stk_stack_conv_shape(b, batch);
    return stk_dnnl_conv_create(
        layer, &shape, STK_CONV_OIHW, tensor_of(stack, stack->layer[i].weight),
        tensor_of(stack, stack->layer[i].bias), b->relu ? STK_ACT_RELU : STK_ACT_NONE);
}

static stk_status fill(stk_chain *chain, const stk_stack *stack, int batch, const char *label) {
    size_t largest = 0;
    for (int i = 0; i < stack->n; i++) {
        if (!stack->blocks[i].norm || stack->blocks[i].up)
            return stk_fail(STK_ERR_ARGUMENT, "%s: block %d is not one that folds", label, i);
        if (!fold_block(stack, i))
            return stk_fail(STK_ERR_WEIGHTS, "%s: is damaged (block %d holds no numbers)", label,
                            i);
        STK_TRY(create_layer(stack, i, batch, &chain->layers[i]));
        if (stack->layer[i].out_floats > largest) largest = stack->layer[i].out_floats;
    }
    chain->acts[0] = stk_calloc_aligned((size_t)batch * largest, sizeof(float));
    chain->acts[1] = stk_calloc_aligned((size_t)batch * largest, sizeof(float));
    chain->input = stk_calloc_aligned((size_t)batch * stack->layer[0].in_floats, sizeof(float));
    return chain->acts[0] != NULL && chain->acts[1] != NULL && chain->input != NULL
               ? STK_OK
               : stk_fail_memory(label);
}

stk_status stk_chain_create(stk_chain **out, const stk_stack *stack, int batch, const char *label) {
    stk_chain *chain = stk_calloc_aligned(1, sizeof *chain);
    *out = NULL;
    if (chain == NULL) return stk_fail_memory(label);
    chain->n = stack->n;
    stk_status status = fill(chain, stack, batch, label);
    if (status != STK_OK) stk_chain_free(&chain);
    *out = chain;
    return status;
}

void stk_chain_free(stk_chain **handle) {
    if (handle == NULL || *handle == NULL) return;
    stk_chain *chain = *handle;
    for (int i = 0; i < chain->n; i++) stk_dnnl_layer_free(&chain->layers[i]);
    stk_free(chain->acts[0]);
    stk_free(chain->acts[1]);
    stk_free(chain->input);
    stk_free(chain);
    *handle = NULL;
}

float *stk_chain_input(stk_chain *chain) {
    return chain->input;
}

stk_status stk_chain_run(stk_chain *chain, int last, const float **y) {
    const float *x = chain->input;
    if (last < 0) last = chain->n - 1;
    for (int i = 0; i <= last; i++) {
        STK_TRY(stk_dnnl_layer_run(chain->layers[i], x, chain->acts[i % 2]));
        x = chain->acts[i % 2];
    }
    *y = x;
    return STK_OK;
}
