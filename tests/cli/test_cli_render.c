/* What `render` offers beside the plain picture, on a small made subject: lips in silence and their
 * smoothing, pictures without background for the callback, and full frames at the clip's own rate.
 */
#include "support.h"
#include "program.h"
#include "synthetic_subject.h"
#include "base/image.h"
#include "base/memory.h"
#include "kernels/march.h"
#include "media/media.h"
#include "render/full.h"
#include "render/model.h"
#include "subject/manifest.h"
#include "synctalk/synctalk.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FRAMES = 60, SIZE = 64, CLIP_W = 320, CLIP_H = 256, WORD_FRAMES = 8 };
static char folder[STK_PATH_MAX], subject[STK_PATH_MAX], model[STK_PATH_MAX], word[STK_PATH_MAX],
    silence[STK_PATH_MAX];

static const program_result *must_run(const program_result *r) {
    if (r->exit_code != 0) fail_msg("exit %d: %s", r->exit_code, r->err);
    return r;
}

static void at(char path[STK_PATH_MAX], const char *name) {
    TEST_OK(stk_path_join(path, STK_PATH_MAX, folder, name));
}

static void write_sound(const char *path, double seconds, float level) {
    stk_sound tone = {.count = (int64_t)(seconds * STK_SAMPLE_RATE), .rate = STK_SAMPLE_RATE};
    tone.samples = stk_calloc_aligned((size_t)tone.count, sizeof(float));
    assert_non_null(tone.samples);
    for (int64_t i = 0; i < tone.count; i++)
        tone.samples[i] = level * sinf(0.05f * (float)i * (1 + sinf(1e-3f * (float)i)));
    TEST_OK(stk_sound_write_wav(path, &tone));
    stk_sound_clear(&tone);
}

/* The model with nets that hear much in a sound, and lips that rest at `closed`. */
static void save_hearing(const char *name, float closed) {
    char path[STK_PATH_MAX], torso[STK_PATH_MAX];
    stk_model *m;
    stk_rng rng;
    at(path, name);
    TEST_OK(stk_path_join(torso, sizeof torso, subject, "torso.mp4"));
    TEST_OK(stk_model_open(&m, model));
    stk_rng_seed(&rng, 5, 0);
    stk_nets_randomise(&m->nets, &rng);
    memset(m->bits, 0xff, STK_GRID_BYTES);
    for (int p = 0; p < STK_PLANES; p++)
        stk_params_fill_uniform(&m->nets.params, m->nets.field.plane[p], 1, &rng);
    for (int i = 0; i < m->nets.params.n; i++) {
        if (strncmp(m->nets.params.list[i].name, "audio_", 6) != 0) continue;
        float *values = stk_params_value(&m->nets.params, i);
        for (size_t k = 0; k < m->nets.params.list[i].count; k++) values[k] *= 3;
    }
    m->nets.heard.known = 0;
    m->nets.closed_known = 1;
    for (int c = 0; c < STK_AUDIO_CODE; c++) m->nets.closed[c] = c % 2 ? closed : -closed;
    const stk_model_contents contents = {.nets = &m->nets,
                                         .values = m->nets.params.value,
                                         .performance = &m->performance,
                                         .bits = m->bits,
                                         .torso_path = torso,
                                         .steps = 1};
    TEST_OK(stk_model_save(path, &contents));
    stk_model_close(&m);
}

static int make_model(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "%s", test_temporary_folder());
    at(subject, "subject"), at(model, "model.stk"), at(word, "word.wav"), at(silence, "no.wav");
    TEST_OK(synthetic_subject_write(subject, FRAMES, SIZE));
    write_sound(word, 0.32, 0.3f);
    write_sound(silence, 0.32, 0);
    must_run(program_run("train %s -o %s --steps 4 --rays 512 --frames 4 --attention free -q",
                         subject, model));
    save_hearing("shut.stk", 4);
    save_hearing("open.stk", -2);
    return 0;
}

/* Pictures of `render` with these words, for comparisons. */
static void render(const char *name, const char *which, const char *sound, const char *words) {
    must_run(program_run("render -m %s/%s -a %s --frames %s/%s %s --models /proc -q", folder, which,
                         sound, folder, name, words));
}

static void read_frame(const char *name, int frame, int channels, stk_image *picture) {
    char path[STK_PATH_MAX], file[64];
    snprintf(file, sizeof file, "%s/%06d.png", name, frame);
    at(path, file);
    TEST_OK(stk_picture_read(path, channels, picture));
}

static int same(const char *one, const char *other, int frame) {
    stk_image a, b;
    int equal = 1;
    read_frame(one, frame, 3, &a);
    read_frame(other, frame, 3, &b);
    for (int y = 0; y < a.height; y++)
        equal &= memcmp(stk_image_row(&a, y), stk_image_row(&b, y), 3 * (size_t)a.width) == 0;
    stk_image_clear(&a);
    stk_image_clear(&b);
    return equal;
}

