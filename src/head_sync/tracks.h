/* tracks.h - points of the head followed through a clip: what the head points tracker hands to
 * bundle adjustment ([SyncTalk] 3.2).
 *
 * A point belongs to one place on the skull and was first picked in its anchor frame; it is seen in
 * some frames, in each at one place. Points picked anew on later key frames are points of their
 * own, so drift does not build up over the clip.
 */
#ifndef STK_HEAD_SYNC_TRACKS_H
#define STK_HEAD_SYNC_TRACKS_H

#include <stdint.h>

typedef struct stk_observation {
    int32_t point;
    float x_px, y_px; /* pixel centres are at half-integers, as for landmarks */
    float weight;     /* 0..1: how well it was followed; 0 = rejected */
} stk_observation;

typedef struct stk_tracks {
    int frames, points;
    int width, height;     /* of the pictures */
    int64_t *first;        /* [frames + 1]: frame i owns list[first[i] .. first[i + 1]) */
    stk_observation *list; /* within a frame by rising point number */
    int32_t *anchor;       /* [points] frame in which the point was picked */
    float (*anchor_px)[2]; /* [points] where */
} stk_tracks;              /* all arrays owned: stk_tracks_clear */

/* Takes NULL members. */
void stk_tracks_clear(stk_tracks *tracks);

#endif
