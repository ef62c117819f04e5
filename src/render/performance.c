/* performance.c - the source performance of a subject, for models made elsewhere.
 *
 *   subject: camera, head rectangle, poses [N], expressions [N][7] -> performance
 *
 * Expressions are the columns that the net's variant was trained with (reference.md 8.2).
 */
#include "base/memory.h"
#include "render/published.h"

#include <stdio.h>
#include <string.h>

/* upper: columns 0-4, 8, 9 of the blendshapes.
 * DIFFERS: --au45 was trained with the lid-closing action unit AU45, halved. A subject without it
 * has the blendshapes only; the mean of the two blinks stands for it: both run from 0, open, to 1,
 * shut. */
static void select_expression(const float upper[STK_EXPRESSIONS], const float *au45, int exp,
                              float *out) {
    for (int i = 0; i < exp; i++) {
        short source[2];
        const int sources = stk_expression_sources(exp, i, source);
        out[i] = sources == 1 ? upper[source[0]] : 0.5f * (upper[source[0]] + upper[source[1]]);
    }
    if (exp == 1 && au45 != NULL) out[0] = *au45;
}

int stk_expression_sources(int exp, int input, short source[2]) {
    static const short single[4] = {0, 2, 3, 5}, eye[2] = {5, 6}; /* columns 0, 2, 3, 8; 8, 9 */
    source[0] = (short)input;
    source[1] = 6;
    if (exp == 4) source[0] = single[input];
    if (exp == 2 || exp == 1) source[0] = eye[input];
    return exp == 1 ? 2 : 1;
}

stk_status stk_performance_of_subject(stk_performance *p, const stk_subject *subject, int exp) {
    const stk_subject_info *info = stk_subject_get_info(subject);
    const float(*upper)[STK_EXPRESSIONS] = stk_subject_expressions(subject);
    const float *au45 = stk_subject_au45(subject);
    size_t frames = (size_t)info->frames;
    if (exp != STK_EXPRESSIONS && exp != 4 && exp != 2 && exp != 1)
        return stk_fail(STK_ERR_UNSUPPORTED, "no selection of blendshapes has %d values", exp);
    p->poses = stk_calloc_aligned(frames, sizeof *p->poses);
    p->expressions = stk_calloc_aligned(frames, sizeof *p->expressions);
    if (p->poses == NULL || p->expressions == NULL) return stk_fail_memory("performance");
    p->frames = info->frames;
    p->train_frames = info->train_frames;
    p->width = info->width;
    p->height = info->height;
    p->camera = info->camera;
    p->head_rect = info->head_rect;
    snprintf(p->subject_name, sizeof p->subject_name, "%s", info->name);
    snprintf(p->subject_identity, sizeof p->subject_identity, "%s", info->identity);
    memcpy(p->poses, stk_subject_poses(subject), frames * sizeof *p->poses);
    for (size_t i = 0; i < frames; i++)
        select_expression(upper[i], au45 != NULL ? au45 + i : NULL, exp, p->expressions[i]);
    return STK_OK;
}
