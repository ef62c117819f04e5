/* `synctalk convert` as a user runs it: a trained model to a checkpoint and, with its subject, back
 * to a model that renders the same pictures; what `info` says of each; every mistake gets one
 * sentence, an exit code and no file. */
#include "support.h"
#include "program.h"
#include "synthetic_subject.h"
#include "base/file.h"
#include "base/image.h"
#include "base/memory.h"
#include "media/media.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char folder[STK_PATH_MAX], subject[STK_PATH_MAX], model[STK_PATH_MAX], sound[STK_PATH_MAX];
static char checkpoint[STK_PATH_MAX], bare[STK_PATH_MAX], never[STK_PATH_MAX];

static void at(char *path, const char *name) {
    TEST_OK(stk_path_join(path, STK_PATH_MAX, folder, name));
}

static const program_result *must_run(const program_result *r) {
    if (r->exit_code != 0) fail_msg("exit %d: %s", r->exit_code, r->err);
    return r;
}

static void write_tone(void) {
    stk_sound tone = {.count = 6400, .rate = STK_SAMPLE_RATE};
    tone.samples = stk_calloc_aligned((size_t)tone.count, sizeof(float));
    assert_non_null(tone.samples);
    for (int64_t i = 0; i < tone.count; i++) tone.samples[i] = 0.3f * sinf(0.07f * (float)i);
    TEST_OK(stk_sound_write_wav(sound, &tone));
    stk_sound_clear(&tone);
}

static int train_a_model(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "%s", test_temporary_folder());
    at(subject, "disc");
    at(model, "disc.stk");
    at(sound, "tone.wav");
    at(checkpoint, "disc.pth");
    at(bare, "bare.stk");
    at(never, "never.stk");
    TEST_OK(synthetic_subject_write(subject, 60, 64));
    write_tone();
    must_run(program_run("train %s -o %s --encoder mel --steps 3 --rays 256 --frames 2 -q", subject,
                         model));
    must_run(program_run("convert %s -o %s -q", model, checkpoint));
    must_run(program_run("convert %s -o %s -q", checkpoint, bare));
    return 0;
}

/* --- there and back --------------------------------------------------------------------------- */

static void render_frames(const char *from, const char *name, stk_image *picture) {
    char frames[STK_PATH_MAX], png[STK_PATH_MAX];
    at(frames, name);
    must_run(program_run("render -m %s -a %s --frames %s -q", from, sound, frames));
    DIR *list = opendir(frames);
    assert_non_null(list);
    png[0] = '\0';
    for (const struct dirent *e = readdir(list); e != NULL; e = readdir(list)) {
        char path[STK_PATH_MAX];
        TEST_OK(stk_path_join(path, sizeof path, frames, e->d_name));
        if (strstr(e->d_name, ".png") != NULL && strcmp(path, png) > 0) strcpy(png, path);
    }
    closedir(list);
    TEST_OK(stk_picture_read(png, 3, picture)); /* the last one */
}

static void model_with_its_subject_renders_the_same(void **state) {
    (void)state;
    char back[STK_PATH_MAX], again[STK_PATH_MAX], tensors[STK_PATH_MAX];
    stk_image first = {0}, second = {0};
    at(back, "back.stk");
    at(again, "again.pth");
    at(tensors, "disc.safetensors");
    const program_result *r =
        must_run(program_run("convert %s -o %s --subject %s", checkpoint, back, subject));
    assert_non_null(strstr(r->out, "variant: mel sound, 7 expression inputs, 12 hash levels"));
    assert_non_null(strstr(r->out, "performance: 60 frames"));
    assert_string_equal(r->err, "");
    render_frames(model, "first", &first);
    render_frames(back, "second", &second);
    assert_int_equal(first.width, second.width);
    for (int y = 0; y < first.height; y++)
        assert_memory_equal(stk_image_row(&first, y), stk_image_row(&second, y),
                            3 * (size_t)first.width);
    stk_image_clear(&first);
    stk_image_clear(&second);
    must_run(program_run("eval -m %s %s -q", back, subject));
    /* the way back, directly and through safetensors, is the same file */
    char digest[2][STK_SHA256_TEXT];
    must_run(program_run("convert %s -o %s -q", checkpoint, tensors));
    must_run(program_run("convert %s -o %s -q", tensors, again));
    TEST_OK(stk_sha256_file(checkpoint, digest[0]));
    TEST_OK(stk_sha256_file(again, digest[1]));
    assert_string_equal(digest[0], digest[1]);
}

static void convert_tells_what_is_lost(void **state) {
    (void)state;
    char path[STK_PATH_MAX];
    at(path, "told.pth");
    const program_result *r = must_run(program_run("convert %s -o %s", model, path));
    assert_non_null(strstr(r->out, "padded with zeros to the 20000"));
    assert_non_null(strstr(r->out, "left out: the source performance"));
    assert_non_null(strstr(r->out, "no \"mel\" sound features"));
    r = must_run(program_run("convert %s -o %s", path, never));
    assert_non_null(strstr(r->out, "to render, convert with --subject FOLDER"));
    remove(never);
}

static void info_knows_models_and_checkpoints(void **state) {
    (void)state;
    const program_result *r = must_run(program_run("info %s", checkpoint));
    assert_non_null(strstr(r->out, "SyncTalk checkpoint, official layout"));
    assert_non_null(strstr(r->out, "audio_features     mel"));
    assert_non_null(strstr(r->out, "averaged_weights   no"));
    r = must_run(program_run("info %s", bare));
    assert_non_null(strstr(r->out, "performance        none"));
    r = must_run(program_run("info %s --json", model));
    assert_non_null(strstr(r->out, "\"frames\":60"));
}

