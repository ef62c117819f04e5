/* mel_feed.h - a sound as the mel windows of consecutive video frames, decoded as they are asked
 * for: what is kept is a piece of the sound and 128 columns, whatever its length. One thread. */
#ifndef STK_RENDER_MEL_FEED_H
#define STK_RENDER_MEL_FEED_H

#include "base/status.h"
#include "base/types.h"
#include "face_sync/mel_speaker.h"

typedef struct stk_mel_feed stk_mel_feed;

/* Any sound file, brought to 16 kHz mono; decoded once here for its length. STK_ERR_CONTENT when it
 * is shorter than one window, 0.2 s. */
stk_status stk_mel_feed_open(stk_mel_feed **feed, const char *path);
void stk_mel_feed_close(stk_mel_feed **feed);
/* Video frames of the sound: its length at 25/s, rounded to the nearest, at least 1. */
int stk_mel_feed_frames(const stk_mel_feed *feed);
/* Row i of the sound, [80][16] (reference.md 2.1, 2.3): crop i - 2, moved back to fit. In any
 * order; going back more than 20 rows decodes the sound again from its start. */
stk_status stk_mel_feed_row(stk_mel_feed *feed, int row, float *out);

/* The speaker's measure over the whole sound, which is decoded for it once more. */
stk_status stk_mel_feed_speaker(stk_mel_feed *feed, stk_mel_speaker *speaker);

/* Frames of any sound file, without opening a feed. */
stk_status stk_sound_frames(const char *path, int *frames);

#endif
