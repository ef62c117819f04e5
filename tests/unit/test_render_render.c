/* The render loop: the same pictures in the same order from any number of threads; stopping,
 * failing, and what is left of the film then. */
#include "support.h"
#include "sanitized.h"
#include "base/file.h"
#include "base/image.h"
#include "base/memory.h"
#include "media/media.h"
#include "portrait/occupancy.h"
#include "render/model.h"
#include "render/render.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { FRAMES = 7, GOP = 4, WIDTH = 64, HEIGHT = 48, MADE_MAX = 64 };
static char model_path[STK_PATH_MAX], sound_path[STK_PATH_MAX], film_path[STK_PATH_MAX];

/* --- a model and a sound ---------------------------------------------------------------------- */

static void write_film(const char *path) {
    stk_video_writer *writer;
    stk_image picture;
    const stk_writer_options options = {.format = STK_WRITER_MP4,
                                        .width = WIDTH,
                                        .height = HEIGHT,
                                        .fps = STK_FPS,
                                        .crf = 12,
                                        .gop = GOP,
                                        .threads = 1};
    TEST_OK(stk_image_init(&picture, WIDTH, HEIGHT, 3));
    TEST_OK(stk_video_writer_create(&writer, path, &options));
    for (int i = 0; i < FRAMES; i++) {
        for (int y = 0; y < HEIGHT; y++)
            for (int x = 0; x < 3 * WIDTH; x++)
                stk_image_row(&picture, y)[x] = (uint8_t)(x + 3 * y + 30 * i);
        TEST_OK(stk_video_writer_frame(writer, &picture));
    }
    TEST_OK(stk_video_writer_finish(&writer));
    stk_image_clear(&picture);
}

static void write_sound(const char *path, int64_t samples) {
    stk_sound sound = {.count = samples, .rate = STK_SAMPLE_RATE};
    sound.samples = stk_calloc_aligned((size_t)samples, sizeof(float));
    assert_non_null(sound.samples);
    for (int64_t i = 0; i < samples; i++)
        sound.samples[i] = 0.3f * sinf(0.05f * (float)i * (1 + sinf(1e-3f * (float)i)));
    TEST_OK(stk_sound_write_wav(path, &sound));
    stk_free(sound.samples);
}

static int write_files(void **state) {
    (void)state;
    static stk_pose poses[FRAMES];
    static float expressions[FRAMES][STK_EXPRESSIONS];
    static uint8_t bits[STK_GRID_BYTES];
    char torso[STK_PATH_MAX];
    stk_nets nets;
    stk_rng rng;
    const char *folder = test_temporary_folder();
    TEST_OK(stk_path_join(model_path, sizeof model_path, folder, "a.stk"));
    TEST_OK(stk_path_join(sound_path, sizeof sound_path, folder, "a.wav"));
    TEST_OK(stk_path_join(film_path, sizeof film_path, folder, "a.mp4"));
    TEST_OK(stk_path_join(torso, sizeof torso, folder, "torso.mp4"));
    write_film(torso);
    write_sound(sound_path, STK_SAMPLE_RATE);
    const stk_model_config config = {STK_AUDIO_MEL, 2, STK_EXPRESSIONS, 5, 0};
    stk_rng_seed(&rng, 5, 1);
    TEST_OK(stk_nets_init(&nets, &config, 0));
    stk_nets_randomise(&nets, &rng);
    for (int i = 0; i < STK_GRID_BYTES; i++) bits[i] = (uint8_t)(stk_rng_u32(&rng) & 0x11);
    for (int i = 0; i < FRAMES; i++) {
        const float c = cosf(0.1f * (float)i), d = sinf(0.1f * (float)i);
        poses[i] = (stk_pose){{c, 0, d, 0, 1, 0, -d, 0, c}, {0, 0, -0.6f}};
        for (int k = 0; k < STK_EXPRESSIONS; k++) expressions[i][k] = stk_rng_float(&rng);
    }
    stk_performance performance = {.frames = FRAMES,
                                   .train_frames = FRAMES - 1,
                                   .width = WIDTH,
                                   .height = HEIGHT,
                                   .camera = {120.5f, 31.5f, 24.25f, WIDTH, HEIGHT},
                                   .poses = poses,
                                   .expressions = expressions,
                                   .head_rect = {8, 2, 56, 48},
                                   .subject_name = "noise"};
    stk_sha256("subject", 7, performance.subject_identity);
    const stk_model_contents contents = {.nets = &nets,
                                         .values = nets.params.value,
                                         .performance = &performance,
                                         .bits = bits,
                                         .torso_path = torso};
    TEST_OK(stk_model_save(model_path, &contents));
    stk_nets_clear(&nets);
    return 0;
}

/* --- the loop --------------------------------------------------------------------------------- */

typedef struct seen {
    char digest[MADE_MAX][STK_SHA256_TEXT]; /* of each picture */
    int frames, total, reported;
    int stop_at, fail_at, abort_at;
} seen;

static stk_status see(void *user, const stk_image *picture, int index, int total, int *stop) {
    seen *s = user;
    uint8_t pixels[4 * HEIGHT][3 * 4 * WIDTH] = {0};
    assert_int_equal(index, s->frames++);
    s->total = total;
    for (int y = 0; y < picture->height; y++)
        memcpy(pixels[y], stk_image_row(picture, y), 3 * (size_t)picture->width);
    stk_sha256(pixels, sizeof pixels[0] * (size_t)picture->height, s->digest[index]);
    *stop = index == s->stop_at;
    if (index == s->fail_at) return stk_fail(STK_ERR_IO, "the sink is full");
    return STK_OK;
}

