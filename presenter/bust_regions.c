/* bust_regions.c - which bone moves a place of the skin, which part it is, where hair grows; the
 * plug of the neck. All from the place on the average head, so that they fit every identity. */
#include "presenter/bust_private.h"

#include <string.h>

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
    if (ring <= 0.01f) return STK_PART_FACE;
    if (average[1] > 0.02f) return STK_PART_FACE; /* forehead, temples, above the ear */
    if (average[2] > -0.034f && average[1] > -0.015f) return STK_PART_FACE; /* before the ear */
    return STK_PART_NECK;
}

enum { PLUG_RINGS = 18 };

stk_status stk_bust_plug_make(stk_surface *plug, const stk_bust *bust) {
    const int columns = STK_CONTROL_COLUMNS, rings = PLUG_RINGS;
    STK_TRY(stk_surface_init(plug, "plug", rings * columns + 1, (2 * rings - 1) * columns));
    const float(*base)[3] = bust->mesh.position + STK_CONTROL_VERTICES - columns;
    float centre[3] = {0, 0, 0};
    for (int j = 0; j < columns; j++)
        for (int k = 0; k < 3; k++) centre[k] += base[j][k] / (float)columns;
    const float axis[3] = {0, 0.125f,
                           0.028f}; /* the neck leans forward; ends at the jaw's height */
    int count = 0;
    for (int r = 0; r < rings; r++)
        for (int j = 0; j < columns; j++) {
            const float t = (float)r / (rings - 1), up = fminf(t / 0.6f, 1);
            const float turn = 1.5f * stk_clampf((t - 0.6f) / 0.4f, 0, 1);
            const float dome = cosf(turn), rise = 0.65f * up + 0.35f * sinf(turn);
            const float size = (0.95f - 0.08f * bust_step(0, 0.3f, t)) * dome;
            const int v = r * columns + j, k = (j + 1) % columns;
            float *p = plug->rest[v];
            for (int i = 0; i < 3; i++)
                p[i] = centre[i] + axis[i] * rise +
                       (base[j][i] - centre[i]) * (i == 1 ? size * (1 - up) : size);
            plug->bind[v] = stk_bust_bind_at(p);
            const float *uv = bust->mesh.uv[STK_CONTROL_VERTICES - 3 * columns + j];
            plug->uv[v][0] = uv[0], plug->uv[v][1] = uv[1];
            const int a = v, b = r * columns + k;
            const int32_t below[3] = {b, a, r + 1 < rings ? a + columns : rings * columns};
            memcpy(plug->triangle[count++], below, sizeof below);
            if (r + 1 < rings) {
                const int32_t above[3] = {b, a + columns, b + columns};
                memcpy(plug->triangle[count++], above, sizeof above);
            }
        }
    float *tip = plug->rest[rings * columns];
    for (int i = 0; i < 3; i++) tip[i] = centre[i] + axis[i];
    memcpy(plug->uv[rings * columns], plug->uv[0], sizeof *plug->uv);
    memset(plug->part, STK_PART_NECK, (size_t)plug->triangles);
    plug->hidden = 1;
    plug->casts = 0;
    return STK_OK;
}
