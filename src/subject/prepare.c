/* prepare.c - the table of prepare steps and the runner that does those that are not done yet.
 *
 *   clip -> picture -> face -> sound -> pose -> parse -> stabilise -> torso -> tables -> report
 *
 * A step's inputs are summed up in a digest: its name and version, the settings it depends on, and
 * the digests of the steps it needs, down to the content of the clip itself. A step is left alone
 * when the manifest holds the same digest and its files are there in the recorded sizes; everything
 * behind a step that changes is redone. The manifest is written after every step.
 */
#include "subject/prepare.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "head_sync/head_model.h"
#include "nn/weights.h"
#include "portrait_sync/bisenet.h"
#include "subject/draft.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    STEP_PICTURE,
    STEP_FACE,
    STEP_SOUND,
    STEP_POSE,
    STEP_PARSE,
    STEP_STABILISE,
    STEP_TORSO,
    STEP_TABLES,
    STEP_REPORT,
    STEPS
};
enum {
    SETTING_SIZE = 1,
    SETTING_FACE_WEIGHTS = 2,
    SETTING_PARSE_WEIGHTS = 4,
    SETTING_POINTS = 8,
    SETTING_HEAD_MODEL = 16,
    SETTING_SYNC = 32
};
#define NEEDS(step) (1u << (step))

typedef struct step {
    const char *name;
    int version;       /* raised when the step's result changes */
    unsigned needs;    /* steps whose result it reads */
    unsigned settings; /* settings that change its result */
    stk_status (*run)(stk_prepare *prepare, cJSON *figures);
    const char *outputs[8]; /* NULL-ended */
} step;

static const step steps[STEPS] = {
    [STEP_PICTURE] =
        {"picture", 1, 0, SETTING_SIZE | SETTING_FACE_WEIGHTS, stk_step_picture, {"picture.mp4"}},
    [STEP_FACE] = {"face",
                   2,
                   NEEDS(STEP_PICTURE),
                   SETTING_FACE_WEIGHTS,
                   stk_step_face,
                   {"cache/face.safetensors"}},
    [STEP_SOUND] = {"sound",
                    3,
                    NEEDS(STEP_PICTURE) | NEEDS(STEP_FACE),
                    SETTING_SYNC,
                    stk_step_sound,
                    {"audio.wav"}},
    [STEP_POSE] = {"pose",
                   6,
                   NEEDS(STEP_FACE),
                   SETTING_HEAD_MODEL,
                   stk_step_pose,
                   {"cache/pose.safetensors"}},
    [STEP_PARSE] = {"parse",
                    1,
                    NEEDS(STEP_FACE) | NEEDS(STEP_PICTURE),
                    SETTING_PARSE_WEIGHTS,
                    stk_step_parse,
                    {"labels.safetensors", "plate.png"}},
    [STEP_STABILISE] = {"stabilise",
                        11,
                        NEEDS(STEP_PICTURE) | NEEDS(STEP_FACE) | NEEDS(STEP_POSE),
                        SETTING_POINTS,
                        stk_step_stabilise,
                        {"cache/stable.safetensors", "cache/quality.safetensors"}},
    [STEP_TORSO] =
        {"torso", 1, NEEDS(STEP_PARSE) | NEEDS(STEP_PICTURE), 0, stk_step_torso, {"torso.mp4"}},
    [STEP_TABLES] = {"tables",
                     3,
                     NEEDS(STEP_SOUND) | NEEDS(STEP_FACE) | NEEDS(STEP_POSE) |
                         NEEDS(STEP_STABILISE),
                     0,
                     stk_step_tables,
                     {"tables.safetensors"}},
    [STEP_REPORT] = {"report",
                     2,
                     NEEDS(STEP_TABLES) | NEEDS(STEP_TORSO) | NEEDS(STEP_PARSE) | NEEDS(STEP_FACE) |
                         NEEDS(STEP_POSE) | NEEDS(STEP_STABILISE),
                     0,
                     stk_step_report,
                     {"report.txt", "report.json", "sheet.png", "report/focal.svg",
                      "report/pose.svg", "report/overlay.mp4"}},
};

/* --- helpers for the steps -------------------------------------------------------------------- */

stk_status stk_prepare_path(const stk_prepare *prepare, const char *name, char path[STK_PATH_MAX]) {
    return stk_path_join(path, STK_PATH_MAX, prepare->settings.folder, name);
}

