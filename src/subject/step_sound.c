/* step_sound.c - the clip's sound as audio.wav, moved to fit the lips where it was early or late.
 *
 *   clip --sound from the time of frame 0--> 16 kHz mono, as long as the picture -> audio.wav
 *   picture.mp4 + audio.wav + landmarks of the face step --sync (sync.h)--> offset
 *   --surely more than a frame--> read again from that much later -> audio.wav
 *
 * A clip on which sync cannot be measured keeps its sound; whether it can be used at all is for
 * the later steps to say.
 */
#include "subject/prepare.h"
#include "subject/sync.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SAMPLES_PER_FRAME = STK_SAMPLE_RATE / STK_FPS,
    LOOKED_AT = 120 * STK_FPS, /* frames that sync is measured on */
};
static const double MOVE_MIN_FRAMES = 1;
static const double SILENCE_DB = -70; /* a quiet room's noise lies above it, so any speech does */

typedef struct loudness {
    double rms_db, peak, silent_share;
} loudness;

static loudness measure(const stk_sound *sound) {
    double total = 0.0, peak = 0.0;
    int64_t windows = sound->count / SAMPLES_PER_FRAME, silent = 0;
    for (int64_t w = 0; w < windows; w++) {
        const float *samples = sound->samples + w * SAMPLES_PER_FRAME;
        double power = 0.0;
        for (int i = 0; i < SAMPLES_PER_FRAME; i++) {
            power += (double)samples[i] * (double)samples[i];
            peak = fmax(peak, fabs((double)samples[i]));
        }
        total += power;
        silent += power / SAMPLES_PER_FRAME < 1e-5;
    }
    double mean = total / fmax(1.0, (double)(windows * SAMPLES_PER_FRAME));
    return (loudness){10.0 * log10(fmax(mean, 1e-12)), peak,
                      (double)silent / fmax(1.0, (double)windows)};
}

/* The clip's sound from start_s on, as long as so many frames; *missing_s: how much of it the clip
 * lacks at its end. Refuses one in which nobody can be heard. The caller clears *sound. */
static stk_status read_sound(const stk_prepare *prepare, int frames, double start_s,
                             stk_sound *sound, loudness *level, double *missing_s) {
    const char *clip = prepare->settings.clip;
    STK_TRY(stk_sound_read(clip, STK_SAMPLE_RATE, start_s, sound));
    const int64_t had = sound->count;
    stk_status status = stk_sound_fit(sound, (int64_t)frames * SAMPLES_PER_FRAME);
    if (status == STK_OK) {
        *missing_s = fmax(0.0, (double)(sound->count - had)) / STK_SAMPLE_RATE;
        *level = measure(sound);
        if (level->rms_db < SILENCE_DB)
            status = stk_fail(STK_ERR_CONTENT,
                              "%s: its sound is silence (%.0f dB); use a clip where the person is "
                              "heard",
                              clip, level->rms_db);
    }
    if (status != STK_OK) stk_sound_clear(sound);
    return status;
}

/* audio.wav from the sound that had been late_ms late. */
static stk_status write_sound(stk_prepare *prepare, double late_ms, loudness *level,
                              double *missing_s) {
    const stk_subject_info *info = &prepare->manifest.info;
    char path[STK_PATH_MAX];
    stk_sound sound;
    STK_TRY(stk_prepare_path(prepare, "audio.wav", path));
    STK_TRY(read_sound(prepare, info->frames, info->source_start_s + late_ms / 1000, &sound, level,
                       missing_s));
    const stk_status status = stk_sound_write_wav(path, &sound);
    stk_sound_clear(&sound);
    return status;
}

stk_status stk_prepare_check_sound(const stk_prepare *prepare, int frames, double start_s) {
    loudness level;
    double late_ms, missing_s;
    int measured;
    stk_sound sound;
    STK_TRY(stk_prepare_read_sync(prepare->settings.sync, &late_ms, &measured));
    STK_TRY(read_sound(prepare, frames, start_s + late_ms / 1000, &sound, &level, &missing_s));
    stk_sound_clear(&sound);
    return STK_OK;
}

