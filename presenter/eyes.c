/* eyes.c - see eyes.h.
 *
 *   shapes eyeLook* -> turn of each globe -> vertices on rings about the optical axis
 *   lid margins of the skin -> shade: shadow of upper lid and lashes, of the corners
 *
 * uv = 0.5 + 0.5 (angle from the axis / STK_BUST_EYE_SPAN) (cos a, -sin a), a the angle about the
 * axis, 0 to the picture's right, counter-clockwise: both eyes share one picture.
 */
#include "presenter/eyes.h"

#include <string.h>

#include "presenter/bust_math.h"

enum {
    RINGS = 22,
    SECTORS = 40,
    GLOBE_VERTICES = 1 + RINGS * SECTORS,
    GLOBE_TRIANGLES = SECTORS * (2 * RINGS - 1),
};
/* Places in stk_face_state.shapes. */
enum { LOOK_DOWN_L = 10, LOOK_IN_L = 12, LOOK_OUT_L = 14, LOOK_UP_L = 16 }; /* + 1: right */

static const float LOOK_SPAN = 0.5235988f; /* 30 degrees at 1 */
static const float VERGENCE = 0.035f;      /* both eyes meet 0.9 m in front */
static const float CORNEA_RISE = 1.0e-3f;  /* apex over the sphere */
static const float CORNEA_ANGLE = 0.56f;   /* where it meets the sphere */

static float globe_radius(float radius, float angle) {
    const float t = angle / CORNEA_ANGLE;
    if (t >= 1) return radius;
    const float s = 1 - t * t;
    return radius + CORNEA_RISE * s * s;
}

/* Ring r's angle from the axis: dense over the iris. */
static float ring_angle(int r) {
    const float t = (float)r / RINGS;
    return STK_BUST_EYE_SPAN * (0.62f * t + 0.38f * t * t);
}

static void globe_connect(stk_surface *s, int first, int32_t (*out)[3]) {
    int count = 0;
    for (int r = 0; r < RINGS; r++)
        for (int a = 0; a < SECTORS; a++) {
            const int b = (a + 1) % SECTORS;
            const int o0 = first + 1 + r * SECTORS + a, o1 = first + 1 + r * SECTORS + b;
            const int i0 = r ? o0 - SECTORS : first, i1 = r ? o1 - SECTORS : first;
            memcpy(out[count++], (int32_t[3]){i0, o0, o1}, sizeof *out);
            if (r) memcpy(out[count++], (int32_t[3]){i0, o1, i1}, sizeof *out);
        }
    for (int r = 0; r <= RINGS; r++)
        for (int a = 0; a < (r ? SECTORS : 1); a++) {
            float *uv = s->uv[r ? first + 1 + (r - 1) * SECTORS + a : first];
            const float turn = 6.2831853f * (float)a / SECTORS;
            const float radius = 0.5f * ring_angle(r) / STK_BUST_EYE_SPAN;
            uv[0] = 0.5f + radius * cosf(turn), uv[1] = 0.5f - radius * sinf(turn);
        }
}

stk_status stk_eyes_init(stk_eyes *eyes, const stk_eye_globe globe[2], stk_material *material) {
    stk_surface *s = &eyes->surface;
    STK_TRY(stk_surface_init(s, "eyes", 2 * GLOBE_VERTICES, 2 * GLOBE_TRIANGLES));
    for (int e = 0; e < 2; e++) {
        eyes->globe[e] = globe[e];
        globe_connect(s, e * GLOBE_VERTICES, s->triangle + e * GLOBE_TRIANGLES);
    }
    memset(s->part, STK_PART_FACE, (size_t)s->triangles);
    s->material = material;
    s->casts = 0;
    return STK_OK;
}

void stk_eyes_clear(stk_eyes *eyes) {
    stk_surface_clear(&eyes->surface);
}

