/* synthetic_tracks.c */
#include "synthetic_tracks.h"
#include "base/memory.h"
#include "base/rng.h"
#include "base/spd.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A point of the half ellipsoid that faces the camera. */
static void pick_place(stk_rng *rng, double place[3]) {
    static const double AXES[3] = {0.075, 0.11, 0.08};
    double n = 0;
    for (int i = 0; i < 3; i++) {
        place[i] = stk_rng_normal(rng);
        n += place[i] * place[i];
    }
    place[2] = fabs(place[2]);
    for (int i = 0; i < 3; i++) place[i] *= AXES[i] / sqrt(n);
    place[2] -= 0.03;
}

static void project(const synthetic_tracks *clip, int frame, const double place[3], double px[2]) {
    const stk_se3 *pose = &clip->head.poses[frame];
    double c[3];
    stk_mat3_apply(pose->R, place, c);
    for (int i = 0; i < 3; i++) c[i] += pose->t[i];
    px[0] = 0.5 * clip->size - clip->focal_px * c[0] / c[2];
    px[1] = 0.5 * clip->size + clip->focal_px * c[1] / c[2];
}

/* Lives: which point each slot follows in each frame. */
static void pick_points(synthetic_tracks *clip, int32_t *of_slot, stk_rng *rng) {
    int points = 0, most = clip->slots * (clip->frames / 40 + 4);
    clip->place = calloc((size_t)most, sizeof *clip->place);
    clip->tracks.anchor = stk_calloc_aligned((size_t)most, sizeof *clip->tracks.anchor);
    clip->tracks.anchor_px = stk_calloc_aligned((size_t)most, sizeof *clip->tracks.anchor_px);
    int *left = calloc((size_t)clip->slots, sizeof *left);
    for (int f = 0; f < clip->frames; f++)
        for (int s = 0; s < clip->slots; s++) {
            int begin = f == 0 || (clip->cut > 0 && f == clip->cut);
            if (begin || left[s] == 0) {
                double px[2];
                left[s] = clip->everlasting ? clip->frames : 40 + (int)stk_rng_below(rng, 41);
                if (f == 0 && !clip->everlasting) left[s] = 1 + (int)stk_rng_below(rng, 80);
                pick_place(rng, clip->place[points]);
                clip->tracks.anchor[points] = f;
                project(clip, f, clip->place[points], px);
                for (int i = 0; i < 2; i++) clip->tracks.anchor_px[points][i] = (float)px[i];
                of_slot[s] = points++;
            }
            left[s]--;
            of_slot[(size_t)clip->slots * (size_t)(f + 1) + (size_t)s] = of_slot[s];
        }
    clip->tracks.points = points;
    free(left);
}

static int compare_observations(const void *a, const void *b) {
    const stk_observation *x = a, *y = b;
    return (x->point > y->point) - (x->point < y->point);
}

/* Of the brows, 0 or 1 most of the time. */
static double raised(int frame) {
    return 0.5 + 0.5 * tanh(4 * sin(0.13 * frame + 2 * sin(0.021 * frame)));
}

static void lift_brows(synthetic_tracks *clip) {
    double mean = 0, square = 0;
    for (int f = 0; f < clip->frames; f++) {
        const double nod = clip->head.poses[f].R[7];
        mean += nod / clip->frames;
        square += nod * nod / clip->frames;
    }
    for (int f = 0; f < clip->frames; f++) {
        const double nod = (clip->head.poses[f].R[7] - mean) / sqrt(square - mean * mean);
        clip->lift[f] = (float)(0.5 * nod + sqrt(1.5) * sin(0.31 * f + 2 * sin(0.05 * f)));
    }
}

static void observe(synthetic_tracks *clip, const int32_t *of_slot, stk_rng *rng) {
    stk_tracks *t = &clip->tracks;
    int64_t slots = clip->slots;
    for (int f = 0; f < clip->frames; f++) {
        const double shared[2] = {clip->shared_px > 0 ? clip->shared_px * stk_rng_normal(rng) : 0,
                                  clip->shared_px > 0 ? clip->shared_px * stk_rng_normal(rng) : 0};
        t->first[f] = f * slots;
        for (int s = 0; s < slots; s++) {
            stk_observation *o = &t->list[f * slots + s];
            double px[2];
            o->point = of_slot[(f + 1) * slots + s];
            project(clip, f, clip->place[o->point], px);
            double angle = 6.2831853 * stk_rng_float(rng), far = 0;
            if (clip->place[o->point][1] > -0.02) px[1] -= clip->lively_px * raised(f);
            if (clip->place[o->point][1] > 0.035) px[1] -= clip->brow_px * (double)clip->lift[f];
            if (stk_rng_float(rng) < clip->outliers) far = 5 + 25 * stk_rng_float(rng);
            o->x_px = (float)(px[0] + shared[0] + clip->noise_px * stk_rng_normal(rng) +
                              far * cos(angle));
            o->y_px = (float)(px[1] + shared[1] + clip->noise_px * stk_rng_normal(rng) +
                              far * sin(angle));
            o->weight = 1;
        }
        qsort(&t->list[f * slots], (size_t)slots, sizeof *t->list, compare_observations);
    }
    t->first[clip->frames] = clip->frames * slots;
}

