/* comb.c - which way the hair lies.
 *
 * A strand is grown in small steps from its root: a field gives the way the comb went at each place
 * of the skull, the strand starts at an angle to the skin and bends down into the field, and the
 * radius map keeps it between a least and a largest height. Places are directions from the skull's
 * centre in units of half its length: u = (x to the picture's right, y up, z front).
 *
 *   SHORT   rays out of the whorl; front swept up and aside, sides short and tapering
 *   PARTED  away from the parting over the top, sides combed back over the ears
 *   BOB     away from the parting, then down by gravity to one level, a slight wave, ends inward
 */
#include <math.h>

#include "presenter/hair_private.h"
#include "presenter/noise.h"

enum { PATH_MAX = 160 };
static const float path_step = 0.0025f;

void stk_comb_init(stk_comb *comb, const stk_scalp *scalp, const stk_look *look) {
    stk_rng rng;
    stk_rng_seed(&rng, (uint64_t)look->seed, 0x636f6d62);
    comb->scalp = scalp;
    comb->style = look->hair;
    comb->seed = (uint32_t)look->seed * 2654435761u;
    comb->side = stk_rng_float(&rng) < 0.5f ? -1.0f : 1.0f;
    const float jitter = stk_rng_float(&rng);
    const float half = scalp->half;
    /* Hair that coils goes with dark skin here, and is worn short or relaxed. */
    const float *skin = look->skin_rgb;
    const float pale = 0.2126f * skin[0] + 0.7152f * skin[1] + 0.0722f * skin[2];
    comb->coil = look->hair == STK_HAIR_BOB ? 0 : stk_smoothstep(0.15f, 0.08f, pale);
    if (comb->coil > 0.5f) comb->style = STK_HAIR_SHORT;
    comb->part = comb->side * half * stk_mix(0.30f, 0.42f, jitter);
    if (look->hair == STK_HAIR_BOB) comb->part = comb->side * half * stk_mix(0.08f, 0.30f, jitter);
    comb->whorl[0] = scalp->centre[0] + comb->side * 0.12f * half;
    comb->whorl[1] = scalp->centre[1] + 0.80f * half;
    comb->whorl[2] = scalp->centre[2] - 0.55f * half;
    comb->end_y = scalp->chin_y + stk_mix(-0.028f, 0.008f, stk_rng_float(&rng));
}

/* Direction of a place from the centre in half lengths. */
static void place_of(const stk_comb *comb, const float p[3], float u[3]) {
    stk_sub3(p, comb->scalp->centre, u);
    for (int k = 0; k < 3; k++) u[k] /= comb->scalp->half;
}

float stk_comb_cap(const stk_comb *comb, const float position[3], float growth) {
    float u[3];
    place_of(comb, position, u);
    const float top = stk_smoothstep(0.1f, 0.8f, u[1]);
    float height;
    switch (comb->style) {
    case STK_HAIR_SHORT:
        height = stk_mix(0.0012f, 0.0075f, top);
        break;
    case STK_HAIR_PARTED:
        height = stk_mix(0.0025f, 0.0085f, top);
        break;
    default:
        height = stk_mix(0.0050f, 0.0095f, top);
        break;
    }
    const float full = stk_smoothstep(0.25f, 1.0f, growth);
    return stk_mix(-0.0015f, height, full);
}

/* Out of the whorl along the skull. */
static void flow_whorl(const stk_comb *comb, const float p[3], float d[3]) {
    stk_sub3(p, comb->whorl, d);
    d[0] += comb->side * 0.25f * d[2]; /* a spiral */
    stk_unit3(d);
}

static void flow_short(const stk_comb *comb, const float p[3], const float u[3], float d[3]) {
    flow_whorl(comb, p, d);
    const float side =
        stk_smoothstep(0.45f, 0.75f, fabsf(u[0])) * stk_smoothstep(0.75f, 0.45f, u[1]);
    const float back[3] = {0, -1.0f, -0.55f};
    stk_mix3(d, back, side, d);
    const float front = stk_smoothstep(0.15f, 0.75f, u[2]) * stk_smoothstep(0.25f, 0.6f, u[1]);
    const float swept[3] = {-0.85f * comb->side, 0.5f, -0.22f};
    stk_mix3(d, swept, 0.95f * front, d);
}

