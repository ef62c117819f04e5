/* refine.c - see refine.h. */
#include "train/internal.h"
#include "base/memory.h"
#include "base/spd.h"
#include "head_sync/se3.h"

#include <math.h>
#include <string.h>

enum { SIX = STK_REFINE_CAMERA };
static const double BEGINS = 0.15;    /* of the run: before, the head is a blur */
static const double SHARE = 0.3;      /* of a Gauss-Newton step */
static const float NOISE = 0.1f;      /* of a ray's colour; errors beyond count less */
static const float WEIGHT_MIN = 0.3f; /* of a ray that has a place */
static const double TURN_SD = 0.005,  /* radians */
    SHIFT_SD = 0.004,                 /* ngp units: 1 mm */
    GAIN_SD = 0.02, OFFSET_SD = 0.01;

static const unsigned EITHER = STK_VARY_EXPOSURE | STK_VARY_CAMERA;

stk_status stk_refine_init(stk_trainer *t) {
    if (!(t->settings.vary & EITHER)) return STK_OK;
    t->refined = stk_calloc_aligned((size_t)t->performance.train_frames, sizeof *t->refined);
    t->refine_sums = stk_calloc_aligned((size_t)t->slots_max, sizeof *t->refine_sums);
    return t->refined != NULL && t->refine_sums != NULL ? STK_OK : stk_fail_memory("training");
}

/* --- camera ----------------------------------------------------------------------------------- */

static void cross(const float a[3], const float b[3], float c[3]) {
    for (int k = 0; k < 3; k++)
        c[k] = a[(k + 1) % 3] * b[(k + 2) % 3] - a[(k + 2) % 3] * b[(k + 1) % 3];
}

void stk_refine_see(const stk_ngp_camera *camera, const float point[3], float seen[3]) {
    const float *o = camera->origin, *R = camera->R;
    for (int k = 0; k < 3; k++)
        seen[k] =
            R[k] * (point[0] - o[0]) + R[3 + k] * (point[1] - o[1]) + R[6 + k] * (point[2] - o[2]);
}

void stk_refine_move(stk_ngp_camera *camera, const float moved[SIX]) {
    static const float head[3] = {0, 0, 0};
    const double axis[3] = {(double)moved[0], (double)moved[1], (double)moved[2]};
    double turn[9];
    float place[3], R[9];
    stk_so3_exp(axis, turn);
    stk_refine_see(camera, head, place);
    for (int i = 0; i < 3; i++) /* the camera's axes, turned the other way */
        for (int k = 0; k < 3; k++)
            R[3 * i + k] = camera->R[3 * i] * (float)turn[3 * k] +
                           camera->R[3 * i + 1] * (float)turn[3 * k + 1] +
                           camera->R[3 * i + 2] * (float)turn[3 * k + 2];
    memcpy(camera->R, R, sizeof R);
    for (int i = 0; i < 3; i++)
        camera->origin[i] =
            -(R[3 * i] * (place[0] + moved[3]) + R[3 * i + 1] * (place[1] + moved[4]) +
              R[3 * i + 2] * (place[2] + moved[5]));
}

void stk_refine_motion(const stk_ngp_camera *camera, const float seen[3], float motion[SIX][2]) {
    static const float head[3] = {0, 0, 0};
    float place[3], arm[3];
    stk_refine_see(camera, head, place);
    for (int k = 0; k < 3; k++) arm[k] = seen[k] - place[k];
    for (int i = 0; i < SIX; i++) {
        const float unit[3] = {i % 3 == 0, i % 3 == 1, i % 3 == 2};
        float d[3];
        if (i < 3)
            cross(unit, arm, d);
        else
            memcpy(d, unit, sizeof d);
        const float inverse = 1.0f / seen[2];
        motion[i][0] = camera->fx * (d[0] - seen[0] * d[2] * inverse) * inverse;
        motion[i][1] = camera->fy * (d[1] - seen[1] * d[2] * inverse) * inverse;
    }
}

