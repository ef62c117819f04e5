/* attire_body.c - the tailor's dummy: neck, trapezius, shoulders, arms and chest as rounded cones
 * and an ellipsoid, blended.
 *
 * distance(p) = smooth minimum (polynomial, radius of blending k) of the parts' distances. Its zero
 * is where a shirt lies; a jacket lies 8 mm above. The blend keeps the gradient's length near 1, so
 * a few Newton steps along it put any point at any height, and rays march by the distance.
 */
#include "presenter/attire_private.h"

#include <math.h>

static const float DUMMY_Z = -0.030f; /* the chest's frame lies behind the head's, m */

static float blend(float a, float b, float k) {
    const float h = stk_clampf(0.5f + 0.5f * (b - a) / k, 0.0f, 1.0f);
    return b + (a - b) * h - k * h * (1.0f - h);
}

/* Cone of radius ra at a to rb at b with round ends. */
static float cone(const float p[3], const float a[3], float ra, const float b[3], float rb) {
    float along = 0.0f, length = 0.0f;
    for (int i = 0; i < 3; i++) {
        along += (p[i] - a[i]) * (b[i] - a[i]);
        length += (b[i] - a[i]) * (b[i] - a[i]);
    }
    const float t = stk_clampf(along / length, 0.0f, 1.0f);
    float square = 0.0f;
    for (int i = 0; i < 3; i++) {
        const float d = p[i] - a[i] - t * (b[i] - a[i]);
        square += d * d;
    }
    return sqrtf(square) - ra - t * (rb - ra);
}

static float ellipsoid(const float p[3], const float centre[3], const float radius[3]) {
    float near = 0.0f, far = 0.0f;
    for (int i = 0; i < 3; i++) {
        const float q = (p[i] - centre[i]) / radius[i];
        near += q * q, far += q * q / (radius[i] * radius[i]);
    }
    near = sqrtf(near), far = sqrtf(far);
    return far > 0.0f ? near * (near - 1.0f) / far : -radius[0];
}

static float neck_distance(const stk_neckline *neck, const float p[3]) {
    const float middle = 0.5f * (neck->front_z + neck->back_z);
    const float lean = 0.15f * (p[1] + 0.13f); /* the throat comes forward as it goes up */
    const float half = 0.5f * (neck->front_z - neck->back_z);
    const float x = p[0] / neck->half_width, z = (p[2] - middle - lean) / half;
    return (sqrtf(x * x + z * z) - 1.0f) * (neck->half_width < half ? neck->half_width : half);
}

float stk_dummy_distance(const stk_dummy *dummy, const float point[3]) {
    const float w = dummy->broad;
    /* a mirror without a crease */
    const float side = sqrtf(point[0] * point[0] + 0.0004f);
    const float p[3] = {side, point[1], point[2] - DUMMY_Z};
    const float chest_middle[3] = {0.0f, -0.37f, -0.032f}, chest[3] = {0.165f * w, 0.215f, 0.102f};
    const float back_middle[3] = {0.0f, -0.36f, -0.075f}, back[3] = {0.17f * w, 0.22f, 0.085f};
    const float nape[3] = {0.025f, -0.125f, -0.070f}, tip[3] = {0.180f * w, -0.192f, -0.055f};
    const float arm[3] = {0.184f * w, -0.226f, -0.048f}, elbow[3] = {0.206f * w, -0.52f, -0.03f};
    const float clavicle[3] = {0.03f, -0.195f, -0.01f};
    const float q[3] = {point[0], p[1], p[2]};
    float d = ellipsoid(q, chest_middle, chest);
    d = blend(d, ellipsoid(q, back_middle, back), 0.05f);
    d = blend(d, cone(p, nape, 0.038f, tip, 0.032f), 0.05f);
    d = blend(d, cone(p, clavicle, 0.028f, tip, 0.032f), 0.04f);
    d = blend(d, cone(p, arm, 0.040f, elbow, 0.046f), 0.024f);
    const float whole[3] = {point[0], p[1], point[2]};
    const float neck = neck_distance(&dummy->neck, whole);
    const float above = p[1] + 0.02f; /* ends within the head */
    return blend(d, neck > above ? neck : above, 0.034f);
}

void stk_dummy_normal(const stk_dummy *dummy, const float p[3], float normal[3]) {
    const float step = 1e-3f;
    float square = 0.0f;
    for (int i = 0; i < 3; i++) {
        float lo[3] = {p[0], p[1], p[2]}, hi[3] = {p[0], p[1], p[2]};
        lo[i] -= step, hi[i] += step;
        normal[i] = stk_dummy_distance(dummy, hi) - stk_dummy_distance(dummy, lo);
        square += normal[i] * normal[i];
    }
    const float scale = square > 0.0f ? 1.0f / sqrtf(square) : 0.0f;
    for (int i = 0; i < 3; i++) normal[i] *= scale;
}

void stk_dummy_lay(const stk_dummy *dummy, float p[3], float height, int push) {
    for (int step = 0; step < 6; step++) {
        const float off = height - stk_dummy_distance(dummy, p);
        if (fabsf(off) < 1e-5f || (push && off < 0.0f)) return;
        float normal[3];
        stk_dummy_normal(dummy, p, normal);
        for (int i = 0; i < 3; i++) p[i] += 0.9f * off * normal[i];
    }
}

void stk_dummy_cast(const stk_dummy *dummy, const float origin[3], const float direction[3],
                    float height, float p[3]) {
    float along = 0.42f; /* beyond every part that is cast */
    for (int step = 0; step < 60 && along > 0.0f; step++) {
        for (int i = 0; i < 3; i++) p[i] = origin[i] + along * direction[i];
        const float off = stk_dummy_distance(dummy, p) - height;
        if (off < 2e-5f) break;
        along -= 0.8f * off;
    }
}

float stk_dummy_front(const stk_dummy *dummy, float x, float y, float height) {
    const float origin[3] = {x, y, -0.2f}, forwards[3] = {0.0f, 0.0f, 1.0f};
    float p[3];
    stk_dummy_cast(dummy, origin, forwards, height, p);
    return p[2];
}
