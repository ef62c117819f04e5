/* usual.c - see usual.h.
 *
 * Per texel and channel, over the frames looked at, each brought to one light (a polynomial of four
 * terms over the texture, fitted to its difference from the medians, those far off counting less):
 * from median - 1.5 (median - lower quartile) - 3 to median + 1.5 (upper quartile - median) + 3,
 * and then from the least to the greatest of the 3 x 3 texels round it, as landmarks are a few
 * pixels off. A hand may cover a place in a quarter of the frames.
 */
#include "portrait_sync/usual.h"

#include "base/face_mesh.h"
#include "base/memory.h"
#include "base/spd.h"

#include <math.h>
#include <string.h>

enum {
    SIDE = STK_USUAL_SIDE,
    TEXELS = STK_USUAL_TEXELS,
    LOOKS_LEAST = 4, /* of a texel; fewer: anything is usual there */
    CELL_TEXELS = 4, /* of a cell, below which nothing is said */
    LEVELS = 256,
    TERMS = 4,
    LIGHT_ROUNDS = 4,
    APART = 4, /* texels between those that tell the light */
};
static const float SPREAD = 1.5f, SLACK = 3.0f;
/* Round by round: differences beyond are less and less light. */
static const float LIGHT_LEVELS[LIGHT_ROUNDS] = {12, 8, 8, 8};
/* Texels of no difference that level and bends of the light begin with. */
static const double PRIOR_LEVEL = 1, PRIOR_BEND = 6;

typedef struct face_light {
    float factor[3][TERMS];
} face_light;

struct stk_usual {
    int looks, looked;
    stk_usual_face *face;      /* [looks], until finished */
    int16_t triangle[TEXELS];  /* that holds the texel's middle, -1: none */
    float share[TEXELS][2];    /* of its second and third corner */
    uint8_t shown[TEXELS];     /* 1: in one of the frames looked at */
    uint8_t middle[TEXELS][3]; /* the median, where shown */
    uint8_t low[TEXELS][3], high[TEXELS][3];
};

/* --- the texture ------------------------------------------------------------------------------ */

static const int16_t inside_points[] = {
    78,  95,  88,  178, 87,  14,  317, 402, 318, 324, 308, 415, 310, 311, 312, 13,  82,  81,
    80,  191, 33,  7,   163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246,
    263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466};

/* Corners all on the rims of lips and lids: the inside of a mouth or an eye. */
static int is_inside(const int16_t corners[3]) {
    int found = 0;
    for (int k = 0; k < 3; k++)
        for (size_t i = 0; i < STK_ARRAY_SIZE(inside_points); i++)
            found += corners[k] == inside_points[i];
    return found == 3;
}

static float cross(const float a[2], const float b[2], const float c[2]) {
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);
}

static void lay_triangle(stk_usual *usual, int t) {
    const int16_t *corners = stk_face_mesh_triangles()[t];
    float p[3][2], low[2] = {SIDE, SIDE}, high[2] = {0, 0};
    for (int k = 0; k < 3; k++)
        for (int c = 0; c < 2; c++) {
            p[k][c] = stk_face_mesh_texture()[corners[k]][c] * SIDE;
            low[c] = fminf(low[c], p[k][c]);
            high[c] = fmaxf(high[c], p[k][c]);
        }
    const float area = cross(p[0], p[1], p[2]);
    if (area == 0 || is_inside(corners)) return;
    const int x1 = stk_clampi((int)high[0] + 1, 0, SIDE),
              y1 = stk_clampi((int)high[1] + 1, 0, SIDE);
    for (int y = stk_clampi((int)low[1], 0, SIDE); y < y1; y++)
        for (int x = stk_clampi((int)low[0], 0, SIDE); x < x1; x++) {
            const float at[2] = {(float)x + 0.5f, (float)y + 0.5f};
            const float b = cross(p[0], at, p[2]) / area, c = cross(p[0], p[1], at) / area;
            if (b < 0 || c < 0 || b + c > 1) continue;
            usual->triangle[y * SIDE + x] = (int16_t)t;
            usual->share[y * SIDE + x][0] = b;
            usual->share[y * SIDE + x][1] = c;
        }
}

/* px of a texel. */
static void place(const stk_usual *usual, int texel, const float (*landmarks)[3], float scale,
                  float px[2]) {
    const int16_t *corners = stk_face_mesh_triangles()[usual->triangle[texel]];
    const float b = usual->share[texel][0], c = usual->share[texel][1], a = 1 - b - c;
    for (int i = 0; i < 2; i++)
        px[i] = scale * (a * landmarks[corners[0]][i] + b * landmarks[corners[1]][i] +
                         c * landmarks[corners[2]][i]);
}

/* 1 for each triangle that turns its outside to the camera: clockwise, as y goes down. */
static void turned_here(const float (*landmarks)[3], uint8_t turned[STK_MESH_TRIANGLES]) {
    for (int t = 0; t < STK_MESH_TRIANGLES; t++) {
        const int16_t *v = stk_face_mesh_triangles()[t];
        turned[t] = cross(landmarks[v[0]], landmarks[v[1]], landmarks[v[2]]) < 0;
    }
}