void stk_refine_camera(const stk_trainer *t, int frame, stk_ngp_camera *camera) {
    stk_ngp_camera_from_pose(&t->performance.camera, &t->performance.poses[frame], camera);
    if (t->settings.vary & STK_VARY_CAMERA) stk_refine_move(camera, t->refined[frame]);
}

/* Slope of the target's channel at the pixel, a level a pixel; 0 at the rectangle's edge. */
static int slopes_at(const stk_trainer *t, int frame, const stk_ray_pick *pick,
                     float slopes[3][2]) {
    const stk_rect rect = stk_ray_cache_rect(t->cache);
    const int x = pick->col - rect.x0, y = pick->row - rect.y0;
    const int width = rect.x1 - rect.x0, height = rect.y1 - rect.y0;
    if (x < 1 || y < 1 || x + 1 >= width || y + 1 >= height) return 0;
    const size_t stride = (size_t)width * STK_RAY_BYTES;
    const uint8_t *at =
        stk_ray_cache_frame(t->cache, frame) + (size_t)y * stride + (size_t)x * STK_RAY_BYTES;
    for (int c = 0; c < 3; c++) {
        slopes[c][0] = (float)(at[STK_RAY_BYTES + c] - at[c - STK_RAY_BYTES]) / 510.0f;
        slopes[c][1] = (float)(at[(ptrdiff_t)stride + c] - at[c - (ptrdiff_t)stride]) / 510.0f;
    }
    return 1;
}

/* Errors beyond the noise count as if they were of its size. */
static float trust(float error) {
    return fabsf(error) > NOISE ? NOISE / fabsf(error) : 1.0f;
}

/* The picture is made - (what is seen where the point goes) = error - slope . motion . step. */
static void add_camera(const stk_trainer *t, int frame, const stk_refine_ray *ray,
                       stk_refine_sum *sum) {
    const float distance = ray->out->depth / ray->out->weight;
    float slopes[3][2], motion[SIX][2], point[3], seen[3];
    for (int k = 0; k < 3; k++) point[k] = ray->camera->origin[k] + distance * ray->direction[k];
    stk_refine_see(ray->camera, point, seen);
    if (!(seen[2] > 0.1f) || !slopes_at(t, frame, ray->pick, slopes)) return;
    stk_refine_motion(ray->camera, seen, motion);
    for (int c = 0; c < 3; c++) {
        const float error = ray->shown[c] - (float)ray->pick->target[c] / 255.0f;
        const float w = trust(error);
        float row[SIX];
        for (int i = 0; i < SIX; i++)
            row[i] = slopes[c][0] * motion[i][0] + slopes[c][1] * motion[i][1];
        for (int i = 0; i < SIX; i++) {
            for (int k = 0; k < SIX; k++) sum->camera[i][k] += w * row[i] * row[k];
            sum->camera[i][SIX] += w * row[i] * error;
        }
    }
}

/* --- exposure --------------------------------------------------------------------------------- */

stk_ray_out stk_refine_light(const stk_trainer *t, int frame, const stk_ray_out *out) {
    stk_ray_out lit = *out;
    if (!(t->settings.vary & STK_VARY_EXPOSURE)) return lit;
    const float *gain = t->refined[frame] + STK_REFINE_CAMERA, *offset = gain + 3;
    for (int c = 0; c < 3; c++)
        lit.rgb[c] = (1.0f + gain[c]) * out->rgb[c] + offset[c] * out->weight;
    return lit;
}

void stk_refine_light_back(const stk_trainer *t, int frame, stk_ray_dout *dout) {
    if (!(t->settings.vary & STK_VARY_EXPOSURE)) return;
    const float *gain = t->refined[frame] + STK_REFINE_CAMERA, *offset = gain + 3;
    for (int c = 0; c < 3; c++) {
        dout->weight += offset[c] * dout->rgb[c];
        dout->rgb[c] *= 1.0f + gain[c];
    }
}