static void report(void *user, const stk_progress *progress) {
    seen *s = user;
    assert_int_equal(progress->done, ++s->reported);
}

static int abort_now(void *user) {
    const seen *s = user;
    return s->reported == s->abort_at;
}

static stk_status render(seen *s, int threads, stk_render_settings changed, int *frames) {
    stk_render_figures figures;
    const stk_job job = {report, abort_now, s};
    changed.model = model_path;
    if (changed.audio == NULL) changed.audio = sound_path;
    changed.threads = threads;
    changed.crf = 20;
    changed.sink = (stk_frame_sink){see, s};
    s->frames = s->reported = 0;
    memset(s->digest, 0, sizeof s->digest);
    stk_status status = stk_render_clip(&changed, &job, &figures);
    *frames = figures.frames;
    assert_true(status != STK_OK ||
                (figures.render_seconds > 0 && figures.render_seconds <= figures.seconds));
    return status;
}

static const seen SEES_ALL = {.stop_at = -1, .fail_at = -1, .abort_at = -1};

static void render_any_thread_count_gives_the_same_pictures(void **state) {
    (void)state;
    static const int threads[] = {2, 3, 4, 32};
    static const stk_render_settings settings[] = {
        {.size = 0}, {.size = 2 * WIDTH}, {.reference_march = 1}, {.every_pixel = 1}};
    for (size_t k = 0; k < STK_ARRAY_SIZE(settings); k++) {
        int frames;
        static seen one, many;
        one = many = SEES_ALL;
        TEST_OK(render(&one, 1, settings[k], &frames));
        assert_int_equal(frames, STK_FPS);
        assert_int_equal(one.frames, STK_FPS);
        assert_int_equal(one.reported, STK_FPS);
        assert_string_not_equal(one.digest[0], one.digest[1]);
        for (size_t i = SANITIZED ? 3 : 0; i < STK_ARRAY_SIZE(threads); i++) {
            TEST_OK(render(&many, threads[i], settings[k], &frames));
            assert_int_equal(frames, STK_FPS);
            assert_memory_equal(many.digest, one.digest, sizeof one.digest);
        }
    }
}

static void render_shortest_sound_on_many_threads(void **state) {
    (void)state;
    char brief[STK_PATH_MAX];
    static seen s;
    int frames;
    s = SEES_ALL;
    TEST_OK(stk_path_join(brief, sizeof brief, test_temporary_folder(), "brief.wav"));
    write_sound(brief, STK_SAMPLE_RATE / 5);
    TEST_OK(render(&s, 16, (stk_render_settings){.audio = brief, .output = film_path}, &frames));
    assert_int_equal(frames, 5);
    assert_int_equal(s.total, 5);
}

static void assert_film_has(int frames) {
    stk_media_info info;
    TEST_OK(stk_media_probe(film_path, &info));
    assert_int_equal(info.frames_estimate, frames);
}

static void stop_keeps_what_was_seen(void **state) {
    (void)state;
    static seen s;
    for (int threads = 1; threads <= 4; threads++) {
        int frames;
        s = SEES_ALL;
        s.stop_at = 6;
        assert_int_equal(render(&s, threads, (stk_render_settings){.output = film_path}, &frames),
                         STK_ERR_ABORTED);
        assert_int_equal(frames, 7);
        assert_int_equal(s.frames, 7);
        assert_film_has(7);
        s = SEES_ALL;
        s.abort_at = 3;
        assert_int_equal(render(&s, threads, (stk_render_settings){.output = film_path}, &frames),
                         STK_ERR_ABORTED);
        assert_string_equal(stk_error_text(), "stopped after 3 frames");
        assert_int_equal(frames, 3);
        assert_film_has(3);
    }
}

static void stop_before_the_first_frame_leaves_no_film(void **state) {
    (void)state;
    static seen s;
    int frames;
    s = SEES_ALL;
    s.abort_at = 0;
    remove(film_path);
    assert_int_equal(render(&s, 2, (stk_render_settings){.output = film_path}, &frames),
                     STK_ERR_ABORTED);
    assert_int_equal(frames, 0);
    assert_false(stk_file_exists(film_path));
}

static void failing_sink_ends_the_render_with_its_sentence(void **state) {
    (void)state;
    static seen s;
    remove(film_path);
    for (int threads = 1; threads <= 4; threads++) {
        int frames;
        s = SEES_ALL;
        s.fail_at = 4;
        assert_int_equal(render(&s, threads, (stk_render_settings){.output = film_path}, &frames),
                         STK_ERR_IO);
        assert_string_equal(stk_error_text(), "the sink is full");
        assert_int_equal(s.frames, 5);
        assert_false(stk_file_exists(film_path));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(render_any_thread_count_gives_the_same_pictures),
        cmocka_unit_test(render_shortest_sound_on_many_threads),
        cmocka_unit_test(stop_keeps_what_was_seen),
        cmocka_unit_test(stop_before_the_first_frame_leaves_no_film),
        cmocka_unit_test(failing_sink_ends_the_render_with_its_sentence),
    };
    return cmocka_run_group_tests(tests, write_files, NULL);
}
