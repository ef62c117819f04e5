/* niqe.c - see naturalness.h.
 *
 *   Y (ITU-R 601, 16..235, whole numbers) cropped to whole blocks -> MSCN, C = 1
 *   half size by the bicubic filter with antialiasing (8 taps)    -> MSCN, C = 1
 *   block 96x96 and its 48x48 -> f [36]: alpha, mean of the betas; per neighbour alpha, mean, betas
 *   NIQE = sqrt((m - m0)' ((S + S0) / 2)^-1 (m - m0))     m, S: mean and covariance over the blocks
 *
 * Order and constants are BasicSR's, whose m0 and S0 are read. DIFFERS: a block without texture is
 * left out of m and S alike; BasicSR lets the features that it still has into m.
 */
#include "metrics/naturalness.h"
#include "base/image.h"
#include "base/memory.h"
#include "metrics/natural.h"
#include "nn/npy.h"
#include "nn/weights.h"

#include <math.h>
#include <string.h>

enum { N = STK_NATURAL_FEATURES, HALF = N / 2 };
static const double CONSTANT = 1;

struct stk_niqe {
    int width, height; /* whole blocks */
    stk_aggd_table table;
    double mean[N], covariance[N][N]; /* of natural pictures */
    double *plane, *half, *mscn, *scratch, *values;
    double (*features)[N]; /* of each block */
};

static stk_status read_prior(stk_niqe *niqe, const char *models) {
    char path[STK_PATH_MAX];
    STK_TRY(stk_weights_find(models, "niqe_pris_params.npz", path));
    STK_TRY(stk_npz_read(path, "mu_pris_param.npy", niqe->mean, N));
    return stk_npz_read(path, "cov_pris_param.npy", niqe->covariance[0], N * N);
}

stk_status stk_niqe_open(stk_niqe **out, const char *models, int width, int height) {
    *out = NULL;
    const int across = width / STK_NIQE_BLOCK, down = height / STK_NIQE_BLOCK;
    if ((int64_t)across * down < 2)
        return stk_fail(STK_ERR_ARGUMENT,
                        "NIQE needs two blocks of 96x96 pixels; the picture has "
                        "%dx%d: make it larger",
                        width, height);
    stk_niqe *niqe = stk_calloc_aligned(1, sizeof *niqe);
    if (niqe == NULL) return stk_fail_memory("NIQE");
    niqe->width = across * STK_NIQE_BLOCK, niqe->height = down * STK_NIQE_BLOCK;
    const size_t pixels = (size_t)niqe->width * (size_t)niqe->height;
    niqe->plane = stk_calloc_aligned(pixels, sizeof(double));
    niqe->half = stk_calloc_aligned(pixels, sizeof(double)); /* and rows of half width */
    niqe->mscn = stk_calloc_aligned(pixels, sizeof(double));
    niqe->scratch = stk_calloc_aligned(2 * pixels, sizeof(double));
    niqe->values = stk_calloc_aligned(STK_NIQE_BLOCK * STK_NIQE_BLOCK, sizeof(double));
    niqe->features = stk_calloc_aligned((size_t)across * (size_t)down, sizeof *niqe->features);
    stk_aggd_table_init(&niqe->table);
    stk_status status = STK_OK;
    if (niqe->plane == NULL || niqe->half == NULL || niqe->mscn == NULL || niqe->scratch == NULL ||
        niqe->values == NULL || niqe->features == NULL)
        status = stk_fail_memory("NIQE");
    if (status == STK_OK) status = read_prior(niqe, models);
    if (status == STK_OK)
        *out = niqe;
    else
        stk_niqe_close(&niqe);
    return status;
}

void stk_niqe_close(stk_niqe **handle) {
    if (handle == NULL || *handle == NULL) return;
    stk_niqe *niqe = *handle;
    stk_free(niqe->features);
    stk_free(niqe->values);
    stk_free(niqe->scratch);
    stk_free(niqe->mscn);
    stk_free(niqe->half);
    stk_free(niqe->plane);
    stk_free(niqe);
    *handle = NULL;
}

static void luminance(const stk_image *rgb, int width, int height, double *plane) {
    for (int y = 0; y < height; y++) {
        const uint8_t *row = stk_image_row(rgb, y);
        for (int x = 0; x < width; x++) {
            const uint8_t *p = row + 3 * x;
            plane[(ptrdiff_t)y * width + x] =
                rint(16 + (65.481 * p[0] + 128.553 * p[1] + 24.966 * p[2]) / 255);
        }
    }
}

/* One line of `count` values (even) at distance `step` -> count / 2; its ends are mirrored. */
static void halve_line(const double *in, ptrdiff_t step, int count, double *out,
                       ptrdiff_t out_step) {
    /* The cubic kernel (Keys, -1/2) stretched to half the rate, at distances 0.5 .. 3.5. */
    static const double taps[4] = {0.43359375, 0.11328125, -0.03515625, -0.01171875};
    for (int i = 0; i < count / 2; i++) {
        double sum = 0;
        for (int k = 0; k < 4; k++) {
            int left = 2 * i - k, right = 2 * i + 1 + k;
            if (left < 0) left = -1 - left;
            if (right >= count) right = 2 * count - 1 - right;
            sum += taps[k] * (in[left * step] + in[right * step]);
        }
        out[i * out_step] = sum;
    }
}

