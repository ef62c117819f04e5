/* BiSeNet with seeded weights against PyTorch: the numbers are those that scripts/oracle_bisenet.py
 * prints; weights and picture are made here as there. That files which hold something else are
 * refused, and what the parser makes of the classes. */
#include "support.h"

#include "base/file.h"
#include "base/image.h"
#include "base/memory.h"
#include "nn/pth_write.h"
#include "portrait_sync/bisenet.h"
#include "portrait_sync/parsing.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = 64, GRID = SIDE / 8, CLASSES = STK_BISENET_CLASSES, TENSORS = 160 };

/* clang-format off */
static const int places[4][2] = {{0, 0}, {2, 5}, {4, 4}, {7, 7}};
static const float want_scores[4][CLASSES] = {
    {1.22544f, 3.30575f, -3.37837f, -4.11278f, -3.49302f, 1.45183f, -1.15344f, -2.11723f, -0.268573f, 2.59926f,
     -0.915578f, 1.58511f, 3.06383f, -3.4884f, 3.38846f, 0.499182f, 0.707033f, 1.09421f, 0.724179f},
    {2.18833f, -3.13274f, -1.52073f, -6.79796f, -8.06278f, 4.22244f, 2.27873f, 3.16976f, -12.142f, -0.974937f,
     1.49809f, 15.4408f, 13.6979f, -12.5393f, 3.01975f, -7.62863f, 9.17333f, 2.79436f, -5.26571f},
    {-1.62875f, -6.43901f, 1.31194f, -6.88495f, -5.95011f, 9.63106f, -1.8969f, 5.35823f, -12.9193f, -0.485451f,
     -1.31002f, 8.90643f, 13.5626f, -13.9827f, 3.19539f, -12.0819f, 11.2687f, -1.08213f, -3.60617f},
    {5.96217f, 0.492781f, -1.76232f, -5.49115f, 5.61134f, 0.79405f, 4.86259f, -1.48266f, -1.11488f, 0.882421f,
     -1.64179f, 0.125354f, 7.43306f, -0.619586f, 4.86846f, -1.50656f, 4.18049f, -0.414988f, -2.53877f},
};
static const int want_classes[CLASSES] = {2, 18, 0, 0, 0, 468, 0, 0, 0, 0, 0, 877, 2495, 0, 107, 0, 126, 0, 3};
/* clang-format on */

/* --- a file as the user has it ---------------------------------------------------------------- */

typedef enum damage { WHOLE, LACKS_ONE, OTHER_SHAPE, NO_NUMBER, BELOW_ZERO } damage;

typedef struct maker {
    stk_pth_writer *file;
    float *values[TENSORS];
    int count; /* is the seed, too */
    damage damage;
} maker;

/* In [-1, 1): a hash of the index. */
static float noise(uint32_t index, uint32_t seed) {
    uint32_t x = index + seed * 0x9E3779B9u;
    x = (x ^ (x >> 16)) * 0x7FEB352Du;
    x = (x ^ (x >> 15)) * 0x846CA68Bu;
    x ^= x >> 16;
    return (float)(x >> 8) / 8388608.0f - 1;
}

static void put_tensor(maker *m, const char *name, int rank, const int64_t shape[4], float scale,
                       float middle) {
    int64_t count = 1;
    for (int i = 0; i < rank; i++) count *= shape[i];
    assert_true(m->count < TENSORS);
    float *v = m->values[m->count++] = stk_calloc_aligned((size_t)count, sizeof *v);
    assert_non_null(v);
    for (int64_t i = 0; i < count; i++)
        v[i] = middle + scale * noise((uint32_t)i, (uint32_t)m->count);
    if (m->damage == NO_NUMBER && strcmp(name, "ffm.conv2.weight") == 0) v[7] = NAN;
    if (m->damage == BELOW_ZERO && strcmp(name, "cp.resnet.bn1.running_var") == 0) v[7] = -1;
    if (m->damage == LACKS_ONE && strcmp(name, "conv_out.conv_out.weight") == 0) return;
    int64_t written[4] = {shape[0], shape[1], shape[2], shape[3]};
    if (m->damage == OTHER_SHAPE && strcmp(name, "conv_out.conv_out.weight") == 0) written[0] = 18;
    TEST_OK(stk_pth_writer_tensor(m->file, name, STK_F32, rank, written, v));
}

static void put_conv(maker *m, const char *name, int out, int in, int kernel) {
    char full[80];
    snprintf(full, sizeof full, "%s.weight", name);
    put_tensor(m, full, 4, (int64_t[]){out, in, kernel, kernel},
               sqrtf(6.0f / (float)(in * kernel * kernel)), 0);
}

