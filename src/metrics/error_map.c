/* error_map.c - see error_map.h.
 *
 *   |a - b|, mean over r, g, b -> [0, STK_ERROR_MAP_LEVELS] -> colour between five that are given
 */
#include "metrics/error_map.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { STOPS = 5, CHANNELS = 3, STEPS = STK_ERROR_MAP_LEVELS * CHANNELS };
static const uint8_t stop[STOPS][3] = {
    {0, 0, 6}, {86, 15, 110}, {187, 55, 84}, {249, 142, 9}, {252, 255, 164}};

void stk_error_colour(double levels, uint8_t rgb[3]) {
    const double share = fmin(fmax(levels, 0) / STK_ERROR_MAP_LEVELS, 1) * (STOPS - 1);
    const int i = share < STOPS - 1 ? (int)share : STOPS - 2;
    for (int c = 0; c < 3; c++)
        rgb[c] = (uint8_t)lround(stop[i][c] + (share - i) * (stop[i + 1][c] - stop[i][c]));
}

void stk_error_map(stk_image *map, const stk_image *a, const stk_image *b, int gain) {
    uint8_t colour[STEPS + 1][3];
    for (int k = 0; k <= STEPS; k++) stk_error_colour((double)k / CHANNELS, colour[k]);
    for (int y = 0; y < map->height; y++) {
        const uint8_t *pa = stk_image_row(a, y), *pb = stk_image_row(b, y);
        uint8_t *out = stk_image_row(map, y);
        for (int x = 0; x < map->width; x++, pa += 3, pb += 3, out += 3) {
            const int sum = gain * (abs(pa[0] - pb[0]) + abs(pa[1] - pb[1]) + abs(pa[2] - pb[2]));
            memcpy(out, colour[sum < STEPS ? sum : STEPS], 3);
        }
    }
}
