/* bench_lk.c - the kernels that follow points, under every CPU mask, one thread: nanoseconds a call
 * and a pixel; then whole frames of the head points tracker on a textured picture of 512 x 512 that
 * moves, in processor time.
 *
 * The best of several rounds counts: the least disturbed one.
 */
#include "base/clock.h"
#include "base/cpu.h"
#include "base/face_mesh.h"
#include "base/image.h"
#include "base/memory.h"
#include "base/rng.h"
#include "head_sync/points_tracker.h"
#include "kernels/lk.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { SIDE = 512, CALLS = 2000, ROUNDS = 12, FRAMES = 60, POINTS = 300, SLOTS = 6 };

static const char *const slot_names[SLOTS] = {"grey row",       "smooth row",     "halve row",
                                              "16 x 16 sample", "dots of 4 rows", "dots of 8"};

typedef struct bench {
    stk_lk_kernels kernels;
    uint8_t *rgb;
    uint16_t *grey, *out;
    float *basis, *samples;
} bench;

static void call(const bench *b, int slot, int i) {
    const int y = 1 + i % (SIDE - 4);
    const uint16_t *row = b->grey + (size_t)y * SIDE;
    const uint16_t *rows[4] = {row - SIDE, row, row + SIDE, row + 2 * SIDE};
    const float warp[6] = {1.01f,  0.02f, 60 + (float)(i * 37 % 380),
                           -0.02f, 0.98f, 60 + (float)(i * 91 % 380)};
    const stk_lk_plane plane = {b->grey, SIDE, SIDE, SIDE};
    float sums[STK_LK_ROWS_MAX + 1];
    switch (slot) {
    case 0:
        b->kernels.grey(SIDE, b->rgb + (size_t)(3 * y) * SIDE, b->out);
        break;
    case 1:
        b->kernels.smooth(SIDE, rows[0], rows[1], rows[2], b->out);
        break;
    case 2:
        b->kernels.halve(SIDE / 2, SIDE, rows, b->out);
        break;
    case 3:
        b->kernels.sample(&plane, warp, 128, b->samples);
        break;
    case 4:
        b->kernels.dots(4, b->basis, b->samples, sums);
        break;
    default:
        b->kernels.dots(8, b->basis, b->samples, sums);
        break;
    }
}

static double best_ns(const bench *b, int slot) {
    double best = INFINITY;
    for (int round = 0; round < ROUNDS; round++) {
        const double start = stk_clock_s();
        for (int i = 0; i < CALLS; i++) call(b, slot, i);
        best = fmin(best, 1e9 * (stk_clock_s() - start) / CALLS);
    }
    return best;
}

static double processor_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* A picture of smooth random texture, moved by whole pixels, and the landmarks with it. */
static void move(const bench *b, int frame, stk_image *image, float landmarks[STK_LANDMARKS][3]) {
    const int dx = (int)lrint(6 * sin(0.3 * frame)), dy = (int)lrint(4 * sin(0.2 * frame));
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            const int u = stk_clampi(x - dx, 0, SIDE - 1), v = stk_clampi(y - dy, 0, SIDE - 1);
            for (int c = 0; c < 3; c++)
                stk_image_row(image, y)[3 * x + c] =
                    (uint8_t)(b->grey[(size_t)v * SIDE + (size_t)u] / STK_LK_ONE);
        }
    for (int k = 0; k < STK_LANDMARKS; k++) {
        const float *p = stk_canonical_face()[k < STK_MESH_LANDMARKS ? k : 0];
        landmarks[k][0] = 256 + 1800 * p[0] + (float)dx;
        landmarks[k][1] = 256 - 1800 * p[1] + (float)dy;
        landmarks[k][2] = -1800 * p[2];
    }
}

static int frames_ms(const bench *b, double *ms, int *alive) {
    static float landmarks[STK_LANDMARKS][3];
    const stk_points_settings settings = {.alive = POINTS};
    stk_points_tracker *tracker;
    stk_points_figures figures;
    stk_tracks tracks;
    stk_image image;
    double spent = 0;
    if (stk_image_init(&image, SIDE, SIDE, 3) != STK_OK ||
        stk_points_tracker_create(&tracker, SIDE, SIDE, FRAMES, &settings) != STK_OK)
        return -1;
    for (int i = 0; i < FRAMES; i++) {
        move(b, i, &image, landmarks);
        const double start = processor_s();
        if (stk_points_tracker_push(tracker, i, &image, (const float(*)[3])landmarks, NULL))
            return -1;
        spent += processor_s() - start;
    }
    if (stk_points_tracker_finish(tracker, &tracks, &figures) != STK_OK) return -1;
    *ms = 1e3 * spent / FRAMES;
    *alive = (int)(tracks.first[FRAMES] / FRAMES);
    stk_tracks_clear(&tracks);
    stk_points_tracker_free(&tracker);
    stk_image_clear(&image);
    return 0;
}

static int make(bench *b) {
    stk_rng rng;
    stk_rng_seed(&rng, 1, 2);
    b->rgb = stk_calloc_aligned((size_t)3 * SIDE * SIDE, 1);
    b->grey = stk_calloc_aligned((size_t)SIDE * SIDE, sizeof *b->grey);
    b->out = stk_calloc_aligned(SIDE, sizeof *b->out);
    b->basis = stk_calloc_aligned((size_t)STK_LK_ROWS_MAX * STK_LK_SAMPLES, sizeof *b->basis);
    b->samples = stk_calloc_aligned(STK_LK_SAMPLES, sizeof *b->samples);
    if (!b->rgb || !b->grey || !b->out || !b->basis || !b->samples) return -1;
    for (int i = 0; i < SIDE * SIDE; i++) {
        const float x = (float)(i % SIDE), y = (float)(i / SIDE);
        float level = 128 + 25 * sinf(0.31f * x + 0.1f * y) + 25 * sinf(0.23f * y - 0.15f * x);
        level += 20 * sinf(0.07f * x + 0.4f * sinf(0.05f * y)) + 20 * sinf(0.5f * y + 0.03f * x);
        b->grey[i] = (uint16_t)(level * STK_LK_ONE);
    }
    for (int i = 0; i < STK_LK_ROWS_MAX * STK_LK_SAMPLES; i++) b->basis[i] = stk_rng_normal(&rng);
    return 0;
}

int main(void) {
    static const uint32_t masks[] = {0, STK_CPU_AVX2, STK_CPU_AVX2 | STK_CPU_AVX512};
    bench b;
    if (make(&b) != 0) return 1;
    for (int m = 0; m < 3; m++) {
        double ms;
        int alive;
        stk_cpu_set_mask(masks[m]);
        stk_lk_kernels_init(&b.kernels);
        printf("%s:\n", b.kernels.isa);
        for (int slot = 0; slot < SLOTS; slot++)
            printf("  %-16s %8.1f ns\n", slot_names[slot], best_ns(&b, slot));
        if (frames_ms(&b, &ms, &alive) != 0) return 1;
        printf("  frame of %d x %d, %d points: %.2f ms of one processor\n", SIDE, SIDE, alive, ms);
    }
    return 0;
}
