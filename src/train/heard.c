/* heard.c - the range of the audio codes that training saw (face_sync/code_range.h), saved with the
 * model so that other sounds are brought back into it. */
#include "train/internal.h"
#include "base/memory.h"
#include "render/voice.h"

enum { CODES_MAX = 3000 }; /* spread over the training frames: 0.3 s */

stk_status stk_train_code_range(const stk_trainer *t, const float *values, stk_code_range *range) {
    const stk_audio_net *net = &t->nets.audio;
    const int frames = t->performance.train_frames, n = frames < CODES_MAX ? frames : CODES_MAX;
    float *acts = stk_calloc_aligned(stk_audio_net_act_floats(net), sizeof(float));
    float(*codes)[STK_AUDIO_CODE] = stk_calloc_aligned((size_t)n, sizeof *codes);
    const stk_status status = acts != NULL && codes != NULL ? STK_OK : stk_fail_memory("codes");
    for (int i = 0; status == STK_OK && i < n; i++) {
        const float *window[STK_AUDIO_WINDOW];
        stk_audio_window(stk_subject_audio_row(t->subject, 0), t->performance.frames,
                         net->row_floats, (int)((int64_t)i * frames / n), window);
        stk_audio_net_forward(net, &t->nets.params, values, window, acts, codes[i]);
    }
    if (status == STK_OK) stk_code_range_fit(range, (const float(*)[STK_AUDIO_CODE])codes, n);
    stk_free(codes);
    stk_free(acts);
    return status;
}
