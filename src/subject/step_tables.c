/* step_tables.c - head poses, and the tables of a subject.
 *
 *   landmarks -> head motion tracker (focal length, pose per frame) -> cache/pose.safetensors
 *   landmarks + blendshapes + stabilised poses + audio.wav (-> mel rows) -> tables.safetensors,
 *   with the motion tracker's poses, for comparison
 */
#include "subject/prepare.h"
#include "subject/tables.h"

#include "base/memory.h"
#include "face_sync/audio.h"
#include "head_sync/motion_tracker.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { POSE_FLOATS = 12, MEL_FLOATS = STK_MEL_BINS * STK_MEL_STEPS };

/* --- poses ------------------------------------------------------------------------------------ */

stk_status stk_pose_table_write(const stk_prepare *prepare, const char *name,
                                const stk_pose_table *table) {
    char path[STK_PATH_MAX];
    const int64_t n = table->frames;
    const stk_table tables[] = {
        {"poses", STK_F32, 2, {n, POSE_FLOATS}, table->poses},
        {"reprojection_px", STK_F32, 1, {n}, table->reprojection_px},
        {"shape_head", STK_F32, 2, {STK_MESH_LANDMARKS, 3}, table->shape_head},
        {"lens", STK_F32, 1, {3}, table->lens},
    };
    STK_TRY(stk_prepare_path(prepare, "cache", path));
    STK_TRY(stk_directory_create(path));
    STK_TRY(stk_prepare_path(prepare, name, path));
    return stk_tables_write(path, tables, STK_ARRAY_SIZE(tables));
}

stk_status stk_pose_table_read(const stk_prepare *prepare, const char *name,
                               stk_pose_table *table) {
    char path[STK_PATH_MAX];
    stk_safetensors *file;
    const int64_t n = prepare->manifest.info.frames;
    const stk_table poses = {"poses", STK_F32, 2, {n, POSE_FLOATS}, NULL};
    const stk_table errors = {"reprojection_px", STK_F32, 1, {n}, NULL};
    const stk_table shape = {"shape_head", STK_F32, 2, {STK_MESH_LANDMARKS, 3}, NULL};
    const stk_table lens = {"lens", STK_F32, 1, {3}, NULL};
    *table = (stk_pose_table){.frames = (int)n};
    table->poses = stk_calloc_aligned((size_t)n, sizeof *table->poses);
    table->reprojection_px = stk_calloc_aligned((size_t)n, sizeof *table->reprojection_px);
    table->shape_head = stk_calloc_aligned(STK_MESH_LANDMARKS, sizeof *table->shape_head);
    if (table->poses == NULL || table->reprojection_px == NULL || table->shape_head == NULL)
        return stk_fail_memory("poses");
    STK_TRY(stk_prepare_path(prepare, name, path));
    STK_TRY(stk_safetensors_open(&file, path));
    stk_status status = stk_table_copy(file, path, &poses, table->poses);
    if (status == STK_OK) status = stk_table_copy(file, path, &errors, table->reprojection_px);
    if (status == STK_OK) status = stk_table_copy(file, path, &shape, table->shape_head);
    if (status == STK_OK) status = stk_table_copy(file, path, &lens, table->lens);
    stk_safetensors_close(&file);
    return status;
}

void stk_pose_table_clear(stk_pose_table *table) {
    stk_free(table->poses);
    stk_free(table->reprojection_px);
    stk_free(table->shape_head);
    *table = (stk_pose_table){0};
}

/* Poses by the head model that the settings name; which one goes into the figures. */
static stk_status track_head(const stk_prepare *prepare, const stk_face_table *faces,
                             cJSON *figures, stk_head_track *track) {
    stk_head_model *model = NULL;
    const stk_subject_info *info = &prepare->manifest.info;
    if (prepare->settings.head_model != NULL)
        STK_TRY(stk_head_model_open(&model, prepare->settings.head_model));
    if (model != NULL) cJSON_AddStringToObject(figures, "head_model", model->name);
    const stk_head_clip clip = {faces->landmarks, faces->found, faces->take, faces->frames,
                                info->width,      info->height, model};
    stk_status status = stk_head_track_takes(&clip, prepare->pool, prepare->job, track);
    stk_head_model_close(&model);
    return status;
}

