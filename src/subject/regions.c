/* regions.c */
#include "subject/regions.h"

#include <math.h>

enum { BROWS = 17, NOSE_TIP = 30, EYES = 36, MOUTH = 48, INNER_LIPS = 60, POINTS = STK_POINTS_68 };

typedef struct bounds {
    float x0, y0, x1, y1;
} bounds;

static bounds bounds_of(const float (*landmarks)[3], int first, int last) {
    bounds b = {INFINITY, INFINITY, -INFINITY, -INFINITY};
    for (int i = first; i < last; i++) {
        const float *p = landmarks[stk_mesh_of_68[i]];
        b.x0 = fminf(b.x0, p[0]), b.x1 = fmaxf(b.x1, p[0]);
        b.y0 = fminf(b.y0, p[1]), b.y1 = fmaxf(b.y1, p[1]);
    }
    return b;
}

static bounds grown(bounds b, float share_x, float share_y) {
    float mx = share_x * (b.x1 - b.x0), my = share_y * (b.y1 - b.y0);
    return (bounds){b.x0 - mx, b.y0 - my, b.x1 + mx, b.y1 + my};
}

/* Truncation as in reference.md 1.3, clipped to the picture; fminf/fmaxf also swallow NaN. */
static stk_rect rect_of(bounds b, int width, int height) {
    float w = (float)width, h = (float)height;
    return (stk_rect){(int)fminf(fmaxf(b.x0, 0), w), (int)fminf(fmaxf(b.y0, 0), h),
                      (int)fminf(fmaxf(b.x1, 0), w), (int)fminf(fmaxf(b.y1, 0), h)};
}

stk_regions stk_regions_compute(const float (*landmarks)[3], int width, int height) {
    bounds face = bounds_of(landmarks, 0, POINTS);
    bounds low = face;
    low.y0 = landmarks[stk_mesh_of_68[NOSE_TIP]][1];
    return (stk_regions){
        .face = rect_of(face, width, height),
        .low_face = rect_of(low, width, height),
        .eyes = rect_of(bounds_of(landmarks, EYES, MOUTH), width, height),
        /* a quarter of margin: the lips' own shadow and the stretch around them speak too */
        .mouth = rect_of(grown(bounds_of(landmarks, MOUTH, POINTS), 0.25f, 0.25f), width, height),
    };
}

stk_rect stk_regions_eyes_and_brows(const float (*landmarks)[3], int width, int height) {
    bounds eyes = bounds_of(landmarks, EYES, MOUTH);
    bounds brows = bounds_of(landmarks, BROWS, BROWS + 10);
    bounds all = {fminf(eyes.x0, brows.x0), fminf(eyes.y0, brows.y0), fmaxf(eyes.x1, brows.x1),
                  fmaxf(eyes.y1, brows.y1)};
    return rect_of(grown(all, 0.0f, 0.1f), width, height);
}

stk_rect stk_regions_lips(const float (*landmarks)[3], int width, int height) {
    bounds b = bounds_of(landmarks, MOUTH, INNER_LIPS);
    stk_rect r = {(int)stk_clampf(b.x0, -1e6f, 1e6f), (int)stk_clampf(b.y0, -1e6f, 1e6f),
                  (int)stk_clampf(b.x1, -1e6f, 1e6f), (int)stk_clampf(b.y1, -1e6f, 1e6f)};
    int x = (r.x0 + r.x1) / 2, y = (r.y0 + r.y1) / 2;
    int half = (r.x1 - r.x0 > r.y1 - r.y0 ? r.x1 - r.x0 : r.y1 - r.y0) / 2;
    return (stk_rect){stk_clampi(x - half, 0, width), stk_clampi(y - half, 0, height),
                      stk_clampi(x + half, 0, width), stk_clampi(y + half, 0, height)};
}