static void give_start(synthetic_tracks *clip, stk_rng *rng) {
    for (int f = 0; f < clip->frames; f++) {
        const stk_se3 *pose = &clip->head.poses[f];
        double d[6], depth = fabs(pose->t[2]);
        for (int i = 0; i < 3; i++) {
            d[i] = clip->start_deg * M_PI / 180 / sqrt(3) * stk_rng_normal(rng);
            d[3 + i] = clip->start_px * depth / clip->focal_px * stk_rng_normal(rng);
        }
        stk_se3 moved;
        stk_se3_move(pose, d, &moved);
        moved.t[2] *= clip->start_focal;
        for (int i = 0; i < 9; i++) clip->given[f].R[i] = (float)moved.R[i];
        for (int i = 0; i < 3; i++) clip->given[f].t[i] = (float)moved.t[i];
    }
}

static void see_landmarks(synthetic_tracks *clip, stk_rng *rng) {
    for (int f = 0; f < clip->frames; f++)
        for (int v = 0; v < STK_MESH_LANDMARKS; v++) {
            double px[2];
            project(clip, f, clip->head.shape_head[v], px);
            for (int i = 0; i < 2; i++)
                clip->head.landmarks[f].xyz[v][i] =
                    (float)(px[i] + clip->landmark_px * stk_rng_normal(rng));
        }
    for (int v = 0; v < STK_MESH_LANDMARKS; v++)
        for (int i = 0; i < 3; i++)
            clip->shape[v][i] =
                (float)(clip->head.shape_head[v][i] + clip->shape_m * stk_rng_normal(rng));
}

void synthetic_tracks_make(synthetic_tracks *clip) {
    stk_rng rng;
    size_t n = (size_t)clip->frames;
    stk_rng_seed(&rng, clip->seed, 2);
    clip->head = (synthetic_head){.frames = clip->frames,
                                  .size = clip->size,
                                  .focal_px = clip->focal_px,
                                  .identity_m = 0.003,
                                  .motion = clip->motion,
                                  .distance_m = 0.6,
                                  .seed = clip->seed};
    synthetic_head_make(&clip->head);
    const double jump[6] = {0.1, -0.25, 0.05, 0.03, 0.01, -0.04};
    for (int f = clip->cut; clip->cut > 0 && f < clip->frames; f++) {
        stk_se3 before = clip->head.poses[f];
        stk_se3_move(&before, jump, &clip->head.poses[f]);
    }
    int32_t *of_slot = calloc((n + 1) * (size_t)clip->slots, sizeof *of_slot);
    clip->tracks = (stk_tracks){.frames = clip->frames, .width = clip->size, .height = clip->size};
    clip->tracks.first = stk_calloc_aligned(n + 1, sizeof *clip->tracks.first);
    clip->tracks.list = stk_calloc_aligned(n * (size_t)clip->slots, sizeof *clip->tracks.list);
    clip->given = calloc(n, sizeof *clip->given);
    clip->lift = calloc(n, sizeof *clip->lift);
    lift_brows(clip);
    pick_points(clip, of_slot, &rng);
    observe(clip, of_slot, &rng);
    free(of_slot);
    give_start(clip, &rng);
    see_landmarks(clip, &rng);
    float centre = 0.5f * (float)clip->size;
    clip->input = (stk_bundle_input){.tracks = &clip->tracks,
                                     .poses = clip->given,
                                     .camera = {(float)(clip->focal_px * clip->start_focal), centre,
                                                centre, clip->size, clip->size},
                                     .landmarks = clip->head.landmarks,
                                     .valid = clip->head.valid,
                                     .shape_head = (const float(*)[3])clip->shape};
}

