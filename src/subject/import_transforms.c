/* import_transforms.c - transforms_train.json and transforms_val.json (reference.md 1.2).
 *
 *   JSON -> focal length, centre, size; per frame img_id, aud_id, camera-to-world 4x4 -> stk_pose
 *
 * Frames keep the order of their file, those to train with first. A frame without its picture is
 * left out with a warning, as the published loader does. Whatever the files hold, nothing is used
 * before it was checked; keys that are not known are ignored.
 */
#include "subject/import.h"

#include "base/log.h"
#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    JSON_BYTES_MAX = 48 << 20, /* half an hour of frames takes 30 MB */
    ID_MAX = 9999999,
    LEFT_OUT_NAMED = 3, /* warnings in full */
};

static const float CENTRE_APART_PX = 0.01f; /* more than rounding on the way to text */

typedef struct lens {
    double fx, fy, cx, cy; /* 0: not said */
    double width, height;
} lens;

/* --- numbers ---------------------------------------------------------------------------------- */

static double number_of(const cJSON *object, const char *key) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsNumber(item) && isfinite(item->valuedouble) ? item->valuedouble : 0.0;
}

/* A whole number from 0 to ID_MAX, -1 for anything else. */
static int id_of(const cJSON *object, const char *key) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    double v = cJSON_IsNumber(item) ? item->valuedouble : -1.0;
    return v >= 0.0 && v <= ID_MAX && v == floor(v) ? (int)v : -1;
}

/* --- the camera ------------------------------------------------------------------------------- */

/* f = size / (2 tan(angle / 2)); 0 where the angle is not one. */
static double focal_of_angle(const cJSON *root, const char *key, double size) {
    double angle = number_of(root, key);
    return angle > 0.0 && angle < 3.14 && size > 0.0 ? size / (2.0 * tan(0.5 * angle)) : 0.0;
}

static void read_lens(const cJSON *root, lens *l) {
    l->cx = number_of(root, "cx"), l->cy = number_of(root, "cy");
    l->width = floor(number_of(root, "w")), l->height = floor(number_of(root, "h"));
    if (l->width <= 0.0 || l->height <= 0.0) /* as published: an odd side loses a pixel (Q20) */
        l->width = 2.0 * floor(l->cx), l->height = 2.0 * floor(l->cy);
}

static void read_focal(const cJSON *root, lens *l) {
    l->fx = l->fy = number_of(root, "focal_len");
    if (l->fx <= 0.0) l->fx = number_of(root, "fl_x"), l->fy = number_of(root, "fl_y");
    if (l->fx <= 0.0 && l->fy <= 0.0) {
        l->fx = focal_of_angle(root, "camera_angle_x", l->width);
        l->fy = focal_of_angle(root, "camera_angle_y", l->height);
    }
    if (l->fx <= 0.0) l->fx = l->fy;
    if (l->fy <= 0.0) l->fy = l->fx;
}

static stk_status check_lens(const lens *l, const char *path) {
    if (!(l->fx > 1.0 && l->fx < 1e6 && l->fy > 1.0 && l->fy < 1e6))
        return stk_fail(STK_ERR_FORMAT,
                        "%s: holds no focal length (focal_len, fl_x/fl_y or camera_angle_x/y); run "
                        "the published task 10 again",
                        path);
    if (fabs(l->fx - l->fy) > 0.005 * l->fx)
        return stk_fail(STK_ERR_UNSUPPORTED,
                        "%s: fl_x %.6g and fl_y %.6g differ; only pictures with square pixels can "
                        "be imported: scale them first",
                        path, l->fx, l->fy);
    if (!(l->width >= STK_SUBJECT_SIDE_MIN && l->width <= STK_SUBJECT_SIDE_MAX + 1 &&
          l->height >= STK_SUBJECT_SIDE_MIN && l->height <= STK_SUBJECT_SIDE_MAX + 1))
        return stk_fail(STK_ERR_UNSUPPORTED,
                        "%s: pictures of %.0f x %.0f are not possible, %d to %d pixels are; scale "
                        "the data set",
                        path, l->width, l->height, STK_SUBJECT_SIDE_MIN, STK_SUBJECT_SIDE_MAX);
    if (!(fabs(l->cx - 0.5 * l->width) < l->width && fabs(l->cy - 0.5 * l->height) < l->height))
        return stk_fail(STK_ERR_FORMAT, "%s: the centre %.6g, %.6g lies far outside the picture",
                        path, l->cx, l->cy);
    return STK_OK;
}

