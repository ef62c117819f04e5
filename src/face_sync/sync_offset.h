/* sync_offset.h - how far sound and lips of a clip are apart, from their codes, as SyncNet does.
 *
 *   unit codes of every frame's lips F_f and sound A_f
 *   D_f,o = |F_f - A_(f+o)|, o = -15 .. 15 frames
 *   offset of a window = argmin_o mean_f D_f,o; confidence = median_o - min_o of that mean
 *
 * Positive: the sound is late. Pure functions.
 */
#ifndef STK_FACE_SYNC_SYNC_OFFSET_H
#define STK_FACE_SYNC_SYNC_OFFSET_H

#include <stdint.h>

enum {
    STK_OFFSET_MAX = 15,
    STK_OFFSETS = 2 * STK_OFFSET_MAX + 1,
    STK_OFFSET_WINDOW = 125, /* 5 s */
};

enum { STK_HAS_SOUND = 1, STK_HAS_LIPS = 2 };

/* Of two codes of 512 numbers, in eight sums. */
float stk_sync_dot(const float *a, const float *b);
/* out = code / |code| of 512 numbers. */
void stk_sync_unit(const float *code, float *out);
/* Distances of frame i; negative where one of the two is missing. lips, sound [frames][512]; has
 * [frames] of the bits above. */
void stk_sync_distances(int frames, const float *lips, const float *sound, const uint8_t *has,
                        int i, float distances[STK_OFFSETS]);
/* The offset by frames [from, to) of distances [frames][STK_OFFSETS], of those that have them all;
 * 0 when they are fewer than `least` (at least 1). */
int stk_sync_offset_find(const float *distances, int from, int to, int least, int *offset,
                         double *confidence);

#endif
