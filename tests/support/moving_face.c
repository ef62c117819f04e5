/* moving_face.c - see moving_face.h. */
#include "moving_face.h"
#include "base/face_mesh.h"
#include "base/rng.h"

#include <math.h>

void moving_face_start(moving_face *face) {
    stk_rng rng;
    stk_rng_seed(&rng, face->seed, 1);
    for (int set = 0; set < 2; set++)
        for (int k = 0; k < MOVING_FACE_WAVES; k++) {
            float *wave = face->waves[set][k];
            /* wavelengths 6 .. 60 px, evenly in the logarithm */
            const float length = 6 * powf(10, stk_rng_float(&rng));
            const float angle = 6.2831853f * stk_rng_float(&rng);
            wave[0] = 6.2831853f / length * cosf(angle);
            wave[1] = 6.2831853f / length * sinf(angle);
            wave[2] = 6.2831853f * stk_rng_float(&rng);
            wave[3] = 7 * sqrtf(length / 20);
        }
}

static int after_cut(const moving_face *face, int frame) {
    return face->cut > 0 && frame >= face->cut;
}

void moving_face_map(const moving_face *face, int frame, double m[6]) {
    const double t = frame * (double)face->speed, middle = 0.5 * face->size;
    const double angle = 0.15 * sin(0.11 * t), scale = 1 + 0.06 * sin(0.07 * t + 1);
    const double squeeze = 1 - 0.05 * (1 - cos(0.13 * t)); /* a head that turns */
    double x = middle + 0.05 * face->size * sin(0.09 * t), y = middle;
    y += 0.04 * face->size * sin(0.17 * t + 0.5);
    if (after_cut(face, frame)) x += 0.15 * face->size, y -= 0.05 * face->size;
    m[0] = scale * squeeze * cos(angle);
    m[1] = -scale * sin(angle);
    m[3] = scale * squeeze * sin(angle);
    m[4] = scale * cos(angle);
    m[2] = x - m[0] * middle - m[1] * middle;
    m[5] = y - m[3] * middle - m[4] * middle;
}

static void invert(const double m[6], double inverse[6]) {
    const double det = m[0] * m[4] - m[1] * m[3];
    inverse[0] = m[4] / det;
    inverse[1] = -m[1] / det;
    inverse[3] = -m[3] / det;
    inverse[4] = m[0] / det;
    inverse[2] = -(inverse[0] * m[2] + inverse[1] * m[5]);
    inverse[5] = -(inverse[3] * m[2] + inverse[4] * m[5]);
}

static float level(const float waves[MOVING_FACE_WAVES][4], double x, double y) {
    float sum = 0;
    for (int k = 0; k < MOVING_FACE_WAVES; k++)
        sum += waves[k][3] * sinf(waves[k][0] * (float)x + waves[k][1] * (float)y + waves[k][2]);
    return sum;
}

/* The same along a row of the picture: every wave turns by the same angle from pixel to pixel. */
typedef struct runner {
    float s[MOVING_FACE_WAVES], c[MOVING_FACE_WAVES]; /* times its height */
    float turn_s[MOVING_FACE_WAVES], turn_c[MOVING_FACE_WAVES];
} runner;

static void runner_start(runner *run, const float waves[MOVING_FACE_WAVES][4], double u, double v,
                         const double inverse[6]) {
    for (int k = 0; k < MOVING_FACE_WAVES; k++) {
        const double kx = (double)waves[k][0], ky = (double)waves[k][1];
        const double phase = kx * u + ky * v + (double)waves[k][2];
        const double turn = kx * inverse[0] + ky * inverse[3];
        run->s[k] = waves[k][3] * (float)sin(phase);
        run->c[k] = waves[k][3] * (float)cos(phase);
        run->turn_s[k] = (float)sin(turn);
        run->turn_c[k] = (float)cos(turn);
    }
}

