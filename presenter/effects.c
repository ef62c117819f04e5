/* effects.c - see effects.h. */
#include "presenter/effects.h"
#include "presenter/noise.h"

#include <math.h>
#include <string.h>

static const float DEGREE = 0.017453293f;
static const float TURN = 6.2831853f;
static const float SHAKE_DEG = 0.5f; /* at most, about each axis */
static const float NEARER = 1.12f;   /* after the cut */

enum { BAND = 32, SCALE = 256 };

/* --- what happens when ------------------------------------------------------------------------ */

/* 1 from lo to hi, with slopes of `ramp` outside of them. */
static float during(float t, float lo, float hi, float ramp) {
    return stk_smoothstep(lo - ramp, lo, t) * stk_smoothstep(hi + ramp, hi, t);
}

/* Sum of three sines, 2 to 8 Hz, at most 1. */
static float tremble(float t, float phase) {
    return 0.5f * sinf(TURN * (2.3f * t + phase)) + 0.3f * sinf(TURN * (4.7f * t + 2 * phase)) +
           0.2f * sinf(TURN * (7.6f * t + 3 * phase));
}

/* Rx Ry Rz of small angles, exactly orthonormal. */
static void turn_xyz(float x, float y, float z, float R[9]) {
    const float cx = cosf(x), sx = sinf(x), cy = cosf(y), sy = sinf(y), cz = cosf(z), sz = sinf(z);
    const float rows[9] = {cy * cz,
                           -cy * sz,
                           sy,
                           cx * sz + sx * sy * cz,
                           cx * cz - sx * sy * sz,
                           -sx * cy,
                           sx * sz - cx * sy * cz,
                           sx * cz + cx * sy * sz,
                           cx * cy};
    memcpy(R, rows, sizeof rows);
}

void stk_effects_at(const stk_presenter_variant *variant, double time_s, double seconds,
                    stk_effects *e) {
    const float share = (float)(time_s / seconds), t = (float)time_s;
    *e = (stk_effects){.nearer = 1, .exposure = 1};
    if (variant->second_face) {
        const float third_s = (float)(seconds / 3);
        e->second = t >= third_s;
        e->place_m[0][0] = -0.115f;
        e->place_m[1][0] = 0.125f + 0.4f * stk_smoothstep(third_s + 0.8f, third_s, t);
        e->place_m[1][2] = -0.06f;
    }
    if (variant->cut && share >= 0.5f) {
        e->after_cut = 1;
        e->nearer = NEARER;
        e->place_m[0][0] += 0.06f;
        e->place_m[0][1] -= 0.015f;
    }
    if (variant->hand) e->hand = during(share, 0.4f, 0.6f, fminf(0.6f / (float)seconds, 0.1f));
    if (variant->brightness) e->exposure = 1 + 0.15f * sinf(TURN * 1.5f * share);
    if (variant->shake) {
        const float most = SHAKE_DEG * DEGREE;
        e->shaken = 1;
        turn_xyz(most * tremble(t, 0.1f), most * tremble(t, 0.43f), most * tremble(t, 0.77f),
                 e->shake);
    }
}

/* --- people ----------------------------------------------------------------------------------- */

static void shake_pose(const float S[9], stk_pose *pose) {
    const stk_pose p = *pose;
    for (int i = 0; i < 3; i++) {
        const float *row = S + 3 * i;
        pose->t[i] = row[0] * p.t[0] + row[1] * p.t[1] + row[2] * p.t[2];
        for (int j = 0; j < 3; j++)
            pose->R[3 * i + j] = row[0] * p.R[j] + row[1] * p.R[3 + j] + row[2] * p.R[6 + j];
    }
}

void stk_effects_place(const stk_effects *e, int which, stk_bones *bones) {
    stk_pose *poses[2] = {&bones->head, &bones->torso};
    /* both bones come nearer by the same way, so that the neck stays whole */
    const float step = which == 0 ? bones->torso.t[2] * (1 / e->nearer - 1) : 0;
    for (int i = 0; i < 2; i++) {
        for (int k = 0; k < 3; k++) poses[i]->t[k] += e->place_m[which][k];
        poses[i]->t[2] += step;
        if (e->shaken) shake_pose(e->shake, poses[i]);
    }
}

