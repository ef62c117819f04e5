/* Clips and sounds read: turned pictures, random access, timing, damage, sentences of failure. */
#include "support.h"
#include "painted_clip.h"
#include "base/memory.h"
#include "media/media.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { W = PAINTED_WIDTH, H = PAINTED_HEIGHT, FRAMES = PAINTED_FRAMES };

/* Writes the rotation matrix (16.16 fixed point a b u c d v ...) into the only track's header. */
static void set_matrix(const char *path, const int16_t abcd[4]) {
    stk_map map;
    TEST_OK(stk_map_open(&map, path));
    uint8_t *bytes = stk_calloc_aligned(1, map.size);
    memcpy(bytes, map.data, map.size);
    uint8_t *tkhd = memmem(bytes, map.size, "tkhd", 4);
    assert_non_null(tkhd);
    const int at[4] = {44, 48, 56, 60};
    for (int i = 0; i < 4; i++) {
        tkhd[at[i]] = (uint8_t)((uint16_t)abcd[i] >> 8);
        tkhd[at[i] + 1] = (uint8_t)abcd[i];
    }
    TEST_OK(stk_file_write(path, bytes, map.size));
    stk_free(bytes);
    stk_map_close(&map);
}

static void reader_rotated_clip_is_upright(void **state) {
    (void)state;
    const int16_t matrices[4][4] = {{1, 0, 0, 1}, {0, 1, -1, 0}, {-1, 0, 0, -1}, {0, -1, 1, 0}};
    char path[STK_PATH_MAX];
    painted_path(path, "a.mp4");
    stk_writer_options options = painted_options(STK_WRITER_MP4, 0, 0);
    painted_clip(path, &options, 2);
    stk_image want;
    TEST_OK(stk_image_init(&want, W, H, 3));
    painted_frame(&want, 0);
    for (int quarters = 0; quarters < 4; quarters++) {
        set_matrix(path, matrices[quarters]);
        stk_media_info info;
        TEST_OK(stk_media_probe(path, &info));
        assert_int_equal(info.rotation_deg, 90 * quarters);
        assert_int_equal(info.width, quarters % 2 ? H : W);
        stk_video_reader *reader;
        TEST_OK(stk_video_reader_open(&reader, path, NULL));
        const stk_image *frame;
        int end;
        TEST_OK(stk_video_reader_next(reader, &frame, NULL, &end));
        assert_int_equal(frame->width, info.width);
        /* Where the coded top left corner is shown after turning clockwise. */
        int x = quarters == 1 || quarters == 2 ? frame->width - 3 : 2;
        int y = quarters >= 2 ? frame->height - 3 : 2;
        for (int c = 0; c < 3; c++)
            assert_true(abs(stk_image_row(frame, y)[3 * x + c] - stk_image_row(&want, 2)[6 + c]) <=
                        4);
        stk_video_reader_close(&reader);
    }
    stk_image_clear(&want);
}

/* All frames by sequential decoding, one below the other. */
static stk_image decode_all(const char *path, int frames) {
    stk_image all;
    TEST_OK(stk_image_init(&all, W, H * frames, 3));
    stk_video_reader *reader;
    TEST_OK(stk_video_reader_open(&reader, path, NULL));
    for (int i = 0, end = 0; i <= frames; i++) {
        const stk_image *frame;
        TEST_OK(stk_video_reader_next(reader, &frame, NULL, &end));
        assert_int_equal(end, i == frames);
        if (end) break;
        stk_image part = stk_image_view(&all, (stk_rect){0, i * H, W, (i + 1) * H});
        stk_image_copy(&part, frame);
    }
    stk_video_reader_close(&reader);
    return all;
}

static void expect_frame(stk_frame_store *store, int index, const stk_image *all) {
    const stk_image *frame;
    TEST_OK(stk_frame_store_get(store, index, &frame));
    for (int y = 0; y < H; y++)
        assert_memory_equal(stk_image_row(frame, y), stk_image_row(all, index * H + y), W * 3);
}