/* plane -> half, through the columns in scratch. */
static void halve(const double *plane, int width, int height, double *half, double *scratch) {
    const int w = width / 2;
    for (int x = 0; x < width; x++) halve_line(plane + x, width, height, scratch + x, width);
    for (int y = 0; y < height / 2; y++)
        halve_line(scratch + (ptrdiff_t)y * width, 1, width, half + (ptrdiff_t)y * w, 1);
}

/* f [18]; all NaN without texture. */
static void describe(const stk_aggd fits[STK_NATURAL_FITS], int good, double f[HALF]) {
    double left, right, mean;
    for (int i = 0; i < HALF; i++) f[i] = NAN;
    if (!good) return;
    stk_aggd_scales(&fits[0], &left, &right, &mean);
    f[0] = fits[0].alpha, f[1] = (left + right) / 2;
    for (int i = 1; i < STK_NATURAL_FITS; i++) {
        double *g = f + 4 * i - 2;
        stk_aggd_scales(&fits[i], &left, &right, &mean);
        g[0] = fits[i].alpha, g[1] = mean, g[2] = left, g[3] = right;
    }
}

static void describe_blocks(stk_niqe *niqe, const double *plane, int scale) {
    const int side = STK_NIQE_BLOCK / (1 + scale);
    const int w = niqe->width / (1 + scale), h = niqe->height / (1 + scale);
    stk_mscn(plane, w, h, CONSTANT, niqe->mscn, niqe->scratch);
    for (int y = 0, block = 0; y < h; y += side)
        for (int x = 0; x < w; x += side, block++) {
            stk_aggd fits[STK_NATURAL_FITS];
            const int good = stk_natural_fit(&niqe->table, niqe->mscn + (ptrdiff_t)y * w + x, side,
                                             side, w, 1, niqe->values, fits);
            describe(fits, good, niqe->features[block] + scale * HALF);
        }
}

static int has_texture(const double f[N]) {
    return !isnan(f[0]) && !isnan(f[HALF]);
}

/* Mean and covariance (over n - 1) of the blocks with texture; returns their number. */
static int summarise(const stk_niqe *niqe, double mean[N], double covariance[N][N]) {
    const int blocks = niqe->width / STK_NIQE_BLOCK * (niqe->height / STK_NIQE_BLOCK);
    int n = 0;
    for (int b = 0; b < blocks; b++) {
        if (!has_texture(niqe->features[b])) continue;
        for (int i = 0; i < N; i++) mean[i] += niqe->features[b][i];
        n++;
    }
    if (n < 2) return n;
    for (int i = 0; i < N; i++) mean[i] /= n;
    for (int b = 0; b < blocks; b++) {
        const double *f = niqe->features[b];
        if (!has_texture(f)) continue;
        for (int i = 0; i < N; i++)
            for (int j = 0; j < N; j++)
                covariance[i][j] += (f[i] - mean[i]) * (f[j] - mean[j]) / (n - 1);
    }
    return n;
}

/* d' a^-1 d for a symmetric positive definite a, which becomes its Cholesky factor: |L^-1 d|^2. NaN
 * for any other. S0 has condition 1.6e5, and adding S makes none of its eigenvalues smaller. */
static double inverse_form(double a[N][N], const double d[N]) {
    double z[N], sum = 0;
    for (int i = 0; i < N; i++) {
        for (int j = 0; j <= i; j++) {
            double v = a[i][j];
            for (int k = 0; k < j; k++) v -= a[i][k] * a[j][k];
            a[i][j] = i == j ? sqrt(v) : v / a[j][j];
        }
        z[i] = d[i];
        for (int k = 0; k < i; k++) z[i] -= a[i][k] * z[k];
        z[i] /= a[i][i];
        sum += z[i] * z[i];
    }
    return sum;
}

double stk_niqe_of(stk_niqe *niqe, const stk_image *rgb) {
    double mean[N] = {0}, covariance[N][N] = {{0}};
    luminance(rgb, niqe->width, niqe->height, niqe->plane);
    describe_blocks(niqe, niqe->plane, 0);
    halve(niqe->plane, niqe->width, niqe->height, niqe->half, niqe->scratch);
    describe_blocks(niqe, niqe->half, 1);
    if (summarise(niqe, mean, covariance) < 2) return NAN;
    for (int i = 0; i < N; i++) {
        mean[i] -= niqe->mean[i];
        for (int j = 0; j < N; j++)
            covariance[i][j] = (covariance[i][j] + niqe->covariance[i][j]) / 2;
    }
    return sqrt(inverse_form(covariance, mean));
}
