/* No name is defined twice in the library. A static library takes whichever comes first, silently:
 * a call would reach another room's function of the same name. */
#include "support.h"
#include "program.h"

#include <stdlib.h>
#include <string.h>

static void library_defines_every_name_once(void **state) {
    (void)state;
    const char *build = getenv("STK_BUILD_ROOT");
    if (build == NULL) skip();
    const program_result *r =
        program_shell("nm -g --defined-only %s/libsynctalk.a | awk 'NF == 3 {print $3}' | sort | "
                      "uniq -d",
                      build);
    assert_int_equal(r->exit_code, 0);
    if (r->out[0] != '\0') fail_msg("defined twice: %s", r->out);
    r = program_shell("nm -g --defined-only %s/libsynctalk.a | grep -c ' T stk_render_clip$'",
                      build);
    assert_string_equal(r->out, "1\n"); /* nm was there and saw the library */
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(library_defines_every_name_once)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
