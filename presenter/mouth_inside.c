/* mouth_inside.c - see mouth_inside.h.
 *
 *   dental arch (half ellipse), 14 teeth a row: columns along the arch x rows from gum's fold over
 *   gum, neck, crown and edge to the tongue's side -> relief by tooth
 *   lips' inner ring -> wall that widens behind the lips and closes at the throat
 *   shade = opening x depth, so that the closed mouth is black inside and an open one fades
 *
 * uv, teeth: u along the row from the person's right to left, v 0.02 .. 0.48 upper row and 0.98 ..
 * 0.52 lower row, each from the tongue's side over the edge (at 0.22 of it) and the crown to the
 * gum, which begins at 0.62 of it. uv, flesh: v < 0.5 the wall (v from lips to throat), v > 0.5
 * the tongue (u across, v from tip to root).
 */
#include "presenter/mouth_inside.h"

#include <string.h>

#include "base/memory.h"
#include "presenter/bust_math.h"

enum {
    TEETH = 14,
    PER_TOOTH = 6,
    COLUMNS = TEETH * PER_TOOTH + 1,
    ROWS = 9,
    ROW_VERTICES = COLUMNS * ROWS,
    ROW_TRIANGLES = 2 * (COLUMNS - 1) * (ROWS - 1),
    WALL_RINGS = 6,
    WALL_VERTICES = STK_LIP_FINE * WALL_RINGS + 1,
    WALL_TRIANGLES = STK_LIP_FINE * (2 * (WALL_RINGS - 1) + 1),
    TONGUE_ACROSS = 17,
    TONGUE_ALONG = 15,
    TONGUE_VERTICES = TONGUE_ACROSS * TONGUE_ALONG,
    TONGUE_TRIANGLES = 2 * (TONGUE_ACROSS - 1) * (TONGUE_ALONG - 1)
};

/* Widths along the arch, middle to back, and heights of crowns (mm); means of [Wheeler]. */
static const float tooth_width[2][7] = {{8.6f, 6.6f, 7.6f, 7.0f, 6.8f, 10.0f, 9.5f},
                                        {5.3f, 5.7f, 6.8f, 7.0f, 7.1f, 11.0f, 10.5f}};
static const float tooth_height[2][7] = {{10.4f, 9.2f, 10.2f, 8.6f, 8.0f, 7.4f, 7.0f},
                                         {8.8f, 9.0f, 10.0f, 8.4f, 7.8f, 7.2f, 7.0f}};
/* Where the edge lies below (upper) or above (lower) the row's plane, mm. */
static const float tooth_edge[2][7] = {{0.15f, -0.25f, 0.0f, -0.3f, -0.5f, -0.9f, -1.2f},
                                       {0.1f, 0.1f, 0.2f, -0.1f, -0.3f, -0.6f, -0.8f}};

/* Rows of a tooth: v (0 tongue's side .. 1 fold), share of the crown's height (0 edge, 1 neck;
 * over 1: gum, mm), depth behind the crown's face (mm). */
static const struct {
    float v, height, depth;
} tooth_row[ROWS] = {{0.00f, 0.85f, 7.0f},  {0.12f, 0.10f, 3.2f},  {0.22f, 0.0f, 1.4f},
                     {0.28f, 0.05f, 0.35f}, {0.40f, 0.35f, 0.0f},  {0.55f, 0.75f, 0.25f},
                     {0.62f, 1.0f, 0.9f},   {0.68f, 1.06f, -0.1f}, {1.00f, 1.75f, 0.3f}};

/* Point and outward normal of the arch at arc length s (mm) from the middle: half ellipse. */
static void arch_at(float s, float a, float b, float point[2], float normal[2]) {
    const float side = s < 0 ? -1.0f : 1.0f;
    float left = fabsf(s), angle = 0, x = 0, z = 0;
    for (int i = 0; i < 256 && left > 0; i++) { /* step along the curve; it straightens behind */
        const float dx = a * cosf(angle), dz = -b * sinf(angle);
        const float speed = sqrtf(dx * dx + dz * dz), step = fminf(left, 0.25f);
        x += step * dx / speed, z += step * dz / speed;
        angle = fminf(angle + step / speed, 1.5f);
        left -= step;
    }
    const float n[2] = {b * sinf(angle), a * cosf(angle)};
    const float length = sqrtf(n[0] * n[0] + n[1] * n[1]);
    point[0] = side * x, point[1] = z;
    normal[0] = side * n[0] / length, normal[1] = n[1] / length;
}

