/* The emulated tiles themselves: sums, their rounding, and that what a processor refuses aborts. */
#define STK_EMULATE_TILES
#include "kernels/x86/tiles.h"
#include "support.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { N = TILE_ROWS };

static uint16_t bf16(float x) { /* of values that are bfloat16 already */
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    assert_int_equal(bits & 0xffff, 0);
    return (uint16_t)(bits >> 16);
}

static void dot(const uint16_t w[N][2 * N], const uint16_t x[N][2 * N], float sum[N][N]) {
    tile_configure(&tiles_whole);
    tile_load(TILE_SUM0, sum, sizeof sum[0]);
    tile_load(TILE_W0, w, sizeof w[0]);
    tile_load(TILE_X0, x, sizeof x[0]);
    tile_dot(TILE_SUM0, TILE_W0, TILE_X0);
    tile_store(TILE_SUM0, sum, sizeof sum[0]);
    tile_release();
}

static void dot_of_small_integers_is_exact(void **state) {
    (void)state;
    uint16_t w[N][2 * N], x[N][2 * N];
    float sum[N][N];
    for (int r = 0; r < N; r++)
        for (int k = 0; k < 2 * N; k++) {
            w[r][k] = bf16((float)((r * 7 + k * 3) % 17 - 8));
            x[r][k] = bf16((float)((r * 5 + k * 11) % 19 - 9));
        }
    for (int r = 0; r < N; r++)
        for (int n = 0; n < N; n++) sum[r][n] = (float)(r - n);
    dot(w, x, sum);
    for (int r = 0; r < N; r++)
        for (int n = 0; n < N; n++) {
            int expected = r - n;
            for (int k = 0; k < 2 * N; k++) /* pair k / 2 of the inputs is row k / 2 */
                expected +=
                    ((r * 7 + k * 3) % 17 - 8) * ((k / 2 * 5 + (2 * n + k % 2) * 11) % 19 - 9);
            assert_true(sum[r][n] == (float)expected);
        }
}

/* 2^24 + 1 rounds to 2^24. */
static void dot_sums_even_and_odd_apart(void **state) {
    (void)state;
    static uint16_t w[N][2 * N], x[N][2 * N];
    static float sum[N][N];
    for (int k = 0; k < 2 * N; k++) w[0][k] = bf16(1);
    x[0][0] = bf16(0x1p24f);
    x[1][0] = x[2][0] = x[1][1] = x[2][1] = bf16(1); /* column 0: 2 even ones, 2 odd */
    x[0][2] = bf16(0x1p24f);
    x[1][2] = x[2][2] = bf16(1); /* column 1: 2 even ones */
    dot(w, x, sum);
    assert_true(sum[0][0] == 0x1p24f + 2);
    assert_true(sum[0][1] == 0x1p24f);
    assert_true(sum[1][0] == 0);
}

static void dot_takes_denormals_for_zero_and_makes_none(void **state) {
    (void)state;
    static uint16_t w[N][2 * N], x[N][2 * N];
    static float sum[N][N];
    w[0][0] = 0x007f; /* just below 2^-126 */
    w[1][0] = bf16(0x1p-70f);
    w[2][0] = bf16(0x1p-63f);
    x[0][0] = bf16(0x1p100f);
    x[0][2] = bf16(0x1p-70f);
    x[0][4] = bf16(0x1p-63f);
    sum[3][0] = 0x1p-130f;
    dot(w, x, sum);
    assert_true(sum[0][0] == 0);
    assert_true(sum[1][1] == 0);
    assert_true(sum[2][2] == 0x1p-126f);
    assert_true(sum[3][0] == 0);
}

/* --- what is refused -------------------------------------------------------------------------- */

static void use_unconfigured(void) {
    tile_zero(0);
}
static void use_released(void) {
    tile_configure(&tiles_whole);
    tile_release();
    tile_zero(0);
}
static void configure_17_rows(void) {
    tile_config config = tiles_whole;
    config.rows[3] = 17;
    tile_configure(&config);
}
static void configure_68_bytes(void) {
    tile_config config = tiles_whole;
    config.row_bytes[3] = 68;
    tile_configure(&config);
}
static void configure_palette_2(void) {
    tile_config config = tiles_whole;
    config.palette = 2;
    tile_configure(&config);
}
static void configure_ninth_register(void) {
    tile_config config = tiles_whole;
    config.rows[8] = 16;
    config.row_bytes[8] = 64;
    tile_configure(&config);
}
static void use_absent_register(void) {
    tile_config config = tiles_whole;
    config.rows[2] = 0;
    config.row_bytes[2] = 0;
    tile_configure(&config);
    tile_zero(2);
}
static void dot_with_itself(void) {
    tile_configure(&tiles_whole);
    tile_dot(0, 4, 4);
}
static void dot_of_other_sizes(void) {
    tile_config config = tiles_whole;
    config.rows[TILE_X0] = 8; /* weights have 16 pairs */
    tile_configure(&config);
    tile_dot(TILE_SUM0, TILE_W0, TILE_X0);
}

static void misuse_aborts(void **state) {
    (void)state;
    static void (*const misuse[])(void) = {
        use_unconfigured,    use_released,        configure_17_rows,
        configure_68_bytes,  configure_palette_2, configure_ninth_register,
        use_absent_register, dot_with_itself,     dot_of_other_sizes,
    };
    for (size_t i = 0; i < STK_ARRAY_SIZE(misuse); i++) {
        const pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            signal(SIGABRT, SIG_DFL);
            if (freopen("/dev/null", "w", stderr) == NULL) _exit(1);
            misuse[i]();
            _exit(0);
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        if (!(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT))
            fail_msg("misuse %zu did not abort: status %d", i, status);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dot_of_small_integers_is_exact),
        cmocka_unit_test(dot_sums_even_and_odd_apart),
        cmocka_unit_test(dot_takes_denormals_for_zero_and_makes_none),
        cmocka_unit_test(misuse_aborts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
