/* The whole path on a real five-second clip, as a user runs it: prepare, train (stopped and
 * resumed, one and two threads), render, eval, and the refusals that need a real subject or model.
 */
#include "support.h"
#include "program.h"
#include "sanitized.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/image.h"
#include "media/media.h"
#include "render/model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static char folder[STK_PATH_MAX], clip[STK_PATH_MAX], subject[STK_PATH_MAX], model[STK_PATH_MAX],
    sound[STK_PATH_MAX];
static const char *const SMALL =
    SANITIZED ? "--steps 8 --rays 512 --frames 4 -q" : "--steps 30 --rays 512 --frames 4 -q";

/* Sanitizers make everything twenty times slower: half the clip, smaller pictures, less sound. */
#define SOUND_S (SANITIZED ? 0.2 : 1.0)
enum { SIDE = SANITIZED ? 128 : 256, OTHER_SIDE = SANITIZED ? 64 : 128, CUT_FRAMES = 52 };

static void at(char *path, const char *name) {
    TEST_OK(stk_path_join(path, STK_PATH_MAX, folder, name));
}

static void write_tone(const char *path, double seconds, int rate) {
    stk_sound tone = {.count = (int64_t)(seconds * rate), .rate = rate};
    tone.samples = stk_calloc_aligned((size_t)tone.count, sizeof(float));
    assert_non_null(tone.samples);
    for (int64_t i = 0; i < tone.count; i++)
        tone.samples[i] = 0.3f * sinf(6.2831853f * 180.0f * (float)i / (float)rate);
    TEST_OK(stk_sound_write_wav(path, &tone));
    stk_sound_clear(&tone);
}

static const program_result *must_run(const program_result *r) {
    if (r->exit_code != 0) fail_msg("exit %d: %s", r->exit_code, r->err);
    return r;
}

/* The first frames and their sound. */
static void write_cut(const char *path, const char *whole) {
    const stk_image *frame;
    stk_video_reader *reader;
    stk_video_writer *writer = NULL;
    TEST_OK(stk_video_reader_open(&reader, whole, NULL));
    for (int i = 0, end = 0; i < CUT_FRAMES; i++) {
        TEST_OK(stk_video_reader_next(reader, &frame, NULL, &end));
        assert_false(end);
        const stk_writer_options options = {.format = STK_WRITER_MP4,
                                            .width = frame->width,
                                            .height = frame->height,
                                            .fps = 25,
                                            .crf = 16,
                                            .threads = 2,
                                            .sound_path = whole};
        if (i == 0) TEST_OK(stk_video_writer_create(&writer, path, &options));
        TEST_OK(stk_video_writer_frame(writer, frame));
    }
    TEST_OK(stk_video_writer_finish(&writer));
    stk_video_reader_close(&reader);
}

/* Lines of progress as doc/FORMATS.md has them; none twice, but for a step named anew. */
static void check_progress(const program_result *r) {
    char step[64], last[128] = "", counts[128];
    int lines = 0, length;
    for (const char *line = r->err; line != NULL; line = strchr(line, '\n')) {
        long long done, total;
        double seconds, eta_s;
        if (*line == '\n' && *++line == '\0') break;
        if (strncmp(line, "step=", 5) != 0) continue;
        if (sscanf(line, "step=%63s done=%lld total=%lld seconds=%lf eta_s=%lf%n", step, &done,
                   &total, &seconds, &eta_s, &length) != 5)
            fail_msg("no progress line: %.100s", line);
        snprintf(counts, sizeof counts, "%s %lld %lld", step, done, total);
        if (strcmp(counts, last) == 0) fail_msg("said twice: %.100s", line);
        snprintf(last, sizeof last, "%s", counts);
        lines++;
    }
    assert_true(lines >= 10);
}

