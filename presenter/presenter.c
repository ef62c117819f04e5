/* presenter.c - THE loop of the presenter; see presenter.h.
 *
 *   setup  speech -> mouth shapes; people, room, light; mp4 and truth folder
 *   frame  motion, mouth, effects -> bones and face -> express -> draw -> resolve -> mp4, truth
 *
 * Everything of a frame is a function of its time. Drawing is spread over the pool by the canvas;
 * the encoder has threads of its own and works beside it.
 */
#include "presenter/presenter.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/image.h"
#include "base/memory.h"
#include "base/rng.h"
#include "media/media.h"
#include "presenter/backdrop.h"
#include "presenter/canvas.h"
#include "presenter/effects.h"
#include "presenter/motion.h"
#include "presenter/person.h"
#include "presenter/speech.h"
#include "presenter/truth.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char COMMENT[] = "Synthetic picture: this person does not exist. Made by synctalk "
                              "presenter";
static const double SCRIPT_S = 20; /* of picture when nothing says how long */
static const float GRAIN = 1.0f;
static const float VISIBLE_YAW_SINE = 0.70710678f; /* 45 degrees */

enum {
    TICKS = 90000,   /* a second: time stamps of rates that are not whole */
    MOUTH_STEPS = 8, /* mouth shapes a frame where frame times jitter */
    SECONDS_MAX = 7200,
    SECOND_SEED = 100, /* the other person's, beyond the first's */
    CUT_SEED = 7919,   /* of the motion after a cut */
    NECK_PARTS = 1 << STK_PART_NECK | 1 << STK_PART_TORSO,
    PEOPLE = 2,
};

typedef struct session {
    const stk_presenter_settings *settings;
    stk_pool *pool;
    /* sound */
    stk_utterance utterance;
    char sound_path[STK_PATH_MAX];
    int sound_is_ours; /* sound_path was written by us and is to be removed */
    double seconds;
    int frames, mouth_steps;
    float (*mouth)[STK_BLENDSHAPES]; /* [frames * mouth_steps + 1] */
    /* stage */
    stk_person people[PEOPLE];
    stk_person_act acts[PEOPLE];
    stk_bones bones[PEOPLE];
    stk_motion *motion, *motion_after, *motion_second;
    stk_light light;
    stk_camera camera;
    stk_canvas *canvas;
    int margin;
    stk_image room, room_seen; /* room: with the margin; room_seen: of this frame, when shaken */
    stk_image background;      /* view of room: what a still camera sees */
    stk_image rgb, parts, neck, neck_parts;
    float landmarks[STK_LANDMARKS][3];
    /* products */
    stk_video_writer *writer;
    stk_truth *truth;
} session;

/* --- settings --------------------------------------------------------------------------------- */

static int ends_with(const char *text, const char *end) {
    const size_t n = strlen(text), m = strlen(end);
    return n > m && strcmp(text + n - m, end) == 0;
}

static stk_status check(const stk_presenter_settings *s) {
    const int side_low = STK_PRESENTER_SIDE_MIN, side_high = STK_PRESENTER_SIDE_MAX;
    if (!ends_with(s->output, ".mp4") && !ends_with(s->output, ".wav"))
        return stk_fail(STK_ERR_ARGUMENT, "%s: name it .mp4, or .wav for the sound alone",
                        s->output);
    if (s->width < side_low || s->height < side_low || s->width > side_high ||
        s->height > side_high || s->width % 2 != 0 || s->height % 2 != 0)
        return stk_fail(STK_ERR_ARGUMENT,
                        "a picture of %d x %d pixels cannot be made: both sides must be even and "
                        "%d to %d",
                        s->width, s->height, side_low, side_high);
    if (!(s->fps >= 1 && s->fps <= 120))
        return stk_fail(STK_ERR_ARGUMENT, "%g frames a second cannot be made: 1 to 120", s->fps);
    if (!(s->seconds >= 0 && s->seconds <= SECONDS_MAX))
        return stk_fail(STK_ERR_ARGUMENT, "%g seconds cannot be made: 0 to %d", s->seconds,
                        SECONDS_MAX);
    if (s->text != NULL && s->audio != NULL)
        return stk_fail(STK_ERR_ARGUMENT, "a text and a sound file exclude each other");
    if (s->truth != NULL && ends_with(s->output, ".wav"))
        return stk_fail(STK_ERR_ARGUMENT,
                        "%s is sound alone, which has no truth: name it .mp4, or leave the truth "
                        "out",
                        s->output);
    return STK_OK;
}