static void lips_rest_in_silence_unless_told_otherwise(void **state) {
    (void)state;
    render("gate", "shut.stk", silence, "");
    render("named", "shut.stk", silence, "--silence gate");
    render("off", "shut.stk", silence, "--silence off");
    render("off2", "open.stk", silence, "--silence off");
    assert_true(same("gate", "named", 4));
    assert_false(same("gate", "off", 4)); /* closed lips, and what silence gives */
    assert_true(same("off", "off2", 4));  /* where resting lips do not matter */
}

/* The published recursion begins with the first frame as it is; the other one looks ahead. */
static void lips_are_smoothed_as_told(void **state) {
    (void)state;
    render("plain", "shut.stk", word, "--silence off --smooth-lips off");
    render("late", "shut.stk", word, "--silence off --smooth-lips published");
    render("both", "shut.stk", word, "--silence off --smooth-lips symmetric");
    int late = 0, both = 0, alike = 0;
    for (int i = 0; i < WORD_FRAMES; i++) {
        late += !same("late", "plain", i);
        both += !same("both", "plain", i);
        alike += same("late", "both", i);
    }
    print_message("of %d pictures %d, %d changed\n", WORD_FRAMES, late, both);
    assert_true(same("late", "plain", 0));
    assert_true(late >= WORD_FRAMES / 2 && both >= WORD_FRAMES / 2 && alike < WORD_FRAMES / 2);
}

/* --- the callback ----------------------------------------------------------------------------- */

static stk_image seen;
static int seen_total;

static int take_picture(void *user, const stk_frame_view *view) {
    (void)user;
    seen_total = view->total;
    if (view->index != 4) return 0;
    TEST_OK(stk_image_init(&seen, view->width, view->height, view->channels));
    for (int y = 0; y < view->height; y++)
        memcpy(stk_image_row(&seen, y), view->rgb + y * view->stride,
               (size_t)view->channels * (size_t)view->width);
    return 0;
}

static void callback_sees_what_is_written(void **state) {
    (void)state;
    static const char *const backgrounds[] = {NULL, "green", "transparent"};
    for (size_t i = 0; i < STK_ARRAY_SIZE(backgrounds); i++) {
        char frames[STK_PATH_MAX];
        stk_context *ctx;
        stk_render_options options;
        stk_render_result result;
        stk_image written;
        const int channels = i == 2 ? 4 : 3;
        at(frames, i == 0 ? "room" : backgrounds[i]);
        TEST_OK(stk_context_create(&ctx, &(stk_callbacks){.frame = take_picture}));
        stk_render_options_init(&options);
        options.model = model, options.audio = word, options.frames = frames;
        options.portrait = subject, options.background = backgrounds[i];
        TEST_OK(stk_render(ctx, &options, &result));
        stk_context_free(&ctx);
        read_frame(i == 0 ? "room" : backgrounds[i], 4, channels, &written);
        assert_int_equal(seen.channels, channels);
        assert_int_equal(seen_total, result.frames);
        for (int y = 0; y < SIZE; y++)
            assert_memory_equal(stk_image_row(&seen, y), stk_image_row(&written, y),
                                channels * SIZE);
        stk_image_clear(&written);
        stk_image_clear(&seen);
    }
}

/* --- full frames ------------------------------------------------------------------------------ */

enum { BAR = 8 };
#define SOUND_S 2.52 /* longer than the clip, which turns round */

/* A clip of grey pictures with a bar that comes down by two pixels a frame, that the subject now
 * says it was cut from. */
static void give_clip(int num, int den, int count) {
    char path[STK_PATH_MAX];
    stk_video_writer *writer;
    stk_image picture;
    stk_manifest m;
    const stk_writer_options options = {.format = STK_WRITER_MP4,
                                        .width = CLIP_W,
                                        .height = CLIP_H,
                                        .fps = num,
                                        .fps_den = den,
                                        .crf = 8};
    at(path, "clip.mp4");
    TEST_OK(stk_image_init(&picture, CLIP_W, CLIP_H, 3));
    TEST_OK(stk_video_writer_create(&writer, path, &options));
    for (int j = 0; j < count; j++) {
        for (int y = 0; y < CLIP_H; y++)
            memset(stk_image_row(&picture, y), y >= 2 * j && y < 2 * j + BAR ? 220 : 40,
                   3 * (size_t)CLIP_W);
        TEST_OK(stk_video_writer_frame(writer, &picture));
    }
    TEST_OK(stk_video_writer_finish(&writer));
    stk_image_clear(&picture);
    TEST_OK(stk_manifest_load(&m, subject, NULL));
    snprintf(m.info.source_path, sizeof m.info.source_path, "%s", path);
    TEST_OK(stk_sha256_file(path, m.source_sha256));
    m.info.source_width = CLIP_W, m.info.source_height = CLIP_H;
    m.info.crop_source_px = (stk_rect){CLIP_W - CLIP_H, 0, CLIP_W, CLIP_H};
    TEST_OK(stk_manifest_save(&m, subject));
    stk_manifest_clear(&m);
}

