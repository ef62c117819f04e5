/* natural.c - see natural.h. Everything is double: sigma^2 is a difference of large numbers, and in
 * smooth areas float's rounding would be most of it. Threading: pure functions. */
#include "metrics/natural.h"

#include <math.h>

enum { REACH = 3, TAPS = 2 * REACH + 1 };
static const double SIGMA = 7.0 / 6, SHAPE_LEAST = 0.2, SHAPE_STEP = 0.001;
static const double NO_TEXTURE = 1e-9;

void stk_aggd_table_init(stk_aggd_table *table) {
    for (int i = 0; i < STK_AGGD_SHAPES; i++) {
        const double a = SHAPE_LEAST + SHAPE_STEP * i;
        table->ratio[i] = tgamma(2 / a) * tgamma(2 / a) / (tgamma(1 / a) * tgamma(3 / a));
    }
}

/* Index of the entry nearest to r. */
static int nearest_shape(const stk_aggd_table *table, double r) {
    int below = 0, above = STK_AGGD_SHAPES - 1;
    while (above - below > 1) {
        const int middle = (below + above) / 2;
        if (table->ratio[middle] <= r)
            below = middle;
        else
            above = middle;
    }
    return r - table->ratio[below] <= table->ratio[above] - r ? below : above;
}

int stk_aggd_fit(const stk_aggd_table *table, const double *values, int count, stk_aggd *fit) {
    double squares[2] = {0, 0}, sizes = 0;
    int counts[2] = {0, 0};
    for (int i = 0; i < count; i++) {
        const int right = values[i] > 0;
        squares[right] += values[i] * values[i];
        sizes += fabs(values[i]);
        counts[right] += values[i] != 0;
    }
    if (counts[0] == 0 || counts[1] == 0) return 0;
    fit->left = sqrt(squares[0] / counts[0]);
    fit->right = sqrt(squares[1] / counts[1]);
    const double g = fit->left / fit->right, mean = sizes / count;
    const double r = mean * mean / ((squares[0] + squares[1]) / count);
    const double matched = r * (g * g * g + 1) * (g + 1) / ((g * g + 1) * (g * g + 1));
    fit->alpha = SHAPE_LEAST + SHAPE_STEP * nearest_shape(table, matched);
    return 1;
}

void stk_aggd_scales(const stk_aggd *fit, double *left, double *right, double *mean) {
    const double g1 = tgamma(1 / fit->alpha), g2 = tgamma(2 / fit->alpha);
    const double scale = sqrt(g1 / tgamma(3 / fit->alpha));
    *left = fit->left * scale;
    *right = fit->right * scale;
    *mean = (*right - *left) * g2 / g1;
}

static int held(int i, int count) {
    return i < 0 ? 0 : i >= count ? count - 1 : i;
}

static void gaussian_taps(double taps[TAPS]) {
    double sum = 0;
    for (int i = 0; i < TAPS; i++)
        sum += taps[i] = exp(-0.5 * (i - REACH) * (i - REACH) / (SIGMA * SIGMA));
    for (int i = 0; i < TAPS; i++) taps[i] /= sum;
}

/* Rows of the plane and of its squares, blurred along x. */
static void blur_rows(const double *plane, int width, int height, const double taps[TAPS],
                      double *means, double *squares) {
    for (int y = 0; y < height; y++) {
        const double *row = plane + (long)y * width;
        for (int x = 0; x < width; x++) {
            double mean = 0, square = 0;
            for (int k = -REACH; k <= REACH; k++) {
                const double v = row[held(x + k, width)];
                mean += taps[REACH + k] * v;
                square += taps[REACH + k] * v * v;
            }
            means[(long)y * width + x] = mean;
            squares[(long)y * width + x] = square;
        }
    }
}

void stk_mscn(const double *plane, int width, int height, double constant, double *out,
              double *scratch) {
    double taps[TAPS], *means = scratch, *squares = scratch + (long)width * height;
    gaussian_taps(taps);
    blur_rows(plane, width, height, taps, means, squares);
    for (int y = 0; y < height; y++) {
        long rows[TAPS];
        for (int k = 0; k < TAPS; k++) rows[k] = (long)held(y + k - REACH, height) * width;
        for (int x = 0; x < width; x++) {
            double mean = 0, square = 0;
            for (int k = 0; k < TAPS; k++) {
                mean += taps[k] * means[rows[k] + x];
                square += taps[k] * squares[rows[k] + x];
            }
            const long i = (long)y * width + x;
            const double away = plane[i] - mean, sigma = sqrt(fabs(square - mean * mean));
            out[i] = fabs(away) < NO_TEXTURE * constant ? 0 : away / (sigma + constant);
        }
    }
}

/* Products of each value with its neighbour (dx, dy). */
static void multiply(const double *mscn, int width, int height, int stride, int wrap, int dx,
                     int dy, double *values) {
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            int u = x + dx, v = y + dy;
            const int outside = u < 0 || u >= width || v >= height;
            if (outside && wrap) {
                u = (u + width) % width;
                v %= height;
            }
            const double other = outside && !wrap ? 0 : mscn[(long)v * stride + u];
            values[(long)y * width + x] = mscn[(long)y * stride + x] * other;
        }
}

int stk_natural_fit(const stk_aggd_table *table, const double *mscn, int width, int height,
                    int stride, int wrap, double *values, stk_aggd fits[STK_NATURAL_FITS]) {
    static const int shifts[STK_NATURAL_FITS - 1][2] = {{1, 0}, {0, 1}, {1, 1}, {-1, 1}};
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) values[(long)y * width + x] = mscn[(long)y * stride + x];
    int good = stk_aggd_fit(table, values, width * height, &fits[0]);
    for (int i = 0; i < STK_NATURAL_FITS - 1 && good; i++) {
        multiply(mscn, width, height, stride, wrap, shifts[i][0], shifts[i][1], values);
        good = stk_aggd_fit(table, values, width * height, &fits[1 + i]);
    }
    return good;
}