/* Mean of the 2 x 2 pixels round a place; 0 beyond the picture. */
static int colour_at(const stk_image *rgb, const float px[2], uint8_t colour[3]) {
    const int x = (int)floorf(stk_clampf(px[0] - 0.5f, -2, 32767));
    const int y = (int)floorf(stk_clampf(px[1] - 0.5f, -2, 32767));
    if (x < 0 || y < 0 || x + 1 >= rgb->width || y + 1 >= rgb->height) return 0;
    const uint8_t *a = stk_image_row(rgb, y) + 3 * (ptrdiff_t)x, *b = a + rgb->stride;
    for (int c = 0; c < 3; c++) colour[c] = (uint8_t)((a[c] + a[c + 3] + b[c] + b[c + 3] + 2) / 4);
    return 1;
}

static int cell_at(const stk_image *rgb, const float px[2]) {
    const float x = px[0] * STK_CELLS / (float)rgb->width;
    const float y = px[1] * STK_CELLS / (float)rgb->height;
    return (int)stk_clampf(y, 0, STK_CELLS - 1) * STK_CELLS + (int)stk_clampf(x, 0, STK_CELLS - 1);
}

static void unfold(const stk_usual *usual, const stk_image *rgb, const float (*landmarks)[3],
                   float scale, stk_usual_face *face) {
    uint8_t turned[STK_MESH_TRIANGLES];
    float px[2];
    turned_here(landmarks, turned);
    memset(face->seen, 0, sizeof face->seen);
    for (int i = 0; i < TEXELS; i++) {
        if (usual->triangle[i] < 0 || !turned[usual->triangle[i]]) continue;
        place(usual, i, landmarks, scale, px);
        face->seen[i] = (uint8_t)colour_at(rgb, px, face->colour[i]);
        face->cell[i] = (uint16_t)cell_at(rgb, px);
    }
}

/* --- what is usual ---------------------------------------------------------------------------- */

stk_status stk_usual_create(stk_usual **out, int looks) {
    *out = NULL;
    stk_usual *usual = stk_calloc_aligned(1, sizeof *usual);
    if (usual == NULL) return stk_fail_memory("the face's usual colours");
    usual->looks = looks;
    usual->face = stk_calloc_aligned((size_t)looks, sizeof *usual->face);
    *out = usual;
    if (usual->face == NULL) {
        stk_usual_free(out);
        return stk_fail_memory("the face's usual colours");
    }
    memset(usual->triangle, 0xff, sizeof usual->triangle);
    for (int t = 0; t < STK_MESH_TRIANGLES; t++) lay_triangle(usual, t);
    return STK_OK;
}

void stk_usual_free(stk_usual **handle) {
    if (handle == NULL || *handle == NULL) return;
    stk_free((*handle)->face);
    stk_free(*handle);
    *handle = NULL;
}

void stk_usual_look(stk_usual *usual, const stk_image *rgb, const float (*landmarks)[3],
                    float scale) {
    if (usual->looked < usual->looks)
        unfold(usual, rgb, landmarks, scale, &usual->face[usual->looked++]);
}

/* Of a texel's values, counted by level: the one that `share` of them are below or at. */
static int quantile(const uint16_t counts[LEVELS], int total, float share) {
    int below = 0, level = 0;
    while (level < LEVELS - 1 && (float)(below += counts[level]) < share * (float)total) level++;
    return level;
}

static int count_levels(const stk_usual *usual, int texel, int c, uint16_t counts[LEVELS]) {
    int total = 0;
    memset(counts, 0, LEVELS * sizeof *counts);
    for (int k = 0; k < usual->looked; k++)
        if (usual->face[k].seen[texel]) {
            counts[usual->face[k].colour[texel][c]]++;
            total++;
        }
    return total;
}

static void find_usual(stk_usual *usual) {
    uint16_t counts[LEVELS];
    for (int i = 0; i < TEXELS; i++)
        for (int c = 0; c < 3 && usual->triangle[i] >= 0; c++) {
            const int total = count_levels(usual, i, c, counts);
            const int middle = quantile(counts, total, 0.5f);
            const float below = (float)(middle - quantile(counts, total, 0.25f));
            const float above = (float)(quantile(counts, total, 0.75f) - middle);
            const int told = total >= LOOKS_LEAST;
            usual->shown[i] = total > 0;
            usual->middle[i][c] = (uint8_t)middle;
            usual->low[i][c] = (uint8_t)stk_clampf((float)middle - SPREAD * below - SLACK, 0, 255);
            usual->high[i][c] = (uint8_t)stk_clampf((float)middle + SPREAD * above + SLACK, 0, 255);
            if (!told) usual->low[i][c] = 0, usual->high[i][c] = 255;
        }
}

/* --- light ------------------------------------------------------------------------------------ */

/* Terms over the texture, from -1 to 1 either way: the light from a side falls off round a face. */
static void terms_of(int texel, float term[TERMS]) {
    const float u = 2 * ((float)(texel % SIDE) + 0.5f) / SIDE - 1;
    const float v = 2 * ((float)(texel / SIDE) + 0.5f) / SIDE - 1;
    const float all[TERMS] = {1, u, v, u * u};
    memcpy(term, all, sizeof all);
}

