/* The truth folder against the frames it was told: tables, projection, label maps, neck film. */
#include "support.h"
#include "base/file.h"
#include "base/image.h"
#include "base/memory.h"
#include "media/media.h"
#include "nn/safetensors.h"
#include "presenter/truth.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

enum { W = 64, H = 48, FRAMES = 5 };

static const stk_camera camera = {100, 32, 24, W, H};

static void made_frame(int i, stk_bones *bones, stk_face_state *face,
                       float landmarks[STK_LANDMARKS][3]) {
    const float c = cosf(0.1f * (float)i), s = sinf(0.1f * (float)i);
    *bones = (stk_bones){{{c, 0, s, 0, 1, 0, -s, 0, c}, {0.01f * (float)i, 0.02f, -1}},
                         {{1, 0, 0, 0, 1, 0, 0, 0, 1}, {0, 0, -1.5f}}};
    for (int k = 0; k < STK_BLENDSHAPES; k++) face->shapes[k] = (float)(k + i) / 64;
    for (int k = 0; k < STK_LANDMARKS; k++) {
        landmarks[k][0] = 0.0003f * (float)(k - 240);
        landmarks[k][1] = 0.0002f * (float)(k - 100);
        landmarks[k][2] = 0.05f * cosf((float)k);
    }
}

static void paint(stk_image *parts, stk_image *neck, int frame) {
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++) {
            stk_image_row(parts, y)[x] = (uint8_t)((x / 8 + y / 8 + frame) % STK_PARTS);
            memset(stk_image_row(neck, y) + 3 * x, 4 * x, 3);
        }
}

static stk_presenter_settings settings = {.seed = 7, .fps = 25, .variant = {.cut = 1}};
static stk_phone phones[2] = {{STK_PHONE_SILENCE, 0, 0.1f, 0, "pau"},
                              {STK_PHONE_AA, 0.1f, 0.2f, 1, "aa"}};
static stk_utterance utterance = {.phones = phones, .count = 2, .voice = "slt"};

static stk_truth *opened(const char *folder) {
    const stk_truth_clip clip = {&settings, &utterance, camera, FRAMES, 3, 0.04, "slt"};
    stk_truth *truth;
    TEST_OK(stk_truth_open(&truth, folder, &clip));
    return truth;
}

static void add_frames(stk_truth *truth, int count) {
    stk_image parts, neck;
    TEST_OK(stk_image_init(&parts, W, H, 1));
    TEST_OK(stk_image_init(&neck, W, H, 3));
    for (int i = 0; i < count; i++) {
        stk_bones bones;
        stk_face_state face;
        float landmarks[STK_LANDMARKS][3];
        made_frame(i, &bones, &face, landmarks);
        paint(&parts, &neck, i);
        const stk_truth_frame frame = {
            i / 25.0, &bones, &face, (const float(*)[3])landmarks, 0.01f * (float)i, 0.05f, 1,
            i != 2,   &parts, &neck};
        TEST_OK(stk_truth_add(truth, &frame));
    }
    stk_image_clear(&parts), stk_image_clear(&neck);
}

static const char *written(void) {
    static char folder[STK_PATH_MAX];
    if (folder[0] != '\0') return folder;
    TEST_OK(stk_path_join(folder, sizeof folder, test_temporary_folder(), "truth"));
    stk_truth *truth = opened(folder);
    add_frames(truth, FRAMES);
    stk_image room;
    TEST_OK(stk_image_init(&room, W, H, 3));
    TEST_OK(stk_truth_write(truth, &room));
    stk_truth_close(&truth, 1);
    stk_image_clear(&room);
    return folder;
}

static stk_safetensors *tensors(const char *name) {
    char path[STK_PATH_MAX];
    stk_safetensors *file;
    TEST_OK(stk_path_join(path, sizeof path, written(), name));
    TEST_OK(stk_safetensors_open(&file, path));
    return file;
}

