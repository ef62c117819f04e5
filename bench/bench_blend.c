/* bench_blend - what pasting costs: a face of 60 % of a square, one thread.
 *
 *   bench_blend [square] [crop] [frame width] [frame height]
 */
#include "base/clock.h"
#include "base/cpu.h"
#include "base/face_mesh.h"
#include "base/image.h"
#include "base/memory.h"
#include "portrait_sync/fit.h"
#include "portrait_sync/parts.h"
#include "portrait_sync/paste.h"
#include "portrait_sync/portrait.h"
#include "portrait_sync/usual.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROUNDS = 50, LOOKS = 4 };

static void draw_mask(stk_image *mask) {
    const float half = 0.5f * (float)mask->width;
    for (int y = 0; y < mask->height; y++)
        for (int x = 0; x < mask->width; x++) {
            const float d = hypotf(1.2f * ((float)x - half), (float)y - half);
            stk_image_row(mask, y)[x] = (uint8_t)stk_clampf(30 * (0.6f * half - d), 0, 255);
        }
}

/* The mesh's texture, the oval drawn as an ellipse. */
static void lay_face(int side, float (*landmarks)[3]) {
    const float half = 0.5f * (float)side;
    for (int i = 0; i < STK_MESH_LANDMARKS; i++)
        for (int c = 0; c < 2; c++)
            landmarks[i][c] = half * (0.4f + 1.2f * stk_face_mesh_texture()[i][c]);
    for (int i = 0; i < STK_OVAL_POINTS; i++) {
        const float a = 6.2831853f * (float)i / STK_OVAL_POINTS;
        landmarks[stk_jaw_indices[i]][0] = half * (1 + 0.5f * sinf(a));
        landmarks[stk_jaw_indices[i]][1] = half * (1 - 0.6f * cosf(a));
    }
}

/* Everything that `render --portrait` does to a rendered face of a square but mixing it: ms. */
static double fit_once(int side, stk_image *square, stk_image *source, stk_image *mask) {
    static stk_fit fit, before;
    static float landmarks[STK_LANDMARKS][3], beyond[STK_CELLS * STK_CELLS];
    static uint8_t known[STK_CELLS * STK_CELLS];
    static stk_usual_face own;
    static int16_t shifts[3 * 2048];
    stk_blend_kernels kernels;
    stk_image labels;
    float *shape = stk_calloc_aligned(stk_face_mask_scratch(), sizeof *shape);
    float *rgba = stk_calloc_aligned((size_t)side * (size_t)side * 4, sizeof *rgba);
    if (shape == NULL || rgba == NULL || stk_image_init(&labels, side, side, 1) != STK_OK) return 0;
    for (int y = 0; y < side; y++)
        for (int x = 0; x < side; x++) stk_image_row(&labels, y)[x] = STK_LABEL_HEAD;
    lay_face(side, landmarks);
    const float(*face)[3] = (const float(*)[3])landmarks;
    stk_usual *usual = NULL;
    if (stk_usual_create(&usual, LOOKS) != STK_OK) return 0;
    for (int i = 0; i < LOOKS; i++) stk_usual_look(usual, source, face, 1);
    stk_usual_finish(usual);
    double best = 1e9;
    stk_blend_kernels_init(&kernels);
    for (int i = 0; i < ROUNDS; i++) {
        const double start = stk_clock_s();
        stk_face_shape(face, &labels, NULL, shape);
        stk_face_shape_reach(shape, mask);
        stk_face_shape_follow(shape, &labels, rgba, side, side);
        stk_face_shape_mask(shape, mask);
        stk_usual_compare(usual, source, face, 1, &own, beyond);
        stk_usual_hidden(beyond, STK_USUAL_CORE, known);
        stk_fit_measure(&fit, &(stk_fit_input){square, source, mask, face, 1, known});
        stk_fit_steady(&fit, &before);
        stk_fit_apply(&fit, &kernels, shifts, square, mask);
        best = fmin(best, stk_clock_s() - start);
    }
    stk_usual_free(&usual);
    stk_image_clear(&labels);
    stk_free(rgba);
    stk_free(shape);
    return 1e3 * best;
}

static int measure(int side, int crop, int width, int height) {
    stk_image square, source, mask, frame;
    stk_paste paste = {0};
    if (stk_image_init(&square, side, side, 3) != STK_OK ||
        stk_image_init(&source, side, side, 3) != STK_OK ||
        stk_image_init(&mask, side, side, 1) != STK_OK ||
        stk_image_init(&frame, width, height, 3) != STK_OK ||
        stk_paste_init(&paste, side, side,
                       (stk_rect){(width - crop) / 2, 0, (width - crop) / 2 + crop, crop}) !=
            STK_OK)
        return 1;
    uint16_t *scratch = stk_calloc_aligned(stk_paste_scratch(&paste), sizeof *scratch);
    if (scratch == NULL) return 1;
    draw_mask(&mask);
    double mixed = 1e9, pasted = 1e9;
    for (int i = 0; i < ROUNDS; i++) {
        const double start = stk_clock_s();
        stk_portrait_paste(&square, &mask, &source);
        const double middle = stk_clock_s();
        stk_paste_frame(&paste, &square, &mask, scratch, &frame);
        const double end = stk_clock_s();
        mixed = fmin(mixed, middle - start);
        pasted = fmin(pasted, end - middle);
    }
    printf("%-8s mixed at %d x %d %.3f ms, pasted into %d of %d x %d %.3f ms\n", paste.kernels.isa,
           side, side, 1e3 * mixed, crop, width, height, 1e3 * pasted);
    printf("%-8s mask, light and what hides the face %.3f ms\n", paste.kernels.isa,
           fit_once(side, &square, &source, &mask));
    stk_free(scratch);
    stk_paste_clear(&paste);
    stk_image_clear(&frame);
    stk_image_clear(&mask);
    stk_image_clear(&source);
    stk_image_clear(&square);
    return 0;
}

int main(int argc, char **argv) {
    const int side = argc > 1 ? atoi(argv[1]) : 512, crop = argc > 2 ? atoi(argv[2]) : 1080;
    const int width = argc > 3 ? atoi(argv[3]) : 1080, height = argc > 4 ? atoi(argv[4]) : 1920;
    static const uint32_t masks[] = {0, STK_CPU_AVX2, STK_CPU_AVX2 | STK_CPU_AVX512};
    for (int i = 0; i < 3; i++) {
        stk_cpu_set_mask(masks[i]);
        if (measure(side, crop, width, height) != 0) return 1;
    }
    return 0;
}
