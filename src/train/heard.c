/* heard.c - of the audio codes that training gives its frames, for the model that is saved: their
 * range (face_sync/code_range.h), so that other sounds are brought back into it, and the code of
 * resting lips (render/speech_gate.h), so that silence has a mouth.
 *
 *   landmarks -> opening of the lips, of the height of the face, mean of five frames
 *     -> the twentieth part of the frames with the least -> mean of their codes
 */
#include "train/internal.h"
#include "base/memory.h"
#include "render/voice.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CODES_MAX = 3000, AROUND = 2, RESTING = 20 }; /* codes spread over the frames: 0.3 s */

typedef struct heard_frame {
    float opening;
    float code[STK_AUDIO_CODE];
} heard_frame;

/* Inner lips, of forehead to chin. */
static float opening_of(const stk_trainer *t, int frame) {
    enum { UPPER_LIP = 13, LOWER_LIP = 14, FOREHEAD = 10, CHIN = 152 };
    const float(*p)[3] = stk_subject_landmarks(t->subject, frame);
    const float face = hypotf(p[CHIN][0] - p[FOREHEAD][0], p[CHIN][1] - p[FOREHEAD][1]);
    return hypotf(p[LOWER_LIP][0] - p[UPPER_LIP][0], p[LOWER_LIP][1] - p[UPPER_LIP][1]) /
           fmaxf(face, 1);
}

static float steady_opening(const stk_trainer *t, int frame) {
    const int last = t->performance.train_frames - 1;
    float sum = 0;
    for (int k = -AROUND; k <= AROUND; k++) sum += opening_of(t, stk_clampi(frame + k, 0, last));
    return sum / (2 * AROUND + 1);
}

static int by_opening(const void *a, const void *b) {
    const float x = ((const heard_frame *)a)->opening, y = ((const heard_frame *)b)->opening;
    return (x > y) - (x < y);
}

static void hear(const stk_trainer *t, const float *values, float *acts, int n,
                 heard_frame *frames) {
    const stk_audio_net *net = &t->nets.audio;
    for (int i = 0; i < n; i++) {
        const float *window[STK_AUDIO_WINDOW];
        const int frame = (int)((int64_t)i * t->performance.train_frames / n);
        stk_audio_window(t->sound_rows, t->performance.frames, net->row_floats, frame, window);
        stk_audio_net_forward(net, &t->nets.params, values, window, acts, frames[i].code);
        frames[i].opening = steady_opening(t, frame);
    }
}

static void mean_at_rest(heard_frame *frames, int n, float closed[STK_AUDIO_CODE]) {
    const int resting = n / RESTING + 1;
    qsort(frames, (size_t)n, sizeof *frames, by_opening);
    for (int k = 0; k < STK_AUDIO_CODE; k++) {
        double sum = 0;
        for (int i = 0; i < resting; i++) sum += (double)frames[i].code[k];
        closed[k] = (float)(sum / resting);
    }
}

stk_status stk_train_heard(const stk_trainer *t, const float *values, stk_nets *nets) {
    const int train = t->performance.train_frames, n = train < CODES_MAX ? train : CODES_MAX;
    float *acts = stk_calloc_aligned(stk_audio_net_act_floats(&t->nets.audio), sizeof(float));
    float(*codes)[STK_AUDIO_CODE] = stk_calloc_aligned((size_t)n, sizeof *codes);
    heard_frame *frames = stk_calloc_aligned((size_t)n, sizeof *frames);
    stk_status status = STK_OK;
    if (acts == NULL || codes == NULL || frames == NULL)
        status = stk_fail_memory("codes");
    else {
        hear(t, values, acts, n, frames);
        for (int i = 0; i < n; i++) memcpy(codes[i], frames[i].code, sizeof codes[i]);
        stk_code_range_fit(&nets->heard, (const float(*)[STK_AUDIO_CODE])codes, n);
        mean_at_rest(frames, n, nets->closed);
        stk_code_range_limit(&nets->heard, nets->closed);
        nets->closed_known = 1;
    }
    stk_free(frames);
    stk_free(codes);
    stk_free(acts);
    return status;
}
