/* rng.c */
#include "base/rng.h"

#include <math.h>

static const uint64_t PCG_MULTIPLIER = 6364136223846793005ULL;

uint32_t stk_rng_u32(stk_rng *rng) {
    uint64_t old = rng->state;
    rng->state = old * PCG_MULTIPLIER + rng->increment;
    uint32_t xorshifted = (uint32_t)(((old >> 18) ^ old) >> 27);
    uint32_t rotation = (uint32_t)(old >> 59);
    return (xorshifted >> rotation) | (xorshifted << ((32u - rotation) & 31u));
}

void stk_rng_seed(stk_rng *rng, uint64_t seed, uint64_t stream) {
    rng->state = 0;
    rng->increment = (stream << 1) | 1u;
    stk_rng_u32(rng);
    rng->state += seed;
    stk_rng_u32(rng);
}

uint32_t stk_rng_below(stk_rng *rng, uint32_t bound) {
    uint32_t threshold = (0u - bound) % bound; /* reject the incomplete last interval */
    for (;;) {
        uint32_t r = stk_rng_u32(rng);
        if (r >= threshold) return r % bound;
    }
}

float stk_rng_float(stk_rng *rng) { return (float)(stk_rng_u32(rng) >> 8) * 0x1p-24f; }

float stk_rng_normal(stk_rng *rng) {
    float u = 1.0f - stk_rng_float(rng); /* (0, 1]: the logarithm stays finite */
    float v = stk_rng_float(rng);
    return sqrtf(-2.0f * logf(u)) * cosf(6.28318530718f * v);
}
