/* encode.c - the subject's sound as the model hears it in training: feature rows, one a frame.
 *
 *   mel   the subject's own mel windows                                      [frames][80][16]
 *         mel-normalised: those in the speaker's own measure (face_sync/mel_speaker.h)
 *   ave   those, clean and spoilt three times, through the encoder  [HEARINGS][frames][512]
 *
 * An encoder is too slow to run in every step, and what it makes of a louder or a noisier sound is
 * not what it made of the clean one plus a little noise; so each hearing is another level and
 * another noise, made once, and a step draws among them. The encoder's name and digest go into the
 * model (nets.encoder). Rows are encoded by all threads, each with a handle of its own; what a row
 * becomes depends neither on the thread nor on its neighbours.
 */
#include "train/internal.h"
#include "base/clock.h"
#include "base/memory.h"
#include "face_sync/ave_encoder.h"
#include "render/subject_rows.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

enum { BLOCK = STK_AVE_BATCH };
/* Mel units, 8 per 100 dB: levels of -5, 0, +5 dB and noise up to 1.9 dB a value. */
static const float GAIN[STK_HEARINGS] = {0, -0.4f, 0, 0.4f};
static const float NOISE_UNITS = 0.15f;

/* A sentence belongs to the thread that wrote it: it is carried to the caller's. */
typedef struct outcome {
    stk_status status;
    char reason[248];
} outcome;

typedef struct encoding {
    const stk_trainer *t;
    stk_ave_encoder **encoders; /* [threads] */
    float *windows;             /* [threads][BLOCK][80*16] */
    int blocks;                 /* of a hearing */
    const stk_job *job;
    double start_s;
    atomic_int done, stop;
    outcome *outcomes; /* [HEARINGS * blocks] */
} encoding;

static void spoil(const stk_trainer *t, int hearing, int frame, float *window) {
    stk_rng rng;
    stk_rng_seed(&rng, (uint64_t)t->settings.seed, (uint64_t)(frame * STK_HEARINGS + hearing));
    for (int i = 0; i < STK_AVE_WINDOW; i++) {
        const float noise = NOISE_UNITS * (2.0f * stk_rng_float(&rng) - 1.0f);
        window[i] = stk_clampf(window[i] + GAIN[hearing] + noise, -4.0f, 4.0f);
    }
}

static void encode_block(void *context, int task, int worker) {
    encoding *e = context;
    const stk_trainer *t = e->t;
    const int hearing = task / e->blocks, first = task % e->blocks * BLOCK;
    const int frames = t->performance.frames;
    const int n = frames - first < BLOCK ? frames - first : BLOCK;
    if (atomic_load(&e->stop)) return;
    float *windows = e->windows + (size_t)worker * BLOCK * STK_AVE_WINDOW;
    memcpy(windows, stk_subject_audio_row(t->subject, first),
           (size_t)n * STK_AVE_WINDOW * sizeof *windows);
    for (int i = 0; hearing > 0 && i < n; i++)
        spoil(t, hearing, first + i, windows + (size_t)i * STK_AVE_WINDOW);
    float *rows = t->encoded + ((size_t)hearing * (size_t)frames + (size_t)first) * STK_AVE_FLOATS;
    outcome *o = &e->outcomes[task];
    o->status = stk_ave_encoder_run(e->encoders[worker], n, windows, rows);
    if (o->status != STK_OK) stk_error_take(o->reason, sizeof o->reason);
    const int done = atomic_fetch_add(&e->done, 1) + 1;
    if (worker != 0) return; /* callbacks belong to the calling thread */
    stk_job_report(e->job, "hearing", done, STK_HEARINGS * e->blocks, e->start_s, NULL);
    if (stk_job_aborted(e->job)) atomic_store(&e->stop, 1);
}

/* How much each feature varies over the frames trained on. */
static stk_status measure_spread(stk_trainer *t) {
    const int n = t->performance.train_frames;
    t->feature_spread = stk_calloc_aligned(STK_AVE_FLOATS, sizeof(float));
    if (t->feature_spread == NULL) return stk_fail_memory("sound features");
    for (int i = 0; i < STK_AVE_FLOATS; i++) {
        double sum = 0, squares = 0;
        for (int f = 0; f < n; f++) {
            const double v = (double)t->encoded[(size_t)f * STK_AVE_FLOATS + (size_t)i];
            sum += v;
            squares += v * v;
        }
        t->feature_spread[i] = (float)sqrt(fmax(0, squares / n - sum / n * (sum / n)));
    }
    return STK_OK;
}

static stk_status run(encoding *e, stk_trainer *t) {
    const int threads = stk_pool_threads(t->pool), frames = t->performance.frames;
    const int tasks = STK_HEARINGS * e->blocks;
    e->encoders = stk_calloc_aligned((size_t)threads, sizeof(stk_ave_encoder *));
    e->windows = stk_calloc_aligned((size_t)threads * BLOCK * STK_AVE_WINDOW, sizeof(float));
    e->outcomes = stk_calloc_aligned((size_t)tasks, sizeof *e->outcomes);
    t->encoded =
        stk_calloc_aligned((size_t)STK_HEARINGS * (size_t)frames * STK_AVE_FLOATS, sizeof(float));
    if (e->encoders == NULL || e->windows == NULL || e->outcomes == NULL || t->encoded == NULL)
        return stk_fail_memory("sound features");
    for (int i = 0; i < threads; i++)
        STK_TRY(stk_ave_encoder_create(&e->encoders[i], t->settings.encoder));
    stk_pool_run(t->pool, tasks, encode_block, e);
    for (int i = 0; i < tasks; i++)
        if (e->outcomes[i].status != STK_OK)
            return stk_fail(e->outcomes[i].status, "%s", e->outcomes[i].reason);
    if (atomic_load(&e->stop))
        return stk_fail(STK_ERR_ABORTED, "stopped while the sound was encoded");
    t->nets.encoder = *stk_ave_encoder_id(e->encoders[0]);
    t->sound_rows = t->encoded;
    return measure_spread(t);
}

stk_status stk_train_encode(stk_trainer *t, const stk_job *job) {
    if (t->nets.config.audio_kind == STK_AUDIO_MEL) {
        t->sound_rows = stk_subject_audio_row(t->subject, 0);
        return STK_OK;
    }
    if (t->nets.config.audio_kind == STK_AUDIO_MEL_SPEAKER) {
        const stk_status status = stk_subject_rows_normalise(t->subject, &t->normalised);
        t->sound_rows = t->normalised;
        return status;
    }
    encoding e = {.t = t,
                  .blocks = (t->performance.frames + BLOCK - 1) / BLOCK,
                  .job = job,
                  .start_s = stk_clock_s()};
    const stk_status status = run(&e, t);
    for (int i = 0; e.encoders != NULL && i < stk_pool_threads(t->pool); i++)
        stk_ave_encoder_free(&e.encoders[i]);
    stk_free(e.outcomes);
    stk_free(e.windows);
    stk_free(e.encoders);
    return status;
}
