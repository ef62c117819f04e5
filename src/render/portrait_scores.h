/* portrait_scores.h - what `eval` says of portraits: over the held-out frames, in order,
 *
 *   real, portrait, mask, labels -> PSNR, seam, neck, flicker, the worst frames   (metrics/seam.h)
 */
#ifndef STK_RENDER_PORTRAIT_SCORES_H
#define STK_RENDER_PORTRAIT_SCORES_H

#include "metrics/seam.h"
#include "render/evaluate.h"
#include "render/portrait.h"

/* A pixel is still whose real colour changes by at most this, in every channel. */
enum { STK_STILL_LEVELS = 2 };

/* Of one frame; NaN where there is none (stk_scores has what they are). */
typedef struct stk_portrait_figures {
    double psnr, seam_ratio, seam_mismatch, neck_delta_e;
    double neck_change, neck_change_real;       /* from the frame before, levels */
    double static_flicker, static_flicker_real; /* likewise */
} stk_portrait_figures;

typedef struct stk_portrait_tally {
    stk_image made[2], real[2], labels[2]; /* the frame before and the newest, owned */
    int newest, frames, changes;           /* changes: frames that follow on the one before */
    double psnr;
    stk_portrait_figures figures; /* of the newest frame */
    stk_seam seam;
    stk_sum neck, neck_made, neck_real, still_made, still_real;
    stk_worst_frame worst[STK_WORST_FRAMES]; /* the worst first */
} stk_portrait_tally;

stk_status stk_portrait_tally_init(stk_portrait_tally *tally, int width, int height);
void stk_portrait_tally_clear(stk_portrait_tally *tally);
/* made: the portrait; pasted: with its mask, and whether it follows on the one before. All of the
 * size given. */
void stk_portrait_tally_add(stk_portrait_tally *tally, const stk_image *real, const stk_image *made,
                            const stk_portrait_frame *pasted, const stk_image *labels, int frame);
void stk_portrait_tally_finish(const stk_portrait_tally *tally, stk_scores *scores);

#endif