/* "focal_candidates": [focal length, rms of the landmarks px] of each that was tried. */
static void list_candidates(const stk_head_track *track, cJSON *figures) {
    cJSON *list = cJSON_AddArrayToObject(figures, "focal_candidates");
    for (int i = 0; i < track->candidates; i++) {
        const double pair[2] = {round(10.0 * (double)track->candidate_px[i]) / 10.0,
                                round(1e4 * sqrt((double)track->candidate_cost[i])) / 1e4};
        cJSON_AddItemToArray(list, cJSON_CreateDoubleArray(pair, 2));
    }
}

stk_status stk_step_pose(stk_prepare *prepare, cJSON *figures) {
    stk_face_table faces;
    stk_head_track track;
    stk_subject_info *info = &prepare->manifest.info;
    STK_TRY(stk_face_table_read(prepare, 0, &faces));
    stk_status status = track_head(prepare, &faces, figures, &track);
    stk_face_table_clear(&faces);
    STK_TRY(status);
    const stk_camera *camera = &track.camera;
    const stk_pose_table table = {track.frames,
                                  track.poses,
                                  track.reprojection_px,
                                  track.shape_head,
                                  {camera->focal_px, camera->cx_px, camera->cy_px}};
    status = stk_pose_table_write(prepare, "cache/pose.safetensors", &table);
    info->camera = track.camera;
    stk_figure(figures, "focal_px", (double)track.camera.focal_px, 1);
    stk_figure(figures, "reprojection_median_px", (double)track.reprojection_median_px, 3);
    stk_figure(figures, "reprojection_p95_px", (double)track.reprojection_p95_px, 3);
    stk_figure(figures, "jitter_rot_deg", (double)track.jitter_rot_deg, 4);
    stk_figure(figures, "jitter_px", (double)track.jitter_px, 4);
    stk_figure(figures, "jitter_unsmoothed_rot_deg", (double)track.jitter_raw_rot_deg, 4);
    stk_figure(figures, "jitter_unsmoothed_px", (double)track.jitter_raw_px, 4);
    list_candidates(&track, figures);
    stk_head_track_clear(&track);
    return status;
}

/* --- tables ----------------------------------------------------------------------------------- */

typedef struct collected {
    stk_face_table faces;
    float (*points)[STK_LANDMARKS][3];
    float (*expressions)[STK_EXPRESSIONS];
    stk_pose_table poses, coarse; /* stabilised; as the motion tracker left them */
    float *audio;
} collected;

static void clear_collected(collected *c) {
    stk_face_table_clear(&c->faces);
    stk_free(c->points);
    stk_free(c->expressions);
    stk_pose_table_clear(&c->poses);
    stk_pose_table_clear(&c->coarse);
    stk_free(c->audio);
}

static stk_status mel_rows(const stk_prepare *prepare, float *rows) {
    char path[STK_PATH_MAX];
    stk_sound sound;
    STK_TRY(stk_prepare_path(prepare, "audio.wav", path));
    STK_TRY(stk_sound_read(path, STK_SAMPLE_RATE, 0.0, &sound));
    int columns = stk_mel_columns(sound.count);
    float *mel = stk_calloc_aligned((size_t)columns * STK_MEL_BINS, sizeof *mel);
    stk_status status = mel != NULL ? stk_mel_spectrogram(&sound, 0, mel, columns)
                                    : stk_fail_memory("mel spectrogram");
    if (status == STK_OK) stk_mel_rows(mel, columns, prepare->manifest.info.frames, rows);
    stk_free(mel);
    stk_sound_clear(&sound);
    return status;
}

