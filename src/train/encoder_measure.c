/* encoder_measure.c - the offsets of a clip (face_sync/sync_offset.h) by the nets in training.
 *
 *   every frame's lips and sound, as they are -> codes -> distances -> an offset for each window of
 *   5 s in which somebody speaks four fifths of the time
 *
 * Frames without a face or across a cut take no part.
 */
#include "train/encoder_internal.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

enum { HOP = 25 /* frames from window to window */, LEAST = STK_OFFSET_WINDOW * 4 / 5 };

typedef struct codes {
    int first, frames;
    float *sound, *lips; /* [frames][512], unit length */
    uint8_t *has;        /* STK_HAS_... */
    float *distances;    /* [frames][STK_OFFSETS], the caller's */
} codes;

static void clear(codes *c) {
    stk_free(c->sound);
    stk_free(c->lips);
    stk_free(c->has);
}

static stk_status init(codes *c) {
    const size_t n = (size_t)c->frames;
    c->sound = stk_calloc_aligned(n * STK_SYNC_CODE, sizeof(float));
    c->lips = stk_calloc_aligned(n * STK_SYNC_CODE, sizeof(float));
    c->has = stk_calloc_aligned(n, 1);
    if (c->sound == NULL || c->lips == NULL || c->has == NULL)
        return stk_fail_memory("codes of a clip");
    return STK_OK;
}

typedef struct filling {
    stk_encoder_trainer *trainer;
    const stk_speech *speech;
    codes *codes;
    int at, shift;
} filling;

static void fill_window(void *context, int w, int worker) {
    const filling *f = context;
    stk_encoder_trainer *t = f->trainer;
    const int i = f->at + w, frame = f->codes->first + i;
    float *sound = t->sound + (size_t)w * STK_SOUND_FLOATS;
    float *lips = t->picture + (size_t)w * STK_LIPS_FLOATS;
    (void)worker;
    memset(sound, 0, STK_SOUND_FLOATS * sizeof *sound);
    memset(lips, 0, STK_LIPS_FLOATS * sizeof *lips);
    if (i >= f->codes->frames) return;
    f->codes->has[i] = 0;
    if (stk_encoder_has_sound(f->speech, frame + f->shift)) {
        f->codes->has[i] = STK_HAS_SOUND;
        stk_encoder_sound_plain(f->speech, frame + f->shift, sound);
    }
    if (stk_encoder_has_lips(f->speech, frame)) {
        f->codes->has[i] |= STK_HAS_LIPS;
        stk_encoder_lips_plain(f->speech, frame, lips);
    }
}

static stk_status encode(stk_encoder_trainer *t, const stk_encoder_clip *clip, codes *c) {
    filling f = {t, &clip->speech, c, 0, clip->shift};
    for (; f.at < c->frames; f.at += WINDOWS) {
        stk_pool_run(t->pool, WINDOWS, fill_window, &f);
        STK_TRY(stk_stack_forward(&t->stack[STK_SYNC_SOUND], t->sound, 0));
        STK_TRY(stk_stack_forward(&t->stack[STK_SYNC_PICTURE], t->picture, 0));
        for (int w = 0; w < WINDOWS && f.at + w < c->frames; w++) {
            const size_t from = (size_t)w * STK_SYNC_CODE;
            const size_t to = (size_t)(f.at + w) * STK_SYNC_CODE;
            stk_sync_unit(stk_stack_output(&t->stack[STK_SYNC_SOUND]) + from, c->sound + to);
            stk_sync_unit(stk_stack_output(&t->stack[STK_SYNC_PICTURE]) + from, c->lips + to);
        }
    }
    return STK_OK;
}

static void measure_frame(void *context, int i, int worker) {
    codes *c = context;
    (void)worker;
    stk_sync_distances(c->frames, c->lips, c->sound, c->has, i,
                       c->distances + (size_t)i * STK_OFFSETS);
}

stk_status stk_encoder_distances(stk_encoder_trainer *t, const stk_encoder_clip *clip, int first,
                                 int frames, float *distances) {
    codes c = {.first = first, .frames = frames, .distances = distances};
    stk_status status = init(&c);
    if (status == STK_OK) status = encode(t, clip, &c);
    if (status == STK_OK) stk_pool_run(t->pool, frames, measure_frame, &c);
    clear(&c);
    return status;
}

/* Is somebody speaking in most of these frames? */
static int speaks(const stk_speech *s, int from, int to) {
    int count = 0;
    for (int i = from; i < to; i++) count += s->state[i] == STK_SPEECH_SPEAKS;
    return count >= LEAST;
}

/* Offsets of the clip by distances of `frames` frames from the first. */
static void find_offsets(const stk_speech *speech, const float *distances, int first, int frames,
                         stk_encoder_offsets *o) {
    double confidence = 0, sum = 0;
    int offset;
    for (int i = 0; i + STK_OFFSET_WINDOW <= frames; i += HOP) {
        if (!speaks(speech, first + i, first + i + STK_OFFSET_WINDOW) ||
            !stk_sync_offset_find(distances, i, i + STK_OFFSET_WINDOW, LEAST / 2, &offset,
                                  &confidence))
            continue;
        o->windows++;
        o->right += abs(offset) <= 1;
        sum += confidence;
    }
    if (o->windows > 0) o->confidence = sum / o->windows;
    stk_sync_offset_find(distances, 0, frames, LEAST / 2, &o->whole, &o->whole_confidence);
}

stk_status stk_encoder_measure(stk_encoder_trainer *t, const stk_encoder_clip *clip, int frames_max,
                               stk_encoder_offsets *o) {
    const int all = clip->speech.frames, frames = all < frames_max ? all : frames_max;
    const int first = (all - frames) / 2;
    *o = (stk_encoder_offsets){0};
    float *distances = stk_calloc_aligned((size_t)frames * STK_OFFSETS, sizeof *distances);
    if (distances == NULL) return stk_fail_memory("distances of a clip");
    const stk_status status = stk_encoder_distances(t, clip, first, frames, distances);
    if (status == STK_OK) find_offsets(&clip->speech, distances, first, frames, o);
    stk_free(distances);
    return status;
}