/* Wherever in the step that was noticed. */
static stk_status stopped(const stk_prepare *prepare) {
    return stk_fail(STK_ERR_ABORTED,
                    "stopped in the step \"%s\"; run the same command again to continue",
                    prepare->step);
}

stk_status stk_prepare_tick(const stk_prepare *prepare, int64_t done, int64_t total) {
    stk_job_report(prepare->job, prepare->step, done, total, prepare->start_s, NULL);
    return stk_job_aborted(prepare->job) ? stopped(prepare) : STK_OK;
}

void stk_figure(cJSON *figures, const char *name, double value, int decimals) {
    double scale = pow(10.0, decimals);
    cJSON_AddNumberToObject(figures, name, isfinite(value) ? round(value * scale) / scale : -1.0);
}

int stk_prepare_asks_flow(const stk_prepare_settings *settings) {
    return settings->points != NULL && strcmp(settings->points, "raft") == 0;
}

double stk_prepare_time_s(const stk_prepare *prepare, int frame) {
    return prepare->manifest.info.source_start_s + (double)frame / STK_FPS;
}

/* --- digests ---------------------------------------------------------------------------------- */

static void add_weights(char *text, size_t size, const char *models, const char *const *names) {
    for (; *names != NULL; names++) {
        size_t used = strlen(text);
        snprintf(text + used, size - used, " %s=%d", *names, stk_weights_have(models, *names));
    }
}

/* The published recipe masks pictures by their labels. */
static unsigned needs_of(const stk_prepare *prepare, int number) {
    const int masked = number == STEP_STABILISE && prepare->settings.published;
    return steps[number].needs | (masked ? NEEDS(STEP_PARSE) : 0);
}

/* Nothing where the built-in tracker follows the points. */
static size_t add_points(char *text, size_t size, const stk_prepare *prepare) {
    const stk_prepare_settings *s = &prepare->settings;
    text[0] = '\0';
    if (s->published) return (size_t)snprintf(text, size, " published");
    if (!stk_prepare_asks_flow(s)) return 0;
    return (size_t)snprintf(text, size, " raft raft-small.pth=%d",
                            stk_weights_have(s->models, "raft-small.pth"));
}

static size_t add_sync(char *text, size_t size, const stk_prepare *prepare) {
    double late_ms;
    int measured;
    if (stk_prepare_read_sync(prepare->settings.sync, &late_ms, &measured) == STK_OK && !measured)
        return (size_t)snprintf(text, size, " sync=%.3f", late_ms);
    return (size_t)snprintf(
        text, size, " sync=auto light_asd_finetune_TalkSet.model=%d",
        stk_weights_have(prepare->settings.models, "light_asd_finetune_TalkSet.model"));
}

/* digest[i] of every step from the settings and the source's own digest. */
static void step_digests(const stk_prepare *prepare, char digest[STEPS][STK_SHA256_TEXT]) {
    static const char *const face_weights[] = {"face_landmarker.task", "face_landmark_468.tflite",
                                               NULL};
    static const char *const parse_weights[] = {"mp_selfie_segmentation.tflite",
                                                "mp_hair_segmentation.tflite", NULL};
    char face[256] = "", parse[256] = "", text[2048];
    add_weights(face, sizeof face, prepare->settings.models, face_weights);
    if (prepare->bisenet[0] != '\0')
        snprintf(parse, sizeof parse, " bisenet=%s", prepare->bisenet_sha256);
    else
        add_weights(parse, sizeof parse, prepare->settings.models, parse_weights);
    for (int i = 0; i < STEPS; i++) {
        const step *s = &steps[i];
        size_t used = (size_t)snprintf(text, sizeof text, "%s %d %s", s->name, s->version,
                                       prepare->manifest.source_sha256);
        if (s->settings & SETTING_SIZE)
            used += (size_t)snprintf(text + used, sizeof text - used, " size=%d",
                                     prepare->settings.size);
        if (s->settings & SETTING_FACE_WEIGHTS)
            used += (size_t)snprintf(text + used, sizeof text - used, "%s", face);
        if (s->settings & SETTING_PARSE_WEIGHTS)
            used += (size_t)snprintf(text + used, sizeof text - used, "%s", parse);
        if (s->settings & SETTING_POINTS)
            used += add_points(text + used, sizeof text - used, prepare);
        if (s->settings & SETTING_SYNC) used += add_sync(text + used, sizeof text - used, prepare);
        if ((s->settings & SETTING_HEAD_MODEL) && prepare->head_model_sha256[0] != '\0')
            used += (size_t)snprintf(text + used, sizeof text - used, " head_model=%s",
                                     prepare->head_model_sha256);
        for (int k = 0; k < i; k++)
            if (needs_of(prepare, i) & NEEDS(k))
                used += (size_t)snprintf(text + used, sizeof text - used, " %s", digest[k]);
        stk_sha256(text, used, digest[i]);
    }
}

