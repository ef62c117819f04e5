/* manifest.c - manifest.json <-> stk_manifest, and the records of the prepare steps.
 *
 * Everything read is checked before it is used: a number outside its range, a rectangle outside the
 * picture or a missing key makes the folder "damaged", never a wild access later.
 */
#include "subject/manifest.h"
#include "base/memory.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MANIFEST_BYTES_MAX = 4 << 20 };
static const char *const manifest_name = "manifest.json";
static const char *const manifest_format = "synctalk subject";

stk_status stk_manifest_init(stk_manifest *manifest) {
    *manifest = (stk_manifest){0};
    manifest->steps = cJSON_CreateObject();
    return manifest->steps != NULL ? STK_OK : stk_fail_memory("manifest");
}

void stk_manifest_clear(stk_manifest *manifest) {
    if (manifest == NULL) return;
    cJSON_Delete(manifest->steps);
    *manifest = (stk_manifest){0};
}

/* --- JSON to struct --------------------------------------------------------------------------- */

static double number_of(const cJSON *object, const char *key, double otherwise) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsNumber(item) && isfinite(item->valuedouble) ? item->valuedouble : otherwise;
}

static int integer_of(const cJSON *object, const char *key) {
    double value = number_of(object, key, 0);
    return value > -1e9 && value < 1e9 ? (int)value : 0;
}

static void text_of(const cJSON *object, const char *key, char *out, size_t size) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    snprintf(out, size, "%s", cJSON_IsString(item) ? item->valuestring : "");
}

static stk_rect rect_of(const cJSON *object, const char *key) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    int v[4] = {0};
    for (int i = 0; i < 4; i++) {
        const cJSON *entry = cJSON_GetArrayItem(item, i);
        if (cJSON_IsNumber(entry) && fabs(entry->valuedouble) < 1e6) v[i] = (int)entry->valuedouble;
    }
    return (stk_rect){v[0], v[1], v[2], v[3]};
}

static void read_sections(stk_manifest *m, const cJSON *root) {
    stk_subject_info *info = &m->info;
    const cJSON *source = cJSON_GetObjectItemCaseSensitive(root, "source");
    const cJSON *picture = cJSON_GetObjectItemCaseSensitive(root, "picture");
    const cJSON *camera = cJSON_GetObjectItemCaseSensitive(root, "camera");
    const cJSON *modes = cJSON_GetObjectItemCaseSensitive(root, "modes");
    text_of(root, "name", info->name, sizeof info->name);
    text_of(root, "identity", info->identity, sizeof info->identity);
    m->complete = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(root, "complete"));
    text_of(source, "path", info->source_path, sizeof info->source_path);
    text_of(source, "sha256", m->source_sha256, sizeof m->source_sha256);
    m->source_bytes = (int64_t)number_of(source, "bytes", 0);
    m->source_fps = number_of(source, "fps", 0);
    info->source_width = integer_of(source, "width");
    info->source_height = integer_of(source, "height");
    info->source_start_s = number_of(source, "start_s", 0);
    info->crop_source_px = rect_of(source, "crop");
    info->frames = integer_of(picture, "frames");
    info->train_frames = integer_of(picture, "train_frames");
    info->width = integer_of(picture, "width");
    info->height = integer_of(picture, "height");
    info->head_rect = rect_of(picture, "head_rect");
    info->camera.focal_px = (float)number_of(camera, "focal_px", 0);
    info->camera.cx_px = (float)number_of(camera, "cx_px", 0);
    info->camera.cy_px = (float)number_of(camera, "cy_px", 0);
    info->camera.width = info->width;
    info->camera.height = info->height;
    text_of(modes, "face", info->face_mode, sizeof info->face_mode);
    text_of(modes, "parse", info->parse_mode, sizeof info->parse_mode);
}

/* What must hold before a subject may be opened; NULL when all does. */
static const char *complaint(const stk_subject_info *i) {
    if (i->frames < 1 || i->frames > STK_SUBJECT_FRAMES_MAX) return "the number of frames";
    if (i->train_frames < 1 || i->train_frames > i->frames) return "the split";
    if (i->width < STK_SUBJECT_SIDE_MIN || i->width > STK_SUBJECT_SIDE_MAX ||
        i->height < STK_SUBJECT_SIDE_MIN || i->height > STK_SUBJECT_SIDE_MAX)
        return "the picture's size";
    const stk_rect *r = &i->head_rect;
    if (r->x0 < 0 || r->y0 < 0 || r->x1 > i->width || r->y1 > i->height || r->x0 >= r->x1 ||
        r->y0 >= r->y1)
        return "the head rectangle";
    if (!(i->camera.focal_px > 1.0f && i->camera.focal_px < 1e6f)) return "the focal length";
    if (strlen(i->identity) != STK_SHA256_TEXT - 1) return "the identity";
    return NULL;
}

