/* test_media_hdr.c - HDR to what an ordinary screen shows, against the levels of ITU-R BT.2408. */
#include "support.h"
#include "media/hdr.h"

#include <math.h>
#include <string.h>

/* One pixel through it; signals in per cent of full range. */
static void convert(stk_hdr_kind kind, const double signal[3], int wide, uint8_t out[3]) {
    uint8_t pixel[4] = {0};
    for (int k = 0; k < 3; k++) pixel[k] = (uint8_t)lrint(2.55 * signal[k]);
    stk_image one = {.width = 1, .height = 1, .channels = 3, .stride = 3, .data = pixel};
    stk_hdr *hdr = stk_hdr_create(kind, wide);
    assert_non_null(hdr);
    stk_hdr_to_sdr(hdr, &one);
    stk_hdr_free(&hdr);
    assert_null(hdr);
    memcpy(out, pixel, 3);
}

/* BT.2408: white at 75 % of HLG and 58 % of PQ, the grey card at 38 % of both and 42.5 % of SDR
 * (of 26 cd/m2: (26 / 203)^(1/2.4)). A step of the 8-bit signal is up to 4 steps of the result. */
static void greys_come_out_at_the_levels_of_the_standard(void **state) {
    (void)state;
    static const struct {
        stk_hdr_kind kind;
        double signal, expected;
    } cases[] = {{STK_HDR_HLG, 0, 0},     {STK_HDR_HLG, 38, 42.5}, {STK_HDR_HLG, 75, 100},
                 {STK_HDR_HLG, 100, 100}, {STK_HDR_PQ, 0, 0},      {STK_HDR_PQ, 38, 42.5},
                 {STK_HDR_PQ, 58, 100},   {STK_HDR_PQ, 100, 100}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int wide = 0; wide < 2; wide++) {
            const double grey[3] = {cases[i].signal, cases[i].signal, cases[i].signal};
            uint8_t out[3];
            convert(cases[i].kind, grey, wide, out);
            for (int k = 0; k < 3; k++)
                if (fabs(out[k] - 2.55 * cases[i].expected) > 4)
                    fail_msg("case %zu: %d, not %.1f", i, out[k], 2.55 * cases[i].expected);
            assert_true(out[0] - out[1] <= 1 && out[1] - out[0] <= 1); /* grey it stays */
        }
}

/* The primaries of BT.2020 lie outside: the same signal is a stronger colour. */
static void wide_colours_come_out_stronger(void **state) {
    (void)state;
    const double skin[3] = {60, 48, 42};
    uint8_t narrow[3], wide[3];
    convert(STK_HDR_HLG, skin, 0, narrow);
    convert(STK_HDR_HLG, skin, 1, wide);
    assert_true(wide[0] - wide[2] > narrow[0] - narrow[2] + 5);
    assert_true(wide[0] > wide[1] && wide[1] > wide[2]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(greys_come_out_at_the_levels_of_the_standard),
        cmocka_unit_test(wide_colours_come_out_stronger),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
