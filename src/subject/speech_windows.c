/* speech_windows.c - see speech_windows.h. */
#include "subject/speech_windows.h"

#include <math.h>
#include <string.h>

enum { SIDE = STK_CROP_SIDE, PIXELS = STK_LIPS_H * STK_LIPS_W };

int stk_encoder_column(int frame) {
    return (int)floor(16.0 * (frame - STK_LIPS_SIDE) / STK_LIPS_FRAMES); /* 16 columns: 5 frames */
}

int stk_encoder_has_lips(const stk_speech *s, int frame) {
    if (frame < STK_LIPS_SIDE || frame + STK_LIPS_SIDE >= s->frames) return 0;
    for (int k = -STK_LIPS_SIDE; k <= STK_LIPS_SIDE; k++)
        if (s->state[frame + k] == STK_SPEECH_NONE || s->take[frame + k] != s->take[frame])
            return 0;
    return 1;
}

int stk_encoder_has_sound(const stk_speech *s, int frame) {
    const int first = stk_encoder_column(frame);
    return first >= 0 && first + STK_MEL_STEPS <= s->columns;
}

void stk_encoder_sound_plain(const stk_speech *s, int frame, float *window) {
    const int first = stk_encoder_column(frame);
    for (int b = 0; b < STK_MEL_BINS; b++)
        memcpy(window + b * STK_MEL_STEPS, s->mel + (ptrdiff_t)b * s->columns + first,
               STK_MEL_STEPS * sizeof(float));
}

void stk_encoder_lips_plain(const stk_speech *s, int frame, float *lips) {
    const uint8_t *crops = s->crops + (ptrdiff_t)(frame - STK_LIPS_SIDE) * STK_SPEECH_CROP;
    crops += (SIDE - STK_LIPS_H) * SIDE * 3;
    for (int i = 0; i < PIXELS; i++, lips += STK_LIPS_CHANNELS) {
        for (int f = 0; f < STK_LIPS_FRAMES; f++)
            for (int k = 0; k < 3; k++)
                lips[f * 3 + k] =
                    (float)crops[(ptrdiff_t)f * STK_SPEECH_CROP + i * 3 + k] * (2.0f / 255) - 1.0f;
        lips[3 * STK_LIPS_FRAMES] = 0;
    }
}
