/* fid_tally.c - see fid_tally.h. */
#include "render/fid_tally.h"
#include "base/memory.h"

#include <math.h>
#include <string.h>

enum { REAL, MADE, PORTRAIT };

stk_status stk_fid_tally_init(stk_fid_tally *tally, stk_inception *net, int frames, int portraits) {
    *tally = (stk_fid_tally){.net = net};
    for (int i = 0; i < (portraits ? 3 : 2); i++) {
        tally->features[i] =
            stk_calloc_aligned((size_t)frames * STK_FID_FEATURES, sizeof *tally->features[i]);
        if (tally->features[i] == NULL) return stk_fail_memory("FID");
    }
    tally->same = stk_calloc_aligned((size_t)frames, sizeof *tally->same);
    return tally->same != NULL ? STK_OK : stk_fail_memory("FID");
}

void stk_fid_tally_clear(stk_fid_tally *tally) {
    if (tally->net != NULL) stk_inception_forget(tally->net);
    for (int i = 0; i < 3; i++) stk_free(tally->features[i]);
    stk_free(tally->same);
    *tally = (stk_fid_tally){0};
}

static float *row(const stk_fid_tally *tally, int kind, int frame) {
    return tally->features[kind] + (size_t)frame * STK_FID_FEATURES;
}

stk_status stk_fid_tally_add(stk_fid_tally *tally, const stk_image *real, const stk_image *made) {
    const int frame = tally->frames++;
    STK_TRY(stk_inception_push(tally->net, real, row(tally, REAL, frame)));
    return stk_inception_push(tally->net, made, row(tally, MADE, frame));
}

stk_status stk_fid_tally_add_portrait(stk_fid_tally *tally, const stk_image *portrait) {
    const int newest = tally->frames - 1;
    if (tally->features[PORTRAIT] == NULL)
        return stk_fail(STK_ERR_ARGUMENT, "no portraits were announced");
    tally->portraits++;
    tally->same[newest] = portrait == NULL;
    if (portrait == NULL) return STK_OK;
    return stk_inception_push(tally->net, portrait, row(tally, PORTRAIT, newest));
}

stk_status stk_fid_tally_finish(stk_fid_tally *tally, stk_pool *pool, const stk_job *job,
                                double *made, double *portrait) {
    const int n = tally->frames;
    *made = *portrait = (double)NAN;
    STK_TRY(stk_inception_finish(tally->net));
    for (int i = 0; i < n; i++)
        if (tally->same[i])
            memcpy(row(tally, PORTRAIT, i), row(tally, MADE, i), STK_FID_FEATURES * sizeof(float));
    if (n < 2) return STK_OK;
    STK_TRY(stk_frechet_distance(made, n, STK_FID_FEATURES, tally->features[REAL],
                                 tally->features[MADE], pool, job));
    if (tally->portraits != n) return STK_OK;
    return stk_frechet_distance(portrait, n, STK_FID_FEATURES, tally->features[REAL],
                                tally->features[PORTRAIT], pool, job);
}
