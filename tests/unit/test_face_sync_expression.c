/* Made-up blinks and brows, ranges of coefficients, and the reader of expression tracks. */
#include "support.h"
#include "base/file.h"
#include "base/memory.h"
#include "face_sync/expression_blink.h"
#include "face_sync/expression_range.h"
#include "render/expression_track.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* --- blinks ----------------------------------------------------------------------------------- */

enum { HOUR = 3600 * STK_FPS };
static float hour[HOUR], other[HOUR];

static void blink_shape_closes_rests_and_opens(void **state) {
    (void)state;
    const float t[] = {-1, 0, 0.04f, 0.08f, 0.10f, 0.12f, 0.195f, 0.27f, 5};
    const float shut[] = {0, 0, 0.5f, 1, 1, 1, 0.5f, 0, 0};
    for (int i = 0; i < 9; i++) assert_float_equal(stk_blink_shape(t[i]), shut[i], 1e-5);
}

/* Over an hour: one blink in 3.5 s (the deviation of the mean of 1000 intervals of deviation 1.9 s
 * is 0.06 s), each of 6 or 7 frames and shut once at least, never open for less than 0.6 s. */
static void blinks_come_at_the_rate_of_a_person(void **state) {
    (void)state;
    stk_blinks_make(3, hour, HOUR);
    int blinks = 0, open = HOUR, longest = 0;
    float peak = 0;
    for (int i = 0, length = 0; i < HOUR; i++) {
        assert_true(hour[i] >= 0 && hour[i] <= 1);
        if (hour[i] > 0 && length == 0) {
            assert_true(open >= 14); /* 0.6 s are 15 frames, of which the ends are not exactly 0 */
            blinks++;
            peak = 0;
        }
        if (hour[i] > peak) peak = hour[i];
        if (hour[i] == 0 && length > 0) assert_true(peak >= 0.92f && length >= 4);
        length = hour[i] > 0 ? length + 1 : 0;
        open = hour[i] > 0 ? 0 : open + 1;
        longest = length > longest ? length : longest;
    }
    print_message("%d blinks an hour, %.3f s apart\n", blinks, 3600.0 / blinks);
    assert_float_equal(3600.0 / blinks, 3.5, 0.2);
    assert_true(longest <= 7);
}

static void blinks_repeat_with_their_seed(void **state) {
    (void)state;
    enum { MINUTE = 60 * STK_FPS };
    stk_blinks_make(3, hour, HOUR);
    stk_blinks_make(3, other, MINUTE);
    assert_memory_equal(hour, other, sizeof(float) * (MINUTE - 7));
    stk_blinks_make(4, other, MINUTE);
    assert_memory_not_equal(hour, other, sizeof(float) * MINUTE);
    stk_blinks_make(3, other, 0);
}

static void brows_rise_where_the_voice_is_loud(void **state) {
    (void)state;
    enum { N = 500 };
    for (int i = 0; i < N; i++) hour[i] = i / 100 % 2 == 1 ? 0.2f : 0.02f;
    stk_brows_from_level(hour, N);
    for (int i = 0; i < N; i++) {
        assert_true(fabsf(hour[i]) <= 1);
        if (i > 0) assert_true(fabsf(hour[i] - hour[i - 1]) < 0.1f); /* slow */
    }
    assert_true(hour[150] > 0.3f && hour[250] < -0.2f && hour[350] > 0.3f);
    for (int i = 0; i < N; i++) hour[i] = 0;
    stk_brows_from_level(hour, N);
    for (int i = 0; i < N; i++) assert_float_equal(hour[i], 0, 0);
}

/* --- ranges ----------------------------------------------------------------------------------- */

