/* forecast.h - what a run will need, said before it begins. */
#ifndef STK_TRAIN_FORECAST_H
#define STK_TRAIN_FORECAST_H

#include "train/internal.h"

typedef struct stk_train_needs {
    double memory_mib; /* resident, at most */
    int64_t model_bytes, state_bytes, folder_bytes;
} stk_train_needs;

/* Of a trainer that has not made a step, its snapshot taken. torso: the film that goes into the
 * model. folder_bytes is the caller's to fill. */
void stk_train_needs_of(const stk_trainer *trainer, const char *torso, stk_train_needs *needs);
/* STK_ERR_IO when the disks of model and run folder (NULL = none) cannot hold what is written; else
 * one log line with memory and disk. state: MODEL.train, replaced while the old one is there. */
stk_status stk_train_needs_check(const stk_train_needs *needs, const char *model, const char *state,
                                 const char *folder);

#endif
