/* motion.c - see motion.h. The acts (nods, blinks ...) come from score.c; here they are played.
 *
 *   time -> torso sway, breath -> torso pose
 *        -> waves + nods -> yaw, pitch, roll; the neck's pivot, carried by the torso -> head pose
 *        -> head pose + fixation -> gaze of each eye
 *
 * A wave is hashed gradient noise over time: two lattices, half a cell apart, hardly anything above
 * 1.4 / period. Everything is a function of the time alone.
 */
#include "presenter/motion.h"
#include "base/memory.h"
#include "presenter/noise.h"
#include "presenter/score.h"

#include <math.h>
#include <string.h>

static const float DEGREE = 0.017453293f;
static const float LIMIT_DEG = 13.5f;  /* of a head angle, approached smoothly */
static const float LAG_S = 0.3f;       /* of the torso behind the head */
static const float TURN_SHARE = 0.45f; /* of a turn that the torso takes along */
static const float PICTURE_M = 0.485f; /* the picture's height at the head */
static const float HEAD_UP_M = 0.022f; /* head origin above the picture's middle */
static const float SACCADE_S = 0.045f;
static const float EYE_SPAN = 0.5235988f; /* eyeLook* = 1: 30 degrees */
static const float FOLLOW_RAD = 0.5f;     /* eyes follow the camera up to here, not at twice it */
static const float pivot[3] = {0, -0.12f, -0.04f}; /* of head on torso, rest frame */

enum { BREATHS_PER_MINUTE = 15 };

/* Rows of the blendshape table (doc/FORMATS.md). */
enum {
    BROW_DOWN_L = 0,
    BROW_DOWN_R,
    BROW_INNER_UP,
    BROW_OUTER_UP_L,
    BROW_OUTER_UP_R,
    CHEEK_SQUINT_L = 6,
    CHEEK_SQUINT_R,
    BLINK_L,
    BLINK_R,
    LOOK_DOWN_L,
    LOOK_DOWN_R,
    LOOK_IN_L,
    LOOK_IN_R,
    LOOK_OUT_L,
    LOOK_OUT_R,
    LOOK_UP_L,
    LOOK_UP_R,
    SQUINT_L,
    SQUINT_R,
    WIDE_L,
    WIDE_R,
    DIMPLE_L = 27,
    DIMPLE_R,
    SMILE_L = 43,
    SMILE_R
};

typedef struct angles {
    float yaw, pitch, roll; /* rad: to the picture's right, down, counter-clockwise */
} angles;

struct stk_motion {
    stk_score score;
    uint32_t seed;
    double turn_start_s, turn_end_s;
    float turn_rad;
};

/* --- waves ------------------------------------------------------------------------------------ */

static float ease(float t) {
    t = stk_clampf(t, 0, 1);
    return t * t * t * (t * (t * 6 - 15) + 10);
}

static float lattice(double cells, uint32_t stream, uint32_t seed) {
    const double whole = floor(cells);
    const float u = (float)(cells - whole), s = ease(u);
    const uint32_t cell = (uint32_t)(int64_t)whole;
    const float scale = 2.0f / 4294967296.0f;
    const float a = (float)stk_noise_hash(cell, stream, 0, seed) * scale - 1;
    const float b = (float)stk_noise_hash(cell + 1, stream, 0, seed) * scale - 1;
    return a * u * (1 - s) + b * (u - 1) * s;
}

/* Root mean square 1, zero mean, features of `period_s`. */
static float wave(const stk_motion *m, double time_s, double period_s, uint32_t stream) {
    static const float unit = 1 / (0.1407f * 1.41421356f);
    const double cells = time_s / period_s;
    return unit *
           (lattice(cells, 2 * stream, m->seed) + lattice(cells + 0.5, 2 * stream + 1, m->seed));
}

static float limited(float degrees) {
    return LIMIT_DEG * tanhf(degrees / LIMIT_DEG) * DEGREE;
}

/* --- angles ----------------------------------------------------------------------------------- */

