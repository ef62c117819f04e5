/* brisque.c - see naturalness.h.
 *
 *   grey (0.299, 0.587, 0.114) in [0, 1] -> MSCN, C = 1/255; half size by the bicubic filter of
 *   four taps (-3/4), MSCN again -> f [36]: alpha, mean square; per neighbour alpha, mean, squares
 *   x = f scaled to [-1, 1];  score = sum_k a_k exp(-gamma |x - v_k|^2) - rho, held in [0, 100]
 *
 * The support vectors v are read from OpenCV's YAML (trained on LIVE release 2). DIFFERS from
 * OpenCV: in double, and areas without texture are exactly 0, where OpenCV's rounding decides.
 */
#include "metrics/naturalness.h"
#include "base/file.h"
#include "base/image.h"
#include "base/memory.h"
#include "metrics/natural.h"
#include "nn/weights.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = STK_NATURAL_FEATURES, VECTORS = 774, SIDE_LEAST = 16, YAML_LIMIT = 4 << 20 };
static const char MODEL[] = "brisque_model_live.yml", RANGE[] = "brisque_range_live.yml";
static const char DEBIAN[] = "/usr/share/opencv4/quality";
static const double CONSTANT = 1.0 / 255;

struct stk_brisque {
    int width, height;
    stk_aggd_table table;
    double range[2][N], vectors[VECTORS][N], weight[VECTORS], rho, gamma;
    double *plane, *half, *mscn, *scratch, *values;
};

/* --- the model -------------------------------------------------------------------------------- */

static stk_status find(const char *models, const char *name, char path[STK_PATH_MAX]) {
    char last[1024];
    stk_error_take(last, sizeof last); /* looking is not failing */
    stk_status status = stk_weights_locate(models, name, "BRISQUE", path);
    stk_error_put(last);
    if (status == STK_OK) return STK_OK;
    STK_TRY(stk_path_join(path, STK_PATH_MAX, DEBIAN, name));
    if (stk_file_exists(path)) return STK_OK;
    return stk_fail(STK_ERR_WEIGHTS,
                    "%s (BRISQUE) was not found; apt install opencv-data, or put "
                    "it where the weights are",
                    name);
}

/* The `count` numbers that follow `key` in the text: YAML's lists without their punctuation. */
static int numbers_after(const char *text, const char *key, double *out, int count) {
    const char *at = strstr(text, key);
    if (at == NULL) return 0;
    at += strlen(key);
    for (int i = 0; i < count; i++) {
        char *end;
        for (;;) {
            at += strspn(at, " \n\r\t[],");
            if (at[0] != '-' || strchr(" \n\r", at[1]) == NULL) break;
            at++; /* the dash of a list's item */
        }
        out[i] = strtod(at, &end);
        if (end == at || !isfinite(out[i])) return 0;
        at = end;
    }
    return 1;
}

static stk_status read_model(stk_brisque *brisque, const char *models) {
    char path[STK_PATH_MAX], *text;
    double total = 0;
    STK_TRY(find(models, RANGE, path));
    STK_TRY(stk_file_read_text(path, YAML_LIMIT, &text));
    int good = numbers_after(text, "data:", brisque->range[0], 2 * N);
    for (int i = 0; i < N && good; i++) good = brisque->range[1][i] > brisque->range[0][i];
    stk_free(text);
    if (good) {
        STK_TRY(find(models, MODEL, path));
        STK_TRY(stk_file_read_text(path, YAML_LIMIT, &text));
        good = numbers_after(text, "sv_total:", &total, 1) && total == VECTORS &&
               numbers_after(text, "gamma:", &brisque->gamma, 1) &&
               numbers_after(text, "rho:", &brisque->rho, 1) &&
               numbers_after(text, "support_vectors:", brisque->vectors[0], VECTORS * N) &&
               numbers_after(text, "alpha:", brisque->weight, VECTORS);
        stk_free(text);
    }
    return good ? STK_OK
                : stk_fail(STK_ERR_FORMAT,
                           "%s: is not the model that opencv-data 4 carries; "
                           "apt install --reinstall opencv-data",
                           path);
}

stk_status stk_brisque_open(stk_brisque **out, const char *models, int width, int height) {
    *out = NULL;
    if (width < SIDE_LEAST || height < SIDE_LEAST)
        return stk_fail(STK_ERR_ARGUMENT, "BRISQUE needs 16x16 pixels; the picture has %dx%d",
                        width, height);
    stk_brisque *brisque = stk_calloc_aligned(1, sizeof *brisque);
    if (brisque == NULL) return stk_fail_memory("BRISQUE");
    brisque->width = width, brisque->height = height;
    const size_t pixels = (size_t)width * (size_t)height;
    brisque->plane = stk_calloc_aligned(pixels, sizeof(double));
    brisque->half = stk_calloc_aligned(pixels, sizeof(double));
    brisque->mscn = stk_calloc_aligned(pixels, sizeof(double));
    brisque->scratch = stk_calloc_aligned(2 * pixels, sizeof(double));
    brisque->values = stk_calloc_aligned(pixels, sizeof(double));
    stk_aggd_table_init(&brisque->table);
    stk_status status = STK_OK;
    if (brisque->plane == NULL || brisque->half == NULL || brisque->mscn == NULL ||
        brisque->scratch == NULL || brisque->values == NULL)
        status = stk_fail_memory("BRISQUE");
    if (status == STK_OK) status = read_model(brisque, models);
    if (status == STK_OK)
        *out = brisque;
    else
        stk_brisque_close(&brisque);
    return status;
}

