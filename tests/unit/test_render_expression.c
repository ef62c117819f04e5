/* The expression inputs of a film by the model's variant: which of the seven each input hears, its
 * neutral, gains, limits, and what is refused. */
#include "support.h"
#include "base/file.h"
#include "render/expression.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { FRAMES = 101, TRAIN = 99, FILM = 60 };
static stk_pose poses[FRAMES];
static float rows[FRAMES][STK_EXPRESSIONS];
static char track[STK_PATH_MAX];

/* Every column goes from 0 to 1 over the training frames; those held out lie far outside. */
static int make_track(void **state) {
    (void)state;
    static const char text[] = "frame,browInnerUp,eyeBlinkLeft,eyeBlinkRight\n"
                               "0,0.2,0.1,0.5\n20,0.2,0.1,0.5\n30,7,-7,-7\n";
    for (int i = 0; i < FRAMES; i++)
        for (int k = 0; k < STK_EXPRESSIONS; k++) rows[i][k] = (float)i / (TRAIN - 1);
    rows[TRAIN][0] = 50;
    TEST_OK(stk_path_join(track, sizeof track, test_temporary_folder(), "track.csv"));
    return stk_file_write(track, text, sizeof text - 1);
}

static stk_model model_of(int inputs) {
    return (stk_model){
        .nets.config.exp = inputs,
        .performance = {
            .frames = FRAMES, .train_frames = TRAIN, .poses = poses, .expressions = rows}};
}

static stk_status open_with(stk_expression *e, const stk_model *model, const char *what,
                            const char *gain) {
    const stk_render_settings settings = {.expression = what, .expression_gain = gain};
    return stk_expression_open(e, &settings, model, FILM, NULL);
}

static void clip_plays_the_source_forth_and_back(void **state) {
    (void)state;
    const stk_model model = model_of(7);
    stk_expression e;
    TEST_OK(open_with(&e, &model, NULL, NULL));
    assert_null(e.owned);
    assert_ptr_equal(stk_expression_at(&e, 0), rows[0]);
    assert_ptr_equal(stk_expression_at(&e, FRAMES), rows[FRAMES - 1]);
    stk_expression_clear(&e);
    TEST_OK(open_with(&e, &model, "clip", "browInnerUp=0.5,eyeBlinkLeft=3\nbrowDownLeft=1"));
    assert_float_equal(stk_expression_at(&e, 0)[2], 0.25f, 1e-5);  /* round 0.5 */
    assert_float_equal(stk_expression_at(&e, 98)[5], 1.05f, 1e-5); /* limited */
    assert_float_equal(stk_expression_at(&e, 98)[6], 1, 1e-5);
    assert_float_equal(stk_expression_at(&e, TRAIN)[0], 1.05f, 1e-5);
    stk_expression_clear(&e);
}

static void variants_hear_their_own_columns(void **state) {
    (void)state;
    static const int sizes[] = {7, 4, 2, 1};
    static const float hears[4][7] = {
        {0.5f, 0.5f, 0.2f, 0.5f, 0.5f, 0.1f, 0.5f}, /* neutral 0.5 where the track has none */
        {0.5f, 0.2f, 0.5f, 0.1f},
        {0.1f, 0.5f},
        {0.3f}, /* the mean of both blinks */
    };
    for (int v = 0; v < 4; v++) {
        const stk_model model = model_of(sizes[v]);
        stk_expression e;
        TEST_OK(open_with(&e, &model, track, NULL));
        assert_int_equal(e.count, FILM);
        for (int j = 0; j < sizes[v]; j++) {
            const float *limited = stk_expression_at(&e, FILM - 1);
            assert_float_equal(stk_expression_at(&e, 10)[j], hears[v][j], 1e-5);
            assert_true(limited[j] >= -0.0501f && limited[j] <= 1.0501f);
        }
        stk_expression_clear(&e);
    }
}

static void still_is_neutral_with_open_eyes(void **state) {
    (void)state;
    const stk_model model = model_of(7);
    stk_expression e;
    TEST_OK(open_with(&e, &model, "still", "browInnerUp=3"));
    for (int i = 0; i < FILM; i++)
        for (int k = 0; k < STK_EXPRESSIONS; k++) /* lids: the median of the open half */
            assert_float_equal(stk_expression_at(&e, i)[k], k < 5 ? 0.5f : 0.25f, 0.006);
    stk_expression_clear(&e);
}

static void what_does_not_drive_the_model_is_refused(void **state) {
    (void)state;
    const stk_model eyes = model_of(2), odd = model_of(3);
    stk_expression e;
    assert_int_equal(open_with(&e, &eyes, "still", "browInnerUp=2"), STK_ERR_ARGUMENT);
    assert_non_null(strstr(stk_error_text(), "NAME one of eyeBlinkLeft, eyeBlinkRight"));
    assert_int_equal(open_with(&e, &odd, "still", NULL), STK_ERR_UNSUPPORTED);
    TEST_OK(open_with(&e, &odd, "clip", NULL));
    stk_expression_clear(&e);
    stk_expression_clear(&e);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clip_plays_the_source_forth_and_back),
        cmocka_unit_test(variants_hear_their_own_columns),
        cmocka_unit_test(still_is_neutral_with_open_eyes),
        cmocka_unit_test(what_does_not_drive_the_model_is_refused),
    };
    return cmocka_run_group_tests(tests, make_track, NULL);
}