static void flow_parted(const stk_comb *comb, const float p[3], const float u[3], float d[3]) {
    const float part = comb->part / comb->scalp->half;
    const float away = stk_smoothstep(-0.06f, 0.06f, u[0] - part) * 2 - 1;
    flow_whorl(comb, p, d);
    const float behind = stk_smoothstep(-0.25f, -0.75f, u[2]);
    const float low = stk_smoothstep(0.55f, 0.15f, u[1]);
    const float over[3] = {away, 0.0f, -0.45f};
    const float back[3] = {0, -0.8f, -0.75f};
    float flow[3];
    stk_mix3(over, back, low, flow);
    const float nape[3] = {0, -1, 0.1f};
    stk_mix3(d, nape, stk_smoothstep(0.2f, -0.3f, u[1]), d);
    stk_mix3(flow, d, behind, d);
}

static void flow_bob(const stk_comb *comb, const float p[3], const float u[3], float d[3]) {
    const float part = comb->part / comb->scalp->half;
    const float away = stk_smoothstep(-0.05f, 0.05f, u[0] - part) * 2 - 1;
    flow_whorl(comb, p, d);
    const float behind = stk_smoothstep(-0.35f, -0.85f, u[2]);
    const float low = stk_smoothstep(0.75f, 0.2f, u[1]);
    const float line = stk_smoothstep(0.5f, 0.85f, u[2]);
    const float over[3] = {away, 0.1f + 0.1f * line, -0.30f - 0.25f * line};
    const float down[3] = {0.1f * away, -1, u[2] > 0 ? -0.18f : 0.0f};
    /* Below the skull's widest place it hangs, turned in towards the neck. */
    const float rear = stk_smoothstep(0.1f, -0.7f, u[2]);
    const float in =
        stk_mix(0.50f, 0.62f, rear) * stk_smoothstep(stk_mix(-0.50f, -0.15f, rear), -1.3f, u[1]);
    const float wide = sqrtf(u[0] * u[0] + u[2] * u[2]) + 1e-6f;
    const float hang[3] = {-in * u[0] / wide, -1, -0.9f * in * u[2] / wide};
    float flow[3];
    stk_mix3(over, down, low, flow);
    stk_mix3(d, hang, stk_smoothstep(0.5f, 0.0f, u[1]), d);
    stk_mix3(flow, d, behind, d);
    stk_mix3(d, hang, stk_smoothstep(0.1f, -0.35f, u[1]), d);
    /* What comes from the front goes behind the cheek before it hangs. */
    const float ragged = 0.007f * stk_noise3(50 * p[0], 18 * p[1], 0, comb->seed + 6);
    const float ahead = p[2] - comb->scalp->ear_z - 0.033f + ragged;
    const float aside = stk_smoothstep(0.35f, 0.7f, fabsf(u[0])) * stk_smoothstep(0.9f, 0.5f, u[1]);
    if (ahead > 0) d[2] -= aside * fminf(60 * ahead, 1.6f);
}

static void flow_at(const stk_comb *comb, const float p[3], float d[3]) {
    float u[3];
    place_of(comb, p, u);
    if (comb->style == STK_HAIR_SHORT)
        flow_short(comb, p, u, d);
    else if (comb->style == STK_HAIR_PARTED)
        flow_parted(comb, p, u, d);
    else
        flow_bob(comb, p, u, d);
}

