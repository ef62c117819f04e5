/* truth.c - see truth.h. Tables are sized by the number of frames when the truth is opened; label
 * maps are deflated into one buffer that doubles when it is full. */
#include "presenter/truth.h"
#include "base/attr.h"
#include "base/file.h"
#include "base/memory.h"
#include "media/media.h"
#include "nn/safetensors.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

enum { DEFLATE_LEVEL = 4, NECK_GOP = 12, LABEL_BYTES_FIRST = 1 << 20, DESCRIPTION_START = 256 };
enum { POSE = 12, POINTS = 3 * STK_LANDMARKS };

static const char *const files[] = {"truth.json", "tables.safetensors", "labels.safetensors",
                                    "background.png", "neck.mp4"};

typedef struct tables {
    double *time_s;
    float *poses, *torso_poses, *landmarks_head, *landmarks_px, *mouth, *blendshapes, *exposure;
    uint8_t *visible;
} tables;

struct stk_truth {
    char folder[STK_PATH_MAX];
    stk_truth_clip clip;
    int made_folder, frames;
    void *block; /* of the tables */
    tables tables;
    stk_video_writer *neck;
    z_stream deflater;
    int deflater_open;
    uint8_t *labels;
    size_t labels_used, labels_size;
    int64_t *index;
};

void stk_truth_project(const stk_camera *camera, const stk_pose *pose, const float head[3],
                       float px[3]) {
    float c[3];
    for (int i = 0; i < 3; i++) {
        const float *row = pose->R + 3 * i;
        c[i] = row[0] * head[0] + row[1] * head[1] + row[2] * head[2] + pose->t[i];
    }
    px[0] = camera->cx_px - camera->focal_px * c[0] / c[2];
    px[1] = camera->cy_px + camera->focal_px * c[1] / c[2];
    px[2] = camera->focal_px * (c[2] - pose->t[2]) / pose->t[2];
}

/* --- opening ---------------------------------------------------------------------------------- */

static stk_status make_tables(stk_truth *truth) {
    tables *t = &truth->tables;
    const size_t n = (size_t)truth->clip.frames;
    const size_t floats = 2 * POSE + 2 * POINTS + 2 + STK_BLENDSHAPES + 1;
    truth->block = stk_calloc_aligned(n, floats * sizeof(float) + sizeof(double) + 1);
    truth->index = stk_calloc_aligned(n + 1, sizeof *truth->index);
    truth->labels_size = LABEL_BYTES_FIRST;
    truth->labels = malloc(truth->labels_size);
    if (truth->block == NULL || truth->index == NULL || truth->labels == NULL)
        return stk_fail_memory("truth of the clip");
    t->time_s = truth->block;
    t->poses = (float *)(void *)(t->time_s + n);
    t->torso_poses = t->poses + n * POSE;
    t->landmarks_head = t->torso_poses + n * POSE;
    t->landmarks_px = t->landmarks_head + n * POINTS;
    t->mouth = t->landmarks_px + n * POINTS;
    t->blendshapes = t->mouth + n * 2;
    t->exposure = t->blendshapes + n * STK_BLENDSHAPES;
    t->visible = (uint8_t *)(t->exposure + n);
    return STK_OK;
}

static stk_status path_of(const stk_truth *truth, const char *name, char path[STK_PATH_MAX]) {
    return stk_path_join(path, STK_PATH_MAX, truth->folder, name);
}

static stk_status open_neck(stk_truth *truth) {
    char path[STK_PATH_MAX];
    STK_TRY(path_of(truth, "neck.mp4", path));
    const stk_writer_options options = {
        .format = STK_WRITER_MP4,
        .width = truth->clip.camera.width,
        .height = truth->clip.camera.height,
        .fps = stk_clampi((int)lround(truth->clip.settings->fps), 1, 1000),
        .crf = 0,
        .gop = NECK_GOP,
        .preset = "ultrafast",
        .comment = "synthetic: made by synctalk presenter",
        .threads = truth->clip.settings->threads,
    };
    return stk_video_writer_create(&truth->neck, path, &options);
}

const char *stk_truth_file_name(int index) {
    return index >= 0 && index < (int)STK_ARRAY_SIZE(files) ? files[index] : NULL;
}

/* Whether the file begins as stk_truth_describe's do. */
static int is_description(const char *path) {
    char start[DESCRIPTION_START + 1] = "";
    stk_map map;
    if (stk_map_open(&map, path) != STK_OK) return 0;
    if (map.size > 0)
        memcpy(start, map.data, map.size < DESCRIPTION_START ? map.size : DESCRIPTION_START);
    stk_map_close(&map);
    return strstr(start, "\"synctalk truth\"") != NULL;
}

