/* bust_plug.c - the neck without head: skin up to a slanted cut at the throat, then a column that
 * goes straight on and ends in a dome at the height of the mouth, where the head hides it.
 *
 * Rows of STK_CONTROL_COLUMNS vertices. The lower ones lie just below the skin as it is expressed
 * now, with its place in the texture and its light, so that the seam does not show; the upper ones
 * keep their column's light (baked inside the head they would be dark).
 */
#include "presenter/bust_private.h"

#include <string.h>

#include "base/memory.h"
#include "presenter/bust_math.h"

enum {
    COLUMNS = STK_CONTROL_COLUMNS,
    BELOW = 10, /* rows from the neck's base to the cut */
    SHAFT = 3,  /* from the cut to the dome's foot */
    DOME = 9,
    ROWS = BELOW + SHAFT + DOME
};
static const float INSIDE = 0.0004f; /* of the skin, m */
static const float DOME_HIGH = 0.024f;
static const float axis[3] = {0, 1, 0.12f}; /* the neck leans forwards */

/* Positive above the cut: from the throat's corner up to the nape. */
static float above_cut(const float average[3]) {
    return average[1] - (-0.120f + 0.70f * (-0.013f - average[2]));
}

static int32_t ring_vertex(const stk_bust *bust, int ring, int column) {
    return ring == 0 ? bust->mesh.oval[column] : STK_MESH_LANDMARKS + (ring - 1) * COLUMNS + column;
}

/* Ring, as a fraction, at which a column of the skin meets the cut. */
static float cut_ring(const stk_bust *bust, int column) {
    for (int r = STK_CONTROL_RINGS - 1; r > 0; r--) {
        const float here = above_cut(bust->mesh.average[ring_vertex(bust, r, column)]);
        if (here < 0) continue;
        const float below = above_cut(bust->mesh.average[ring_vertex(bust, r + 1, column)]);
        return (float)r + here / (here - fminf(below, -1e-6f));
    }
    return 1;
}

/* Two vertices of the skin and the share of the second for a fractional ring of a column. */
typedef struct plug_source {
    int32_t a, b;
    float share;
} plug_source;

static plug_source source_at(const stk_bust *bust, int column, float ring) {
    const int r = stk_clampi((int)ring, 0, STK_CONTROL_RINGS - 1);
    return (plug_source){ring_vertex(bust, r, column), ring_vertex(bust, r + 1, column),
                         ring - (float)r};
}

static void source_mix(const plug_source *s, const float *values, int count, float *out) {
    for (int k = 0; k < count; k++)
        out[k] = bust_mix(values[s->a * count + k], values[s->b * count + k], s->share);
}

/* Row r of a column: below the cut as the skin; above it light and bind of the cut, and the texture
 * once more from the cut downwards, so that nothing is drawn out. */
static void vertex_set(stk_bust *bust, int r, int j) {
    const stk_surface *skin = &bust->skin;
    stk_surface *plug = &bust->plug;
    const int v = r * COLUMNS + j;
    const float cut = bust->plug_cut[j], base = (float)STK_CONTROL_RINGS;
    const float share = fminf((float)r / (BELOW - 1), 1);
    const float over = fmaxf((float)(r - BELOW + 1) / (ROWS - BELOW), 0);
    const plug_source at = source_at(bust, j, bust_mix(base, cut, share));
    const plug_source cloth = source_at(bust, j, bust_mix(base, cut, share - 0.35f * over));
    source_mix(&at, skin->rest[0], 3, plug->rest[v]);
    source_mix(&at, skin->bind, 1, &plug->bind[v]);
    source_mix(&at, skin->transfer[0], 9, plug->transfer[v]);
    source_mix(&at, skin->key[0], STK_KEY_CELLS, plug->key[v]);
    source_mix(&cloth, skin->uv[0], 2, plug->uv[v]);
    plug->bind[v] = bust_mix(plug->bind[v], 1, bust_step(0, 0.5f, over));
}

static void row_middle(const stk_surface *plug, int row, float middle[3]) {
    for (int k = 0; k < 3; k++) middle[k] = 0;
    for (int j = 0; j < COLUMNS; j++)
        for (int k = 0; k < 3; k++) middle[k] += plug->rest[row * COLUMNS + j][k] / COLUMNS;
}

static void mean_of(const float *values, int count, float *mean) {
    for (int k = 0; k < count; k++) mean[k] = 0;
    for (int j = 0; j < COLUMNS; j++)
        for (int k = 0; k < count; k++) mean[k] += values[j * count + k] / COLUMNS;
}

