/* A published checkpoint with a torso branch, as a user has it: convert it with a subject, render.
 * Around the head the picture is what the branch paints over the subject's plate. */
#include "support.h"
#include "program.h"
#include "synthetic_subject.h"
#include "base/file.h"
#include "base/image.h"
#include "media/media.h"
#include "render/backdrop.h"

#include <stdio.h>
#include <string.h>

enum { FRAMES = 60, SIDE = 64 };

static const program_result *must_run(const program_result *r) {
    if (r->exit_code != 0) fail_msg("exit %d: %s", r->exit_code, r->err);
    return r;
}

static void render_of_torso_model_paints_over_the_plate(void **state) {
    (void)state;
    char subject[STK_PATH_MAX], model_path[STK_PATH_MAX], frames[STK_PATH_MAX], png[STK_PATH_MAX];
    char checkpoint[STK_PATH_MAX], encoder[STK_PATH_MAX], sound[STK_PATH_MAX];
    const char *folder = test_temporary_folder();
    snprintf(checkpoint, sizeof checkpoint, "%s", test_shared_or_skip("parity/official_B.pth"));
    snprintf(encoder, sizeof encoder, "%s",
             test_shared_or_skip("parity/official_audio_visual_encoder.pth"));
    snprintf(sound, sizeof sound, "%s", test_shared_or_skip("parity/fixtures/tone_2s.wav"));
    TEST_OK(stk_path_join(subject, sizeof subject, folder, "disc"));
    TEST_OK(stk_path_join(model_path, sizeof model_path, folder, "b.stk"));
    TEST_OK(stk_path_join(frames, sizeof frames, folder, "frames"));
    TEST_OK(synthetic_subject_write(subject, FRAMES, SIDE));
    must_run(program_run("convert %s -o %s --subject %s", checkpoint, model_path, subject));
    must_run(program_run("render -m %s -a %s --encoder %s --frames %s -q", model_path, sound,
                         encoder, frames));

    stk_model *model;
    stk_image picture, backdrop;
    TEST_OK(stk_model_open(&model, model_path));
    assert_non_null(model->plate.data);
    const stk_performance *p = &model->performance;
    TEST_OK(stk_path_join(png, sizeof png, frames, "000000.png"));
    TEST_OK(stk_picture_read(png, 3, &picture));
    TEST_OK(stk_image_init(&backdrop, SIDE, SIDE, 3));
    stk_model_backdrop_paint(model, &p->camera, &p->poses[0], &model->plate, &backdrop, NULL);
    const stk_rect *r = &p->head_rect;
    int painted = 0;
    for (int y = 0; y < SIDE; y++) {
        for (int x = 0; x < SIDE; x++) {
            if (x >= r->x0 && x < r->x1 && y >= r->y0 && y < r->y1) continue;
            const uint8_t *made = stk_image_row(&picture, y) + 3 * x;
            assert_memory_equal(made, stk_image_row(&backdrop, y) + 3 * x, 3);
            painted += memcmp(made, stk_image_row(&model->plate, y) + 3 * x, 3) != 0;
        }
    }
    print_message("pixels painted around the head: %d\n", painted);
    assert_true(painted > 0);
    stk_image_clear(&backdrop);
    stk_image_clear(&picture);
    stk_model_close(&model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(render_of_torso_model_paints_over_the_plate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
