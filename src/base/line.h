/* line.h - a production line: numbered items pass through stages, several items at a time, with no
 * barrier between them.
 *
 *   item 0   stage 0 -> stage 1 -> stage 2
 *   item 1              stage 0 -> stage 1 -> stage 2
 *
 * Each thread of a pool takes whatever can be done next: in-order stages first, the last before the
 * first, so that finished items leave and the wide stages never wait for work. No more than `slots`
 * items are under way; item i has the slot i % slots to itself. Every stage sees what the stages
 * before it did to its item. What comes out does not depend on the threads as long as a stage
 * touches nothing but its item's slot, its worker's own scratch, and (in-order stages) what that
 * stage alone uses.
 */
#ifndef STK_BASE_LINE_H
#define STK_BASE_LINE_H

#include "base/pool.h"

#include <stdint.h>

enum { STK_LINE_STAGES = 8, STK_LINE_SLOTS = 1024 };

typedef enum stk_line_order {
    STK_LINE_WIDE,     /* several items at once */
    STK_LINE_IN_ORDER, /* one item after another, on whatever thread */
    STK_LINE_CALLER,   /* one item after another, on the calling thread */
} stk_line_order;

typedef struct stk_line_place {
    int item, slot, worker;
    int stop; /* to be set by in-order stages: no item after this one passes this stage */
} stk_line_place;

typedef struct stk_line_stage {
    const char *name;
    stk_line_order order;
    stk_status (*run)(void *ctx, stk_line_place *at);
    double seconds, cpu_seconds; /* in it, over all items and threads; set by stk_line_run */
} stk_line_stage;

typedef struct stk_line {
    stk_line_stage stages[STK_LINE_STAGES]; /* the last one not WIDE; unused ones: run NULL */
    int items, slots;                       /* slots: 1 .. STK_LINE_SLOTS */
    void *ctx;
} stk_line;

/* All items, or those up to the one that stopped, through all stages; *finished: how many. Pool
 * NULL: on the caller alone. A failing stage ends the line with its status and sentence; items
 * behind it may then have passed any of their stages. Allocates nothing. */
stk_status stk_line_run(stk_line *line, stk_pool *pool, int *finished);

#endif
