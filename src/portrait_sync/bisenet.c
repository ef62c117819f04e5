/* bisenet.c - see bisenet.h.
 *
 * Three maps take turns: x -> y, with the shortcut's or a gate's in t. What the context path needs
 * later is kept: f8, f16. The spatial path of the paper is the ResNet's 1/8 map in these weights.
 */
#include "portrait_sync/bisenet_private.h"

#include "base/memory.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { BLOCKS = 8, SIDE_MAX = 1024, NARROW = 128, WIDE = 256, SQUEEZED = 64, CHANNELS_MAX = 512 };
static const int stage_channels[4] = {64, 128, 256, 512};
static const float mean[3] = {0.485f, 0.456f, 0.406f}, deviation[3] = {0.229f, 0.224f, 0.225f};

typedef struct block {
    stk_dnnl_layer *first, *second, *shortcut; /* shortcut NULL where x itself is added */
} block;

/* A map of `channels`, multiplied channel by channel with a gate that its own mean opens. */
typedef struct refinement {
    stk_dnnl_layer *conv, *gate;
} refinement;

struct stk_bisenet {
    int side;
    stk_dnnl_layer *stem, *average, *head32, *head16;
    block blocks[BLOCKS];
    refinement arm16, arm32, fusion;
    stk_dnnl_layer *squeeze, *mix, *scores; /* squeeze: the fusion's gate has two layers */
    float *picture, *wide;                  /* [S S 3], [S/2 S/2 64] */
    float *x, *y, *t;                       /* [S/4 S/4 64], the largest that they hold */
    float *f8, *f16, *values;               /* kept; [S/8 S/8 19] */
};

/* --- life ------------------------------------------------------------------------------------- */

static stk_status create_block(stk_bisenet *net, stk_bisenet_loader *loader, int i, int *side) {
    const int stage = i / 2, out = stage_channels[stage];
    const int in = i % 2 == 0 && stage > 0 ? stage_channels[stage - 1] : out;
    const int stride = in != out ? 2 : 1, after = *side / stride;
    char name[4][64], prefix[32];
    static const char *const part[4] = {"conv1", "bn1", "conv2", "bn2"};
    snprintf(prefix, sizeof prefix, "cp.resnet.layer%d.%d", stage + 1, i % 2);
    for (int k = 0; k < 4; k++) snprintf(name[k], sizeof name[k], "%s.%s", prefix, part[k]);
    block *b = &net->blocks[i];
    STK_TRY(stk_bisenet_layer(&b->first, loader, name[0], name[1],
                              &(stk_bisenet_conv){in, out, 3, stride, *side, 1}));
    STK_TRY(stk_bisenet_layer(&b->second, loader, name[2], name[3],
                              &(stk_bisenet_conv){out, out, 3, 1, after, 0}));
    if (in != out) {
        for (int k = 0; k < 2; k++)
            snprintf(name[k], sizeof name[k], "%s.downsample.%d", prefix, k);
        STK_TRY(stk_bisenet_layer(&b->shortcut, loader, name[0], name[1],
                                  &(stk_bisenet_conv){in, out, 1, stride, *side, 0}));
    }
    *side = after;
    return STK_OK;
}

static stk_status create_refinement(refinement *r, stk_bisenet_loader *loader, const char *name,
                                    int in, int side) {
    char conv[48], norm[48];
    snprintf(conv, sizeof conv, "%s.conv.conv", name);
    snprintf(norm, sizeof norm, "%s.conv.bn", name);
    STK_TRY(stk_bisenet_layer(&r->conv, loader, conv, norm,
                              &(stk_bisenet_conv){in, NARROW, 3, 1, side, 1}));
    snprintf(conv, sizeof conv, "%s.conv_atten", name);
    snprintf(norm, sizeof norm, "%s.bn_atten", name);
    return stk_bisenet_layer(&r->gate, loader, conv, norm,
                             &(stk_bisenet_conv){NARROW, NARROW, 1, 1, 1, 0});
}