enum {
    YAW_SLOW,
    YAW_QUICK,
    PITCH_SLOW,
    PITCH_QUICK,
    ROLL_SLOW,
    ROLL_QUICK,
    SWAY_X,
    SWAY_Y,
    SWAY_Z,
    LEAN,
    TWIST,
    PACE,
    BROWS,
    LIDS,
    STREAMS
};

static angles head_waves(const stk_motion *m, double t) {
    const float yaw = 4.2f * wave(m, t, 3.6, YAW_SLOW) + 3.1f * wave(m, t, 1.25, YAW_QUICK);
    const float pitch = 2.6f * wave(m, t, 3.1, PITCH_SLOW) + 2.0f * wave(m, t, 1.15, PITCH_QUICK);
    const float roll = 1.8f * wave(m, t, 4.1, ROLL_SLOW) + 1.4f * wave(m, t, 1.4, ROLL_QUICK);
    return (angles){yaw, pitch, roll - 0.2f * yaw}; /* degrees */
}

static float turn_of(const stk_motion *m, double t) {
    static const float ramp_s = 0.8f;
    if (m->turn_rad == 0 || t <= m->turn_start_s || t >= m->turn_end_s) return 0;
    const float ramp = fminf(ramp_s, 0.4f * (float)(m->turn_end_s - m->turn_start_s));
    const float inside = (float)fmin(t - m->turn_start_s, m->turn_end_s - t);
    return m->turn_rad * ease(inside / ramp);
}

static angles head_angles(const stk_motion *m, double t) {
    angles a = head_waves(m, t);
    for (int i = 0; i < m->score.acts_count; i++) {
        const stk_act *act = &m->score.acts[i];
        if (act->kind != STK_ACT_NOD) continue;
        const float strength = stk_act_strength(act, t) / DEGREE;
        a.pitch += act->amount * strength;
        a.yaw += act->lean * strength;
    }
    const float turn = turn_of(m, t), calm = 1 - 0.7f * fabsf(turn) / (90 * DEGREE);
    return (angles){limited(a.yaw) * calm + turn, limited(a.pitch) * calm, limited(a.roll) * calm};
}

static angles torso_angles(const stk_motion *m, double t) {
    const angles head = head_waves(m, t - (double)LAG_S);
    return (angles){limited(0.22f * head.yaw + 0.8f * wave(m, t, 5.3, TWIST)) +
                        TURN_SHARE * turn_of(m, t - 0.5 * (double)LAG_S),
                    limited(0.15f * head.pitch),
                    limited(0.18f * head.roll + 0.8f * wave(m, t, 6.1, LEAN))};
}

/* --- poses ------------------------------------------------------------------------------------ */

/* R = Ry(yaw) Rx(pitch) Rz(roll). */
static void rotation(const angles *a, float R[9]) {
    const float cy = cosf(a->yaw), sy = sinf(a->yaw), cp = cosf(a->pitch), sp = sinf(a->pitch);
    const float cr = cosf(a->roll), sr = sinf(a->roll);
    R[0] = cy * cr + sy * sp * sr;
    R[1] = sy * sp * cr - cy * sr;
    R[2] = sy * cp;
    R[3] = cp * sr;
    R[4] = cp * cr;
    R[5] = -sp;
    R[6] = cy * sp * sr - sy * cr;
    R[7] = cy * sp * cr + sy * sr;
    R[8] = cy * cp;
}

static void apply(const float R[9], const float x[3], float y[3]) {
    for (int i = 0; i < 3; i++) y[i] = R[3 * i] * x[0] + R[3 * i + 1] * x[1] + R[3 * i + 2] * x[2];
}

static double breath_of(const stk_motion *m, double t) {
    return t * BREATHS_PER_MINUTE / 60 + 0.12 * (double)wave(m, t, 9, PACE) +
           0.1 * (double)(m->seed % 10);
}

