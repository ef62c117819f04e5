/* spoken.h - one sentence as a voice spoke it: what speech_flite.c and speech_espeak.c hand to
 * speech.c. Internal to the speech files. */
#ifndef STK_PRESENTER_SPOKEN_H
#define STK_PRESENTER_SPOKEN_H

#include "presenter/speech.h"

/* Samples at STK_SAMPLE_RATE in [-1, 1]; phones ascending, contiguous from 0 s. Owns both (samples
 * as stk_sound does). */
typedef struct stk_spoken {
    float *samples;
    int64_t count, capacity;
    stk_phone *phones;
    int phone_count, phone_capacity;
} stk_spoken;

void stk_spoken_init(stk_spoken *spoken);
void stk_spoken_clear(stk_spoken *spoken);
/* Appends `count` samples, or silence where samples is NULL. */
stk_status stk_spoken_append(stk_spoken *spoken, const float *samples, int64_t count);
/* Appends a phone from the end of the last one (0 for the first) to end_s; silence after silence,
 * and whatever does not last, lengthens the last one. */
stk_status stk_spoken_phone(stk_spoken *spoken, stk_phone_class class, double end_s, float stress,
                            const char *name);
double stk_spoken_end_s(const stk_spoken *spoken);
/* Appends 16-bit samples of any rate, brought to STK_SAMPLE_RATE by a windowed sinc. */
stk_status stk_spoken_resample(stk_spoken *spoken, const int16_t *samples, int64_t count, int rate);

/* Is there such a built-in English voice? */
int stk_flite_has(const char *voice);
/* Speaks one sentence into an empty *spoken. Serialised by a lock. */
stk_status stk_flite_say(const char *voice, const char *sentence, stk_spoken *spoken);

/* One use of libespeak-ng: begin, any number of sentences, end. Holds a lock from begin to end, and
 * loads the library anew each time, because its prosody depends on what it said before. `voice` is
 * the part after "espeak:". */
stk_status stk_espeak_begin(const char *voice);
stk_status stk_espeak_say(const char *sentence, stk_spoken *spoken);
void stk_espeak_end(void);
/* Whether the library and its data are there. */
int stk_espeak_installed(void);

#endif
