/* synthetic_person.c - see the header. */
#include "synthetic_person.h"

#include <math.h>
#include <string.h>

static const uint8_t BACK[3] = {90, 110, 140}, SKIN[3] = {215, 165, 140}, NECK[3] = {160, 118, 98},
                     CLOTH[3] = {40, 120, 60}, HAIR[3] = {70, 45, 30};

/* Face: ellipse 1 x 1.3; hair: the ring up to 1.3 x 1.6 above the eyes; ears at +-1.1. */
static int class_at(float u, float v, float x, float y, const uint8_t **colour) {
    if (hypotf(u, v / 1.3f) <= 1) return *colour = SKIN, STK_LABEL_HEAD;
    if (v < -0.2f && hypotf(u / 1.3f, v / 1.6f) <= 1) return *colour = HAIR, STK_LABEL_HEAD;
    if (hypotf(fabsf(u) - 1.05f, v / 1.5f) <= 0.2f) return *colour = SKIN, STK_LABEL_HEAD;
    if (y > 0 && y < 2.0f && fabsf(x) < 0.62f) return *colour = NECK, STK_LABEL_NECK;
    if (y > 1.75f && fabsf(x) < 0.9f + (y - 1.75f) * 3) return *colour = CLOTH, STK_LABEL_TORSO;
    return *colour = BACK, STK_LABEL_BACKGROUND;
}

static void set_point(stk_landmarks *landmarks, int index, float x, float y) {
    landmarks->xyz[index][0] = x, landmarks->xyz[index][1] = y;
}

void test_paint_person(stk_image *rgb, stk_image *labels, stk_landmarks *landmarks, float cx,
                       float cy, float unit, float roll_rad) {
    float c = cosf(roll_rad), s = sinf(roll_rad);
    for (int row = 0; row < rgb->height; row++)
        for (int col = 0; col < rgb->width; col++) {
            float x = ((float)col + 0.5f - cx) / unit, y = ((float)row + 0.5f - cy) / unit;
            const uint8_t *colour;
            int label = class_at(c * x + s * y, c * y - s * x, x, y, &colour);
            memcpy(stk_image_row(rgb, row) + 3 * col, colour, 3);
            stk_image_row(labels, row)[col] = (uint8_t)label;
        }
    static const int16_t oval[36] = {10,  338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288,
                                     397, 365, 379, 378, 400, 377, 152, 148, 176, 149, 150, 136,
                                     172, 58,  132, 93,  234, 127, 162, 21,  54,  103, 67,  109};
    memset(landmarks, 0, sizeof *landmarks);
    landmarks->count = STK_LANDMARKS;
    landmarks->score = 1;
    for (int i = 0; i < STK_LANDMARKS;
         i++) { /* a sunflower inside the face: bare skin everywhere */
        float r = 0.6f * sqrtf((float)i / STK_LANDMARKS), a = 2.4f * (float)i;
        set_point(landmarks, i, cx + unit * r * cosf(a), cy + unit * r * sinf(a));
    }
    for (int i = 0; i < 36; i++) {
        float a = (float)i * (float)M_PI / 18, u = sinf(a), v = -1.3f * cosf(a);
        set_point(landmarks, oval[i], cx + unit * (c * u - s * v), cy + unit * (s * u + c * v));
    }
    set_point(landmarks, 33, cx + unit * (c * -0.5f + s * 0.3f),
              cy + unit * (s * -0.5f - c * 0.3f));
    set_point(landmarks, 263, cx + unit * (c * 0.5f + s * 0.3f), cy + unit * (s * 0.5f - c * 0.3f));
}
