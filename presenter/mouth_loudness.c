/* mouth_loudness.c - mouth shapes from a sound without phones: recordings, any language.
 *
 *   sound -> 4 octave bands within 200-4000 Hz -> energy of each 5 ms, 25 ms Hann window
 *         -> loudness against the sound's own loud speech -> opening (attack 30 ms, release 70 ms)
 *         -> energy-weighted band number -> wide (front vowels) or round (back vowels)
 *         -> short dips between louder neighbours -> closures
 *
 * Below 200 Hz voiced murmur with closed lips would open the mouth, above 4 kHz hissing would; the
 * lowest band counts a tenth, because m, n and close vowels have nearly all their energy there. The
 * opening looks 20 ms ahead, which makes good the lag of its own smoothing. Any thread.
 */
#include "presenter/mouth.h"

#include <math.h>
#include <stdlib.h>

enum { BANDS = 4, BINS_PER_S = 200, WINDOW = 2 /* bins either side */ };
enum { DIP_NEAR = 4, DIP_FAR = 24 /* bins: a closure is shorter than 2 x 120 ms */ };

static const double BAND_HZ[BANDS + 1] = {200, 450, 950, 1950, 4000};
static const double ATTACK_S = 0.030, RELEASE_S = 0.070, AHEAD_S = 0.020;
static const double RANGE_DB = 28;    /* from shut to the opening of loud speech */
static const double QUIET_DB = -55;   /* below full scale: silence whatever the rest is like */
static const double LOUD_SHARE = 0.9; /* quantile of the bins that counts as loud speech */
static const double MURMUR = 0.1;     /* weight of the lowest band in the loudness */
static const double DIP_DB = 7, DIP_FULL_DB = 14;

typedef struct curves {
    double *band[BANDS]; /* energy, then smoothed energy */
    double *level_db, *open, *front, *closure, *scratch;
    int bins;
} curves;

static void curves_clear(curves *c) {
    free(c->band[0]);
    *c = (curves){0};
}

static stk_status curves_init(curves *c, const stk_sound *sound) {
    *c = (curves){.bins = (int)(sound->count * BINS_PER_S / sound->rate) + 1};
    double *all = calloc((size_t)c->bins * (BANDS + 5), sizeof *all);
    if (all == NULL) return stk_fail_memory("loudness curves");
    double **const each[] = {&c->level_db, &c->open, &c->front, &c->closure, &c->scratch};
    for (int b = 0; b < BANDS; b++) c->band[b] = all + (size_t)c->bins * (size_t)b;
    for (int k = 0; k < 5; k++) *each[k] = all + (size_t)c->bins * (size_t)(BANDS + k);
    return STK_OK;
}

/* Mean square of one band a bin: band-pass biquad with 0 dB at its centre [Bristow-Johnson]. */
static void band_energy(const stk_sound *sound, double low_hz, double high_hz, double *energy,
                        int bins) {
    const double centre = sqrt(low_hz * high_hz), q = centre / (high_hz - low_hz);
    const double w = 2 * M_PI * centre / sound->rate, alpha = sin(w) / (2 * q), a0 = 1 + alpha;
    const double b0 = alpha / a0, a1 = -2 * cos(w) / a0, a2 = (1 - alpha) / a0;
    double x1 = 0, x2 = 0, y1 = 0, y2 = 0;
    for (int64_t i = 0; i < sound->count; i++) {
        const double x = (double)sound->samples[i];
        const double y = b0 * (x - x2) - a1 * y1 - a2 * y2;
        x2 = x1;
        x1 = x;
        y2 = y1;
        y1 = y;
        const int bin = (int)(i * BINS_PER_S / sound->rate);
        if (bin < bins) energy[bin] += y * y * BINS_PER_S / sound->rate;
    }
}

static void smooth(double *curve, double *scratch, int bins) {
    static const double hann[2 * WINDOW + 1] = {1 / 12.0, 3 / 12.0, 4 / 12.0, 3 / 12.0, 1 / 12.0};
    for (int i = 0; i < bins; i++) {
        double sum = 0;
        for (int k = -WINDOW; k <= WINDOW; k++)
            if (i + k >= 0 && i + k < bins) sum += hann[k + WINDOW] * curve[i + k];
        scratch[i] = sum;
    }
    for (int i = 0; i < bins; i++) curve[i] = scratch[i];
}

