/* jaw.c - the line between head and neck.
 *
 *   face oval (36 mesh points) -> axes that roll with the head
 *     -> for every u the lower border of the oval, not higher than the ear lobe
 *     -> table limit(u): head is v <= limit(u)
 *
 * Inside the oval's columns the line follows the jaw, a few pixels outside it so that the radiance
 * field owns the jaw's contour; beside them it runs level below the ear lobe, so that ears are
 * head. Pure functions.
 */
#include "parts.h"

#include <math.h>

const int16_t stk_jaw_indices[STK_JAW_POINTS] = {
    10,  338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152,
    148, 176, 149, 150, 136, 172, 58,  132, 93,  234, 127, 162, 21,  54,  103, 67,  109, 33,  263};

enum { LEFT_EYE_END = 36, RIGHT_EYE_END = 37, CHIN = 18, FOREHEAD = 0 };
/* Places in the list above: ear-lobe level and jaw angle on the picture's right and left side. */
enum { LOBE_RIGHT = 10, ANGLE_RIGHT = 11, LOBE_LEFT = 26, ANGLE_LEFT = 25 };

static const float FACE_MIN_PX = 8;
static const float TABLE_REACH = 1.6f; /* face widths either side that the table covers */
static const float LOBE_DROP = 0.06f;  /* of the height: how far lobes hang below that level */
/* How far the oval's lower points move outwards, of the face's width, from the ear lobe (place 10)
 * to the chin (18) and the same on the other side. The mesh runs up to a twentieth inside the true
 * jaw angles (seen on all clips tried); at the chin the overlap gives the chin's contour to the
 * head. */
static const float OVERLAP[9] = {0.05f, 0.055f, 0.055f, 0.045f, 0.03f, 0.02f, 0.02f, 0.02f, 0.02f};
static const float INNER = 0.90f; /* the oval shrunk by this is face whatever the mask says */
static const float SLOW = 0.25f;  /* share of a trembling motion that is followed */

void stk_jaw_follow(float points[STK_JAW_POINTS][2], const stk_landmarks *landmarks, int first,
                    float tremble_px) {
    float delta[STK_JAW_POINTS][2], mean[2] = {0, 0};
    for (int i = 0; i < STK_JAW_POINTS; i++)
        for (int c = 0; c < 2; c++) {
            float fresh = landmarks->xyz[stk_jaw_indices[i]][c];
            if (first) points[i][c] = fresh;
            delta[i][c] = fresh - points[i][c];
            mean[c] += delta[i][c] / STK_JAW_POINTS;
        }
    if (first) return;
    float whole = stk_clampf(hypotf(mean[0], mean[1]) / tremble_px, SLOW, 1);
    for (int i = 0; i < STK_JAW_POINTS; i++) {
        float own[2] = {delta[i][0] - mean[0], delta[i][1] - mean[1]};
        float share = stk_clampf(hypotf(own[0], own[1]) / tremble_px, SLOW, 1);
        for (int c = 0; c < 2; c++) points[i][c] += whole * mean[c] + share * own[c];
    }
}

/* Raises table (towards larger v if sign > 0, smaller if < 0) along the edge a-b. */
static void draw_edge(float *table, const stk_jaw *jaw, const float a[2], const float b[2],
                      float sign) {
    float low = a[0] < b[0] ? a[0] : b[0], high = a[0] < b[0] ? b[0] : a[0];
    int first = stk_jaw_entry(jaw, low), last = stk_jaw_entry(jaw, high);
    for (int i = first; i <= last; i++) {
        float u = jaw->u_mid + ((float)i + 0.5f - STK_JAW_TABLE / 2) * jaw->table_step;
        float t = high - low > 1e-6f ? stk_clampf((u - a[0]) / (b[0] - a[0]), 0, 1) : 0;
        float v = a[1] + t * (b[1] - a[1]);
        if (sign * v > sign * table[i]) table[i] = v;
    }
}

