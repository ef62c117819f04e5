/* speech_cut.c - from a clip to a file of cut speech (speech.h), in two passes over the clip.
 *
 *   1. decode (in order) -> face capture (in order) -> looks [frames], cuts -> takes, crop squares;
 *      not where faces and takes are known
 *   2. decode (in order) -> crop (wide) -> write (in order)
 *   then who speaks (the sound moved before, if asked to), opening, mel behind the crops
 *
 * Both passes are lines (base/line.h) with a few frames in memory.
 */
#include "subject/speech.h"
#include "subject/cuts.h"
#include "subject/speech_codes.h"
#include "subject/speech_crop.h"
#include "subject/speech_lse.h"
#include "subject/speech_state.h"
#include "subject/sync.h"

#include "base/clock.h"
#include "base/image.h"
#include "base/memory.h"
#include "base/pool.h"
#include "base/line.h"
#include "face_sync/audio.h"
#include "face_sync/face_capture.h"
#include "media/media.h"
#include "nn/safetensors.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    SLOTS = 6,
    CHECK_EVERY = 25, /* frames between two looks for a larger face */
    FRAMES_MIN = 5,
    BOXES = 4,
};
static const float LARGER = 1.4f;     /* than the one that is followed, by height: go over to it */
static const float LEVEL_MIN = 3e-4f; /* root mean square below which a clip is silence */

typedef struct slot {
    stk_image picture;
    uint8_t crop[STK_SPEECH_CROP], face[STK_SPEAKER_FACE], wide[STK_SYNCNET_FACE];
} slot;

typedef struct cut_work {
    const stk_speech_settings *settings;
    const stk_job *job;
    const char *file, *step;
    double start_s;
    stk_pool *pool;
    stk_retime plan;
    stk_video_reader *reader;
    stk_face_capture *capture;
    stk_landmarks last; /* of the frame before */
    int has_last;
    stk_speech_look *looks;          /* [plan.frames] */
    uint8_t (*grey)[STK_CUT_PIXELS]; /* [plan.frames], until the cuts are found */
    int32_t *take;
    uint8_t *state;
    float *opening;
    int frames;
    slot *slots;
    float (*floats)[STK_SYNCNET_FACE]; /* one a worker */
    stk_sound sound;
    float *mel;
    int columns;
    stk_active_speaker *speaker; /* NULL where its weights are absent */
    stk_speech_eyes *eyes;
    float *seen, *heard, *score;
    stk_speech_lse *lse; /* NULL: not asked for */
    double moved_ms;
    stk_safetensors_writer *writer;
} cut_work;

/* --- stages of both passes -------------------------------------------------------------------- */

static stk_status tick(const cut_work *work, int done) {
    stk_job_report(work->job, work->step, done, work->plan.frames, work->start_s, NULL);
    if (!stk_job_aborted(work->job)) return STK_OK;
    return stk_fail(STK_ERR_ABORTED, "%s: stopped at frame %d", work->settings->clip, done);
}

static stk_status decode(void *ctx, stk_line_place *at) {
    cut_work *work = ctx;
    slot *s = &work->slots[at->slot];
    const stk_image *rgb;
    int end = 0;
    STK_TRY(stk_video_reader_next(work->reader, &rgb, NULL, &end));
    if (end) {
        if (at->item == 0)
            return stk_fail(STK_ERR_CONTENT, "%s: no frame of it can be decoded",
                            work->settings->clip);
        at->stop = 1; /* a damaged tail: this item shows the frame before once more */
        rgb = &work->slots[(at->slot + SLOTS - 1) % SLOTS].picture;
        if (s->picture.data == NULL)
            STK_TRY(stk_image_init(&s->picture, rgb->width, rgb->height, 3));
        stk_image_copy(&s->picture, rgb);
        return STK_OK;
    }
    if (s->picture.data == NULL) STK_TRY(stk_image_init(&s->picture, rgb->width, rgb->height, 3));
    stk_image_copy(&s->picture, rgb);
    return STK_OK;
}