/* Size of the first picture there is, for files that don't say. */
static void size_of_pictures(const stk_import *import, const cJSON *frames, lens *l) {
    char path[STK_PATH_MAX];
    const cJSON *frame;
    cJSON_ArrayForEach(frame, frames) {
        int id = id_of(frame, "img_id"), width, height;
        if (id < 0 || (!stk_import_find_picture(import, "gt_imgs", id, path) &&
                       !stk_import_find_picture(import, "ori_imgs", id, path)))
            continue;
        if (stk_picture_size(path, &width, &height) == STK_OK) l->width = width, l->height = height;
        return;
    }
}

static stk_status take_camera(stk_import *import, const cJSON *root, const char *path) {
    stk_subject_info *info = &import->manifest.info;
    lens l = {0};
    read_lens(root, &l);
    if (l.width <= 0.0 || l.height <= 0.0)
        size_of_pictures(import, cJSON_GetObjectItemCaseSensitive(root, "frames"), &l);
    read_focal(root, &l);
    if (l.cx <= 0.0) l.cx = 0.5 * l.width;
    if (l.cy <= 0.0) l.cy = 0.5 * l.height;
    STK_TRY(check_lens(&l, path));
    info->width = (int)l.width & ~1;
    info->height = (int)l.height & ~1;
    info->camera = (stk_camera){(float)(0.5 * (l.fx + l.fy)), (float)l.cx, (float)l.cy, info->width,
                                info->height};
    return STK_OK;
}

/* --- frames ----------------------------------------------------------------------------------- */

/* Camera-to-world [Rc | c] -> x_cam = Rc^T x - Rc^T c (reference.md 7.5 backwards). */
static int read_pose(const cJSON *frame, stk_pose *pose) {
    const cJSON *rows = cJSON_GetObjectItemCaseSensitive(frame, "transform_matrix");
    double m[3][4];
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 4; k++) {
            const cJSON *item = cJSON_GetArrayItem(cJSON_GetArrayItem(rows, i), k);
            if (!cJSON_IsNumber(item)) return 0;
            m[i][k] = item->valuedouble;
        }
    for (int i = 0; i < 3; i++) {
        double t = 0.0;
        for (int k = 0; k < 3; k++) {
            pose->R[3 * i + k] = (float)m[k][i];
            t -= m[k][i] * m[k][3];
        }
        pose->t[i] = (float)t;
    }
    return stk_pose_possible(pose);
}

static stk_status read_frame(const cJSON *json, const char *path, int place,
                             stk_import_frame *frame) {
    frame->img_id = id_of(json, "img_id");
    frame->aud_id = cJSON_HasObjectItem(json, "aud_id") ? id_of(json, "aud_id") : frame->img_id;
    if (frame->img_id < 0 || frame->aud_id < 0)
        return stk_fail(STK_ERR_FORMAT,
                        "%s: the frame in place %d has no usable img_id or aud_id; run the "
                        "published task 10 again",
                        path, place);
    if (!read_pose(json, &frame->pose))
        return stk_fail(STK_ERR_FORMAT,
                        "%s: the transform_matrix of frame %d is no camera pose (rotation and "
                        "metres); run the published tasks 8 and 10 again",
                        path, frame->img_id);
    return STK_OK;
}

static int has_picture(const stk_import *import, int id) {
    char path[STK_PATH_MAX];
    if (stk_import_find_picture(import, "gt_imgs", id, path)) return 1;
    if (stk_import_path(import, path, "gt_imgs") != STK_OK || stk_file_exists(path)) return 0;
    return stk_import_find_picture(import, "ori_imgs", id, path);
}