static int compare_doubles(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The level of loud speech: a high quantile of the bins that are no silence. */
static double loud_db(const curves *c) {
    int count = 0;
    for (int i = 0; i < c->bins; i++)
        if (c->level_db[i] > QUIET_DB) c->scratch[count++] = c->level_db[i];
    if (count == 0) return 0;
    qsort(c->scratch, (size_t)count, sizeof *c->scratch, compare_doubles);
    return c->scratch[(int)(LOUD_SHARE * (count - 1))];
}

static double ramp(double x) {
    return x < 0 ? 0 : x > 1 ? 1 : x * x * (3 - 2 * x);
}

static void find_levels(curves *c) {
    for (int i = 0; i < c->bins; i++) {
        double sum = 1e-12, weighted = 0;
        for (int b = 0; b < BANDS; b++) {
            sum += c->band[b][i];
            weighted += b * c->band[b][i];
        }
        c->level_db[i] = 10 * log10(sum - (1 - MURMUR) * c->band[0][i]);
        c->front[i] = weighted / sum;
    }
}

static double follow(double state, double to, double time_s) {
    return state + (to - state) * (1 - exp(-1.0 / (BINS_PER_S * time_s)));
}

/* open: 0 shut .. about 1 loud vowel; front: -1 round .. 1 wide. */
static void find_opening(curves *c) {
    const double loud = loud_db(c);
    double open = 0, front = 0;
    for (int i = 0; i < c->bins; i++) {
        const double level = c->level_db[i];
        const double to = level < QUIET_DB ? 0 : ramp((level - loud + RANGE_DB) / RANGE_DB / 1.15);
        open = follow(open, to, to > open ? ATTACK_S : RELEASE_S);
        /* Vowels of /u/ sit in bands 0-1, of /i/ reach bands 2-3 with a part of their energy. */
        front = follow(front, tanh(2.5 * (c->front[i] - 0.55)) * (to > 0.05), RELEASE_S);
        c->open[i] = open;
        c->front[i] = front;
    }
}

static double highest(const double *curve, int from, int to, int bins) {
    double best = -1e9;
    for (int i = from < 0 ? 0 : from; i <= to && i < bins; i++) best = fmax(best, curve[i]);
    return best;
}

static void find_closures(curves *c) {
    for (int i = 0; i < c->bins; i++) {
        const double before = highest(c->level_db, i - DIP_FAR, i - DIP_NEAR, c->bins);
        const double after = highest(c->level_db, i + DIP_NEAR, i + DIP_FAR, c->bins);
        const double depth = fmin(before, after) - c->level_db[i];
        c->closure[i] = ramp((depth - DIP_DB) / (DIP_FULL_DB - DIP_DB));
    }
    smooth(c->closure, c->scratch, c->bins);
}

static double at(const double *curve, int bins, double time_s) {
    const double x = fmax(0, time_s * BINS_PER_S - 0.5);
    const int i = (int)x;
    if (i + 1 >= bins) return 0;
    return curve[i] + (curve[i + 1] - curve[i]) * (x - i);
}

static void to_moment(const curves *c, double t, stk_mouth_moment *m) {
    const float level = (float)at(c->open, c->bins, t + AHEAD_S), open = level * level;
    const float front = (float)at(c->front, c->bins, t + AHEAD_S);
    const float wide = front > 0 ? front : 0, round = front < 0 ? -front : 0;
    *m = (stk_mouth_moment){.closure = (float)at(c->closure, c->bins, t)};
    m->part[STK_MOUTH_JAW] = open * (0.36f - 0.12f * wide - 0.08f * round);
    m->part[STK_MOUTH_FUNNEL] = open * (0.04f + 0.26f * round);
    m->part[STK_MOUTH_PUCKER] = open * 0.32f * round;
    m->part[STK_MOUTH_STRETCH] = open * (0.05f + 0.22f * wide);
    m->part[STK_MOUTH_SMILE] = open * 0.10f * wide;
    m->part[STK_MOUTH_LOWER_DOWN] = open * (0.20f - 0.12f * round);
    m->part[STK_MOUTH_UPPER_UP] = open * (0.11f - 0.07f * round);
}

stk_status stk_mouth_loudness(const stk_sound *sound, double fps, int frames,
                              stk_mouth_moment *moments) {
    if (sound->rate < 8000 || sound->count > (int64_t)1 << 40)
        return stk_fail(STK_ERR_ARGUMENT,
                        "mouth shapes need a sound of at least 8000 samples a "
                        "second, not %d",
                        sound->rate);
    curves c;
    STK_TRY(curves_init(&c, sound));
    for (int b = 0; b < BANDS; b++) {
        const double top = fmin(BAND_HZ[b + 1], 0.45 * sound->rate);
        band_energy(sound, BAND_HZ[b], top, c.band[b], c.bins);
        smooth(c.band[b], c.scratch, c.bins);
    }
    find_levels(&c);
    find_opening(&c);
    find_closures(&c);
    for (int i = 0; i < frames; i++) to_moment(&c, i / fps, &moments[i]);
    curves_clear(&c);
    return STK_OK;
}