/* Goes over to a face much larger than the one that is followed. */
static stk_status look_for_larger(cut_work *work, const stk_image *rgb, stk_face *face,
                                  int *found) {
    float boxes[BOXES][5];
    int count;
    STK_TRY(stk_face_capture_detect(work->capture, rgb, boxes, BOXES, &count));
    if (count == 0) return STK_OK;
    const float height = *found ? face->box[3] - face->box[1] : 0;
    const float x = 0.5f * (boxes[0][0] + boxes[0][2]), y = 0.5f * (boxes[0][1] + boxes[0][3]);
    const int same =
        *found && x > face->box[0] && x < face->box[2] && y > face->box[1] && y < face->box[3];
    if (same || boxes[0][3] - boxes[0][1] < LARGER * height) return STK_OK;
    stk_face_capture_reset(work->capture);
    return stk_face_capture_frame(work->capture, rgb, face, found);
}

static stk_status look(void *ctx, stk_line_place *at) {
    cut_work *work = ctx;
    const stk_image *rgb = &work->slots[at->slot].picture;
    stk_speech_look *k = &work->looks[at->item];
    stk_face face;
    int found;
    STK_TRY(stk_face_capture_frame(work->capture, rgb, &face, &found));
    if (at->item % CHECK_EVERY == CHECK_EVERY / 2)
        STK_TRY(look_for_larger(work, rgb, &face, &found));
    stk_cut_look(rgb, work->grey[at->item]);
    k->moved = -1;
    if (found) {
        stk_speech_look_take(k, &face.landmarks);
        memcpy(k->box, face.box, sizeof k->box);
        if (work->has_last) k->moved = stk_cut_face_movement(&work->last, &face.landmarks);
        work->last = face.landmarks;
    }
    work->has_last = found;
    return tick(work, at->item + 1);
}

static void crop_colour(const stk_image *rgb, const stk_face_roi *roi, float *values,
                        uint8_t *out) {
    stk_face_crop(values, STK_SPEECH_SIDE, rgb, roi, 1, 0.5f, 1);
    for (int i = 0; i < STK_SPEECH_CROP; i++) out[i] = (uint8_t)stk_clampf(values[i], 0, 255);
}

static void crop_grey(const stk_image *rgb, const stk_face_roi *roi, float *values, uint8_t *out) {
    stk_face_crop(values, STK_SPEAKER_SIDE, rgb, roi, 1, 0, 0);
    for (int i = 0; i < STK_SPEAKER_FACE; i++) {
        const float *p = values + 3 * i;
        out[i] = (uint8_t)stk_clampf(0.299f * p[0] + 0.587f * p[1] + 0.114f * p[2] + 0.5f, 0, 255);
    }
}

static stk_status crop(void *ctx, stk_line_place *at) {
    cut_work *work = ctx;
    slot *s = &work->slots[at->slot];
    const stk_speech_look *k = &work->looks[at->item];
    memset(s->crop, 0, sizeof s->crop);
    if (k->crop.size_px < 1) return STK_OK;
    crop_colour(&s->picture, &k->crop, work->floats[at->worker], s->crop);
    if (work->speaker != NULL) crop_grey(&s->picture, &k->face, work->floats[at->worker], s->face);
    if (work->lse != NULL)
        stk_speech_lse_crop(&s->picture, &k->face, work->floats[at->worker], s->wide);
    return STK_OK;
}

static stk_status keep(void *ctx, stk_line_place *at) {
    cut_work *work = ctx;
    const slot *s = &work->slots[at->slot];
    const int i = at->item, face = work->looks[i].crop.size_px >= 1;
    const int fresh = i > 0 && work->take[i] != work->take[i - 1];
    STK_TRY(stk_safetensors_writer_data(work->writer, s->crop, STK_SPEECH_CROP));
    if (work->speaker != NULL)
        STK_TRY(stk_speech_eyes_push(work->eyes, i, face ? s->face : NULL, fresh));
    if (work->lse != NULL) STK_TRY(stk_speech_lse_push(work->lse, face ? s->wide : NULL, fresh));
    return tick(work, i + 1);
}

