/* frame_choice.c - see frame_choice.h. */
#include "render/frame_choice.h"

#include <stdint.h>

stk_frame_choice stk_frame_choice_of(int frames, int train_frames, int trained, int every) {
    const int held_out = frames - train_frames, span = trained ? train_frames : held_out;
    return (stk_frame_choice){
        .first = trained ? 0 : train_frames,
        .span = span,
        .count = held_out < span ? held_out : span,
        .every = every > 0 ? every : 1,
    };
}

int stk_frame_choice_items(const stk_frame_choice *choice) {
    return (choice->count + choice->every - 1) / choice->every;
}

int stk_frame_choice_frame(const stk_frame_choice *choice, int item) {
    return choice->first + (int)((int64_t)item * choice->every * choice->span / choice->count);
}

double stk_frame_choice_spacing(const stk_frame_choice *choice) {
    if (choice->count == 0) return choice->every;
    return (double)choice->every * choice->span / choice->count;
}
