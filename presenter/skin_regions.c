/* skin_regions.c - where skin is redder, browner, bluer, oilier, coarser: blobs round landmarks.
 *
 *   table of (landmark and its mirror image, reach in mm, amount) --> blobs in rest space
 *   amount at p = sum over blobs of a (1 - d^2 / reach^2)^2
 *
 * Places after facial anatomy: thin skin below the eyes shows blue, cheeks, nose and chin have more
 * blood, forehead, nose and chin more oil; pores are widest on the nose and beside it.
 */
#include "presenter/skin_parts.h"

typedef struct blob_row {
    int16_t right, left; /* landmarks; the same = one blob */
    uint8_t kind, reach; /* mm */
    float amount;
} blob_row;

enum {
    BLOOD = STK_SKIN_BLOOD,
    MELANIN = STK_SKIN_MELANIN,
    BLUE = STK_SKIN_BLUE,
    YELLOW = STK_SKIN_YELLOW,
    OIL = STK_SKIN_OIL,
    PORES = STK_SKIN_PORES,
    BEARD = STK_SKIN_BEARD,
    FRECKLES = STK_SKIN_FRECKLES,
    LINES = STK_SKIN_LINES
};

static const blob_row rows[] = {
    /* cheeks, nose, chin, eyelids, glabella */
    {205, 425, BLOOD, 38, 0.09f},
    {50, 280, BLOOD, 34, 0.06f},
    {187, 411, BLOOD, 38, 0.07f},
    {4, 4, BLOOD, 17, 0.22f},
    {219, 439, BLOOD, 11, 0.22f},
    {98, 327, BLOOD, 9, 0.22f},
    {195, 195, BLOOD, 13, 0.08f},
    {199, 199, BLOOD, 19, 0.13f},
    {43, 273, BLOOD, 13, 0.08f},
    {9, 9, BLOOD, 17, 0.06f},
    {159, 386, BLOOD, 15, 0.20f},
    {133, 362, BLOOD, 9, 0.22f},
    {33, 263, BLOOD, 10, 0.10f},
    {145, 374, BLOOD, 10, 0.12f},
    {164, 164, BLOOD, 14, 0.10f},
    {69, 299, BLOOD, 30, -0.03f},
    {151, 151, BLOOD, 30, -0.02f},
    {21, 251, BLOOD, 28, -0.02f},
    /* browner round the eyes, at the edges of the face, beside the mouth */
    {159, 386, MELANIN, 14, 0.12f},
    {133, 362, MELANIN, 13, 0.12f},
    {230, 450, MELANIN, 12, 0.07f},
    {61, 291, MELANIN, 14, 0.08f},
    {164, 164, MELANIN, 12, 0.05f},
    {21, 251, MELANIN, 26, 0.04f},
    {172, 397, MELANIN, 36, 0.05f},
    {6, 6, MELANIN, 12, 0.03f},
    /* veins shine through below the eyes, at the inner corners and the temples */
    {231, 451, BLUE, 12, 0.11f},
    {231, 451, BLOOD, 13, 0.07f},
    {229, 449, BLUE, 12, 0.06f},
    {133, 362, BLUE, 11, 0.13f},
    {47, 277, BLUE, 9, 0.08f},
    {162, 389, BLUE, 28, 0.06f},
    {43, 273, BLUE, 16, 0.05f},
    /* forehead, round the mouth, jaw */
    {151, 151, YELLOW, 48, 0.05f},
    {69, 299, YELLOW, 36, 0.05f},
    {57, 287, YELLOW, 20, 0.06f},
    {136, 365, YELLOW, 40, 0.05f},
    {195, 195, YELLOW, 16, 0.05f},
    /* the oily T: forehead, nose, chin; some on the cheek bones and lids */
    {151, 151, OIL, 34, 0.60f},
    {69, 299, OIL, 26, 0.30f},
    {9, 9, OIL, 20, 0.30f},
    {195, 195, OIL, 16, 0.55f},
    {4, 4, OIL, 16, 0.65f},
    {219, 439, OIL, 11, 0.40f},
    {199, 199, OIL, 20, 0.40f},
    {50, 280, OIL, 24, 0.35f},
    {164, 164, OIL, 14, 0.25f},
    {159, 386, OIL, 11, 0.35f},
    /* pores */
    {4, 4, PORES, 18, 0.75f},
    {219, 439, PORES, 13, 0.45f},
    {195, 195, PORES, 16, 0.40f},
    {101, 330, PORES, 19, 0.70f},
    {36, 266, PORES, 17, 0.40f},
    {205, 425, PORES, 30, 0.45f},
    {9, 9, PORES, 26, 0.45f},
    {151, 151, PORES, 44, 0.35f},
    {199, 199, PORES, 24, 0.60f},
    /* beard: chin, upper lip, jaw, lower cheeks */
    {152, 152, BEARD, 34, 1.00f},
    {199, 199, BEARD, 28, 0.80f},
    {18, 18, BEARD, 17, 0.40f},
    {164, 164, BEARD, 13, 0.50f},
    {167, 393, BEARD, 14, 0.60f},
    {92, 322, BEARD, 14, 0.75f},
    {186, 410, BEARD, 15, 0.55f},
    {57, 287, BEARD, 14, 0.50f},
    {202, 422, BEARD, 19, 0.45f},
    {211, 431, BEARD, 28, 0.80f},
    {135, 364, BEARD, 34, 0.85f},
    {172, 397, BEARD, 36, 0.80f},
    {215, 435, BEARD, 30, 0.75f},
    {132, 361, BEARD, 26, 0.60f},
    {214, 434, BEARD, 22, 0.40f},
    /* freckles */
    {50, 280, FRECKLES, 32, 0.90f},
    {101, 330, FRECKLES, 22, 0.60f},
    {195, 195, FRECKLES, 22, 0.80f},
    {151, 151, FRECKLES, 50, 0.45f},
    {205, 425, FRECKLES, 30, 0.40f},
    /* creases across the forehead */
    {151, 151, LINES, 30, 0.80f},
    {69, 299, LINES, 26, 0.60f},
};