static void range_of_a_lid_is_open_and_reaches_its_blinks(void **state) {
    (void)state;
    enum { N = 1000 };
    stk_expression_range range;
    float lid[2 * N];
    for (int i = 0; i < N; i++) lid[2 * i] = 0.1f + 0.02f * sinf((float)i);
    for (int i = 100; i < N; i += 300) { /* three blinks in 40 s: less than 5 % of the frames */
        lid[2 * i] = lid[2 * i + 4] = 0.4f;
        lid[2 * i + 2] = 0.7f;
    }
    TEST_OK(stk_expression_range_measure(&range, lid, N, 2, STK_EXPRESSION_LID));
    assert_float_equal(range.neutral, 0.1f, 0.005);
    assert_float_equal(range.high, 0.7f, 1e-6);
    assert_float_equal(stk_expression_range_share(&range, 1), 0.7f, 1e-6);
    assert_float_equal(stk_expression_range_limit(&range, 5), 0.7f + 0.05f * 0.62f, 1e-3);
    assert_float_equal(stk_expression_range_limit(&range, NAN), 0.08f - 0.05f * 0.62f, 1e-3);
    TEST_OK(stk_expression_range_measure(&range, lid, 1, 2, STK_EXPRESSION_LID));
    assert_float_equal(range.high, range.neutral, 0);
}

static void range_of_a_brow_that_is_raised_rarely_reaches_a_quarter_of_it(void **state) {
    (void)state;
    stk_expression_range range;
    float brow[100] = {0};
    brow[40] = 0.8f;
    TEST_OK(stk_expression_range_measure(&range, brow, 100, 1, STK_EXPRESSION_BROW));
    assert_float_equal(range.neutral, 0, 0);
    assert_float_equal(range.high, 0.2f, 1e-6);
    assert_float_equal(range.low, 0, 0);
}

static void another_persons_range_is_carried_over(void **state) {
    (void)state;
    enum { N = 401 };
    stk_expression_range from, to;
    float a[N], b[N];
    for (int i = 0; i < N; i++) {
        a[i] = (float)i / (N - 1); /* median 0.5, 0.05 to 0.95 */
        b[i] = 0.2f + 0.1f * a[i] + (i > N / 2 ? 0.1f * (a[i] - 0.5f) : 0);
    }
    TEST_OK(stk_expression_range_measure(&from, a, N, 1, STK_EXPRESSION_BROW));
    TEST_OK(stk_expression_range_measure(&to, b, N, 1, STK_EXPRESSION_BROW));
    const float at[] = {0.05f, 0.5f, 0.95f}, gives[] = {0.205f, 0.25f, 0.34f};
    for (int i = 0; i < 3; i++)
        assert_float_equal(stk_expression_range_carry(&from, &to, at[i]), gives[i], 1e-4);
    from.low = from.high = from.neutral; /* who never moves is magnified four times only */
    assert_float_equal(stk_expression_range_carry(&from, &to, 0.501f), 0.254f, 1e-4);
}

/* --- tracks ----------------------------------------------------------------------------------- */

static stk_status read_text(const char *name, const char *text, stk_expression_track *track) {
    static char path[STK_PATH_MAX], folder[STK_PATH_MAX];
    if (folder[0] == '\0') snprintf(folder, sizeof folder, "%s", test_temporary_folder());
    TEST_OK(stk_path_join(path, sizeof path, folder, name));
    TEST_OK(stk_file_write(path, text, strlen(text)));
    return stk_expression_track_read(track, path);
}

static void names_are_found_in_any_spelling(void **state) {
    (void)state;
    static const char *const spelled[] = {"browDownLeft",  "BrowDownRight", "browInnerUp",
                                          "browOuterUp_L", "BROWOUTERUP_r", "EyeBlinkLeft",
                                          "eyeBlink_R"};
    for (int k = 0; k < STK_EXPRESSIONS; k++)
        assert_int_equal(stk_expression_find(spelled[k], strlen(spelled[k])), k);
    assert_int_equal(stk_expression_find("browInner_U", 11), -1);
    assert_int_equal(stk_expression_find("jawOpen", 7), -1);
    assert_int_equal(stk_expression_find("", 0), -1);
}

