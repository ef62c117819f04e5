/* blinks.c - frames with lids down, which chance shows too seldom to be learned from.
 *
 *   lids [train_frames][2] -> frames whose lids are a third of the way down -> an eighth of the
 *   pictures of every step, most of whose rays go to the eyes
 *
 * Lids are down in about one frame of a hundred, on a fiftieth of the head: one ray in a few
 * thousand. What the field makes of the lids' coefficients then stays a hint (doc/SPEED.md).
 * Drawn by the trainer's generator from the frames of the epoch's shuffle, so a resumed run and any
 * number of threads draw the same.
 *
 * DIFFERS: the published system draws all frames alike.
 */
#include "face_sync/expression_range.h"
#include "train/internal.h"
#include "base/memory.h"

#include <string.h>

enum {
    SLOTS_PER_BLINK = 8,
};
static const float LID_REACH_MIN = 0.1f; /* less is no blink but noise */
/* Shares of a blink's rays: far backdrop, border band, head, eyes and brows, mouth. */
static const float BLINK_SHARES[STK_RAY_CLASSES] = {0.03f, 0.07f, 0.20f, 0.60f, 0.10f};

/* down[i] = 1 where this lid is a third of the way down. */
static stk_status mark_lid(const stk_trainer *t, int lid, uint8_t *down) {
    const int n = t->performance.train_frames;
    const float(*expressions)[STK_EXPRESSIONS] = t->performance.expressions;
    stk_expression_range range;
    STK_TRY(stk_expression_range_measure(&range, &expressions[0][lid], n, STK_EXPRESSIONS,
                                         STK_EXPRESSION_LID));
    const float third = stk_expression_range_share(&range, 0.33f);
    for (int i = 0; i < n && range.high - range.neutral >= LID_REACH_MIN; i++)
        if (expressions[i][lid] > third) down[i] = 1;
    return STK_OK;
}

stk_status stk_train_blinks_init(stk_trainer *t) {
    const int n = t->performance.train_frames;
    t->lids_down = stk_calloc_aligned((size_t)n, 1);
    t->blinks = stk_calloc_aligned((size_t)n, sizeof *t->blinks);
    if (t->lids_down == NULL || t->blinks == NULL) return stk_fail_memory("training");
    const int inputs = t->nets.config.exp;
    for (int k = inputs - STK_TRAIN_LIDS; k < inputs; k++) STK_TRY(mark_lid(t, k, t->lids_down));
    for (int i = 0; i < n; i++)
        if (t->lids_down[i]) t->blinks[t->blink_count++] = i;
    /* who shuts the eyes often enough needs no help */
    if (t->blink_count * SLOTS_PER_BLINK >= n) t->blink_count = 0;
    if (t->settings.vary & STK_VARY_BLINKS) t->blink_count = 0;
    if (t->blink_count == 0) memset(t->lids_down, 0, (size_t)n);
    return STK_OK;
}

static int listed(const stk_trainer *t, int32_t frame) {
    for (int i = 0; i < t->plan.pictures; i++)
        if (t->drawn[i] == frame) return 1;
    return 0;
}

void stk_train_blinks_draw(stk_trainer *t) {
    if (t->blink_count == 0) return;
    for (int k = 0; k < t->plan.pictures / SLOTS_PER_BLINK; k++) {
        const int32_t frame = t->blinks[stk_rng_below(&t->rng, (uint32_t)t->blink_count)];
        if (!listed(t, frame)) t->drawn[t->plan.pictures - 1 - k] = frame;
    }
}

stk_batch_settings stk_train_blinks_shares(const stk_trainer *t, int32_t frame) {
    stk_batch_settings batch = t->batch;
    if (t->lids_down[frame]) memcpy(batch.share, BLINK_SHARES, sizeof BLINK_SHARES);
    return batch;
}
