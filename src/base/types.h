/* types.h - the plain structs that rooms exchange. No behaviour beyond a few inline helpers.
 *
 * Frames of reference (reference.md section 0):
 *   px     picture coordinates: x right, y down, pixel centres at +0.5, origin top left
 *   head   the canonical head: metres, x to the picture's right for a frontal face, y up, z out of
 *          the face towards the camera; origin as in the canonical face mesh
 *   cam    the tracker camera: metres, x right, y up, looking along -z (points in front have z < 0)
 *   ngp    what the radiance field sees: 4 units a metre, axes permuted (reference.md 1.4)
 */
#ifndef STK_BASE_TYPES_H
#define STK_BASE_TYPES_H

#include <stddef.h>
#include <stdint.h>

enum {
    STK_FPS = 25,             /* every subject is brought to this rate */
    STK_SAMPLE_RATE = 16000,  /* and its sound to this one */
    STK_LANDMARKS = 478,      /* face mesh 468 + 2 x 5 iris */
    STK_MESH_LANDMARKS = 468, /* those that the canonical face model has */
    STK_BLENDSHAPES = 52,     /* reference.md 8.1 order (tongueOut last, always 0) */
    STK_EXPRESSIONS = 7,      /* the published selection "upper", reference.md 8.2 */
    STK_AUDIO_WINDOW = 8,     /* feature rows per video frame, reference.md 2.4 att=2 */
    STK_MEL_BINS = 80,
    STK_MEL_STEPS = 16,
    STK_SUBJECT_SIDE_MIN = 64, /* a subject's picture, prepared or opened; even */
    STK_SUBJECT_SIDE_MAX = 1024,
    STK_LANDMARK_MAX = 100000, /* px: what a file may say; so far out there is no picture */
    STK_EXPRESSION_MAX = 1000, /* what a file may say of blendshapes, which are shares of 1 */
};

/* 8-bit picture, interleaved, `channels` 1 (grey), 3 (RGB) or 4 (RGBA). Rows are `stride` bytes
 * apart. Whether `data` is owned is said where the struct is handed over. */
typedef struct stk_image {
    uint8_t *data;
    int width, height, channels;
    ptrdiff_t stride;
} stk_image;

/* Half-open pixel rectangle [x0,x1) x [y0,y1). */
typedef struct stk_rect {
    int x0, y0, x1, y1;
} stk_rect;

/* Pinhole camera: u = cx - f X/Z, v = cy + f Y/Z for a cam point (reference.md 7.2). */
typedef struct stk_camera {
    float focal_px, cx_px, cy_px;
    int width, height;
} stk_camera;

/* x_cam = R x_head + t. R row-major, orthonormal; t in metres (t[2] < 0 in front of the camera). */
typedef struct stk_pose {
    float R[9];
    float t[3];
} stk_pose;

/* What a pose read from a file must be: R a rotation or near it (rows orthonormal within 0.02), t
 * within 100 m. Rays of anything else are not numbers, or so long that a step cannot move them. */
static inline int stk_pose_possible(const stk_pose *pose) {
    for (int i = 0; i < 3; i++) {
        const float *a = pose->R + 3 * i;
        for (int j = i; j < 3; j++) {
            const float *b = pose->R + 3 * j;
            const float error = a[0] * b[0] + a[1] * b[1] + a[2] * b[2] - (i == j ? 1.0f : 0.0f);
            if (!(error > -0.02f && error < 0.02f)) return 0;
        }
        if (!(pose->t[i] > -100.0f && pose->t[i] < 100.0f)) return 0;
    }
    return 1;
}

/* One face: x, y in pixels of the picture given, z in pixels of the same scale (smaller is nearer,
 * MediaPipe's convention). */
typedef struct stk_landmarks {
    float xyz[STK_LANDMARKS][3];
    int count;   /* 478 with irises, 468 without */
    float score; /* face presence in [0,1] */
} stk_landmarks;

/* Mono float sound in [-1, 1]; owned by whoever the function that fills it says. */
typedef struct stk_sound {
    float *samples;
    int64_t count;
    int rate;
} stk_sound;

/* Parsing classes; a label map is one byte a pixel. */
typedef enum stk_label {
    STK_LABEL_BACKGROUND = 0,
    STK_LABEL_HEAD = 1, /* face, hair, ears */
    STK_LABEL_NECK = 2,
    STK_LABEL_TORSO = 3,
} stk_label;

static inline uint8_t *stk_image_row(const stk_image *image, int y) {
    return image->data + (ptrdiff_t)y * image->stride;
}
/* NaN gives lo. */
static inline float stk_clampf(float v, float lo, float hi) {
    return !(v > lo) ? lo : v > hi ? hi : v;
}
static inline int stk_clampi(int v, int lo, int hi) { return v < lo ? lo : v > hi ? hi : v; }

#endif
