/* synthetic_speech.h - cut speech made from nothing: a mouth and a spectrogram that follow one
 * random opening. */
#ifndef STK_TESTS_SYNTHETIC_SPEECH_H
#define STK_TESTS_SYNTHETIC_SPEECH_H

#include "subject/speech.h"

enum { SYNTHETIC_SPEECH_FRAMES = 160 };

/* The clip of this number, named "made<number>"; of one below 0 nobody speaks. crops is of stk_calloc_aligned and goes first;
 * stk_speech_free frees the rest. */
void synthetic_speech_make(stk_speech *speech, int number);
/* The same as a file, as stk_speech_cut would write it. */
void synthetic_speech_write(const char *path, int number);

#endif
