/* points_patch.c - see points_patch.h. */
#include "head_sync/points_patch.h"

#include <math.h>
#include <string.h>

enum { SIDE = STK_LK_SIDE, SAMPLES = STK_LK_SAMPLES, ROWS = STK_LK_ROWS_MAX, DEGREES = 3 };

/* Position on the patch in units of 8 px, so that all parameters are of one size. */
static const float UNIT_PX = 8.0f;
static const float WINDOW_SIGMA_PX = 6.0f;
/* What a sample is off by when the patch is on its place (grey levels: noise, what an affine warp
 * cannot do), and how far the linear part is off its prediction: the prior's two widths. Poses that
 * predictions come from turn too little (by a fifth to a third), so a prior that outweighs the
 * patch makes its points move too little with the turn, too. */
static const float SAMPLE_SIGMA = 1.2f, LINEAR_SIGMA = 0.03f;
/* Settled when a turn moves the centre by less than this, px. */
static const float SETTLED_PX = 0.01f, NEARLY_PX = 0.06f;
static const float GAIN_LEAST = 0.5f, GAIN_MOST = 3.0f;
/* Standard deviation of a patch's grey levels that counts as texture. */
static const float TEXTURE_LEAST = 0.5f;

static float prior(void) {
    const float wide = LINEAR_SIGMA * UNIT_PX;
    return SAMPLE_SIGMA * SAMPLE_SIGMA / (wide * wide);
}

/* The window is a product of these; polynomials of degrees 0 to 2, orthonormal under it. */
typedef struct light {
    float window[SIDE], poly[DEGREES][SIDE];
} light;

static void light_init(light *l) {
    for (int i = 0; i < SIDE; i++) {
        const float x = (float)i - 7.5f;
        l->window[i] = expf(-0.5f * x * x / (WINDOW_SIGMA_PX * WINDOW_SIGMA_PX));
    }
    for (int k = 0; k < DEGREES; k++) {
        float square = 0;
        for (int i = 0; i < SIDE; i++)
            l->poly[k][i] = k == 0 ? 1 : l->poly[k - 1][i] * ((float)i - 7.5f) / UNIT_PX;
        for (int m = 0; m < k; m++) {
            float along = 0;
            for (int i = 0; i < SIDE; i++) along += l->window[i] * l->poly[m][i] * l->poly[k][i];
            for (int i = 0; i < SIDE; i++) l->poly[k][i] -= along * l->poly[m][i];
        }
        for (int i = 0; i < SIDE; i++) square += l->window[i] * l->poly[k][i] * l->poly[k][i];
        for (int i = 0; i < SIDE; i++) l->poly[k][i] /= sqrtf(square);
    }
}

/* What a row has of poly[k](x) poly[m](y), degrees 1 and 2 together. */
static void light_of(const light *l, const float *row, float part[DEGREES][DEGREES]) {
    memset(part, 0, sizeof(float) * DEGREES * DEGREES);
    for (int j = 0; j < SIDE; j++) {
        float along[DEGREES] = {0};
        for (int k = 0; k < DEGREES; k++)
            for (int i = 0; i < SIDE; i++)
                along[k] += l->window[i] * l->poly[k][i] * row[SIDE * j + i];
        for (int m = 0; m < DEGREES; m++)
            for (int k = 0; k + m < DEGREES; k++)
                part[m][k] += l->window[j] * l->poly[m][j] * along[k];
    }
    part[0][0] = 0;
}

static void take_light_off(const light *l, float *row) {
    float part[DEGREES][DEGREES];
    light_of(l, row, part);
    for (int j = 0; j < SIDE; j++) {
        float along[DEGREES] = {0};
        for (int m = 0; m < DEGREES; m++)
            for (int k = 0; k + m < DEGREES; k++) along[k] += part[m][k] * l->poly[m][j];
        for (int i = 0; i < SIDE; i++)
            row[SIDE * j + i] -=
                along[0] * l->poly[0][i] + along[1] * l->poly[1][i] + along[2] * l->poly[2][i];
    }
}

/* Gauss-Jordan with the diagonal as pivots: fine for a Gram matrix. Returns 0 when it is singular.
 */