static void add_exposure(const stk_refine_ray *ray, stk_refine_sum *sum) {
    for (int c = 0; c < 3; c++) {
        const float error = ray->shown[c] - (float)ray->pick->target[c] / 255.0f;
        const float row[2] = {ray->out->rgb[c], ray->out->weight}, w = trust(error);
        for (int i = 0; i < 2; i++) {
            for (int k = 0; k < 2; k++) sum->exposure[c][i][k] += w * row[i] * row[k];
            sum->exposure[c][i][2] -= w * row[i] * error;
        }
    }
}

/* --- steps ------------------------------------------------------------------------------------ */

void stk_refine_add(stk_trainer *t, int slot, const stk_refine_ray *ray) {
    if (ray->pick->label != STK_LABEL_HEAD || !(ray->out->weight > WEIGHT_MIN)) return;
    stk_refine_sum *sum = &t->refine_sums[slot];
    if (t->settings.vary & STK_VARY_CAMERA) add_camera(t, t->frame_list[slot], ray, sum);
    if (t->settings.vary & STK_VARY_EXPOSURE) add_exposure(ray, sum);
}

/* (A + P) x = b - P now; a share of x goes into now. A [n][n], b [n] are destroyed. */
static void take_step(int n, double *A, double *b, const double *priors, float *now[SIX]) {
    for (int i = 0; i < n; i++) {
        A[(n + 1) * i] += priors[i];
        b[i] -= priors[i] * (double)*now[i];
    }
    if (!stk_spd_solve(A, b, n)) return;
    for (int i = 0; i < n; i++)
        if (!isfinite(b[i])) return;
    for (int i = 0; i < n; i++) *now[i] += (float)(SHARE * b[i]);
}

static void update_camera(stk_trainer *t, int picture) {
    const double noise = (double)NOISE * (double)NOISE;
    const double turn = noise / (TURN_SD * TURN_SD), shift = noise / (SHIFT_SD * SHIFT_SD);
    const double priors[SIX] = {turn, turn, turn, shift, shift, shift};
    const int first = picture * t->plan.parts;
    double A[SIX * SIX] = {0}, b[SIX] = {0};
    float *now[SIX];
    for (int i = 0; i < SIX; i++) {
        now[i] = &t->refined[t->frame_list[first]][i];
        for (int part = 0; part < t->plan.parts; part++) {
            const float *row = t->refine_sums[first + part].camera[i];
            for (int k = 0; k < SIX; k++) A[SIX * i + k] += (double)row[k];
            b[i] += (double)row[SIX];
        }
    }
    take_step(SIX, A, b, priors, now);
}

static void update_exposure(stk_trainer *t, int picture) {
    const double noise = (double)NOISE * (double)NOISE;
    const double priors[2] = {noise / (GAIN_SD * GAIN_SD), noise / (OFFSET_SD * OFFSET_SD)};
    const int first = picture * t->plan.parts;
    float *refined = t->refined[t->frame_list[first]] + STK_REFINE_CAMERA;
    for (int c = 0; c < 3; c++) {
        double A[4] = {0}, b[2] = {0};
        float *now[SIX] = {&refined[c], &refined[3 + c]};
        for (int i = 0; i < 2; i++)
            for (int part = 0; part < t->plan.parts; part++) {
                const float *row = t->refine_sums[first + part].exposure[c][i];
                for (int k = 0; k < 2; k++) A[2 * i + k] += (double)row[k];
                b[i] += (double)row[2];
            }
        take_step(2, A, b, priors, now);
    }
}

void stk_refine_update(stk_trainer *t) {
    const int frames = t->performance.train_frames;
    if (!(t->settings.vary & EITHER) || t->fraction < BEGINS) return;
    for (int picture = 0; picture < t->plan.pictures; picture++) {
        if (t->settings.vary & STK_VARY_CAMERA) update_camera(t, picture);
        if (t->settings.vary & STK_VARY_EXPOSURE) update_exposure(t, picture);
    }
    for (int k = 0; k < STK_REFINED; k++) {
        double sum = 0;
        for (int i = 0; i < frames; i++) sum += (double)t->refined[i][k];
        const float mean = (float)(sum / frames);
        for (int i = 0; i < frames; i++) t->refined[i][k] -= mean;
    }
}
