/* export_tables.c - the numbers and the sound of a subject in the published layout.
 *
 *   poses, camera -> transforms_train.json, transforms_val.json    audio.wav -> aud.wav
 *   blendshapes   -> bs.npy, float64 [N,52]                        au45 -> au.csv
 *   audio_<kind>  -> aud_ds.npy ..., float32, time first
 *
 * img_id and aud_id count from 0. au.csv and aud_*.npy are written where the subject has such
 * tables (it was imported), au.csv with the values that the published loader makes of it: nothing
 * is invented. track_params.pt and the files of bundle adjustment are left out: nothing behind
 * transforms_*.json reads them.
 */
#include "subject/export.h"

#include "base/memory.h"
#include "face_sync/audio.h"

#include <stdio.h>
#include <string.h>

enum { JSON_FRAME = 512, JSON_HEAD = 256, NPY_ALIGN = 64, CSV_LINE = 64 };

/* --- transforms ------------------------------------------------------------------------------- */

/* Camera-to-world: Rc = R^T, c = -R^T t (reference.md 7.5). */
static int print_frame(char *text, size_t size, int id, const stk_pose *pose) {
    int used = snprintf(text, size, "{\"img_id\":%d,\"aud_id\":%d,\"transform_matrix\":[", id, id);
    for (int i = 0; i < 3; i++) {
        double c = 0.0;
        for (int k = 0; k < 3; k++) c -= (double)pose->R[3 * k + i] * (double)pose->t[k];
        used += snprintf(text + used, size - (size_t)used, "[%.9g,%.9g,%.9g,%.12g],",
                         (double)pose->R[i], (double)pose->R[3 + i], (double)pose->R[6 + i], c);
    }
    return used + snprintf(text + used, size - (size_t)used, "[0,0,0,1]]}");
}

static stk_status write_transforms(const stk_export *export, const char *name, int first,
                                   int last) {
    char path[STK_PATH_MAX];
    const stk_camera *camera = &export->info->camera;
    const stk_pose *poses = stk_subject_poses(export->subject);
    size_t size = JSON_HEAD + (size_t)(last - first) * JSON_FRAME;
    char *text = stk_calloc_aligned(size, 1);
    if (text == NULL) return stk_fail_memory("transforms");
    size_t used =
        (size_t)snprintf(text, size,
                         "{\"focal_len\":%.9g,\"cx\":%.9g,\"cy\":%.9g,\"w\":%d,\"h\":%d,"
                         "\"frames\":[",
                         (double)camera->focal_px, (double)camera->cx_px, (double)camera->cy_px,
                         export->info->width, export->info->height);
    for (int i = first; i < last; i++) {
        used += (size_t)print_frame(text + used, JSON_FRAME, i, &poses[i]);
        used += (size_t)snprintf(text + used, size - used, "%s", i + 1 < last ? ",\n" : "");
    }
    used += (size_t)snprintf(text + used, size - used, "]}\n");
    stk_status status = stk_draft_path(&export->draft, name, path);
    if (status == STK_OK) status = stk_file_write(path, text, used);
    stk_free(text);
    return status;
}

/* --- arrays ----------------------------------------------------------------------------------- */

typedef struct array {
    const char *name, *type; /* file, NumPy's code of an element */
    int columns[2];          /* of a row; 0: none */
} array;

/* Writes the header and leaves the file open for the rows. */
static stk_status begin_array(const stk_export *export, const array *a, stk_outfile **file) {
    char path[STK_PATH_MAX], text[256], shape[64];
    const int n = export->info->frames;
    if (a->columns[1] > 0)
        snprintf(shape, sizeof shape, "(%d, %d, %d)", n, a->columns[0], a->columns[1]);
    else
        snprintf(shape, sizeof shape, "(%d, %d)", n, a->columns[0]);
    int used =
        10 + snprintf(text + 10, sizeof text - 10,
                      "{'descr': '%s', 'fortran_order': False, 'shape': %s, }", a->type, shape);
    while ((used + 1) % NPY_ALIGN != 0) text[used++] = ' ';
    text[used++] = '\n';
    memcpy(text, "\x93NUMPY\x01\x00", 8);
    text[8] = (char)(used - 10), text[9] = 0;
    STK_TRY(stk_draft_path(&export->draft, a->name, path));
    STK_TRY(stk_outfile_create(file, path));
    stk_status status = stk_outfile_write(*file, text, (size_t)used);
    if (status != STK_OK) stk_outfile_discard(file);
    return status;
}