static void pose_bones(const stk_motion *m, double t, float focal_over_height, stk_bones *bones) {
    const angles head = head_angles(m, t), torso = torso_angles(m, t);
    rotation(&head, bones->head.R);
    rotation(&torso, bones->torso.R);
    const float breath = sinf((float)(6.283185307 * breath_of(m, t)));
    const float sway[3] = {0.007f * wave(m, t, 6.7, SWAY_X) + 0.003f * wave(m, t, 2.3, SWAY_X + 40),
                           0.0025f * wave(m, t, 5.9, SWAY_Y) + 0.0012f * breath,
                           0.009f * wave(m, t, 5.1, SWAY_Z)};
    /* the torso turns about the pivot too: its place in cam is the rest place and the sway */
    float carried[3];
    apply(bones->torso.R, pivot, carried);
    for (int k = 0; k < 3; k++) bones->torso.t[k] = sway[k] + pivot[k] - carried[k];
    bones->torso.t[1] += HEAD_UP_M;
    bones->torso.t[2] -= PICTURE_M * focal_over_height;
    float turned[3];
    apply(bones->head.R, pivot, turned);
    for (int k = 0; k < 3; k++) bones->head.t[k] = carried[k] + bones->torso.t[k] - turned[k];
}

/* --- face ------------------------------------------------------------------------------------- */

static void raise_to(float *value, float target) {
    *value = fmaxf(*value, stk_clampf(target, 0, 1));
}

static void lift(float *value, float amount) {
    *value = stk_clampf(*value + amount, 0, 1);
}

static void play_acts(const stk_motion *m, double t, float *shape) {
    for (int i = 0; i < m->score.acts_count; i++) {
        const stk_act *act = &m->score.acts[i];
        const float v = act->amount * stk_act_strength(act, t);
        const float left = v * (1 + act->lean), right = v * (1 - act->lean);
        if (v == 0) continue;
        switch (act->kind) {
        case STK_ACT_NOD:
            break;
        case STK_ACT_BLINK:
            raise_to(&shape[BLINK_L], v);
            raise_to(&shape[BLINK_R], v);
            break;
        case STK_ACT_BROW:
            lift(&shape[BROW_INNER_UP], v);
            lift(&shape[BROW_OUTER_UP_L], 0.8f * left);
            lift(&shape[BROW_OUTER_UP_R], 0.8f * right);
            lift(&shape[WIDE_L], 0.3f * v);
            lift(&shape[WIDE_R], 0.3f * v);
            break;
        case STK_ACT_FROWN:
            lift(&shape[BROW_DOWN_L], v);
            lift(&shape[BROW_DOWN_R], v);
            break;
        case STK_ACT_SMILE:
            lift(&shape[SMILE_L], left);
            lift(&shape[SMILE_R], right);
            lift(&shape[CHEEK_SQUINT_L], 0.7f * left);
            lift(&shape[CHEEK_SQUINT_R], 0.7f * right);
            lift(&shape[SQUINT_L], 0.4f * left);
            lift(&shape[SQUINT_R], 0.4f * right);
            lift(&shape[DIMPLE_L], 0.2f * left);
            lift(&shape[DIMPLE_R], 0.2f * right);
            break;
        }
    }
}

/* Where the eyes look beside the camera: the fixation of the time, reached by a saccade. */
static stk_fixation fixation_at(const stk_motion *m, double t) {
    const stk_fixation *f = m->score.fixations;
    int i = 0;
    if (m->score.fixations_count == 0) return (stk_fixation){0};
    while (i + 1 < m->score.fixations_count && f[i + 1].start_s <= t) i++;
    if (i == 0) return f[0];
    const float share = ease((float)(t - f[i].start_s) / SACCADE_S);
    return (stk_fixation){t, f[i - 1].yaw_rad + share * (f[i].yaw_rad - f[i - 1].yaw_rad),
                          f[i - 1].pitch_rad + share * (f[i].pitch_rad - f[i - 1].pitch_rad)};
}

/* The camera's direction from one eye, in the head frame, and the fixation's offset. `side` -1: the
 * person's right eye. */