static int head_axes(stk_jaw *jaw, float points[STK_JAW_POINTS][2]) {
    const float *a = points[LEFT_EYE_END], *b = points[RIGHT_EYE_END];
    float dx = b[0] - a[0], dy = b[1] - a[1], length = hypotf(dx, dy);
    if (!(length > 1) || !isfinite(length)) return 0;
    jaw->origin[0] = 0.5f * (a[0] + b[0]), jaw->origin[1] = 0.5f * (a[1] + b[1]);
    jaw->right[0] = dx / length, jaw->right[1] = dy / length;
    jaw->down[0] = -jaw->right[1], jaw->down[1] = jaw->right[0];
    return 1;
}

/* The line beside the oval, and nothing yet inside. */
static void level_tables(stk_jaw *jaw, float oval[STK_OVAL_POINTS][2]) {
    float lobe[2] = {0.5f * (oval[LOBE_LEFT][1] + oval[ANGLE_LEFT][1]),
                     0.5f * (oval[LOBE_RIGHT][1] + oval[ANGLE_RIGHT][1])};
    for (int i = 0; i < STK_JAW_TABLE; i++) {
        float u = ((float)i + 0.5f - STK_JAW_TABLE / 2) * jaw->table_step / jaw->width;
        float side = stk_clampf(u + 0.5f, 0, 1);
        float beside = stk_clampf((fabsf(u) - 0.43f) / 0.06f, 0, 1); /* 1: beyond the oval */
        jaw->limit[i] = lobe[0] + side * (lobe[1] - lobe[0]) + beside * LOBE_DROP * jaw->height;
        jaw->inner_top[i] = 1e30f, jaw->inner_bottom[i] = -1e30f;
    }
}

static void widen_jaw(const stk_jaw *jaw, float oval[STK_OVAL_POINTS][2], float v_mid) {
    for (int i = LOBE_RIGHT; i <= LOBE_LEFT; i++) {
        float out = OVERLAP[i <= CHIN ? i - LOBE_RIGHT : LOBE_LEFT - i] * jaw->width;
        float du = oval[i][0] - jaw->u_mid, dv = oval[i][1] - v_mid, length = hypotf(du, dv);
        if (length < 1) continue;
        oval[i][0] += out * du / length;
        oval[i][1] += out * dv / length;
    }
}

int stk_jaw_init(stk_jaw *jaw, float points[STK_JAW_POINTS][2]) {
    float oval[STK_OVAL_POINTS][2], low[2] = {1e30f, 1e30f}, high[2] = {-1e30f, -1e30f};
    if (!head_axes(jaw, points)) return 0;
    for (int i = 0; i < STK_OVAL_POINTS; i++) {
        stk_jaw_axes(jaw, points[i][0], points[i][1], &oval[i][0], &oval[i][1]);
        if (!isfinite(oval[i][0]) || !isfinite(oval[i][1])) return 0;
        for (int c = 0; c < 2; c++) {
            low[c] = fminf(low[c], oval[i][c]);
            high[c] = fmaxf(high[c], oval[i][c]);
        }
    }
    jaw->width = high[0] - low[0], jaw->height = high[1] - low[1];
    if (jaw->width < FACE_MIN_PX || jaw->height < FACE_MIN_PX) return 0;
    jaw->u_mid = 0.5f * (low[0] + high[0]);
    jaw->u_chin = oval[CHIN][0], jaw->v_chin = oval[CHIN][1];
    jaw->table_step = 2 * TABLE_REACH * jaw->width / STK_JAW_TABLE;
    level_tables(jaw, oval);
    float v_mid = 0.5f * (low[1] + high[1]), inner[STK_OVAL_POINTS][2];
    for (int i = 0; i < STK_OVAL_POINTS; i++) {
        inner[i][0] = jaw->u_mid + INNER * (oval[i][0] - jaw->u_mid);
        inner[i][1] = v_mid + INNER * (oval[i][1] - v_mid);
    }
    widen_jaw(jaw, oval, v_mid);
    for (int i = 0; i < STK_OVAL_POINTS; i++) {
        int next = (i + 1) % STK_OVAL_POINTS;
        if (oval[i][1] > v_mid || oval[next][1] > v_mid)
            draw_edge(jaw->limit, jaw, oval[i], oval[next], 1);
        draw_edge(jaw->inner_bottom, jaw, inner[i], inner[next], 1);
        draw_edge(jaw->inner_top, jaw, inner[i], inner[next], -1);
    }
    return 1;
}
