/* skin.c - the colour of this clip's skin.
 *
 *   landmarks on cheeks and forehead -> Gaussian of the face's colour
 *   pixels below the chin that resemble it -> Gaussian of the (shaded) neck's colour
 *   both run over the clip; membership = the larger of the two
 *
 * Colour is (luma, r, g) with r = R/(R+G+B), g = G/(R+G+B): shading moves luma only, so the face's
 * model is wide in luma. Pure functions; grid pictures of about 256 px.
 */
#include "parts.h"

#include <math.h>

/* Cheeks, forehead, nose bridge, chin: mesh points where skin is bare in nearly everyone. */
static const int16_t SKIN_POINTS[] = {151, 9,   108, 337, 69,  299, 50, 280, 101, 330, 205, 425,
                                      187, 411, 36,  266, 118, 347, 5,  195, 123, 352, 117, 346};
enum { SKIN_COUNT = sizeof SKIN_POINTS / sizeof *SKIN_POINTS, SAMPLES_MIN = 30 };

static const float FLOOR[3] = {0.06f, 0.010f, 0.007f}; /* least standard deviations */
static const float FACE_DARKER = 3; /* the neck is shaded, hardly brighter: darker counts a third */
static const float NECK_DARKER = 1.5f;
static const float RUNNING = 0.1f;           /* share of the newest frame */
static const float MEMBER_DISTANCE2 = 11.3f; /* chi-square, 3 degrees of freedom, 99 % */
static const float LEARN_BRIGHT2 = 4;        /* a neck brighter than the face is a collar */
static const float LEARN_DISTANCE2 = 25;     /* five sigma: shaded skin still counts */

typedef struct moments {
    double sum[3], products[6];
    int count;
} moments;

void stk_skin_colour(float f[3], const uint8_t *p) {
    float total = (float)(p[0] + p[1] + p[2]) + 3.0f; /* + 3: black has no chromaticity */
    f[0] = (float)(77 * p[0] + 150 * p[1] + 29 * p[2]) * (1 / (256 * 255.0f));
    f[1] = (float)(p[0] + 1) / total;
    f[2] = (float)(p[1] + 1) / total;
}

static void moments_add(moments *m, const float f[3]) {
    int at = 0;
    for (int i = 0; i < 3; i++) {
        m->sum[i] += (double)f[i];
        for (int j = i; j < 3; j++) m->products[at++] += (double)f[i] * (double)f[j];
    }
    m->count++;
}

/* inverse = (covariance + floor)^-1, symmetric, by cofactors. */
static void invert(stk_gaussian *g) {
    double a = (double)g->covariance[0], b = (double)g->covariance[1], c = (double)g->covariance[2];
    double d = (double)g->covariance[3], e = (double)g->covariance[4], f = (double)g->covariance[5];
    a += (double)(FLOOR[0] * FLOOR[0]), d += (double)(FLOOR[1] * FLOOR[1]),
        f += (double)(FLOOR[2] * FLOOR[2]);
    double A = d * f - e * e, B = c * e - b * f, C = b * e - c * d;
    double det = a * A + b * B + c * C;
    double n[6] = {A, B, C, a * f - c * c, b * c - a * e, a * d - b * b};
    for (int i = 0; i < 6; i++) g->inverse[i] = (float)(n[i] / det);
}

static void gaussian_update(stk_gaussian *g, const moments *m) {
    if (m->count < SAMPLES_MIN) return;
    float share = g->ready ? RUNNING : 1;
    double mean[3];
    for (int i = 0; i < 3; i++) {
        mean[i] = m->sum[i] / m->count;
        g->mean[i] += share * ((float)mean[i] - g->mean[i]);
    }
    int at = 0;
    for (int i = 0; i < 3; i++)
        for (int j = i; j < 3; j++, at++) {
            double c = m->products[at] / m->count - mean[i] * mean[j];
            g->covariance[at] += share * ((float)c - g->covariance[at]);
        }
    g->ready = 1;
    invert(g);
}

/* Squared Mahalanobis distance; darker colours are counted nearer by `darker`. */
static float distance2(const stk_gaussian *g, const float f[3], float darker) {
    float x = f[0] - g->mean[0], y = f[1] - g->mean[1], z = f[2] - g->mean[2];
    if (x < 0) x /= darker;
    const float *i = g->inverse;
    return x * (i[0] * x + 2 * (i[1] * y + i[2] * z)) + y * (i[3] * y + 2 * i[4] * z) +
           z * i[5] * z;
}

static void learn_face(stk_skin *skin, const stk_image *rgb, const stk_landmarks *landmarks,
                       float scale) {
    moments m = {{0}, {0}, 0};
    for (int i = 0; i < SKIN_COUNT; i++) {
        const float *at = landmarks->xyz[SKIN_POINTS[i]];
        if (!isfinite(at[0]) || !isfinite(at[1])) continue;
        float px = at[0] * scale, py = at[1] * scale;
        if (!(px >= 1 && py >= 1 && px < (float)rgb->width - 1 && py < (float)rgb->height - 1))
            continue;
        for (int k = 0; k < 9; k++) {
            const uint8_t *p = stk_image_row(rgb, (int)py + k / 3 - 1) + 3 * ((int)px + k % 3 - 1);
            float f[3];
            stk_skin_colour(f, p);
            if (!skin->face.ready || distance2(&skin->face, f, FACE_DARKER) < LEARN_DISTANCE2)
                moments_add(&m, f);
        }
    }
    gaussian_update(&skin->face, &m);
}

static void learn_neck(stk_skin *skin, const stk_image *rgb, const stk_jaw *jaw,
                       const float *person, float scale) {
    moments m = {{0}, {0}, 0};
    for (int y = 0; y < rgb->height; y++)
        for (int x = 0; x < rgb->width; x++) {
            float depth, offset, f[3];
            if (person[(size_t)y * (size_t)rgb->width + (size_t)x] < 0.5f) continue;
            stk_neck_place(jaw, ((float)x + 0.5f) / scale, ((float)y + 0.5f) / scale, &depth,
                           &offset);
            if (depth < 0.03f || depth > 0.2f || offset > 0.22f) continue;
            stk_skin_colour(f, stk_image_row(rgb, y) + 3 * x);
            float limit = f[0] > skin->face.mean[0] ? LEARN_BRIGHT2 : LEARN_DISTANCE2;
            if (distance2(&skin->face, f, FACE_DARKER) < limit) moments_add(&m, f);
        }
    gaussian_update(&skin->neck, &m);
}

void stk_skin_learn(stk_skin *skin, const stk_image *grid_rgb, const stk_landmarks *landmarks,
                    const stk_jaw *jaw, const float *person, float scale) {
    learn_face(skin, grid_rgb, landmarks, scale);
    if (skin->face.ready) learn_neck(skin, grid_rgb, jaw, person, scale);
}

static float membership(const stk_gaussian *g, const float f[3], float darker) {
    return g->ready ? 1 / (1 + expf(0.5f * (distance2(g, f, darker) - MEMBER_DISTANCE2))) : 0;
}

float stk_skin_membership(const stk_skin *skin, const float colour[3]) {
    return fmaxf(membership(&skin->face, colour, FACE_DARKER),
                 membership(&skin->neck, colour, NECK_DARKER));
}
