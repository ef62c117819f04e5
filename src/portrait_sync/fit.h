/* fit.h - a rendered face brought to the light of the frame it is pasted into, and kept behind what
 * stands before it.
 *
 *   render, frame, mask -> round the rim, in 32 directions, how much brighter the frame is
 *     -> steadied over time -> a field of shifts over the face, smooth -> added to the render
 *   render, frame, mask, mesh -> cells in which the frame shows what is no face (a hand, a
 *     microphone) -> steadied over time -> taken out of the mask
 *
 * Pure functions on the caller's memory.
 */
#ifndef STK_PORTRAIT_SYNC_FIT_H
#define STK_PORTRAIT_SYNC_FIT_H

#include "base/types.h"
#include "kernels/blend.h"

enum {
    STK_RING = 32,
    STK_CELLS = 64, /* a side: cells of 8 px of a 512 px picture */
};

typedef struct stk_fit {
    int ready;                           /* 0: nothing before it (zeroed) */
    float shift[STK_RING][3];            /* frame - render at the rim, levels */
    float weight[STK_RING];              /* pixels it is the mean of */
    float at[STK_RING][2];               /* their middle, px */
    float hidden[STK_CELLS * STK_CELLS]; /* 1: the cell is the frame's, row-major */
} stk_fit;

typedef struct stk_fit_input {
    const stk_image *picture, *frame,
        *mask;                   /* head over torso, as rendered; mask: soft at the rim */
    const float (*landmarks)[3]; /* [478] */
    float landmark_scale;        /* picture px a landmark px */
    const uint8_t *known; /* [STK_CELLS^2] 1: hidden, whatever was rendered (usual.h); or NULL */
} stk_fit_input;

/* What this frame alone says. */
void stk_fit_measure(stk_fit *fit, const stk_fit_input *input);
/* fit becomes the mean of itself and of what was before, which becomes the same. A `before` that
 * shows another moment or another take is to be zeroed first. */
void stk_fit_steady(stk_fit *fit, stk_fit *before);

/* int16 of scratch for stk_fit_apply. */
size_t stk_fit_scratch(int width);
/* Shifts the picture's colours and takes what is hidden out of the mask. */
void stk_fit_apply(const stk_fit *fit, const stk_blend_kernels *kernels, int16_t *scratch,
                   stk_image *picture, stk_image *mask);

#endif
