/* From the presenter's clip to a model and held-out frames: how near a fixed small number of steps
 * comes to the real picture. */
#include "support.h"
#include "presented.h"
#include "sanitized.h"
#include "render/evaluate.h"
#include "train/trainer.h"

#include <stdio.h>

enum { SIDE = 192 };

static void learned_person_resembles_the_presenter(void **state) {
    (void)state;
    presented_need_models();
    if (SANITIZED) {
        print_message("SKIP: prepare and train run under sanitizers in test_cli_person\n");
        skip();
    }
    presented p;
    presented_clip(
        &p, (stk_presenter_settings){
                .seconds = 5, .width = SIDE, .height = SIDE, .seed = 5, .fps = 25, .crf = 12});
    presented_open(&p);
    char model[STK_PATH_MAX];
    TEST_OK(stk_path_join(model, sizeof model, test_temporary_folder(), "person.stk"));
    const stk_train_settings train = {.subject = p.folder,
                                      .output = model,
                                      .steps = 150,
                                      .preview_s = 1e6,
                                      .seed = 1,
                                      .rays = 1024,
                                      .frames = 8,
                                      .lr_grid = 0.01f,
                                      .lr_net = 0.001f};
    stk_train_figures figures;
    TEST_OK(stk_train_run(&train, NULL, &figures));
    const char *models = presented_models();
    const stk_evaluate_settings evaluate = {.model = model,
                                            .subject = p.folder,
                                            .models = models[0] != '\0' ? models : NULL,
                                            .every = 1};
    stk_scores scores;
    TEST_OK(stk_evaluate(&evaluate, NULL, &scores));
    print_message("psnr %.2f head %.2f mouth %.2f ssim %.4f lmd %.2f\n", scores.psnr,
                  scores.psnr_head, scores.psnr_mouth, scores.ssim, scores.lmd);
    assert_true(scores.psnr > 25.5);
    assert_true(scores.psnr_head > 22);
    assert_true(scores.lmd_frames == scores.frames);
    assert_true(scores.lmd < 3.5);
    presented_close(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(learned_person_resembles_the_presenter)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