static int prepare_person(void **state) {
    (void)state;
    const char *shared = test_shared("clips/may.mp4");
    if (shared == NULL) return 0;
    snprintf(folder, sizeof folder, "%s", test_temporary_folder());
    at(subject, "may");
    at(model, "may.stk");
    at(sound, "tone.wav");
    write_tone(sound, SOUND_S, 44100);
    snprintf(clip, sizeof clip, "%s", shared);
    if (SANITIZED) {
        at(clip, "cut.mp4");
        write_cut(clip, shared);
    }
    check_progress(must_run(program_run("prepare %s -o %s --size %d", clip, subject, SIDE)));
    must_run(program_run("train %s -o %s %s", subject, model, SMALL));
    return 0;
}

static void need_person(void) {
    test_shared_or_skip("clips/may.mp4");
}

static void assert_same_file(const char *a, const char *b) {
    char digest_a[STK_SHA256_TEXT], digest_b[STK_SHA256_TEXT];
    TEST_OK(stk_sha256_file(a, digest_a));
    TEST_OK(stk_sha256_file(b, digest_b));
    assert_string_equal(digest_a, digest_b);
}

static struct stat status_of(const char *name) {
    char path[STK_PATH_MAX];
    struct stat info;
    TEST_OK(stk_path_join(path, sizeof path, subject, name));
    assert_int_equal(stat(path, &info), 0);
    return info;
}

/* A step that is redone renames a fresh file into place: another inode. */
static void prepare_again_does_nothing(void **state) {
    (void)state;
    need_person();
    static const char *const names[] = {"picture.mp4", "labels.safetensors", "torso.mp4",
                                        "tables.safetensors"};
    struct stat before[4];
    for (int i = 0; i < 4; i++) before[i] = status_of(names[i]);
    must_run(program_run("prepare %s -o %s --size %d", clip, subject, SIDE));
    for (int i = 0; i < 4; i++) {
        struct stat after = status_of(names[i]);
        assert_int_equal(before[i].st_ino, after.st_ino);
        assert_int_equal(before[i].st_mtim.tv_nsec, after.st_mtim.tv_nsec);
    }
}

/* Nothing but the full frames is made of a subject that is ready, and they once. */
static void prepare_full_keeps_the_full_frames(void **state) {
    (void)state;
    need_person();
    char digest[STK_SHA256_TEXT], name[64], path[STK_PATH_MAX];
    TEST_OK(stk_sha256_file(clip, digest));
    snprintf(name, sizeof name, "cache/full-%.12s.mp4", digest);
    TEST_OK(stk_path_join(path, sizeof path, subject, name));
    assert_false(stk_file_exists(path));
    must_run(program_run("prepare %s -o %s --size %d --full", clip, subject, SIDE));
    const struct stat made = status_of(name);
    assert_true(made.st_size > 0);
    must_run(program_run("prepare %s -o %s --size %d --full", clip, subject, SIDE));
    assert_int_equal(status_of(name).st_ino, made.st_ino);
}

static void prepare_at_another_size_is_refused(void **state) {
    (void)state;
    need_person();
    program_assert_refuses(program_run("prepare %s -o %s --size %d", clip, subject, OTHER_SIDE), 1,
                           "--restart");
}

static void swapped_files_are_named_for_what_they_are(void **state) {
    (void)state;
    need_person();
    char film[STK_PATH_MAX];
    at(film, "x.avi");
    program_assert_refuses(program_run("train %s -o %s.z", model, model), 1, "is a file");
    program_assert_refuses(program_run("render -m %s -a %s -o x.mp4", subject, sound), 1,
                           "is a folder");
    program_assert_refuses(program_run("render -m %s -a %s -o x.mp4", sound, model), 1,
                           "not a synctalk model");
    program_assert_refuses(program_run("render -m %s -a %s -o %s", model, sound, film), 2,
                           "only mp4");
}

static void train_thread_count_does_not_change_the_model(void **state) {
    (void)state;
    TEST_SKIP_SANITIZED("test_cli_train and test_train_trainer walk this");
    need_person();
    char other[STK_PATH_MAX];
    at(other, "threads.stk");
    must_run(program_run("train %s -o %s %s --threads 1", subject, other, SMALL));
    assert_same_file(model, other);
}