/* One vertex: column c of row r of the upper (0) or lower (1) teeth, mm from the arch's front. */
static void tooth_vertex(int lower, int c, int r, float out[3]) {
    float start = 0;
    const int side = c < COLUMNS / 2 ? -1 : 1;
    const int from = side < 0 ? COLUMNS / 2 - c : c - COLUMNS / 2; /* columns from the middle */
    const int tooth = from == COLUMNS / 2 ? TEETH / 2 - 1 : from / PER_TOOTH;
    const float t = (float)(from - tooth * PER_TOOTH) / PER_TOOTH; /* across the tooth */
    for (int i = 0; i < tooth; i++) start += tooth_width[lower][i];
    float point[2], normal[2];
    const float s = (float)side * (start + t * tooth_width[lower][tooth]);
    arch_at(s, lower ? 25.5f : 28.0f, lower ? 38 : 40, point, normal);
    const float e = 2 * t - 1, gum = r >= 7 ? 0.0f : 1.0f;
    /* Gaps between crowns, rounded edges, scalloped gum. */
    const float gap = gum * powf(fabsf(e), 7) * 0.7f + (1 - e * e) * -0.35f * gum;
    const float round = r <= 4 ? powf(fabsf(e), 6) * 0.4f * (1 - tooth_row[r].height) : 0;
    const float scallop = r >= 5 ? -e * e * 1.3f : 0;
    const float height = tooth_row[r].height * tooth_height[lower][tooth] + round + scallop -
                         tooth_edge[lower][tooth];
    const float depth = tooth_row[r].depth + gap;
    out[0] = point[0] - depth * normal[0];
    out[1] = lower ? -height : height;
    out[2] = point[1] - depth * normal[1];
}

static void grid_connect(int32_t (*out)[3], int first, int across, int along, int flip) {
    int count = 0;
    for (int r = 0; r + 1 < along; r++)
        for (int c = 0; c + 1 < across; c++) {
            const int a = first + r * across + c, b = a + 1, d = a + across, e = d + 1;
            const int32_t quad[2][2][3] = {{{a, b, e}, {a, e, d}}, {{a, e, b}, {a, d, e}}};
            memcpy(out[count], quad[flip], sizeof quad[flip]);
            count += 2;
        }
}

static void teeth_make(stk_mouth_inside *mouth) {
    stk_surface *s = &mouth->teeth;
    const float scale = 1e-3f * bust_mix(1, mouth->half_width / 0.0215f, 0.5f);
    for (int lower = 0; lower < 2; lower++) {
        const int first = lower * ROW_VERTICES;
        grid_connect(s->triangle + lower * ROW_TRIANGLES, first, COLUMNS, ROWS, lower);
        for (int r = 0; r < ROWS; r++)
            for (int c = 0; c < COLUMNS; c++) {
                const int v = first + r * COLUMNS + c;
                float p[3];
                tooth_vertex(lower, c, r, p);
                mouth->teeth_neutral[v][0] = mouth->middle[0] + scale * p[0];
                mouth->teeth_neutral[v][1] =
                    mouth->middle[1] + scale * (p[1] - (lower ? 0.4f : 2.1f));
                mouth->teeth_neutral[v][2] =
                    mouth->middle[2] + scale * (p[2] - (lower ? 8.4f : 6.4f));
                s->uv[v][0] = 0.01f + 0.98f * (float)c / (COLUMNS - 1);
                const float row = 0.02f + 0.46f * tooth_row[r].v;
                s->uv[v][1] = lower ? 1 - row : row;
            }
    }
    memset(s->part, STK_PART_FACE, (size_t)s->triangles);
}