/* --- room ------------------------------------------------------------------------------------- */

int stk_shake_margin(const stk_camera *camera) {
    const float radians = SHAKE_DEG * DEGREE;
    const float corner = 0.5f * (float)(camera->width + camera->height);
    /* a turn of all there is: focal * angle, more at the corners by (corner / focal)^2, and roll */
    const float widened = 1 + corner * corner / (camera->focal_px * camera->focal_px);
    return 2 + (int)ceilf(radians * (camera->focal_px * widened + corner));
}

typedef struct seen_task {
    const stk_image *room;
    const stk_camera *camera;
    const float *S;
    stk_image *seen;
    int margin;
} seen_task;

static void sample(const stk_image *room, float x, float y, uint8_t *out) {
    const float limit_x = (float)(room->width - 1), limit_y = (float)(room->height - 1);
    const int fx = (int)(stk_clampf(x - 0.5f, 0, limit_x) * SCALE);
    const int fy = (int)(stk_clampf(y - 0.5f, 0, limit_y) * SCALE);
    const int x0 = fx / SCALE, y0 = fy / SCALE, wx = fx % SCALE, wy = fy % SCALE;
    const int x1 = x0 + (x0 + 1 < room->width), y1 = y0 + (y0 + 1 < room->height);
    const uint8_t *a = stk_image_row(room, y0), *b = stk_image_row(room, y1);
    for (int c = 0; c < 3; c++) {
        const int top = a[3 * x0 + c] * (SCALE - wx) + a[3 * x1 + c] * wx;
        const int low = b[3 * x0 + c] * (SCALE - wx) + b[3 * x1 + c] * wx;
        out[c] = (uint8_t)((top * (SCALE - wy) + low * wy + SCALE * SCALE / 2) / (SCALE * SCALE));
    }
}

/* A pixel's ray in the shaken camera, turned back, hits the room's picture where the still camera
 * sees it. */
static void see_band(void *ctx, int task, int worker) {
    const seen_task *job = ctx;
    const stk_camera *camera = job->camera;
    const float *S = job->S, f = camera->focal_px;
    (void)worker;
    const int end = stk_clampi((task + 1) * BAND, 0, job->seen->height);
    for (int v = task * BAND; v < end; v++) {
        uint8_t *row = stk_image_row(job->seen, v);
        for (int u = 0; u < job->seen->width; u++) {
            const float x = ((float)u + 0.5f - camera->cx_px) / f;
            const float y = -((float)v + 0.5f - camera->cy_px) / f;
            const float rx = S[0] * x + S[3] * y - S[6];
            const float ry = S[1] * x + S[4] * y - S[7];
            const float rz = S[2] * x + S[5] * y - S[8];
            sample(job->room, camera->cx_px - f * rx / rz + (float)job->margin,
                   camera->cy_px + f * ry / rz + (float)job->margin, row + 3 * u);
        }
    }
}

void stk_room_seen(const stk_image *room, int margin, const stk_camera *camera,
                   const float shake[9], stk_pool *pool, stk_image *seen) {
    seen_task task = {room, camera, shake, seen, margin};
    stk_pool_run(pool, (seen->height + BAND - 1) / BAND, see_band, &task);
}

void stk_expose(stk_image *rgb, float exposure) {
    uint8_t table[256];
    for (int i = 0; i < 256; i++) {
        const float light = exposure * stk_linear_from_srgb((float)i / 255);
        table[i] = (uint8_t)(255 * stk_srgb_from_linear(fminf(light, 1)) + 0.5f);
    }
    for (int y = 0; y < rgb->height; y++) {
        uint8_t *row = stk_image_row(rgb, y);
        for (int x = 0; x < 3 * rgb->width; x++) row[x] = table[row[x]];
    }
}