static void put_conv_norm(maker *m, const char *conv, const char *norm, const int shape[3]) {
    static const struct {
        const char *name;
        float scale, middle;
    } parts[] = {{"weight", 0.5f, 1},
                 {"bias", 0.25f, 0},
                 {"running_mean", 0.25f, 0},
                 {"running_var", 0.5f, 1.5f}};
    char full[80];
    put_conv(m, conv, shape[0], shape[1], shape[2]);
    for (int i = 0; i < 4; i++) {
        snprintf(full, sizeof full, "%s.%s", norm, parts[i].name);
        put_tensor(m, full, 1, (int64_t[4]){shape[0]}, parts[i].scale, parts[i].middle);
    }
}

static void put_block(maker *m, const char *name, int out, int in, int kernel) {
    char conv[64], norm[64];
    snprintf(conv, sizeof conv, "%s.conv", name);
    snprintf(norm, sizeof norm, "%s.bn", name);
    put_conv_norm(m, conv, norm, (int[]){out, in, kernel});
}

static void put_resnet(maker *m) {
    int width = 64;
    put_conv_norm(m, "cp.resnet.conv1", "cp.resnet.bn1", (int[]){64, 3, 7});
    for (int i = 0; i < 8; i++) {
        const int out = 64 << (i / 2);
        char prefix[32], name[6][64];
        static const char *const parts[] = {"conv1", "bn1",          "conv2",
                                            "bn2",   "downsample.0", "downsample.1"};
        snprintf(prefix, sizeof prefix, "cp.resnet.layer%d.%d", i / 2 + 1, i % 2);
        for (int k = 0; k < 6; k++) snprintf(name[k], sizeof name[k], "%s.%s", prefix, parts[k]);
        put_conv_norm(m, name[0], name[1], (int[]){out, width, 3});
        put_conv_norm(m, name[2], name[3], (int[]){out, out, 3});
        if (width != out) put_conv_norm(m, name[4], name[5], (int[]){out, width, 1});
        width = out;
    }
}

static const char *write_file(damage what) {
    static char path[STK_PATH_MAX];
    maker m = {.damage = what};
    TEST_OK(stk_path_join(path, sizeof path, test_temporary_folder(), STK_BISENET_FILE));
    TEST_OK(stk_pth_writer_create(&m.file, path));
    put_resnet(&m);
    put_block(&m, "cp.conv_avg", 128, 512, 1);
    put_block(&m, "cp.arm32.conv", 128, 512, 3);
    put_conv_norm(&m, "cp.arm32.conv_atten", "cp.arm32.bn_atten", (int[]){128, 128, 1});
    put_block(&m, "cp.arm16.conv", 128, 256, 3);
    put_conv_norm(&m, "cp.arm16.conv_atten", "cp.arm16.bn_atten", (int[]){128, 128, 1});
    put_block(&m, "cp.conv_head32", 128, 128, 3);
    put_block(&m, "cp.conv_head16", 128, 128, 3);
    put_block(&m, "ffm.convblk", 256, 256, 1);
    put_conv(&m, "ffm.conv1", 64, 256, 1);
    put_conv(&m, "ffm.conv2", 256, 64, 1);
    put_block(&m, "conv_out.conv", 256, 256, 3);
    put_conv(&m, "conv_out.conv_out", 19, 256, 1);
    TEST_OK(stk_pth_writer_finish(&m.file));
    for (int i = 0; i < m.count; i++) stk_free(m.values[i]);
    return path;
}

static const char *whole_file(void) {
    static char path[STK_PATH_MAX];
    if (path[0] == '\0') strcpy(path, write_file(WHOLE));
    return path;
}

/* --- cases ------------------------------------------------------------------------------------ */

/* Squares of noise, 4 px each. */
static void paint(stk_image *image) {
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++)
            for (int c = 0; c < 3; c++)
                stk_image_row(image, y)[3 * x + c] = (uint8_t)floorf(
                    (noise((uint32_t)((y / 4 * 16 + x / 4) * 3 + c), 1000) + 1) * 128);
}

/* Sums of some thousand products in another order, through 25 layers, up to 20; six digits are
 * printed: 5e-5 of them at most. A pixel at the border of two classes may fall to either. */
static void bisenet_seeded_weights_agree_with_torch(void **state) {
    (void)state;
    stk_bisenet *net;
    stk_image picture;
    uint8_t classes[SIDE * SIDE];
    int counts[CLASSES] = {0};
    TEST_OK(stk_bisenet_create(&net, whole_file(), SIDE));
    TEST_OK(stk_image_init(&picture, SIDE, SIDE, 3));
    paint(&picture);
    TEST_OK(stk_bisenet_run(net, &picture, classes));
    for (int i = 0; i < 4; i++)
        test_assert_close("scores",
                          stk_bisenet_scores(net) + (places[i][0] * GRID + places[i][1]) * CLASSES,
                          want_scores[i], CLASSES, 3e-4);
    for (int i = 0; i < SIDE * SIDE; i++) counts[classes[i]]++;
    for (int c = 0; c < CLASSES; c++) assert_in_range(counts[c] + 2 - want_classes[c], 0, 4);
    picture.width--;
    assert_int_equal(stk_bisenet_run(net, &picture, classes), STK_ERR_ARGUMENT);
    picture.width++;
    stk_image_clear(&picture);
    stk_bisenet_free(&net);
    stk_bisenet_free(&net);
    assert_null(net);
}

