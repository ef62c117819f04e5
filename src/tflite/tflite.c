/* tflite.c - opens, runs and closes a graph. See tflite.h and graph.h. */
#include "tflite/graph.h"

#include <string.h>

stk_status stk_tflite_open_as(stk_tflite **out, const void *bytes, size_t size, const char *label,
                              stk_tflite_options options) {
    *out = NULL;
    stk_tflite *graph = stk_calloc_aligned(1, sizeof *graph);
    if (graph == NULL) return stk_fail_memory(label);
    graph->label = label;
    graph->file = (stk_flatbuffer){bytes, size, 0};
    graph->reference = options.reference;
    graph->keep_all = options.keep_all;
    stk_status status = stk_tfl_parse(graph);
    for (int i = 0; i < graph->op_count && status == STK_OK; i++)
        status = stk_tfl_prepare_op(graph, &graph->ops[i]);
    if (status == STK_OK) status = stk_tfl_plan(graph);
    if (status != STK_OK) {
        stk_tflite_close(&graph);
        return status;
    }
    *out = graph;
    return STK_OK;
}

stk_status stk_tflite_open(stk_tflite **graph, const void *bytes, size_t size, const char *label) {
    return stk_tflite_open_as(graph, bytes, size, label, (stk_tflite_options){0});
}

void stk_tflite_close(stk_tflite **handle) {
    if (handle == NULL || *handle == NULL) return;
    stk_tflite *graph = *handle;
    for (int i = 0; i < graph->op_count; i++) {
        stk_dnnl_layer_free(&graph->ops[i].layer);
        stk_free(graph->ops[i].owned);
    }
    stk_free(graph->constants);
    stk_free(graph->integers);
    stk_free(graph->block);
    stk_arena_clear(&graph->parsed);
    stk_free(graph);
    *handle = NULL;
}

stk_status stk_tflite_run(stk_tflite *graph) {
    for (int i = 0; i < graph->op_count; i++)
        if (graph->ops[i].run != NULL) STK_TRY(graph->ops[i].run(&graph->ops[i]));
    return STK_OK;
}

static stk_tflite_tensor expose(const stk_tfl_tensor *tensor) {
    stk_tflite_tensor view = {.name = tensor->name, .rank = tensor->rank, .data = tensor->data,
                              .count = tensor->count};
    memcpy(view.shape, tensor->shape, sizeof view.shape);
    return view;
}

int stk_tflite_input_count(const stk_tflite *graph) { return graph->input_count; }
int stk_tflite_output_count(const stk_tflite *graph) { return graph->output_count; }

stk_tflite_tensor stk_tflite_input(stk_tflite *graph, int index) {
    if (index < 0 || index >= graph->input_count) return (stk_tflite_tensor){0};
    return expose(&graph->tensors[graph->inputs[index]]);
}

stk_tflite_tensor stk_tflite_output(stk_tflite *graph, int index) {
    if (index < 0 || index >= graph->output_count) return (stk_tflite_tensor){0};
    return expose(&graph->tensors[graph->outputs[index]]);
}

stk_tflite_tensor stk_tflite_output_named(stk_tflite *graph, const char *name) {
    for (int i = 0; i < graph->output_count; i++)
        if (strstr(graph->tensors[graph->outputs[i]].name, name) != NULL)
            return stk_tflite_output(graph, i);
    return (stk_tflite_tensor){0};
}

int stk_tflite_op_count(const stk_tflite *graph) { return graph->op_count; }

const char *stk_tflite_op_name(const stk_tflite *graph, int op) { return graph->ops[op].name; }

stk_status stk_tflite_op_run(stk_tflite *graph, int op) {
    return graph->ops[op].run != NULL ? graph->ops[op].run(&graph->ops[op]) : STK_OK;
}

stk_tflite_tensor stk_tflite_op_input(stk_tflite *graph, int op, int index) {
    const stk_tfl_op *entry = &graph->ops[op];
    if (index < 0 || index >= entry->in_count || entry->in[index] == NULL)
        return (stk_tflite_tensor){0};
    return expose(entry->in[index]);
}

stk_tflite_tensor stk_tflite_op_output(stk_tflite *graph, int op, int index) {
    const stk_tfl_op *entry = &graph->ops[op];
    return index < 0 || index >= entry->out_count ? (stk_tflite_tensor){0}
                                                  : expose(entry->out[index]);
}