static stk_status collect(const stk_prepare *prepare, collected *c) {
    size_t n = (size_t)prepare->manifest.info.frames;
    STK_TRY(stk_face_table_read(prepare, 1, &c->faces));
    c->points = stk_calloc_aligned(n, sizeof *c->points);
    c->expressions = stk_calloc_aligned(n, sizeof *c->expressions);
    c->audio = stk_calloc_aligned(n * MEL_FLOATS, sizeof *c->audio);
    if (c->points == NULL || c->expressions == NULL || c->audio == NULL)
        return stk_fail_memory("subject tables");
    for (size_t i = 0; i < n; i++) {
        memcpy(c->points[i], c->faces.landmarks[i].xyz, sizeof c->points[i]);
        stk_expression_select(c->faces.blendshapes[i], c->expressions[i]);
    }
    STK_TRY(stk_pose_table_read(prepare, "cache/stable.safetensors", &c->poses));
    STK_TRY(stk_pose_table_read(prepare, "cache/pose.safetensors", &c->coarse));
    return mel_rows(prepare, c->audio);
}

void stk_subject_identify(stk_subject_info *info, const stk_pose *poses,
                          const float (*expressions)[STK_EXPRESSIONS], const float *audio_mel) {
    size_t n = (size_t)info->frames;
    char text[sizeof info->name + 3 * STK_SHA256_TEXT], digest[3][STK_SHA256_TEXT];
    stk_sha256(poses, n * sizeof *poses, digest[0]);
    stk_sha256(expressions, n * sizeof *expressions, digest[1]);
    stk_sha256(audio_mel, n * MEL_FLOATS * sizeof *audio_mel, digest[2]);
    int used =
        snprintf(text, sizeof text, "%s %s %s %s", info->name, digest[0], digest[1], digest[2]);
    stk_sha256(text, (size_t)used, info->identity);
}

static stk_status write_tables(const stk_prepare *prepare, const collected *c) {
    char path[STK_PATH_MAX];
    const int64_t n = prepare->manifest.info.frames;
    const stk_table tables[] = {
        {"poses", STK_F32, 2, {n, POSE_FLOATS}, c->poses.poses},
        {"landmarks", STK_F32, 3, {n, STK_LANDMARKS, 3}, c->points},
        {"blendshapes", STK_F32, 2, {n, STK_BLENDSHAPES}, c->faces.blendshapes},
        {"expressions", STK_F32, 2, {n, STK_EXPRESSIONS}, c->expressions},
        {"audio_mel", STK_F32, 3, {n, STK_MEL_BINS, STK_MEL_STEPS}, c->audio},
        {"reprojection_px", STK_F32, 1, {n}, c->poses.reprojection_px},
        {"shape_head", STK_F32, 2, {STK_MESH_LANDMARKS, 3}, c->poses.shape_head},
        {"coarse_poses", STK_F32, 2, {n, POSE_FLOATS}, c->coarse.poses},
        {"coarse_lens", STK_F32, 1, {3}, c->coarse.lens},
        {"found", STK_U8, 1, {n}, c->faces.found},
    };
    STK_TRY(stk_prepare_path(prepare, "tables.safetensors", path));
    return stk_tables_write(path, tables, STK_ARRAY_SIZE(tables));
}

stk_status stk_step_tables(stk_prepare *prepare, cJSON *figures) {
    char path[STK_PATH_MAX];
    collected c = {0};
    stk_status status = collect(prepare, &c);
    if (status == STK_OK) status = write_tables(prepare, &c);
    if (status == STK_OK)
        stk_subject_identify(&prepare->manifest.info, c.poses.poses,
                             (const float(*)[STK_EXPRESSIONS])c.expressions, c.audio);
    clear_collected(&c);
    STK_TRY(status);
    STK_TRY(stk_prepare_path(prepare, "tables.safetensors", path));
    stk_figure(figures, "tables_mib", (double)stk_file_size(path) / 0x1p20, 2);
    return STK_OK;
}
