/* manifest.h - manifest.json as a struct: what a subject is and which prepare steps are done.
 *
 * The file is rewritten (atomically) after every step, so that a run that was stopped continues
 * behind the last finished one. Layout: doc/FORMATS.md.
 */
#ifndef STK_SUBJECT_MANIFEST_H
#define STK_SUBJECT_MANIFEST_H

#include "subject/subject.h"

#include <cjson/cJSON.h>

enum {
    STK_SUBJECT_FRAMES_MIN = 50,    /* two seconds */
    STK_SUBJECT_FRAMES_MAX = 45000, /* half an hour: keeps every table below 300 MiB */
};

typedef struct stk_manifest {
    stk_subject_info info;
    char source_sha256[STK_SHA256_TEXT];
    int64_t source_bytes;
    double source_fps;
    int complete; /* every step up to the tables is done: the subject can be opened */
    cJSON *steps; /* owned; object: step name -> {inputs, seconds, outputs, figures} */
} stk_manifest;

/* An empty manifest; release with stk_manifest_clear. */
stk_status stk_manifest_init(stk_manifest *manifest);
void stk_manifest_clear(stk_manifest *manifest);
/* Reads folder/manifest.json. text (may be NULL) receives the file's text, freed with stk_free. */
stk_status stk_manifest_load(stk_manifest *manifest, const char *folder, char **text);
stk_status stk_manifest_save(const stk_manifest *manifest, const char *folder);

/* The record of a step, NULL when it is not done. Owned by the manifest. */
const cJSON *stk_manifest_step(const stk_manifest *manifest, const char *name);
/* 1 when the step was done with exactly these inputs (a digest). */
int stk_manifest_step_matches(const stk_manifest *manifest, const char *name, const char *inputs);
void stk_manifest_step_remove(stk_manifest *manifest, const char *name);
/* Files the record; takes figures over, also on failure. outputs: names in folder, NULL-ended. */
stk_status stk_manifest_step_record(stk_manifest *manifest, const char *folder, const char *name,
                                    const char *inputs, double seconds, const char *const *outputs,
                                    cJSON *figures);
/* 1 when every output that the record names is there in the size recorded. Outputs below cache/ may
 * be absent when `cache_too` is 0. */
int stk_manifest_outputs_present(const stk_manifest *manifest, const char *folder, const char *name,
                                 int cache_too);
/* A number among the step's figures, or `otherwise`. */
double stk_manifest_figure(const stk_manifest *manifest, const char *step, const char *figure,
                           double otherwise);

/* Sets info->identity. What a model learns from: the same poses, expressions and sound under the
 * same name are the same subject, whoever prepared it and wherever it lies. */
void stk_subject_identify(stk_subject_info *info, const stk_pose *poses,
                          const float (*expressions)[STK_EXPRESSIONS], const float *audio_mel);

#endif