/* Steps taken by the run that left this training state; -1 when there is none. */
static int64_t steps_saved(const char *stk) {
    char path[STK_PATH_MAX];
    snprintf(path, sizeof path, "%.4000s.train", stk);
    if (!stk_file_exists(path)) return -1;
    stk_safetensors *file;
    int64_t steps;
    TEST_OK(stk_safetensors_open(&file, path));
    memcpy(&steps, stk_safetensors_find(file, "state")->data, sizeof steps);
    stk_safetensors_close(&file);
    return steps;
}

static void train_interrupted_and_resumed_is_bit_equal(void **state) {
    (void)state;
    TEST_SKIP_SANITIZED("test_cli_train and test_train_trainer walk this");
    need_person();
    enum { STEPS = SANITIZED ? 24 : 150 };
    char longer[64];
    snprintf(longer, sizeof longer, "--steps %d --rays 512 --frames 4 -q", STEPS);
    char whole[STK_PATH_MAX], other[STK_PATH_MAX];
    at(whole, "whole.stk");
    at(other, "resumed.stk");
    must_run(program_run("train %s -o %s %s", subject, whole, longer));
    int64_t steps = -1;
    for (double delay_s = 0.7; delay_s < 60 && (steps <= 0 || steps >= STEPS); delay_s *= 1.5) {
        const program_result *r =
            program_interrupt(delay_s, "train %s -o %s %s", subject, other, longer);
        assert_true(r->exit_code == 130 || r->exit_code == 0);
        steps = steps_saved(other);
        if (r->exit_code == 0) break; /* the machine is too fast for this delay */
    }
    print_message("stopped at step %lld of %d\n", (long long)steps, STEPS);
    assert_true(steps > 0 && steps < STEPS);
    assert_true(stk_file_exists(other));
    must_run(program_run("train %s -o %s %s --resume", subject, other, longer));
    assert_same_file(whole, other);
}

static void train_resume_refuses_other_settings(void **state) {
    (void)state;
    need_person();
    program_assert_refuses(program_run("train %s -o %s --steps 8 --rays 512 --frames 4 --seed 9 "
                                       "--resume",
                                       subject, model),
                           1, "other settings");
    char fresh[STK_PATH_MAX];
    at(fresh, "none.stk");
    program_assert_refuses(program_run("train %s -o %s %s --resume", subject, fresh, SMALL), 1,
                           "no checkpoint");
}

static void render_makes_a_film_as_long_as_the_sound(void **state) {
    (void)state;
    need_person();
    char film[STK_PATH_MAX];
    at(film, "out.mp4");
    const program_result *r = must_run(program_run("render -m %s -a %s -o %s", model, sound, film));
    assert_non_null(strstr(r->err, "render_fps="));
    stk_media_info info;
    TEST_OK(stk_media_probe(film, &info));
    assert_true(info.has_video && info.has_audio);
    assert_true(fabs(info.duration_s - SOUND_S) <= 0.041);
    assert_non_null(strstr(info.comment, "ynthetic"));
    char digest[STK_SHA256_TEXT];
    TEST_OK(stk_sha256_file(model, digest));
    assert_non_null(strstr(info.comment, digest));
}

static void render_other_size_and_png_frames(void **state) {
    (void)state;
    need_person();
    char frames[STK_PATH_MAX], last[STK_PATH_MAX];
    at(frames, "frames");
    must_run(
        program_run("render -m %s -a %s --frames %s --size %d", model, sound, frames, OTHER_SIDE));
    TEST_OK(stk_path_join(last, sizeof last, frames, SANITIZED ? "000004.png" : "000024.png"));
    stk_image picture;
    TEST_OK(stk_picture_read(last, 3, &picture));
    assert_int_equal(picture.width, OTHER_SIDE);
    stk_image_clear(&picture);
}

