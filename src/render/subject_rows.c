/* subject_rows.c - see subject_rows.h. */
#include "render/subject_rows.h"
#include "base/memory.h"
#include "face_sync/ave_encoder.h"
#include "face_sync/mel_speaker.h"

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

stk_status stk_subject_rows_normalise(const stk_subject *subject, float **out) {
    enum { ROW = STK_MEL_BINS * STK_MEL_STEPS };
    const int frames = stk_subject_get_info(subject)->frames;
    stk_mel_census *census = stk_calloc_aligned(1, sizeof *census);
    stk_mel_speaker speaker;
    *out = stk_calloc_aligned((size_t)frames * ROW, sizeof(float));
    if (census == NULL || *out == NULL) {
        stk_free(census);
        return stk_fail_memory("sound features");
    }
    stk_mel_speaker_of_rows(census, stk_subject_audio_row(subject, 0), frames, &speaker);
    for (int i = 0; i < frames; i++)
        stk_mel_speaker_apply(&speaker, stk_subject_audio_row(subject, i), *out + (size_t)i * ROW);
    stk_free(census);
    return STK_OK;
}

stk_status stk_subject_rows_init(stk_subject_rows *rows, const stk_subject *subject,
                                 const stk_nets *nets, int first, const char *encoder) {
    const stk_audio_kind kind = nets->config.audio_kind;
    const int published = nets->encoder.sha256[0] == '\0';
    *rows =
        (stk_subject_rows){.rows = published ? stk_subject_feature_row(subject, kind, 0) : NULL};
    if (rows->rows != NULL) return STK_OK;
    if (kind == STK_AUDIO_MEL_SPEAKER) {
        const stk_status status = stk_subject_rows_normalise(subject, &rows->encoded);
        rows->rows = rows->encoded;
        if (status != STK_OK) stk_subject_rows_clear(rows);
        return status;
    }
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