static stk_status take_frames(stk_import *import, const cJSON *root, const char *path) {
    const cJSON *frames = cJSON_GetObjectItemCaseSensitive(root, "frames"), *json;
    int size = cJSON_IsArray(frames) ? cJSON_GetArraySize(frames) : 0, place = 0;
    if (size > STK_SUBJECT_FRAMES_MAX - import->count)
        return stk_fail(STK_ERR_UNSUPPORTED, "%s: more than %d frames cannot be imported", path,
                        STK_SUBJECT_FRAMES_MAX);
    size_t bytes = (size_t)(import->count + size + 1) * sizeof *import->frames;
    stk_import_frame *grown = realloc(import->frames, bytes);
    if (grown == NULL) return stk_fail_memory("frames");
    import->frames = grown;
    cJSON_ArrayForEach(json, frames) {
        stk_import_frame *frame = &import->frames[import->count];
        STK_TRY(read_frame(json, path, place++, frame));
        if (has_picture(import, frame->img_id)) {
            import->count++;
            continue;
        }
        if (import->skipped++ < LEFT_OUT_NAMED)
            stk_log(STK_LOG_WARN, "%s: frame %d has no picture in gt_imgs and is left out", path,
                    frame->img_id);
    }
    return STK_OK;
}

static stk_status take_file(stk_import *import, const char *name, int first) {
    char path[STK_PATH_MAX], *text;
    STK_TRY(stk_import_path(import, path, "%s", name));
    if (!stk_file_exists(path))
        return stk_fail(STK_ERR_IO,
                        "%s: is missing; an official dataset folder has it (published task 10)",
                        path);
    STK_TRY(stk_file_read_text(path, JSON_BYTES_MAX, &text));
    cJSON *root = cJSON_Parse(text);
    stk_free(text);
    stk_status status = STK_OK;
    if (!cJSON_IsObject(root))
        status =
            stk_fail(STK_ERR_FORMAT,
                     "%s: is no JSON object, or damaged; run the published task 10 again", path);
    stk_camera before = import->manifest.info.camera;
    if (status == STK_OK) status = take_camera(import, root, path);
    const stk_camera *now = &import->manifest.info.camera;
    if (status == STK_OK && !first &&
        (before.width != now->width || before.height != now->height ||
         fabsf(before.focal_px - now->focal_px) > 1e-3f * now->focal_px ||
         fabsf(before.cx_px - now->cx_px) > CENTRE_APART_PX ||
         fabsf(before.cy_px - now->cy_px) > CENTRE_APART_PX))
        status = stk_fail(STK_ERR_MISMATCH,
                          "%s: camera and size are not those of transforms_train.json; run the "
                          "published task 10 again",
                          path);
    if (status == STK_OK && !first) import->manifest.info.camera = before;
    if (status == STK_OK) status = take_frames(import, root, path);
    cJSON_Delete(root);
    return status;
}

/* --- order ------------------------------------------------------------------------------------ */

static void say_what_is_odd(const stk_import *import) {
    const stk_import_frame *f = import->frames;
    int gaps = 0, first = 0, latest = -1, late = 0;
    for (int i = 0; i < import->train; i++)
        if (f[i].img_id > latest) latest = f[i].img_id;
    for (int i = import->train; i < import->count; i++) late += f[i].img_id <= latest;
    for (int i = 1; i < import->count; i++)
        if (i != import->train && f[i].img_id != f[i - 1].img_id + 1 && gaps++ == 0) first = i;
    if (import->skipped > LEFT_OUT_NAMED)
        stk_log(STK_LOG_WARN, "%d frames in all have no picture and are left out", import->skipped);
    if (late > 0)
        stk_log(STK_LOG_WARN,
                "%d frames of transforms_val.json lie before the end of transforms_train.json: "
                "those to train with come first, then the others, in time they are not",
                late);
    if (gaps > 0)
        stk_log(STK_LOG_WARN,
                "frame %d follows frame %d, and %d more such gaps: windows of sound run across "
                "them, as in the published system",
                f[first].img_id, f[first - 1].img_id, gaps - 1);
}

stk_status stk_import_transforms(stk_import *import) {
    STK_TRY(take_file(import, "transforms_train.json", 1));
    import->train = import->count;
    STK_TRY(take_file(import, "transforms_val.json", 0));
    if (import->train == 0)
        return stk_fail(STK_ERR_CONTENT,
                        "%s: no frame of transforms_train.json has a picture in gt_imgs; run the "
                        "published task 5, or unpack the whole archive",
                        import->settings.source);
    import->manifest.info.frames = import->count;
    import->manifest.info.train_frames = import->train;
    say_what_is_odd(import);
    return STK_OK;
}
