/* frame_choice.h - which frames are measured: the held-out ones, or as many of those trained on,
 * taken from the whole of them, since what is said in one stretch is easier or harder to show than
 * in another (doc/METRICS.md); of either one in `every`.
 *
 *   item i -> frame first + i every span / count, rounded down
 */
#ifndef STK_RENDER_FRAME_CHOICE_H
#define STK_RENDER_FRAME_CHOICE_H

typedef struct stk_frame_choice {
    int first, span; /* frames [first, first + span) .. */
    int count;       /* .. so many of them, evenly spread, */
    int every;       /* and of those one in so many */
} stk_frame_choice;

/* Of `frames`, the first `train_frames` were trained on. every < 1: 1. */
stk_frame_choice stk_frame_choice_of(int frames, int train_frames, int trained, int every);
int stk_frame_choice_items(const stk_frame_choice *choice);
int stk_frame_choice_frame(const stk_frame_choice *choice, int item);
/* Frames from one item to the next, on average; 1 only where all are neighbours. */
double stk_frame_choice_spacing(const stk_frame_choice *choice);

#endif