void stk_brisque_close(stk_brisque **handle) {
    if (handle == NULL || *handle == NULL) return;
    stk_brisque *brisque = *handle;
    stk_free(brisque->values);
    stk_free(brisque->scratch);
    stk_free(brisque->mscn);
    stk_free(brisque->half);
    stk_free(brisque->plane);
    stk_free(brisque);
    *handle = NULL;
}

/* --- a picture -------------------------------------------------------------------------------- */

/* Whole numbers, by OpenCV's weights of 15 bits. */
static void grey_of(const stk_image *rgb, double *plane) {
    for (int y = 0; y < rgb->height; y++) {
        const uint8_t *row = stk_image_row(rgb, y);
        for (int x = 0; x < rgb->width; x++) {
            const uint8_t *p = row + 3 * x;
            const int grey = (9798 * p[0] + 19235 * p[1] + 3735 * p[2] + (1 << 14)) >> 15;
            plane[(ptrdiff_t)y * rgb->width + x] = grey / 255.0;
        }
    }
}

/* `count` values at distance `step` -> count / 2, by cubic interpolation between the four nearest;
 * the ends repeat. An odd count has its values a little more than two apart. */
static void halve_line(const double *in, ptrdiff_t step, int count, double *out,
                       ptrdiff_t out_step) {
    static const double a = -0.75;
    const int half = count / 2;
    const double scale = (double)count / half;
    for (int i = 0; i < half; i++) {
        const double place = (i + 0.5) * scale - 0.5, t = place - floor(place);
        const int first = (int)floor(place) - 1;
        double taps[4], sum = 0;
        taps[0] = ((a * (t + 1) - 5 * a) * (t + 1) + 8 * a) * (t + 1) - 4 * a;
        taps[1] = ((a + 2) * t - (a + 3)) * t * t + 1;
        taps[2] = ((a + 2) * (1 - t) - (a + 3)) * (1 - t) * (1 - t) + 1;
        taps[3] = 1 - taps[0] - taps[1] - taps[2];
        for (int k = 0; k < 4; k++) sum += taps[k] * in[stk_clampi(first + k, 0, count - 1) * step];
        out[i * out_step] = sum;
    }
}

static void halve(const double *plane, int width, int height, double *half, double *scratch) {
    for (int x = 0; x < width; x++) halve_line(plane + x, width, height, scratch + x, width);
    for (int y = 0; y < height / 2; y++)
        halve_line(scratch + (ptrdiff_t)y * width, 1, width, half + (ptrdiff_t)y * (width / 2), 1);
}

/* f [18]; 0 without texture. */
static int describe(stk_brisque *brisque, const double *plane, int width, int height, double *f) {
    stk_aggd fits[STK_NATURAL_FITS];
    stk_mscn(plane, width, height, CONSTANT, brisque->mscn, brisque->scratch);
    if (!stk_natural_fit(&brisque->table, brisque->mscn, width, height, width, 0, brisque->values,
                         fits))
        return 0;
    f[0] = fits[0].alpha;
    f[1] = (fits[0].left * fits[0].left + fits[0].right * fits[0].right) / 2;
    for (int i = 1; i < STK_NATURAL_FITS; i++) {
        double *g = f + 4 * i - 2, left, right, mean;
        stk_aggd_scales(&fits[i], &left, &right, &mean);
        g[0] = fits[i].alpha, g[1] = mean;
        g[2] = fits[i].left * fits[i].left, g[3] = fits[i].right * fits[i].right;
    }
    return 1;
}

static double regress(const stk_brisque *brisque, const double f[N]) {
    double x[N], score = -brisque->rho;
    for (int i = 0; i < N; i++)
        x[i] =
            -1 + 2 * (f[i] - brisque->range[0][i]) / (brisque->range[1][i] - brisque->range[0][i]);
    for (int k = 0; k < VECTORS; k++) {
        double square = 0;
        for (int i = 0; i < N; i++) {
            const double d = x[i] - brisque->vectors[k][i];
            square += d * d;
        }
        score += brisque->weight[k] * exp(-brisque->gamma * square);
    }
    return fmin(fmax(score, 0), 100);
}

double stk_brisque_of(stk_brisque *brisque, const stk_image *rgb) {
    double f[N];
    const int w = brisque->width, h = brisque->height;
    grey_of(rgb, brisque->plane);
    if (!describe(brisque, brisque->plane, w, h, f)) return NAN;
    halve(brisque->plane, w, h, brisque->half, brisque->scratch);
    if (!describe(brisque, brisque->half, w / 2, h / 2, f + N / 2)) return NAN;
    return regress(brisque, f);
}
