/* raft_file.c - see raft_file.h. */
#include "raft_file.h"
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/rng.h"
#include "nn/safetensors.h"

enum { CONVS = 2 * 22 + 9, VALUES_MAX = 96 * 242 * 9 };

typedef struct conv_name {
    char name[80];
    int out, in, kernel;
} conv_name;

static int list_encoder(conv_name *list, const char *net, int last) {
    static const int widths[] = {32, 32, 64, 96};
    int n = 0;
    snprintf(list[n].name, sizeof list[n].name, "module.%s.conv1", net);
    list[n].out = 32, list[n].in = 3, list[n++].kernel = 7;
    for (int block = 0; block < 6; block++) {
        const int stage = block / 2 + 1, out = widths[stage];
        const int in = block % 2 ? out : widths[stage - 1];
        const int shapes[4][3] = {
            {out / 4, in, 1}, {out / 4, out / 4, 3}, {out, out / 4, 1}, {out, in, 1}};
        for (int k = 0; k < (block == 2 || block == 4 ? 4 : 3); k++, n++) {
            char part[16];
            snprintf(part, sizeof part, k < 3 ? "conv%d" : "downsample.0", k + 1);
            snprintf(list[n].name, sizeof list[n].name, "module.%s.layer%d.%d.%s", net, stage,
                     block % 2, part);
            list[n].out = shapes[k][0], list[n].in = shapes[k][1], list[n].kernel = shapes[k][2];
        }
    }
    snprintf(list[n].name, sizeof list[n].name, "module.%s.conv2", net);
    list[n].out = last, list[n].in = 96, list[n++].kernel = 1;
    return n;
}

static int list_all(conv_name list[CONVS]) {
    static const conv_name update[] = {
        {"encoder.convc1", 96, 196, 1}, {"encoder.convf1", 64, 2, 7},
        {"encoder.convf2", 32, 64, 3},  {"encoder.conv", 80, 128, 3},
        {"gru.convz", 96, 242, 3},      {"gru.convr", 96, 242, 3},
        {"gru.convq", 96, 242, 3},      {"flow_head.conv1", 128, 96, 3},
        {"flow_head.conv2", 2, 128, 3},
    };
    int n = list_encoder(list, "fnet", 128);
    n += list_encoder(list + n, "cnet", 160);
    for (size_t i = 0; i < sizeof update / sizeof update[0]; i++, n++) {
        list[n] = update[i];
        strcpy(list[n].name, "module.update_block.");
        strcat(list[n].name, update[i].name);
    }
    return n;
}

typedef struct raft_writer {
    stk_safetensors_writer *file;
    stk_rng rng;
    float *values;
    raft_damage damage;
} raft_writer;

/* First all declarations (values == 0), then all values. */
static void put_tensor(raft_writer *w, const conv_name *conv, int bias, int values) {
    char name[100];
    int out = conv->out;
    strcpy(name, conv->name);
    strcat(name, bias ? ".bias" : ".weight");
    if (w->damage == RAFT_LACKS_ONE && strcmp(name, "module.update_block.gru.convq.weight") == 0)
        return;
    if (w->damage == RAFT_OTHER_SHAPE && strcmp(name, "module.fnet.conv2.weight") == 0) out = 127;
    const int64_t shape[4] = {out, conv->in, conv->kernel, conv->kernel};
    if (!values) {
        TEST_OK(stk_safetensors_writer_declare(w->file, name, STK_F32, bias ? 1 : 4, shape));
        return;
    }
    const int fan = conv->in * conv->kernel * conv->kernel, count = bias ? out : out * fan;
    const float scale = sqrtf(3.0f / (float)fan);
    for (int i = 0; i < count; i++) w->values[i] = scale * (2 * stk_rng_float(&w->rng) - 1);
    if (w->damage == RAFT_NO_NUMBER && strcmp(name, "module.cnet.conv1.bias") == 0)
        w->values[3] = NAN;
    TEST_OK(stk_safetensors_writer_data(w->file, w->values, (size_t)count * sizeof(float)));
}

const char *raft_file_write(const char *folder, raft_damage damage) {
    static char path[STK_PATH_MAX];
    static conv_name list[CONVS];
    raft_writer writer = {.damage = damage};
    const int n = list_all(list);
    snprintf(path, sizeof path, "%s/raft.safetensors", folder);
    stk_rng_seed(&writer.rng, 17, 0);
    writer.values = stk_calloc_aligned(VALUES_MAX, sizeof(float));
    TEST_OK(stk_safetensors_writer_create(&writer.file, path));
    for (int values = 0; values < 2; values++)
        for (int i = 0; i < n; i++) {
            put_tensor(&writer, &list[i], 0, values);
            put_tensor(&writer, &list[i], 1, values);
        }
    TEST_OK(stk_safetensors_writer_finish(&writer.file));
    stk_free(writer.values);
    return path;
}
