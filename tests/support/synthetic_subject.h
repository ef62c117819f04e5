/* synthetic_subject.h - a small subject made from nothing: a disc for a head over a torso, moving a
 * little, with tables and label maps to match. For tests of whatever opens a subject. */
#ifndef STK_TESTS_SYNTHETIC_SUBJECT_H
#define STK_TESTS_SYNTHETIC_SUBJECT_H

#include "base/status.h"
#include "base/types.h"

/* Writes the folder (created). size: even, at least 64. The same arguments give the same subject.
 */
stk_status synthetic_subject_write(const char *folder, int frames, int size);
/* The same with a blue hand before the head's left, from the eye down, in frames [from, to), and
 * landmarks that are a face mesh. */
stk_status synthetic_subject_write_hand(const char *folder, int frames, int size, int from, int to);
/* 1: the hand shows there. */
int synthetic_subject_on_hand(int frame, int size, int x, int y);
/* Its label of a pixel, and its head centre. */
stk_label synthetic_subject_label(int frame, int size, int x, int y);
void synthetic_subject_centre(int frame, int size, float centre[2]);

#endif