/* The clip's own size; beyond the face its own pixels, which the copy in the folder keeps. */
static void render_into_full_frames(void **state) {
    (void)state;
    need_person();
    char frames[STK_PATH_MAX], path[STK_PATH_MAX], name[64], digest[STK_SHA256_TEXT];
    TEST_OK(stk_sha256_file(clip, digest));
    snprintf(name, sizeof name, "cache/full-%.12s.mp4", digest);
    at(frames, "full");
    must_run(program_run("render -m %s -a %s --portrait %s --frame full --frames %s -q", model,
                         sound, subject, frames));
    stk_frame_store *store;
    const stk_image *source;
    stk_image made;
    TEST_OK(stk_path_join(path, sizeof path, subject, name));
    TEST_OK(stk_frame_store_open(&store, path, NULL, 0));
    TEST_OK(stk_frame_store_get(store, 3, &source));
    TEST_OK(stk_path_join(path, sizeof path, frames, "000003.png"));
    TEST_OK(stk_picture_read(path, 3, &made));
    assert_int_equal(made.width, 512);
    assert_int_equal(made.height, 512);
    int same = 0, other = 0;
    for (int y = 0; y < 512; y++)
        for (int x = 0; x < 512; x++) {
            const uint8_t *a = stk_image_row(&made, y) + 3 * x;
            const uint8_t *b = stk_image_row(source, y) + 3 * x;
            const int differs = memcmp(a, b, 3) != 0;
            if (y < 40 || y > 460 || x < 60 || x > 450) assert_false(differs);
            same += !differs, other += differs;
        }
    assert_true(same > 512 * 512 / 2 && other > 512 * 512 / 20);
    stk_image_clear(&made);
    stk_frame_store_close(&store);
    program_assert_refuses(
        program_run("render -m %s -a %s --frame full --frames %s/no", model, sound, folder), 2,
        "--portrait FOLDER is missing");
    program_assert_refuses(
        program_run("render -m %s -a %s --frame oval --frames %s/no", model, sound, folder), 2,
        "square or full");
}

static void render_streams_y4m_to_stdout(void **state) {
    (void)state;
    need_person();
    const program_result *r = must_run(program_run("render -m %s -a %s -o - -q", model, sound));
    assert_int_equal(strncmp(r->out, "YUV4MPEG2 ", 10), 0);
}

/* A row a frame, whose mean is the figure; pictures of the worst, and mouths over the sound. */
static void check_report(const char *report, int frames, double psnr) {
    char path[STK_PATH_MAX], *text;
    double sum = 0;
    int rows = 0;
    TEST_OK(stk_path_join(path, sizeof path, report, "figures.csv"));
    TEST_OK(stk_file_read_text(path, 1 << 20, &text));
    assert_int_equal(strncmp(text, "frame,psnr,psnr_head,", 21), 0);
    for (const char *p = strchr(text, '\n'); p[1] != '\0'; p = strchr(p + 1, '\n'), rows++)
        sum += strtod(strchr(p, ',') + 1, NULL);
    assert_int_equal(rows, frames);
    assert_true(fabs(sum / rows - psnr) < 1e-3);
    stk_free(text);
    TEST_OK(stk_path_join(path, sizeof path, report, "report.html"));
    TEST_OK(stk_file_read_text(path, 5 << 20, &text));
    static const char *const parts[] = {"Worst by PSNR", "Worst seams", "Worst necks",
                                        "Worst flicker of still pixels", "portrait, error of the"};
    for (size_t i = 0; i < STK_ARRAY_SIZE(parts); i++)
        if (strstr(text, parts[i]) == NULL && (!SANITIZED || i != 3))
            fail_msg("report.html lacks %s", parts[i]);
    stk_free(text);
}

