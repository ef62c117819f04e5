/* error_map.h - where two pictures differ, as a picture. */
#ifndef STK_METRICS_ERROR_MAP_H
#define STK_METRICS_ERROR_MAP_H

#include "base/types.h"

/* Differences of this many levels (of 255, mean over channels) and more have the last colour. */
enum { STK_ERROR_MAP_LEVELS = 48 };

/* Colour of a difference: black at 0, over violet, red and orange to pale yellow; it grows lighter
 * all the way, so that it can be read without colours, too. */
void stk_error_colour(double levels, uint8_t rgb[3]);
/* map: RGB, of the pictures' size (RGB). Differences count `gain` times. */
void stk_error_map(stk_image *map, const stk_image *a, const stk_image *b, int gain);

#endif
