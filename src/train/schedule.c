/* schedule.c - the schedules as a table.
 *
 * The released code's rates: 0.5^(k / 60,000) in the first stage; the second goes on counting, with
 * 0.05^(k / 100,000), so it begins at 0.166 (reference.md 5.4). The paper says no rates: the
 * released ones, stretched to its counts. Its lips are not fine-tuned apart.
 *
 * DIFFERS: counts are shares of the run; the first step after the change of stage already has the
 * new rate; a published patch step takes 16 patches of one frame, here each is of another.
 */
#include "train/schedule.h"

#include <math.h>

enum { PUBLISHED_PATCH = 64 };

static const stk_schedule schedules[STK_SCHEDULES] = {
    [STK_SCHEDULE_FAST] = {.name = "fast",
                           .phases = 1,
                           .phase = {{.name = "coarse",
                                      .until = 1,
                                      .cycle_length = 1,
                                      .cycle = {STK_STEP_RAYS},
                                      .rate = 0.03,
                                      .rate_until = 1,
                                      .ramp_until = 1}}},
    [STK_SCHEDULE_FINE] = {.name = "fine",
                           .patch_side = PUBLISHED_PATCH,
                           .patches = 1,
                           .perceptual = {[STK_STEP_PATCHES] = 0.1f},
                           .phases = 2,
                           .phase = {{.name = "coarse",
                                      .until = 0.75,
                                      .cycle_length = 1,
                                      .cycle = {STK_STEP_RAYS},
                                      .rate = 0.03,
                                      .rate_until = 1,
                                      .ramp_until = 1},
                                     {.name = "fine",
                                      .until = 1,
                                      .cycle_length = 2,
                                      .cycle = {STK_STEP_RAYS, STK_STEP_PATCHES},
                                      .rate = 0.03,
                                      .rate_until = 1,
                                      .ramp_until = 1}}},
    [STK_SCHEDULE_PAPER] = {.name = "paper",
                            .steps = 125000,
                            .published_rays = 1,
                            .patch_side = PUBLISHED_PATCH,
                            .perceptual = {[STK_STEP_PATCHES] = 0.1f},
                            .phases = 2,
                            .phase = {{.name = "coarse",
                                       .until = 0.8,
                                       .cycle_length = 1,
                                       .cycle = {STK_STEP_RAYS},
                                       .terms = STK_TERM_UNCERTAINTY | STK_TERM_SMOOTHNESS,
                                       .rate = 0.5,
                                       .rate_until = 0.8,
                                       .ramp_until = 0.8},
                                      {.name = "fine",
                                       .until = 1,
                                       .cycle_length = 1,
                                       .cycle = {STK_STEP_PATCHES},
                                       .rate = 0.05,
                                       .rate_until = 1,
                                       .ramp_until = 1}}},
    [STK_SCHEDULE_RELEASED] = {.name = "released",
                               .steps = 100000,
                               .published_rays = 1,
                               .patch_side = PUBLISHED_PATCH,
                               .perceptual = {[STK_STEP_PATCHES] = 0.1f, [STK_STEP_LIPS] = 0.01f},
                               .phases = 2,
                               .phase = {{.name = "coarse",
                                          .until = 0.6,
                                          .cycle_length = 1,
                                          .cycle = {STK_STEP_RAYS},
                                          .terms = STK_TERM_UNCERTAINTY | STK_TERM_SMOOTHNESS,
                                          .rate = 0.5,
                                          .rate_until = 0.6,
                                          .ramp_until = 0.6},
                                         {.name = "fine",
                                          .until = 1,
                                          .cycle_length = 2,
                                          .cycle = {STK_STEP_LIPS, STK_STEP_PATCHES},
                                          .rate = 0.05,
                                          .rate_until = 1,
                                          .ramp_until = 1}}},
};

const stk_schedule *stk_schedule_of(stk_schedule_kind kind) {
    return &schedules[kind];
}

static int phase_has(const stk_phase *phase, stk_step_kind kind) {
    for (int k = 0; k < phase->cycle_length; k++)
        if (phase->cycle[k] == kind) return 1;
    return 0;
}

int stk_schedule_has(const stk_schedule *schedule, stk_step_kind kind) {
    for (int i = 0; i < schedule->phases; i++)
        if (phase_has(&schedule->phase[i], kind)) return 1;
    return 0;
}

unsigned stk_schedule_terms(const stk_schedule *schedule, stk_step_kind kind) {
    unsigned terms = 0;
    for (int i = 0; i < schedule->phases; i++)
        if (phase_has(&schedule->phase[i], kind)) terms |= schedule->phase[i].terms;
    return terms;
}

stk_schedule_step stk_schedule_at(const stk_schedule *schedule, double position, int64_t step) {
    int i = 0;
    while (i < schedule->phases - 1 && position >= schedule->phase[i].until) i++;
    const stk_phase *phase = &schedule->phase[i];
    stk_schedule_step now = {
        .phase = phase,
        .kind = phase->cycle[step % phase->cycle_length],
        .terms = phase->terms,
        .rate = (float)pow(phase->rate, position / phase->rate_until),
        .ramp = (float)fmin(position / phase->ramp_until, 1.0),
    };
    if (step % STK_SMOOTHNESS_EVERY != 0) now.terms &= ~(unsigned)STK_TERM_SMOOTHNESS;
    return now;
}
