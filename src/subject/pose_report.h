/* pose_report.h - what a user is told about the head's poses: figures, verdict, advice. */
#ifndef STK_SUBJECT_POSE_REPORT_H
#define STK_SUBJECT_POSE_REPORT_H

#include "subject/manifest.h"

typedef struct stk_pose_verdict {
    const char *word; /* "good", "usable", "bad" */
    char reason[640], advice[320];
} stk_pose_verdict;

/* From the manifest's figures alone. failure: the sentence of a step that failed, or NULL. */
void stk_pose_judge(const stk_manifest *manifest, const char *failure, stk_pose_verdict *verdict);
/* The block "pose" of report.json (doc/FORMATS.md), owned by the caller; NULL without memory. */
cJSON *stk_pose_block(const stk_manifest *manifest, const stk_pose_verdict *verdict);
/* The cuts as "7.04 s, 28.08 s, ..."; "" when there is none. */
void stk_pose_cuts_text(const stk_manifest *manifest, char *text, size_t size);

#endif
