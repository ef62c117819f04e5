/* tiles_check.h - what tests ask of the emulated tiles. */
#ifndef STK_TESTS_TILES_CHECK_H
#define STK_TESTS_TILES_CHECK_H

/* Whether this thread's registers are configured. */
int tiles_in_use(void);
/* In how many vectors of a sweep (every upper half of a float, lower halves around the ties, and
 * some 400,000 other values) the emulated rounding to bfloat16 differs from the processor's, which
 * must have AVX512-BF16. */
int tiles_rounding_differences(void);

#endif