/* Length of a strand and the angle at which it leaves the skin. */
static void cut_at(const stk_comb *comb, const stk_root *root, float *length, float *lift) {
    float u[3];
    place_of(comb, root->position, u);
    const float top = stk_smoothstep(0.40f, 0.80f, u[1]);
    const float front = stk_smoothstep(0.1f, 0.7f, u[2]);
    const float part = comb->part / comb->scalp->half;
    const float near = expf(-10 * (u[0] - part) * (u[0] - part));
    const float border = stk_smoothstep(0.0f, 0.8f, root->growth);
    switch (comb->style) {
    case STK_HAIR_SHORT: {
        const float sides = stk_mix(0.006f, 0.017f, stk_smoothstep(-0.35f, 0.55f, u[1]));
        *length = stk_mix(sides * stk_mix(0.6f, 1, border), stk_mix(0.034f, 0.046f, front), top);
        *lift = stk_mix(0.30f, stk_mix(0.55f, 1.15f, front), top);
        *length = stk_mix(*length, stk_mix(0.7f * sides, 0.018f, top), comb->coil);
        *lift = stk_mix(*lift, 1.1f, comb->coil);
        break;
    }
    case STK_HAIR_PARTED: {
        const float sides = stk_mix(0.018f, 0.045f, stk_smoothstep(-0.3f, 0.5f, u[1]));
        *length = stk_mix(sides * stk_mix(0.5f, 1, border), stk_mix(0.060f, 0.088f, front), top);
        *lift = stk_mix(0.22f, 0.32f + 0.22f * front * near, top);
        break;
    }
    default:
        *length = 0.38f; /* ended by its level */
        *lift = (0.20f + 0.22f * near * top) * stk_mix(0.4f, 1, border);
        break;
    }
}

/* How far above the cap a strand lies at most, m; those from the parting lie on top. */
static float layer_of(const stk_comb *comb, const stk_root *root) {
    float u[3];
    place_of(comb, root->position, u);
    const float top = stk_smoothstep(0.1f, 0.9f, u[1]);
    const float front = stk_smoothstep(0.0f, 0.7f, u[2]);
    if (comb->style == STK_HAIR_SHORT) {
        const float straight = stk_mix(0.0025f, stk_mix(0.006f, 0.022f, front), top);
        return stk_mix(straight, stk_mix(0.004f, 0.014f, top), comb->coil);
    }
    if (comb->style == STK_HAIR_PARTED) return stk_mix(0.003f, stk_mix(0.007f, 0.013f, front), top);
    return stk_mix(0.002f, 0.010f, top);
}

typedef struct growth_state {
    float p[3];
    float cap, layer; /* m */
    float length;
    float angle;
} growth_state;

/* One step along the flow; s is the share of the strand grown. */
static void grow_step(const stk_comb *comb, const stk_curl *curl, growth_state *state, float s) {
    float d[3], out[3], across[3], u[3];
    flow_at(comb, state->p, d);
    stk_sub3(state->p, comb->scalp->centre, out);
    stk_unit3(out);
    place_of(comb, state->p, u);
    const float hang = comb->style == STK_HAIR_BOB ? stk_smoothstep(0.15f, -0.30f, u[1]) : 0.0f;
    stk_add3(d, -(1 - hang) * stk_dot3(d, out), out, d);
    stk_unit3(d);
    stk_cross3(out, d, across);
    float turn = curl->turn * (1 - s);
    if (comb->style == STK_HAIR_BOB)
        turn += 0.42f * s * sinf(2 * 3.14159265f * s * state->length / 0.075f + curl->phase);
    const float rising = comb->style == STK_HAIR_BOB ? 0.2f : 0.7f; /* share of the length */
    const float bend = state->angle * (1 - stk_smoothstep(0.0f, rising, s));
    for (int k = 0; k < 3; k++)
        d[k] = cosf(bend) * (cosf(turn) * d[k] + sinf(turn) * across[k]) + sinf(bend) * out[k];
    stk_add3(state->p, path_step, d, state->p);
}