/* Marks what must run: changed or damaged steps, what depends on them, and the makers of
 * intermediate files (below cache/, which a user may delete) that one of those reads. */
static void plan_steps(const stk_prepare *prepare, char digest[STEPS][STK_SHA256_TEXT],
                       int must_run[STEPS]) {
    const stk_manifest *m = &prepare->manifest;
    const char *folder = prepare->settings.folder;
    for (int i = 0; i < STEPS; i++) {
        must_run[i] = !stk_manifest_step_matches(m, steps[i].name, digest[i]) ||
                      !stk_manifest_outputs_present(m, folder, steps[i].name, 0);
        for (int k = 0; k < i; k++)
            if ((needs_of(prepare, i) & NEEDS(k)) && must_run[k]) must_run[i] = 1;
    }
    must_run[STEP_REPORT] |= !m->complete;
    for (int i = STEPS - 1; i > 0; i--) {
        if (!must_run[i]) continue;
        for (int k = 0; k < i; k++)
            if ((needs_of(prepare, i) & NEEDS(k)) &&
                !stk_manifest_outputs_present(m, folder, steps[k].name, 1))
                must_run[k] = 1;
    }
}

/* --- the folder ------------------------------------------------------------------------------- */

/* *other receives the name of something in the folder, "" when it is empty. */
static stk_status look_into(const char *folder, char *other, size_t size) {
    other[0] = '\0';
    DIR *directory = opendir(folder);
    if (directory == NULL)
        return stk_fail(STK_ERR_IO, "%s: cannot be read: %s", folder, strerror(errno));
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            snprintf(other, size, "%s", entry->d_name);
    closedir(directory);
    return STK_OK;
}

/* Two runs would mix their files. */
static stk_status lock_folder(stk_prepare *prepare) {
    prepare->lock = stk_directory_lock(prepare->settings.folder);
    if (prepare->lock >= 0 || errno != EWOULDBLOCK) return STK_OK;
    return stk_fail(STK_ERR_IO,
                    "%s: another run is preparing it; wait until that has ended, or give the name "
                    "of a new folder",
                    prepare->settings.folder);
}

/* Creates the folder or takes up what an earlier run left there. */
static stk_status open_folder(stk_prepare *prepare) {
    char path[STK_PATH_MAX], cache[STK_PATH_MAX], other[256];
    const char *folder = prepare->settings.folder;
    STK_TRY(stk_prepare_path(prepare, "manifest.json", path));
    STK_TRY(stk_prepare_path(prepare, "cache", cache));
    STK_TRY(stk_place_check(folder));
    if (!stk_file_exists(folder)) STK_TRY(stk_directory_create(folder));
    STK_TRY(lock_folder(prepare));
    stk_directory_remove_leftovers(folder);
    stk_directory_remove_leftovers(cache);
    STK_TRY(look_into(folder, other, sizeof other));
    if (access(folder, W_OK | X_OK) != 0)
        return stk_fail(STK_ERR_IO, "%s: cannot be written to: %s; choose another folder", folder,
                        strerror(errno));
    if (stk_file_exists(path)) {
        stk_status status = stk_manifest_load(&prepare->manifest, folder, NULL);
        /* restarting may replace a damaged subject, never one of a newer version */
        if (status != STK_ERR_FORMAT || !prepare->settings.restart) return status;
    } else if (other[0] != '\0') {
        return stk_fail(STK_ERR_ARGUMENT,
                        "%s: holds something else (%s) and is no subject; give a new or an empty "
                        "folder",
                        folder, other);
    }
    return stk_manifest_init(&prepare->manifest);
}

static void name_of_clip(const char *clip, char *name, size_t size) {
    const char *slash = strrchr(clip, '/');
    snprintf(name, size, "%s", slash != NULL ? slash + 1 : clip);
    char *dot = strrchr(name, '.');
    if (dot != NULL && dot != name) *dot = '\0';
}

