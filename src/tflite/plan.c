/* plan.c - where every variable tensor lies: one block, places reused once a tensor has been read
 * last.
 *
 * Tensors are placed in the order of their first write, each at the lowest place that is free
 * during its whole life (first fit). Inputs and outputs keep their places for good, so that a
 * caller may read and write them between runs. An element-wise operator whose first input is read
 * for the last time writes over it. With keep_all nothing is reused (tests look at every tensor).
 */
#include "tflite/graph.h"

#include <stdlib.h>
#include <string.h>

enum { LINE = 16 }; /* floats of a cache line */
#define MAX_FLOATS ((size_t)1 << 28) /* 1 GiB of activations: a hostile file is refused above it */

typedef struct place {
    size_t at, size;
    int first, last;
} place;

static stk_status find_lives(stk_tflite *graph) {
    for (int i = 0; i < graph->op_count; i++) {
        const stk_tfl_op *op = &graph->ops[i];
        if (op->run == NULL) continue;
        for (int k = 0; k < op->in_count; k++) {
            stk_tfl_tensor *in = op->in[k];
            if (in == NULL || in->constant) continue;
            if (in->first < 0 && !in->input)
                return stk_tfl_refuse(graph, op, "it reads a tensor that nothing has written");
            in->last = i;
        }
        for (int k = 0; k < op->out_count; k++) {
            stk_tfl_tensor *out = op->out[k];
            if (out->first >= 0 || out->input || out->constant)
                return stk_tfl_refuse(graph, op, "it writes a tensor that is already written");
            out->first = out->last = i;
        }
    }
    for (int i = 0; i < graph->tensor_count; i++) {
        stk_tfl_tensor *tensor = &graph->tensors[i];
        if (tensor->output && tensor->first < 0 && !tensor->input && !tensor->constant)
            return stk_tfl_refuse(graph, NULL, "an output that nothing computes");
        if (tensor->input || tensor->output || graph->keep_all) {
            tensor->first = tensor->first < 0 && !tensor->input ? -1 : 0;
            tensor->last = graph->op_count;
        }
        if (tensor->input) tensor->first = 0;
    }
    return STK_OK;
}

/* Lowest place for `wanted` among the places that live at the same time; places are sorted by
 * `at`. */
static size_t first_fit(const place *places, int n, const place *wanted) {
    size_t at = 0;
    for (int i = 0; i < n; i++) {
        if (places[i].last < wanted->first || places[i].first > wanted->last) continue;
        if (places[i].at >= at + wanted->size) break;
        if (places[i].at + places[i].size > at) at = places[i].at + places[i].size;
    }
    return at;
}

/* Places one tensor, keeping the list sorted by address. */
static size_t place_tensor(place *places, int n, const stk_tfl_tensor *tensor) {
    place wanted = {.size = (tensor->count + LINE - 1) / LINE * LINE, .first = tensor->first,
                    .last = tensor->last};
    wanted.at = first_fit(places, n, &wanted);
    int slot = n;
    while (slot > 0 && places[slot - 1].at > wanted.at) {
        places[slot] = places[slot - 1];
        slot--;
    }
    places[slot] = wanted;
    return wanted.at;
}

/* The output of an element-wise operator takes over the place of in[0] when that dies there and
 * lives nowhere else in the operator; 1 when it did. The other operand must not be the same
 * tensor. */
static int take_over(stk_tflite *graph, place *places, int n, int step, size_t *at, int tensor) {
    const stk_tfl_op *op = &graph->ops[step];
    const stk_tfl_tensor *in = op->in_count > 0 ? op->in[0] : NULL, *out = &graph->tensors[tensor];
    if (op->run == NULL || !op->in_place || in == NULL || in->constant || in->last != step ||
        op->out[0] != out || out->count != in->count || out->output ||
        (op->in_count > 1 && op->in[1] == in))
        return 0;
    at[tensor] = at[in - graph->tensors];
    for (int i = 0; i < n; i++)
        if (places[i].at == at[tensor] && places[i].last == step && places[i].first <= in->first)
            places[i].last = out->last;
    return 1;
}

/* Tensors in the order of their first write; offsets are kept in `at`. */
static stk_status place_all(stk_tflite *graph, place *places, size_t *at, size_t *total) {
    int n = 0;
    *total = 0;
    for (int step = 0; step < graph->op_count; step++)
        for (int i = 0; i < graph->tensor_count; i++) {
            const stk_tfl_tensor *tensor = &graph->tensors[i];
            if (tensor->constant || tensor->first != step) continue;
            if (take_over(graph, places, n, step, at, i)) continue;
            at[i] = place_tensor(places, n++, tensor);
            size_t end = at[i] + (tensor->count + LINE - 1) / LINE * LINE;
            if (end > *total) *total = end;
            if (*total > MAX_FLOATS)
                return stk_tfl_refuse(graph, NULL, "it asks for too much memory");
        }
    return STK_OK;
}

stk_status stk_tfl_plan(stk_tflite *graph) {
    STK_TRY(find_lives(graph));
    size_t n = (size_t)graph->tensor_count, total = 0;
    place *places = stk_calloc_aligned(n + 1, sizeof *places);
    size_t *at = stk_calloc_aligned(n + 1, sizeof *at);
    stk_status status = places != NULL && at != NULL ? place_all(graph, places, at, &total)
                                                     : stk_fail_memory(graph->label);
    if (status == STK_OK) {
        graph->block = stk_calloc_aligned(total + LINE, sizeof(float));
        if (graph->block == NULL) status = stk_fail_memory(graph->label);
    }
    for (size_t i = 0; i < n && status == STK_OK; i++)
        if (!graph->tensors[i].constant && graph->tensors[i].first >= 0)
            graph->tensors[i].data = graph->block + at[i];
    stk_free(places);
    stk_free(at);
    return status;
}
