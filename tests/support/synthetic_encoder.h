/* synthetic_encoder.h - an audio-visual encoder of random weights, scaled so that features are of
 * order 1. */
#ifndef STK_TESTS_SYNTHETIC_ENCODER_H
#define STK_TESTS_SYNTHETIC_ENCODER_H

#include "base/status.h"

/* Writes 11 MB of safetensors; the same seed gives the same file. */
stk_status synthetic_encoder_write(const char *path, int seed);

#endif
