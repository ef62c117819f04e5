/* speech_crop.c - see speech_crop.h.
 *
 * The similarity is the least-squares one over ten points that speech hardly moves. As complex
 * numbers, with w the canonical and z the picture's points less their means:
 *   a = sum conj(w) z / sum |w|^2;  scale |a|, angle arg a, anchor = mean of the picture's points
 * Scale (as a logarithm), angle and anchor are smoothed by a Gaussian of sigma 2 frames over the
 * frames of the take that have a face, the mouth's deviation by one of 12 frames.
 */
#include "subject/speech_crop.h"

#include "base/face_mesh.h"

#include <math.h>

enum { ANCHORS = 10, REACH = 3 }; /* REACH: in sigmas */
static const int anchors[ANCHORS] = {33, 133, 362, 263, 168, 6, 197, 195, 5, 4};
enum { CORNER_RIGHT = 61, CORNER_LEFT = 291, LIP_UPPER = 13, LIP_LOWER = 14, NOSE_TIP = 4 };

static const double SIDE_M = 0.18;        /* of the face, along a side of the crop */
static const double MOUTH_ROW = 68. / 96; /* where the mouth's middle lies */
static const double SIGMA = 2, SIGMA_MOUTH = 12, SIGMA_BOX = 4;
/* Light-ASD was trained on squares of 1.4 half sizes of a detector's box, 0.4 of one below its
 * middle. That box reaches from the forehead to the chin; the mesh's own is somewhat higher. */
static const double BOX_SHARE = 0.9, FACE_SIDE = 1.4, FACE_DOWN = 0.4;
static const double SIDE_MIN_PX = 36; /* smaller faces show no lips */
static const double TURN_MAX = 0.72;  /* tip of the nose beside the middle, in half eye spans */

/* Canonical position, x right, y down, metres. */
static void canonical(int point, double xy[2]) {
    const float *p = stk_canonical_face()[point];
    xy[0] = (double)p[0];
    xy[1] = -(double)p[1];
}

static void canonical_mean(double mean[2]) {
    mean[0] = mean[1] = 0;
    for (int i = 0; i < ANCHORS; i++) {
        double w[2];
        canonical(anchors[i], w);
        for (int c = 0; c < 2; c++) mean[c] += w[c] / ANCHORS;
    }
}

/* From the middle of the anchors to the middle of the mouth, canonical. */
static void canonical_mouth(double offset[2]) {
    double a[2], b[2], mean[2];
    canonical(CORNER_RIGHT, a);
    canonical(CORNER_LEFT, b);
    canonical_mean(mean);
    for (int c = 0; c < 2; c++) offset[c] = 0.5 * (a[c] + b[c]) - mean[c];
}

static double distance(const stk_landmarks *l, int a, int b) {
    return hypot((double)(l->xyz[a][0] - l->xyz[b][0]), (double)(l->xyz[a][1] - l->xyz[b][1]));
}

/* A point of the picture in the face's own axes: metres from the anchor. */
static void to_face(const stk_speech_look *k, double x, double y, double out[2]) {
    const double s = exp(-k->scale_log), c = cos(k->angle_rad), n = sin(k->angle_rad);
    x -= k->anchor[0];
    y -= k->anchor[1];
    out[0] = s * (c * x + n * y);
    out[1] = s * (c * y - n * x);
}

static void fit(stk_speech_look *look, const stk_landmarks *l) {
    double mean[2], re = 0, im = 0, norm = 0;
    canonical_mean(mean);
    look->anchor[0] = look->anchor[1] = 0;
    for (int i = 0; i < ANCHORS; i++)
        for (int c = 0; c < 2; c++) look->anchor[c] += (double)l->xyz[anchors[i]][c] / ANCHORS;
    for (int i = 0; i < ANCHORS; i++) {
        double w[2];
        canonical(anchors[i], w);
        for (int c = 0; c < 2; c++) w[c] -= mean[c];
        const double x = (double)l->xyz[anchors[i]][0] - look->anchor[0];
        const double y = (double)l->xyz[anchors[i]][1] - look->anchor[1];
        re += w[0] * x + w[1] * y;
        im += w[0] * y - w[1] * x;
        norm += w[0] * w[0] + w[1] * w[1];
    }
    look->scale_log = log(fmax(hypot(re, im) / norm, 1e-3));
    look->angle_rad = atan2(im, re);
}

