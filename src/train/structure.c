/* structure.c - one channel after the other, as a plane:
 *
 *   x, y -> windowed means of x, y, xx, yy, xy -> SSIM and its slopes by mean x, xx, xy
 *        -> windows backwards -> dx; then half the size, and its dx spread over 2x2 pixels
 */
#include "train/structure.h"

#include <math.h>
#include <string.h>

enum { TAPS = 11, SCALES_MAX = 12, CHANNELS = 3 };
static const float C1 = 0.01f * 0.01f, C2 = 0.03f * 0.03f;
/* exp(-k^2 / (2 1.5^2)), k = -5 .. 5, divided by their sum */
static const float window[TAPS] = {0.00102838f, 0.00759876f, 0.03600077f, 0.10936069f,
                                   0.21300554f, 0.26601172f, 0.21300554f, 0.10936069f,
                                   0.03600077f, 0.00759876f, 0.00102838f};

/* Planes of one scale; small: (w - 10) x (h - 10), where a window fits. */
typedef struct planes {
    float *x, *y, *dx;                /* [h][w] */
    float *mx, *my, *mxx, *myy, *mxy; /* small; slopes by mx, mxx and mxy take their places */
    float *product, *rows;            /* [h][w] */
} planes;

static int scales_of(int width, int height) {
    int n = 0;
    for (; n < SCALES_MAX && width >= TAPS && height >= TAPS; width /= 2, height /= 2) n++;
    return n;
}

size_t stk_structure_scratch_floats(int width, int height) {
    const size_t pixels = ((size_t)width * (size_t)height + 15) & ~(size_t)15;
    return 3 * 2 * pixels + 7 * pixels; /* x, y, dx of all scales: below 4/3 of the first */
}

/* Windowed means of source: along rows, then along columns. */
static void blur(const float *source, int w, int h, float *rows, float *target) {
    const int sw = w - TAPS + 1, sh = h - TAPS + 1;
    memset(rows, 0, sizeof(float) * (size_t)sw * (size_t)h);
    memset(target, 0, sizeof(float) * (size_t)sw * (size_t)sh);
    for (int y = 0; y < h; y++)
        for (int k = 0; k < TAPS; k++) {
            const float *in = source + y * w + k;
            float *out = rows + y * sw;
            for (int x = 0; x < sw; x++) out[x] += window[k] * in[x];
        }
    for (int y = 0; y < sh; y++)
        for (int k = 0; k < TAPS; k++) {
            const float *in = rows + (y + k) * sw;
            float *out = target + y * sw;
            for (int x = 0; x < sw; x++) out[x] += window[k] * in[x];
        }
}

/* The same backwards: a small plane of gradients -> target [h][w]. */
static void blur_backward(const float *source, int w, int h, float *rows, float *target) {
    const int sw = w - TAPS + 1, sh = h - TAPS + 1;
    memset(rows, 0, sizeof(float) * (size_t)sw * (size_t)h);
    memset(target, 0, sizeof(float) * (size_t)w * (size_t)h);
    for (int y = 0; y < sh; y++)
        for (int k = 0; k < TAPS; k++) {
            const float *in = source + y * sw;
            float *out = rows + (y + k) * sw;
            for (int x = 0; x < sw; x++) out[x] += window[k] * in[x];
        }
    for (int y = 0; y < h; y++)
        for (int k = 0; k < TAPS; k++) {
            const float *in = rows + y * sw;
            float *out = target + y * w + k;
            for (int x = 0; x < sw; x++) out[x] += window[k] * in[x];
        }
}

static void blur_product(const planes *p, const float *a, const float *b, int w, int h,
                         float *target) {
    for (int i = 0; i < w * h; i++) p->product[i] = a[i] * b[i];
    blur(p->product, w, h, p->rows, target);
}

/* Mean SSIM of one scale; dx += slope times its gradient. */
static double similarity(const planes *p, int w, int h, float slope) {
    const int n = (w - TAPS + 1) * (h - TAPS + 1);
    const float each = slope / (float)n;
    blur(p->x, w, h, p->rows, p->mx);
    blur(p->y, w, h, p->rows, p->my);
    blur_product(p, p->x, p->x, w, h, p->mxx);
    blur_product(p, p->y, p->y, w, h, p->myy);
    blur_product(p, p->x, p->y, w, h, p->mxy);
    double sum = 0;
    for (int i = 0; i < n; i++) {
        const float mx = p->mx[i], my = p->my[i];
        const float a1 = 2 * mx * my + C1, a2 = 2 * (p->mxy[i] - mx * my) + C2;
        const float b1 = mx * mx + my * my + C1;
        const float b2 = p->mxx[i] - mx * mx + p->myy[i] - my * my + C2;
        const float s = a1 * a2 / (b1 * b2);
        const float by_xx = -s / b2, by_xy = 2 * a1 / (b1 * b2);
        sum += (double)s;
        p->mx[i] = each * (2 * my * a2 / (b1 * b2) - 2 * mx * s / b1 - my * by_xy - 2 * mx * by_xx);
        p->mxx[i] = each * by_xx;
        p->mxy[i] = each * by_xy;
    }
    blur_backward(p->mx, w, h, p->rows, p->product);
    for (int i = 0; i < w * h; i++) p->dx[i] += p->product[i];
    blur_backward(p->mxx, w, h, p->rows, p->product);
    for (int i = 0; i < w * h; i++) p->dx[i] += 2 * p->x[i] * p->product[i];
    blur_backward(p->mxy, w, h, p->rows, p->product);
    for (int i = 0; i < w * h; i++) p->dx[i] += p->y[i] * p->product[i];
    return sum / n;
}

