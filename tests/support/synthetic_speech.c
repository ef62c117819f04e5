/* synthetic_speech.c - see synthetic_speech.h. */
#include "synthetic_speech.h"
#include "support.h"
#include "base/attr.h"
#include "base/memory.h"
#include "face_sync/audio.h"
#include "nn/safetensors.h"

#include <math.h>
#include <stdio.h>

enum { FRAMES = SYNTHETIC_SPEECH_FRAMES };

/* Opening [0,1] of a frame: a sum of three waves, of another phase for each clip. */
static float opening_at(int clip, double frame) {
    const double phase = 2.1 * clip;
    return (float)(0.5 + 0.2 * (sin(0.71 * frame + phase) + sin(1.13 * frame + 2 * phase)) +
                   0.1 * sin(0.29 * frame));
}

/* Bands of 20 bins that grow louder with the opening one after the other. */
static float loudness(int bin, float opening) {
    return -3.0f + 6.0f / (1.0f + expf(-12.0f * (opening - 0.2f * (float)(bin / 20 + 1))));
}

void synthetic_speech_make(stk_speech *s, int number) {
    *s = (stk_speech){.frames = FRAMES, .columns = FRAMES * 16 / 5 + 1};
    snprintf(s->name, sizeof s->name, "made%d", number);
    s->crops = stk_calloc_aligned(FRAMES, STK_SPEECH_CROP);
    s->state = stk_calloc_aligned(FRAMES, 1);
    s->take = stk_calloc_aligned(FRAMES, sizeof *s->take);
    s->opening = stk_calloc_aligned(FRAMES, sizeof *s->opening);
    s->mel = stk_calloc_aligned((size_t)s->columns * STK_MEL_BINS, sizeof *s->mel);
    for (int f = 0; f < FRAMES; f++) {
        s->state[f] = number < 0 ? STK_SPEECH_FACE : STK_SPEECH_SPEAKS;
        s->opening[f] = opening_at(number, f);
        for (int i = 0; i < 96 * 96; i++) {
            const float x = (float)(i % 96 - 48) / 24, y = (float)(i / 96 - 72) / 12;
            const float o = s->opening[f];
            const int inside = x * x + y * y / (o * o + 0.01f) < 1;
            for (int k = 0; k < 3; k++)
                s->crops[(size_t)f * STK_SPEECH_CROP + (size_t)(3 * i + k)] =
                    (uint8_t)(inside ? 40 : 170 - 20 * k + 7 * number + i % 5);
        }
    }
    for (int b = 0; b < STK_MEL_BINS; b++)
        for (int c = 0; c < s->columns; c++)
            s->mel[b * s->columns + c] = loudness(b, opening_at(number, (c - 1.5) / 3.2));
}

void synthetic_speech_write(const char *path, int number) {
    stk_speech speech;
    stk_safetensors_writer *w;
    synthetic_speech_make(&speech, number);
    const stk_speech *s = &speech;
    const float moved = 0;
    const struct {
        const char *name;
        stk_dtype dtype;
        int rank;
        int64_t shape[4];
        const void *data;
        size_t bytes;
    } tensors[] = {
        {"crops", STK_U8, 4, {FRAMES, 96, 96, 3}, s->crops, (size_t)FRAMES * STK_SPEECH_CROP},
        {"state", STK_U8, 1, {FRAMES}, s->state, FRAMES},
        {"take", STK_I32, 1, {FRAMES}, s->take, FRAMES * sizeof(int32_t)},
        {"opening", STK_F32, 1, {FRAMES}, s->opening, FRAMES * sizeof(float)},
        {"mel", STK_F32, 2, {80, s->columns}, s->mel, (size_t)s->columns * 80 * sizeof(float)},
        {"moved_ms", STK_F32, 1, {1}, &moved, sizeof moved},
    };
    TEST_OK(stk_safetensors_writer_create(&w, path));
    TEST_OK(stk_safetensors_writer_metadata(w, "name", s->name));
    for (size_t i = 0; i < STK_ARRAY_SIZE(tensors); i++)
        TEST_OK(stk_safetensors_writer_declare(w, tensors[i].name, tensors[i].dtype,
                                               tensors[i].rank, tensors[i].shape));
    for (size_t i = 0; i < STK_ARRAY_SIZE(tensors); i++)
        TEST_OK(stk_safetensors_writer_data(w, tensors[i].data, tensors[i].bytes));
    TEST_OK(stk_safetensors_writer_finish(&w));
    stk_free(speech.crops);
    stk_speech_free(&speech);
}
