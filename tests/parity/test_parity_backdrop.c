/* A published checkpoint with a torso branch as a model: what it paints behind the head is the
 * published composite, also after the model was written with its plate and read again. */
#include "support.h"
#include "fixture.h"

#include <math.h>
#include <string.h>

#include "base/file.h"
#include "base/image.h"
#include "base/memory.h"
#include "render/backdrop.h"
#include "render/published.h"

enum { SIDE = 128 };
static const char FILM[] = "these bytes stand for the film of the torso";

/* The pose whose json camera-to-world matrix [R^T | -R^T t] is m. */
static stk_pose pose_of_json(const float m[16]) {
    stk_pose pose = {{0}, {0}};
    for (int row = 0; row < 3; row++) {
        for (int k = 0; k < 3; k++) {
            pose.R[3 * row + k] = m[4 * k + row];
            pose.t[row] -= m[4 * k + row] * m[4 * k + 3];
        }
    }
    return pose;
}

static stk_image plate_of(const stk_safetensors *file) {
    stk_image plate;
    float *values = test_fixture_f32(file, "bg_color", NULL);
    TEST_OK(stk_image_init(&plate, SIDE, SIDE, 3));
    for (int y = 0; y < SIDE; y++)
        for (int i = 0; i < 3 * SIDE; i++)
            stk_image_row(&plate, y)[i] = (uint8_t)(255 * values[y * 3 * SIDE + i] + 0.5f);
    stk_free(values);
    return plate;
}

/* Half a level of rounding, and the tolerance of pictures (tests/parity/test_parity_torso.c). */
static void check_painted(const stk_model *model, const stk_pose *pose, const stk_image *plate,
                          const float *want) {
    const stk_camera camera = {300, SIDE / 2, SIDE / 2, SIDE, SIDE};
    stk_image backdrop;
    TEST_OK(stk_image_init(&backdrop, SIDE, SIDE, 3));
    stk_model_backdrop_paint(model, &camera, pose, plate, &backdrop, NULL);
    int changed = 0;
    for (int y = 0; y < SIDE; y++) {
        for (int i = 0; i < 3 * SIDE; i++) {
            const float got = stk_image_row(&backdrop, y)[i];
            assert_true(fabsf(got - 255 * want[y * 3 * SIDE + i]) <= 0.5f + 255 * 2e-4f);
            changed += stk_image_row(plate, y)[i] != stk_image_row(&backdrop, y)[i];
        }
    }
    assert_true(changed > SIDE * SIDE / 4);
    stk_image_clear(&backdrop);
}

static void save_with_plate(const char *path, const stk_model *model, stk_pose *pose,
                            const stk_image *plate) {
    float expression[1][STK_EXPRESSIONS] = {{0}};
    const stk_performance performance = {.frames = 1,
                                         .train_frames = 1,
                                         .width = SIDE,
                                         .height = SIDE,
                                         .camera = {300, SIDE / 2, SIDE / 2, SIDE, SIDE},
                                         .poses = pose,
                                         .expressions = expression,
                                         .head_rect = {8, 8, 120, 120}};
    const stk_model_contents contents = {.nets = &model->nets,
                                         .values = model->nets.params.value,
                                         .performance = &performance,
                                         .bits = model->bits,
                                         .torso_mp4 = FILM,
                                         .torso_bytes = sizeof FILM,
                                         .extra = &model->extra,
                                         .plate = plate};
    TEST_OK(stk_model_save(path, &contents));
}

static void backdrop_published_model_agrees(void **state) {
    (void)state;
    const char *checkpoint = test_shared_or_skip("parity/official_B.pth");
    stk_safetensors *file = test_fixture_open("B_frame");
    stk_notes notes = {0};
    stk_model *model, *again;
    char path[STK_PATH_MAX];
    float matrix[16];
    TEST_OK(stk_safetensors_read_f32(file, "transform_matrix", matrix, 16));
    float *want = test_fixture_f32(file, "torso_composite", NULL);
    stk_pose pose = pose_of_json(matrix);
    stk_image plate = plate_of(file);
    TEST_OK(stk_published_open(&model, checkpoint, 0, &notes));
    assert_true(model->nets.has_torso);
    assert_null(model->plate.data); /* a checkpoint has none */
    check_painted(model, &pose, &plate, want);

    TEST_OK(stk_path_join(path, sizeof path, test_temporary_folder(), "b.stk"));
    save_with_plate(path, model, &pose, &plate);
    TEST_OK(stk_model_open(&again, path));
    assert_non_null(again->plate.data);
    for (int y = 0; y < SIDE; y++)
        assert_memory_equal(stk_image_row(&again->plate, y), stk_image_row(&plate, y), 3 * SIDE);
    check_painted(again, &again->performance.poses[0], &again->plate, want);

    stk_model_close(&again);
    stk_model_close(&model);
    stk_image_clear(&plate);
    stk_free(want);
    stk_safetensors_close(&file);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(backdrop_published_model_agrees)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