/* --- sync ------------------------------------------------------------------------------------- */

stk_status stk_prepare_read_sync(const char *text, double *late_ms, int *measured) {
    char *end;
    *late_ms = 0;
    *measured = text == NULL || strcmp(text, "auto") == 0;
    if (*measured || strcmp(text, "off") == 0) return STK_OK;
    *late_ms = strtod(text, &end);
    if (end != text && *end == '\0' && fabs(*late_ms) <= 5000) return STK_OK;
    return stk_fail(STK_ERR_ARGUMENT,
                    "--sync %s: there are auto, off, and how many ms the sound is late (-5000 to "
                    "5000; negative: early)",
                    text);
}

/* confidence stays 0 where it cannot be measured */
static stk_status find_offset(stk_prepare *prepare, stk_sync_figure *found) {
    char picture[STK_PATH_MAX], sound[STK_PATH_MAX];
    stk_sync_report sync;
    stk_face_table table;
    if (prepare->manifest.info.frames < STK_SYNC_FRAMES_MIN) return STK_OK;
    STK_TRY(stk_prepare_path(prepare, "picture.mp4", picture));
    STK_TRY(stk_prepare_path(prepare, "audio.wav", sound));
    STK_TRY(stk_face_table_read(prepare, 0, &table));
    const stk_speech_faces faces = {table.frames, table.landmarks, table.found, table.take};
    const stk_speech_settings settings = {.clip = picture,
                                          .models = prepare->settings.models,
                                          .sound = sound,
                                          .frames_most = LOOKED_AT,
                                          .faces = &faces,
                                          .threads = prepare->settings.threads};
    stk_status status =
        stk_sync_clip(&settings, NULL, prepare->settings.folder, prepare->job, &sync);
    stk_face_table_clear(&table);
    if (status == STK_ERR_CONTENT) return STK_OK;
    if (status == STK_OK) *found = sync.by[sync.chosen];
    return status;
}

static stk_status add_figures(cJSON *figures, const stk_sync_figure *found, double moved_ms) {
    cJSON *sync = cJSON_AddObjectToObject(figures, "sync");
    if (sync == NULL) return stk_fail_memory("figures");
    stk_figure(sync, "offset_frames", found->offset_frames, 2);
    stk_figure(sync, "offset_ms", found->offset_ms, 1);
    stk_figure(sync, "confidence", found->confidence, 3);
    cJSON_AddStringToObject(sync, "measure", found->measure);
    cJSON_AddBoolToObject(sync, "corrected", moved_ms != 0);
    return STK_OK;
}

stk_status stk_step_sound(stk_prepare *prepare, cJSON *figures) {
    stk_sync_figure found = {.measure = "none"};
    loudness level = {0};
    double moved_ms, missing_s = 0;
    int measured;
    STK_TRY(stk_prepare_read_sync(prepare->settings.sync, &moved_ms, &measured));
    STK_TRY(write_sound(prepare, moved_ms, &level, &missing_s));
    if (measured) {
        STK_TRY(find_offset(prepare, &found));
        if (found.confidence >= STK_SYNC_SURE && fabs(found.offset_frames) > MOVE_MIN_FRAMES) {
            moved_ms = found.offset_ms;
            STK_TRY(write_sound(prepare, moved_ms, &level, &missing_s));
        }
    } else if (moved_ms != 0) {
        found = (stk_sync_figure){.measure = "given",
                                  .offset_ms = moved_ms,
                                  .offset_frames = moved_ms * STK_FPS / 1000,
                                  .confidence = 1};
    }
    stk_figure(figures, "seconds", (double)prepare->manifest.info.frames / STK_FPS, 2);
    stk_figure(figures, "missing_s", missing_s, 2);
    stk_figure(figures, "rms_db", level.rms_db, 1);
    stk_figure(figures, "peak", level.peak, 3);
    stk_figure(figures, "silent_share", level.silent_share, 3);
    return add_figures(figures, &found, moved_ms);
}
