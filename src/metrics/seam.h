/* seam.h - how a pasted face sits in its frame: the step across the mask's rim, the neck's colour,
 * and what changes from frame to frame; pure functions of 8-bit RGB pictures, which accumulate.
 */
#ifndef STK_METRICS_SEAM_H
#define STK_METRICS_SEAM_H

#include "base/types.h"

/* A sum over pixels; its mean is stk_mean_of. */
typedef struct stk_sum {
    double sum;
    int64_t count;
} stk_sum;
/* 0 where nothing was added. */
static inline double stk_mean_of(stk_sum s) {
    return s.count > 0 ? s.sum / (double)s.count : 0;
}

/* Steps across the seam, in levels of 255, means over channels. */
typedef struct stk_seam {
    stk_sum made, real; /* |p(x + r n) - p(x - r n)| in the made and in the real picture */
    stk_sum mismatch;   /* |made step - real step|, with their signs */
} stk_seam;

/* Adds the pixels x at which the mask (1 channel) crosses 128 going right or down. n: the mask's
 * gradient, of length 1; r = reach_px. Positions are rounded to pixels and held at the border. A
 * seam that nobody sees has the real picture's steps: made / real = 1. */
void stk_seam_add(stk_seam *seam, const stk_image *made, const stk_image *real,
                  const stk_image *mask, float reach_px);
/* made / real; 1 without a seam, or when neither has steps. */
double stk_seam_ratio(const stk_seam *seam);

/* CIE L*a*b* (D65, 2 degrees) of an sRGB pixel; L in [0, 100]. */
void stk_lab_of_rgb(const uint8_t rgb[3], float lab[3]);
/* Adds delta E*ab (1976) of every pixel whose label is `label`. */
void stk_colour_distance_add(stk_sum *sum, const stk_image *a, const stk_image *b,
                             const stk_image *labels, uint8_t label);

/* Two pictures one after the other, made and real. */
typedef struct stk_succession {
    const stk_image *made[2], *real[2], *labels[2]; /* [0] before, [1] now; all of one size */
} stk_succession;
/* Adds |now - before| (mean over channels, levels) of the pixels that are `label` in both frames.
 */
void stk_change_add(stk_sum *made, stk_sum *real, const stk_succession *s, uint8_t label);
/* The same over the pixels whose real colour changes by at most `still` levels in every channel. */
void stk_still_change_add(stk_sum *made, stk_sum *real, const stk_succession *s, int still);

#endif
