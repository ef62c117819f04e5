/* encoder_measure.c - finds the offset between lips and sound of a clip, as SyncNet does.
 *
 *   codes of every frame's lips F_f and sound A_f, made unit length
 *   D_o = mean over a window of frames f of |F_f - A_(f+o)|, o = -15 .. 15;  offset = argmin D
 *
 * Frames without a face or across a cut take no part. Confidence: median of D less its least.
 */
#include "train/encoder_internal.h"
#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { HOP = 25 /* frames from window to window */, LEAST = STK_OFFSET_WINDOW * 4 / 5 };

typedef struct codes {
    int first, frames;
    float *sound, *lips; /* [frames][512], unit length */
    uint8_t *has;        /* bit 0: sound, bit 1: lips */
    double *sum;         /* [frames][STK_OFFSETS] distances, < 0: none */
} codes;

static void clear(codes *c) {
    stk_free(c->sound);
    stk_free(c->lips);
    stk_free(c->has);
    stk_free(c->sum);
}

static stk_status init(codes *c, const stk_speech *s, int frames_max) {
    const int frames = s->frames < frames_max ? s->frames : frames_max;
    *c = (codes){.first = (s->frames - frames) / 2, .frames = frames};
    const size_t n = (size_t)frames;
    c->sound = stk_calloc_aligned(n * STK_SYNC_CODE, sizeof(float));
    c->lips = stk_calloc_aligned(n * STK_SYNC_CODE, sizeof(float));
    c->has = stk_calloc_aligned(n, 1);
    c->sum = stk_calloc_aligned(n * STK_OFFSETS, sizeof(double));
    if (c->sound == NULL || c->lips == NULL || c->has == NULL || c->sum == NULL)
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
        f->codes->has[i] = 1;
        stk_encoder_sound_plain(f->speech, frame + f->shift, sound);
    }
    if (stk_encoder_has_lips(f->speech, frame)) {
        f->codes->has[i] |= 2;
        stk_encoder_picture(f->speech, frame, NULL, lips);
    }
}

static void take_unit(const float *code, float *out) {
    double square = 1e-12;
    for (int k = 0; k < STK_SYNC_CODE; k++) square += (double)(code[k] * code[k]);
    const float scale = (float)(1.0 / sqrt(square));
    for (int k = 0; k < STK_SYNC_CODE; k++) out[k] = scale * code[k];
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
            take_unit(stk_stack_output(&t->stack[STK_SYNC_SOUND]) + from, c->sound + to);
            take_unit(stk_stack_output(&t->stack[STK_SYNC_PICTURE]) + from, c->lips + to);
        }
    }
    return STK_OK;
}

static void measure_frame(void *context, int i, int worker) {
    codes *c = context;
    (void)worker;
    for (int k = 0; k < STK_OFFSETS; k++) {
        const int j = i + k - STK_OFFSET_MAX;
        double *sum = &c->sum[(size_t)i * STK_OFFSETS + (size_t)k];
        *sum = -1;
        if (!(c->has[i] & 2) || j < 0 || j >= c->frames || !(c->has[j] & 1)) continue;
        const float *a = c->lips + (size_t)i * STK_SYNC_CODE;
        const float *b = c->sound + (size_t)j * STK_SYNC_CODE;
        float lanes[8] = {0};
        for (int d = 0; d < STK_SYNC_CODE; d += 8)
            for (int l = 0; l < 8; l++) lanes[l] += a[d + l] * b[d + l];
        double cosine = 0;
        for (int l = 0; l < 8; l++) cosine += (double)lanes[l];
        *sum = sqrt(fmax(0, 2 - 2 * cosine));
    }
}

static int compare(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The offset of frames [from, to), of those that have all distances; 0 when they are too few. */
static int find(const codes *c, int from, int to, int least, int *offset, double *confidence) {
    double mean[STK_OFFSETS] = {0};
    int count = 0, best = 0;
    for (int i = from; i < to; i++) {
        const double *d = c->sum + (size_t)i * STK_OFFSETS;
        int whole = 1;
        for (int k = 0; k < STK_OFFSETS; k++) whole = whole && d[k] >= 0;
        for (int k = 0; k < STK_OFFSETS && whole; k++) mean[k] += d[k];
        count += whole;
    }
    if (count < least) return 0;
    for (int k = 0; k < STK_OFFSETS; k++) {
        mean[k] /= count;
        if (mean[k] < mean[best]) best = k;
    }
    const double smallest = mean[best];
    qsort(mean, STK_OFFSETS, sizeof mean[0], compare);
    *offset = best - STK_OFFSET_MAX;
    *confidence = mean[STK_OFFSETS / 2] - smallest;
    return 1;
}

/* Is somebody speaking in most of these frames? */
static int speaks(const stk_speech *s, int from, int to) {
    int count = 0;
    for (int i = from; i < to; i++) count += s->state[i] == STK_SPEECH_SPEAKS;
    return count >= LEAST;
}

stk_status stk_encoder_measure(stk_encoder_trainer *t, const stk_encoder_clip *clip,
                               int frames_max, stk_encoder_offsets *o) {
    codes c;
    *o = (stk_encoder_offsets){0};
    stk_status status = init(&c, &clip->speech, frames_max);
    if (status == STK_OK) status = encode(t, clip, &c);
    if (status == STK_OK) stk_pool_run(t->pool, c.frames, measure_frame, &c);
    double confidence = 0, sum = 0;
    int offset;
    for (int i = 0; status == STK_OK && i + STK_OFFSET_WINDOW <= c.frames; i += HOP) {
        if (!speaks(&clip->speech, c.first + i, c.first + i + STK_OFFSET_WINDOW) ||
            !find(&c, i, i + STK_OFFSET_WINDOW, LEAST / 2, &offset, &confidence))
            continue;
        o->windows++;
        o->right += abs(offset) <= 1;
        sum += confidence;
    }
    if (o->windows > 0) o->confidence = sum / o->windows;
    if (status == STK_OK) find(&c, 0, c.frames, LEAST / 2, &o->whole, &o->whole_confidence);
    clear(&c);
    return status;
}