/* --- the passes ------------------------------------------------------------------------------- */

static stk_status run_pass(cut_work *work, const char *step, stk_line *line, int *finished) {
    work->step = step;
    work->start_s = stk_clock_s();
    line->slots = SLOTS;
    line->ctx = work;
    STK_TRY(stk_video_reader_open(&work->reader, work->settings->clip, &work->plan));
    stk_status status = stk_line_run(line, work->pool, finished);
    stk_video_reader_close(&work->reader);
    return status;
}

/* The looks and takes of faces that are known. */
static void take_faces(cut_work *work, const stk_speech_faces *faces) {
    work->frames = work->plan.frames < faces->frames ? work->plan.frames : faces->frames;
    for (int i = 0; i < work->frames; i++) {
        work->take[i] = faces->take[i];
        if (!faces->found[i]) continue;
        stk_speech_look_take(&work->looks[i], &faces->landmarks[i]);
        stk_face_landmark_box(&faces->landmarks[i], work->looks[i].box);
    }
}

static stk_status look_for_faces(cut_work *work) {
    stk_line line = {.stages = {{"decode", STK_LINE_IN_ORDER, decode, 0, 0},
                                {"look", STK_LINE_CALLER, look, 0, 0}},
                     .items = work->plan.frames};
    STK_TRY(stk_face_capture_create(&work->capture, work->settings->models));
    return run_pass(work, "faces", &line, &work->frames);
}

static stk_status look_at_clip(cut_work *work) {
    int seen = 0;
    if (work->settings->faces != NULL)
        take_faces(work, work->settings->faces);
    else
        STK_TRY(look_for_faces(work));
    for (int i = 0; i < work->frames; i++) seen += work->looks[i].usable;
    if (seen > 0) return STK_OK;
    return stk_fail(STK_ERR_CONTENT,
                    "%s: no face is seen well enough in any of its %d frames; use a clip that "
                    "shows one person from the front, the face at least 60 pixels high",
                    work->settings->clip, work->frames);
}

static stk_status find_takes(cut_work *work) {
    if (work->settings->faces != NULL) {
        stk_speech_crops_place(work->looks, work->take, work->frames);
        return STK_OK;
    }
    float *moved = stk_calloc_aligned((size_t)work->frames, sizeof *moved);
    if (moved == NULL) return stk_fail_memory("cut speech");
    for (int i = 0; i < work->frames; i++) moved[i] = work->looks[i].moved;
    stk_status status = stk_cuts_find((const uint8_t(*)[STK_CUT_PIXELS])work->grey, moved,
                                      work->frames, work->take);
    stk_free(moved);
    stk_free(work->grey);
    work->grey = NULL;
    if (status == STK_OK) stk_speech_crops_place(work->looks, work->take, work->frames);
    return status;
}

/* The sound beside so many frames as if it had been less late by moved_ms. */
static stk_status load_sound(cut_work *work, int frames) {
    const stk_speech_settings *settings = work->settings;
    const int64_t count = (int64_t)frames * (STK_SAMPLE_RATE / STK_FPS);
    const double start_s = settings->sound != NULL ? 0 : work->plan.first_time_s;
    stk_sound_clear(&work->sound);
    STK_TRY(stk_sound_read(settings->sound != NULL ? settings->sound : settings->clip,
                           STK_SAMPLE_RATE, start_s + work->moved_ms / 1000, &work->sound));
    STK_TRY(stk_sound_fit(&work->sound, count));
    double power = 0;
    for (int64_t i = 0; i < work->sound.count; i++)
        power += (double)work->sound.samples[i] * (double)work->sound.samples[i];
    if (sqrt(power / fmax(1, (double)work->sound.count)) >= (double)LEVEL_MIN) return STK_OK;
    return stk_fail(STK_ERR_CONTENT,
                    "%s: its sound is silence; use a clip where the person is heard",
                    settings->clip);
}

