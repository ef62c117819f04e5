/* sync_offset.c - see sync_offset.h. */
#include "face_sync/sync_offset.h"
#include "face_sync/sync_nets.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>

enum { D = STK_SYNC_CODE, LANES = 8 };

float stk_sync_dot(const float *a, const float *b) {
    float lanes[LANES] = {0}, sum = 0;
    for (int k = 0; k < D; k += LANES)
        for (int l = 0; l < LANES; l++) lanes[l] += a[k + l] * b[k + l];
    for (int l = 0; l < LANES; l++) sum += lanes[l];
    return sum;
}

void stk_sync_unit(const float *code, float *out) {
    const float scale = 1.0f / sqrtf(stk_sync_dot(code, code) + 1e-12f);
    for (int k = 0; k < D; k++) out[k] = scale * code[k];
}

void stk_sync_distances(int frames, const float *lips, const float *sound, const uint8_t *has,
                        int i, float distances[STK_OFFSETS]) {
    for (int k = 0; k < STK_OFFSETS; k++) {
        const int j = i + k - STK_OFFSET_MAX;
        distances[k] = -1;
        if (j < 0 || j >= frames || !(has[i] & STK_HAS_LIPS) || !(has[j] & STK_HAS_SOUND)) continue;
        const float apart = 2 - 2 * stk_sync_dot(lips + (size_t)i * D, sound + (size_t)j * D);
        distances[k] = sqrtf(apart > 0 ? apart : 0);
    }
}

static int compare(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int stk_sync_offset_find(const float *distances, int from, int to, int least, int *offset,
                         double *confidence) {
    double mean[STK_OFFSETS] = {0};
    int count = 0, best = 0;
    for (int i = from; i < to; i++) {
        const float *d = distances + (size_t)i * STK_OFFSETS;
        int whole = 1;
        for (int k = 0; k < STK_OFFSETS; k++) whole = whole && d[k] >= 0;
        for (int k = 0; k < STK_OFFSETS && whole; k++) mean[k] += (double)d[k];
        count += whole;
    }
    if (count < least || count == 0) return 0;
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