static int wanted_side(const stk_prepare_settings *settings) {
    return settings->size > 0 ? settings->size : STK_SUBJECT_SIZE;
}

/* Ties the manifest to the clip; a folder that belongs to another clip, or to this one at another
 * size, is not overwritten. */
static stk_status bind_source(stk_prepare *prepare) {
    stk_manifest *m = &prepare->manifest;
    const stk_prepare_settings *s = &prepare->settings;
    char sha256[STK_SHA256_TEXT];
    STK_TRY(stk_sha256_file(s->clip, sha256));
    int same = strcmp(m->source_sha256, sha256) == 0;
    const int begun = cJSON_GetArraySize(m->steps) > 0; /* not where the clip was refused at once */
    if (!same && begun && m->source_sha256[0] != '\0' && !s->restart)
        return stk_fail(STK_ERR_MISMATCH,
                        "%s: holds the subject of another clip (%s); give another folder, or "
                        "--restart to replace it",
                        s->folder, m->info.name);
    if (same && m->complete && m->info.width != wanted_side(s) && !s->restart)
        return stk_fail(
            STK_ERR_MISMATCH,
            "%s: holds this clip at %d pixels, not %d, and models may have been trained "
            "on it; give another folder, or --restart to replace it",
            s->folder, m->info.width, wanted_side(s));
    if (s->restart || !same) {
        stk_manifest_clear(m);
        STK_TRY(stk_manifest_init(m));
    }
    memcpy(m->source_sha256, sha256, sizeof sha256);
    m->source_bytes = stk_file_size(s->clip);
    if (realpath(s->clip, m->info.source_path) == NULL)
        snprintf(m->info.source_path, sizeof m->info.source_path, "%s", s->clip);
    name_of_clip(s->clip, m->info.name, sizeof m->info.name);
    return STK_OK;
}

/* --- running ---------------------------------------------------------------------------------- */

static stk_status run_step(stk_prepare *prepare, const step *s, const char *digest) {
    cJSON *figures = cJSON_CreateObject();
    if (figures == NULL) return stk_fail_memory("figures");
    prepare->step = s->name;
    prepare->start_s = stk_clock_s();
    stk_manifest_step_remove(&prepare->manifest, s->name);
    stk_status status = stk_prepare_tick(prepare, 0, 0);
    if (status == STK_OK) status = s->run(prepare, figures);
    if (status != STK_OK) {
        cJSON_Delete(figures);
        return status == STK_ERR_ABORTED ? stopped(prepare) : status;
    }
    double seconds = stk_clock_s() - prepare->start_s;
    STK_TRY(stk_manifest_step_record(&prepare->manifest, prepare->settings.folder, s->name, digest,
                                     seconds, s->outputs, figures));
    stk_log(STK_LOG_INFO, "prepare step=%s seconds=%.2f", s->name, seconds);
    return stk_manifest_save(&prepare->manifest, prepare->settings.folder);
}

/* A failed step is reported in the folder too; the sentence that counts stays the step's own. */
static stk_status report_failure(stk_prepare *prepare, const char *name, stk_status status) {
    char sentence[1024];
    stk_error_take(sentence, sizeof sentence);
    if (status == STK_ERR_CONTENT) {
        stk_manifest_save(&prepare->manifest, prepare->settings.folder);
        stk_report_write(prepare, name, sentence);
    }
    stk_error_put(sentence);
    return status;
}

static stk_status run_steps(stk_prepare *prepare) {
    char digest[STEPS][STK_SHA256_TEXT];
    int must_run[STEPS], any = 0;
    step_digests(prepare, digest);
    plan_steps(prepare, digest, must_run);
    for (int i = 0; i < STEPS; i++) any |= must_run[i];
    if (!any) return STK_OK;
    /* from here until the tables are done the folder is no whole subject */
    for (int i = 0; i < STEP_REPORT; i++)
        if (must_run[i]) prepare->manifest.complete = 0;
    STK_TRY(stk_manifest_save(&prepare->manifest, prepare->settings.folder));
    for (int i = 0; i < STEPS; i++) {
        if (!must_run[i]) continue;
        stk_status status = STK_OK;
        if (i == STEP_REPORT) { /* which opens the subject */
            prepare->manifest.complete = 1;
            status = stk_manifest_save(&prepare->manifest, prepare->settings.folder);
        }
        if (status == STK_OK) status = run_step(prepare, &steps[i], digest[i]);
        if (status != STK_OK) return report_failure(prepare, steps[i].name, status);
    }
    return STK_OK;
}