static float runner_next(runner *run) {
    float sum = 0;
    for (int k = 0; k < MOVING_FACE_WAVES; k++) {
        const float s = run->s[k], c = run->c[k];
        sum += s;
        run->s[k] = s * run->turn_c[k] + c * run->turn_s[k];
        run->c[k] = c * run->turn_c[k] - s * run->turn_s[k];
    }
    return sum;
}

int moving_face_hand(const moving_face *face, int frame, stk_rect *rect) {
    const int half = face->size / 8;
    if (frame < face->hand_from || frame >= face->hand_to) return 0;
    const int length = face->hand_to - face->hand_from;
    const int gone = face->hand_stays ? length / 3 : frame - face->hand_from;
    const int x = face->size / 5 + 3 * face->size / 5 * gone / length;
    const int y = face->size / 2 + (face->hand_stays ? -face->size / 12 : face->size / 20);
    *rect = (stk_rect){x - half, y - half, x + half, y + half};
    return 1;
}

void moving_face_draw(const moving_face *face, int frame, stk_image *image,
                      float landmarks[STK_LANDMARKS][3]) {
    double m[6], inverse[6];
    stk_rect hand = {0};
    stk_rng rng;
    stk_rng_seed(&rng, face->seed + 77, (uint64_t)frame);
    moving_face_map(face, frame, m);
    invert(m, inverse);
    const int held = moving_face_hand(face, frame, &hand), set = after_cut(face, frame);
    const float gain = 1 + face->flicker * sinf(1.3f * (float)frame);
    const float offset = 20 * face->flicker * cosf(0.9f * (float)frame);
    for (int y = 0; y < face->size; y++) {
        uint8_t *row = stk_image_row(image, y);
        runner waves;
        const double u = inverse[0] * 0.5 + inverse[1] * (y + 0.5) + inverse[2];
        const double v = inverse[3] * 0.5 + inverse[4] * (y + 0.5) + inverse[5];
        runner_start(&waves, face->waves[set], u, v, inverse);
        for (int x = 0; x < face->size; x++, row += 3) {
            const int on_hand = held && x >= hand.x0 && x < hand.x1 && y >= hand.y0 && y < hand.y1;
            float value = runner_next(&waves);
            if (on_hand)
                value = level(face->waves[1 - set], x - hand.x0 + 1000, y - hand.y0 + 1000);
            value = gain * value + 128 + offset;
            for (int c = 0; c < 3; c++) {
                const float noise = face->noise > 0 ? face->noise * stk_rng_normal(&rng) : 0;
                row[c] = (uint8_t)stk_clampf(value + noise + 0.5f, 0, 255);
            }
        }
    }
    const float(*mesh)[3] = stk_canonical_face();
    const double unit = 0.6 * face->size / 0.18; /* px a metre: 18 cm fill 0.6 of the picture */
    for (int k = 0; k < STK_LANDMARKS; k++) {
        const float *p = mesh[k < STK_MESH_LANDMARKS ? k : 0];
        const double x = 0.5 * face->size + unit * (double)p[0];
        const double y = 0.5 * face->size - unit * (double)p[1];
        for (int c = 0; c < 2; c++)
            landmarks[k][c] = (float)(m[3 * c] * x + m[3 * c + 1] * y + m[3 * c + 2]) +
                              face->landmark_px * stk_rng_normal(&rng);
        landmarks[k][2] = (float)(-unit * (double)p[2]);
    }
}

double moving_face_error(const moving_face *face, int anchor, const float anchor_px[2], int frame,
                         float x_px, float y_px) {
    double m[6], inverse[6];
    moving_face_map(face, anchor, m);
    invert(m, inverse);
    const double x = (double)anchor_px[0], y = (double)anchor_px[1];
    const double u = inverse[0] * x + inverse[1] * y + inverse[2];
    const double v = inverse[3] * x + inverse[4] * y + inverse[5];
    moving_face_map(face, frame, m);
    return hypot(m[0] * u + m[1] * v + m[2] - (double)x_px,
                 m[3] * u + m[4] * v + m[5] - (double)y_px);
}