static stk_status end_array(stk_outfile **file, stk_status status) {
    if (status == STK_OK) return stk_outfile_commit(file);
    stk_outfile_discard(file);
    return status;
}

static stk_status write_blendshapes(const stk_export *export) {
    static const array bs = {"bs.npy", "<f8", {STK_BLENDSHAPES, 0}};
    const float(*rows)[STK_BLENDSHAPES] = stk_subject_blendshapes(export->subject);
    stk_outfile *file;
    STK_TRY(begin_array(export, &bs, &file));
    stk_status status = STK_OK;
    for (int i = 0; status == STK_OK && i < export->info->frames; i++) {
        double row[STK_BLENDSHAPES];
        for (int k = 0; k < STK_BLENDSHAPES; k++) row[k] = (double)rows[i][k];
        status = stk_outfile_write(file, row, sizeof row);
    }
    return end_array(&file, status);
}

static stk_status write_features(const stk_export *export) {
    static const struct {
        stk_audio_kind kind;
        array array;
        int steps, channels;
    } kinds[] = {{STK_AUDIO_AVE, {"aud_ave.npy", "<f4", {512, 0}}, 1, 512},
                 {STK_AUDIO_DEEPSPEECH, {"aud_ds.npy", "<f4", {16, 29}}, 16, 29},
                 {STK_AUDIO_HUBERT, {"aud_hu.npy", "<f4", {2, 1024}}, 2, 1024},
                 {STK_AUDIO_ESPERANTO, {"aud_eo.npy", "<f4", {16, 44}}, 16, 44},
                 {STK_AUDIO_WAV2VEC, {"aud.npy", "<f4", {16, 32}}, 16, 32}};
    for (size_t k = 0; k < STK_ARRAY_SIZE(kinds); k++) {
        stk_outfile *file;
        float row[2048];
        int floats = kinds[k].steps * kinds[k].channels;
        if (stk_subject_feature_row(export->subject, kinds[k].kind, 0) == NULL) continue;
        STK_TRY(begin_array(export, &kinds[k].array, &file));
        stk_status status = STK_OK;
        for (int i = 0; status == STK_OK && i < export->info->frames; i++) {
            const float *from = stk_subject_feature_row(export->subject, kinds[k].kind, i);
            for (int f = 0; f < floats; f++)
                row[f] = from[f % kinds[k].channels * kinds[k].steps + f / kinds[k].channels];
            status = stk_outfile_write(file, row, (size_t)floats * sizeof *row);
        }
        STK_TRY(end_array(&file, status));
    }
    return STK_OK;
}

/* --- the rest --------------------------------------------------------------------------------- */

static stk_status write_au(const stk_export *export) {
    const float *au45 = stk_subject_au45(export->subject);
    char path[STK_PATH_MAX];
    if (au45 == NULL) return STK_OK;
    size_t size = CSV_LINE * (size_t)(export->info->frames + 1);
    char *text = stk_calloc_aligned(size, 1);
    if (text == NULL) return stk_fail_memory("au.csv");
    size_t used = (size_t)snprintf(text, size, "frame, AU45_r\n");
    for (int i = 0; i < export->info->frames; i++)
        used +=
            (size_t)snprintf(text + used, size - used, "%d, %.6g\n", i + 1, 2.0 * (double)au45[i]);
    stk_status status = stk_draft_path(&export->draft, "au.csv", path);
    if (status == STK_OK) status = stk_file_write(path, text, used);
    stk_free(text);
    return status;
}

static stk_status copy_sound(const stk_export *export) {
    char from[STK_PATH_MAX], to[STK_PATH_MAX];
    stk_map map;
    STK_TRY(stk_subject_path(export->subject, "audio.wav", from));
    STK_TRY(stk_draft_path(&export->draft, "aud.wav", to));
    STK_TRY(stk_map_open(&map, from));
    stk_status status = stk_file_write(to, map.data, map.size);
    stk_map_close(&map);
    return status;
}

stk_status stk_export_tables(const stk_export *export) {
    const stk_subject_info *info = export->info;
    STK_TRY(write_transforms(export, "transforms_train.json", 0, info->train_frames));
    STK_TRY(write_transforms(export, "transforms_val.json", info->train_frames, info->frames));
    STK_TRY(write_blendshapes(export));
    STK_TRY(write_features(export));
    STK_TRY(write_au(export));
    return copy_sound(export);
}