/* Nothing that was trained on is called held out. */
static void expect_trained_words(const char *report) {
    static const char *const names[] = {"report.html", "figures.md"};
    for (size_t i = 0; i < STK_ARRAY_SIZE(names); i++) {
        char path[STK_PATH_MAX], *text;
        TEST_OK(stk_path_join(path, sizeof path, report, names[i]));
        TEST_OK(stk_file_read_text(path, 5 << 20, &text));
        assert_non_null(strstr(text, "the trained frames of"));
        assert_non_null(strstr(text, "which training has seen"));
        assert_null(strstr(text, "held-out"));
        stk_free(text);
    }
}

static void eval_prints_one_json_object(void **state) {
    (void)state;
    need_person();
    char report[STK_PATH_MAX];
    at(report, "report");
    const program_result *r = must_run(program_run("eval -m %s %s --json -q --every %d --report %s",
                                                   model, subject, SANITIZED ? 6 : 1, report));
    check_report(report, (int)strtol(strstr(r->out, "\"frames\":") + 9, NULL, 10),
                 strtod(strstr(r->out, "\"psnr\":") + 7, NULL));
    static const char *const keys[] = {"frames",         "psnr",       "psnr_head",  "psnr_mouth",
                                       "ssim",           "lmd",        "render_fps", "ms_ssim",
                                       "niqe",           "brisque",    "aue",        "lmd_face",
                                       "lpips",          "fid",        "lse_c",      "lse_d",
                                       "jitter_rot_deg", "psnr_stats", "aue_stats",  "not_computed",
                                       "lpips_portrait", "lpips_net"};
    assert_int_equal(r->out[0], '{');
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        char quoted[32];
        snprintf(quoted, sizeof quoted, "\"%s\":", keys[i]);
        assert_non_null(strstr(r->out, quoted));
    }
    assert_non_null(strstr(r->out, "\"ci95\":["));
    assert_non_null(strstr(r->out, "\"not_computed\":{"));
    if (strstr(r->out, "\"lse_c\":null") != NULL) /* why */
        assert_non_null(strstr(r->out, "\"lse_c\":\"syncnet_v2.model"));
    if (strstr(r->out, "\"lpips\":null") != NULL) /* why */
        assert_non_null(strstr(r->out, "\"lpips\":\"alexnet-owt-7be5be79.pth"));
    /* A grey head over the real torso after thirty steps; a black picture would be far below. */
    double psnr = strtod(strstr(r->out, "\"psnr\":") + 7, NULL);
    print_message("psnr %.2f\n", psnr);
    assert_true(psnr > (SANITIZED ? 6.0 : 11.0) && psnr < 60.0);
    if (SANITIZED) return;
    /* other frames, as many, other figures */
    const double frames = strtod(strstr(r->out, "\"frames\":") + 9, NULL);
    assert_non_null(strstr(r->out, "\"trained\":false"));
    r = must_run(
        program_run("eval -m %s %s --json -q --trained --report %s", model, subject, report));
    assert_non_null(strstr(r->out, "\"trained\":true"));
    expect_trained_words(report);
    assert_true(strtod(strstr(r->out, "\"frames\":") + 9, NULL) == frames);
    assert_true(strtod(strstr(r->out, "\"psnr\":") + 7, NULL) != psnr);
}

/* The published rule sees the same head: other samples, all but the same picture. */
static void reference_march_makes_all_but_the_same_picture(void **state) {
    (void)state;
    TEST_SKIP_SANITIZED("test_render_render walks this");
    need_person();
    double psnr[2];
    for (int i = 0; i < 2; i++) {
        const program_result *r = must_run(program_run(
            "eval -m %s %s --json -q --every 6 %s", model, subject, i ? "--reference-march" : ""));
        psnr[i] = strtod(strstr(r->out, "\"psnr\":") + 7, NULL);
    }
    print_message("psnr %.9f by the product's rule, %.9f by the published one\n", psnr[0], psnr[1]);
    assert_true(fabs(psnr[0] - psnr[1]) < 0.5);
    char film[STK_PATH_MAX];
    at(film, "reference.mp4");
    must_run(program_run("render -m %s -a %s -o %s --reference-march", model, sound, film));
}

