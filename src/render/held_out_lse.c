/* held_out_lse.c - see held_out_lse.h. */
#include "render/held_out_lse.h"
#include "base/memory.h"
#include "media/media.h"
#include "subject/speech_crop.h"
#include "subject/speech_lse.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct stk_held_out_lse {
    stk_speech_lse *syncnet;
    stk_speech_look *looks; /* [frames] */
    int32_t *take;          /* [frames], all 0 */
    int frames, at;
    stk_sound sound; /* from the first frame on */
    float values[STK_SYNCNET_FACE];
    uint8_t face[STK_SYNCNET_FACE];
};

static void look_at(const stk_subject *subject, int frame, stk_speech_look *look) {
    const float(*points)[3] = stk_subject_landmarks(subject, frame);
    stk_landmarks landmarks = {0};
    memcpy(landmarks.xyz, points, sizeof landmarks.xyz);
    stk_speech_look_take(look, &landmarks);
    look->box[0] = look->box[1] = INFINITY;
    look->box[2] = look->box[3] = -INFINITY;
    for (int i = 0; i < STK_LANDMARKS; i++)
        for (int c = 0; c < 2; c++) {
            look->box[c] = fminf(look->box[c], points[i][c]);
            look->box[2 + c] = fmaxf(look->box[2 + c], points[i][c]);
        }
}

static stk_status open_all(stk_held_out_lse *l, const stk_held_out_settings *s,
                           const stk_subject *subject, const char *weights, const char *sound) {
    l->frames = s->end - s->first;
    l->looks = stk_calloc_aligned((size_t)l->frames, sizeof *l->looks);
    l->take = stk_calloc_aligned((size_t)l->frames, sizeof *l->take);
    if (l->looks == NULL || l->take == NULL) return stk_fail_memory("SyncNet");
    for (int i = 0; i < l->frames; i++) look_at(subject, s->first + i, &l->looks[i]);
    stk_speech_crops_place(l->looks, l->take, l->frames);
    STK_TRY(stk_sound_read(sound, STK_SAMPLE_RATE, (double)s->first / STK_FPS, &l->sound));
    return stk_speech_lse_create(&l->syncnet, weights, l->frames, STK_LSE_RUN_MIN);
}

stk_status stk_held_out_lse_open(stk_held_out_lse **out, const stk_held_out_settings *s,
                                 const stk_subject *subject, char reason[STK_LSE_REASON]) {
    char weights[STK_PATH_MAX];
    *out = NULL;
    reason[0] = '\0';
    if (stk_syncnet_locate(s->models, weights) != STK_OK) {
        stk_error_take(reason, STK_LSE_REASON);
        return STK_OK;
    }
    if (s->gaps) {
        snprintf(reason, STK_LSE_REASON,
                 "the frames measured are no neighbours (--every, --trained)");
        return STK_OK;
    }
    char sound[STK_PATH_MAX];
    STK_TRY(stk_path_join(sound, sizeof sound, s->folder, "audio.wav"));
    if (!stk_file_exists(sound)) { /* subjects may be imported without */
        snprintf(reason, STK_LSE_REASON, "the subject has no audio.wav");
        return STK_OK;
    }
    stk_held_out_lse *l = stk_calloc_aligned(1, sizeof *l);
    if (l == NULL) return stk_fail_memory("SyncNet");
    const stk_status status = open_all(l, s, subject, weights, sound);
    if (status != STK_OK) stk_held_out_lse_close(&l);
    *out = l;
    return status;
}

void stk_held_out_lse_close(stk_held_out_lse **handle) {
    if (handle == NULL || *handle == NULL) return;
    stk_held_out_lse *l = *handle;
    stk_speech_lse_free(&l->syncnet);
    stk_sound_clear(&l->sound);
    stk_free(l->looks);
    stk_free(l->take);
    stk_free(l);
    *handle = NULL;
}

stk_status stk_held_out_lse_add(stk_held_out_lse *l, const stk_image *portrait) {
    const stk_face_roi *roi = &l->looks[l->at++].face;
    if (roi->size_px < 1) return stk_speech_lse_push(l->syncnet, NULL, 0);
    stk_speech_lse_crop(portrait, roi, l->values, l->face);
    return stk_speech_lse_push(l->syncnet, l->face, 0);
}

stk_status stk_held_out_lse_end(stk_held_out_lse *l, stk_lse *figures,
                                char reason[STK_LSE_REASON]) {
    STK_TRY(stk_speech_lse_end(l->syncnet, &l->sound, figures));
    if (figures->windows == 0)
        snprintf(reason, STK_LSE_REASON,
                 "SyncNet's figures want %d frames in a row with a face; these are %d",
                 STK_LSE_RUN_MIN, l->frames);
    return STK_OK;
}
