/* framing.c - a fixed square around the faces of a clip.
 *
 * The detector's box reaches from the middle of the forehead to below the chin, about 1.2 times the
 * distance from brows to chin. The usual talking-head pictures are 2.1 to 2.4 such boxes wide: hair
 * above, shoulders below. Where the head travels the square grows with it.
 */
#include "subject/framing.h"

#include <math.h>
#include <stdlib.h>

static const float side_faces = 2.35f;    /* side in box heights */
static const float face_from_top = 0.45f; /* the face's centre in the square: headroom, shoulders */
static const float travel_room = 2.1f;    /* box heights kept around the travelling centre */
/* Box heights from the box's centre to above the hair: it is 1.0 to 1.1 high on tall2 and tall3. */
static const float head_above = 1.2f;
/* A square picture whose faces are this high (share of the side) is head and shoulders already. */
static const float whole_min = 0.22f, whole_max = 0.80f;

static int compare_floats(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Value at share q of a sorted array. */
static float at_share(const float *sorted, int n, float q) {
    return sorted[(int)lrintf(q * (float)(n - 1))];
}

typedef struct spread { /* 2 %, median, 98 % of a quantity over the clip */
    float low, mid, high;
} spread;

static spread spread_of(float *values, int n) {
    qsort(values, (size_t)n, sizeof *values, compare_floats);
    return (spread){at_share(values, n, 0.02f), at_share(values, n, 0.5f),
                    at_share(values, n, 0.98f)};
}

stk_rect stk_framing_choose(const stk_face_boxes *boxes, int width, int height) {
    spread x = spread_of(boxes->x, boxes->count), y = spread_of(boxes->y, boxes->count);
    spread face = spread_of(boxes->height, boxes->count);
    float share = face.mid / (float)height;
    if (width == height && share >= whole_min && share <= whole_max)
        return (stk_rect){0, 0, width, height};
    float travel = fmaxf(x.high - x.low, y.high - y.low);
    float side = fmaxf(side_faces * face.mid, travel_room * face.high + travel);
    int smaller = width < height ? width : height;
    int pixels = (int)lrintf(fminf(side, (float)smaller)) & ~1;
    if (pixels < 2) pixels = 2;
    float left = 0.5f * (x.low + x.high) - 0.5f * (float)pixels;
    float top = fminf(0.5f * (y.low + y.high) - face_from_top * (float)pixels,
                      y.low - head_above * face.high);
    int x0 = stk_clampi((int)lrintf(left), 0, width - pixels);
    int y0 = stk_clampi((int)lrintf(top), 0, height - pixels);
    return (stk_rect){x0, y0, x0 + pixels, y0 + pixels};
}
