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
    return STK_OK;
}

void stk_fid_tally_clear(stk_fid_tally *tally) {
    for (int i = 0; i < 3; i++) {
        stk_free(tally->features[i]);
        tally->features[i] = NULL;
    }
}

static float *row(const stk_fid_tally *tally, int kind, int frame) {
    return tally->features[kind] + (size_t)frame * STK_FID_FEATURES;
}

stk_status stk_fid_tally_add(stk_fid_tally *tally, const stk_image *real, const stk_image *made) {
    const stk_image *const pictures[] = {real, made};
    float *const features[] = {row(tally, REAL, tally->frames), row(tally, MADE, tally->frames)};
    STK_TRY(stk_inception_features(tally->net, pictures, 2, features));
    tally->frames++;
    return STK_OK;
}

stk_status stk_fid_tally_add_portrait(stk_fid_tally *tally, const stk_image *portrait) {
    const int newest = tally->frames - 1;
    if (tally->features[PORTRAIT] == NULL)
        return stk_fail(STK_ERR_ARGUMENT, "no portraits were announced");
    float *const features[] = {row(tally, PORTRAIT, newest)};
    if (portrait == NULL)
        memcpy(features[0], row(tally, MADE, newest), STK_FID_FEATURES * sizeof(float));
    else
        STK_TRY(stk_inception_features(tally->net, &portrait, 1, features));
    tally->portraits++;
    return STK_OK;
}

stk_status stk_fid_tally_finish(const stk_fid_tally *tally, const stk_job *job, double *made,
                                double *portrait) {
    *made = *portrait = (double)NAN;
    if (tally->frames < 2) return STK_OK;
    STK_TRY(stk_frechet_distance(made, tally->frames, STK_FID_FEATURES, tally->features[REAL],
                                 tally->features[MADE], job));
    if (tally->portraits != tally->frames) return STK_OK;
    return stk_frechet_distance(portrait, tally->frames, STK_FID_FEATURES, tally->features[REAL],
                                tally->features[PORTRAIT], job);
}
