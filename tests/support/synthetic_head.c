/* synthetic_head.c */
#include "base/face_mesh.h"
#include "synthetic_head.h"
#include "base/rng.h"
#include "head_sync/motion_tracker.h"

#include <math.h>
#include <stdlib.h>

static void make_identity(synthetic_head *clip, stk_rng *rng) {
    const float(*face)[3] = stk_canonical_face();
    enum { WAVES = 3 };
    double k[3][WAVES][4];
    for (int i = 0; i < 3; i++)
        for (int w = 0; w < WAVES; w++)
            for (int j = 0; j < 4; j++) k[i][w][j] = (j < 3 ? 30 : 3) * stk_rng_normal(rng);
    for (int v = 0; v < STK_MESH_LANDMARKS; v++)
        for (int i = 0; i < 3; i++) {
            double sum = 0;
            for (int w = 0; w < WAVES; w++)
                sum += sin(k[i][w][0] * face[v][0] + k[i][w][1] * face[v][1] +
                           k[i][w][2] * face[v][2] + k[i][w][3]);
            clip->shape_head[v][i] =
                face[v][i] + clip->identity_m * (sum / WAVES + 0.2 * stk_rng_normal(rng));
        }
}

/* Amplitude, and periods in frames of two incommensurable sines, per degree of freedom. */
static const double swing[6][3] = {
    {0.10, 61, 23},  {0.20, 97, 31},  {0.06, 83, 37},
    {0.02, 131, 41}, {0.012, 71, 29}, {0.025, 151, 53},
};

void synthetic_head_make(synthetic_head *clip) {
    stk_rng rng;
    stk_rng_seed(&rng, clip->seed, 1);
    make_identity(clip, &rng);
    size_t n = (size_t)clip->frames;
    clip->landmarks = calloc(n, sizeof *clip->landmarks);
    clip->valid = malloc(n);
    clip->poses = calloc(n, sizeof *clip->poses);
    double phase[6][2];
    for (int k = 0; k < 12; k++) phase[k / 2][k % 2] = 6.2831853 * stk_rng_float(&rng);
    const stk_se3 rest = {{1, 0, 0, 0, 1, 0, 0, 0, 1}, {0.01, -0.02, -clip->distance_m}};
    for (int i = 0; i < clip->frames; i++) {
        double d[6];
        for (int k = 0; k < 6; k++)
            d[k] = clip->motion * swing[k][0] *
                   (sin(6.2831853 * i / swing[k][1] + phase[k][0]) +
                    0.3 * sin(6.2831853 * i / swing[k][2] + phase[k][1]));
        stk_se3_move(&rest, d, &clip->poses[i]);
        clip->valid[i] = 1;
        clip->landmarks[i].count = STK_LANDMARKS;
        clip->landmarks[i].score = 1;
        double shake[2] = {clip->common_noise_px * stk_rng_normal(&rng),
                           clip->common_noise_px * stk_rng_normal(&rng)};
        for (int v = 0; v < STK_MESH_LANDMARKS; v++) {
            double c[3];
            stk_mat3_apply(clip->poses[i].R, clip->shape_head[v], c);
            for (int k = 0; k < 3; k++) c[k] += clip->poses[i].t[k];
            float *l = clip->landmarks[i].xyz[v];
            l[0] = (float)(0.5 * clip->size - clip->focal_px * c[0] / c[2] + shake[0] +
                           clip->noise_px * stk_rng_normal(&rng));
            l[1] = (float)(0.5 * clip->size + clip->focal_px * c[1] / c[2] + shake[1] +
                           clip->noise_px * stk_rng_normal(&rng));
        }
    }
}

void synthetic_head_clear(synthetic_head *clip) {
    free(clip->landmarks);
    free(clip->valid);
    free(clip->poses);
    clip->landmarks = NULL, clip->valid = NULL, clip->poses = NULL;
}