static void aim_eye(const stk_pose *head, const stk_fixation *fixation, int side, float *shape) {
    const float eye[3] = {(float)side * 0.0315f, 0.0265f, 0.025f};
    float place[3], to_camera[3];
    apply(head->R, eye, place);
    for (int k = 0; k < 3; k++) place[k] += head->t[k];
    for (int k = 0; k < 3; k++)
        to_camera[k] =
            -(head->R[k] * place[0] + head->R[3 + k] * place[1] + head->R[6 + k] * place[2]);
    const float across = atan2f(to_camera[0], to_camera[2]) + fixation->yaw_rad;
    const float level = sqrtf(to_camera[0] * to_camera[0] + to_camera[2] * to_camera[2]);
    const float up = atan2f(to_camera[1], level) + fixation->pitch_rad;
    /* who has turned far away from the camera looks where the head points */
    const float keep = 1 - ease((fabsf(across) - FOLLOW_RAD) / FOLLOW_RAD);
    const float h = keep * stk_clampf(across / EYE_SPAN, -0.85f, 0.85f);
    const float v = stk_clampf(up / EYE_SPAN, -0.7f, 0.7f);
    const int right = side < 0; /* of the pairs: left, right */
    const float outwards = right ? -h : h;
    lift(&shape[LOOK_OUT_L + right], fmaxf(outwards, 0));
    lift(&shape[LOOK_IN_L + right], fmaxf(-outwards, 0));
    lift(&shape[LOOK_UP_L + right], fmaxf(v, 0));
    lift(&shape[LOOK_DOWN_L + right], fmaxf(-v, 0));
}

/* The face at rest: lips and lower lids of somebody who likes to be listened to. */
static void be_friendly(float *shape) {
    for (int side = 0; side < 2; side++) {
        lift(&shape[SMILE_L + side], 0.20f);
        lift(&shape[CHEEK_SQUINT_L + side], 0.06f);
        lift(&shape[SQUINT_L + side], 0.08f);
    }
}

static void express(const stk_motion *m, double t, const stk_pose *head, float *shape) {
    const stk_fixation fixation = fixation_at(m, t);
    const float brows = wave(m, t, 2.2, BROWS), lids = wave(m, t, 1.7, LIDS);
    lift(&shape[BROW_INNER_UP], fmaxf(0.03f * brows, 0));
    be_friendly(shape);
    lift(&shape[BLINK_L], fmaxf(0.05f + 0.02f * lids, 0));
    lift(&shape[BLINK_R], fmaxf(0.05f + 0.02f * lids, 0));
    play_acts(m, t, shape);
    aim_eye(head, &fixation, -1, shape);
    aim_eye(head, &fixation, 1, shape);
}

/* --- outside ---------------------------------------------------------------------------------- */

stk_status stk_motion_create(stk_motion **out, int seed, double seconds,
                             const stk_utterance *utterance) {
    *out = NULL;
    stk_motion *motion = stk_calloc_aligned(1, sizeof *motion);
    if (motion == NULL) return stk_fail_memory("motion");
    motion->seed = stk_noise_hash((uint32_t)seed, 0x307, 0, 1);
    stk_status status = stk_score_write(&motion->score, seed, seconds, utterance);
    if (status == STK_OK)
        *out = motion;
    else
        stk_motion_free(&motion);
    return status;
}

void stk_motion_free(stk_motion **motion) {
    if (motion == NULL || *motion == NULL) return;
    stk_score_clear(&(*motion)->score);
    stk_free(*motion);
    *motion = NULL;
}

void stk_motion_turn(stk_motion *motion, double start_s, double end_s, float degrees) {
    motion->turn_start_s = start_s;
    motion->turn_end_s = end_s;
    motion->turn_rad = degrees * DEGREE;
}

void stk_motion_at(const stk_motion *motion, double time_s, float focal_over_height,
                   stk_bones *bones, stk_face_state *state, float *breath_phase) {
    pose_bones(motion, time_s, focal_over_height, bones);
    express(motion, time_s, &bones->head, state->shapes);
    const double breath = breath_of(motion, time_s);
    *breath_phase = (float)(breath - floor(breath));
}