static int invert(double a[ROWS][ROWS], int n, float *inverse) {
    double b[ROWS][ROWS] = {{0}}, scale[ROWS];
    for (int i = 0; i < n; i++) b[i][i] = 1, scale[i] = a[i][i];
    for (int k = 0; k < n; k++) {
        if (!(a[k][k] > 1e-7 * scale[k])) return 0;
        const double pivot = 1 / a[k][k];
        for (int j = 0; j < n; j++) a[k][j] *= pivot, b[k][j] *= pivot;
        for (int i = 0; i < n; i++) {
            if (i == k) continue;
            const double factor = a[i][k];
            for (int j = 0; j < n; j++) a[i][j] -= factor * a[k][j], b[i][j] -= factor * b[k][j];
        }
    }
    for (int i = 0; i < n * n; i++) inverse[i] = (float)b[i / n][i % n];
    return 1;
}

/* Central difference along one axis of the patch. */
static void slope(const stk_lk_kernels *kernels, const stk_lk_plane *plane, const float warp[6],
                  int axis, float *out) {
    STK_ALIGNED(64) float before[SAMPLES];
    float moved[6];
    memcpy(moved, warp, sizeof moved);
    moved[2] = warp[2] - warp[axis];
    moved[5] = warp[5] - warp[3 + axis];
    kernels->sample(plane, moved, 0, before);
    moved[2] = warp[2] + warp[axis];
    moved[5] = warp[5] + warp[3 + axis];
    kernels->sample(plane, moved, 0, out);
    for (int i = 0; i < SAMPLES; i++) out[i] = 0.5f * (out[i] - before[i]);
}

/* Rows without weights: J of the shift, J of the linear part, T - mean, 1. */
static void fill_rows(const float *dx, const float *dy, const float *levels, const stk_patch *patch,
                      float rows[ROWS][SAMPLES]) {
    const int n = patch->parameters;
    for (int i = 0; i < SAMPLES; i++) {
        const float x = ((float)(i % STK_LK_SIDE) - 7.5f) / UNIT_PX;
        const float y = ((float)(i / STK_LK_SIDE) - 7.5f) / UNIT_PX;
        rows[0][i] = dx[i];
        rows[1][i] = dy[i];
        if (n == 6) {
            rows[2][i] = x * dx[i];
            rows[3][i] = y * dx[i];
            rows[4][i] = x * dy[i];
            rows[5][i] = y * dy[i];
        }
        rows[n][i] = levels[i] - patch->mean;
        rows[n + 1][i] = 1;
    }
}

static void find_centroid(const float *weight, const float *dx, const float *dy, stk_patch *patch) {
    float sum = 0, at[2] = {0};
    for (int i = 0; i < SAMPLES; i++) {
        const float g = weight[i] * (dx[i] * dx[i] + dy[i] * dy[i]);
        sum += g;
        at[0] += g * ((float)(i % SIDE) - 7.5f);
        at[1] += g * ((float)(i / SIDE) - 7.5f);
    }
    for (int c = 0; c < 2; c++) patch->centroid[c] = sum > 0 ? at[c] / sum : 0;
}

int stk_patch_take(const stk_lk_kernels *kernels, const stk_lk_plane *plane, const float warp[6],
                   int parameters, stk_patch *patch) {
    STK_ALIGNED(64) float rows[ROWS][SAMPLES], levels[SAMPLES], dx[SAMPLES], dy[SAMPLES];
    double gram[ROWS][ROWS] = {{0}};
    float sums[ROWS + 1];
    const int n = parameters + 2;
    light l;
    light_init(&l);
    patch->parameters = parameters;
    kernels->sample(plane, warp, 0, levels);
    slope(kernels, plane, warp, 0, dx);
    slope(kernels, plane, warp, 1, dy);
    float *weight = patch->basis[n - 1], sum = 0;
    patch->total = 0;
    for (int i = 0; i < SAMPLES; i++) {
        weight[i] = l.window[i % SIDE] * l.window[i / SIDE];
        patch->total += weight[i];
        sum += weight[i] * levels[i];
    }
    patch->mean = sum / patch->total;
    find_centroid(weight, dx, dy, patch);
    fill_rows(dx, dy, levels, patch, rows);
    for (int k = 0; k < n - 1; k++) {
        take_light_off(&l, rows[k]);
        for (int i = 0; i < SAMPLES; i++) patch->basis[k][i] = weight[i] * rows[k][i];
    }
    for (int k = 0; k < n; k++) {
        kernels->dots(n, patch->basis[0], rows[k], sums);
        for (int i = 0; i < n; i++) gram[k][i] = sums[i];
    }
    for (int k = 2; k < parameters; k++) gram[k][k] += prior();
    patch->energy = (float)gram[n - 2][n - 2];
    return patch->energy > TEXTURE_LEAST * TEXTURE_LEAST * patch->total &&
           invert(gram, n, patch->inverse);
}