/* The sound and what is computed from it. */
static stk_status read_sound(cut_work *work) {
    STK_TRY(load_sound(work, work->frames));
    work->columns = stk_mel_columns(work->sound.count);
    stk_free(work->mel);
    work->mel = stk_calloc_aligned((size_t)work->columns * STK_MEL_BINS, sizeof *work->mel);
    if (work->mel == NULL) return stk_fail_memory("mel spectrogram");
    STK_TRY(stk_mel_spectrogram(&work->sound, 0, work->mel, work->columns));
    if (work->speaker == NULL) return STK_OK;
    return stk_speech_hear(work->speaker, &work->sound, work->frames, work->heard);
}

/* --- who speaks, and when --------------------------------------------------------------------- */

/* Opens the network where its weights are. */
static stk_status open_speaker(cut_work *work) {
    const size_t n = (size_t)work->frames * STK_SPEAKER_CODE;
    if (!stk_active_speaker_have(work->settings->models)) return STK_OK;
    STK_TRY(stk_active_speaker_create(&work->speaker, work->settings->models));
    work->seen = stk_calloc_aligned(n, sizeof *work->seen);
    work->heard = stk_calloc_aligned(n, sizeof *work->heard);
    work->score = stk_calloc_aligned((size_t)work->frames, sizeof *work->score);
    if (work->seen == NULL || work->heard == NULL || work->score == NULL)
        return stk_fail_memory("active speaker");
    return stk_speech_eyes_create(&work->eyes, work->speaker, work->seen);
}

static void mark_faces(cut_work *work) {
    for (int i = 0; i < work->frames; i++) {
        const stk_speech_look *k = &work->looks[i];
        work->opening[i] = k->usable ? k->opening : 0;
        work->state[i] = k->usable ? STK_SPEECH_FACE : STK_SPEECH_NONE;
    }
}

static const char *name_of(const char *clip) {
    const char *slash = strrchr(clip, '/');
    return slash != NULL ? slash + 1 : clip;
}

/* How late the sound is, when that can be told; a clip too short or still for that is left. */
static stk_status find_offset(cut_work *work, stk_sync_figure *figure) {
    stk_speech speech = {.frames = work->frames,
                         .state = work->state,
                         .take = work->take,
                         .opening = work->opening,
                         .mel = work->mel,
                         .columns = work->columns,
                         .seen = work->seen,
                         .heard = work->heard};
    stk_sync_report sync;
    *figure = (stk_sync_figure){0};
    snprintf(speech.name, sizeof speech.name, "%s", name_of(work->settings->clip));
    stk_status status = stk_sync_measure(&speech, work->settings->models, work->job, &sync);
    if (status == STK_ERR_CONTENT) return STK_OK;
    if (status == STK_OK) *figure = sync.by[sync.chosen];
    return status;
}

/* Scored where the sound fits best: a clip whose sound is late speaks all the same. */
static stk_status mark_speakers(cut_work *work) {
    stk_sync_figure late = {0};
    if (work->speaker != NULL) STK_TRY(stk_speech_eyes_end(work->eyes));
    mark_faces(work);
    STK_TRY(find_offset(work, &late));
    const int sure = late.confidence >= STK_SYNC_SURE;
    if (sure && work->settings->align && fabs(late.offset_frames) > 1) {
        work->moved_ms = late.offset_ms;
        STK_TRY(read_sound(work));
        late.offset_frames = 0;
    }
    stk_speech_state_from_motion(work->looks, work->take, work->frames, &work->sound, work->state);
    if (work->speaker == NULL) return STK_OK;
    STK_TRY(stk_speech_scores(work->speaker, work->take, work->frames,
                              sure ? (int)lround(late.offset_frames) : 0, work->seen, work->heard,
                              work->score));
    stk_speech_state_by_score(work->score, work->frames, work->state);
    return STK_OK;
}