static void store_any_order_gives_right_frames(void **state) {
    (void)state;
    enum { COUNT = FRAMES + 1 }; /* the last group holds five of eight */
    char path[STK_PATH_MAX];
    painted_path(path, "a.mp4");
    stk_writer_options options = painted_options(STK_WRITER_MP4, 12, 8);
    painted_clip(path, &options, COUNT);
    stk_image all = decode_all(path, COUNT);
    stk_map map;
    TEST_OK(stk_map_open(&map, path));
    for (int from_memory = 0; from_memory < 2; from_memory++) {
        stk_frame_store *store;
        TEST_OK(from_memory ? stk_frame_store_open(&store, NULL, map.data, map.size)
                            : stk_frame_store_open(&store, path, NULL, 0));
        assert_int_equal(stk_frame_store_count(store), COUNT);
        for (int i = 0; i < COUNT; i++) expect_frame(store, i, &all);
        for (int i = COUNT - 1; i >= 0; i--) expect_frame(store, i, &all);
        for (int i = 0; i < 200; i++) expect_frame(store, (i * 7919 + 13) % COUNT, &all);
        TEST_OK(stk_frame_store_set_cache(store, 1000));
        for (int i = 0; i < 200; i++) expect_frame(store, (i * 7919 + 13) % COUNT, &all);
        TEST_OK(stk_frame_store_set_cache(store, 1));
        for (int i = COUNT - 1; i >= 0; i -= 3) expect_frame(store, i, &all);
        const stk_image *frame;
        assert_int_equal(stk_frame_store_get(store, COUNT, &frame), STK_ERR_ARGUMENT);
        assert_int_equal(stk_frame_store_get(store, -1, &frame), STK_ERR_ARGUMENT);
        stk_frame_store_close(&store);
    }
    stk_map_close(&map);
    stk_image_clear(&all);
}

/* Any damage ends in a sentence or in fewer frames, never in a crash or an endless loop. */
static void open_damaged_bytes_never_crash(void **state) {
    (void)state;
    const double at[1] = {0.5};
    char path[STK_PATH_MAX], wav[STK_PATH_MAX], bad[STK_PATH_MAX];
    painted_path(path, "a.mp4");
    painted_path(wav, "a.wav");
    painted_path(bad, "b.mp4");
    painted_clicks(wav, 16000, 1, at, 1);
    stk_writer_options options = painted_options(STK_WRITER_MP4, 20, 8);
    options.sound_path = wav;
    painted_clip(path, &options, 20);
    stk_map map;
    TEST_OK(stk_map_open(&map, path));
    uint8_t *bytes = stk_calloc_aligned(1, map.size);
    uint32_t seed = 7;
    for (int round = 0; round < 60; round++) {
        memcpy(bytes, map.data, map.size);
        for (int i = 0; i < 1 + round % 12; i++) {
            seed = seed * 1664525u + 1013904223u;
            bytes[(seed >> 4) % map.size] = (uint8_t)(seed >> 24);
        }
        TEST_OK(
            stk_file_write(bad, bytes, round % 3 == 0 ? map.size * (size_t)round / 60 : map.size));
        stk_retime plan;
        if (stk_retime_plan(bad, NULL, &plan) == STK_OK) stk_retime_clear(&plan);
        stk_sound sound;
        if (stk_sound_read(bad, 16000, 0, &sound) == STK_OK) stk_sound_clear(&sound);
        stk_frame_store *store;
        if (stk_frame_store_open(&store, NULL, bytes, map.size) == STK_OK) {
            const stk_image *frame;
            for (int i = stk_frame_store_count(store) - 1; i >= 0 && i < 40; i -= 3)
                (void)stk_frame_store_get(store, i, &frame);
            stk_frame_store_close(&store);
        }
    }
    stk_free(bytes);
    stk_map_close(&map);
}

static double peak_s(const stk_sound *sound, double from_s, double to_s) {
    int64_t best = (int64_t)(from_s * sound->rate);
    for (int64_t i = best; i < sound->count && i < to_s * sound->rate; i++)
        if (sound->samples[i] > sound->samples[best]) best = i;
    return (double)best / sound->rate;
}

