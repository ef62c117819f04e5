/* code_range.h - which audio codes a model has seen: those of its training sound, as a mean and
 * principal axes. Sounds of other voices, rooms and levels give codes far outside (39 standard
 * deviations away where training's are 5.7, for jfk.wav on a model of french.mp4); there the field
 * has learned nothing and its density tears. They are brought back to what was seen.
 *
 *   codes [n][32] -> mean, axes                z_k = (c - mean) a_k / |a_k|^2
 *   z_k limited to +-STK_CODE_AXIS_LIMIT, then |z| to STK_CODE_RADIUS_LIMIT; c = mean + sum z_k a_k
 *
 * DIFFERS: the published system has nothing of the kind; its encoder has heard many voices.
 */
#ifndef STK_FACE_SYNC_CODE_RANGE_H
#define STK_FACE_SYNC_CODE_RANGE_H

#include "face_sync/audio.h"

enum { STK_CODE_RANGE_ROWS = 1 + STK_AUDIO_CODE };
/* In standard deviations of the training codes; the mean square radius of these is 32, its root
 * 5.7. */
#define STK_CODE_AXIS_LIMIT 2.5f
#define STK_CODE_RADIUS_LIMIT 7.0f

typedef struct stk_code_range {
    int known; /* 0: nothing is limited */
    /* Row 0 the mean; the others the principal axes, in no order, each as long as its standard
     * deviation. */
    float rows[STK_CODE_RANGE_ROWS][STK_AUDIO_CODE];
} stk_code_range;

/* Of n >= 1 codes; the same codes in the same order give the same range. */
void stk_code_range_fit(stk_code_range *range, const float (*codes)[STK_AUDIO_CODE], int n);
/* In place. Along axes shorter than 1e-4 of the longest, where training hardly moved, the code is
 * brought to the mean; else a code within the limits changes by rounding only. One that holds no
 * numbers stays as it is. */
void stk_code_range_limit(const stk_code_range *range, float code[STK_AUDIO_CODE]);

#endif
