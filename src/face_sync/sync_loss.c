/* sync_loss.c - see sync_loss.h. All sums run in the order of the indices. */
#include "face_sync/sync_loss.h"
#include "base/memory.h"
#include "face_sync/sync_offset.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const float SIMILARITY_EDGE = 1e-4f; /* logarithms stop this near to 0 and 1 */
static const float NORM_LEAST = 1e-6f;

enum { D = STK_SYNC_CODE };

stk_status stk_sync_loss_init(stk_sync_loss *loss, int n) {
    const size_t codes = (size_t)n * D, pairs = (size_t)n * (size_t)n;
    *loss = (stk_sync_loss){.n = n};
    loss->sound = stk_calloc_aligned(4 * codes + 2 * pairs + 4 * (size_t)n, sizeof(float));
    if (loss->sound == NULL) return stk_fail_memory("similarities");
    loss->picture = loss->sound + codes;
    loss->dsound = loss->picture + codes;
    loss->dpicture = loss->dsound + codes;
    loss->similarity = loss->dpicture + codes;
    loss->d = loss->similarity + pairs;
    loss->norms = loss->d + pairs; /* of sounds, of pictures; then two rows of sums */
    return STK_OK;
}

void stk_sync_loss_clear(stk_sync_loss *loss) {
    stk_free(loss->sound);
    *loss = (stk_sync_loss){0};
}

static float normalise(const float *code, float *out) {
    const float length = sqrtf(stk_sync_dot(code, code));
    const float norm = length > NORM_LEAST ? length : NORM_LEAST;
    for (int i = 0; i < D; i++) out[i] = code[i] / norm;
    return norm;
}

float stk_sync_similarity(const float *a, const float *b) {
    const float lengths = sqrtf(stk_sync_dot(a, a)) * sqrtf(stk_sync_dot(b, b));
    return stk_sync_dot(a, b) / (lengths > NORM_LEAST ? lengths : NORM_LEAST);
}

/* 1 in sync, 0 out of sync, -1 too near to tell. */
static int kind_of(const int32_t *clip, const int32_t *frame, int i, int j) {
    if (i == j) return 1;
    return clip[i] == clip[j] && abs(frame[i] - frame[j]) < STK_SYNC_APART ? -1 : 0;
}

static void add_bce(stk_sync_loss *loss, float weight, const int32_t *clip, const int32_t *frame,
                    stk_sync_figures *figures) {
    const int n = loss->n;
    double matched = 0, others = 0, sums[2] = {0};
    int64_t count = 0;
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) count += kind_of(clip, frame, i, j) == 0;
    const float share[2] = {count > 0 ? 0.5f / (float)count : 0, 0.5f / (float)n};
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) {
            const int kind = kind_of(clip, frame, i, j);
            if (kind < 0) continue;
            const float s = loss->similarity[i * n + j], p = kind ? s : 1.0f - s;
            const float safe = p < SIMILARITY_EDGE ? SIMILARITY_EDGE : p; /* no number stays none */
            (kind ? &matched : &others)[0] -= (double)(logf(safe) * share[kind]);
            sums[kind] += (double)s;
            loss->d[i * n + j] += weight * share[kind] * (kind ? -1.0f : 1.0f) / safe;
        }
    figures->bce = matched + others;
    figures->apart = sums[1] / n - sums[0] / (double)(count > 0 ? count : 1);
}

/* One direction of L_nce: step_i from one softmax to the next, step_j within it. */
static void add_nce(stk_sync_loss *loss, float weight, int by_sound, const int32_t *clip,
                    const int32_t *frame, float scale, stk_sync_figures *figures) {
    const int n = loss->n, step_i = by_sound ? 1 : n, step_j = by_sound ? n : 1;
    double total = 0, dscale = 0;
    int hits = 0;
    for (int i = 0; i < n; i++) {
        const float *s = loss->similarity + i * step_i;
        float *d = loss->d + i * step_i, top = s[i * step_j], sum = 0;
        int hit = 1;
        for (int j = 0; j < n; j++) {
            if (kind_of(clip, frame, i, j) < 0 || !(s[j * step_j] > top)) continue;
            top = s[j * step_j];
            hit = 0;
        }
        hits += hit;
        for (int j = 0; j < n; j++)
            if (kind_of(clip, frame, i, j) >= 0) sum += expf(scale * (s[j * step_j] - top));
        total += (double)(logf(sum) - scale * (s[i * step_j] - top));
        for (int j = 0; j < n; j++) {
            const int kind = kind_of(clip, frame, i, j);
            if (kind < 0) continue;
            const float p = expf(scale * (s[j * step_j] - top)) / sum - (float)kind;
            d[j * step_j] += weight * 0.5f / (float)n * scale * p;
            dscale += (double)(p * s[j * step_j]);
        }
    }
    figures->nce += 0.5 * total / n;
    if (!by_sound) figures->hits = (double)hits / n;
    loss->dlog_scale += weight * 0.5f / (float)n * scale * (float)dscale;
}

/* dx = (d - u (u.d)) / |x|, u = x / |x|; d [512] in place. */
static void through_norm(const float *unit, float norm, float *d) {
    const float along = stk_sync_dot(unit, d);
    for (int i = 0; i < D; i++) d[i] = (d[i] - unit[i] * along) / norm;
}

static void spread(stk_sync_loss *loss) {
    const int n = loss->n;
    memset(loss->dsound, 0, 2 * (size_t)n * D * sizeof(float));
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) {
            const float d = loss->d[i * n + j];
            float *dp = loss->dpicture + (size_t)i * D, *ds = loss->dsound + (size_t)j * D;
            const float *p = loss->picture + (size_t)i * D, *s = loss->sound + (size_t)j * D;
            for (int k = 0; k < D; k++) {
                dp[k] += d * s[k];
                ds[k] += d * p[k];
            }
        }
    for (int i = 0; i < n; i++) {
        through_norm(loss->sound + (size_t)i * D, loss->norms[i], loss->dsound + (size_t)i * D);
        through_norm(loss->picture + (size_t)i * D, loss->norms[n + i],
                     loss->dpicture + (size_t)i * D);
    }
}

void stk_sync_loss_run(stk_sync_loss *loss, const stk_sync_weights *weights, const float *sound,
                       const float *picture, const int32_t *clip, const int32_t *frame,
                       float log_scale, stk_sync_figures *figures) {
    const int n = loss->n;
    for (int i = 0; i < n; i++) {
        const size_t at = (size_t)i * D;
        loss->norms[i] = normalise(sound + at, loss->sound + at);
        loss->norms[n + i] = normalise(picture + at, loss->picture + at);
    }
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++)
            loss->similarity[i * n + j] =
                stk_sync_dot(loss->picture + (size_t)i * D, loss->sound + (size_t)j * D);
    memset(loss->d, 0, (size_t)n * (size_t)n * sizeof(float));
    *figures = (stk_sync_figures){0};
    loss->dlog_scale = 0;
    add_bce(loss, weights->bce, clip, frame, figures);
    for (int by_sound = 0; by_sound < 2; by_sound++)
        add_nce(loss, weights->nce, by_sound, clip, frame, expf(log_scale), figures);
    spread(loss);
}

double stk_l1_loss(size_t n, const float *y, const float *target, float weight, float *dy) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        const float d = y[i] - target[i];
        sum += (double)fabsf(d);
        dy[i] = weight * (d > 0 ? 1.0f : d < 0 ? -1.0f : 0.0f) / (float)n;
    }
    return sum / (double)n;
}