/* Splits a path at its last slash; trailing slashes are no part of it. */
static stk_status split(const char *path, char folder[STK_PATH_MAX], const char **name,
                        size_t *length) {
    size_t end = strlen(path);
    if (end >= STK_PATH_MAX)
        return stk_fail(STK_ERR_ARGUMENT, "the path is too long: %.60s...", path);
    while (end > 1 && path[end - 1] == '/') end--;
    size_t start = end;
    while (start > 0 && path[start - 1] != '/') start--;
    if (start == 0)
        strcpy(folder, ".");
    else
        snprintf(folder, STK_PATH_MAX, "%.*s", (int)start, path);
    *name = path + start;
    *length = end - start;
    return STK_OK;
}

static int same_file(const char *a, const char *b) {
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* Refuses two paths that lead to one file, whether it is there already or not. */
static stk_status check_apart(const char *a, const char *b) {
    char folders[2][STK_PATH_MAX];
    const char *names[2];
    size_t lengths[2];
    STK_TRY(split(a, folders[0], &names[0], &lengths[0]));
    STK_TRY(split(b, folders[1], &names[1], &lengths[1]));
    const int same_name = lengths[0] == lengths[1] && strncmp(names[0], names[1], lengths[0]) == 0;
    if (same_file(a, b) || (same_name && same_file(folders[0], folders[1])))
        return stk_fail(STK_ERR_ARGUMENT, "%s and %s are one file: name another", a, b);
    return STK_OK;
}

/* What is to be written destroys nothing that is not ours, and can be written: found out before
 * minutes of work. */
static stk_status check_places(const stk_presenter_settings *s) {
    char path[STK_PATH_MAX];
    const char *name;
    size_t length;
    if (s->audio != NULL) STK_TRY(check_apart(s->output, s->audio));
    if (s->truth != NULL) {
        STK_TRY(stk_truth_check(s->truth));
        STK_TRY(check_apart(s->output, s->truth));
        for (int i = 0; stk_truth_file_name(i) != NULL; i++) {
            STK_TRY(stk_path_join(path, sizeof path, s->truth, stk_truth_file_name(i)));
            STK_TRY(check_apart(s->output, path));
            if (s->audio != NULL) STK_TRY(check_apart(s->audio, path));
        }
    }
    STK_TRY(split(s->output, path, &name, &length));
    stk_directory_remove_leftovers(path);
    stk_outfile *file;
    STK_TRY(stk_outfile_create(&file, s->output));
    stk_outfile_discard(&file);
    return STK_OK;
}

/* --- sound ------------------------------------------------------------------------------------ */

static stk_status silence(stk_utterance *u, double seconds) {
    u->sound = (stk_sound){NULL, llround(seconds * STK_SAMPLE_RATE), STK_SAMPLE_RATE};
    u->sound.samples = stk_calloc_aligned((size_t)u->sound.count + 1, sizeof(float));
    return u->sound.samples != NULL ? STK_OK : stk_fail_memory("sound");
}

static stk_status speak(session *s) {
    const stk_presenter_settings *settings = s->settings;
    double seconds = settings->seconds;
    if (seconds == 0 && settings->text == NULL && settings->audio == NULL) seconds = SCRIPT_S;
    if (settings->variant.silence) return silence(&s->utterance, seconds > 0 ? seconds : SCRIPT_S);
    if (settings->audio != NULL) return stk_speech_from_file(settings->audio, &s->utterance);
    stk_look look;
    stk_look_draw(&look, settings->seed);
    const char *voice = settings->voice != NULL ? settings->voice : look.woman ? "slt" : "rms";
    if (settings->text != NULL)
        return stk_speech_synthesise(settings->text, voice, seconds, &s->utterance);
    char *script;
    STK_TRY(stk_speech_script_join(settings->seed, &script));
    const stk_status status = stk_speech_synthesise(script, voice, seconds, &s->utterance);
    free(script);
    return status;
}

static stk_status measure(session *s) {
    const stk_presenter_settings *settings = s->settings;
    s->seconds = settings->seconds;
    if (s->seconds == 0)
        s->seconds = settings->text == NULL && settings->audio == NULL
                         ? SCRIPT_S
                         : (double)s->utterance.sound.count / STK_SAMPLE_RATE;
    if (s->seconds > SECONDS_MAX)
        return stk_fail(STK_ERR_ARGUMENT,
                        "the sound lasts %.0f seconds, more than the %d that can be made: give a "
                        "shorter one, or say how many seconds",
                        s->seconds, SECONDS_MAX);
    s->frames = stk_clampi((int)lround(s->seconds * settings->fps), 1, INT32_MAX);
    s->seconds = s->frames / settings->fps;
    return STK_OK;
}

static stk_status shape_mouth(session *s) {
    s->mouth_steps = s->settings->variant.variable_rate ? MOUTH_STEPS : 1;
    const int rows = s->frames * s->mouth_steps + 1;
    s->mouth = stk_calloc_aligned((size_t)rows, sizeof *s->mouth);
    if (s->mouth == NULL) return stk_fail_memory("mouth shapes");
    return stk_mouth_track(&s->utterance, s->settings->fps * s->mouth_steps, rows, s->mouth);
}

/* The sound file that goes into the clip: the one given, or one of ours beside the output. */
static stk_status write_sound(session *s) {
    if (s->settings->audio != NULL && !s->settings->variant.silence) {
        if (snprintf(s->sound_path, sizeof s->sound_path, "%s", s->settings->audio) >=
            (int)sizeof s->sound_path)
            return stk_fail(STK_ERR_ARGUMENT, "the path is too long: %.60s...", s->settings->audio);
        return STK_OK;
    }
    if (snprintf(s->sound_path, sizeof s->sound_path, "%s.sound.part-%ld", s->settings->output,
                 (long)getpid()) >= (int)sizeof s->sound_path)
        return stk_fail(STK_ERR_ARGUMENT, "the path is too long: %.60s...", s->settings->output);
    s->sound_is_ours = 1;
    return stk_sound_write_wav(s->sound_path, &s->utterance.sound);
}

/* --- stage ------------------------------------------------------------------------------------ */

static void set_camera(session *s) {
    stk_rng rng;
    stk_rng_seed(&rng, (uint64_t)s->settings->seed, 0xca3e7a);
    const float height = (float)s->settings->height;
    s->camera =
        (stk_camera){(1.7f + 0.7f * stk_rng_float(&rng)) * height, 0.5f * (float)s->settings->width,
                     0.5f * height, s->settings->width, s->settings->height};
}

static stk_status make_people(session *s) {
    const stk_presenter_settings *settings = s->settings;
    int side = 128;
    while (side < 2 * settings->height && side < 2048) side *= 2;
    if (settings->variant.no_face) {
        stk_look_draw(&s->people[0].look, settings->seed);
        return STK_OK;
    }
    STK_TRY(stk_person_init(&s->people[0], settings->seed, settings->variant.hand, side, s->pool));
    if (settings->variant.second_face)
        STK_TRY(stk_person_init(&s->people[1], settings->seed + SECOND_SEED, 0, side, s->pool));
    return STK_OK;
}

static stk_status make_motion(session *s) {
    const stk_presenter_settings *settings = s->settings;
    const stk_utterance *utterance = &s->utterance;
    STK_TRY(stk_motion_create(&s->motion, settings->seed, s->seconds, utterance));
    STK_TRY(stk_motion_create(&s->motion_after, settings->seed + CUT_SEED, s->seconds, utterance));
    stk_utterance quiet = {.sound = {.rate = STK_SAMPLE_RATE}};
    STK_TRY(stk_motion_create(&s->motion_second, settings->seed + SECOND_SEED, s->seconds, &quiet));
    if (settings->variant.profile) {
        stk_motion_turn(s->motion, 0.4 * s->seconds, 0.6 * s->seconds, 75);
        stk_motion_turn(s->motion_after, 0.4 * s->seconds, 0.6 * s->seconds, 75);
    }
    return STK_OK;
}

static stk_status make_room(session *s) {
    const int width = s->camera.width, height = s->camera.height;
    if (s->settings->variant.shake) s->margin = stk_shake_margin(&s->camera);
    const int m = s->margin;
    STK_TRY(stk_image_init(&s->room, width + 2 * m, height + 2 * m, 3));
    STK_TRY(stk_backdrop_paint(&s->room, &s->people[0].look, s->pool));
    s->background = stk_image_view(&s->room, (stk_rect){m, m, m + width, m + height});
    STK_TRY(stk_image_init(&s->room_seen, width, height, 3));
    STK_TRY(stk_image_init(&s->rgb, width, height, 3));
    STK_TRY(stk_image_init(&s->parts, width, height, 1));
    STK_TRY(stk_image_init(&s->neck, width, height, 3));
    return stk_image_init(&s->neck_parts, width, height, 1);
}

static stk_status set_stage(session *s) {
    STK_TRY(stk_pool_create(&s->pool, s->settings->threads));
    set_camera(s);
    stk_light_studio(&s->light);
    STK_TRY(stk_canvas_create(&s->canvas, s->camera.width, s->camera.height, s->pool));
    STK_TRY(make_people(s));
    STK_TRY(make_motion(s));
    return make_room(s);
}

/* --- products --------------------------------------------------------------------------------- */

static stk_status open_products(session *s) {
    const stk_presenter_settings *settings = s->settings;
    const int silent = settings->variant.no_sound;
    const double sound_at_s = settings->audio_offset / settings->fps;
    const int whole = settings->fps == floor(settings->fps) && !settings->variant.variable_rate;
    if (!silent) STK_TRY(write_sound(s));
    const stk_writer_options options = {
        .format = STK_WRITER_MP4,
        .width = s->camera.width,
        .height = s->camera.height,
        .fps = (int)lround(settings->fps),
        .timescale = whole ? 0 : TICKS,
        .crf = settings->crf,
        .sound_path = silent ? NULL : s->sound_path,
        .sound_start_s = -sound_at_s,
        .comment = COMMENT,
        .threads = settings->threads,
    };
    STK_TRY(stk_video_writer_create(&s->writer, settings->output, &options));
    if (settings->truth == NULL) return STK_OK;
    const stk_truth_clip clip = {
        .settings = settings,
        .utterance = silent ? NULL : &s->utterance,
        .camera = s->camera,
        .frames = s->frames,
        .cut_frame = settings->variant.cut ? (s->frames + 1) / 2 : -1,
        .sound_at_s = sound_at_s,
        .voice = s->utterance.voice[0] != '\0' ? s->utterance.voice : NULL,
    };
    return stk_truth_open(&s->truth, settings->truth, &clip);
}

/* --- frames ----------------------------------------------------------------------------------- */

/* Frames stand on their grid, or, with variable rate, up to a third of a frame behind it. */
static double frame_time(const session *s, int frame) {
    double late = 0;
    if (s->settings->variant.variable_rate && frame > 0) {
        stk_rng rng;
        stk_rng_seed(&rng, (uint64_t)s->settings->seed, 0x71e0000u + (uint64_t)frame);
        late = (double)stk_rng_float(&rng) / 3;
    }
    return (frame + late) / s->settings->fps;
}

static void open_mouth(const session *s, double time_s, stk_face_state *face) {
    const double place = time_s * s->settings->fps * s->mouth_steps;
    const int last = s->frames * s->mouth_steps - 1, row = stk_clampi((int)(place + 1e-6), 0, last);
    const float share = stk_clampf((float)(place - row), 0, 1);
    for (int k = 0; k < STK_BLENDSHAPES; k++)
        face->shapes[k] = s->mouth[row][k] + share * (s->mouth[row + 1][k] - s->mouth[row][k]);
}

static void act(session *s, double time_s, const stk_effects *effects) {
    const stk_motion *motion = effects->after_cut ? s->motion_after : s->motion;
    const float lens = s->camera.focal_px / (float)s->camera.height;
    stk_person_act *first = &s->acts[0], *second = &s->acts[1];
    *first = (stk_person_act){.hand_raised = effects->hand};
    open_mouth(s, time_s, &first->face);
    stk_motion_at(motion, time_s, lens, &s->bones[0], &first->face, &first->breath_phase);
    stk_effects_place(effects, 0, &s->bones[0]);
    stk_person_set(&s->people[0], first);
    if (!effects->second) return;
    *second = (stk_person_act){0};
    stk_motion_at(s->motion_second, time_s, lens, &s->bones[1], &second->face,
                  &second->breath_phase);
    stk_effects_place(effects, 1, &s->bones[1]);
    stk_person_set(&s->people[1], second);
}

static stk_status draw(session *s, const stk_image *room, const stk_effects *effects, int frame) {
    stk_canvas_begin(s->canvas, &s->camera, &s->light);
    if (!s->settings->variant.no_face)
        STK_TRY(stk_canvas_draw(s->canvas, &s->people[0].actor, &s->bones[0], -1, -1));
    if (effects->second)
        STK_TRY(stk_canvas_draw(s->canvas, &s->people[1].actor, &s->bones[1], -1, STK_PART_OTHER));
    stk_canvas_resolve(s->canvas, room, GRAIN, (uint32_t)frame, &s->rgb, &s->parts, NULL);
    if (effects->exposure != 1) stk_expose(&s->rgb, effects->exposure);
    return STK_OK;
}

static stk_status draw_neck(session *s, const stk_image *room, const stk_effects *effects,
                            int frame) {
    stk_canvas_begin(s->canvas, &s->camera, &s->light);
    if (!s->settings->variant.no_face) {
        stk_bust_plug(s->people[0].bust, 1);
        const stk_status status =
            stk_canvas_draw(s->canvas, &s->people[0].actor, &s->bones[0], NECK_PARTS, -1);
        stk_bust_plug(s->people[0].bust, 0);
        STK_TRY(status);
    }
    stk_canvas_resolve(s->canvas, room, GRAIN, (uint32_t)frame, &s->neck, &s->neck_parts, NULL);
    if (effects->exposure != 1) stk_expose(&s->neck, effects->exposure);
    return STK_OK;
}

static stk_status tell_truth(session *s, double time_s, const stk_effects *effects) {
    const int no_face = s->settings->variant.no_face;
    stk_truth_frame row = {.time_s = time_s,
                           .bones = &s->bones[0],
                           .state = &s->acts[0].face,
                           .landmarks = s->landmarks,
                           .exposure = effects->exposure,
                           .parts = &s->parts,
                           .neck = &s->neck};
    if (!no_face) {
        stk_bust_landmarks(s->people[0].bust, s->landmarks);
        stk_bust_mouth(s->people[0].bust, &row.mouth_opening_m, &row.mouth_width_m);
        row.visible = effects->hand < 0.5f && fabsf(s->bones[0].head.R[2]) < VISIBLE_YAW_SINE;
    }
    return stk_truth_add(s->truth, &row);
}

static stk_status make_frame(session *s, int frame) {
    const double time_s = frame_time(s, frame);
    stk_effects effects;
    stk_effects_at(&s->settings->variant, time_s, s->seconds, &effects);
    const stk_image *room = &s->background;
    if (effects.shaken) {
        stk_room_seen(&s->room, s->margin, &s->camera, effects.shake, s->pool, &s->room_seen);
        room = &s->room_seen;
    }
    if (s->settings->variant.no_face)
        s->bones[0] = (stk_bones){{{1, 0, 0, 0, 1, 0, 0, 0, 1}, {0, 0, -1}},
                                  {{1, 0, 0, 0, 1, 0, 0, 0, 1}, {0, 0, -1}}};
    else
        act(s, time_s, &effects);
    STK_TRY(draw(s, room, &effects, frame));
    const int whole = s->settings->fps == floor(s->settings->fps);
    STK_TRY(whole && !s->settings->variant.variable_rate
                ? stk_video_writer_frame(s->writer, &s->rgb)
                : stk_video_writer_frame_at(s->writer, &s->rgb, time_s));
    if (s->truth == NULL) return STK_OK;
    STK_TRY(draw_neck(s, room, &effects, frame));
    return tell_truth(s, time_s, &effects);
}

static stk_status make_clip(session *s, const stk_job *job) {
    STK_TRY(shape_mouth(s));
    STK_TRY(set_stage(s));
    STK_TRY(open_products(s));
    const double start_s = stk_clock_s();
    for (int i = 0; i < s->frames; i++) {
        if (stk_job_aborted(job))
            return stk_fail(STK_ERR_ABORTED, "stopped at frame %d of %d; nothing is left", i,
                            s->frames);
        STK_TRY(make_frame(s, i));
        stk_job_report(job, "presenter", i + 1, s->frames, start_s, NULL);
    }
    if (s->truth != NULL) STK_TRY(stk_truth_write(s->truth, &s->background));
    return stk_video_writer_finish(&s->writer);
}

static void close_session(session *s, int keep) {
    stk_video_writer_discard(&s->writer, 0);
    stk_truth_close(&s->truth, keep);
    if (s->sound_is_ours) unlink(s->sound_path);
    stk_utterance_clear(&s->utterance);
    stk_free(s->mouth);
    for (int i = 0; i < PEOPLE; i++) stk_person_clear(&s->people[i]);
    stk_motion_free(&s->motion);
    stk_motion_free(&s->motion_after);
    stk_motion_free(&s->motion_second);
    stk_canvas_free(&s->canvas);
    stk_image *const images[] = {&s->room,  &s->room_seen, &s->rgb,
                                 &s->parts, &s->neck,      &s->neck_parts};
    for (size_t i = 0; i < sizeof images / sizeof *images; i++) stk_image_clear(images[i]);
    stk_pool_free(&s->pool);
}

stk_status stk_presenter_make(const stk_presenter_settings *settings, const stk_job *job,
                              stk_presenter_figures *figures) {
    const double start_s = stk_clock_s();
    *figures = (stk_presenter_figures){0};
    STK_TRY(check(settings));
    STK_TRY(check_places(settings));
    session *s = stk_calloc_aligned(1, sizeof *s);
    if (s == NULL) return stk_fail_memory("presenter");
    s->settings = settings;
    stk_status status = speak(s);
    const int sound_only = ends_with(settings->output, ".wav");
    if (status == STK_OK && sound_only)
        status = stk_sound_write_wav(settings->output, &s->utterance.sound);
    if (status == STK_OK && !sound_only) status = measure(s);
    if (status == STK_OK && !sound_only) status = make_clip(s, job);
    figures->seconds = stk_clock_s() - start_s;
    if (status == STK_OK) {
        figures->frames = s->frames;
        figures->fps = s->frames / figures->seconds;
        if (sound_only || !settings->variant.no_sound)
            figures->sound_s = (double)s->utterance.sound.count / STK_SAMPLE_RATE;
    }
    close_session(s, status == STK_OK);
    stk_free(s);
    return status;
}
