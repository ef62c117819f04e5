/* rng.h - PCG32 (O'Neill 2014, XSH-RR), passed explicitly; its state is two words, so a checkpoint
 * stores it and a resumed run draws the same numbers. */
#ifndef STK_BASE_RNG_H
#define STK_BASE_RNG_H

#include <stdint.h>

typedef struct stk_rng {
    uint64_t state, increment;
} stk_rng;

void stk_rng_seed(stk_rng *rng, uint64_t seed, uint64_t stream);
uint32_t stk_rng_u32(stk_rng *rng);
/* Uniform in [0, bound), bound > 0, without modulo bias. */
uint32_t stk_rng_below(stk_rng *rng, uint32_t bound);
/* Uniform in [0, 1), 24 bits. */
float stk_rng_float(stk_rng *rng);
/* Standard normal (Box-Muller, one of the pair). */
float stk_rng_normal(stk_rng *rng);

#endif
