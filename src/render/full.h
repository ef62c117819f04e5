/* full.h - portraits in the clip's own full frames, at the clip's own rate.
 *
 *   faces are made 25 times a second, as the sound's codes and the poses come: item i, source
 *   picture k. Output frames lie at m / rate; each takes the face of the item nearest in time.
 *     m --> item i, turn of the source --> clip frame j of the same moment
 *     face of k --moved by the way that the head goes from the picture's moment to j's--> frame j
 *
 * At a rate of 25 there is one output frame for every item, and nothing is moved.
 */
#ifndef STK_RENDER_FULL_H
#define STK_RENDER_FULL_H

#include "portrait_sync/paste.h"
#include "subject/subject.h"

typedef struct stk_full {
    stk_full_frames frames;
    stk_paste paste;
    const stk_subject *subject;
    int items; /* of the whole output */
    int most;  /* output frames of one item */
} stk_full;

/* The output frames of one item. */
typedef struct stk_full_slot {
    stk_image *pictures; /* [most]: the clip's frames, then the result */
    int (*shift)[2];     /* [most] px right and down that the face is moved by */
    int count;
    uint16_t *scratch;
} stk_full_slot;

/* width, height: of the square that is pasted. subject: borrowed. */
stk_status stk_full_open(stk_full *full, const stk_subject *subject, const stk_job *job, int width,
                         int height, int items);
void stk_full_close(stk_full *full);
stk_status stk_full_slot_init(stk_full_slot *slot, const stk_full *full);
void stk_full_slot_clear(stk_full_slot *slot, const stk_full *full);
/* The first output frame of an item, 0 .. items; that of `items` is how many there are. */
int stk_full_first(const stk_full *full, int item);
/* The clip frame of output frame m, which shows the face of item and its source picture k; shift as
 * in the slot. */
int stk_full_frame_of(const stk_full *full, int m, int item, int k, int shift[2]);
/* Reads the clip's frames of an item. One thread at a time. */
stk_status stk_full_read(const stk_full *full, int item, int k, stk_full_slot *slot);
/* square: the portrait's face with its mask. Any number of threads, a slot each. */
void stk_full_paste(const stk_full *full, const stk_image *square, const stk_image *mask,
                    stk_full_slot *slot);

#endif