/* The same three rows in each layout: times 0, 0.4, 0.8, brows 0, 1, 0.5. */
static void every_layout_gives_the_same_track(void **state) {
    (void)state;
    static const char *const files[][2] = {
        {"a.csv", "time,browInnerUp\n0,0\n0.4,1\n0.8,0.5\n"},
        {"b.CSV", "\xEF\xBB\xBF# made by hand\r\n\"Frame\"; \"jawOpen\" ;\"BrowInnerUp\"\r\n"
                  "0;x;0\r\n10;;1\r\n\r\n20;1;0.5"},
        {"c.csv", "browInnerUp\ttime_s\n0\t0\n1\t.4\n5e-1\t0.8\n"},
        {"d.json", "{\"time\":[0,0.4,0.8],\"browInnerUp\":[0,1,0.5],\"jawOpen\":[]}"},
        {"e.json", "{\"exportFps\":2.5,\"facsNames\":[\"jawOpen\",\"browInnerUp\"],"
                   "\"weightMat\":[[1,0],[1,1],[null,0.5]]}"},
        {"f.json", "[{\"time\":0,\"browInnerUp\":0},{\"browInnerUp\":1,\"time\":0.4},"
                   "{\"time\":0.8,\"browInnerUp\":0.5,\"frame\":7}]"},
        {"g.json", "{\"fps\":50,\"frames\":[{\"frame\":0,\"browInnerUp\":0},"
                   "{\"frame\":20,\"browInnerUp\":1},{\"frame\":40,\"browInnerUp\":0.5}]}"},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        stk_expression_track track;
        float v[STK_EXPRESSIONS];
        TEST_OK(read_text(files[i][0], files[i][1], &track));
        assert_int_equal(track.rows, 3);
        for (int k = 0; k < STK_EXPRESSIONS; k++) assert_int_equal(track.has[k], k == 2);
        static const double at[] = {-1, 0, 0.1, 0.4, 0.6, 0.8, 100};
        static const float gives[] = {0, 0, 0.25f, 1, 0.75f, 0.5f, 0.5f};
        for (int j = 0; j < 7; j++) {
            stk_expression_track_at(&track, at[j], v);
            assert_float_equal(v[2], gives[j], 1e-5);
        }
        stk_expression_track_clear(&track);
    }
}

static void a_track_of_one_row_holds_it(void **state) {
    (void)state;
    stk_expression_track track;
    float v[STK_EXPRESSIONS];
    TEST_OK(read_text("one.csv", "frame,eyeBlinkLeft\n0,0.5\n", &track));
    stk_expression_track_at(&track, 3, v);
    assert_float_equal(v[5], 0.5f, 0);
    stk_expression_track_clear(&track);
}

static void what_is_no_track_is_refused(void **state) {
    (void)state;
    static const char *const files[][3] = {
        {"empty.csv", "", "is empty"},
        {"comment.csv", "# nothing\n\n", "is empty"},
        {"head.csv", "time,browInnerUp\n", "has no rows"},
        {"other.csv", "time,jawOpen\n0,1\n", "none of the columns that move the face"},
        {"binary.csv", "\x01\x02\x03\xff\n\x04", "none of the columns"},
        {"timeless.csv", "browInnerUp\n1\n", "does not say when its rows are"},
        {"word.csv", "time,browInnerUp\n0,up\n", "browInnerUp of row 1 is not a number"},
        {"nan.csv", "time,browInnerUp\n0,0\n1,nan\n", "browInnerUp of row 2 is not a number"},
        {"inf.csv", "time,browInnerUp\n0,1e999\n", "is not a number"},
        {"short.csv", "time,browInnerUp\n0\n", "browInnerUp of row 1 is not a number"},
        {"when.csv", "time,browInnerUp\n,1\n", "the time of row 1 is not a number"},
        {"back.csv", "time,browInnerUp\n1,0\n1,0\n", "row 2 is not later"},
        {"empty.json", "", "is not JSON"},
        {"cut.json", "{\"time\":[0,1", "is not JSON"},
        {"number.json", "7", "is not JSON"},
        {"null.json", "[null]", "none of the columns"},
        {"list.json", "[]", "has no rows"},
        {"rows.json", "{\"rows\":7}", "has no rows"},
        {"zero.json", "{\"time\":[],\"browInnerUp\":[]}", "has no rows"},
        {"uneven.json", "{\"time\":[0,1],\"browInnerUp\":[0]}", "not equally long"},
        {"hole.json", "{\"time\":[0,1],\"browInnerUp\":[0,null]}", "row 2 is not a number"},
        {"fps.json", "{\"fps\":0,\"browInnerUp\":[0]}", "no number of rows a second"},
        {"mixed.json", "[{\"time\":0,\"browInnerUp\":0},[1,2]]", "row 2 is not a number"},
        {"names.json", "{\"fps\":25,\"rows\":[[1]]}", "none of the columns"},
        {"types.json", "{\"fps\":25,\"names\":[{},null,\"browInnerUp\"],\"rows\":[[1,2,{}]]}",
         "row 1 is not a number"},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        stk_expression_track track;
        assert_int_equal(read_text(files[i][0], files[i][1], &track), STK_ERR_FORMAT);
        if (strstr(stk_error_text(), files[i][2]) == NULL)
            fail_msg("%s: \"%s\" is not in: %s", files[i][0], files[i][2], stk_error_text());
        assert_null(track.values);
        assert_int_equal(track.rows, 0);
    }
    stk_expression_track track;
    assert_int_equal(stk_expression_track_read(&track, "/nowhere/a.csv"), STK_ERR_IO);
}

