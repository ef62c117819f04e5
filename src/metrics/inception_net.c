/* inception_net.c - Inception v3 [Szegedy et al. 2015] in torchvision's layout and names, with the
 * pools of TensorFlow's network, of which the weights are (pytorch-fid's FIDInception blocks).
 *
 *   299x299x3 -> stem 35x35x192 -> 3 blocks A 35x35x288 -> B -> 4 blocks C 17x17x768 -> D
 *     -> 2 blocks E 8x8x2048 -> mean 2048
 */
#include "metrics/inception_private.h"

#include <stdio.h>
#include <string.h>

/* Kernel height and width, stride, pads. */
typedef enum shape { K1, K3, K3_PAD, K3_STEP, K5, K17, K71, K13, K31 } shape;
static const int shapes[][5] = {
    [K1] = {1, 1, 1, 0, 0},      [K3] = {3, 3, 1, 0, 0},  [K3_PAD] = {3, 3, 1, 1, 1},
    [K3_STEP] = {3, 3, 2, 0, 0}, [K5] = {5, 5, 1, 2, 2},  [K17] = {1, 7, 1, 0, 3},
    [K71] = {7, 1, 1, 3, 0},     [K13] = {1, 3, 1, 0, 1}, [K31] = {3, 1, 1, 1, 0},
};

static int add(inception_table *t, stk_frozen_kind kind, int from, int out, shape s) {
    t->layer[t->count] = (stk_frozen_layer){
        .kind = kind,
        .sources = 1,
        .from = {from},
        .out_c = out,
        .kernel_h = shapes[s][0],
        .kernel_w = shapes[s][1],
        .stride = shapes[s][2],
        .pad_h = shapes[s][3],
        .pad_w = shapes[s][4],
    };
    return t->count++;
}

/* A convolution "<block>.<branch>"; branch NULL: "<block>". */
static int conv(inception_table *t, int from, const char *block, const char *branch, int out,
                shape s) {
    snprintf(t->name[t->count], INCEPTION_NAME, "%s%s%s", block, branch != NULL ? "." : "",
             branch != NULL ? branch : "");
    return add(t, STK_FROZEN_CONV, from, out, s);
}

static int join(inception_table *t, const int *from, int sources) {
    stk_frozen_layer *l = &t->layer[t->count];
    *l = (stk_frozen_layer){.kind = STK_FROZEN_JOIN, .sources = sources};
    memcpy(l->from, from, (size_t)sources * sizeof *from);
    return t->count++;
}

static int block_a(inception_table *t, int x, const char *name, int pooled) {
    int y[4];
    y[0] = conv(t, x, name, "branch1x1", 64, K1);
    y[1] = conv(t, x, name, "branch5x5_1", 48, K1);
    y[1] = conv(t, y[1], name, "branch5x5_2", 64, K5);
    y[2] = conv(t, x, name, "branch3x3dbl_1", 64, K1);
    y[2] = conv(t, y[2], name, "branch3x3dbl_2", 96, K3_PAD);
    y[2] = conv(t, y[2], name, "branch3x3dbl_3", 96, K3_PAD);
    y[3] = add(t, STK_FROZEN_AVERAGE_POOL, x, 0, K3_PAD);
    y[3] = conv(t, y[3], name, "branch_pool", pooled, K1);
    return join(t, y, 4);
}

static int block_b(inception_table *t, int x, const char *name) {
    int y[3];
    y[0] = conv(t, x, name, "branch3x3", 384, K3_STEP);
    y[1] = conv(t, x, name, "branch3x3dbl_1", 64, K1);
    y[1] = conv(t, y[1], name, "branch3x3dbl_2", 96, K3_PAD);
    y[1] = conv(t, y[1], name, "branch3x3dbl_3", 96, K3_STEP);
    y[2] = add(t, STK_FROZEN_MAX_POOL, x, 0, K3_STEP);
    return join(t, y, 3);
}

