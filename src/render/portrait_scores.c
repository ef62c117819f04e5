/* portrait_scores.c - see portrait_scores.h. */
#include "render/portrait_scores.h"

#include "base/image.h"
#include "metrics/picture.h"

#include <math.h>

/* Half the length of the steps across the rim: beyond the mask's blur, which is 4 of 512 on either
 * side. */
static const float SEAM_REACH = 5.0f / 512;

stk_status stk_portrait_tally_init(stk_portrait_tally *tally, int width, int height) {
    *tally = (stk_portrait_tally){0};
    for (int i = 0; i < 2; i++) {
        STK_TRY(stk_image_init(&tally->made[i], width, height, 3));
        STK_TRY(stk_image_init(&tally->real[i], width, height, 3));
        STK_TRY(stk_image_init(&tally->labels[i], width, height, 1));
    }
    return STK_OK;
}

void stk_portrait_tally_clear(stk_portrait_tally *tally) {
    for (int i = 0; i < 2; i++) {
        stk_image_clear(&tally->made[i]);
        stk_image_clear(&tally->real[i]);
        stk_image_clear(&tally->labels[i]);
    }
}

static void keep_worst(stk_portrait_tally *tally, stk_worst_frame frame) {
    const int n = tally->frames < STK_WORST_FRAMES ? tally->frames : STK_WORST_FRAMES;
    int k = n;
    while (k > 0 && tally->worst[k - 1].psnr > frame.psnr) k--;
    for (int i = STK_WORST_FRAMES - 1; i > k; i--) tally->worst[i] = tally->worst[i - 1];
    if (k < STK_WORST_FRAMES) tally->worst[k] = frame;
}

static void merge(stk_sum *total, stk_sum one) {
    total->sum += one.sum;
    total->count += one.count;
}

static double mean_or_none(stk_sum s) {
    return s.count > 0 ? stk_mean_of(s) : (double)NAN;
}

static void add_changes(stk_portrait_tally *tally) {
    tally->changes++;
    const int now = tally->newest, before = 1 - now;
    const stk_succession s = {{&tally->made[before], &tally->made[now]},
                              {&tally->real[before], &tally->real[now]},
                              {&tally->labels[before], &tally->labels[now]}};
    stk_sum neck[2] = {{0}}, still[2] = {{0}};
    stk_change_add(&neck[0], &neck[1], &s, STK_LABEL_NECK);
    stk_still_change_add(&still[0], &still[1], &s, STK_STILL_LEVELS);
    merge(&tally->neck_made, neck[0]);
    merge(&tally->neck_real, neck[1]);
    merge(&tally->still_made, still[0]);
    merge(&tally->still_real, still[1]);
    stk_portrait_figures *f = &tally->figures;
    f->neck_change = mean_or_none(neck[0]);
    f->neck_change_real = mean_or_none(neck[1]);
    f->static_flicker = mean_or_none(still[0]);
    f->static_flicker_real = mean_or_none(still[1]);
}

static void add_seam(stk_portrait_tally *tally, const stk_image *real, const stk_image *made,
                     const stk_image *mask) {
    stk_seam seam = {0};
    stk_seam_add(&seam, made, real, mask, fmaxf(1, SEAM_REACH * (float)real->height));
    merge(&tally->seam.made, seam.made);
    merge(&tally->seam.real, seam.real);
    merge(&tally->seam.mismatch, seam.mismatch);
    tally->figures.seam_ratio = stk_seam_ratio(&seam);
    tally->figures.seam_mismatch = mean_or_none(seam.mismatch);
}

void stk_portrait_tally_add(stk_portrait_tally *tally, const stk_image *real, const stk_image *made,
                            const stk_portrait_frame *pasted, const stk_image *labels, int frame) {
    const int now = tally->newest = 1 - tally->newest;
    stk_image_copy(&tally->made[now], made);
    stk_image_copy(&tally->real[now], real);
    stk_image_copy(&tally->labels[now], labels);
    stk_portrait_figures *f = &tally->figures;
    f->neck_change = f->neck_change_real = f->static_flicker = f->static_flicker_real = (double)NAN;
    if (tally->frames > 0 && pasted->follows) add_changes(tally);
    add_seam(tally, real, made, &pasted->mask);
    stk_sum neck = {0};
    stk_colour_distance_add(&neck, made, real, labels, STK_LABEL_NECK);
    merge(&tally->neck, neck);
    f->neck_delta_e = mean_or_none(neck);
    int64_t pixels;
    const double mse =
        stk_mse(real, made, (stk_rect){0, 0, real->width, real->height}, NULL, &pixels);
    f->psnr = stk_psnr_from_mse(mse);
    keep_worst(tally, (stk_worst_frame){frame, f->psnr, f->seam_ratio});
    tally->psnr += f->psnr;
    tally->frames++;
}

void stk_portrait_tally_finish(const stk_portrait_tally *tally, stk_scores *s) {
    s->psnr_portrait = tally->frames > 0 ? tally->psnr / tally->frames : 0;
    s->seam_ratio = stk_seam_ratio(&tally->seam);
    s->seam_mismatch = stk_mean_of(tally->seam.mismatch);
    s->neck_delta_e = stk_mean_of(tally->neck);
    s->flicker_frames = tally->changes;
    s->neck_flicker = tally->neck_real.sum > 0 ? tally->neck_made.sum / tally->neck_real.sum : 1;
    s->static_flicker = stk_mean_of(tally->still_made);
    s->static_flicker_real = stk_mean_of(tally->still_real);
    s->worst_count = tally->frames < STK_WORST_FRAMES ? tally->frames : STK_WORST_FRAMES;
    for (int i = 0; i < s->worst_count; i++) s->worst[i] = tally->worst[i];
}
