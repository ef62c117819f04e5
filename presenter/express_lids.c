/* express_lids.c - blink, squint, wide and the lids' share in gaze.
 *
 * An eye is seven columns (upper border, lower border, two rings of skin beyond each). Within a
 * column the position of a border point is an angle about the globe's centre: s = 0 where the lower
 * lid rests, 1 where the upper does. Shutting brings both to s = MEET; so they meet exactly, and
 * cannot cross as long as s_lower <= s_upper, which is enforced. The distance from the centre goes
 * from the resting point's to that of the closed lid: the skin's thickness over the globe.
 */
#include "presenter/express_lids.h"

#include <math.h>

/* The lids meet at this share of the way from the lower to the upper: the upper one does most. */
static const float MEET = 0.24f;
static const float SKIN_M = 0.0006f;
/* Parts that the rings take in the turn of their border, from border to brow or cheek. */
static const float UPPER_SHARE[STK_LID_RINGS] = {1, 0.42f, 0.10f};
static const float LOWER_SHARE[STK_LID_RINGS] = {1, 0.45f, 0.12f};
/* The crease gives up this part of its height over the closed lid when the lid is shut. */
static const float CREASE_FLATTENS = 0.45f;

static float dot(const float a[3], const float b[3]) {
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

static void cross(const float a[3], const float b[3], float out[3]) {
    out[0] = a[1] * b[2] - a[2] * b[1];
    out[1] = a[2] * b[0] - a[0] * b[2];
    out[2] = a[0] * b[1] - a[1] * b[0];
}

/* v becomes unit; returns its length before. */
static float normalise(float v[3]) {
    const float length = sqrtf(dot(v, v));
    for (int c = 0; c < 3; c++) v[c] /= fmaxf(length, 1e-9f);
    return length;
}

static void init_column(stk_lid_column *column, const float (*neutral)[3],
                        const stk_eye_globe *globe) {
    float to[3];
    for (int c = 0; c < 3; c++) {
        column->from[c] = neutral[column->lower[0]][c] - globe->centre[c];
        to[c] = neutral[column->upper[0]][c] - globe->centre[c];
    }
    column->radius[0] = normalise(column->from);
    column->radius[1] = normalise(to);
    cross(column->from, to, column->axis);
    /* lids that rest on one another: turn about the picture's horizontal */
    if (normalise(column->axis) < 1e-4f) {
        column->axis[0] = -1;
        column->axis[1] = column->axis[2] = 0;
    }
    cross(column->axis, column->from, column->side);
    column->angle = atan2f(dot(to, column->side), dot(to, column->from));
    /* near the corners both lids stand off the globe: there the nearer one's distance */
    column->closed = fmaxf(globe->radius + SKIN_M, fminf(column->radius[0], column->radius[1]));
}

void stk_lids_init(stk_lids *lids, const float (*neutral)[3], const stk_eye_globe *globe,
                   const int16_t *mirror) {
    for (int c = 0; c < 3; c++) lids->centre[c] = globe->centre[c];
    lids->radius = globe->radius;
    for (int i = 0; i < STK_LID_POINTS; i++) {
        stk_lid_column *column = &lids->column[i];
        for (int ring = 0; ring < STK_LID_RINGS; ring++) {
            column->upper[ring] = mirror[stk_lid_upper[ring][i]];
            column->lower[ring] = mirror[stk_lid_lower[ring][i]];
        }
        init_column(column, neutral, globe);
    }
}

/* Where a border point lies at s, relative to the centre. end: 0 lower, 1 upper. */
static void border_at(const stk_lid_column *column, int end, float s, float out[3]) {
    const float way = end ? (1 - s) / (1 - MEET) : s / MEET;
    const float radius =
        column->radius[end] + (column->closed - column->radius[end]) * stk_clampf(way, 0, 1);
    const float c = cosf(s * column->angle), n = sinf(s * column->angle);
    for (int k = 0; k < 3; k++) out[k] = radius * (c * column->from[k] + n * column->side[k]);
}

/* Turns a ring vertex about the column's axis and brings it nearer to the globe by `flatten`. */
static void turn_ring(const stk_lids *lids, const stk_lid_column *column, float angle,
                      float flatten, float vertex[3]) {
    float v[3], w[3];
    for (int k = 0; k < 3; k++) v[k] = vertex[k] - lids->centre[k];
    cross(column->axis, v, w);
    const float c = cosf(angle), s = sinf(angle), along = dot(column->axis, v) * (1 - c);
    for (int k = 0; k < 3; k++) v[k] = c * v[k] + s * w[k] + along * column->axis[k];
    const float length = sqrtf(dot(v, v)), floor = column->closed + 0.0012f;
    const float scale = length > floor ? 1 - flatten * (length - floor) / length : 1;
    for (int k = 0; k < 3; k++) vertex[k] = lids->centre[k] + scale * v[k];
}

static void move_border(const stk_lid_column *column, int end, float s, float vertex[3]) {
    float rest[3], now[3];
    border_at(column, end, (float)end, rest);
    border_at(column, end, s, now);
    for (int k = 0; k < 3; k++) vertex[k] += now[k] - rest[k];
}

void stk_lids_apply(const stk_lids *lids, const float shapes[STK_BLENDSHAPES], int left,
                    float (*moved)[3]) {
    /* in the order of the 52 a right side follows its left one */
    const float blink = shapes[STK_EYE_BLINK_R - left], open = 1 - blink;
    const float down = shapes[STK_EYE_LOOK_DOWN_R - left], up = shapes[STK_EYE_LOOK_UP_R - left];
    const float squint = shapes[STK_EYE_SQUINT_R - left], wide = shapes[STK_EYE_WIDE_R - left];
    const float closing =
        blink + open * (0.55f * down + 0.15f * squint - 0.45f * up - 0.32f * wide);
    const float upper = 1 - (1 - MEET) * stk_clampf(closing, -0.6f, 1);
    const float raised =
        MEET * blink + open * (0.24f * squint - 0.16f * down + 0.04f * up - 0.05f * wide);
    const float lower = fminf(raised, upper);
    if (upper == 1 && lower == 0) return;
    for (int i = 0; i < STK_LID_POINTS; i++) {
        const stk_lid_column *column = &lids->column[i];
        move_border(column, 1, upper, moved[column->upper[0]]);
        move_border(column, 0, lower, moved[column->lower[0]]);
        const float shut = stk_clampf((1 - upper) / (1 - MEET), 0, 1);
        for (int ring = 1; ring < STK_LID_RINGS; ring++) {
            const float flatten = ring == 1 ? CREASE_FLATTENS * shut : 0;
            turn_ring(lids, column, -UPPER_SHARE[ring] * (1 - upper) * column->angle, flatten,
                      moved[column->upper[ring]]);
            turn_ring(lids, column, LOWER_SHARE[ring] * lower * column->angle, 0,
                      moved[column->lower[ring]]);
        }
    }
}