static stk_status create_context(stk_bisenet *net, stk_bisenet_loader *loader) {
    const int s8 = net->side / 8, s16 = s8 / 2, s32 = s8 / 4;
    STK_TRY(stk_bisenet_layer(&net->average, loader, "cp.conv_avg.conv", "cp.conv_avg.bn",
                              &(stk_bisenet_conv){512, NARROW, 1, 1, 1, 1}));
    STK_TRY(create_refinement(&net->arm32, loader, "cp.arm32", 512, s32));
    STK_TRY(create_refinement(&net->arm16, loader, "cp.arm16", 256, s16));
    STK_TRY(stk_bisenet_layer(&net->head32, loader, "cp.conv_head32.conv", "cp.conv_head32.bn",
                              &(stk_bisenet_conv){NARROW, NARROW, 3, 1, s16, 1}));
    return stk_bisenet_layer(&net->head16, loader, "cp.conv_head16.conv", "cp.conv_head16.bn",
                             &(stk_bisenet_conv){NARROW, NARROW, 3, 1, s8, 1});
}

static stk_status create_fusion(stk_bisenet *net, stk_bisenet_loader *loader) {
    const int s8 = net->side / 8;
    STK_TRY(stk_bisenet_layer(&net->fusion.conv, loader, "ffm.convblk.conv", "ffm.convblk.bn",
                              &(stk_bisenet_conv){2 * NARROW, WIDE, 1, 1, s8, 1}));
    STK_TRY(stk_bisenet_layer(&net->squeeze, loader, "ffm.conv1", NULL,
                              &(stk_bisenet_conv){WIDE, SQUEEZED, 1, 1, 1, 1}));
    STK_TRY(stk_bisenet_layer(&net->fusion.gate, loader, "ffm.conv2", NULL,
                              &(stk_bisenet_conv){SQUEEZED, WIDE, 1, 1, 1, 0}));
    STK_TRY(stk_bisenet_layer(&net->mix, loader, "conv_out.conv.conv", "conv_out.conv.bn",
                              &(stk_bisenet_conv){WIDE, WIDE, 3, 1, s8, 1}));
    return stk_bisenet_layer(&net->scores, loader, "conv_out.conv_out", NULL,
                             &(stk_bisenet_conv){WIDE, STK_BISENET_CLASSES, 1, 1, s8, 0});
}

static stk_status create_maps(stk_bisenet *net) {
    const size_t pixels = (size_t)net->side * (size_t)net->side;
    struct {
        float **map;
        size_t floats;
    } maps[] = {
        {&net->picture, 3 * pixels},     {&net->wide, pixels / 4 * 64},
        {&net->x, pixels / 16 * 64},     {&net->y, pixels / 16 * 64},
        {&net->t, pixels / 16 * 64},     {&net->f8, pixels / 64 * NARROW},
        {&net->f16, pixels / 256 * 256}, {&net->values, pixels / 64 * STK_BISENET_CLASSES},
    };
    for (size_t i = 0; i < STK_ARRAY_SIZE(maps); i++) {
        *maps[i].map = stk_calloc_aligned(maps[i].floats, sizeof(float));
        if (*maps[i].map == NULL) return stk_fail_memory("BiSeNet");
    }
    return STK_OK;
}

static stk_status build(stk_bisenet *net, stk_bisenet_loader *loader) {
    int side = net->side / 4;
    STK_TRY(stk_bisenet_layer(&net->stem, loader, "cp.resnet.conv1", "cp.resnet.bn1",
                              &(stk_bisenet_conv){3, 64, 7, 2, net->side, 1}));
    for (int i = 0; i < BLOCKS; i++) STK_TRY(create_block(net, loader, i, &side));
    STK_TRY(create_context(net, loader));
    STK_TRY(create_fusion(net, loader));
    return create_maps(net);
}