static stk_status check_header(const cJSON *root, const char *path) {
    char format[64];
    if (!cJSON_IsObject(root))
        return stk_fail(STK_ERR_FORMAT, "%s: is damaged (not JSON); prepare the subject again",
                        path);
    text_of(root, "format", format, sizeof format);
    if (strcmp(format, manifest_format) != 0)
        return stk_fail(STK_ERR_FORMAT, "%s: is not the manifest of a subject", path);
    int version = integer_of(root, "version");
    if (version > STK_SUBJECT_VERSION)
        return stk_fail(STK_ERR_UNSUPPORTED,
                        "%s: was made by a newer version of this program (format %d, this one "
                        "reads up to %d); update it or prepare the clip again into a new folder",
                        path, version, STK_SUBJECT_VERSION);
    if (version < 1) return stk_fail(STK_ERR_FORMAT, "%s: is damaged (no format version)", path);
    return STK_OK;
}

stk_status stk_manifest_load(stk_manifest *manifest, const char *folder, char **text) {
    char path[STK_PATH_MAX];
    char *content = NULL;
    *manifest = (stk_manifest){0};
    if (text != NULL) *text = NULL;
    STK_TRY(stk_path_join(path, sizeof path, folder, manifest_name));
    if (!stk_file_exists(path))
        return stk_fail(STK_ERR_FORMAT,
                        "%s: is not a subject (no manifest.json); make one with `synctalk prepare`",
                        folder);
    STK_TRY(stk_file_read_text(path, MANIFEST_BYTES_MAX, &content));
    cJSON *root = cJSON_Parse(content);
    stk_status status = check_header(root, path);
    if (status == STK_OK) {
        read_sections(manifest, root);
        cJSON *steps = cJSON_DetachItemFromObjectCaseSensitive(root, "steps");
        manifest->steps = cJSON_IsObject(steps) ? steps : cJSON_CreateObject();
        if (manifest->steps != steps) cJSON_Delete(steps);
        const char *wrong = manifest->complete ? complaint(&manifest->info) : NULL;
        if (wrong != NULL)
            status = stk_fail(STK_ERR_FORMAT, "%s: is damaged (%s); prepare the subject again",
                              path, wrong);
        else if (manifest->steps == NULL)
            status = stk_fail_memory("manifest");
    }
    cJSON_Delete(root);
    if (status != STK_OK) stk_manifest_clear(manifest);
    if (status == STK_OK && text != NULL)
        *text = content;
    else
        stk_free(content);
    return status;
}

/* --- struct to JSON --------------------------------------------------------------------------- */

static void add_rect(cJSON *object, const char *key, stk_rect rect) {
    const int v[4] = {rect.x0, rect.y0, rect.x1, rect.y1};
    cJSON_AddItemToObject(object, key, cJSON_CreateIntArray(v, 4));
}

static void add_sections(cJSON *root, const stk_manifest *m) {
    const stk_subject_info *info = &m->info;
    cJSON *source = cJSON_AddObjectToObject(root, "source");
    cJSON_AddStringToObject(source, "path", info->source_path);
    cJSON_AddStringToObject(source, "sha256", m->source_sha256);
    cJSON_AddNumberToObject(source, "bytes", (double)m->source_bytes);
    cJSON_AddNumberToObject(source, "width", info->source_width);
    cJSON_AddNumberToObject(source, "height", info->source_height);
    cJSON_AddNumberToObject(source, "fps", m->source_fps);
    cJSON_AddNumberToObject(source, "start_s", info->source_start_s);
    add_rect(source, "crop", info->crop_source_px);
    cJSON *picture = cJSON_AddObjectToObject(root, "picture");
    cJSON_AddNumberToObject(picture, "frames", info->frames);
    cJSON_AddNumberToObject(picture, "train_frames", info->train_frames);
    cJSON_AddNumberToObject(picture, "fps", STK_FPS);
    cJSON_AddNumberToObject(picture, "width", info->width);
    cJSON_AddNumberToObject(picture, "height", info->height);
    add_rect(picture, "head_rect", info->head_rect);
    cJSON *camera = cJSON_AddObjectToObject(root, "camera");
    cJSON_AddNumberToObject(camera, "focal_px", (double)info->camera.focal_px);
    cJSON_AddNumberToObject(camera, "cx_px", (double)info->camera.cx_px);
    cJSON_AddNumberToObject(camera, "cy_px", (double)info->camera.cy_px);
    cJSON *modes = cJSON_AddObjectToObject(root, "modes");
    cJSON_AddStringToObject(modes, "face", info->face_mode);
    cJSON_AddStringToObject(modes, "parse", info->parse_mode);
}

