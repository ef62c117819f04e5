/* published.h - checkpoints of the published system <-> models (doc/FORMATS.md has the table).
 *
 *   .pth / .safetensors under official names --open--> stk_model without performance
 *   stk_model --save--> official names and order
 *
 * The variant is told from the tensors' shapes: sound features from the audio net's first layer,
 * expression inputs from the rows of eye_att_net.net.1.weight, hash levels from the table size,
 * the torso branch from its tensors. What fits no variant, lacks a tensor or holds something that
 * is no number is refused with one sentence that names the tensor.
 */
#ifndef STK_RENDER_PUBLISHED_H
#define STK_RENDER_PUBLISHED_H

#include "base/attr.h"
#include "nn/state_dict.h"
#include "render/model.h"
#include "subject/subject.h"

/* Rows of individual_codes that the published loader expects (--ind_num). */
enum { STK_PUBLISHED_CODE_ROWS = 20000 };

/* What a conversion has to tell, a line each. */
typedef struct stk_notes {
    char text[4096];
    size_t used;
} stk_notes;
/* One line more; what does not fit is cut. */
void stk_note(stk_notes *notes, const char *format, ...) STK_PRINTF(2, 3);

/* 1 when the file calls itself a SyncTalk network: enough to say what it is (`info`). */
int stk_published_is(const stk_state_dict *dict);
/* The variant; code rows as in the file. */
stk_status stk_published_config(const stk_state_dict *dict, stk_model_config *config);
/* averaged != 0: the moving averages instead of the raw weights; full checkpoints have them. The
 * whole file is checked. Close with stk_model_close. */
stk_status stk_published_open(stk_model **model, const char *path, int averaged, stk_notes *notes);

/* All tensors in the official order, in a PyTorch file or, safetensors != 0, as that. Atomic. */
stk_status stk_published_save(const char *path, const stk_model *model, int safetensors,
                              stk_notes *notes);

/* Reads camera, poses and expressions of a subject into an empty performance, as a net with `exp`
 * expression inputs takes them. */
stk_status stk_performance_of_subject(stk_performance *performance, const stk_subject *subject,
                                      int exp);

#endif
