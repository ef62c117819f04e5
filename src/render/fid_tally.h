/* fid_tally.h - FID over the frames measured: features of the real, the made and the portrait
 * pictures are kept (8 KB each) until the end.
 */
#ifndef STK_RENDER_FID_TALLY_H
#define STK_RENDER_FID_TALLY_H

#include "metrics/fid.h"

typedef struct stk_fid_tally {
    stk_inception *net; /* borrowed */
    float *features[3]; /* real, made, portrait: [frames at most][STK_FID_FEATURES] */
    uint8_t *same;      /* [frames] the portrait is the made picture */
    int frames, portraits;
} stk_fid_tally;

/* Zeroed or cleared before. net outlives the tally. portraits 0: none will be added. */
stk_status stk_fid_tally_init(stk_fid_tally *tally, stk_inception *net, int frames, int portraits);
void stk_fid_tally_clear(stk_fid_tally *tally);
/* The next frame, of those announced. */
stk_status stk_fid_tally_add(stk_fid_tally *tally, const stk_image *real, const stk_image *made);
/* The newest frame's portrait; NULL: it is the made picture. */
stk_status stk_fid_tally_add_portrait(stk_fid_tally *tally, const stk_image *portrait);
/* Of made and of portrait against real; NaN for fewer than two frames, or portraits not of all.
 * The job shows how far it is: thousands of frames take a minute. */
stk_status stk_fid_tally_finish(stk_fid_tally *tally, stk_pool *pool, const stk_job *job,
                                double *made, double *portrait);

#endif
