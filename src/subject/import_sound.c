/* import_sound.c - aud.wav as the subject's sound, and its mel rows.
 *
 *   aud.wav --16 kHz mono--> spectrogram --row min(aud_id, last)--> audio_mel [N][80][16]
 *   samples [640 aud_id, 640 (aud_id + 1)) of each frame in turn -> audio.wav
 *
 * The rows come from the whole sound, as in the published system: at the ends of the data set and
 * at gaps they know what is said there, which audio.wav no longer holds.
 */
#include "subject/import.h"

#include "base/log.h"
#include "base/memory.h"
#include "face_sync/audio.h"

#include <string.h>

enum { SAMPLES_PER_FRAME = STK_SAMPLE_RATE / STK_FPS, MEL_FLOATS = STK_MEL_BINS * STK_MEL_STEPS };
static const int64_t SECONDS_MAX = 3600;

static stk_status read_sound(const stk_import *import, stk_sound *sound) {
    char path[STK_PATH_MAX];
    stk_media_info media;
    STK_TRY(stk_import_path(import, path, "aud.wav"));
    if (!stk_file_exists(path))
        return stk_fail(STK_ERR_IO,
                        "%s: is missing; make it from the clip: ffmpeg -i CLIP -ar 16000 -ac 1 "
                        "aud.wav",
                        path);
    STK_TRY(stk_media_probe(path, &media));
    if (!(media.duration_s <= (double)SECONDS_MAX))
        return stk_fail(STK_ERR_UNSUPPORTED, "%s: is longer than %lld minutes; cut it", path,
                        (long long)SECONDS_MAX / 60);
    STK_TRY(stk_sound_read(path, STK_SAMPLE_RATE, 0.0, sound));
    if (sound->count > 0 && sound->count <= SECONDS_MAX * STK_SAMPLE_RATE) return STK_OK;
    stk_sound_clear(sound);
    return stk_fail(STK_ERR_CONTENT, "%s: holds no usable sound", path);
}

/* audio.wav, and how many frames lie behind the sound's end. */
static stk_status write_pieces(const stk_import *import, const stk_sound *sound, int *silent) {
    char path[STK_PATH_MAX];
    stk_sound pieces = {.count = (int64_t)import->count * SAMPLES_PER_FRAME,
                        .rate = STK_SAMPLE_RATE};
    pieces.samples = stk_calloc_aligned((size_t)pieces.count, sizeof *pieces.samples);
    if (pieces.samples == NULL) return stk_fail_memory("sound");
    for (int i = 0; i < import->count; i++) {
        int64_t from = (int64_t)import->frames[i].aud_id * SAMPLES_PER_FRAME;
        int64_t have = sound->count - from;
        if (have > SAMPLES_PER_FRAME) have = SAMPLES_PER_FRAME;
        if (have > 0)
            memcpy(pieces.samples + (int64_t)i * SAMPLES_PER_FRAME, sound->samples + from,
                   (size_t)have * sizeof *pieces.samples);
        else
            ++*silent;
    }
    stk_status status = stk_draft_path(&import->draft, "audio.wav", path);
    if (status == STK_OK) status = stk_sound_write_wav(path, &pieces);
    stk_sound_clear(&pieces);
    return status;
}

/* Rows of the whole sound, then those that the frames name. */
static stk_status pick_rows(const stk_import *import, const stk_sound *sound, float *audio_mel) {
    int columns = stk_mel_columns(sound->count), rows = stk_mel_row_count(columns), last = 0;
    for (int i = 0; i < import->count; i++)
        if (import->frames[i].aud_id > last) last = import->frames[i].aud_id;
    if (rows < 1) rows = 1;
    if (rows > last + 1) rows = last + 1;
    float *mel = stk_calloc_aligned((size_t)columns * STK_MEL_BINS, sizeof *mel);
    float *all = stk_calloc_aligned((size_t)rows * MEL_FLOATS, sizeof *all);
    stk_status status = mel != NULL && all != NULL ? stk_mel_spectrogram(sound, 0, mel, columns)
                                                   : stk_fail_memory("mel spectrogram");
    if (status == STK_OK) stk_mel_rows(mel, columns, rows, all);
    for (int i = 0; status == STK_OK && i < import->count; i++) {
        int row = import->frames[i].aud_id < rows ? import->frames[i].aud_id : rows - 1;
        memcpy(audio_mel + (size_t)i * MEL_FLOATS, all + (size_t)row * MEL_FLOATS,
               MEL_FLOATS * sizeof *all);
    }
    stk_free(mel);
    stk_free(all);
    return status;
}

stk_status stk_import_sound(stk_import *import, float *audio_mel) {
    stk_sound sound;
    int silent = 0;
    STK_TRY(read_sound(import, &sound));
    stk_status status = write_pieces(import, &sound, &silent);
    if (status == STK_OK) status = pick_rows(import, &sound, audio_mel);
    if (status == STK_OK && silent > 0)
        stk_log(STK_LOG_WARN,
                "%s/aud.wav: ends at %.2f s; %d frames lie behind that and hear its last moment",
                import->settings.source, (double)sound.count / STK_SAMPLE_RATE, silent);
    stk_sound_clear(&sound);
    return status;
}