stk_status stk_bisenet_create(stk_bisenet **out, const char *path, int side) {
    stk_bisenet_loader loader;
    *out = NULL;
    if (side < 32 || side > SIDE_MAX || side % 32 != 0)
        return stk_fail(STK_ERR_ARGUMENT, "BiSeNet: pictures of %d px; 32, 64 .. %d are possible",
                        side, SIDE_MAX);
    stk_bisenet *net = stk_calloc_aligned(1, sizeof *net);
    if (net == NULL) return stk_fail_memory("BiSeNet");
    net->side = side;
    stk_status status = stk_bisenet_loader_open(&loader, path);
    if (status == STK_OK) status = build(net, &loader);
    stk_bisenet_loader_close(&loader);
    if (status != STK_OK) stk_bisenet_free(&net);
    *out = net;
    return status;
}

void stk_bisenet_free(stk_bisenet **handle) {
    if (handle == NULL || *handle == NULL) return;
    stk_bisenet *net = *handle;
    for (int i = 0; i < BLOCKS; i++) {
        stk_dnnl_layer_free(&net->blocks[i].first);
        stk_dnnl_layer_free(&net->blocks[i].second);
        stk_dnnl_layer_free(&net->blocks[i].shortcut);
    }
    refinement *refinements[] = {&net->arm16, &net->arm32, &net->fusion};
    for (size_t i = 0; i < STK_ARRAY_SIZE(refinements); i++) {
        stk_dnnl_layer_free(&refinements[i]->conv);
        stk_dnnl_layer_free(&refinements[i]->gate);
    }
    stk_dnnl_layer **layers[] = {&net->stem,    &net->average, &net->head32, &net->head16,
                                 &net->squeeze, &net->mix,     &net->scores};
    for (size_t i = 0; i < STK_ARRAY_SIZE(layers); i++) stk_dnnl_layer_free(layers[i]);
    float *maps[] = {net->picture, net->wide, net->x,   net->y,
                     net->t,       net->f8,   net->f16, net->values};
    for (size_t i = 0; i < STK_ARRAY_SIZE(maps); i++) stk_free(maps[i]);
    stk_free(net);
    *handle = NULL;
}

stk_status stk_bisenet_check(const char *path) {
    stk_bisenet *net;
    STK_TRY(stk_bisenet_create(&net, path, 32));
    stk_bisenet_free(&net);
    return STK_OK;
}

/* --- maps: [side][side][channels] ------------------------------------------------------------- */

static void normalise(const stk_image *rgb, float *out) {
    float scale[3], shift[3];
    for (int c = 0; c < 3; c++)
        scale[c] = 1 / (255 * deviation[c]), shift[c] = mean[c] / deviation[c];
    for (int y = 0; y < rgb->height; y++) {
        const uint8_t *row = stk_image_row(rgb, y);
        for (int x = 0; x < rgb->width; x++, row += 3, out += 3)
            for (int c = 0; c < 3; c++) out[c] = (float)row[c] * scale[c] - shift[c];
    }
}

/* Largest of 3 x 3 at every second pixel; values are not negative, so that none beyond the border
 * counts as 0. */
static void pool(const float *in, int side, int channels, float *out) {
    const int half = side / 2;
    for (int y = 0; y < half; y++)
        for (int x = 0; x < half; x++, out += channels) {
            for (int c = 0; c < channels; c++) out[c] = 0;
            for (int dy = -1; dy <= 1; dy++)
                for (int dx = -1; dx <= 1; dx++) {
                    const int sy = 2 * y + dy, sx = 2 * x + dx; /* never past the end */
                    if (sy < 0 || sx < 0) continue;
                    const float *p =
                        in + ((size_t)sy * (size_t)side + (size_t)sx) * (size_t)channels;
                    for (int c = 0; c < channels; c++) out[c] = p[c] > out[c] ? p[c] : out[c];
                }
        }
}

