/* picture.c - see picture.h.
 *
 * Squared differences of bytes are summed as integers: exact, in any order. Threading: pure
 * functions. */
#include "metrics/picture.h"

#include "base/face_mesh.h"

#include <math.h>

static const double DATA_RANGE = 255;
static const double PSNR_MOST_DB = 100; /* identical pictures */

/* DIFFERS: reference.md 10 takes the last detected face and 68-point landmarks 48..67; here the
 * same places on the face mesh are named by their mesh indices: the usual 68-point correspondence.
 * Outer lip from the picture's left corner over the upper lip to the right and back along the lower
 * lip (48..59), then the inner lip likewise (60..67). */
const int stk_mouth_landmarks[20] = {61, 39,  37, 0,  267, 269, 291, 405, 314, 17,
                                     84, 181, 78, 82, 13,  312, 308, 317, 14,  87};

static int64_t row_squares(const uint8_t *a, const uint8_t *b, int count) {
    int64_t sum = 0;
    for (int i = 0; i < count; i++) {
        int d = a[i] - b[i];
        sum += d * d;
    }
    return sum;
}

double stk_mse(const stk_image *a, const stk_image *b, stk_rect rect, const stk_image *mask,
               int64_t *pixels) {
    int64_t sum = 0, counted = 0;
    int channels = a->channels, width = a->width < b->width ? a->width : b->width;
    int height = a->height < b->height ? a->height : b->height;
    int x0 = stk_clampi(rect.x0, 0, width), x1 = stk_clampi(rect.x1, x0, width);
    int y0 = stk_clampi(rect.y0, 0, height), y1 = stk_clampi(rect.y1, y0, height);
    for (int y = y0; y < y1; y++) {
        const uint8_t *p = stk_image_row(a, y), *q = stk_image_row(b, y);
        if (mask == NULL) {
            sum += row_squares(p + x0 * channels, q + x0 * channels, (x1 - x0) * channels);
            counted += x1 - x0;
            continue;
        }
        const uint8_t *m = stk_image_row(mask, y);
        for (int x = x0; x < x1; x++) {
            if (m[x] == 0) continue;
            sum += row_squares(p + x * channels, q + x * channels, channels);
            counted++;
        }
    }
    if (pixels != NULL) *pixels = counted;
    return counted > 0 ? (double)sum / ((double)counted * channels * DATA_RANGE * DATA_RANGE) : 0;
}

double stk_psnr_from_mse(double mse) {
    static const double LEAST = 1e-10; /* 100 dB */
    return mse > LEAST ? -10 * log10(mse) : PSNR_MOST_DB;
}

double stk_landmark_distance(const stk_landmarks *a, const stk_landmarks *b, const int *indices,
                             int count) {
    double ma[2] = {0, 0}, mb[2] = {0, 0}, sum = 0;
    if (count < 1) return 0;
    for (int k = 0; k < count; k++)
        for (int i = 0; i < 2; i++) {
            ma[i] += a->xyz[indices[k]][i];
            mb[i] += b->xyz[indices[k]][i];
        }
    for (int k = 0; k < count; k++) {
        double d[2];
        for (int i = 0; i < 2; i++) {
            d[i] = a->xyz[indices[k]][i] - ma[i] / count;
            d[i] -= b->xyz[indices[k]][i] - mb[i] / count;
        }
        sum += sqrt(d[0] * d[0] + d[1] * d[1]);
    }
    return sum / count;
}

double stk_landmark_distance_68(const stk_landmarks *a, const stk_landmarks *b) {
    int indices[STK_POINTS_68];
    for (int i = 0; i < STK_POINTS_68; i++) indices[i] = stk_mesh_of_68[i];
    return stk_landmark_distance(a, b, indices, STK_POINTS_68);
}

double stk_upper_face_error(const float a[STK_BLENDSHAPES], const float b[STK_BLENDSHAPES]) {
    static const int upper[] = {0, 1, 2, 3, 4, 8, 9}; /* reference.md 8.1 */
    double sum = 0;
    for (size_t i = 0; i < STK_ARRAY_SIZE(upper); i++)
        sum += fabs((double)a[upper[i]] - (double)b[upper[i]]);
    return sum / STK_ARRAY_SIZE(upper);
}
