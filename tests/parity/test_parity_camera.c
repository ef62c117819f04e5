/* The ngp camera against the published loader: poses from the json matrices, rays of a whole
 * picture. */
#include "support.h"
#include "fixture.h"
#include "base/memory.h"
#include "portrait/field.h"

#include <cjson/cJSON.h>

enum { FRAMES = 10 };

static void camera_from_fixture(const float *pose, const float *intrinsics,
                                stk_ngp_camera *camera) {
    *camera = (stk_ngp_camera){
        .fx = intrinsics[0], .fy = intrinsics[1], .cx = intrinsics[2], .cy = intrinsics[3]};
    for (int k = 0; k < 9; k++) camera->R[k] = pose[4 * (k / 3) + k % 3];
    for (int k = 0; k < 3; k++) camera->origin[k] = pose[4 * k + 3];
}

static void check_rays(const stk_ngp_camera *camera, int width, int height, const float *want) {
    for (int i = 0; i < width * height; i++) {
        float d[3];
        stk_ngp_ray(camera, (float)(i % width), (float)(i / width), d);
        test_assert_close("ray", d, want + 3 * i, 3, 5e-7);
    }
}

static void rays_non_square_picture_agree(void **state) {
    (void)state;
    stk_safetensors *file = test_fixture_open("units");
    float *poses = test_fixture_f32(file, "rays_pose", NULL), intrinsics[4];
    float *d = test_fixture_f32(file, "rays_d", NULL), *o = test_fixture_f32(file, "rays_o", NULL);
    int32_t *size = test_fixture_raw(file, "rays_HW", STK_I32, NULL);
    TEST_OK(stk_safetensors_read_f32(file, "rays_intrinsics", intrinsics, 4));
    for (int i = 0; i < 3; i++) {
        stk_ngp_camera camera;
        camera_from_fixture(poses + 16 * i, intrinsics, &camera);
        test_assert_close("origin", camera.origin, o + 3 * i, 3, 0);
        check_rays(&camera, size[1], size[0], d + 3 * i * size[0] * size[1]);
    }
    stk_free(poses), stk_free(d), stk_free(o), stk_free(size);
    stk_safetensors_close(&file);
}

static void read_matrix(const cJSON *frame, float matrix[16]) {
    const cJSON *rows = cJSON_GetObjectItem(frame, "transform_matrix");
    for (int k = 0; k < 16; k++)
        matrix[k] = (float)cJSON_GetArrayItem(cJSON_GetArrayItem(rows, k / 4), k % 4)->valuedouble;
}

static void poses_of_official_dataset_agree(void **state) {
    (void)state;
    char *text;
    const char *path = test_shared_or_skip("parity/dataset_official/transforms_train.json");
    TEST_OK(stk_file_read_text(path, 1 << 20, &text));
    cJSON *json = cJSON_Parse(text);
    assert_non_null(json);
    stk_safetensors *file = test_fixture_open("dataset_loader");
    float *poses = test_fixture_f32(file, "poses", NULL), intrinsics[4];
    float *rays = test_fixture_f32(file, "frame7_rays_d", NULL);
    TEST_OK(stk_safetensors_read_f32(file, "intrinsics", intrinsics, 4));
    for (int i = 0; i < FRAMES; i++) {
        float matrix[16];
        stk_ngp_camera got, want;
        read_matrix(cJSON_GetArrayItem(cJSON_GetObjectItem(json, "frames"), i), matrix);
        stk_ngp_camera_from_json(matrix, intrinsics[0], intrinsics[1], intrinsics[2], intrinsics[3],
                                 &got);
        camera_from_fixture(poses + 16 * i, intrinsics, &want);
        test_assert_close("R", got.R, want.R, 9, 0);
        test_assert_close("origin", got.origin, want.origin, 3, 5e-7);
        if (i == 7) check_rays(&got, 128, 128, rays);
    }
    cJSON_Delete(json);
    stk_free(text), stk_free(poses), stk_free(rays);
    stk_safetensors_close(&file);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rays_non_square_picture_agree),
        cmocka_unit_test(poses_of_official_dataset_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