static void mean_of(const float *in, int side, int channels, float *out) {
    double sum[CHANNELS_MAX] = {0};
    const int pixels = side * side;
    for (int i = 0; i < pixels; i++, in += channels)
        for (int c = 0; c < channels; c++) sum[c] += (double)in[c];
    for (int c = 0; c < channels; c++) out[c] = (float)(sum[c] / pixels);
}

static void open_gate(float *gate, int channels) {
    for (int c = 0; c < channels; c++) gate[c] = 1 / (1 + expf(-gate[c]));
}

/* out [2 side][2 side]: each pixel twice in both directions. */
static void enlarge(const float *in, int side, int channels, float *out) {
    const size_t pixel = (size_t)channels * sizeof *in;
    for (int y = 0; y < 2 * side; y++)
        for (int x = 0; x < 2 * side; x++, out += channels)
            memcpy(out, in + (size_t)(y / 2 * side + x / 2) * (size_t)channels, pixel);
}

/* --- forward ---------------------------------------------------------------------------------- */

static stk_status run_block(const block *b, const float *x, float *y, float *t, size_t floats) {
    STK_TRY(stk_dnnl_layer_run(b->first, x, t));
    STK_TRY(stk_dnnl_layer_run(b->second, t, y));
    if (b->shortcut != NULL) {
        STK_TRY(stk_dnnl_layer_run(b->shortcut, x, t));
        x = t;
    }
    for (size_t i = 0; i < floats; i++) y[i] = y[i] + x[i] > 0 ? y[i] + x[i] : 0;
    return STK_OK;
}

/* net->picture -> f8, f16, and the last stage's map in net->x. */
static stk_status run_resnet(stk_bisenet *net) {
    int side = net->side / 4;
    STK_TRY(stk_dnnl_layer_run(net->stem, net->picture, net->wide));
    pool(net->wide, net->side / 2, stage_channels[0], net->x);
    for (int i = 0; i < BLOCKS; i++) {
        if (net->blocks[i].shortcut != NULL) side /= 2;
        const size_t floats = (size_t)side * (size_t)side * (size_t)stage_channels[i / 2];
        STK_TRY(run_block(&net->blocks[i], net->x, net->y, net->t, floats));
        float *swap = net->x;
        net->x = net->y, net->y = swap;
        if (i == 3) memcpy(net->f8, net->x, floats * sizeof(float));
        if (i == 5) memcpy(net->f16, net->x, floats * sizeof(float));
    }
    return STK_OK;
}

/* out = conv(in) gate(mean of it) + added (a map if `map`, else the same everywhere). */
static stk_status refine(const refinement *r, const float *in, int side, const float *added,
                         int map, float *out) {
    float all[NARROW], gate[NARROW];
    STK_TRY(stk_dnnl_layer_run(r->conv, in, out));
    mean_of(out, side, NARROW, all);
    STK_TRY(stk_dnnl_layer_run(r->gate, all, gate));
    open_gate(gate, NARROW);
    for (int i = 0; i < side * side; i++, out += NARROW, added += map ? NARROW : 0)
        for (int c = 0; c < NARROW; c++) out[c] = out[c] * gate[c] + added[c];
    return STK_OK;
}

/* net->x (1/32) -> the context at 1/8 in net->x. */
static stk_status run_context(stk_bisenet *net) {
    const int s8 = net->side / 8, s16 = s8 / 2, s32 = s8 / 4;
    float all[CHANNELS_MAX], average[NARROW];
    mean_of(net->x, s32, CHANNELS_MAX, all);
    STK_TRY(stk_dnnl_layer_run(net->average, all, average));
    STK_TRY(refine(&net->arm32, net->x, s32, average, 0, net->y));
    enlarge(net->y, s32, NARROW, net->t);
    STK_TRY(stk_dnnl_layer_run(net->head32, net->t, net->x));
    STK_TRY(refine(&net->arm16, net->f16, s16, net->x, 1, net->y));
    enlarge(net->y, s16, NARROW, net->t);
    return stk_dnnl_layer_run(net->head16, net->t, net->x);
}