static stk_status check_settings(stk_prepare_settings *s) {
    if (s->clip == NULL || s->folder == NULL || s->clip[0] == '\0' || s->folder[0] == '\0')
        return stk_fail(STK_ERR_ARGUMENT, "a clip and a folder are needed to prepare a subject");
    if (s->points != NULL && strcmp(s->points, "lk") != 0 && strcmp(s->points, "raft") != 0)
        return stk_fail(STK_ERR_ARGUMENT, "--points %s: there are lk and raft", s->points);
    double late_ms;
    int measured;
    STK_TRY(stk_prepare_read_sync(s->sync, &late_ms, &measured));
    if (s->published && s->points != NULL)
        return stk_fail(STK_ERR_ARGUMENT,
                        "--published follows points in its own way; leave out --points");
    if (s->published) {
        char path[STK_PATH_MAX];
        STK_TRY(stk_weights_find(s->models, "raft-small.pth", path));
    }
    if (s->size == 0) s->size = STK_SUBJECT_SIZE;
    if (s->size < STK_SUBJECT_SIDE_MIN || s->size > STK_SUBJECT_SIDE_MAX || s->size % 2 != 0)
        return stk_fail(STK_ERR_ARGUMENT,
                        "the picture size %d is not possible; give an even number from %d to %d",
                        s->size, STK_SUBJECT_SIDE_MIN, STK_SUBJECT_SIDE_MAX);
    if (!stk_file_exists(s->clip))
        return stk_fail(STK_ERR_IO, "%s: there is no such file", s->clip);
    return STK_OK;
}

/* Opens the head model once, so that a wrong one is refused before anything is created. */
static stk_status check_head_model(stk_prepare *prepare) {
    stk_head_model *model;
    stk_prepare_settings *s = &prepare->settings;
    if (s->head_model != NULL && s->head_model[0] == '\0') s->head_model = NULL;
    if (s->head_model == NULL) return STK_OK;
    STK_TRY(stk_head_model_open(&model, s->head_model));
    stk_head_model_close(&model);
    return stk_head_model_digest(s->head_model, prepare->head_model_sha256);
}

/* Finds the published parser's weights and reads them once, for the same reason. */
static stk_status find_parser(stk_prepare *prepare) {
    const stk_prepare_settings *s = &prepare->settings;
    if (s->parsing == NULL || s->parsing[0] == '\0') {
        char sentence[1024];
        stk_error_take(sentence, sizeof sentence); /* that it is absent is no failure */
        if (stk_weights_locate(s->models, STK_BISENET_FILE, "face parsing", prepare->bisenet) !=
            STK_OK) {
            prepare->bisenet[0] = '\0';
            stk_error_put(sentence);
        }
    } else if (strcmp(s->parsing, "builtin") != 0) {
        STK_TRY(stk_path_join(prepare->bisenet, STK_PATH_MAX, "", s->parsing));
    }
    if (prepare->bisenet[0] == '\0') return STK_OK;
    STK_TRY(stk_bisenet_check(prepare->bisenet));
    return stk_sha256_file(prepare->bisenet, prepare->bisenet_sha256);
}

stk_status stk_subject_prepare(const stk_prepare_settings *settings, const stk_job *job) {
    stk_media_info media;
    stk_prepare prepare = {.settings = *settings, .job = job, .lock = -1};
    STK_TRY(check_settings(&prepare.settings));
    STK_TRY(check_head_model(&prepare));
    STK_TRY(find_parser(&prepare));
    STK_TRY(stk_media_probe(prepare.settings.clip, &media)); /* before anything is created */
    stk_status status = open_folder(&prepare);
    if (status == STK_OK) status = bind_source(&prepare);
    if (status == STK_OK) status = stk_pool_create(&prepare.pool, prepare.settings.threads);
    if (status == STK_OK) status = run_steps(&prepare);
    stk_pool_free(&prepare.pool);
    stk_manifest_clear(&prepare.manifest);
    if (prepare.lock >= 0) close(prepare.lock);
    return status;
}