static void model_without_performance_does_not_render(void **state) {
    (void)state;
    char film[STK_PATH_MAX];
    at(film, "never.mp4");
    program_assert_refuses(program_run("render -m %s -a %s -o %s", bare, sound, film), 1,
                           "has no source performance");
    program_assert_refuses(program_run("eval -m %s %s", bare, subject), 1,
                           "convert the checkpoint again with --subject FOLDER");
    assert_false(stk_file_exists(film));
}

/* --- mistakes --------------------------------------------------------------------------------- */

static void refuse(const char *arguments, int code, const char *part) {
    program_assert_refuses(program_run("convert %s", arguments), code, part);
    assert_false(stk_file_exists(never));
}

static void convert_mistakes_get_a_sentence(void **state) {
    (void)state;
    char line[4 * STK_PATH_MAX], damaged[STK_PATH_MAX];
    stk_map map;
#define REFUSE(code, part, ...) (snprintf(line, sizeof line, __VA_ARGS__), refuse(line, code, part))
    REFUSE(2, "FILE is missing", "-o %s", never);
    REFUSE(2, "-o FILE is missing", "%s", checkpoint);
    REFUSE(2, "name it .stk, .pth or .safetensors", "%s -o %s/a.onnx", checkpoint, folder);
    REFUSE(2, "--weights best: is neither raw nor ema", "%s -o %s --weights best", checkpoint,
           never);
    REFUSE(2, "only a .stk has a place", "%s -o %s/a.pth --subject %s", checkpoint, folder,
           subject);
    REFUSE(1, "holds no averaged weights", "%s -o %s --weights ema", checkpoint, never);
    REFUSE(1, "holds one set of weights", "%s -o %s --weights ema", model, never);
    REFUSE(1, "/none.pth", "/none.pth -o %s", never);
    REFUSE(1, "is a folder", "%s -o %s", folder, never);
    REFUSE(1, "not a file that torch.save wrote", "%s -o %s", sound, never);
    REFUSE(1, "/nowhere/", "%s -o /nowhere/a.pth", checkpoint);
    REFUSE(1, "/proc/", "%s -o /proc/a.stk", checkpoint);
    REFUSE(1, "none", "%s -o %s --subject %s/none", checkpoint, never, folder);
    at(damaged, "damaged.pth");
    TEST_OK(stk_map_open(&map, checkpoint));
    TEST_OK(stk_file_write(damaged, map.data, map.size / 2));
    stk_map_close(&map);
    REFUSE(1, "damaged or incomplete archive", "%s -o %s", damaged, never);
#undef REFUSE
}

/* What a command reads it does not write over, under whichever name: the file is as it was. */
static void outputs_over_inputs_are_refused(void **state) {
    (void)state;
    char link_path[STK_PATH_MAX], film[STK_PATH_MAX], digest[2][STK_SHA256_TEXT];
    static const char part[] = "would be lost; give the output another name";
    at(link_path, "link.pth");
    assert_int_equal(symlink("disc.pth", link_path), 0);
    TEST_OK(stk_sha256_file(checkpoint, digest[0]));
    program_assert_refuses(program_run("convert %s -o %s", checkpoint, checkpoint), 2, part);
    program_assert_refuses(program_run("convert %s -o %s", checkpoint, link_path), 2, part);
    program_assert_refuses(program_run("convert %s -o %s --weights raw", link_path, checkpoint), 2,
                           part);
    TEST_OK(stk_sha256_file(checkpoint, digest[1]));
    assert_string_equal(digest[0], digest[1]);
    remove(link_path);

    TEST_OK(stk_path_join(film, sizeof film, subject, "torso.mp4"));
    TEST_OK(stk_sha256_file(film, digest[0]));
    program_assert_refuses(program_run("render -m %s -a %s -o %s", model, film, film), 2, part);
    program_assert_refuses(program_run("render -m %s -a %s -o %s", film, sound, film), 2, part);
    program_assert_refuses(program_run("prepare %s -o %s", film, subject), 2, part);
    program_assert_refuses(program_run("train %s -o %s", subject, film), 2, part);
    program_assert_refuses(program_run("train %s -o %s.stk --run %s", subject, subject, subject), 2,
                           "holds other things than a run");
    program_assert_refuses(program_run("bench -m %s --csv %s", model, model), 2, part);
    program_assert_refuses(program_run("bench -m %s --audio %s --csv %s", model, sound, sound), 2,
                           part);
    TEST_OK(stk_sha256_file(film, digest[1]));
    assert_string_equal(digest[0], digest[1]);
}

/* Neither the refusals nor the conversions left anything half-made. */
static void nothing_half_made_is_left(void **state) {
    (void)state;
    DIR *list = opendir(folder);
    assert_non_null(list);
    for (const struct dirent *e = readdir(list); e != NULL; e = readdir(list))
        if (strstr(e->d_name, ".part") != NULL) fail_msg("%s was left", e->d_name);
    closedir(list);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(model_with_its_subject_renders_the_same),
        cmocka_unit_test(convert_tells_what_is_lost),
        cmocka_unit_test(info_knows_models_and_checkpoints),
        cmocka_unit_test(model_without_performance_does_not_render),
        cmocka_unit_test(convert_mistakes_get_a_sentence),
        cmocka_unit_test(outputs_over_inputs_are_refused),
        cmocka_unit_test(nothing_half_made_is_left),
    };
    return cmocka_run_group_tests(tests, train_a_model, NULL);
}
