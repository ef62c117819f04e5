/* open.c - a subject on disk, opened by mapping its tables; nothing is decoded until it is asked
 * for.
 *
 * Threading: a subject is read-only once open; everything here may be called from any thread,
 * except that each frame store belongs to the thread that uses it.
 */
#include "subject/labels.h"
#include "subject/manifest.h"
#include "subject/open.h"
#include "subject/regions.h"
#include "subject/tables.h"

#include "base/image.h"
#include "base/memory.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { TABLES = 5, POSE_FLOATS = 12 };
_Static_assert(sizeof(stk_pose) == POSE_FLOATS * sizeof(float), "poses are stored as 12 floats");

struct stk_subject {
    char folder[STK_PATH_MAX];
    stk_manifest manifest;
    char *text;
    stk_safetensors *tables, *labels;
    const void *table[TABLES]; /* in the order of enum below */
    void *owned[TABLES + 1];   /* copies of misaligned tables; the last: the label index */
    const float *features[STK_AUDIO_KINDS + 1]; /* NULL where absent; the last: au45 */
    void *owned_features[STK_AUDIO_KINDS + 1];
    const stk_pose *coarse_poses; /* [frames], NULL where absent */
    void *owned_coarse;
    float coarse_lens[3];       /* focal length and centre, px */
    const int64_t *label_index; /* [frames + 1] */
    const uint8_t *label_bytes;
};
enum { TABLE_POSES, TABLE_LANDMARKS, TABLE_BLENDSHAPES, TABLE_EXPRESSIONS, TABLE_AUDIO };

static const char *const needed_files[] = {"tables.safetensors", "labels.safetensors",
                                           "picture.mp4",        "torso.mp4",
                                           "plate.png",          "audio.wav"};

stk_status stk_subject_path(const stk_subject *subject, const char *name, char path[STK_PATH_MAX]) {
    return stk_path_join(path, STK_PATH_MAX, subject->folder, name);
}

static stk_status check_complete(const stk_subject *subject) {
    char path[STK_PATH_MAX];
    if (!subject->manifest.complete)
        return stk_fail(STK_ERR_FORMAT,
                        "%s: the subject is unfinished; run `synctalk prepare` again to finish it",
                        subject->folder);
    for (size_t i = 0; i < STK_ARRAY_SIZE(needed_files); i++) {
        STK_TRY(stk_subject_path(subject, needed_files[i], path));
        if (!stk_file_exists(path))
            return stk_fail(STK_ERR_FORMAT,
                            "%s: is missing; prepare the subject again (or import it again)", path);
    }
    return STK_OK;
}

/* Numbers, and none beyond the limit: what models and other programs take from here stays theirs to
 * read. The limit of INFINITY asks for numbers only. */
static stk_status check_values(const char *path, const stk_table *table, const float *values,
                               float limit) {
    size_t count = 1;
    for (int d = 0; d < table->rank; d++) count *= (size_t)table->shape[d];
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(values[i]))
            return stk_fail(
                STK_ERR_FORMAT,
                "%s: the table %s holds a value that is not a number; prepare or import "
                "the subject again",
                path, table->name);
        if (!(fabsf(values[i]) <= limit))
            return stk_fail(STK_ERR_FORMAT,
                            "%s: the table %s holds %.6g, and values beyond %.0f are impossible; "
                            "prepare or import the subject again",
                            path, table->name, (double)values[i], (double)limit);
    }
    return STK_OK;
}

static stk_status check_poses(const char *path, const stk_pose *poses, int64_t frames) {
    for (int64_t i = 0; i < frames; i++)
        if (!stk_pose_possible(&poses[i]))
            return stk_fail(STK_ERR_FORMAT,
                            "%s: the pose of frame %lld is impossible; prepare the subject again",
                            path, (long long)i);
    return STK_OK;
}