static void blob_add(stk_skin_regions *regions, const blob_row *row, const float at[3]) {
    if (regions->blobs >= STK_SKIN_BLOBS) return;
    int n = regions->blobs++;
    for (int c = 0; c < 3; c++) regions->blob[n].centre[c] = 1e3f * at[c];
    regions->blob[n].reach2 = (float)row->reach * (float)row->reach;
    regions->blob[n].amount = row->amount;
    regions->blob[n].kind = row->kind;
}

void stk_skin_regions_init(stk_skin_regions *regions, const float (*rest)[3]) {
    _Static_assert(2 * sizeof rows / sizeof rows[0] <= STK_SKIN_BLOBS, "too many blobs");
    regions->blobs = 0;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        blob_add(regions, &rows[i], rest[rows[i].right]);
        if (rows[i].left != rows[i].right) blob_add(regions, &rows[i], rest[rows[i].left]);
    }
}

void stk_skin_regions_at(const stk_skin_regions *regions, const float p[3],
                         float amount[STK_SKIN_AMOUNTS]) {
    for (int a = 0; a < STK_SKIN_AMOUNTS; a++) amount[a] = 0.0f;
    for (int n = 0; n < regions->blobs; n++) {
        const float *c = regions->blob[n].centre;
        float dx = p[0] - c[0], dy = p[1] - c[1], dz = p[2] - c[2];
        float d2 = dx * dx + dy * dy + dz * dz, reach2 = regions->blob[n].reach2;
        if (d2 >= reach2) continue;
        float w = 1.0f - d2 / reach2;
        amount[regions->blob[n].kind] += regions->blob[n].amount * w * w;
    }
}
