/* `synctalk presenter` as a person meets it: mistakes, a clip, its sound alone, Ctrl-C. */
#include "support.h"
#include "program.h"
#include "base/file.h"
#include "media/media.h"

#include <stdio.h>
#include <string.h>

static const char *in_folder(const char *name) {
    static char paths[4][STK_PATH_MAX];
    static const char *folder;
    static int next;
    if (folder == NULL) folder = test_temporary_folder();
    char *path = paths[next++ % 4];
    TEST_OK(stk_path_join(path, STK_PATH_MAX, folder, name));
    return path;
}

static void mistakes_are_one_sentence(void **state) {
    (void)state;
    const char *out = in_folder("bad.mp4");
    program_assert_refuses(program_run("presenter"), 2, "-o FILE is missing");
    program_assert_refuses(program_run("presenter -o x.avi"), 2, "name it .mp4");
    program_assert_refuses(program_run("presenter -o %s --size big", out), 2, "--size \"big\"");
    program_assert_refuses(program_run("presenter -o %s --size 12x", out), 2, "--size \"12x\"");
    program_assert_refuses(program_run("presenter -o %s --size 65x64", out), 2, "must be even");
    program_assert_refuses(program_run("presenter -o %s --size 4096", out), 2, "64 to 2048");
    program_assert_refuses(program_run("presenter -o %s --variant cut,mask", out), 2,
                           "no variant \"mask\"; there are cut, second_face");
    program_assert_refuses(program_run("presenter -o %s --fps 0", out), 2, "between 1 and 120");
    program_assert_refuses(program_run("presenter -o %s --voice bell", out), 2, "bell");
    program_assert_refuses(program_run("presenter -o %s --text a --audio b.wav", out), 2,
                           "exclude each other");
    program_assert_refuses(program_run("presenter -o %s --audio /none.wav", out), 1, "/none.wav");
    program_assert_refuses(program_run("presenter -o bad.wav --truth %s", in_folder("t")), 2,
                           "has no truth");
    program_assert_refuses(program_run("presenter -o %s --audio %s", out, out), 2, "are one file");
    program_assert_refuses(program_run("presenter -o %s --truth %s/", out, out), 2, "are one file");
    program_assert_refuses(program_run("presenter -o /nowhere/a.mp4 --seconds 0.2 --size 64"), 1,
                           "/nowhere/a.mp4");
    assert_false(stk_file_exists(out));
}

static void truth_spares_what_is_not_its_own(void **state) {
    (void)state;
    const char *folder = in_folder("full"), *inside = in_folder("full/neck.mp4");
    const char *tables = in_folder("full/tables.safetensors");
    TEST_OK(stk_directory_create(folder));
    program_assert_refuses(program_run("presenter -o %s --truth %s", inside, folder), 2,
                           "are one file");
    TEST_OK(stk_file_write(tables, "mine", 4));
    program_assert_refuses(program_run("presenter -o %s.mp4 --truth %s", folder, folder), 2,
                           "is not a truth of synctalk");
    assert_int_equal(stk_file_size(tables), 4);
    assert_false(stk_file_exists(inside));
}

static void clip_of_a_text_is_made(void **state) {
    (void)state;
    const char *out = in_folder("hello.mp4");
    const program_result *r = program_run("presenter -o %s --text Hello. --size 96x64 --fps 30 "
                                          "--seconds 0.5 --seed 2",
                                          out);
    assert_int_equal(r->exit_code, 0);
    assert_non_null(strstr(r->err, "made: frames=15 "));
    stk_media_info info;
    TEST_OK(stk_media_probe(out, &info));
    assert_int_equal(info.width, 96);
    assert_int_equal(info.height, 64);
    assert_int_equal(info.fps, 30);
    assert_true(info.has_audio);
    assert_non_null(strstr(info.comment, "ynthetic"));
}

static void sound_alone_is_made(void **state) {
    (void)state;
    const char *out = in_folder("hello.wav");
    assert_int_equal(program_run("presenter -q -o %s --text Hello.", out)->exit_code, 0);
    stk_sound sound;
    TEST_OK(stk_sound_read(out, STK_SAMPLE_RATE, 0, &sound));
    assert_in_range(sound.count, STK_SAMPLE_RATE / 4, 2 * STK_SAMPLE_RATE);
    stk_sound_clear(&sound);
}

static void interrupted_leaves_nothing(void **state) {
    (void)state;
    const char *out = in_folder("long.mp4"), *truth = in_folder("truth");
    const program_result *r =
        program_interrupt(1.5, "presenter -o %s --seconds 60 --size 64 --truth %s", out, truth);
    assert_int_equal(r->exit_code, 130);
    assert_false(stk_file_exists(out));
    assert_false(stk_file_exists(truth));
    r = program_shell("ls -A $(dirname %s) | grep long", out);
    assert_string_equal(r->out, "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mistakes_are_one_sentence),
        cmocka_unit_test(truth_spares_what_is_not_its_own),
        cmocka_unit_test(clip_of_a_text_is_made),
        cmocka_unit_test(sound_alone_is_made),
        cmocka_unit_test(interrupted_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