/* f8 beside net->x -> net->values. */
static stk_status run_fusion(stk_bisenet *net) {
    const int pixels = net->side / 8 * (net->side / 8);
    float all[WIDE], squeezed[SQUEEZED], gate[WIDE];
    for (int i = 0; i < pixels; i++) {
        memcpy(net->y + 2 * NARROW * i, net->f8 + NARROW * i, NARROW * sizeof(float));
        memcpy(net->y + 2 * NARROW * i + NARROW, net->x + NARROW * i, NARROW * sizeof(float));
    }
    STK_TRY(stk_dnnl_layer_run(net->fusion.conv, net->y, net->t));
    mean_of(net->t, net->side / 8, WIDE, all);
    STK_TRY(stk_dnnl_layer_run(net->squeeze, all, squeezed));
    STK_TRY(stk_dnnl_layer_run(net->fusion.gate, squeezed, gate));
    open_gate(gate, WIDE);
    for (int i = 0; i < pixels; i++)
        for (int c = 0; c < WIDE; c++) net->t[WIDE * i + c] *= gate[c] + 1;
    STK_TRY(stk_dnnl_layer_run(net->mix, net->t, net->x));
    return stk_dnnl_layer_run(net->scores, net->x, net->values);
}

/* Bilinear, corners on corners: pixel x of S lies at x (n - 1) / (S - 1) of n. */
static void choose_classes(const stk_bisenet *net, uint8_t *classes) {
    enum { N = STK_BISENET_CLASSES };
    const int side = net->side, n = side / 8;
    const float step = (float)(n - 1) / (float)(side - 1);
    float *row = net->t; /* [n][N]: two rows mixed */
    for (int y = 0; y < side; y++) {
        const float v = (float)y * step;
        const int r = (int)v < n - 2 ? (int)v : n - 2;
        const float *upper = net->values + (ptrdiff_t)r * n * N, *lower = upper + n * N;
        for (int i = 0; i < n * N; i++) row[i] = upper[i] + (v - (float)r) * (lower[i] - upper[i]);
        for (int x = 0; x < side; x++) {
            const float u = (float)x * step;
            const int k = (int)u < n - 2 ? (int)u : n - 2;
            const float *a = row + (ptrdiff_t)k * N, *b = a + N;
            float best = -INFINITY;
            int chosen = 0;
            for (int c = 0; c < N; c++) {
                const float value = a[c] + (u - (float)k) * (b[c] - a[c]);
                if (value > best) best = value, chosen = c;
            }
            *classes++ = (uint8_t)chosen;
        }
    }
}

stk_status stk_bisenet_run(stk_bisenet *net, const stk_image *rgb, uint8_t *classes) {
    if (rgb->width != net->side || rgb->height != net->side || rgb->channels != 3)
        return stk_fail(STK_ERR_ARGUMENT, "BiSeNet for %d x %d: the picture is %d x %d x %d",
                        net->side, net->side, rgb->width, rgb->height, rgb->channels);
    normalise(rgb, net->picture);
    STK_TRY(run_resnet(net));
    STK_TRY(run_context(net));
    STK_TRY(run_fusion(net));
    choose_classes(net, classes);
    return STK_OK;
}

const float *stk_bisenet_scores(const stk_bisenet *net) {
    return net->values;
}

/* 1 .. 13 skin to lower lip, 17 hair, 18 hat; 14, 15 neck and necklace; 16 cloth. */
uint8_t stk_bisenet_label(int class_number) {
    if (class_number <= 0 || class_number >= STK_BISENET_CLASSES) return STK_LABEL_BACKGROUND;
    if (class_number == 16) return STK_LABEL_TORSO;
    return class_number == 14 || class_number == 15 ? STK_LABEL_NECK : STK_LABEL_HEAD;
}