stk_status stk_manifest_save(const stk_manifest *manifest, const char *folder) {
    char path[STK_PATH_MAX];
    STK_TRY(stk_path_join(path, sizeof path, folder, manifest_name));
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "format", manifest_format);
    cJSON_AddNumberToObject(root, "version", STK_SUBJECT_VERSION);
    cJSON_AddStringToObject(root, "name", manifest->info.name);
    cJSON_AddStringToObject(root, "identity", manifest->info.identity);
    cJSON_AddBoolToObject(root, "complete", manifest->complete);
    add_sections(root, manifest);
    cJSON *steps = cJSON_Duplicate(manifest->steps, 1);
    if (!cJSON_AddItemToObject(root, "steps", steps)) cJSON_Delete(steps);
    char *text = steps != NULL ? cJSON_Print(root) : NULL;
    cJSON_Delete(root);
    if (text == NULL) return stk_fail_memory("manifest");
    stk_status status = stk_file_write(path, text, strlen(text));
    free(text); /* cJSON's own allocator */
    return status;
}

/* --- step records ----------------------------------------------------------------------------- */

const cJSON *stk_manifest_step(const stk_manifest *manifest, const char *name) {
    return cJSON_GetObjectItemCaseSensitive(manifest->steps, name);
}

int stk_manifest_step_matches(const stk_manifest *manifest, const char *name, const char *inputs) {
    const cJSON *record = stk_manifest_step(manifest, name);
    const cJSON *digest = cJSON_GetObjectItemCaseSensitive(record, "inputs");
    return cJSON_IsString(digest) && strcmp(digest->valuestring, inputs) == 0;
}

void stk_manifest_step_remove(stk_manifest *manifest, const char *name) {
    cJSON_DeleteItemFromObjectCaseSensitive(manifest->steps, name);
}

stk_status stk_manifest_step_record(stk_manifest *manifest, const char *folder, const char *name,
                                    const char *inputs, double seconds, const char *const *outputs,
                                    cJSON *figures) {
    char path[STK_PATH_MAX];
    stk_manifest_step_remove(manifest, name);
    cJSON *record = cJSON_AddObjectToObject(manifest->steps, name);
    cJSON_AddStringToObject(record, "inputs", inputs);
    cJSON_AddNumberToObject(record, "seconds", floor(seconds * 1000.0 + 0.5) / 1000.0);
    cJSON *sizes = cJSON_AddObjectToObject(record, "outputs");
    for (; *outputs != NULL; outputs++) {
        if (stk_path_join(path, sizeof path, folder, *outputs) != STK_OK) continue;
        cJSON_AddNumberToObject(sizes, *outputs, (double)stk_file_size(path));
    }
    if (!cJSON_AddItemToObject(record, "figures", figures)) {
        cJSON_Delete(figures);
        return stk_fail_memory("manifest");
    }
    return STK_OK;
}

int stk_manifest_outputs_present(const stk_manifest *manifest, const char *folder, const char *name,
                                 int cache_too) {
    char path[STK_PATH_MAX];
    const cJSON *record = stk_manifest_step(manifest, name);
    const cJSON *outputs = cJSON_GetObjectItemCaseSensitive(record, "outputs");
    const cJSON *output;
    if (outputs == NULL) return 0;
    cJSON_ArrayForEach(output, outputs) {
        int derived = strncmp(output->string, "cache/", 6) == 0;
        if (stk_path_join(path, sizeof path, folder, output->string) != STK_OK) return 0;
        if (derived && !cache_too && !stk_file_exists(path)) continue;
        if (!cJSON_IsNumber(output) || (double)stk_file_size(path) != output->valuedouble) return 0;
    }
    return 1;
}

double stk_manifest_figure(const stk_manifest *manifest, const char *step, const char *figure,
                           double otherwise) {
    const cJSON *record = stk_manifest_step(manifest, step);
    return number_of(cJSON_GetObjectItemCaseSensitive(record, "figures"), figure, otherwise);
}