static void wall_make(stk_mouth_inside *mouth) {
    stk_surface *s = &mouth->flesh;
    int count = 0;
    for (int r = 0; r < WALL_RINGS; r++)
        for (int j = 0; j < STK_LIP_FINE; j++) {
            const int k = (j + 1) % STK_LIP_FINE;
            const int a = r * STK_LIP_FINE + j, b = r * STK_LIP_FINE + k;
            const int end = WALL_VERTICES - 1;
            /* The lips' border runs clockwise seen from the front; the wall faces the front. */
            if (r + 1 < WALL_RINGS) {
                memcpy(s->triangle[count++], (int32_t[3]){a, a + STK_LIP_FINE, b}, 12);
                memcpy(s->triangle[count++], (int32_t[3]){b, a + STK_LIP_FINE, b + STK_LIP_FINE},
                       12);
            } else {
                memcpy(s->triangle[count++], (int32_t[3]){a, end, b}, 12);
            }
            const float turn = 6.2831853f * (float)j / STK_LIP_FINE;
            const float radius = 0.24f * (1 - (float)r / WALL_RINGS);
            s->uv[a][0] = 0.5f - 2 * radius * cosf(turn);
            s->uv[a][1] = 0.25f - radius * sinf(turn);
        }
    s->uv[WALL_VERTICES - 1][0] = 0.5f, s->uv[WALL_VERTICES - 1][1] = 0.25f;
}

static void tongue_make(stk_mouth_inside *mouth) {
    stk_surface *s = &mouth->flesh;
    grid_connect(s->triangle + WALL_TRIANGLES, WALL_VERTICES, TONGUE_ACROSS, TONGUE_ALONG, 0);
    for (int r = 0; r < TONGUE_ALONG; r++)
        for (int c = 0; c < TONGUE_ACROSS; c++) {
            const float v = (float)r / (TONGUE_ALONG - 1);          /* tip .. root */
            const float u = 2 * (float)c / (TONGUE_ACROSS - 1) - 1; /* right .. left */
            const float wide = 19 * sqrtf(bust_step(-0.02f, 0.55f, v)) + 3;
            const float angle = 1.9f * u; /* over the edge, underneath */
            const float thick = 4 + 4 * v;
            float *p = mouth->tongue_neutral[r * TONGUE_ACROSS + c];
            const float groove = 1.3f * expf(-u * u * 30) * bust_step(0, 0.3f, v);
            const float x = wide * sinf(angle) / 0.946f * 0.946f;
            const float arch = 7 * sinf(1.5708f * v) - 6 * powf(1 - v, 6);
            p[0] = mouth->middle[0] + 1e-3f * x;
            p[1] = mouth->middle[1] + 1e-3f * (-11 + arch + thick * (cosf(angle) - 1) - groove);
            p[2] = mouth->middle[2] + 1e-3f * (-12.5f - 44 * v - 2.5f * u * u * (1 - v));
            float *uv = s->uv[WALL_VERTICES + r * TONGUE_ACROSS + c];
            uv[0] = 0.5f + 0.48f * u, uv[1] = 0.52f + 0.46f * v;
        }
    memset(s->part, STK_PART_FACE, (size_t)s->triangles);
}

stk_status stk_mouth_inside_init(stk_mouth_inside *mouth, const float (*border)[3],
                                 stk_material *teeth, stk_material *flesh) {
    STK_TRY(stk_surface_init(&mouth->teeth, "teeth", 2 * ROW_VERTICES, 2 * ROW_TRIANGLES));
    STK_TRY(stk_surface_init(&mouth->flesh, "mouth", WALL_VERTICES + TONGUE_VERTICES,
                             WALL_TRIANGLES + TONGUE_TRIANGLES));
    mouth->teeth_neutral = stk_calloc_aligned(2 * ROW_VERTICES, sizeof *mouth->teeth_neutral);
    mouth->tongue_neutral = stk_calloc_aligned(TONGUE_VERTICES, sizeof *mouth->tongue_neutral);
    if (!mouth->teeth_neutral || !mouth->tongue_neutral) return stk_fail_memory("mouth");
    const float *upper = border[STK_LIP_FINE / 4], *lower = border[3 * STK_LIP_FINE / 4];
    for (int k = 0; k < 3; k++) mouth->middle[k] = 0.5f * (upper[k] + lower[k]);
    mouth->half_width = 0.5f * (border[STK_LIP_FINE / 2][0] - border[0][0]);
    mouth->teeth.material = teeth, mouth->flesh.material = flesh;
    mouth->teeth.casts = mouth->flesh.casts = 0;
    teeth_make(mouth);
    wall_make(mouth);
    tongue_make(mouth);
    return STK_OK;
}

void stk_mouth_inside_clear(stk_mouth_inside *mouth) {
    stk_surface_clear(&mouth->teeth);
    stk_surface_clear(&mouth->flesh);
    stk_free(mouth->teeth_neutral);
    stk_free(mouth->tongue_neutral);
    mouth->teeth_neutral = mouth->tongue_neutral = NULL;
}

