/* `encoder train` on made-up cut speech: what it writes is what `train --encoder` and `render` hear
 * through, and what cannot be used is refused before the work. */
#include "support.h"
#include "program.h"
#include "synthetic_speech.h"
#include "synthetic_subject.h"
#include "base/file.h"
#include "base/memory.h"
#include "media/media.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { FRAMES = 33, SIZE = 64 };
static char folder[STK_PATH_MAX], encoder[STK_PATH_MAX], made[2][STK_PATH_MAX];

static const program_result *must_run(const program_result *r) {
    if (r->exit_code != 0) fail_msg("exit %d: %s", r->exit_code, r->err);
    return r;
}

static int make_encoder(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "%s", test_temporary_folder());
    for (int i = 0; i < 2; i++) {
        char name[32];
        snprintf(name, sizeof name, "made%d.speech", i);
        TEST_OK(stk_path_join(made[i], sizeof made[i], folder, name));
        synthetic_speech_write(made[i], i);
    }
    TEST_OK(stk_path_join(encoder, sizeof encoder, folder, "e.safetensors"));
    const program_result *r = must_run(
        program_run("encoder train %s --hold-out %s -o %s --steps 3", made[0], made[1], encoder));
    if (strstr(r->err, "steps=3") == NULL || strstr(r->err, "held_out_windows=2") == NULL)
        fail_msg("%s", r->err);
    return 0;
}

static void what_it_writes_is_heard_through(void **state) {
    char subject[STK_PATH_MAX], model[STK_PATH_MAX], sound[STK_PATH_MAX], other[STK_PATH_MAX];
    (void)state;
    TEST_OK(stk_path_join(subject, sizeof subject, folder, "subject"));
    TEST_OK(stk_path_join(model, sizeof model, folder, "model.stk"));
    TEST_OK(stk_path_join(sound, sizeof sound, folder, "sound.wav"));
    TEST_OK(stk_path_join(other, sizeof other, folder, "other.safetensors"));
    TEST_OK(synthetic_subject_write(subject, FRAMES, SIZE));
    stk_sound tone = {.count = STK_SAMPLE_RATE / 5, .rate = STK_SAMPLE_RATE};
    tone.samples = stk_calloc_aligned((size_t)tone.count, sizeof(float));
    assert_non_null(tone.samples);
    for (int i = 0; i < tone.count; i++) tone.samples[i] = 0.1f * sinf(0.05f * (float)i);
    TEST_OK(stk_sound_write_wav(sound, &tone));
    stk_sound_clear(&tone);
    must_run(program_run("train %s --encoder %s -o %s --steps 3 --rays 512 --frames 4 -q", subject,
                         encoder, model));
    must_run(program_run("render -m %s -a %s --encoder %s --frames %s/film -q", model, sound,
                         encoder, folder));
    char frame[STK_PATH_MAX];
    TEST_OK(stk_path_join(frame, sizeof frame, folder, "film/000004.png"));
    assert_true(stk_file_exists(frame));
    must_run(program_shell("sed 's/seed=1/seed=2/' %s > %s", encoder, other));
    TEST_OK(stk_path_join(frame, sizeof frame, folder, "normalised.stk"));
    must_run(
        program_run("train %s --encoder mel-normalised -o %s --steps 2 --rays 512 --frames 4 -q",
                    subject, frame));
    program_assert_refuses(program_run("render -m %s -a %s --encoder %s --frames %s/film -q", frame,
                                       sound, encoder, folder),
                           1, "\"mel-normalised\"");
    program_assert_refuses(program_run("convert %s -o %s/n.pth", frame, folder), 1,
                           "\"mel-normalised\"");
    must_run(program_run("eval -m %s %s --every 30 -q", frame, subject));
    program_assert_refuses(program_run("render -m %s -a %s --encoder %s --frames %s/film -q", model,
                                       sound, other, folder),
                           1, "other.safetensors");
    program_assert_refuses(
        program_run("train %s --encoder %s -o %s --steps 3", subject, encoder, encoder), 2,
        "are one file, which is read and would be lost");
}

