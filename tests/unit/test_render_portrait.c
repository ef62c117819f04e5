/* Steadying goes from neighbour to neighbour within a take: what was before a jump or a cut of the
 * source leaves nothing behind. */
#include "support.h"
#include "synthetic_subject.h"
#include "render/portrait.h"
#include "subject/manifest.h"

#include <math.h>
#include <string.h>

enum { FRAMES = 60, SIZE = 64, CUT = 20 };
static char folder[STK_PATH_MAX];
static stk_subject *subject;
static stk_portrait_source *source;
static stk_portrait_frame frame;

/* A subject that was cut at frame CUT. */
static int open_subject(void **state) {
    (void)state;
    stk_manifest m;
    TEST_OK(stk_path_join(folder, sizeof folder, test_temporary_folder(), "subject"));
    TEST_OK(synthetic_subject_write(folder, FRAMES, SIZE));
    TEST_OK(stk_manifest_load(&m, folder, NULL));
    cJSON *figures = cJSON_CreateObject();
    cJSON_AddItemToArray(cJSON_AddArrayToObject(figures, "cut_frames"), cJSON_CreateNumber(CUT));
    static const char *const none[] = {NULL};
    TEST_OK(stk_manifest_step_record(&m, folder, "face", "digest", 1, none, figures));
    TEST_OK(stk_manifest_save(&m, folder));
    stk_manifest_clear(&m);
    TEST_OK(stk_subject_open(&subject, folder));
    TEST_OK(stk_portrait_open(&source, subject, 0));
    TEST_OK(stk_portrait_frame_init(&frame, source, SIZE, SIZE));
    return 0;
}

static int close_subject(void **state) {
    (void)state;
    stk_portrait_frame_clear(&frame);
    stk_portrait_close(&source);
    stk_subject_close(&subject);
    return 0;
}

/* Frame k says that the light is so many levels brighter, and hides a cell or not; what is left of
 * both after steadying is in frame.fit. */
static void show(int k, float levels, float hidden) {
    memset(&frame.fit, 0, sizeof frame.fit);
    frame.fit.ready = 1;
    frame.fit.shift[3][1] = levels;
    frame.fit.hidden[100] = hidden;
    stk_portrait_follow(source, k, &frame);
}

static void neighbours_are_steadied(void **state) {
    (void)state;
    show(5, 8, 1);
    assert_false(frame.follows);
    static const int on[] = {6, 7, 7, 6}; /* the turn of a source that plays forth and back */
    for (size_t i = 0; i < STK_ARRAY_SIZE(on); i++) {
        show(on[i], 0, 0);
        assert_true(frame.follows);
        assert_true(frame.fit.shift[3][1] > 1 && frame.fit.hidden[100] > 0.3f);
    }
}

static void jumps_and_cuts_begin_anew(void **state) {
    (void)state;
    static const int pairs[][2] = {{5, 8}, {30, 3}, {CUT - 1, CUT}, {CUT, CUT - 1}};
    for (size_t i = 0; i < STK_ARRAY_SIZE(pairs); i++) {
        show(pairs[i][0], 8, 1);
        show(pairs[i][1], 0, 0);
        assert_false(frame.follows);
        assert_true(frame.fit.shift[3][1] == 0 && frame.fit.hidden[100] == 0);
    }
    show(CUT, 8, 1);
    show(CUT + 1, 0, 0);
    assert_true(frame.follows && frame.fit.hidden[100] > 0.5f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(neighbours_are_steadied),
        cmocka_unit_test(jumps_and_cuts_begin_anew),
    };
    return cmocka_run_group_tests(tests, open_subject, close_subject);
}
