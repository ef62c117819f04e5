/* encoder_sample.c - which windows of which clips make a batch.
 *
 * A batch has 4 groups of 16 windows of one clip each. The windows of a group are neighbours in
 * time, at random gaps that shrink from 10 frames (the group spans +-3 s) to 3 (the next window
 * is an eighth of a second off) during the first 60 % of a run: negatives that grow hard.
 */
#include "train/encoder_internal.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

static const double GAP_FIRST = 10, GAP_LAST = 3, GAP_SETTLED = 0.6;

enum {
    REFERENCE_AWAY = 25 /* frames between a mouth and its reference, where there are so many */
};

static uint64_t mark_of(const stk_speech *s) {
    uint64_t mark = 14695981039346656037u;
    for (size_t i = 0; i < (size_t)s->columns * STK_MEL_BINS; i++) {
        uint32_t bits;
        memcpy(&bits, s->mel + i, sizeof bits);
        mark = (mark ^ bits) * 1099511628211u;
    }
    return mark;
}

stk_status stk_encoder_clip_prepare(stk_encoder_clip *clip) {
    const stk_speech *s = &clip->speech;
    clip->count = 0;
    clip->mark = mark_of(s);
    clip->usable = stk_calloc_aligned((size_t)s->frames, sizeof *clip->usable);
    if (clip->usable == NULL) return stk_fail_memory("usable frames");
    /* sound is wanted at either side, too: the clip's shift may be found to be up to 15 frames */
    for (int f = STK_OFFSET_MAX; f + STK_OFFSET_MAX < s->frames; f++)
        if (s->state[f] == STK_SPEECH_SPEAKS && stk_encoder_has_lips(s, f) &&
            stk_encoder_has_sound(s, f - STK_OFFSET_MAX) &&
            stk_encoder_has_sound(s, f + STK_OFFSET_MAX))
            clip->usable[clip->count++] = f;
    if (clip->count >= 2 * GROUP) return STK_OK;
    return stk_fail(STK_ERR_CONTENT,
                    "%s: shows a speaking face in only %d frames; leave the clip out", s->name,
                    clip->count);
}

void stk_encoder_clip_clear(stk_encoder_clip *clip) {
    stk_free(clip->usable);
    stk_speech_free(&clip->speech);
    *clip = (stk_encoder_clip){0};
}

static int choose_clip(const stk_encoder_trainer *t, stk_rng *rng) {
    const double at = (double)stk_rng_float(rng) * t->weight[t->clip_count - 1];
    int clip = 0;
    while (clip < t->clip_count - 1 && t->weight[clip] <= at) clip++;
    return clip;
}

static int choose_reference(const stk_encoder_clip *clip, int frame, stk_rng *rng) {
    int reference = frame;
    for (int attempt = 0; attempt < 8; attempt++) {
        reference = clip->usable[stk_rng_below(rng, (uint32_t)clip->count)];
        if (abs(reference - frame) >= REFERENCE_AWAY) break;
    }
    return reference;
}

void stk_encoder_choose(stk_encoder_trainer *t, double position) {
    stk_rng rng;
    stk_rng_seed(&rng, (uint64_t)t->settings.seed, (uint64_t)t->step << 8 | 255);
    const double progress = position < GAP_SETTLED ? position / GAP_SETTLED : 1.0;
    const double gap = GAP_FIRST + (GAP_LAST - GAP_FIRST) * progress;
    for (int g = 0; g < GROUPS; g++) {
        const int clip = choose_clip(t, &rng);
        const stk_encoder_clip *c = &t->clips[clip];
        uint32_t at = stk_rng_below(&rng, (uint32_t)c->count);
        for (int i = 0; i < GROUP; i++) {
            /* interleaved: every micro-batch sees every clip */
            const int w = i * GROUPS + g, frame = c->usable[at % (uint32_t)c->count];
            t->place[w] = (window_place){clip, frame, choose_reference(c, frame, &rng)};
            t->clip[w] = clip;
            t->frame[w] = frame;
            at += STK_SYNC_APART +
                  stk_rng_below(&rng, (uint32_t)(2.0 * (gap - STK_SYNC_APART) + 1.0));
        }
    }
}
