/* bust_regions.c - which bone moves a place of the skin, which part it is, where hair grows.
 * All from the place on the average head, so that they fit every identity. */
#include "presenter/bust_private.h"

#include "presenter/bust_math.h"

float stk_bust_bind_at(const float average[3]) {
    /* Two slanted planes: throat corner to nape, collar bone to the lowest vertebra of the neck. */
    const float y = average[1], z = stk_clampf(average[2], -0.13f, 0.0f);
    const float top = -0.100f + 0.62f * (-0.010f - z), base = -0.186f + 0.70f * (-0.025f - z);
    return 1 - bust_step(top, base, y);
}

/* Hair line: height (mm) by azimuth (rad, 0 = front, pi = back) about the vertical through the
 * skull's middle; half heads are alike. */
enum { HAIRLINE = 15 };
static const float hairline[HAIRLINE][2] = {{0.00f, 79},  {0.25f, 80},  {0.45f, 81}, {0.62f, 76},
                                            {0.78f, 64},  {0.95f, 44},  {1.08f, 24}, {1.22f, 2},
                                            {1.33f, 6},   {1.46f, 36},  {1.72f, 34}, {1.92f, 2},
                                            {2.15f, -27}, {2.50f, -48}, {3.15f, -56}};

static float hairline_at(float azimuth, float recess) {
    int i = 0;
    while (i < HAIRLINE - 2 && hairline[i + 1][0] <= azimuth) i++;
    const float t =
        stk_clampf((azimuth - hairline[i][0]) / (hairline[i + 1][0] - hairline[i][0]), 0, 1);
    const float line = bust_mix(hairline[i][1], hairline[i + 1][1], t);
    const float at = (azimuth - 0.52f) / 0.16f; /* the corners of the forehead */
    return line + recess * expf(-0.5f * at * at);
}

float stk_bust_scalp_at(const float average[3], int woman, float recess) {
    const float x = fabsf(average[0]) * 1e3f, y = average[1] * 1e3f, z = average[2] * 1e3f + 35;
    const float azimuth = atan2f(x, z), radius = sqrtf(x * x + z * z);
    const float line = hairline_at(azimuth, woman ? 0.4f * recess : recess);
    const float step = 0.06f;
    const float slope =
        (hairline_at(azimuth + step, recess) - hairline_at(azimuth - step, recess)) /
        (2 * step * fmaxf(radius, 20));
    const float above = (y - line) / sqrtf(1 + slope * slope);
    return bust_step(-3.5f, 4.0f, above);
}

stk_part stk_bust_part_at(const float average[3], float scalp, float ring) {
    if (scalp > 0.5f) return STK_PART_HAIR;
    if (ring < 0.99f) return STK_PART_FACE;         /* the jaw's edge turns over the oval */
    if (average[1] > -0.036f) return STK_PART_FACE; /* forehead, temples, all about the ear */
    return STK_PART_NECK;
}