/* Keeps the point between the cap and the layer's height, and off the face. */
static void grow_confine(const stk_comb *comb, growth_state *state, float s) {
    const stk_scalp *scalp = comb->scalp;
    float d[3], u[3];
    stk_sub3(state->p, scalp->centre, d);
    const float skin = stk_scalp_radius(scalp, d);
    const float length = sqrtf(stk_dot3(d, d));
    place_of(comb, state->p, u);
    const float full = stk_comb_cap(comb, state->p, 1.0f);
    const float least = skin + stk_mix(state->cap, full, stk_smoothstep(0, 0.25f, s)) +
                        state->layer * stk_smoothstep(0, 0.6f, s) * 0.5f;
    const float most = least + state->layer * stk_mix(0.9f, 0.5f, s) + 0.001f;
    const float hang = comb->style == STK_HAIR_BOB ? stk_smoothstep(0.15f, -0.2f, u[1]) : 0.0f;
    float want = length;
    if (length < least)
        want = least;
    else if (length > most)
        want = stk_mix(most, length, fmaxf(hang, 0.4f));
    stk_add3(scalp->centre, want / length, d, state->p);
    if (comb->style == STK_HAIR_BOB)
        stk_scalp_clear_face(scalp, 0.94f, state->p);
    else if (state->p[1] < scalp->brow_y + 0.03f)
        stk_scalp_clear_face(scalp, 1.0f, state->p);
}

/* `count` points along a path of `steps` + 1, closer where it bends: a radian counts as 8 cm. */
static void path_resample(const float (*path)[3], int steps, int count, float (*points)[3]) {
    float along[PATH_MAX + 1], before[3] = {0, 0, 0};
    along[0] = 0;
    for (int i = 1; i <= steps; i++) {
        float d[3];
        stk_sub3(path[i], path[i - 1], d);
        const float length = stk_unit3(d);
        const float bend = i > 1 ? acosf(stk_clampf(stk_dot3(d, before), -1, 1)) : 0;
        along[i] = along[i - 1] + length + 0.08f * fminf(bend, 0.3f);
        for (int k = 0; k < 3; k++) before[k] = d[k];
    }
    for (int k = 0, i = 0; k < count; k++) {
        const float want = along[steps] * (float)k / (float)(count - 1);
        while (i < steps - 1 && along[i + 1] < want) i++;
        const float gap = along[i + 1] - along[i];
        stk_mix3(path[i], path[i + 1], gap > 0 ? stk_clampf((want - along[i]) / gap, 0, 1) : 0,
                 points[k]);
    }
}

/* Takes the corners off a path; both ends stay. */
static void path_smooth(float (*path)[3], int steps, int rounds) {
    for (int round = 0; round < rounds; round++) {
        float before[3];
        stk_add3(path[0], 0, path[0], before);
        for (int i = 1; i < steps; i++) {
            float middle[3], here[3];
            stk_mix3(before, path[i + 1], 0.5f, middle);
            stk_add3(path[i], 0, path[i], before);
            stk_mix3(path[i], middle, 0.6f, here);
            stk_add3(here, 0, here, path[i]);
        }
    }
}

void stk_comb_grow(const stk_comb *comb, const stk_root *root, const stk_curl *curl, int count,
                   float (*points)[3]) {
    float path[PATH_MAX + 1][3];
    growth_state state;
    float length, lift;
    cut_at(comb, root, &length, &lift);
    state.length = length * curl->length;
    state.angle = stk_clampf(lift + curl->lift, 0.02f, 1.45f);
    state.cap = stk_comb_cap(comb, root->position, root->growth);
    state.layer = fmaxf(layer_of(comb, root) + curl->layer, 0.0005f);
    const float sink = 0.0004f; /* the root is hidden in the cap */
    stk_add3(root->position, state.cap - sink, root->normal, state.p);
    stk_add3(state.p, 0, state.p, path[0]);
    const float end = comb->end_y - 0.055f * (curl->length - 1);
    int steps = stk_clampi((int)(state.length / path_step), 2, PATH_MAX);
    for (int i = 1; i <= steps; i++) {
        const float s = (float)i / (float)steps;
        grow_step(comb, curl, &state, s);
        grow_confine(comb, &state, comb->style == STK_HAIR_BOB ? fminf(1, 4 * s) : s);
        for (int k = 0; k < 3; k++) path[i][k] = state.p[k];
        if (comb->style == STK_HAIR_BOB && state.p[1] < end) steps = i;
    }
    path_smooth(path, steps, comb->style == STK_HAIR_BOB ? 12 : 4);
    path_resample((const float(*)[3])path, steps, count, points);
}
