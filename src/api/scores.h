/* scores.h - what `eval` and `compare` found, as JSON (doc/METRICS.md). */
#ifndef STK_API_SCORES_H
#define STK_API_SCORES_H

#include "render/evaluate.h"

#include <cjson/cJSON.h>

/* Adds KEY (the mean, or null) and KEY_stats {mean, median, ci95, frames, worst} (or null) for
 * every figure, and not_computed {KEY: reason}. synced: the caller adds sync_offset_frames and
 * sync_confidence itself; lse_c and lse_d it adds anyway. Memory that runs out leaves members out;
 * printing then fails. */
void stk_quality_add_json(cJSON *object, const stk_quality_report *quality, int synced);
/* *json: stk_text_free. */
stk_status stk_scores_json(const stk_scores *scores, char **json);
/* The object printed for a caller, and its end; NULL without memory. */
char *stk_json_text(cJSON *object);

#endif