void synthetic_tracks_clear(synthetic_tracks *clip) {
    synthetic_head_clear(&clip->head);
    stk_tracks_clear(&clip->tracks);
    free(clip->place);
    free(clip->given);
    free(clip->lift);
    clip->place = NULL, clip->given = NULL, clip->lift = NULL;
}

/* --- comparison ------------------------------------------------------------------------------- */

static int compare_doubles(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void as_double(const stk_pose *pose, stk_se3 *out) {
    for (int i = 0; i < 9; i++) out->R[i] = pose->R[i];
    for (int i = 0; i < 3; i++) out->t[i] = pose->t[i];
}

/* Normal equations of t = s t_true + R_true c. */
static void fit_origin(const synthetic_tracks *clip, const stk_bundle *bundle, double x[4]) {
    double A[16] = {0};
    memset(x, 0, 4 * sizeof(double));
    for (int f = 0; f < clip->frames; f++) {
        const stk_se3 *truth = &clip->head.poses[f];
        for (int i = 0; i < 3; i++) {
            double row[4] = {truth->t[i], truth->R[3 * i], truth->R[3 * i + 1],
                             truth->R[3 * i + 2]};
            for (int a = 0; a < 4; a++) {
                x[a] += row[a] * bundle->poses[f].t[i];
                for (int b = 0; b < 4; b++) A[4 * a + b] += row[a] * row[b];
            }
        }
    }
    stk_spd_solve(A, x, 4);
}

static void true_jitter(const synthetic_tracks *clip, tracks_error *e) {
    double turn = 0, shift = 0;
    int count = 0;
    for (int f = 2; f < clip->frames; f++) {
        const stk_se3 *p = &clip->head.poses[f];
        double relative[9], before[3], after[3];
        if (clip->cut > 0 && f - 2 < clip->cut && f >= clip->cut) continue;
        stk_mat3_mul_bt(p[-1].R, p[-2].R, relative);
        stk_so3_log(relative, before);
        stk_mat3_mul_bt(p[0].R, p[-1].R, relative);
        stk_so3_log(relative, after);
        for (int k = 0; k < 3; k++) turn += (after[k] - before[k]) * (after[k] - before[k]);
        for (int k = 0; k < 2; k++) {
            double d =
                p[0].t[k] / p[0].t[2] - 2 * p[-1].t[k] / p[-1].t[2] + p[-2].t[k] / p[-2].t[2];
            shift += clip->focal_px * clip->focal_px * d * d;
        }
        count++;
    }
    e->turn_second_deg = sqrt(turn / count) * 180 / M_PI;
    e->shift_second_px = sqrt(shift / count);
}

tracks_error synthetic_tracks_compare(const synthetic_tracks *clip, const stk_bundle *bundle) {
    tracks_error e = {0};
    size_t n = (size_t)clip->frames;
    double common[9] = {0}, x[4];
    double *turn = malloc(n * sizeof *turn), *place = malloc(n * sizeof *place);
    for (int f = 0; f < clip->frames; f++) { /* R = R_true Q */
        const double *R = clip->head.poses[f].R;
        for (int i = 0; i < 3; i++)
            for (int j = 0; j < 3; j++)
                for (int k = 0; k < 3; k++)
                    common[3 * i + j] += R[3 * k + i] * bundle->poses[f].R[3 * k + j];
    }
    stk_mat3_polar(common);
    fit_origin(clip, bundle, x);
    for (int f = 0; f < clip->frames; f++) {
        const stk_se3 *truth = &clip->head.poses[f];
        double expected[9], relative[9], w[3], shift[3];
        stk_se3 ours;
        as_double(&bundle->poses[f], &ours);
        stk_mat3_mul(truth->R, common, expected);
        stk_mat3_mul_bt(ours.R, expected, relative);
        stk_so3_log(relative, w);
        turn[f] = sqrt(w[0] * w[0] + w[1] * w[1] + w[2] * w[2]) * 180 / M_PI;
        stk_mat3_apply(truth->R, x + 1, shift);
        double sum = 0;
        for (int i = 0; i < 3; i++) {
            double d = ours.t[i] - x[0] * truth->t[i] - shift[i];
            sum += d * d;
        }
        place[f] = sqrt(sum) / fabs(ours.t[2]);
    }
    qsort(turn, n, sizeof *turn, compare_doubles);
    qsort(place, n, sizeof *place, compare_doubles);
    e.turn_deg = turn[n / 2];
    e.place = place[n / 2];
    e.scale = x[0];
    e.focal = bundle->camera.focal_px / clip->focal_px;
    true_jitter(clip, &e);
    free(turn);
    free(place);
    return e;
}
