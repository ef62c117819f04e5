/* sync_nets.h - the four nets of encoder training (paper.md 1), as tables of blocks (nn/stack.h).
 *
 *   sound    mel window [80][16] -> A [512]: the audio-visual encoder, published sizes and names
 *   picture  [48][96][16]: the mouth halves of 5 consecutive crops, 3 channels each and one of
 *            zeros (oneDNN likes sixteens) -> F [512]
 *   face     [48][48][8]: a crop with its mouth half masked, and one of another time whole, 3
 *            channels each and two of zeros -> [256]
 *   decoder  A (+) face [768] -> mouth half [24][48][3]
 *
 * sim(F, A) = F.A / (|F| |A|); both nets end in a ReLU, so it lies in [0,1] as the logarithms of
 * L_sync want it.
 *
 * multiply-adds a sample: sound 93 M, picture 44 M, face 8 M, decoder 18 M. Parameters: 2.8 M,
 * 2.0 M, 1.3 M, 1.9 M.
 */
#ifndef STK_FACE_SYNC_SYNC_NETS_H
#define STK_FACE_SYNC_SYNC_NETS_H

#include "nn/stack.h"

enum {
    STK_CROP_SIDE = 96,
    STK_LIPS_FRAMES = 5,
    STK_LIPS_H = STK_CROP_SIDE / 2,
    STK_LIPS_W = STK_CROP_SIDE,
    STK_LIPS_CHANNELS = 16,
    STK_LIPS_FLOATS = STK_LIPS_H * STK_LIPS_W * STK_LIPS_CHANNELS,
    STK_FACE_SIDE = 48,
    STK_FACE_CHANNELS = 8,
    STK_FACE_FLOATS = STK_FACE_SIDE * STK_FACE_SIDE * STK_FACE_CHANNELS,
    STK_FACE_CODE = 256,
    STK_MOUTH_H = 24,
    STK_MOUTH_W = 48,
    STK_MOUTH_FLOATS = STK_MOUTH_H * STK_MOUTH_W * 3,
    STK_SYNC_CODE = 512,
    STK_SOUND_FLOATS = 80 * 16,
};

typedef enum stk_sync_part {
    STK_SYNC_SOUND,
    STK_SYNC_PICTURE,
    STK_SYNC_FACE,
    STK_SYNC_DECODER,
    STK_SYNC_PARTS
} stk_sync_part;

/* The names of a part's tensors begin with it: "" for the sound, as published; "picture.", "face.",
 * "decoder.". */
const char *stk_sync_part_prefix(stk_sync_part part);
const stk_stack_block *stk_sync_part_blocks(stk_sync_part part, int *count);
stk_status stk_sync_part_register(stk_stack *stack, stk_params *params, stk_sync_part part);

#endif