/* The tables that only imported subjects have. */
static stk_status open_features(stk_subject *subject, const char *path) {
    const int64_t n = subject->manifest.info.frames;
    for (int k = 0; k <= STK_AUDIO_KINDS; k++) {
        char name[32] = "au45";
        const void *data;
        stk_table wanted = {name, STK_F32, 1, {n}, NULL};
        if (stk_audio_is_mel((stk_audio_kind)k)) continue; /* every subject's own */
        if (k < STK_AUDIO_KINDS) {
            snprintf(name, sizeof name, "audio_%s", stk_audio_kind_name((stk_audio_kind)k));
            wanted.rank = 2, wanted.shape[1] = stk_audio_row_floats((stk_audio_kind)k);
        }
        if (stk_safetensors_find(subject->tables, name) == NULL) continue;
        STK_TRY(stk_table_view(subject->tables, path, &wanted, &data, &subject->owned_features[k]));
        STK_TRY(check_values(path, &wanted, data,
                             k == STK_AUDIO_KINDS ? (float)STK_EXPRESSION_MAX : INFINITY));
        subject->features[k] = data;
    }
    return STK_OK;
}

/* The motion tracker's poses, where they are kept. */
static stk_status open_coarse(stk_subject *subject, const char *path) {
    const int64_t n = subject->manifest.info.frames;
    const stk_table poses = {"coarse_poses", STK_F32, 2, {n, POSE_FLOATS}, NULL};
    const stk_table lens = {"coarse_lens", STK_F32, 1, {3}, NULL};
    const void *data;
    float *px = subject->coarse_lens;
    if (stk_safetensors_find(subject->tables, poses.name) == NULL) return STK_OK;
    STK_TRY(stk_table_view(subject->tables, path, &poses, &data, &subject->owned_coarse));
    STK_TRY(check_values(path, &poses, data, INFINITY));
    STK_TRY(check_poses(path, data, n));
    STK_TRY(stk_table_copy(subject->tables, path, &lens, px));
    STK_TRY(check_values(path, &lens, px, STK_LANDMARK_MAX));
    if (!(px[0] > 1))
        return stk_fail(STK_ERR_FORMAT, "%s: the table %s is impossible; prepare the subject again",
                        path, lens.name);
    subject->coarse_poses = data;
    return STK_OK;
}

static stk_status open_tables(stk_subject *subject) {
    const int64_t n = subject->manifest.info.frames;
    const stk_table wanted[TABLES] = {
        [TABLE_POSES] = {"poses", STK_F32, 2, {n, POSE_FLOATS}, NULL},
        [TABLE_LANDMARKS] = {"landmarks", STK_F32, 3, {n, STK_LANDMARKS, 3}, NULL},
        [TABLE_BLENDSHAPES] = {"blendshapes", STK_F32, 2, {n, STK_BLENDSHAPES}, NULL},
        [TABLE_EXPRESSIONS] = {"expressions", STK_F32, 2, {n, STK_EXPRESSIONS}, NULL},
        [TABLE_AUDIO] = {"audio_mel", STK_F32, 3, {n, STK_MEL_BINS, STK_MEL_STEPS}, NULL},
    };
    static const float limits[TABLES] = {INFINITY, STK_LANDMARK_MAX, STK_EXPRESSION_MAX,
                                         STK_EXPRESSION_MAX, INFINITY};
    char path[STK_PATH_MAX];
    STK_TRY(stk_subject_path(subject, "tables.safetensors", path));
    STK_TRY(stk_safetensors_open(&subject->tables, path));
    for (int i = 0; i < TABLES; i++)
        STK_TRY(stk_table_view(subject->tables, path, &wanted[i], &subject->table[i],
                               &subject->owned[i]));
    for (int i = 0; i < TABLES; i++)
        STK_TRY(check_values(path, &wanted[i], subject->table[i], limits[i]));
    STK_TRY(open_features(subject, path));
    STK_TRY(open_coarse(subject, path));
    return check_poses(path, subject->table[TABLE_POSES], n);
}

