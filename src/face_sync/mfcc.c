/* mfcc.c - see mfcc.h. In double precision; one frame after another. */
#include "face_sync/mfcc.h"
#include "face_sync/fft.h"

#include "base/memory.h"

#include <float.h>
#include <math.h>

enum { WINDOW = 400, SIZE = 512, BINS = SIZE / 2 + 1, FILTERS = 26, LIFTER = 22 };
static const double PREEMPHASIS = 0.97, FULL_SCALE = 32768;

typedef struct mfcc_tables {
    stk_fft fft;
    stk_fft_work work;
    double filter[FILTERS][BINS];
    double cosine[STK_MFCC_COUNT][FILTERS]; /* orthonormal DCT-II times the lifter */
    double in[SIZE], power[BINS];
    double spectrum[BINS][2];
} mfcc_tables;

int stk_mfcc_rows(int64_t samples) {
    if (samples <= WINDOW) return 1;
    return 1 + (int)((samples - WINDOW + STK_MFCC_STEP - 1) / STK_MFCC_STEP);
}

/* Triangle j rises from bin[j] to bin[j+1] and falls to bin[j+2]. */
static void make_filters(double filter[FILTERS][BINS]) {
    int bin[FILTERS + 2];
    const double top = 2595 * log10(1 + STK_SAMPLE_RATE / 2 / 700.0);
    for (int j = 0; j < FILTERS + 2; j++) {
        const double hz = 700 * (pow(10, top * j / (FILTERS + 1) / 2595) - 1);
        bin[j] = (int)floor((SIZE + 1) * hz / STK_SAMPLE_RATE);
    }
    for (int j = 0; j < FILTERS; j++) {
        for (int i = bin[j]; i < bin[j + 1]; i++)
            filter[j][i] = (double)(i - bin[j]) / (bin[j + 1] - bin[j]);
        for (int i = bin[j + 1]; i < bin[j + 2]; i++)
            filter[j][i] = (double)(bin[j + 2] - i) / (bin[j + 2] - bin[j + 1]);
    }
}

static void make_cosines(double cosine[STK_MFCC_COUNT][FILTERS]) {
    for (int n = 0; n < STK_MFCC_COUNT; n++)
        for (int j = 0; j < FILTERS; j++)
            cosine[n][j] = sqrt((n == 0 ? 1.0 : 2.0) / FILTERS) *
                           cos(M_PI * n * (2 * j + 1) / (2 * FILTERS)) *
                           (1 + LIFTER / 2 * sin(M_PI * n / LIFTER));
}

static double sample(const stk_sound *sound, int64_t i) {
    return i >= 0 && i < sound->count ? FULL_SCALE * (double)sound->samples[i] : 0;
}

static void one_row(mfcc_tables *t, const stk_sound *sound, int64_t first,
                    float row[STK_MFCC_COUNT]) {
    double energy = 0, logs[FILTERS];
    for (int i = 0; i < WINDOW; i++) {
        const int64_t k = first + i;
        t->in[i] = k < sound->count ? sample(sound, k) - PREEMPHASIS * sample(sound, k - 1) : 0;
    }
    stk_fft_real(&t->fft, t->in, t->spectrum, &t->work);
    for (int i = 0; i < BINS; i++) {
        const double *s = t->spectrum[i];
        t->power[i] = (s[0] * s[0] + s[1] * s[1]) / SIZE;
        energy += t->power[i];
    }
    for (int j = 0; j < FILTERS; j++) {
        double sum = 0;
        for (int i = 0; i < BINS; i++) sum += t->filter[j][i] * t->power[i];
        logs[j] = log(sum > 0 ? sum : DBL_EPSILON);
    }
    row[0] = (float)log(energy > 0 ? energy : DBL_EPSILON);
    for (int n = 1; n < STK_MFCC_COUNT; n++) {
        double sum = 0;
        for (int j = 0; j < FILTERS; j++) sum += t->cosine[n][j] * logs[j];
        row[n] = (float)sum;
    }
}

stk_status stk_mfcc(const stk_sound *sound, float (*mfcc)[STK_MFCC_COUNT], int rows) {
    if (sound->rate != STK_SAMPLE_RATE)
        return stk_fail(STK_ERR_ARGUMENT, "the cepstrum is that of 16 kHz sound, not of %d Hz",
                        sound->rate);
    mfcc_tables *t = stk_calloc_aligned(1, sizeof *t);
    if (t == NULL) return stk_fail_memory("cepstrum");
    make_filters(t->filter);
    make_cosines(t->cosine);
    stk_status status = stk_fft_init(&t->fft, SIZE);
    for (int r = 0; status == STK_OK && r < rows; r++)
        one_row(t, sound, (int64_t)r * STK_MFCC_STEP, mfcc[r]);
    stk_free(t);
    return status;
}
