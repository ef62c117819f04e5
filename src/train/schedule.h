/* schedule.h - coarse to fine: what a training step takes (rays, patches or the lips) and which
 * terms its loss has, by how far along the run is.
 *
 *   position in [0,1] of the whole run, step number -> phase -> kind, terms, rate, ramp
 *
 * Counts are shares, so a run of any length goes through all phases; a published schedule is itself
 * at its own count of steps. Position and step number are all that a step depends on: a checkpoint
 * has nothing else to carry.
 */
#ifndef STK_TRAIN_SCHEDULE_H
#define STK_TRAIN_SCHEDULE_H

#include <stdint.h>

typedef enum stk_schedule_kind {
    STK_SCHEDULE_FAST,     /* ours */
    STK_SCHEDULE_FINE,     /* ours, in the last quarter every other step a patch */
    STK_SCHEDULE_PAPER,    /* 100,000 coarse steps, 25,000 fine ones with patches */
    STK_SCHEDULE_RELEASED, /* 60,000 coarse, then 40,000 with lips and patches in turn */
    STK_SCHEDULES
} stk_schedule_kind;

typedef enum stk_step_kind {
    STK_STEP_RAYS,    /* single rays of many frames */
    STK_STEP_PATCHES, /* random squares, one of each frame */
    STK_STEP_LIPS,    /* the square around the lips */
    STK_STEP_KINDS
} stk_step_kind;

/* Terms beside colour, entropy and ambients, which are always on (letters: loss.c). */
enum {
    STK_TERM_UNCERTAINTY = 1, /* (a) */
    STK_TERM_SMOOTHNESS = 2,  /* (h), every STK_SMOOTHNESS_EVERY steps */
    STK_TERM_PERCEPTUAL = 4,  /* (b), (c): of patches and of lips, unless it is switched off */
    STK_SMOOTHNESS_EVERY = 16,
    STK_PHASES_MAX = 2,
    STK_CYCLE_MAX = 4
};

typedef struct stk_phase {
    const char *name;
    double until; /* position at which it ends; the last: 1 */
    int cycle_length;
    stk_step_kind cycle[STK_CYCLE_MAX]; /* kinds of successive steps */
    unsigned terms;
    double rate, rate_until; /* learning rates times rate^(position / rate_until) */
    double ramp_until;       /* the published step factor is position / ramp_until, 1 at most */
} stk_phase;

typedef struct stk_schedule {
    const char *name;
    int64_t steps;                    /* published; 0: ours, of any length */
    int published_rays;               /* uniform over the rectangle, real backdrops */
    int patch_side, patches;          /* patches 0: as many as --rays holds, at least one */
    float perceptual[STK_STEP_KINDS]; /* weights of that term */
    int phases;
    stk_phase phase[STK_PHASES_MAX];
} stk_schedule;

const stk_schedule *stk_schedule_of(stk_schedule_kind kind);
/* 1 when some phase has steps of this kind. */
int stk_schedule_has(const stk_schedule *schedule, stk_step_kind kind);
/* The terms that steps of this kind have in some phase, perceptual aside. */
unsigned stk_schedule_terms(const stk_schedule *schedule, stk_step_kind kind);

typedef struct stk_schedule_step {
    const stk_phase *phase;
    stk_step_kind kind;
    unsigned terms; /* smoothness only when it is due */
    float rate;     /* factor of the learning rates */
    float ramp;     /* the published step factor */
} stk_schedule_step;

stk_schedule_step stk_schedule_at(const stk_schedule *schedule, double position, int64_t step);

#endif