static void sound_clicks_survive_resampling_and_aac(void **state) {
    (void)state;
    const double at[2] = {0.5, 1.75};
    const int rates[] = {8000, 16000, 44100, 48000};
    char wav[STK_PATH_MAX], mp4[STK_PATH_MAX];
    painted_path(wav, "clicks.wav");
    painted_path(mp4, "clicks.mp4");
    for (size_t r = 0; r < 4; r++) {
        painted_clicks(wav, rates[r], 2, at, 2);
        stk_sound sound;
        TEST_OK(stk_sound_read(wav, 16000, 0, &sound));
        assert_true(llabs(sound.count - 32000) <= 2);
        for (int k = 0; k < 2; k++)
            assert_true(fabs(peak_s(&sound, at[k] - 0.2, at[k] + 0.2) - at[k]) < 0.0003);
        stk_sound_clear(&sound);
        stk_writer_options options = painted_options(STK_WRITER_MP4, 30, 0);
        options.sound_path = wav;
        options.sound_start_s = 0.1;
        painted_clip(mp4, &options, FRAMES);
        TEST_OK(stk_sound_read(mp4, 16000, 0, &sound)); /* clicks 0.1 s earlier, 2.4 s in all */
        for (int k = 0; k < 2; k++)
            assert_true(fabs(peak_s(&sound, at[k] - 0.3, at[k] + 0.1) - at[k] + 0.1) < 0.001);
        assert_true(fabs((double)sound.count / 16000 - 2.4) < 0.04);
        stk_sound_clear(&sound);
        TEST_OK(stk_sound_read(mp4, 16000, -0.25, &sound));
        assert_true(fabs(peak_s(&sound, 0.5, 0.8) - 0.65) < 0.001);
        stk_sound_clear(&sound);
    }
}

static void probe_own_clip_reports_all(void **state) {
    (void)state;
    const double at[1] = {1};
    char wav[STK_PATH_MAX], mp4[STK_PATH_MAX];
    painted_path(wav, "clicks.wav");
    painted_path(mp4, "100%d: clip.mp4"); /* neither a pattern nor a protocol */
    painted_clicks(wav, 16000, 9, at, 1);
    stk_writer_options options = painted_options(STK_WRITER_MP4, 20, 0);
    options.sound_path = wav;
    painted_clip(mp4, &options, FRAMES);
    stk_media_info info;
    TEST_OK(stk_media_probe(mp4, &info));
    assert_true(info.has_video && info.has_audio);
    assert_int_equal(info.frames_estimate, FRAMES);
    assert_true(fabs(info.fps - 25) < 1e-9 && fabs(info.duration_s - 2.4) < 1e-3);
    assert_string_equal(info.comment, "synthetic test");
    assert_string_equal(info.pixel_format, "yuv420p");
    assert_int_equal(info.audio_channels, 1);
    stk_retime plan;
    TEST_OK(stk_retime_plan(mp4, NULL, &plan));
    assert_int_equal(plan.frames, FRAMES);
    assert_true(plan.doubled == 0 && plan.dropped == 0 && plan.repeats == 0);
    stk_retime_clear(&plan);
    assert_int_equal(stk_file_exists(mp4), 1);
}

/* 25 pictures a second shown 30 times: every sixth is a copy, re-encoded with loss. In the second
 * round the picture stands still for two seconds, which hides the copies there, but not their
 * rhythm. */
static void plan_own_repeats_are_found(void **state) {
    (void)state;
    char path[STK_PATH_MAX];
    painted_path(path, "r.mp4");
    stk_writer_options options = painted_options(STK_WRITER_MP4, 20, 0);
    options.fps = 30;
    stk_image image;
    TEST_OK(stk_image_init(&image, W, H, 3));
    for (int frozen = 0; frozen < 2; frozen++) {
        stk_video_writer *writer;
        TEST_OK(stk_video_writer_create(&writer, path, &options));
        for (int i = 0; i < 300; i++) {
            int shown = i * 5 / 6;
            painted_frame(&image, frozen && shown > 100 ? shown < 150 ? 100 : shown - 49 : shown);
            TEST_OK(stk_video_writer_frame(writer, &image));
        }
        TEST_OK(stk_video_writer_finish(&writer));
        stk_retime plan;
        TEST_OK(stk_retime_plan(path, NULL, &plan));
        assert_int_equal(plan.repeats, 50);
        assert_int_equal(plan.frames, 250);
        assert_true(plan.dropped == 0 && plan.doubled == 0);
        for (int k = 0; k < plan.frames; k++)
            assert_true(fabs(plan.time_s[k] - plan.first_time_s - k / 25.0) < 0.021);
        stk_retime_clear(&plan);
    }
    stk_image_clear(&image);
}

