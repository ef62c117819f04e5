/* spoken.c - growing lists of samples and phones, and the rate conversion of a voice's sound.
 *
 * 16-bit samples at the voice's rate -> float at 16 kHz by a polyphase windowed sinc:
 *   y[n] = sum_k x[k] h(n r - k),  r = rate / 16000,  h(t) = c sinc(c t) blackman(t / W)
 * with c = 0.95 min(1, 1/r) the cut-off as a share of the input's band and W = 16 / c samples half
 * width. r is rational, so only 16000 / gcd phases of h occur; they are tabulated once a call.
 */
#include "presenter/spoken.h"
#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LOBES = 16, PHASES_MAX = 1024 };

void stk_spoken_init(stk_spoken *spoken) {
    *spoken = (stk_spoken){0};
}

void stk_spoken_clear(stk_spoken *spoken) {
    stk_free(spoken->samples);
    free(spoken->phones);
    *spoken = (stk_spoken){0};
}

stk_status stk_spoken_append(stk_spoken *spoken, const float *samples, int64_t count) {
    const int64_t need = spoken->count + count;
    if (need > spoken->capacity) {
        const int64_t capacity = need + need / 2 + 16384;
        float *grown = stk_calloc_aligned((size_t)capacity, sizeof *grown);
        if (grown == NULL) return stk_fail_memory("speech");
        if (spoken->count > 0)
            memcpy(grown, spoken->samples, (size_t)spoken->count * sizeof *grown);
        stk_free(spoken->samples);
        spoken->samples = grown;
        spoken->capacity = capacity;
    }
    float *to = spoken->samples + spoken->count;
    if (samples != NULL)
        memcpy(to, samples, (size_t)count * sizeof *to);
    else
        memset(to, 0, (size_t)count * sizeof *to);
    spoken->count = need;
    return STK_OK;
}

double stk_spoken_end_s(const stk_spoken *spoken) {
    return spoken->phone_count > 0 ? (double)spoken->phones[spoken->phone_count - 1].end_s : 0;
}

/* Up to 7 bytes, never half a UTF-8 character. */
static void copy_name(char to[8], const char *name) {
    size_t n = strnlen(name, 7);
    if (name[n] != '\0')
        while (n > 0 && ((unsigned char)name[n] & 0xC0) == 0x80) n--;
    memcpy(to, name, n);
    to[n] = '\0';
}

stk_status stk_spoken_phone(stk_spoken *spoken, stk_phone_class class, double end_s, float stress,
                            const char *name) {
    stk_phone *last = spoken->phone_count > 0 ? &spoken->phones[spoken->phone_count - 1] : NULL;
    const float start = last != NULL ? last->end_s : 0, end = (float)end_s;
    if (end <= start) return STK_OK;
    if (last != NULL && last->class == STK_PHONE_SILENCE && class == STK_PHONE_SILENCE) {
        last->end_s = end;
        return STK_OK;
    }
    if (spoken->phone_count == spoken->phone_capacity) {
        const int capacity = 2 * spoken->phone_capacity + 64;
        stk_phone *grown = realloc(spoken->phones, (size_t)capacity * sizeof *grown);
        if (grown == NULL) return stk_fail_memory("phones");
        spoken->phones = grown;
        spoken->phone_capacity = capacity;
    }
    stk_phone *phone = &spoken->phones[spoken->phone_count++];
    *phone = (stk_phone){.class = class, .start_s = start, .end_s = end, .stress = stress};
    copy_name(phone->name, class == STK_PHONE_SILENCE ? "pau" : name);
    return STK_OK;
}

/* --- rate --------------------------------------------------------------------------------------
 */

static int64_t divisor(int64_t a, int64_t b) {
    while (b != 0) {
        const int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

static double kernel(double t, double cutoff, double half) {
    if (fabs(t) >= half) return 0;
    const double x = M_PI * cutoff * t, u = M_PI * t / half;
    const double sinc = fabs(x) < 1e-9 ? 1 : sin(x) / x;
    return cutoff * sinc * (0.42 + 0.5 * cos(u) + 0.08 * cos(2 * u));
}

/* table [phases][taps]; each phase sums to 1, so that a constant stays itself. */
static void tabulate(float *table, int phases, int taps, double cutoff, double half) {
    for (int p = 0; p < phases; p++) {
        float *row = table + (size_t)p * (size_t)taps;
        double sum = 0;
        for (int k = 0; k < taps; k++)
            sum += kernel((double)p / phases - (k - taps / 2 + 1), cutoff, half);
        for (int k = 0; k < taps; k++)
            row[k] = (float)(kernel((double)p / phases - (k - taps / 2 + 1), cutoff, half) / sum /
                             32768);
    }
}

static void convolve(const float *table, int phases, int taps, int step, const int16_t *in,
                     int64_t in_count, float *out, int64_t out_count) {
    for (int64_t n = 0; n < out_count; n++) {
        const int64_t position = n * step, first = position / phases - taps / 2 + 1;
        const float *row = table + (size_t)(position % phases) * (size_t)taps;
        float sum = 0;
        for (int k = 0; k < taps; k++)
            if (first + k >= 0 && first + k < in_count) sum += row[k] * (float)in[first + k];
        out[n] = sum;
    }
}

stk_status stk_spoken_resample(stk_spoken *spoken, const int16_t *samples, int64_t count,
                               int rate) {
    if (rate < 4000 || rate > 192000 || count < 0)
        return stk_fail(STK_ERR_FORMAT, "the voice gives sound of %d samples a second", rate);
    const int64_t start = spoken->count, out = count * STK_SAMPLE_RATE / rate;
    STK_TRY(stk_spoken_append(spoken, NULL, out));
    if (rate == STK_SAMPLE_RATE) {
        for (int64_t i = 0; i < out; i++) spoken->samples[start + i] = (float)samples[i] / 32768.0f;
        return STK_OK;
    }
    const int64_t common = divisor(rate, STK_SAMPLE_RATE);
    const int phases = (int)(STK_SAMPLE_RATE / common);
    if (phases > PHASES_MAX)
        return stk_fail(STK_ERR_UNSUPPORTED, "the voice's rate of %d samples a second is unusual",
                        rate);
    const double cutoff = 0.95 * (rate > STK_SAMPLE_RATE ? (double)STK_SAMPLE_RATE / rate : 1.0);
    const double half = LOBES / cutoff;
    const int taps = 2 * (int)ceil(half);
    float *table = malloc((size_t)phases * (size_t)taps * sizeof *table);
    if (table == NULL) return stk_fail_memory("the rate converter");
    tabulate(table, phases, taps, cutoff, half);
    convolve(table, phases, taps, (int)(rate / common), samples, count, spoken->samples + start,
             out);
    free(table);
    return STK_OK;
}