static void expect_refusal(const char *path, const char *word) {
    stk_bisenet *net = NULL;
    assert_int_equal(stk_bisenet_create(&net, path, 32), STK_ERR_WEIGHTS);
    assert_null(net);
    if (strstr(stk_error_text(), word) == NULL || strstr(stk_error_text(), "BiSeNet") == NULL)
        fail_msg("%s", stk_error_text());
}

static void bisenet_other_files_are_refused(void **state) {
    (void)state;
    expect_refusal(write_file(LACKS_ONE), "it has no conv_out.conv_out.weight");
    expect_refusal(write_file(NO_NUMBER), "ffm.conv2.weight holds values that are no numbers");
    expect_refusal(write_file(BELOW_ZERO), "variance");
    const char *path = write_file(OTHER_SHAPE);
    expect_refusal(path, "conv_out.conv_out.weight has another shape");
    char *bytes = NULL;
    size_t size = (size_t)stk_file_size(path) / 2; /* half of a download */
    stk_map map;
    TEST_OK(stk_map_open(&map, path));
    bytes = stk_calloc_aligned(size, 1);
    memcpy(bytes, map.data, size);
    stk_map_close(&map);
    TEST_OK(stk_file_write(path, bytes, size));
    stk_free(bytes);
    expect_refusal(path, STK_BISENET_FILE);
    TEST_OK(stk_file_write(path, "<html>not here</html>\n", 22));
    expect_refusal(path, STK_BISENET_FILE);
    stk_bisenet *net;
    assert_int_equal(stk_bisenet_create(&net, "/nonexistent/79999_iter.pth", 64), STK_ERR_IO);
    assert_int_equal(stk_bisenet_create(&net, path, 40), STK_ERR_ARGUMENT);
}

/* The parser's labels are those of the net at 512 x 512, less specks. Squares of 128 px. */
static void parser_with_bisenet_follows_its_classes(void **state) {
    (void)state;
    enum { W = STK_BISENET_SIDE };
    static uint8_t classes[W * W];
    stk_image picture, large, labels;
    stk_bisenet *net;
    stk_parser *parser;
    const char *path = whole_file();
    TEST_OK(stk_image_init(&picture, SIDE, SIDE, 3));
    TEST_OK(stk_image_init(&large, W, W, 3));
    TEST_OK(stk_image_init(&labels, W, W, 1));
    paint(&picture);
    for (int y = 0; y < W; y++)
        for (int x = 0; x < W; x++)
            memcpy(stk_image_row(&large, y) + 3 * x, stk_image_row(&picture, y / 32) + 3 * (x / 32),
                   3);
    TEST_OK(stk_bisenet_create(&net, path, W));
    TEST_OK(stk_bisenet_run(net, &large, classes));
    stk_bisenet_free(&net);
    TEST_OK(stk_parser_create(&parser, NULL, W, W));
    TEST_OK(stk_parser_use_bisenet(parser, path));
    assert_string_equal(stk_parser_mode(parser), "BiSeNet (79999_iter.pth)");
    TEST_OK(stk_parser_frame(parser, &large, NULL, &labels));
    int same = 0, kinds[4] = {0};
    for (int i = 0; i < W * W; i++) {
        same += stk_image_row(&labels, i / W)[i % W] == stk_bisenet_label(classes[i]);
        kinds[stk_bisenet_label(classes[i])]++;
    }
    print_message("%d of %d pixels; %d %d %d %d\n", same, W * W, kinds[0], kinds[1], kinds[2],
                  kinds[3]);
    assert_true(kinds[STK_LABEL_HEAD] > 1000 && kinds[STK_LABEL_TORSO] > 1000);
    assert_true(same > W * W * 95 / 100);
    assert_int_equal(stk_parser_use_bisenet(parser, path), STK_ERR_ARGUMENT);
    stk_parser_free(&parser);
    stk_image_clear(&picture), stk_image_clear(&large), stk_image_clear(&labels);
}

static void bisenet_label_of_every_class_is_the_published_one(void **state) {
    (void)state;
    for (int c = -1; c <= CLASSES; c++) {
        const int want = c < 1 || c > 18      ? STK_LABEL_BACKGROUND
                         : c == 14 || c == 15 ? STK_LABEL_NECK
                         : c == 16            ? STK_LABEL_TORSO
                                              : STK_LABEL_HEAD;
        assert_int_equal(stk_bisenet_label(c), want);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bisenet_seeded_weights_agree_with_torch),
        cmocka_unit_test(bisenet_other_files_are_refused),
        cmocka_unit_test(parser_with_bisenet_follows_its_classes),
        cmocka_unit_test(bisenet_label_of_every_class_is_the_published_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