static stk_status open_labels(stk_subject *subject) {
    const int64_t n = subject->manifest.info.frames;
    const stk_table wanted = {"index", STK_I64, 1, {n + 1}, NULL};
    char path[STK_PATH_MAX];
    const void *index;
    STK_TRY(stk_subject_path(subject, "labels.safetensors", path));
    STK_TRY(stk_safetensors_open(&subject->labels, path));
    STK_TRY(stk_table_view(subject->labels, path, &wanted, &index, &subject->owned[TABLES]));
    const stk_tensor_info *bytes = stk_safetensors_find(subject->labels, "deflated");
    subject->label_index = index;
    int ordered = bytes != NULL && bytes->dtype == STK_U8 && subject->label_index[0] == 0;
    for (int64_t i = 0; ordered && i < n; i++)
        ordered = subject->label_index[i] <= subject->label_index[i + 1];
    if (!ordered || subject->label_index[n] > (int64_t)bytes->bytes)
        return stk_fail(STK_ERR_FORMAT, "%s: the index is damaged; prepare the subject again",
                        path);
    subject->label_bytes = bytes->data;
    return STK_OK;
}

stk_status stk_subject_open(stk_subject **out, const char *folder) {
    *out = NULL;
    if (stk_file_exists(folder) && !stk_file_is_directory(folder))
        return stk_fail(STK_ERR_FORMAT,
                        "%s: is a file; give the subject folder that `synctalk prepare` made",
                        folder);
    if (!stk_file_is_directory(folder))
        return stk_fail(STK_ERR_IO,
                        "%s: there is no such folder; make a subject with "
                        "`synctalk prepare`",
                        folder);
    stk_subject *subject = stk_calloc_aligned(1, sizeof *subject);
    if (subject == NULL) return stk_fail_memory("subject");
    snprintf(subject->folder, sizeof subject->folder, "%s", folder);
    stk_status status = stk_manifest_load(&subject->manifest, folder, &subject->text);
    if (status == STK_OK) status = check_complete(subject);
    if (status == STK_OK) status = open_tables(subject);
    if (status == STK_OK) status = open_labels(subject);
    if (status != STK_OK) stk_subject_close(&subject);
    *out = subject;
    return status;
}

void stk_subject_close(stk_subject **handle) {
    if (handle == NULL || *handle == NULL) return;
    stk_subject *subject = *handle;
    for (int i = 0; i <= TABLES; i++) stk_free(subject->owned[i]);
    for (int i = 0; i <= STK_AUDIO_KINDS; i++) stk_free(subject->owned_features[i]);
    stk_free(subject->owned_coarse);
    stk_safetensors_close(&subject->tables);
    stk_safetensors_close(&subject->labels);
    stk_manifest_clear(&subject->manifest);
    stk_free(subject->text);
    stk_free(subject);
    *handle = NULL;
}

/* --- what it holds ---------------------------------------------------------------------------- */

const stk_subject_info *stk_subject_get_info(const stk_subject *subject) {
    return &subject->manifest.info;
}

const char *stk_subject_manifest(const stk_subject *subject) {
    return subject->text;
}

const stk_manifest *stk_subject_manifest_struct(const stk_subject *subject) {
    return &subject->manifest;
}

const stk_pose *stk_subject_poses(const stk_subject *subject) {
    return subject->table[TABLE_POSES];
}

const stk_pose *stk_subject_coarse_poses(const stk_subject *subject, stk_camera *camera) {
    const float *px = subject->coarse_lens;
    const stk_subject_info *info = &subject->manifest.info;
    *camera = (stk_camera){px[0], px[1], px[2], info->width, info->height};
    return subject->coarse_poses;
}

const float (*stk_subject_expressions(const stk_subject *subject))[STK_EXPRESSIONS] {
    return subject->table[TABLE_EXPRESSIONS];
}

const float (*stk_subject_blendshapes(const stk_subject *subject))[STK_BLENDSHAPES] {
    return subject->table[TABLE_BLENDSHAPES];
}