/* Mean over both directions of the mean |difference|; dx += slope times its gradient. */
static double edges(const planes *p, int w, int h, float slope) {
    const int step[2] = {1, w}, cut[2][2] = {{1, 0}, {0, 1}};
    double value = 0;
    for (int d = 0; d < 2; d++) {
        const int cw = w - cut[d][0], ch = h - cut[d][1];
        if (cw < 1 || ch < 1) continue;
        const float each = 0.5f * slope / (float)(cw * ch);
        double sum = 0;
        for (int y = 0; y < ch; y++)
            for (int x = 0; x < cw; x++) {
                const int i = y * w + x, k = i + step[d];
                const float off = (p->x[k] - p->x[i]) - (p->y[k] - p->y[i]);
                const float g = off > 0 ? each : off < 0 ? -each : 0;
                sum += (double)fabsf(off);
                p->dx[k] += g;
                p->dx[i] -= g;
            }
        value += 0.5 * sum / ((double)cw * ch);
    }
    return value;
}

static void halve(const float *from, int w, float *to, int hw, int hh) {
    for (int y = 0; y < hh; y++)
        for (int x = 0; x < hw; x++) {
            const float *a = from + 2 * y * w + 2 * x;
            to[y * hw + x] = 0.25f * (a[0] + a[1] + a[w] + a[w + 1]);
        }
}

static void halve_backward(float *from, int w, const float *to, int hw, int hh) {
    for (int y = 0; y < hh; y++)
        for (int x = 0; x < hw; x++) {
            float *a = from + 2 * y * w + 2 * x;
            const float g = 0.25f * to[y * hw + x];
            a[0] += g, a[1] += g, a[w] += g, a[w + 1] += g;
        }
}

/* One channel whose x and y lie in scale[0]. */
static double channel_distance(const planes *scale, int n, int width, int height, float slope) {
    double similar = 0;
    int w[SCALES_MAX], h[SCALES_MAX];
    for (int i = 0; i < n; i++) {
        w[i] = width >> i, h[i] = height >> i;
        memset(scale[i].dx, 0, sizeof(float) * (size_t)w[i] * (size_t)h[i]);
        if (i == 0) continue;
        halve(scale[i - 1].x, w[i - 1], scale[i].x, w[i], h[i]);
        halve(scale[i - 1].y, w[i - 1], scale[i].y, w[i], h[i]);
    }
    const int similar_scales = scales_of(width, height);
    for (int i = 0; i < similar_scales; i++)
        similar += similarity(&scale[i], w[i], h[i], -0.5f * slope / (float)similar_scales);
    for (int i = n - 1; i > 0; i--)
        halve_backward(scale[i - 1].dx, w[i - 1], scale[i].dx, w[i], h[i]);
    const double apart = 0.5 * edges(&scale[0], width, height, 0.5f * slope);
    return similar_scales > 0 ? 0.5 * (1 - similar / similar_scales) + apart : apart;
}

/* Planes of all scales in scratch; those that last for one scale only are shared. */
static int lay_out(int width, int height, float *scratch, planes scale[SCALES_MAX]) {
    const size_t pixels = ((size_t)width * (size_t)height + 15) & ~(size_t)15;
    const int similar = scales_of(width, height), n = similar > 0 ? similar : 1;
    float *at = scratch + 7 * pixels;
    for (int i = 0; i < n; i++) {
        const size_t size = (size_t)(width >> i) * (size_t)(height >> i);
        scale[i] = (planes){.x = at, .y = at + size, .dx = at + 2 * size};
        at += 3 * size;
        float **const shared[] = {&scale[i].mx,  &scale[i].my,      &scale[i].mxx, &scale[i].myy,
                                  &scale[i].mxy, &scale[i].product, &scale[i].rows};
        for (size_t k = 0; k < 7; k++) *shared[k] = scratch + k * pixels;
    }
    return n;
}

double stk_structure(int width, int height, const float *made, const float *real, float scale,
                     float *dmade, float *scratch) {
    planes list[SCALES_MAX];
    const int n = lay_out(width, height, scratch, list), pixels = width * height;
    double sum = 0;
    for (int c = 0; c < CHANNELS; c++) {
        for (int i = 0; i < pixels; i++) {
            list[0].x[i] = made[CHANNELS * i + c];
            list[0].y[i] = real[CHANNELS * i + c];
        }
        sum += channel_distance(list, n, width, height, scale / CHANNELS);
        for (int i = 0; i < pixels; i++) dmade[CHANNELS * i + c] = list[0].dx[i];
    }
    return sum / CHANNELS;
}
