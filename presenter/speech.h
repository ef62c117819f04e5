/* speech.h - text to sound with phoneme times; sound files to a loudness-driven substitute.
 *
 * Voices: flite's built-in English ones ("slt", "rms", "awb", "kal"), linked; and, when
 * libespeak-ng is installed, any of its languages as "espeak:de", "espeak:fr+f2", loaded at run
 * time. Phones are given in one alphabet, stk_phone_class, whatever the voice.
 */
#ifndef STK_PRESENTER_SPEECH_H
#define STK_PRESENTER_SPEECH_H

#include "base/status.h"
#include "base/types.h"

/* Mouth-shape classes: phones that look alike share one. */
typedef enum stk_phone_class {
    STK_PHONE_SILENCE,
    STK_PHONE_AA,      /* father, hot */
    STK_PHONE_AE,      /* cat */
    STK_PHONE_AH,      /* schwa, but */
    STK_PHONE_EH,      /* bed */
    STK_PHONE_IY,      /* see, sit */
    STK_PHONE_OW,      /* go, law */
    STK_PHONE_UW,      /* food, put */
    STK_PHONE_ER,      /* bird */
    STK_PHONE_Y_ROUND, /* German ue, French u */
    STK_PHONE_PBM,
    STK_PHONE_FV,
    STK_PHONE_TH,
    STK_PHONE_TDN,
    STK_PHONE_L,
    STK_PHONE_SZ,
    STK_PHONE_SH,
    STK_PHONE_KG,
    STK_PHONE_R,
    STK_PHONE_W,
    STK_PHONE_H,
    STK_PHONE_CLASSES
} stk_phone_class;

typedef struct stk_phone {
    stk_phone_class class;
    float start_s, end_s;
    float stress; /* of vowels: 0 none, 0.6 stressed, 1 accented in its phrase */
    char name[8]; /* as the voice calls it */
} stk_phone;

typedef struct stk_utterance {
    stk_sound sound;   /* mono, STK_SAMPLE_RATE; owned */
    stk_phone *phones; /* contiguous, ascending; owned */
    int count;
    char voice[64];
} stk_utterance;

/* Speaks `text` (UTF-8); repeats it, or stops after the sentence that passes it, so that the sound
 * is at least min_seconds long (0 = once). Deterministic. STK_ERR_ARGUMENT with the list of voices
 * for one that is not there. */
stk_status stk_speech_synthesise(const char *text, const char *voice, double min_seconds,
                                 stk_utterance *utterance);
/* A sound file: the sound itself, no phones (count 0). */
stk_status stk_speech_from_file(const char *path, stk_utterance *utterance);
void stk_utterance_clear(stk_utterance *utterance);
/* Some two minutes of text with every English phone, for clips without --text; changes by seed.
 * Part 0 is the opening, the others paragraphs; NULL after the last. Static. */
const char *stk_speech_script(int seed, int part);
/* All parts in one text; owned by the caller: free(). */
stk_status stk_speech_script_join(int seed, char **text);

/* Mouth shapes frame by frame: the blendshapes of jaw and lips (others stay untouched) of each
 * 1/fps s, frame i at time i/fps. With phones: targets per class, blended by dominance functions
 * [Cohen & Massaro 1993]; closures of p b m and f v are always reached. Without: opening from the
 * loudness of 200-4000 Hz, width from its spectral centre, closures at its dips.
 * The lips touch where mouthClose equals jawOpen and mouthLowerDown, mouthUpperUp are 0. */
stk_status stk_mouth_track(const stk_utterance *utterance, double fps, int frames,
                           float (*shapes)[STK_BLENDSHAPES]);

#endif