/* --- the file --------------------------------------------------------------------------------- */

static stk_status declare_tables(cut_work *work) {
    const int64_t n = work->frames, codes[] = {n, STK_SPEAKER_CODE};
    const int64_t crops[] = {n, STK_SPEECH_SIDE, STK_SPEECH_SIDE, 3};
    const int64_t mel[] = {STK_MEL_BINS, work->columns}, one = 1;
    stk_safetensors_writer *w = work->writer;
    STK_TRY(stk_safetensors_writer_declare(w, "crops", STK_U8, 4, crops));
    STK_TRY(stk_safetensors_writer_declare(w, "take", STK_I32, 1, &n));
    STK_TRY(stk_safetensors_writer_declare(w, "opening", STK_F32, 1, &n));
    STK_TRY(stk_safetensors_writer_declare(w, "mel", STK_F32, 2, mel));
    STK_TRY(stk_safetensors_writer_declare(w, "moved_ms", STK_F32, 1, &one));
    if (work->speaker != NULL) {
        STK_TRY(stk_safetensors_writer_declare(w, "seen", STK_F32, 2, codes));
        STK_TRY(stk_safetensors_writer_declare(w, "heard", STK_F32, 2, codes));
    }
    return stk_safetensors_writer_declare(w, "state", STK_U8, 1, &n);
}

static stk_status declare(cut_work *work) {
    char name[64], format[32];
    snprintf(name, sizeof name, "%s", name_of(work->settings->clip));
    snprintf(format, sizeof format, "synctalk speech %d", STK_SPEECH_FORMAT);
    STK_TRY(stk_safetensors_writer_create(&work->writer, work->file));
    STK_TRY(stk_safetensors_writer_metadata(work->writer, "format", format));
    STK_TRY(stk_safetensors_writer_metadata(work->writer, "name", name));
    return declare_tables(work);
}

static stk_status write_crops(cut_work *work) {
    stk_line line = {.stages = {{"decode", STK_LINE_IN_ORDER, decode, 0, 0},
                                {"crop", STK_LINE_WIDE, crop, 0, 0},
                                {"write", STK_LINE_CALLER, keep, 0, 0}},
                     .items = work->frames};
    int finished;
    STK_TRY(run_pass(work, "crops", &line, &finished));
    if (finished == work->frames) return STK_OK;
    return stk_fail(STK_ERR_IO, "%s: changed while it was read", work->settings->clip);
}

static stk_status write_floats(cut_work *work, const float *values, size_t count) {
    return stk_safetensors_writer_data(work->writer, values, count * sizeof *values);
}

static stk_status write_tables(cut_work *work) {
    const size_t n = (size_t)work->frames;
    const float moved_ms = (float)work->moved_ms;
    STK_TRY(stk_safetensors_writer_data(work->writer, work->take, n * sizeof *work->take));
    STK_TRY(write_floats(work, work->opening, n));
    STK_TRY(write_floats(work, work->mel, (size_t)work->columns * STK_MEL_BINS));
    STK_TRY(write_floats(work, &moved_ms, 1));
    if (work->speaker != NULL) {
        STK_TRY(write_floats(work, work->seen, n * STK_SPEAKER_CODE));
        STK_TRY(write_floats(work, work->heard, n * STK_SPEAKER_CODE));
    }
    return stk_safetensors_writer_data(work->writer, work->state, n);
}

/* --- the whole -------------------------------------------------------------------------------- */

