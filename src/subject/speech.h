/* speech.h - a clip as lips and sound that belong together: what the audio-visual encoder learns
 * from and what sync is measured on.
 *
 *   clip --retime--> 25/s --face capture--> anchors, lip opening --cuts--> takes
 *     anchors --similarity, smoothed within a take--> crops [frames][96][96][3]
 *   sound at 16 kHz, sample 0 at frame 0 --> mel [80][columns]
 *   both --> who speaks: lips that move while there is sound, and a mouth that the active speaker
 *   network takes for a speaking one (face_sync/active_speaker.h; where its weights are)
 *
 * File (doc/FORMATS.md): safetensors, tensors crops, take, opening, mel, state, and seen and heard,
 * the codes of the active speaker, where its weights were there. Crops lie in the mapping, so a set
 * of files may be larger than memory.
 */
#ifndef STK_SUBJECT_SPEECH_H
#define STK_SUBJECT_SPEECH_H

#include "base/job.h"
#include "base/status.h"
#include "base/types.h"
#include "face_sync/syncnet.h"

enum {
    STK_SPEECH_FORMAT = 1,                    /* of the file */
    STK_SPEECH_SIDE = 96,                     /* of a crop; rows 48 .. 95 are the mouth half */
    STK_SPEECH_CROP = 96 * 96 * 3,            /* its bytes */
    STK_SPEECH_FRAMES_MAX = 25 * 60 * 60 * 4, /* four hours */
};

typedef enum stk_speech_state {
    STK_SPEECH_NONE = 0,   /* no face, or one too small or turned too far */
    STK_SPEECH_FACE = 1,   /* a face */
    STK_SPEECH_SPEAKS = 2, /* a face that speaks what is heard */
} stk_speech_state;

typedef struct stk_speech {
    int frames;     /* 25 a second */
    uint8_t *crops; /* [frames][96][96][3] RGB, not to be written to: the face held still by eyes
                      * and nose, mouth centred in the lower half; black in state 0 far from any
                      * face */
    uint8_t *state; /* [frames] stk_speech_state */
    int *take;      /* [frames] number of the unbroken shot */
    float *opening; /* [frames] gap between the lips / width of the mouth, by the mesh; 0 in state
                      * 0 */
    float *mel;     /* [80][columns], stk_mel_spectrogram of the whole sound at 16 kHz */
    int columns;
    char name[64];       /* of the clip */
    double moved_ms;     /* the sound was moved to fit the lips: it had been so late */
    float *seen, *heard; /* [frames][STK_SPEAKER_CODE], NULL where the weights were absent */
    void *file;          /* the mapping */
} stk_speech;

/* What is known of a clip's frames, so that no face has to be looked for. Borrowed. */
typedef struct stk_speech_faces {
    int frames;                     /* at least as many as are cut */
    const stk_landmarks *landmarks; /* px */
    const uint8_t *found;           /* only these count */
    const int32_t *take;            /* of unbroken shots, rising */
} stk_speech_faces;

typedef struct stk_speech_settings {
    const char *clip;    /* anything FFmpeg reads, with picture and sound */
    const char *models;  /* weights folder or NULL */
    const char *sound;   /* a sound file whose first sample belongs to frame 0; NULL = the clip's */
    int align;           /* 1: sound that is early or late beyond doubt is moved to fit the lips */
    int frames_most;     /* the first so many only; 0 = all */
    int threads;         /* 0 = all */
    const char *syncnet; /* weights of SyncNet, by which *lse is measured; or NULL */
    stk_lse *lse;        /* with syncnet: of the sound as it is in the file */
    const stk_speech_faces *faces; /* or NULL: they are looked for */
} stk_speech_settings;

/* Cuts the clip into `file`, which appears when it is whole. The largest face is followed. Memory:
 * about 3 KB a frame and the sound. STK_ERR_CONTENT: no face, no sound. */
stk_status stk_speech_cut(const stk_speech_settings *settings, const stk_job *job,
                          const char *file);
/* Free with stk_speech_free, also after a failure. */
stk_status stk_speech_open(stk_speech *speech, const char *file);
void stk_speech_free(stk_speech *speech);

#endif
