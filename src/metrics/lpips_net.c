/* lpips_net.c - the three backbones as torchvision lays them out, and where LPIPS taps them:
 *
 *   AlexNet         after the ReLU of its 5 convolutions
 *   VGG16           relu1_2, relu2_2, relu3_3, relu4_3, relu5_3
 *   SqueezeNet 1.1  the first ReLU, fires 2, 4, 5, 6, 7 and 8 (its features.4, 7, 9, 10, 11, 12)
 */
#include "metrics/lpips_private.h"

#include <string.h>

#define CONV(source, out, kernel, step, pad)                                                       \
    {                                                                                              \
        .kind = STK_FROZEN_CONV, .sources = 1, .from = {source}, .out_c = (out),                   \
        .kernel_h = (kernel), .kernel_w = (kernel), .stride = (step), .pad_h = (pad),              \
        .pad_w = (pad)                                                                             \
    }
#define POOL(source, side, whole)                                                                  \
    {                                                                                              \
        .kind = STK_FROZEN_MAX_POOL, .sources = 1, .from = {source}, .kernel_h = (side),           \
        .kernel_w = (side), .stride = 2, .part = (whole)                                           \
    }
#define JOIN(a, b)                                                                                 \
    {                                                                                              \
        .kind = STK_FROZEN_JOIN, .sources = 2, .from = { a, b }                                    \
    }

static const stk_frozen_layer alex[] = {
    CONV(STK_FROZEN_INPUT, 64, 11, 4, 2),
    POOL(0, 3, 0),
    CONV(1, 192, 5, 1, 2),
    POOL(2, 3, 0),
    CONV(3, 384, 3, 1, 1),
    CONV(4, 256, 3, 1, 1),
    CONV(5, 256, 3, 1, 1),
};
static const char *const alex_names[STK_ARRAY_SIZE(alex)] = {
    "features.0", NULL, "features.3", NULL, "features.6", "features.8", "features.10"};

static const stk_frozen_layer vgg[] = {
    CONV(STK_FROZEN_INPUT, 64, 3, 1, 1),
    CONV(0, 64, 3, 1, 1),
    POOL(1, 2, 0),
    CONV(2, 128, 3, 1, 1),
    CONV(3, 128, 3, 1, 1),
    POOL(4, 2, 0),
    CONV(5, 256, 3, 1, 1),
    CONV(6, 256, 3, 1, 1),
    CONV(7, 256, 3, 1, 1),
    POOL(8, 2, 0),
    CONV(9, 512, 3, 1, 1),
    CONV(10, 512, 3, 1, 1),
    CONV(11, 512, 3, 1, 1),
    POOL(12, 2, 0),
    CONV(13, 512, 3, 1, 1),
    CONV(14, 512, 3, 1, 1),
    CONV(15, 512, 3, 1, 1),
};
static const char *const vgg_names[STK_ARRAY_SIZE(vgg)] = {
    "features.0",  "features.2",  NULL,          "features.5",  "features.7",  NULL,
    "features.10", "features.12", "features.14", NULL,          "features.17", "features.19",
    "features.21", NULL,          "features.24", "features.26", "features.28"};

/* squeeze 1x1, then 1x1 and 3x3 beside each other; `at` is the squeeze's index */
#define FIRE(source, at, squeezed, expanded)                                                       \
    CONV(source, squeezed, 1, 1, 0), CONV(at, expanded, 1, 1, 0), CONV(at, expanded, 3, 1, 1),     \
        JOIN((at) + 1, (at) + 2)
#define FIRE_NAMES(name) name ".squeeze", name ".expand1x1", name ".expand3x3", NULL

static const stk_frozen_layer squeeze[] = {
    CONV(STK_FROZEN_INPUT, 64, 3, 2, 0), /* 0 */
    POOL(0, 3, 1),                       /* 1 */
    FIRE(1, 2, 16, 64),                  /* 2 .. 5 */
    FIRE(5, 6, 16, 64),                  /* 6 .. 9 */
    POOL(9, 3, 1),                       /* 10 */
    FIRE(10, 11, 32, 128),               /* 11 .. 14 */
    FIRE(14, 15, 32, 128),               /* 15 .. 18 */
    POOL(18, 3, 1),                      /* 19 */
    FIRE(19, 20, 48, 192),               /* 20 .. 23 */
    FIRE(23, 24, 48, 192),               /* 24 .. 27 */
    FIRE(27, 28, 64, 256),               /* 28 .. 31 */
    FIRE(31, 32, 64, 256),               /* 32 .. 35 */
};
static const char *const squeeze_names[STK_ARRAY_SIZE(squeeze)] = {
    "features.0",
    NULL,
    FIRE_NAMES("features.3"),
    FIRE_NAMES("features.4"),
    NULL,
    FIRE_NAMES("features.6"),
    FIRE_NAMES("features.7"),
    NULL,
    FIRE_NAMES("features.9"),
    FIRE_NAMES("features.10"),
    FIRE_NAMES("features.11"),
    FIRE_NAMES("features.12"),
};

static const lpips_net nets[] = {
    [STK_LPIPS_ALEX] = {.name = "alex",
                        .heads = "lpips_v0.1_alex.pth",
                        .files = {"alexnet-owt-7be5be79.pth", "alexnet-owt-4df8aa71.pth"},
                        .layers = alex,
                        .names = alex_names,
                        .count = STK_ARRAY_SIZE(alex),
                        .taps = 5,
                        .tap = {0, 2, 4, 5, 6}},
    [STK_LPIPS_VGG] = {.name = "vgg",
                       .heads = "lpips_v0.1_vgg.pth",
                       .files = {"vgg16-397923af.pth"},
                       .layers = vgg,
                       .names = vgg_names,
                       .count = STK_ARRAY_SIZE(vgg),
                       .taps = 5,
                       .tap = {1, 4, 8, 12, 16}},
    [STK_LPIPS_SQUEEZE] = {.name = "squeeze",
                           .heads = "lpips_v0.1_squeeze.pth",
                           .files = {"squeezenet1_1-b8a52dc0.pth", "squeezenet1_1-f364aa15.pth"},
                           .layers = squeeze,
                           .names = squeeze_names,
                           .count = STK_ARRAY_SIZE(squeeze),
                           .taps = 7,
                           .tap = {0, 9, 18, 23, 27, 31, 35}},
};

const lpips_net *lpips_net_get(stk_lpips_net net) {
    return &nets[net];
}

stk_status stk_lpips_net_of(const char *name, stk_lpips_net *net) {
    *net = STK_LPIPS_ALEX;
    if (name == NULL) return STK_OK;
    for (size_t i = 0; i < STK_ARRAY_SIZE(nets); i++)
        if (strcmp(name, nets[i].name) == 0) {
            *net = (stk_lpips_net)i;
            return STK_OK;
        }
    return stk_fail(STK_ERR_ARGUMENT, "%s: is no network of LPIPS; there are alex, vgg, squeeze",
                    name);
}