stk_status stk_truth_check(const char *folder) {
    if (folder[0] == '\0') return stk_fail(STK_ERR_ARGUMENT, "the truth's folder has no name");
    if (strlen(folder) >= STK_PATH_MAX - 64)
        return stk_fail(STK_ERR_ARGUMENT, "the path is too long: %.60s...", folder);
    char path[STK_PATH_MAX];
    STK_TRY(stk_path_join(path, sizeof path, folder, files[0]));
    if (is_description(path)) return STK_OK;
    for (size_t i = 0; i < STK_ARRAY_SIZE(files); i++) {
        STK_TRY(stk_path_join(path, sizeof path, folder, files[i]));
        if (stk_file_exists(path))
            return stk_fail(
                STK_ERR_ARGUMENT,
                "%s is not a truth of synctalk and would be overwritten: choose another "
                "folder",
                path);
    }
    return STK_OK;
}

static stk_status open_folder(stk_truth *truth, const char *folder) {
    STK_TRY(stk_truth_check(folder));
    strcpy(truth->folder, folder);
    truth->made_folder = !stk_file_exists(folder);
    STK_TRY(stk_directory_create(folder));
    stk_directory_remove_leftovers(folder);
    for (size_t i = 0; i < STK_ARRAY_SIZE(files); i++) {
        char path[STK_PATH_MAX];
        STK_TRY(path_of(truth, files[i], path));
        unlink(path); /* an earlier clip's; usually absent */
    }
    return STK_OK;
}

stk_status stk_truth_open(stk_truth **out, const char *folder, const stk_truth_clip *clip) {
    *out = NULL;
    stk_truth *truth = stk_calloc_aligned(1, sizeof *truth);
    if (truth == NULL) return stk_fail_memory("truth of the clip");
    truth->clip = *clip;
    stk_status status = open_folder(truth, folder);
    if (status == STK_OK) status = make_tables(truth);
    if (status == STK_OK && deflateInit(&truth->deflater, DEFLATE_LEVEL) != Z_OK)
        status = stk_fail_memory("label maps");
    truth->deflater_open = status == STK_OK;
    if (status == STK_OK) status = open_neck(truth);
    if (status == STK_OK)
        *out = truth;
    else
        stk_truth_close(&truth, 0);
    return status;
}

void stk_truth_close(stk_truth **handle, int keep) {
    if (handle == NULL || *handle == NULL) return;
    stk_truth *truth = *handle;
    stk_video_writer_discard(&truth->neck, 0);
    if (truth->deflater_open) deflateEnd(&truth->deflater);
    if (!keep && truth->folder[0] != '\0') {
        for (size_t i = 0; i < STK_ARRAY_SIZE(files); i++) {
            char path[STK_PATH_MAX];
            if (path_of(truth, files[i], path) == STK_OK) unlink(path);
        }
        if (truth->made_folder) rmdir(truth->folder);
    }
    stk_free(truth->block);
    stk_free(truth->index);
    free(truth->labels);
    stk_free(truth);
    *handle = NULL;
}

/* --- frames ----------------------------------------------------------------------------------- */

static stk_status add_labels(stk_truth *truth, const stk_image *parts) {
    z_stream *z = &truth->deflater;
    deflateReset(z);
    const size_t bound = deflateBound(z, (uLong)parts->width * (uLong)parts->height);
    while (truth->labels_size - truth->labels_used < bound) {
        uint8_t *larger = realloc(truth->labels, truth->labels_size * 2);
        if (larger == NULL) return stk_fail_memory("label maps");
        truth->labels = larger;
        truth->labels_size *= 2;
    }
    z->next_out = truth->labels + truth->labels_used;
    z->avail_out = (uInt)(truth->labels_size - truth->labels_used);
    int code = Z_OK;
    for (int y = 0; code == Z_OK && y < parts->height; y++) {
        z->next_in = stk_image_row(parts, y);
        z->avail_in = (uInt)parts->width;
        code = deflate(z, y == parts->height - 1 ? Z_FINISH : Z_NO_FLUSH);
    }
    if (code != Z_STREAM_END) return stk_fail_memory("label maps");
    truth->labels_used += (size_t)z->total_out;
    truth->index[truth->frames + 1] = (int64_t)truth->labels_used;
    return STK_OK;
}

static void put_pose(float *row, const stk_pose *pose) {
    memcpy(row, pose->R, sizeof pose->R);
    memcpy(row + 9, pose->t, sizeof pose->t);
}

