/* subject_rows.h - the sound of a subject as the feature rows of a model's kind, one a frame: those
 * the subject has, or its mel windows through the audio-visual encoder. */
#ifndef STK_RENDER_SUBJECT_ROWS_H
#define STK_RENDER_SUBJECT_ROWS_H

#include "render/model.h"
#include "subject/subject.h"

typedef struct stk_subject_rows {
    const float *rows; /* [frames][stk_audio_row_floats(kind)]; those before `first` may be zeros */
    float *encoded;    /* owned, NULL when they are the subject's own */
} stk_subject_rows;

/* nets: whose rows these will be. first: the first frame whose row is wanted. encoder: weights for
 * "ave" models of a subject without such rows, NULL = looked for. STK_ERR_UNSUPPORTED when the
 * subject has none of this kind. The rows live as long as the subject. Rows that a subject brought
 * along are of the published encoder: a model of another never takes them. */
stk_status stk_subject_rows_init(stk_subject_rows *rows, const stk_subject *subject,
                                 const stk_nets *nets, int first, const char *encoder);
/* The subject's mel windows in its own measure (face_sync/mel_speaker.h): [frames][80][16], the
 * caller's to free, also after a failure. */
stk_status stk_subject_rows_normalise(const stk_subject *subject, float **rows);
void stk_subject_rows_clear(stk_subject_rows *rows);

#endif
