/* Clips that are not ours: retiming of repeated, film-rate and variable-rate sources. */
#include "support.h"
#include "base/clock.h"
#include "base/memory.h"
#include "media/media.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static stk_retime plan_clip(const char *clip) {
    stk_retime plan;
    double start_s = stk_clock_s();
    TEST_OK(stk_retime_plan(test_shared_or_skip(clip), NULL, &plan));
    print_message(
        "%s: %d -> %d frames, %d repeats, %d dropped, %d doubled, %.3f fps, first %.4f s, "
        "%.2f s\n",
        clip, plan.source_frames, plan.frames, plan.repeats, plan.dropped, plan.doubled,
        plan.source_fps, plan.first_time_s, stk_clock_s() - start_s);
    for (int i = 1; i < plan.frames; i++) {
        assert_true(plan.source[i] >= plan.source[i - 1]);
        /* What is shown is never further from its time than half a source frame gap of 100 ms. */
        assert_true(fabs(plan.time_s[i] - plan.first_time_s - i / 25.0) < 0.051);
    }
    return plan;
}

static void plan_repeated_frames_drops_exactly_them(void **state) {
    (void)state;
    stk_retime plan = plan_clip("clips/french.mp4");
    assert_true(abs(plan.frames - 1258) <= 2);
    assert_int_equal(plan.dropped, 0);
    assert_int_equal(plan.doubled, 0);
    assert_true(fabs(plan.source_fps - 25) < 0.05);
    assert_true(fabs(plan.first_time_s - 0.08) < 0.02);
    stk_retime_clear(&plan);
}

static void plan_even_clip_is_identity(void **state) {
    (void)state;
    stk_retime plan = plan_clip("clips/obama.mp4");
    assert_int_equal(plan.frames, 500);
    assert_int_equal(plan.repeats, 0);
    for (int i = 0; i < 500; i++) assert_int_equal(plan.source[i], i);
    stk_retime_clear(&plan);
}

static void plan_film_rate_takes_nearest(void **state) {
    (void)state;
    stk_retime plan = plan_clip("clips/pexels.mp4");
    assert_int_equal(plan.frames, 492); /* 472 frames at 23.976 last 19.645 s to the last one */
    assert_int_equal(plan.repeats, 0);
    assert_int_equal(plan.dropped, 0);
    assert_int_equal(plan.doubled, 20);
    stk_retime_clear(&plan);
}

static void plan_variable_rate_takes_nearest(void **state) {
    (void)state;
    stk_retime plan = plan_clip("clips/short1.mp4");
    assert_true(abs(plan.frames - 152) <= 2);
    stk_retime_clear(&plan);
}

static void plan_irregular_repeats_are_recognised(void **state) {
    (void)state;
    stk_retime plan = plan_clip("clips/short4.mp4"); /* 22 pictures a second in a container of 30 */
    assert_true(plan.repeats > 40 && plan.repeats < 60);
    stk_retime_clear(&plan);
}

static void reader_plan_hands_out_all_frames(void **state) {
    (void)state;
    const char *path = test_shared_or_skip("clips/short1.mp4");
    stk_retime plan = plan_clip("clips/short1.mp4");
    stk_video_reader *reader;
    TEST_OK(stk_video_reader_open(&reader, path, &plan));
    int count = 0, end = 0;
    for (;; count++) {
        const stk_image *frame;
        double time_s;
        TEST_OK(stk_video_reader_next(reader, &frame, &time_s, &end));
        if (end) break;
        assert_int_equal(frame->width, 700);
        assert_true(time_s == plan.time_s[count]);
    }
    assert_int_equal(count, plan.frames);
    stk_video_reader_close(&reader);
    stk_retime_clear(&plan);
}

static void probe_clip_reports_streams(void **state) {
    (void)state;
    stk_media_info info;
    TEST_OK(stk_media_probe(test_shared_or_skip("clips/french.mp4"), &info));
    assert_true(info.has_video && info.has_audio);
    assert_int_equal(info.width, 512);
    assert_true(fabs(info.video_start_s - 0.08) < 1e-6);
    assert_string_equal(info.audio_codec, "aac");
    assert_int_equal(info.frames_estimate, 1510);
}

static void sound_wav_with_extra_chunks_reads(void **state) {
    (void)state;
    stk_sound sound;
    TEST_OK(stk_sound_read(test_shared_or_skip("audio/official_test.wav"), 16000, 0, &sound));
    print_message("official_test.wav: %lld samples\n", (long long)sound.count);
    assert_true(sound.count > 16000 * 10);
    stk_sound_clear(&sound);
}

/* Reading from t is the same as reading from 0 and cutting: same clock, to the sample. */
static void sound_start_time_cuts_exactly(void **state) {
    (void)state;
    const char *path = test_shared_or_skip("clips/may.mp4");
    stk_sound whole, part;
    TEST_OK(stk_sound_read(path, 16000, 0, &whole));
    TEST_OK(stk_sound_read(path, 16000, 0.25, &part));
    assert_int_equal(part.count, whole.count - 4000);
    test_assert_close("sound", part.samples, whole.samples + 4000, (size_t)part.count, 1e-6);
    assert_true(llabs(whole.count - 16000 * 5) < 16000 / 25);
    stk_sound_clear(&whole);
    stk_sound_clear(&part);
}

static void sound_fit_cuts_or_continues_with_silence(void **state) {
    (void)state;
    static const float want[6] = {0.25f, -0.5f, 0.75f};
    stk_sound sound = {stk_calloc_aligned(4, sizeof(float)), 4, 16000};
    assert_non_null(sound.samples);
    memcpy(sound.samples, want, 3 * sizeof *want);
    sound.samples[3] = 1;
    TEST_OK(stk_sound_fit(&sound, 3));
    assert_int_equal(sound.count, 3);
    TEST_OK(stk_sound_fit(&sound, 6));
    assert_int_equal(sound.count, 6);
    assert_int_equal(sound.rate, 16000);
    assert_memory_equal(sound.samples, want, sizeof want);
    stk_sound_clear(&sound);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plan_repeated_frames_drops_exactly_them),
        cmocka_unit_test(plan_even_clip_is_identity),
        cmocka_unit_test(plan_film_rate_takes_nearest),
        cmocka_unit_test(plan_variable_rate_takes_nearest),
        cmocka_unit_test(plan_irregular_repeats_are_recognised),
        cmocka_unit_test(reader_plan_hands_out_all_frames),
        cmocka_unit_test(probe_clip_reports_streams),
        cmocka_unit_test(sound_wav_with_extra_chunks_reads),
        cmocka_unit_test(sound_start_time_cuts_exactly),
        cmocka_unit_test(sound_fit_cuts_or_continues_with_silence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
