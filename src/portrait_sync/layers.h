/* layers.h - distance maps that the plate and the torso picture share. Private to this room. */
#ifndef STK_PORTRAIT_SYNC_LAYERS_H
#define STK_PORTRAIT_SYNC_LAYERS_H

#include "base/types.h"

enum {
    STK_DISTANCE_CAP = 255,
    STK_CHAMFER_UNIT = 3, /* chamfer distances count thirds of a pixel */
};

/* labels & bit of the set: STK_LABEL_SET(l) | ... */
#define STK_LABEL_SET(label) (1u << (label))
#define STK_LABELS_BODY (STK_LABEL_SET(STK_LABEL_NECK) | STK_LABEL_SET(STK_LABEL_TORSO))
#define STK_LABELS_PERSON (STK_LABELS_BODY | STK_LABEL_SET(STK_LABEL_HEAD))

size_t stk_distance_scratch_bytes(int width, int height);
/* distance[h*w] = floor of the Euclidean distance in px to the nearest pixel whose label is in
 * `set`, capped at STK_DISTANCE_CAP (also where there is none); 0 on the set itself. Exact, O(N).
 */
void stk_distance_exact(uint8_t *distance, const stk_image *labels, unsigned set, void *scratch);
/* distance[h*w] = 3-4 chamfer distance in thirds of a pixel to the set, capped at `cap` (<= 250).
 * Error below 8 % of a pixel a pixel; two raster passes. */
void stk_distance_chamfer(uint8_t *distance, const stk_image *labels, unsigned set, int cap);

#endif