/* A picture that holds still at irregular moments keeps its timing. */
static void plan_still_moments_are_kept(void **state) {
    (void)state;
    char path[STK_PATH_MAX];
    painted_path(path, "s.mp4");
    stk_writer_options options = painted_options(STK_WRITER_MP4, 20, 0);
    stk_image image;
    TEST_OK(stk_image_init(&image, W, H, 3));
    stk_video_writer *writer;
    TEST_OK(stk_video_writer_create(&writer, path, &options));
    uint32_t seed = 1;
    for (int i = 0, shown = 0; i < 300; i++) {
        seed = seed * 1664525u + 1013904223u;
        shown += seed >> 24 > 50; /* still in one frame of five, at random */
        painted_frame(&image, shown);
        TEST_OK(stk_video_writer_frame(writer, &image));
    }
    TEST_OK(stk_video_writer_finish(&writer));
    stk_retime plan;
    TEST_OK(stk_retime_plan(path, NULL, &plan));
    assert_int_equal(plan.repeats, 0);
    assert_int_equal(plan.frames, 300);
    stk_retime_clear(&plan);
    stk_image_clear(&image);
}

static void expect_error(const char *path, stk_status code, const char *part) {
    stk_media_info info;
    assert_int_equal(stk_media_probe(path, &info), code);
    if (strstr(stk_error_text(), part) == NULL || strstr(stk_error_text(), path) == NULL)
        fail_msg("unexpected sentence: %s", stk_error_text());
}

static void open_bad_files_say_why(void **state) {
    (void)state;
    char path[STK_PATH_MAX], cut[STK_PATH_MAX], wav[STK_PATH_MAX];
    painted_path(path, "a.mp4");
    painted_path(cut, "cut.mp4");
    painted_path(wav, "a.wav");
    expect_error("/nonexistent/a.mp4", STK_ERR_IO, "no such file");
    expect_error("/tmp", STK_ERR_IO, "folder");
    TEST_OK(stk_file_write(path, "", 0));
    expect_error(path, STK_ERR_FORMAT, "empty");
    TEST_OK(stk_file_write(path, "This is a text, not a film.\nReally.\n", 36));
    expect_error(path, STK_ERR_FORMAT, "not a video or sound file");

    stk_writer_options options = painted_options(STK_WRITER_MP4, 0, 0);
    painted_clip(path, &options, FRAMES);
    stk_map map;
    TEST_OK(stk_map_open(&map, path));
    TEST_OK(stk_file_write(cut, map.data, 600)); /* inside the index */
    expect_error(cut, STK_ERR_FORMAT, "cut off");
    /* With the index at the front it is the tail that is missing. */
    TEST_OK(stk_file_write(cut, map.data, map.size * 2 / 3));
    stk_map_close(&map);
    stk_retime plan;
    TEST_OK(stk_retime_plan(cut, NULL, &plan));
    assert_true(plan.frames > 10 && plan.frames < FRAMES);
    stk_retime_clear(&plan);
    stk_sound sound;
    assert_int_equal(stk_sound_read(path, 16000, 0, &sound), STK_ERR_CONTENT);
    assert_non_null(strstr(stk_error_text(), "has no sound"));
    const double at[1] = {0.5};
    painted_clicks(wav, 16000, 1, at, 1);
    stk_video_reader *reader;
    assert_int_equal(stk_video_reader_open(&reader, wav, NULL), STK_ERR_CONTENT);
    assert_non_null(strstr(stk_error_text(), "has no pictures"));
    assert_null(reader);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reader_rotated_clip_is_upright),
        cmocka_unit_test(open_damaged_bytes_never_crash),
        cmocka_unit_test(store_any_order_gives_right_frames),
        cmocka_unit_test(sound_clicks_survive_resampling_and_aac),
        cmocka_unit_test(probe_own_clip_reports_all),
        cmocka_unit_test(plan_own_repeats_are_found),
        cmocka_unit_test(plan_still_moments_are_kept),
        cmocka_unit_test(open_bad_files_say_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
