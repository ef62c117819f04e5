/* vary.h - what training does in its own way, to be left out one by one, and what it might do
 * besides: for comparisons (`train --vary`, scripts/ideas.sh makes the table).
 *
 *   "probe,levels" <-> STK_VARY_PROBE | STK_VARY_LEVELS
 */
#ifndef STK_TRAIN_VARY_H
#define STK_TRAIN_VARY_H

#include "base/status.h"

#include <stddef.h>

enum {
    /* left out; the published schedules have no regions, blinks and backdrop that could be */
    STK_VARY_REGIONS = 1 << 0,  /* rays where the error is: uniform over the rectangle instead */
    STK_VARY_RATES = 1 << 1,    /* learning rates that fall to 3 %: to half instead */
    STK_VARY_AVERAGE = 1 << 2,  /* the average of the weights: the weights themselves instead */
    STK_VARY_PROBE = 1 << 3,    /* what the lip probe teaches the audio net */
    STK_VARY_BLINKS = 1 << 4,   /* more of frames with lids down; lids.c */
    STK_VARY_NOISE = 1 << 5,    /* other loudness, hearings and noise of the sound */
    STK_VARY_BACKDROP = 1 << 6, /* random colours behind the face: the torso film's instead */
    STK_VARY_HULL = 1 << 7,     /* the visual hull as first occupancy: all of the box instead */
    /* put in */
    STK_VARY_LEVELS = 1 << 8, /* hash levels from coarse to fine (optimise.c) */
    STK_VARY_COUNT = 9
};

/* Names with commas between; NULL or "": 0. */
stk_status stk_vary_parse(const char *list, unsigned *vary);
enum { STK_VARY_TEXT = 96 };
/* The names in their order, "" of 0. */
void stk_vary_text(unsigned vary, char text[STK_VARY_TEXT]);

#endif