/* Which of the clip's frames a picture shows: its left side, where no face ever is. */
static int frame_shown(const stk_image *picture) {
    double sum = 0, bright = 0;
    for (int y = 0; y < CLIP_H; y++) {
        const int level = stk_image_row(picture, y)[3 * 8];
        if (level > 120) sum += (level - 120) * (y + 0.5), bright += level - 120;
    }
    return (int)lround((sum / bright - 0.5 * BAR) / 2);
}

/* Film and pictures have the clip's rate and the sound's length; the body plays every frame of the
 * clip once, then back. */
static void full_frames_come_at_the_rate_of_the_clip(void **state) {
    (void)state;
    static const struct {
        int num, den, clip; /* clip: frames */
    } cases[] = {{30000, 1001, 72}, {24, 1, 58}};
    char film[STK_PATH_MAX], sound[STK_PATH_MAX];
    at(film, "full.mp4"), at(sound, "long.wav");
    write_sound(sound, SOUND_S, 0.2f);
    for (size_t c = 0; c < STK_ARRAY_SIZE(cases); c++) {
        const double fps = (double)cases[c].num / cases[c].den;
        stk_media_info info;
        stk_video_reader *reader;
        const stk_image *picture;
        int end, last = -1, turned = 0, count = 0;
        give_clip(cases[c].num, cases[c].den, cases[c].clip);
        must_run(program_run("render -m %s -a %s --portrait %s --frame full -o %s --crf 8 -q",
                             model, sound, subject, film));
        TEST_OK(stk_media_probe(film, &info));
        assert_float_equal(info.fps, fps, 1e-3);
        assert_true(fabs(info.duration_s - SOUND_S) < 1 / fps && info.has_audio);
        TEST_OK(stk_video_reader_open(&reader, film, NULL));
        for (;; count++) {
            TEST_OK(stk_video_reader_next(reader, &picture, NULL, &end));
            if (end) break;
            const int j = frame_shown(picture);
            if (j < last) turned = 1;
            if (!turned && last < cases[c].clip - 2)
                assert_int_equal(j, last + 1);
            else
                assert_true(turned ? j >= last - 2 && j <= last : j - last <= 1);
            last = j;
        }
        stk_video_reader_close(&reader);
        assert_int_equal(count, lround(SOUND_S * fps));
        assert_true(turned);
        print_message("%.3f a second: %d frames\n", fps, count);
    }
}

/* The face goes with the body: to where the head is at the moment of the clip's frame. */
static void every_frame_of_a_faster_clip_is_played(void **state) {
    (void)state;
    stk_subject *s;
    stk_full full;
    int shift[2];
    give_clip(50, 1, 119);
    TEST_OK(stk_subject_open(&s, subject));
    TEST_OK(stk_full_open(&full, s, NULL, SIZE, SIZE, FRAMES));
    assert_true(full.frames.rate_num == 50 && full.frames.rate_den == 1);
    for (int i = 0; i < FRAMES; i++)
        for (int m = stk_full_first(&full, i); m < stk_full_first(&full, i + 1); m++)
            assert_int_equal(stk_full_frame_of(&full, m, i, i, shift), m < 118 ? m : 118);
    assert_int_equal(stk_full_first(&full, FRAMES), 120);
    stk_full_close(&full);
    stk_subject_close(&s);
}

static void face_is_moved_to_the_moment_of_the_frame(void **state) {
    (void)state;
    stk_subject *s;
    stk_full full;
    int moved = 0, shift[2];
    give_clip(30, 1, 72);
    TEST_OK(stk_subject_open(&s, subject));
    TEST_OK(stk_full_open(&full, s, NULL, SIZE, SIZE, FRAMES));
    for (int i = 0; i < FRAMES; i++)
        for (int m = stk_full_first(&full, i); m < stk_full_first(&full, i + 1); m++) {
            const int j = stk_full_frame_of(&full, m, i, i, shift);
            assert_true(j == m || m >= 71);
            assert_true(fabs(m / 30.0 - i / 25.0) < 0.0201 + (i + 1 == FRAMES) * 0.03);
            if (full.frames.shown[i] == j) assert_true(shift[0] == 0 && shift[1] == 0);
            moved += shift[0] != 0 || shift[1] != 0;
            assert_true(abs(shift[0]) < 40 && abs(shift[1]) < 40);
        }
    assert_int_equal(stk_full_first(&full, FRAMES), 72);
    print_message("moved in %d of 72 frames\n", moved);
    assert_true(moved >= 3 && moved <= 14);
    stk_full_close(&full);
    stk_subject_close(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lips_rest_in_silence_unless_told_otherwise),
        cmocka_unit_test(lips_are_smoothed_as_told),
        cmocka_unit_test(callback_sees_what_is_written),
        cmocka_unit_test(full_frames_come_at_the_rate_of_the_clip),
        cmocka_unit_test(every_frame_of_a_faster_clip_is_played),
        cmocka_unit_test(face_is_moved_to_the_moment_of_the_frame),
    };
    return cmocka_run_group_tests(tests, make_model, NULL);
}