void stk_speech_look_take(stk_speech_look *look, const stk_landmarks *l) {
    double mouth[2], tip[2], right[2], left[2];
    fit(look, l);
    canonical_mouth(mouth);
    to_face(look, 0.5 * (double)(l->xyz[CORNER_RIGHT][0] + l->xyz[CORNER_LEFT][0]),
            0.5 * (double)(l->xyz[CORNER_RIGHT][1] + l->xyz[CORNER_LEFT][1]), look->mouth);
    for (int c = 0; c < 2; c++) look->mouth[c] -= mouth[c];
    to_face(look, (double)l->xyz[NOSE_TIP][0], (double)l->xyz[NOSE_TIP][1], tip);
    to_face(look, (double)l->xyz[33][0], (double)l->xyz[33][1], right);
    to_face(look, (double)l->xyz[263][0], (double)l->xyz[263][1], left);
    const double half = 0.5 * fmax(1e-6, left[0] - right[0]);
    const double turn = fabs(tip[0] - 0.5 * (left[0] + right[0])) / half;
    const double width = distance(l, CORNER_RIGHT, CORNER_LEFT);
    look->opening = (float)fmin(10, distance(l, LIP_UPPER, LIP_LOWER) / fmax(1, width));
    look->found = 1;
    look->usable = turn < TURN_MAX && SIDE_M * exp(look->scale_log) >= SIDE_MIN_PX;
}

/* --- smoothing -------------------------------------------------------------------------------- */

enum { VALUES = 9 };

static void values_of(const stk_speech_look *k, double v[VALUES]) {
    v[0] = k->anchor[0], v[1] = k->anchor[1], v[2] = k->scale_log;
    v[3] = k->angle_rad, v[4] = k->mouth[0], v[5] = k->mouth[1];
    const double w = (double)(k->box[2] - k->box[0]), h = (double)(k->box[3] - k->box[1]);
    v[6] = 0.5 * (double)(k->box[0] + k->box[2]);
    v[7] = (double)k->box[3] - 0.5 * BOX_SHARE * h;
    v[8] = 0.5 * BOX_SHARE * fmax(w, h);
}

/* Weighted mean of values [from, to) of the frames of one take round `at`; 0: no face near. */
static int smooth(const stk_speech_look *looks, const int32_t *take, int frames, int at,
                  double sigma, int from, int to, double out[VALUES]) {
    const int reach = (int)ceil(REACH * sigma);
    double weight = 0, mean[VALUES] = {0};
    for (int i = at - reach > 0 ? at - reach : 0; i <= at + reach && i < frames; i++) {
        if (!looks[i].found || take[i] != take[at]) continue;
        const double d = (i - at) / sigma, w = exp(-0.5 * d * d);
        double v[VALUES];
        values_of(&looks[i], v);
        /* an angle near the other end of the circle */
        if (v[3] - looks[at].angle_rad > 3.2 || v[3] - looks[at].angle_rad < -3.2) continue;
        for (int k = from; k < to; k++) mean[k] += w * v[k];
        weight += w;
    }
    if (weight <= 0) return 0;
    for (int k = from; k < to; k++) out[k] = mean[k] / weight;
    return 1;
}

void stk_speech_crops_place(stk_speech_look *looks, const int32_t *take, int frames) {
    double mouth[2];
    canonical_mouth(mouth);
    for (int i = 0; i < frames; i++) {
        double v[VALUES];
        looks[i].crop = looks[i].face = (stk_face_roi){0};
        if (!smooth(looks, take, frames, i, SIGMA, 0, 4, v) ||
            !smooth(looks, take, frames, i, SIGMA_MOUTH, 4, 6, v) ||
            !smooth(looks, take, frames, i, SIGMA_BOX, 6, 9, v))
            continue;
        looks[i].face = (stk_face_roi){(float)v[6], (float)(v[7] + FACE_DOWN * v[8]),
                                       (float)(FACE_SIDE * v[8]), 0};
        const double scale = exp(v[2]), c = cos(v[3]), n = sin(v[3]);
        const double x = scale * (mouth[0] + v[4]);
        const double y = scale * (mouth[1] + v[5] - (MOUTH_ROW - 0.5) * SIDE_M);
        looks[i].crop = (stk_face_roi){(float)(v[0] + c * x - n * y), (float)(v[1] + n * x + c * y),
                                       (float)(scale * SIDE_M), (float)v[3]};
    }
}