static float light_at(const float factor[TERMS], const float term[TERMS]) {
    float sum = 0;
    for (int k = 0; k < TERMS; k++) sum += factor[k] * term[k];
    return sum;
}

/* One round: the polynomial nearest to a face's difference from the medians, those far from the
 * last one counting less. */
static void fit_light(const stk_usual *usual, const stk_usual_face *face, int c, float levels,
                      float factor[TERMS]) {
    double matrix[TERMS * TERMS] = {0}, right[TERMS] = {0};
    for (int n = 0; n < (SIDE / APART) * (SIDE / APART); n++) {
        const int i = n / (SIDE / APART) * APART * SIDE + n % (SIDE / APART) * APART;
        float term[TERMS];
        if (!face->seen[i] || !usual->shown[i]) continue;
        terms_of(i, term);
        const float d = (float)(face->colour[i][c] - usual->middle[i][c]);
        const float r = (d - light_at(factor, term)) / levels;
        const float weight = 1 / (1 + r * r);
        for (int k = 0; k < TERMS; k++) {
            for (int j = 0; j < TERMS; j++)
                matrix[TERMS * k + j] += (double)(weight * term[k] * term[j]);
            right[k] += (double)(weight * term[k] * d);
        }
    }
    for (int k = 0; k < TERMS; k++) matrix[(TERMS + 1) * k] += k > 0 ? PRIOR_BEND : PRIOR_LEVEL;
    stk_spd_solve(matrix, right, TERMS); /* the prior keeps it definite */
    for (int k = 0; k < TERMS; k++) factor[k] = (float)right[k];
}

/* How much brighter a face is than usual. */
static void light_of(const stk_usual *usual, const stk_usual_face *face, face_light *light) {
    memset(light, 0, sizeof *light);
    for (int c = 0; c < 3; c++)
        for (int round = 0; round < LIGHT_ROUNDS; round++)
            fit_light(usual, face, c, LIGHT_LEVELS[round], light->factor[c]);
}

static void darken(const stk_usual *usual, stk_usual_face *face) {
    face_light light;
    light_of(usual, face, &light);
    for (int i = 0; i < TEXELS; i++) {
        float term[TERMS];
        if (!face->seen[i]) continue;
        terms_of(i, term);
        for (int c = 0; c < 3; c++)
            face->colour[i][c] = (uint8_t)lrintf(
                stk_clampf((float)face->colour[i][c] - light_at(light.factor[c], term), 0, 255));
    }
}

static void widen(stk_usual *usual) {
    uint8_t(*low)[3] = usual->face[0].colour, (*high)[3] = usual->face[1].colour;
    memcpy(low, usual->low, sizeof usual->low);
    memcpy(high, usual->high, sizeof usual->high);
    for (int y = 1; y < SIDE - 1; y++)
        for (int x = 1; x < SIDE - 1; x++)
            for (int k = 0; k < 9; k++) {
                const int to = y * SIDE + x, from = to + (k / 3 - 1) * SIDE + k % 3 - 1;
                if (usual->triangle[from] < 0) continue;
                for (int c = 0; c < 3; c++) {
                    if (low[from][c] < usual->low[to][c]) usual->low[to][c] = low[from][c];
                    if (high[from][c] > usual->high[to][c]) usual->high[to][c] = high[from][c];
                }
            }
}

void stk_usual_finish(stk_usual *usual) {
    find_usual(usual);
    for (int k = 0; k < usual->looked; k++) darken(usual, &usual->face[k]);
    find_usual(usual);
    if (usual->looks >= 2) widen(usual);
    stk_free(usual->face);
    usual->face = NULL;
}

/* --- what is not ------------------------------------------------------------------------------ */

static int beyond_of(const stk_usual *usual, int texel, const uint8_t colour[3]) {
    int sum = 0;
    for (int c = 0; c < 3; c++) {
        const int v = colour[c];
        const int low = usual->low[texel][c] - v, high = v - usual->high[texel][c];
        sum += low > 0 ? low : high > 0 ? high : 0;
    }
    return sum;
}

void stk_usual_compare(const stk_usual *usual, const stk_image *rgb, const float (*landmarks)[3],
                       float scale, stk_usual_face *face, float *beyond) {
    uint16_t count[STK_CELLS * STK_CELLS] = {0};
    unfold(usual, rgb, landmarks, scale, face);
    darken(usual, face);
    for (int i = 0; i < STK_CELLS * STK_CELLS; i++) beyond[i] = 0;
    for (int i = 0; i < TEXELS; i++) {
        if (!face->seen[i]) continue;
        beyond[face->cell[i]] += (float)beyond_of(usual, i, face->colour[i]) / 3;
        count[face->cell[i]]++;
    }
    for (int i = 0; i < STK_CELLS * STK_CELLS; i++)
        beyond[i] = count[i] >= CELL_TEXELS ? beyond[i] / (float)count[i] : -1;
}