static void tables_hold_what_was_added(void **state) {
    (void)state;
    stk_safetensors *file = tensors("tables.safetensors");
    static float poses[FRAMES * 12], head[FRAMES * STK_LANDMARKS * 3];
    static float px[FRAMES * STK_LANDMARKS * 3], shapes[FRAMES * STK_BLENDSHAPES];
    float visible[FRAMES], mouth[2 * FRAMES];
    TEST_OK(stk_safetensors_read_f32(file, "poses", poses, FRAMES * 12));
    TEST_OK(stk_safetensors_read_f32(file, "landmarks_head", head, FRAMES * STK_LANDMARKS * 3));
    TEST_OK(stk_safetensors_read_f32(file, "landmarks_px", px, FRAMES * STK_LANDMARKS * 3));
    TEST_OK(stk_safetensors_read_f32(file, "blendshapes", shapes, FRAMES * STK_BLENDSHAPES));
    TEST_OK(stk_safetensors_read_f32(file, "visible", visible, FRAMES));
    TEST_OK(stk_safetensors_read_f32(file, "mouth", mouth, 2 * FRAMES));
    for (int i = 0; i < FRAMES; i++) {
        stk_bones bones;
        stk_face_state face;
        float landmarks[STK_LANDMARKS][3];
        made_frame(i, &bones, &face, landmarks);
        assert_memory_equal(poses + 12 * i, &bones.head, sizeof bones.head);
        assert_memory_equal(shapes + STK_BLENDSHAPES * i, &face, sizeof face);
        assert_memory_equal(head + STK_LANDMARKS * 3 * i, landmarks, sizeof landmarks);
        assert_true(visible[i] == (i != 2) && mouth[2 * i] == 0.01f * (float)i);
        for (int k = 0; k < STK_LANDMARKS; k++) { /* the pinhole, in double */
            double c[3];
            for (int r = 0; r < 3; r++) {
                c[r] = (double)bones.head.t[r];
                for (int j = 0; j < 3; j++)
                    c[r] += (double)bones.head.R[3 * r + j] * (double)landmarks[k][j];
            }
            const float *p = px + 3 * (STK_LANDMARKS * i + k);
            assert_true(fabs(32 - 100 * c[0] / c[2] - (double)p[0]) < 1e-4);
            assert_true(fabs(24 + 100 * c[1] / c[2] - (double)p[1]) < 1e-4);
            assert_true(fabs(100 * (-1 - c[2]) - (double)p[2]) < 1e-4);
        }
    }
    stk_safetensors_close(&file);
}

static void labels_inflate_to_the_parts(void **state) {
    (void)state;
    stk_safetensors *file = tensors("labels.safetensors");
    const stk_tensor_info *index = stk_safetensors_find(file, "index");
    const stk_tensor_info *deflated = stk_safetensors_find(file, "deflated");
    assert_int_equal(index->count, FRAMES + 1);
    stk_image parts, neck;
    TEST_OK(stk_image_init(&parts, W, H, 1));
    TEST_OK(stk_image_init(&neck, W, H, 3));
    for (int i = 0; i < FRAMES; i++) {
        int64_t range[2];
        memcpy(range, (const char *)index->data + 8 * i, sizeof range);
        uint8_t map[W * H];
        uLongf size = sizeof map;
        assert_int_equal(uncompress(map, &size, (const Bytef *)deflated->data + range[0],
                                    (uLong)(range[1] - range[0])),
                         Z_OK);
        assert_int_equal(size, sizeof map);
        paint(&parts, &neck, i);
        for (int y = 0; y < H; y++) assert_memory_equal(map + y * W, stk_image_row(&parts, y), W);
    }
    stk_image_clear(&parts), stk_image_clear(&neck);
    stk_safetensors_close(&file);
}

static void neck_film_and_background_are_there(void **state) {
    (void)state;
    char path[STK_PATH_MAX];
    stk_frame_store *store;
    TEST_OK(stk_path_join(path, sizeof path, written(), "neck.mp4"));
    TEST_OK(stk_frame_store_open(&store, path, NULL, 0));
    assert_int_equal(stk_frame_store_count(store), FRAMES);
    const stk_image *frame;
    TEST_OK(stk_frame_store_get(store, 4, &frame));
    for (int x = 0; x < W; x++)
        assert_in_range(stk_image_row(frame, 20)[3 * x] + 2, 4 * x, 4 * x + 4);
    stk_frame_store_close(&store);
    stk_image room;
    TEST_OK(stk_path_join(path, sizeof path, written(), "background.png"));
    TEST_OK(stk_picture_read(path, 3, &room));
    assert_int_equal(room.width, W);
    stk_image_clear(&room);
}