static void model_of_another_subject_is_refused(void **state) {
    (void)state;
    need_person();
    stk_model *opened;
    char other[STK_PATH_MAX], torso[STK_PATH_MAX];
    at(other, "other.stk");
    TEST_OK(stk_path_join(torso, sizeof torso, subject, "torso.mp4"));
    TEST_OK(stk_model_open(&opened, model));
    opened->performance.subject_identity[0] ^= 1;
    const stk_model_contents contents = {.nets = &opened->nets,
                                         .values = opened->nets.params.value,
                                         .performance = &opened->performance,
                                         .bits = opened->bits,
                                         .torso_path = torso,
                                         .steps = 1};
    TEST_OK(stk_model_save(other, &contents));
    stk_model_close(&opened);
    program_assert_refuses(program_run("eval -m %s %s", other, subject), 1, "another subject");
    program_assert_refuses(program_run("eval -m %s %s --report %s", model, subject, subject), 2,
                           "give the report another one");
}

static void damaged_model_is_refused(void **state) {
    (void)state;
    need_person();
    char cut[STK_PATH_MAX], film[STK_PATH_MAX];
    at(cut, "cut.stk");
    at(film, "never.mp4");
    stk_map map;
    TEST_OK(stk_map_open(&map, model));
    TEST_OK(stk_file_write(cut, map.data, map.size / 2));
    stk_map_close(&map);
    program_assert_refuses(program_run("render -m %s -a %s -o %s", cut, sound, film), 1, cut);
    assert_false(stk_file_exists(film));
}

static void render_input_of_another_kind_is_refused(void **state) {
    (void)state;
    need_person();
    char film[STK_PATH_MAX];
    at(film, "never.mp4");
    program_assert_refuses(
        program_run("render -m %s -a %s -o %s --features x.npy", model, sound, film), 1, "x.npy");
    program_assert_refuses(
        program_run("render -m %s -a %s -o %s --encoder x.pth", model, sound, film), 1, "x.pth");
    assert_false(stk_file_exists(film));
}

static void sound_without_samples_is_refused(void **state) {
    (void)state;
    need_person();
    char brief[STK_PATH_MAX], film[STK_PATH_MAX];
    at(brief, "brief.wav");
    at(film, "never.mp4");
    write_tone(brief, 0.01, 16000);
    program_assert_refuses(program_run("render -m %s -a %s -o %s", model, brief, film), 1, brief);
    program_assert_refuses(program_run("render -m %s -a %s -o /nonexistent/x.mp4", model, sound), 1,
                           "/nonexistent/x.mp4");
    assert_false(stk_file_exists(film));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prepare_again_does_nothing),
        cmocka_unit_test(prepare_full_keeps_the_full_frames),
        cmocka_unit_test(prepare_at_another_size_is_refused),
        cmocka_unit_test(swapped_files_are_named_for_what_they_are),
        cmocka_unit_test(train_thread_count_does_not_change_the_model),
        cmocka_unit_test(train_interrupted_and_resumed_is_bit_equal),
        cmocka_unit_test(train_resume_refuses_other_settings),
        cmocka_unit_test(render_makes_a_film_as_long_as_the_sound),
        cmocka_unit_test(render_other_size_and_png_frames),
        cmocka_unit_test(render_into_full_frames),
        cmocka_unit_test(render_streams_y4m_to_stdout),
        cmocka_unit_test(eval_prints_one_json_object),
        cmocka_unit_test(reference_march_makes_all_but_the_same_picture),
        cmocka_unit_test(model_of_another_subject_is_refused),
        cmocka_unit_test(damaged_model_is_refused),
        cmocka_unit_test(render_input_of_another_kind_is_refused),
        cmocka_unit_test(sound_without_samples_is_refused),
    };
    return cmocka_run_group_tests(tests, prepare_person, NULL);
}