static stk_status check_clip(const char *clip, int with_sound) {
    stk_media_info info;
    STK_TRY(stk_media_probe(clip, &info));
    if (info.has_video && (info.has_audio || !with_sound)) return STK_OK;
    return stk_fail(STK_ERR_CONTENT,
                    "%s: has no %s; a clip of a person who is heard talking is "
                    "needed",
                    clip, info.has_video ? "sound" : "picture");
}

static stk_status allocate(cut_work *work) {
    const size_t n = (size_t)work->plan.frames;
    work->looks = stk_calloc_aligned(n, sizeof *work->looks);
    work->grey = stk_calloc_aligned(n, sizeof *work->grey);
    work->take = stk_calloc_aligned(n, sizeof *work->take);
    work->state = stk_calloc_aligned(n, 1);
    work->opening = stk_calloc_aligned(n, sizeof *work->opening);
    work->slots = stk_calloc_aligned(SLOTS, sizeof *work->slots);
    work->floats = stk_calloc_aligned((size_t)stk_pool_threads(work->pool), sizeof *work->floats);
    return work->looks != NULL && work->grey != NULL && work->take != NULL && work->state != NULL &&
                   work->opening != NULL && work->slots != NULL && work->floats != NULL
               ? STK_OK
               : stk_fail_memory("cut speech");
}

static stk_status cut(cut_work *work) {
    const char *clip = work->settings->clip;
    STK_TRY(check_clip(clip, work->settings->sound == NULL));
    STK_TRY(stk_pool_create(&work->pool, work->settings->threads));
    STK_TRY(stk_retime_plan(clip, work->job, &work->plan));
    if (work->settings->frames_most > 0 && work->plan.frames > work->settings->frames_most)
        work->plan.frames = work->settings->frames_most;
    if (work->plan.frames < FRAMES_MIN || work->plan.frames > STK_SPEECH_FRAMES_MAX)
        return stk_fail(STK_ERR_CONTENT, "%s: is %.2f s long; 0.2 s to four hours can be cut", clip,
                        (double)work->plan.frames / STK_FPS);
    STK_TRY(load_sound(work, work->plan.frames)); /* silence is told before the work */
    STK_TRY(allocate(work));
    STK_TRY(look_at_clip(work));
    STK_TRY(find_takes(work));
    STK_TRY(open_speaker(work));
    if (work->settings->syncnet != NULL)
        STK_TRY(stk_speech_lse_create(&work->lse, work->settings->syncnet, work->frames,
                                      STK_LSE_RUN_MIN));
    STK_TRY(read_sound(work));
    STK_TRY(declare(work));
    STK_TRY(write_crops(work));
    STK_TRY(mark_speakers(work));
    STK_TRY(write_tables(work));
    if (work->lse != NULL)
        STK_TRY(stk_speech_lse_end(work->lse, &work->sound, work->settings->lse));
    return stk_safetensors_writer_finish(&work->writer);
}

stk_status stk_speech_cut(const stk_speech_settings *settings, const stk_job *job,
                          const char *file) {
    cut_work work = {.settings = settings, .job = job, .file = file};
    stk_status status = cut(&work);
    stk_safetensors_writer_discard(&work.writer);
    stk_video_reader_close(&work.reader);
    stk_retime_clear(&work.plan);
    stk_face_capture_free(&work.capture);
    stk_sound_clear(&work.sound);
    for (int i = 0; i < SLOTS && work.slots != NULL; i++) stk_image_clear(&work.slots[i].picture);
    stk_free(work.slots);
    stk_free(work.floats);
    stk_free(work.looks);
    stk_free(work.grey);
    stk_free(work.take);
    stk_free(work.state);
    stk_free(work.opening);
    stk_free(work.mel);
    stk_free(work.seen);
    stk_free(work.heard);
    stk_free(work.score);
    stk_speech_eyes_free(&work.eyes);
    stk_speech_lse_free(&work.lse);
    stk_active_speaker_free(&work.speaker);
    stk_pool_free(&work.pool);
    return status;
}