const float (*stk_subject_landmarks(const stk_subject *subject, int frame))[3] {
    const float(*rows)[3] = subject->table[TABLE_LANDMARKS];
    return rows + (size_t)frame * STK_LANDMARKS;
}

const float *stk_subject_audio_row(const stk_subject *subject, int frame) {
    const float *rows = subject->table[TABLE_AUDIO];
    return rows + (size_t)frame * STK_MEL_BINS * STK_MEL_STEPS;
}

const float *stk_subject_feature_row(const stk_subject *subject, stk_audio_kind kind, int frame) {
    if (kind == STK_AUDIO_MEL) return stk_subject_audio_row(subject, frame);
    const float *rows = subject->features[kind];
    return rows != NULL ? rows + (size_t)frame * (size_t)stk_audio_row_floats(kind) : NULL;
}

const float *stk_subject_au45(const stk_subject *subject) {
    return subject->features[STK_AUDIO_KINDS];
}

stk_regions stk_subject_regions(const stk_subject *subject, int frame) {
    const stk_subject_info *info = &subject->manifest.info;
    return stk_regions_compute(stk_subject_landmarks(subject, frame), info->width, info->height);
}

int stk_subject_same_take(const stk_subject *subject, int a, int b) {
    const cJSON *face = stk_manifest_step(&subject->manifest, "face"), *cut;
    const cJSON *figures = cJSON_GetObjectItemCaseSensitive(face, "figures");
    cJSON_ArrayForEach(cut, cJSON_GetObjectItemCaseSensitive(figures, "cut_frames")) {
        const int first = cut->valueint; /* of a take */
        if ((a < first) != (b < first)) return 0;
    }
    return 1;
}

/* --- pictures --------------------------------------------------------------------------------- */

static stk_status open_store(const stk_subject *subject, const char *name,
                             stk_frame_store **store) {
    char path[STK_PATH_MAX];
    STK_TRY(stk_subject_path(subject, name, path));
    STK_TRY(stk_frame_store_open(store, path, NULL, 0));
    const stk_subject_info *info = &subject->manifest.info;
    int count = stk_frame_store_count(*store), width, height;
    stk_frame_store_size(*store, &width, &height);
    if (count >= info->frames && width == info->width && height == info->height) return STK_OK;
    stk_frame_store_close(store);
    return stk_fail(STK_ERR_FORMAT,
                    "%s: holds %d frames of %d x %d where the subject has %d of %d x %d; prepare "
                    "the subject again",
                    path, count, width, height, info->frames, info->width, info->height);
}

stk_status stk_subject_open_pictures(const stk_subject *subject, stk_frame_store **store) {
    return open_store(subject, "picture.mp4", store);
}

stk_status stk_subject_open_torsos(const stk_subject *subject, stk_frame_store **store) {
    return open_store(subject, "torso.mp4", store);
}

stk_status stk_subject_labels(const stk_subject *subject, int frame, stk_image *labels) {
    const stk_subject_info *info = &subject->manifest.info;
    if (frame < 0 || frame >= info->frames || labels->channels != 1 ||
        labels->width != info->width || labels->height != info->height)
        return stk_fail(STK_ERR_ARGUMENT, "label map %d of %d was asked for as %d x %d x %d", frame,
                        info->frames, labels->width, labels->height, labels->channels);
    int64_t first = subject->label_index[frame], last = subject->label_index[frame + 1];
    return stk_label_unpack(subject->label_bytes + first, (size_t)(last - first), subject->folder,
                            frame, labels);
}

stk_status stk_subject_plate(const stk_subject *subject, stk_image *rgb) {
    const stk_subject_info *info = &subject->manifest.info;
    char path[STK_PATH_MAX];
    STK_TRY(stk_subject_path(subject, "plate.png", path));
    STK_TRY(stk_picture_read(path, 3, rgb));
    if (rgb->width == info->width && rgb->height == info->height) return STK_OK;
    stk_image_clear(rgb);
    return stk_fail(STK_ERR_FORMAT, "%s: has another size than the subject; prepare it again",
                    path);
}