stk_status stk_truth_add(stk_truth *truth, const stk_truth_frame *frame) {
    const tables *t = &truth->tables;
    const size_t i = (size_t)truth->frames;
    if (truth->frames >= truth->clip.frames)
        return stk_fail(STK_ERR_ARGUMENT, "%s: more frames than the %d announced", truth->folder,
                        truth->clip.frames);
    t->time_s[i] = frame->time_s;
    put_pose(t->poses + i * POSE, &frame->bones->head);
    put_pose(t->torso_poses + i * POSE, &frame->bones->torso);
    memcpy(t->landmarks_head + i * POINTS, frame->landmarks, POINTS * sizeof(float));
    for (int k = 0; k < STK_LANDMARKS; k++)
        stk_truth_project(&truth->clip.camera, &frame->bones->head, frame->landmarks[k],
                          t->landmarks_px + i * POINTS + 3 * k);
    t->mouth[2 * i] = frame->mouth_opening_m;
    t->mouth[2 * i + 1] = frame->mouth_width_m;
    memcpy(t->blendshapes + i * STK_BLENDSHAPES, frame->state->shapes, sizeof frame->state->shapes);
    t->exposure[i] = frame->exposure;
    t->visible[i] = (uint8_t)(frame->visible != 0);
    STK_TRY(add_labels(truth, frame->parts));
    truth->frames++;
    return stk_video_writer_frame(truth->neck, frame->neck);
}

/* --- files ------------------------------------------------------------------------------------ */

typedef struct table {
    const char *name;
    stk_dtype dtype;
    int rank;
    int64_t shape[3];
    const void *data;
} table;

static stk_status write_tensors(const stk_truth *truth, const char *name, const table *list,
                                int count) {
    char path[STK_PATH_MAX];
    STK_TRY(path_of(truth, name, path));
    stk_safetensors_writer *writer;
    STK_TRY(stk_safetensors_writer_create(&writer, path));
    stk_status status = STK_OK;
    for (int i = 0; status == STK_OK && i < count; i++)
        status = stk_safetensors_writer_declare(writer, list[i].name, list[i].dtype, list[i].rank,
                                                list[i].shape);
    for (int i = 0; status == STK_OK && i < count; i++) {
        size_t bytes = stk_dtype_size(list[i].dtype);
        for (int k = 0; k < list[i].rank; k++) bytes *= (size_t)list[i].shape[k];
        status = stk_safetensors_writer_data(writer, list[i].data, bytes);
    }
    if (status == STK_OK) return stk_safetensors_writer_finish(&writer);
    stk_safetensors_writer_discard(&writer);
    return status;
}

static stk_status write_tables(const stk_truth *truth) {
    const tables *t = &truth->tables;
    const int64_t n = truth->frames;
    const table list[] = {
        {"time_s", STK_F64, 1, {n}, t->time_s},
        {"poses", STK_F32, 2, {n, POSE}, t->poses},
        {"torso_poses", STK_F32, 2, {n, POSE}, t->torso_poses},
        {"landmarks_head", STK_F32, 3, {n, STK_LANDMARKS, 3}, t->landmarks_head},
        {"landmarks_px", STK_F32, 3, {n, STK_LANDMARKS, 3}, t->landmarks_px},
        {"mouth", STK_F32, 2, {n, 2}, t->mouth},
        {"blendshapes", STK_F32, 2, {n, STK_BLENDSHAPES}, t->blendshapes},
        {"exposure", STK_F32, 1, {n}, t->exposure},
        {"visible", STK_U8, 1, {n}, t->visible},
    };
    return write_tensors(truth, "tables.safetensors", list, (int)STK_ARRAY_SIZE(list));
}

static stk_status write_labels(const stk_truth *truth) {
    const table list[] = {
        {"index", STK_I64, 1, {truth->frames + 1}, truth->index},
        {"deflated", STK_U8, 1, {(int64_t)truth->labels_used}, truth->labels},
    };
    return write_tensors(truth, "labels.safetensors", list, (int)STK_ARRAY_SIZE(list));
}

stk_status stk_truth_write(stk_truth *truth, const stk_image *background) {
    char path[STK_PATH_MAX];
    if (truth->frames != truth->clip.frames)
        return stk_fail(STK_ERR_ARGUMENT, "%s: %d frames of the %d announced", truth->folder,
                        truth->frames, truth->clip.frames);
    STK_TRY(stk_video_writer_finish(&truth->neck));
    STK_TRY(write_tables(truth));
    STK_TRY(write_labels(truth));
    STK_TRY(path_of(truth, "background.png", path));
    STK_TRY(stk_png_write(path, background));
    STK_TRY(path_of(truth, "truth.json", path));
    return stk_truth_describe(&truth->clip, path);
}