/* Where the linear part now is beyond the one expected, on the template's side: E^-1 A - 1. */
static void deviation(const float warp[6], const float *linear, float d[4]) {
    const float det = linear[0] * linear[3] - linear[1] * linear[2];
    const float a = linear[3] / det, b = -linear[1] / det;
    const float c = -linear[2] / det, e = linear[0] / det;
    d[0] = UNIT_PX * (a * warp[0] + b * warp[3] - 1);
    d[1] = UNIT_PX * (a * warp[1] + b * warp[4]);
    d[2] = UNIT_PX * (c * warp[0] + e * warp[3]);
    d[3] = UNIT_PX * (c * warp[1] + e * warp[4] - 1);
}

/* W <- W o (1 + d)^-1; d[2..5] in the patch's units. Returns 0 when it folds over. */
static int compose(float warp[6], const float *d, int parameters) {
    float l[4] = {1, 0, 0, 1}, inverse[4];
    if (parameters == 6)
        for (int k = 0; k < 4; k++) l[k] += d[2 + k] / UNIT_PX;
    const float det = l[0] * l[3] - l[1] * l[2];
    if (!(det > 0.2f && det < 5)) return 0;
    inverse[0] = l[3] / det;
    inverse[1] = -l[1] / det;
    inverse[2] = -l[2] / det;
    inverse[3] = l[0] / det;
    const float x = -(inverse[0] * d[0] + inverse[1] * d[1]);
    const float y = -(inverse[2] * d[0] + inverse[3] * d[1]);
    for (int row = 0; row < 2; row++) {
        float *w = warp + 3 * row;
        const float a = w[0], b = w[1];
        w[2] += a * x + b * y;
        w[0] = a * inverse[0] + b * inverse[2];
        w[1] = a * inverse[1] + b * inverse[3];
    }
    return 1;
}

/* Of what is not light. */
static float correlate(const stk_patch *patch, const float *sums, const float *s) {
    const int n = patch->parameters;
    float part[DEGREES][DEGREES], energy = sums[n + 2] - sums[n + 1] * sums[n + 1] / patch->total;
    light l;
    light_init(&l);
    light_of(&l, s, part);
    for (int m = 0; m < DEGREES; m++)
        for (int k = 0; k + m < DEGREES; k++) energy -= part[m][k] * part[m][k];
    return energy > 0 ? sums[n] / sqrtf(energy * patch->energy) : 0;
}

static int within(const stk_lk_plane *plane, const float warp[6]) {
    return warp[2] > 0 && warp[2] < (float)plane->width && warp[5] > 0 &&
           warp[5] < (float)plane->height;
}

int stk_patch_find(const stk_lk_kernels *kernels, const stk_lk_plane *plane, const stk_patch *patch,
                   const float *linear, int turns, float warp[6], float *correlation) {
    STK_ALIGNED(64) float s[SAMPLES];
    float sums[ROWS + 1], d[4];
    const int parameters = patch->parameters, n = parameters + 2;
    float moved = INFINITY, gain = 1;
    *correlation = 0;
    for (int turn = 0; turn < turns && moved > SETTLED_PX; turn++) {
        if (!within(plane, warp)) return 0;
        kernels->sample(plane, warp, patch->mean, s);
        kernels->dots(n, patch->basis[0], s, sums);
        if (parameters == 6) {
            deviation(warp, linear, d);
            for (int k = 0; k < 4; k++) sums[2 + k] += prior() * gain * d[k];
        }
        float x[ROWS] = {0};
        for (int i = 0; i < n; i++) {
            x[i] = 0;
            for (int k = 0; k < n; k++) x[i] += patch->inverse[n * i + k] * sums[k];
        }
        gain = x[n - 2];
        if (!(gain > GAIN_LEAST && gain < GAIN_MOST)) return 0;
        for (int k = 0; k < parameters; k++) x[k] /= gain;
        moved = hypotf(x[0], x[1]);
        if (!(moved < 8) || !compose(warp, x, parameters)) return 0;
    }
    if (!(moved <= NEARLY_PX) || !within(plane, warp)) return 0;
    *correlation = correlate(patch, sums, s);
    return 1;
}
