/* `meson install`, then a user's program built from what was installed and nothing else:
 * examples/hello.c by the flags of the installed pkg-config file. */
#include "support.h"
#include "program.h"
#include "sanitized.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *stage; /* the destination folder */
static char flags[4096];  /* environment that makes pkg-config look there first */

static const program_result *expect_success(const program_result *r, const char *what) {
    if (r->exit_code != 0) fail_msg("%s: exit %d: %s%s", what, r->exit_code, r->out, r->err);
    return r;
}

static void skip_because(const char *reason) {
    print_message("SKIP: %s\n", reason);
    skip();
}

static void skip_unless_installable(void) {
    char tool[4096];
#ifdef TEST_SANITIZED
    skip_because("a sanitized library is not one to install");
#endif
    snprintf(tool, sizeof tool, "%s/tools/synctalk", getenv("STK_BUILD_ROOT"));
    if (access(tool, X_OK) != 0) skip_because("the build is not complete");
    if (program_shell("command -v meson && command -v pkg-config")->exit_code != 0)
        skip_because("meson or pkg-config is not in the path");
}

static void install_places_every_file(void **state) {
    (void)state;
    skip_unless_installable();
    stage = test_temporary_folder();
    expect_success(program_shell("meson install -C %s --no-rebuild --destdir %s",
                                 getenv("STK_BUILD_ROOT"), stage),
                   "meson install");
    const program_result *r = program_shell("cd %s && find . -type f | sort", stage);
    static const char *const files[] = {"bin/synctalk\n", "include/synctalk/synctalk.h\n",
                                        "include/synctalk/options.h\n", "/libsynctalk.a\n",
                                        "/pkgconfig/synctalk.pc\n"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (strstr(r->out, files[i]) == NULL) fail_msg("%s is not among: %s", files[i], r->out);
    r = expect_success(program_shell("dirname \"$(find %s -name synctalk.pc)\"", stage), "find");
    snprintf(flags, sizeof flags, "PKG_CONFIG_SYSROOT_DIR=%s PKG_CONFIG_PATH=%.*s", stage,
             (int)strcspn(r->out, "\n"), r->out);
}

static void pkgconfig_file_names_no_build_folder(void **state) {
    (void)state;
    if (stage == NULL) skip_because("nothing was installed");
    const program_result *r =
        expect_success(program_shell("%s pkg-config --modversion synctalk", flags), "pkg-config");
    assert_string_equal(r->out, "0.1.0\n");
    r = expect_success(program_shell("cat $(find %s -name synctalk.pc)", stage), "cat");
    assert_null(strstr(r->out, getenv("STK_BUILD_ROOT")));
}

/* Without --static: the libraries that ours calls are in the plain list, because ours is an
 * archive;
 * --static would ask for everything that FFmpeg itself was linked with. */
static void hello_built_from_the_installed_files_runs(void **state) {
    (void)state;
    if (stage == NULL) skip_because("nothing was installed");
    expect_success(program_shell("${CC:-cc} -o %s/hello %s/examples/hello.c "
                                 "$(%s pkg-config --cflags --libs synctalk)",
                                 stage, getenv("STK_SOURCE_ROOT"), flags),
                   "building hello.c");
    const program_result *r =
        program_shell("%s/hello %s/absent.stk a.wav %s/o.mp4", stage, stage, stage);
    assert_int_equal(r->exit_code, 1);
    assert_string_equal(r->out, "");
    if (strstr(r->err, "absent.stk: cannot be opened") == NULL) fail_msg("no sentence: %s", r->err);
    assert_int_equal(program_shell("%s/hello", stage)->exit_code, 2);
    assert_int_not_equal(program_shell("test -e %s/o.mp4", stage)->exit_code, 0);
}

static void installed_command_runs(void **state) {
    (void)state;
    if (stage == NULL) skip_because("nothing was installed");
    const program_result *r = program_shell("$(find %s -path '*bin/synctalk') --version", stage);
    assert_int_equal(r->exit_code, 0);
    assert_non_null(strstr(r->out, "0.1.0"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(install_places_every_file),
        cmocka_unit_test(pkgconfig_file_names_no_build_folder),
        cmocka_unit_test(hello_built_from_the_installed_files_runs),
        cmocka_unit_test(installed_command_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