/* Whatever bytes a file has, it is read or refused; what is read is rising times and numbers. */
static void damaged_files_are_read_or_refused(void **state) {
    (void)state;
    static const char *const whole[][2] = {
        {"x.csv", "time,browInnerUp,eyeBlink_L\n0,0.5,1\n0.4,1,-1\n0.8,0.5,0\n"},
        {"x.json", "{\"fps\":50,\"frames\":[{\"frame\":0,\"browInnerUp\":0},"
                   "{\"frame\":20,\"browInnerUp\":1},{\"frame\":40,\"browInnerUp\":0.5}]}"},
        {"y.json", "{\"exportFps\":2.5,\"names\":[\"jawOpen\",\"browInnerUp\"],"
                   "\"rows\":[[1,0],[1,1],[null,0.5]]}"},
    };
    stk_rng rng;
    stk_rng_seed(&rng, 11, 0);
    int taken = 0;
    for (int i = 0; i < 1500; i++) {
        char text[256];
        const char *const *file = whole[i % 3];
        snprintf(text, sizeof text, "%s", file[1]);
        for (int changes = 1 + (int)stk_rng_below(&rng, 3); changes > 0; changes--)
            text[stk_rng_below(&rng, (uint32_t)strlen(file[1]))] =
                "0,;\n\"{}[]:.-e#\t\xff\0n"[stk_rng_below(&rng, 19)];
        stk_expression_track track;
        if (read_text(file[0], text, &track) != STK_OK) continue;
        taken++;
        for (int r = 0; r < track.rows; r++) {
            assert_true(r == 0 || track.time_s[r] > track.time_s[r - 1]);
            for (int k = 0; k < STK_EXPRESSIONS; k++)
                assert_true(fabsf(track.values[r][k]) <= STK_EXPRESSION_MAX);
        }
        stk_expression_track_clear(&track);
    }
    print_message("%d of 1500 damaged files can be read\n", taken);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blink_shape_closes_rests_and_opens),
        cmocka_unit_test(blinks_come_at_the_rate_of_a_person),
        cmocka_unit_test(blinks_repeat_with_their_seed),
        cmocka_unit_test(brows_rise_where_the_voice_is_loud),
        cmocka_unit_test(range_of_a_lid_is_open_and_reaches_its_blinks),
        cmocka_unit_test(range_of_a_brow_that_is_raised_rarely_reaches_a_quarter_of_it),
        cmocka_unit_test(another_persons_range_is_carried_over),
        cmocka_unit_test(names_are_found_in_any_spelling),
        cmocka_unit_test(every_layout_gives_the_same_track),
        cmocka_unit_test(a_track_of_one_row_holds_it),
        cmocka_unit_test(what_is_no_track_is_refused),
        cmocka_unit_test(damaged_files_are_read_or_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
