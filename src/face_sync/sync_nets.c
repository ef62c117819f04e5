/* sync_nets.c - the tables of sync_nets.h. */
#include "face_sync/sync_nets.h"

#include "base/attr.h"

/* in h, w, c; out; kernel; stride; pad; up, norm, residual, relu */
static const stk_stack_block SOUND[] = {
    {80, 16, 1, 32, 3, 3, 1, 1, 1, 0, 1, 0, 1},   {80, 16, 32, 32, 3, 3, 1, 1, 1, 0, 1, 1, 1},
    {80, 16, 32, 32, 3, 3, 1, 1, 1, 0, 1, 1, 1},  {80, 16, 32, 64, 3, 3, 3, 1, 1, 0, 1, 0, 1},
    {27, 16, 64, 64, 3, 3, 1, 1, 1, 0, 1, 1, 1},  {27, 16, 64, 64, 3, 3, 1, 1, 1, 0, 1, 1, 1},
    {27, 16, 64, 128, 3, 3, 3, 3, 1, 0, 1, 0, 1}, {9, 6, 128, 128, 3, 3, 1, 1, 1, 0, 1, 1, 1},
    {9, 6, 128, 128, 3, 3, 1, 1, 1, 0, 1, 1, 1},  {9, 6, 128, 256, 3, 3, 3, 2, 1, 0, 1, 0, 1},
    {3, 3, 256, 256, 3, 3, 1, 1, 1, 0, 1, 1, 1},  {3, 3, 256, 512, 3, 3, 1, 1, 0, 0, 1, 0, 1},
    {1, 1, 512, 512, 1, 1, 1, 1, 0, 0, 1, 0, 1},
};
static const stk_stack_block PICTURE[] = {
    {48, 96, 16, 32, 3, 3, 2, 2, 1, 0, 1, 0, 1},  {24, 48, 32, 64, 3, 3, 2, 2, 1, 0, 1, 0, 1},
    {12, 24, 64, 64, 3, 3, 1, 1, 1, 0, 1, 1, 1},  {12, 24, 64, 128, 3, 3, 2, 2, 1, 0, 1, 0, 1},
    {6, 12, 128, 128, 3, 3, 1, 1, 1, 0, 1, 1, 1}, {6, 12, 128, 128, 3, 3, 2, 2, 1, 0, 1, 0, 1},
    {3, 6, 128, 128, 3, 3, 1, 1, 1, 0, 1, 1, 1},  {3, 6, 128, 512, 3, 6, 1, 1, 0, 0, 1, 0, 1},
    {1, 1, 512, 512, 1, 1, 1, 1, 0, 0, 1, 0, 1},
};
static const stk_stack_block FACE[] = {
    {48, 48, 8, 32, 3, 3, 2, 2, 1, 0, 1, 0, 1},
    {24, 24, 32, 64, 3, 3, 2, 2, 1, 0, 1, 0, 1},
    {12, 12, 64, 128, 3, 3, 2, 2, 1, 0, 1, 0, 1},
    {6, 6, 128, 256, 6, 6, 1, 1, 0, 0, 1, 0, 1},
};
static const stk_stack_block DECODER[] = {
    {1, 1, 768, 2304, 1, 1, 1, 1, 0, 0, 1, 0, 1}, {3, 6, 128, 64, 3, 3, 1, 1, 1, 1, 1, 0, 1},
    {6, 12, 64, 32, 3, 3, 1, 1, 1, 1, 1, 0, 1},   {12, 24, 32, 16, 3, 3, 1, 1, 1, 1, 1, 0, 1},
    {24, 48, 16, 3, 3, 3, 1, 1, 1, 0, 0, 0, 0},
};

static const struct {
    const char *prefix;
    const stk_stack_block *blocks;
    int count;
} PARTS[STK_SYNC_PARTS] = {
    {"", SOUND, STK_ARRAY_SIZE(SOUND)},
    {"picture.", PICTURE, STK_ARRAY_SIZE(PICTURE)},
    {"face.", FACE, STK_ARRAY_SIZE(FACE)},
    {"decoder.", DECODER, STK_ARRAY_SIZE(DECODER)},
};

const char *stk_sync_part_prefix(stk_sync_part part) {
    return PARTS[part].prefix;
}

const stk_stack_block *stk_sync_part_blocks(stk_sync_part part, int *count) {
    *count = PARTS[part].count;
    return PARTS[part].blocks;
}

stk_status stk_sync_part_register(stk_stack *stack, stk_params *params, stk_sync_part part) {
    return stk_stack_register(stack, params, PARTS[part].prefix, PARTS[part].blocks,
                              PARTS[part].count);
}
