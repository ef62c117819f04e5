/* subject_rows.c - see subject_rows.h. */
#include "render/subject_rows.h"
#include "base/memory.h"
#include "face_sync/ave_encoder.h"

static stk_status encode(stk_subject_rows *rows, const stk_subject *subject, int first,
                         const char *weights, const stk_encoder_id *wanted) {
    const int frames = stk_subject_get_info(subject)->frames;
    stk_ave_encoder *encoder;
    STK_TRY(stk_ave_encoder_find(&encoder, weights, wanted));
    rows->encoded = stk_calloc_aligned((size_t)frames * STK_AVE_FLOATS, sizeof(float));
    stk_status status =
        rows->encoded == NULL
            ? stk_fail_memory("sound features")
            : stk_ave_encoder_run(encoder, frames - first, stk_subject_audio_row(subject, first),
                                  rows->encoded + (size_t)first * STK_AVE_FLOATS);
    stk_ave_encoder_free(&encoder);
    rows->rows = rows->encoded;
    return status;
}

stk_status stk_subject_rows_init(stk_subject_rows *rows, const stk_subject *subject,
                                 const stk_nets *nets, int first, const char *encoder) {
    const stk_audio_kind kind = nets->config.audio_kind;
    const int published = nets->encoder.sha256[0] == '\0';
    *rows =
        (stk_subject_rows){.rows = published ? stk_subject_feature_row(subject, kind, 0) : NULL};
    if (rows->rows != NULL) return STK_OK;
    if (kind == STK_AUDIO_AVE) {
        stk_status status = encode(rows, subject, first < 0 ? 0 : first, encoder, &nets->encoder);
        if (status != STK_OK) stk_subject_rows_clear(rows);
        return status;
    }
    return stk_fail(STK_ERR_UNSUPPORTED,
                    "this model hears \"%s\" features, and the subject has none; import it from a "
                    "data set that has them (synctalk subject import)",
                    stk_audio_kind_name(kind));
}

void stk_subject_rows_clear(stk_subject_rows *rows) {
    stk_free(rows->encoded);
    *rows = (stk_subject_rows){0};
}