static int block_c(inception_table *t, int x, const char *name, int narrow) {
    int y[4];
    y[0] = conv(t, x, name, "branch1x1", 192, K1);
    y[1] = conv(t, x, name, "branch7x7_1", narrow, K1);
    y[1] = conv(t, y[1], name, "branch7x7_2", narrow, K17);
    y[1] = conv(t, y[1], name, "branch7x7_3", 192, K71);
    y[2] = conv(t, x, name, "branch7x7dbl_1", narrow, K1);
    y[2] = conv(t, y[2], name, "branch7x7dbl_2", narrow, K71);
    y[2] = conv(t, y[2], name, "branch7x7dbl_3", narrow, K17);
    y[2] = conv(t, y[2], name, "branch7x7dbl_4", narrow, K71);
    y[2] = conv(t, y[2], name, "branch7x7dbl_5", 192, K17);
    y[3] = add(t, STK_FROZEN_AVERAGE_POOL, x, 0, K3_PAD);
    y[3] = conv(t, y[3], name, "branch_pool", 192, K1);
    return join(t, y, 4);
}

static int block_d(inception_table *t, int x, const char *name) {
    int y[3];
    y[0] = conv(t, x, name, "branch3x3_1", 192, K1);
    y[0] = conv(t, y[0], name, "branch3x3_2", 320, K3_STEP);
    y[1] = conv(t, x, name, "branch7x7x3_1", 192, K1);
    y[1] = conv(t, y[1], name, "branch7x7x3_2", 192, K17);
    y[1] = conv(t, y[1], name, "branch7x7x3_3", 192, K71);
    y[1] = conv(t, y[1], name, "branch7x7x3_4", 192, K3_STEP);
    y[2] = add(t, STK_FROZEN_MAX_POOL, x, 0, K3_STEP);
    return join(t, y, 3);
}

static int block_e(inception_table *t, int x, const char *name, stk_frozen_kind pool) {
    int y[6];
    y[0] = conv(t, x, name, "branch1x1", 320, K1);
    const int three = conv(t, x, name, "branch3x3_1", 384, K1);
    y[1] = conv(t, three, name, "branch3x3_2a", 384, K13);
    y[2] = conv(t, three, name, "branch3x3_2b", 384, K31);
    int twice = conv(t, x, name, "branch3x3dbl_1", 448, K1);
    twice = conv(t, twice, name, "branch3x3dbl_2", 384, K3_PAD);
    y[3] = conv(t, twice, name, "branch3x3dbl_3a", 384, K13);
    y[4] = conv(t, twice, name, "branch3x3dbl_3b", 384, K31);
    y[5] = add(t, pool, x, 0, K3_PAD);
    y[5] = conv(t, y[5], name, "branch_pool", 192, K1);
    return join(t, y, 6);
}

void inception_table_fill(inception_table *t) {
    memset(t, 0, sizeof *t);
    int x = conv(t, STK_FROZEN_INPUT, "Conv2d_1a_3x3", NULL, 32, K3_STEP);
    x = conv(t, x, "Conv2d_2a_3x3", NULL, 32, K3);
    x = conv(t, x, "Conv2d_2b_3x3", NULL, 64, K3_PAD);
    x = add(t, STK_FROZEN_MAX_POOL, x, 0, K3_STEP);
    x = conv(t, x, "Conv2d_3b_1x1", NULL, 80, K1);
    x = conv(t, x, "Conv2d_4a_3x3", NULL, 192, K3);
    x = add(t, STK_FROZEN_MAX_POOL, x, 0, K3_STEP);
    x = block_a(t, x, "Mixed_5b", 32);
    x = block_a(t, x, "Mixed_5c", 64);
    x = block_a(t, x, "Mixed_5d", 64);
    x = block_b(t, x, "Mixed_6a");
    x = block_c(t, x, "Mixed_6b", 128);
    x = block_c(t, x, "Mixed_6c", 160);
    x = block_c(t, x, "Mixed_6d", 160);
    x = block_c(t, x, "Mixed_6e", 192);
    x = block_d(t, x, "Mixed_7a");
    x = block_e(t, x, "Mixed_7b", STK_FROZEN_AVERAGE_POOL);
    x = block_e(t, x, "Mixed_7c", STK_FROZEN_MAX_POOL);
    stk_frozen_layer *mean = &t->layer[add(t, STK_FROZEN_AVERAGE_POOL, x, 0, K1)];
    mean->kernel_h = mean->kernel_w = mean->stride = 8;
}