/* The light of the dome fades to the mean of all columns at its tip. */
static void light_fade(stk_surface *plug, int v, float share) {
    float transfer[9], key[STK_KEY_CELLS];
    const int cut = (BELOW - 1) * COLUMNS;
    mean_of(plug->transfer[cut], 9, transfer);
    mean_of(plug->key[cut], STK_KEY_CELLS, key);
    for (int k = 0; k < 9; k++)
        plug->transfer[v][k] = bust_mix(plug->transfer[v][k], transfer[k], share);
    for (int k = 0; k < STK_KEY_CELLS; k++)
        plug->key[v][k] = bust_mix(plug->key[v][k], key[k], share);
}

static void shaft_and_dome(stk_surface *plug) {
    const int foot = BELOW + SHAFT - 1;
    for (int j = 0; j < COLUMNS; j++) {
        const float *c = plug->rest[(BELOW - 1) * COLUMNS + j];
        const float rise = fmaxf(-0.078f + 0.28f * (-0.013f - c[2]) - c[1], 0.004f);
        for (int r = BELOW; r <= foot; r++)
            for (int k = 0; k < 3; k++)
                plug->rest[r * COLUMNS + j][k] =
                    c[k] + axis[k] * rise * (float)(r - BELOW + 1) / SHAFT;
    }
    float middle[3];
    row_middle(plug, foot, middle);
    for (int r = foot + 1; r < ROWS; r++) {
        const float turn = 1.5707963f * (float)(r - foot) / DOME;
        const float size = cosf(turn), high = DOME_HIGH * sinf(turn);
        for (int j = 0; j < COLUMNS; j++) {
            const float *from = plug->rest[foot * COLUMNS + j];
            float *p = plug->rest[r * COLUMNS + j];
            for (int k = 0; k < 3; k++)
                p[k] = middle[k] + size * (from[k] - middle[k]) + high * axis[k];
            light_fade(plug, r * COLUMNS + j, 1 - size);
        }
    }
}

static void plug_place(stk_bust *bust) {
    stk_surface *plug = &bust->plug;
    for (int r = 0; r < ROWS; r++)
        for (int j = 0; j < COLUMNS; j++) vertex_set(bust, r, j);
    shaft_and_dome(plug);
    for (int r = 0; r < BELOW; r++) {
        float middle[3];
        row_middle(plug, r, middle);
        for (int j = 0; j < COLUMNS; j++) {
            float *p = plug->rest[r * COLUMNS + j], out[3];
            for (int k = 0; k < 3; k++) out[k] = k == 1 ? 0 : p[k] - middle[k];
            bust_normalise(out);
            for (int k = 0; k < 3; k++) p[k] -= INSIDE * out[k];
        }
    }
}

static void triangles_join(stk_surface *plug) {
    int count = 0;
    for (int r = 0; r + 1 < ROWS; r++)
        for (int j = 0; j < COLUMNS; j++) {
            const int a = r * COLUMNS + j, b = r * COLUMNS + (j + 1) % COLUMNS;
            const int32_t two[2][3] = {{a, b, a + COLUMNS}, {a + COLUMNS, b, b + COLUMNS}};
            memcpy(plug->triangle[count], two, sizeof two);
            count += 2;
        }
}

stk_status stk_bust_plug_make(stk_bust *bust) {
    stk_surface *plug = &bust->plug, *skin = &bust->skin;
    STK_TRY(stk_surface_init(plug, "plug", ROWS * COLUMNS, 2 * (ROWS - 1) * COLUMNS));
    bust->beheaded = stk_calloc_aligned((size_t)skin->triangles, sizeof *bust->beheaded);
    if (!bust->beheaded) return stk_fail_memory("bust");
    for (int t = 0; t < skin->triangles; t++) {
        int above = 0;
        if (skin->part[t] != STK_PART_NECK) continue;
        for (int i = 0; i < 3; i++) above |= above_cut(bust->average[skin->triangle[t][i]]) > 0;
        if (above) bust->beheaded[bust->beheaded_count++] = t;
    }
    for (int j = 0; j < COLUMNS; j++) bust->plug_cut[j] = cut_ring(bust, j);
    triangles_join(plug);
    memset(plug->part, STK_PART_NECK, (size_t)plug->triangles);
    plug->material = &bust->material[STK_BUST_SKIN];
    plug->hidden = 1;
    plug->casts = 0;
    plug_place(bust);
    return STK_OK;
}

void stk_bust_plug(stk_bust *bust, int shown) {
    bust->plug.hidden = !shown;
    const uint8_t part = shown ? STK_PART_FACE : STK_PART_NECK;
    for (int i = 0; i < bust->beheaded_count; i++) bust->skin.part[bust->beheaded[i]] = part;
    if (shown) plug_place(bust);
}