static void json_names_all(void **state) {
    (void)state;
    char path[STK_PATH_MAX], *text;
    TEST_OK(stk_path_join(path, sizeof path, written(), "truth.json"));
    TEST_OK(stk_file_read_text(path, 1 << 20, &text));
    static const char *const parts[] = {"\"synctalk truth\"",
                                        "\"frames\":\t5",
                                        "\"focal_px\":\t100",
                                        "\"cuts\":\t[3]",
                                        "[\"cut\"]",
                                        "\"voice\":\t\"slt\"",
                                        "\"jawOpen\"",
                                        "\"tongueOut\"",
                                        "\"background\", \"face\"",
                                        "\"class\":\t\"aa\"",
                                        "\"sound_at_s\":\t0.04"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (strstr(text, parts[i]) == NULL) fail_msg("%s is not in %s", parts[i], text);
    stk_free(text);
}

static void closed_early_leaves_nothing(void **state) {
    (void)state;
    char folder[STK_PATH_MAX];
    TEST_OK(stk_path_join(folder, sizeof folder, test_temporary_folder(), "gone"));
    stk_truth *truth = opened(folder);
    add_frames(truth, 2);
    stk_image room;
    TEST_OK(stk_image_init(&room, W, H, 3));
    assert_int_equal(stk_truth_write(truth, &room), STK_ERR_ARGUMENT);
    stk_image_clear(&room);
    stk_truth_close(&truth, 0);
    assert_null(truth);
    assert_false(stk_file_exists(folder));
}

static void folder_of_others_is_untouched(void **state) {
    (void)state;
    char folder[STK_PATH_MAX], path[STK_PATH_MAX], *text;
    const stk_truth_clip clip = {&settings, &utterance, camera, FRAMES, 3, 0.04, "slt"};
    stk_truth *truth;
    TEST_OK(stk_path_join(folder, sizeof folder, test_temporary_folder(), "others"));
    TEST_OK(stk_directory_create(folder));
    TEST_OK(stk_path_join(path, sizeof path, folder, "tables.safetensors"));
    TEST_OK(stk_file_write(path, "mine", 4));
    assert_int_equal(stk_truth_open(&truth, folder, &clip), STK_ERR_ARGUMENT);
    assert_null(truth);
    TEST_OK(stk_path_join(path, sizeof path, folder, "truth.json"));
    TEST_OK(stk_file_write(path, "{}", 2));
    assert_int_equal(stk_truth_open(&truth, folder, &clip), STK_ERR_ARGUMENT);
    assert_int_equal(stk_file_size(path), 2);
    TEST_OK(stk_path_join(path, sizeof path, folder, "tables.safetensors"));
    TEST_OK(stk_file_read_text(path, 100, &text));
    assert_string_equal(text, "mine");
    stk_free(text);
}

static void an_earlier_truth_is_replaced(void **state) {
    (void)state;
    TEST_OK(stk_truth_check(written()));
    stk_truth *truth = opened(written());
    char path[STK_PATH_MAX];
    TEST_OK(stk_path_join(path, sizeof path, written(), "truth.json"));
    assert_false(stk_file_exists(path));
    stk_truth_close(&truth, 0);
    assert_true(stk_file_is_directory(written()));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_hold_what_was_added),
        cmocka_unit_test(labels_inflate_to_the_parts),
        cmocka_unit_test(neck_film_and_background_are_there),
        cmocka_unit_test(json_names_all),
        cmocka_unit_test(closed_early_leaves_nothing),
        cmocka_unit_test(folder_of_others_is_untouched),
        cmocka_unit_test(an_earlier_truth_is_replaced), /* the last: written() is gone */
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
