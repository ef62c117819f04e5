/* sound.h - private to media: a sound track as an endless-enough stream of float samples.
 *
 * One timeline: sample 0 is the sound at `start_s` on the container's clock, whatever the track's
 * own start, encoder priming or gaps are. Constant memory. One thread per source.
 */
#ifndef STK_MEDIA_SOUND_H
#define STK_MEDIA_SOUND_H

#include "base/status.h"

typedef struct stk_sound_source stk_sound_source;

/* channels: 1 = mean of all, 2 = stereo (mono is doubled), 0 = the track's own, at most 2. rate 0 =
 * the track's own. */
stk_status stk_sound_source_open(stk_sound_source **source, const char *path, int rate,
                                 int channels, double start_s);
void stk_sound_source_close(stk_sound_source **source);
int stk_sound_source_rate(const stk_sound_source *source);
int stk_sound_source_channels(const stk_sound_source *source);
/* Up to `count` samples into each of planes[channels]; *got < count only at the track's end. */
stk_status stk_sound_source_read(stk_sound_source *source, float *const *planes, int count,
                                 int *got);

#endif