void stk_eyes_turn(stk_eyes *eyes, const stk_face_state *state) {
    for (int e = 0; e < 2; e++) {
        const float *s = state->shapes;
        const int right = e == 0; /* globe 0 is the person's right, at -x */
        const float out = s[LOOK_OUT_L + right] - s[LOOK_IN_L + right];
        const float up = LOOK_SPAN * (s[LOOK_UP_L + right] - s[LOOK_DOWN_L + right]);
        const float side = (right ? -1.0f : 1.0f) * (LOOK_SPAN * out - VERGENCE);
        const float cy = cosf(side), sy = sinf(side), cp = cosf(up), sp = sinf(up);
        const float R[9] = {cy, -sy * sp, sy * cp, 0, cp, sp, -sy, -cy * sp, cy * cp};
        memcpy(eyes->turn[e], R, sizeof R);
    }
}

static void globe_point(const stk_eyes *eyes, int which, float angle, float turn, float out[3]) {
    const stk_eye_globe *g = eyes->globe + which;
    const float *R = eyes->turn[which], radius = globe_radius(g->radius, angle);
    const float d[3] = {sinf(angle) * cosf(turn), sinf(angle) * sinf(turn), cosf(angle)};
    for (int k = 0; k < 3; k++) out[k] = g->centre[k] + radius * bust_dot(R + 3 * k, d);
}

float stk_eyes_radius(const stk_eyes *eyes, int which, const float direction[3]) {
    const float *R = eyes->turn[which];
    const float c = R[2] * direction[0] + R[5] * direction[1] + R[8] * direction[2];
    return globe_radius(eyes->globe[which].radius, acosf(stk_clampf(c, -1, 1)));
}

void stk_eyes_iris(const stk_eyes *eyes, int which, float points[5][3]) {
    globe_point(eyes, which, 0, 0, points[0]);
    for (int i = 0; i < 4; i++)
        globe_point(eyes, which, STK_BUST_IRIS_ANGLE, 1.5707963f * (float)i, points[1 + i]);
}

/* Height of one lid at x: linear between margin vertices from..to (ascending or descending x). */
static float lid_height(const float (*skin)[3], const int32_t *lid, int from, int to, float x) {
    const int step = from < to ? 1 : -1;
    for (int i = from; i != to; i += step) {
        const float *a = skin[lid[i % STK_LID_FINE]], *b = skin[lid[(i + step) % STK_LID_FINE]];
        if (x < b[0] || i + step == to) {
            const float t = b[0] > a[0] ? stk_clampf((x - a[0]) / (b[0] - a[0]), 0, 1) : 0;
            return bust_mix(a[1], b[1], t);
        }
    }
    return 0;
}

/* Light that reaches a point of the eyeball between the lids: the upper one and its lashes hide the
 * sky for some 5 mm, the lower one little, the corners are deep. */
static float globe_shade(const float p[3], const float (*skin)[3], const int32_t *lid) {
    const float *left = skin[lid[0]], *right = skin[lid[STK_LID_FINE / 2]];
    if (p[0] <= left[0] || p[0] >= right[0]) return 0.35f;
    const float top = lid_height(skin, lid, 0, STK_LID_FINE / 2, p[0]);
    const float foot = lid_height(skin, lid, STK_LID_FINE, STK_LID_FINE / 2, p[0]);
    const float below = (top - p[1]) * 1e3f, above = (p[1] - foot) * 1e3f;
    const float upper = 0.42f + 0.58f * bust_step(-0.8f, 5.0f, below);
    const float lower = 0.72f + 0.28f * bust_step(-0.5f, 2.0f, above);
    const float corner = 1e3f * fminf(p[0] - left[0], right[0] - p[0]);
    return upper * lower * (0.62f + 0.38f * bust_step(0, 6, corner));
}

void stk_eyes_set(stk_eyes *eyes, const float (*skin)[3], const int32_t (*lid)[STK_LID_FINE]) {
    stk_surface *s = &eyes->surface;
    for (int e = 0; e < 2; e++)
        for (int r = 0; r <= RINGS; r++)
            for (int a = 0; a < (r ? SECTORS : 1); a++) {
                const int v = e * GLOBE_VERTICES + (r ? 1 + (r - 1) * SECTORS + a : 0);
                globe_point(eyes, e, ring_angle(r), 6.2831853f * (float)a / SECTORS, s->rest[v]);
                const int front = s->rest[v][2] > eyes->globe[e].centre[2];
                s->shade[v] = front ? globe_shade(s->rest[v], skin, lid[e]) : 0.3f;
            }
}