/* The inputs are as they were after every refusal. */
static void what_cannot_be_written_is_refused(void **state) {
    char digest[2][STK_SHA256_TEXT], link[STK_PATH_MAX];
    (void)state;
    TEST_OK(stk_sha256_file(made[0], digest[0]));
    program_assert_refuses(program_run("encoder train %s -o %s/e.pth --steps 1", made[0], folder),
                           2, "e.pth.safetensors");
    static const char *const written[] = {"l.safetensors", "l.safetensors.train",
                                          "l.picture.safetensors", "l.csv"};
    for (size_t i = 0; i < STK_ARRAY_SIZE(written); i++)
        for (int held = 0; held < 2; held++) {
            TEST_OK(stk_path_join(link, sizeof link, folder, written[i]));
            must_run(program_shell("ln -f %s %s", made[held], link));
            program_assert_refuses(
                program_run("encoder train %s --hold-out %s -o %s/l.safetensors --curve %s/l.csv "
                            "--steps 1",
                            made[0], made[1], folder, folder),
                2, "are one file");
            must_run(program_shell("rm %s", link));
        }
    TEST_OK(stk_sha256_file(made[0], digest[1]));
    assert_string_equal(digest[0], digest[1]);
    program_assert_refuses(program_run("encoder train %s -o %s/l.safetensors --curve "
                                       "%s/l.safetensors.train --steps 1",
                                       made[0], folder, folder),
                           2, "both the curve and");
}

/* Both sides in one file, which is heard through as any encoder is. */
static void pack_writes_one_file_of_two(void **state) {
    char packed[STK_PATH_MAX], alone[STK_PATH_MAX];
    (void)state;
    TEST_OK(stk_path_join(packed, sizeof packed, folder, "packed.safetensors"));
    TEST_OK(stk_path_join(alone, sizeof alone, folder, "alone.safetensors"));
    must_run(program_run("encoder pack %s -o %s", encoder, packed));
    assert_in_range(stk_file_size(packed), 5900000, 6000000);
    must_run(program_shell("cp %s %s", encoder, alone));
    program_assert_refuses(program_run("encoder pack %s -o %s", alone, packed), 1,
                           "alone.picture.safetensors");
    must_run(program_shell("head -c 100000 %s > %s", packed, alone));
    const program_result *r = program_run("encoder pack %s -o %s/again.safetensors", alone, folder);
    program_assert_refuses(r, 1, "alone.safetensors");
    assert_null(strstr(r->err, ".picture."));
    program_assert_refuses(program_run("encoder pack %s -o %s", packed, packed), 2, "are one file");
    program_assert_refuses(program_run("encoder pack %s", packed), 2, "-o is missing");
}

static void clips_that_teach_nothing_are_refused(void **state) {
    char copy[STK_PATH_MAX], silent[STK_PATH_MAX];
    (void)state;
    TEST_OK(stk_path_join(copy, sizeof copy, folder, "another-name.speech"));
    TEST_OK(stk_path_join(silent, sizeof silent, folder, "silent.speech"));
    must_run(program_shell("sed 's/\"made0\"/\"maid0\"/' %s > %s", made[0], copy));
    program_assert_refuses(
        program_run("encoder train %s --hold-out %s -o %s/l.safetensors", made[0], copy, folder), 2,
        "made0 and maid0 have the same sound");
    synthetic_speech_write(silent, -1);
    program_assert_refuses(
        program_run("encoder train %s --hold-out %s -o %s/l.safetensors", silent, made[0], folder),
        1, "none of the 1 clips to learn from");
    program_assert_refuses(
        program_run("encoder train %s --hold-out %s -o %s/l.safetensors", made[0], silent, folder),
        1, "none of the 1 clips of --hold-out");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_it_writes_is_heard_through),
        cmocka_unit_test(what_cannot_be_written_is_refused),
        cmocka_unit_test(pack_writes_one_file_of_two),
        cmocka_unit_test(clips_that_teach_nothing_are_refused),
    };
    return cmocka_run_group_tests(tests, make_encoder, NULL);
}