static void pose_apply(const stk_pose *pose, const float x[3], float out[3]) {
    for (int k = 0; k < 3; k++) out[k] = bust_dot(pose->R + 3 * k, x) + pose->t[k];
}

/* The wall: from the lips' inner side over gums and palate to the throat, 55 mm behind. */
static void wall_set(stk_mouth_inside *mouth, const stk_pose *jaw, const float (*inner)[3],
                     float light) {
    /* Half axes beside half the opening, depth behind the lips' middle (mm); ring 0 is `inner`. */
    static const float across[WALL_RINGS] = {0, 23.5f, 25, 24, 18, 10};
    static const float high[WALL_RINGS] = {0, 8, 11.5f, 13, 10, 6};
    static const float back[WALL_RINGS] = {0, 10, 19, 31, 44, 52};
    stk_surface *s = &mouth->flesh;
    float centre[3], low[3];
    pose_apply(jaw, mouth->middle, low);
    for (int k = 0; k < 3; k++) centre[k] = 0.5f * (mouth->middle[k] + low[k]);
    const float half = 0.5f * fabsf(mouth->middle[1] - low[1]);
    for (int r = 0; r < WALL_RINGS; r++)
        for (int j = 0; j < STK_LIP_FINE; j++) {
            const float turn = 6.2831853f * (float)j / STK_LIP_FINE;
            const float x = -cosf(turn), y = sinf(turn);
            float *p = s->rest[r * STK_LIP_FINE + j];
            if (r == 0) {
                memcpy(p, inner[j], sizeof *s->rest);
            } else {
                p[0] = centre[0] + 1e-3f * across[r] * x;
                p[1] = centre[1] + (1e-3f * high[r] + half) * y;
                p[2] = centre[2] - 1e-3f * (back[r] + 12 * x * x / (float)r);
                /* an open jaw tilts the lower half back, away from the skin of the chin */
                if (y < 0) p[2] += jaw->R[7] * (0.012f + 1e-3f * high[r]) * y;
            }
            s->shade[r * STK_LIP_FINE + j] = light * (1 - 0.95f * bust_step(1, 24, back[r]));
        }
    float *end = s->rest[WALL_VERTICES - 1];
    end[0] = centre[0], end[1] = centre[1], end[2] = centre[2] - 0.056f;
    s->shade[WALL_VERTICES - 1] = 0.02f * light;
}

void stk_mouth_inside_set(stk_mouth_inside *mouth, const stk_pose *jaw, float tongue_out,
                          const float (*border)[3], const float (*inner)[3]) {
    const float gap = 1e3f * (border[STK_LIP_FINE / 4][1] - border[3 * STK_LIP_FINE / 4][1]);
    const float light = 0.35f + 0.65f * bust_step(0.3f, 7, gap);
    const float lit = bust_step(0.5f, 3.5f, gap); /* lips that meet let no light in */
    const float front = mouth->middle[2];
    wall_set(mouth, jaw, inner, light);
    for (int v = 0; v < 2 * ROW_VERTICES; v++) {
        const float *p = mouth->teeth_neutral[v];
        if (v < ROW_VERTICES)
            memcpy(mouth->teeth.rest[v], p, sizeof mouth->teeth.rest[v]);
        else
            pose_apply(jaw, p, mouth->teeth.rest[v]);
        const int r = v % ROW_VERTICES / COLUMNS;
        const float depth = 1e3f * (front - p[2]); /* front teeth 7, last ones 40 */
        const float inside = r == 0 ? 0.35f : r == 1 ? 0.7f : 1;
        mouth->teeth.shade[v] = lit * inside * (1 - 0.9f * bust_step(8, 34, depth)) *
                                (v < ROW_VERTICES ? 1.15f : 0.85f);
    }
    for (int i = 0; i < TONGUE_VERTICES; i++) {
        const float along = (float)(i / TONGUE_ACROSS) / (TONGUE_ALONG - 1); /* from the tip */
        float p[3];
        memcpy(p, mouth->tongue_neutral[i], sizeof p);
        p[1] += 0.006f * tongue_out * (1 - along);
        p[2] += 0.022f * tongue_out * (1 - along) * (1 - along);
        pose_apply(jaw, p, mouth->flesh.rest[WALL_VERTICES + i]);
        mouth->flesh.shade[WALL_VERTICES + i] =
            light * 0.8f * (1 - 0.9f * bust_step(0, 0.75f, along));
    }
}
