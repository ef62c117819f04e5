/* info.c - what is this file? Tried in order: subject folder, dataset folder of the published
 * system, model or other safetensors, PyTorch file, TFLite graph or .task bundle known by its
 * digest, media. The answer is built once as JSON; the text form is the same object, a line per
 * member.
 */
#include "base/status.h"
#include "api/context.h"
#include "base/file.h"
#include "base/memory.h"
#include "media/media.h"
#include "nn/safetensors.h"
#include "nn/weights.h"
#include "render/published.h"
#include "subject/subject.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

static void put(cJSON *object, const char *key, const char *value) {
    cJSON_AddStringToObject(object, key, value);
}

static void put_number(cJSON *object, const char *key, double value) {
    cJSON_AddNumberToObject(object, key, value);
}

static stk_status describe_subject(const char *path, cJSON *o) {
    stk_subject *subject;
    STK_TRY(stk_subject_open(&subject, path));
    const stk_subject_info *info = stk_subject_get_info(subject);
    put(o, "kind", "subject");
    put(o, "name", info->name);
    put(o, "identity", info->identity);
    put_number(o, "frames", info->frames);
    put_number(o, "train_frames", info->train_frames);
    put_number(o, "seconds", (double)info->frames / STK_FPS);
    put_number(o, "width", info->width);
    put_number(o, "height", info->height);
    put_number(o, "focal_px", (double)info->camera.focal_px);
    put(o, "source", info->source_path);
    put_number(o, "source_width", info->source_width);
    put_number(o, "source_height", info->source_height);
    put(o, "face", info->face_mode);
    put(o, "parsing", info->parse_mode);
    stk_subject_close(&subject);
    return STK_OK;
}

/* Frames of one of its tables; -1 when it cannot be read. */
static int count_official_frames(const char *folder, const char *name) {
    enum { JSON_BYTES_MAX = 48 << 20 };
    char path[STK_PATH_MAX], *text;
    if (stk_path_join(path, sizeof path, folder, name) != STK_OK ||
        stk_file_read_text(path, JSON_BYTES_MAX, &text) != STK_OK)
        return -1;
    cJSON *root = cJSON_Parse(text);
    const cJSON *frames = cJSON_GetObjectItemCaseSensitive(root, "frames");
    int count = cJSON_IsArray(frames) ? cJSON_GetArraySize(frames) : -1;
    cJSON_Delete(root);
    stk_free(text);
    return count;
}

/* A data set folder of the published system; what is in it, not whether all of it can be used. */
static void describe_official(const char *folder, cJSON *o) {
    static const char *const sounds[] = {"aud_ave.npy", "aud_ds.npy", "aud_hu.npy", "aud_eo.npy",
                                         "aud.npy"};
    const int train = count_official_frames(folder, "transforms_train.json");
    const int held_out = count_official_frames(folder, "transforms_val.json");
    char found[128] = "", path[STK_PATH_MAX];
    put(o, "kind", "dataset folder of the published system");
    if (train >= 0) put_number(o, "train_frames", train);
    if (held_out >= 0) put_number(o, "held_out_frames", held_out);
    for (size_t i = 0; i < STK_ARRAY_SIZE(sounds); i++) {
        if (stk_path_join(path, sizeof path, folder, sounds[i]) != STK_OK || !stk_file_exists(path))
            continue;
        size_t used = strlen(found);
        snprintf(found + used, sizeof found - used, "%s%s", used > 0 ? " " : "", sounds[i]);
    }
    put(o, "sound_features", found[0] != '\0' ? found : "none");
    put(o, "next", "`synctalk subject import DIR -o FOLDER` makes a subject of it");
}

static stk_status describe_folder(const char *path, cJSON *o) {
    char manifest[STK_PATH_MAX], transforms[STK_PATH_MAX];
    STK_TRY(stk_path_join(manifest, sizeof manifest, path, "manifest.json"));
    STK_TRY(stk_path_join(transforms, sizeof transforms, path, "transforms_train.json"));
    if (stk_file_exists(manifest) || !stk_file_exists(transforms)) return describe_subject(path, o);
    describe_official(path, o);
    return STK_OK;
}

static void put_flag(cJSON *object, const char *key, int value) {
    cJSON_AddStringToObject(object, key, value ? "yes" : "no");
}

static void describe_performance(const stk_model *model, cJSON *o) {
    const stk_performance *p = &model->performance;
    if (p->frames == 0) {
        put(o, "performance", "none: convert with --subject FOLDER to render");
        return;
    }
    put(o, "subject", p->subject_name);
    put(o, "subject_identity", p->subject_identity);
    put_number(o, "frames", p->frames);
    put_number(o, "width", p->width);
    put_number(o, "height", p->height);
    put_number(o, "focal_px", (double)p->camera.focal_px);
    put_number(o, "torso_film_bytes", (double)model->torso_bytes);
}

/* What decides the shapes, alike for models and checkpoints. */
static void describe_variant(const stk_model_config *config, int has_density, cJSON *o) {
    put(o, "audio_features", stk_audio_kind_name(config->audio_kind));
    put_number(o, "levels", config->levels);
    put_number(o, "expression_inputs", config->exp);
    put_number(o, "codes", config->code_rows);
    put_flag(o, "torso_branch", config->torso_code_rows > 0);
    put_flag(o, "density_grid", has_density);
}

static stk_status describe_model(const char *path, cJSON *o) {
    stk_model *model;
    STK_TRY(stk_model_open(&model, path));
    put(o, "kind", "model");
    put(o, "sha256", model->hash);
    put_number(o, "steps", (double)model->steps);
    put_number(o, "parameters", (double)model->nets.params.total);
    describe_variant(&model->nets.config, model->extra.density != NULL, o);
    if (model->nets.encoder.sha256[0] != '\0') {
        put(o, "encoder", model->nets.encoder.name);
        put(o, "encoder_sha256", model->nets.encoder.sha256);
    }
    if (model->training.schedule[0] != '\0') {
        put(o, "schedule", model->training.schedule);
        put(o, "perceptual_loss", model->training.perceptual);
    }
    if (model->training.perceptual_sha256[0] != '\0')
        put(o, "perceptual_sha256", model->training.perceptual_sha256);
    put_flag(o, "audio_range", model->nets.heard.known);
    put_flag(o, "region_mask", model->nets.field.shape.mask.on);
    if (model->performance.coarse) put(o, "poses", "coarse");
    describe_performance(model, o);
    stk_model_close(&model);
    return STK_OK;
}

static void describe_checkpoint(const stk_state_dict *dict, cJSON *o) {
    stk_model_config config;
    put(o, "content", "SyncTalk checkpoint, official layout");
    if (stk_published_config(dict, &config) != STK_OK) {
        put(o, "refused", stk_error_text());
        return;
    }
    describe_variant(&config, stk_state_dict_find(dict, "density_grid") != NULL, o);
    put_number(o, "steps", stk_state_dict_number(dict, "global_step", 0));
    put_number(o, "epoch", stk_state_dict_number(dict, "epoch", 0));
    put_flag(o, "averaged_weights", stk_state_dict_averages(dict) >= 0);
}

/* A PyTorch file or tensors in safetensors. */
static stk_status describe_tensors(const char *path, const char *kind, cJSON *o) {
    stk_state_dict *dict;
    STK_TRY(stk_state_dict_open(&dict, path));
    double numbers = 0;
    put(o, "kind", kind);
    put_number(o, "tensors", stk_state_dict_count(dict));
    for (int i = 0; i < stk_state_dict_count(dict); i++)
        numbers += (double)stk_state_dict_at(dict, i)->count;
    put_number(o, "numbers", numbers);
    if (stk_published_is(dict)) describe_checkpoint(dict, o);
    stk_state_dict_close(&dict);
    return STK_OK;
}

static stk_status describe_safetensors(const char *path, cJSON *o) {
    stk_safetensors *file;
    char kind[64];
    STK_TRY(stk_safetensors_open(&file, path));
    const char *format = stk_safetensors_metadata(file, "format");
    int model = format != NULL && strcmp(format, "synctalk-model") == 0;
    int plain = format == NULL || strcmp(format, "pt") == 0; /* what PyTorch programs write */
    snprintf(kind, sizeof kind, "%s", plain ? "safetensors" : format);
    stk_safetensors_close(&file);
    return model ? describe_model(path, o) : describe_tensors(path, kind, o);
}

static stk_status describe_pth(const char *path, cJSON *o) {
    return describe_tensors(path, "PyTorch file", o);
}

static stk_status describe_media(const char *path, cJSON *o) {
    stk_media_info info;
    STK_TRY(stk_media_probe(path, &info));
    put(o, "kind", info.has_video ? "clip" : "sound");
    put(o, "container", info.container);
    put_number(o, "seconds", info.duration_s);
    if (info.has_video) {
        put(o, "video_codec", info.video_codec);
        put(o, "pixel_format", info.pixel_format);
        put_number(o, "width", info.width);
        put_number(o, "height", info.height);
        put_number(o, "fps", info.fps);
        put_number(o, "video_start_s", info.video_start_s);
    }
    if (info.has_audio) {
        put(o, "audio_codec", info.audio_codec);
        put_number(o, "audio_rate", info.audio_rate);
        put_number(o, "audio_channels", info.audio_channels);
    }
    if (info.comment[0] != '\0') put(o, "comment", info.comment);
    return STK_OK;
}

/* Known weights by digest; 1 when the file is one of them. */
static int describe_weights(const char *path, cJSON *o) {
    char digest[STK_SHA256_TEXT];
    if (stk_file_size(path) > (64 << 20) || stk_sha256_file(path, digest) != STK_OK) return 0;
    for (const stk_weights_entry *entry = stk_weights_table(); entry->name != NULL; entry++) {
        if (strcmp(entry->sha256, digest) != 0) continue;
        put(o, "kind", "weights");
        put(o, "name", entry->name);
        put(o, "purpose", entry->purpose);
        put(o, "licence", entry->licence);
        put(o, "upstream", entry->upstream);
        put(o, "sha256", entry->sha256);
        return 1;
    }
    return 0;
}

typedef enum file_kind { KIND_OTHER, KIND_SAFETENSORS, KIND_PTH, KIND_TFLITE } file_kind;

/* By the first bytes, not by the name. */
static stk_status sniff(const char *path, file_kind *kind) {
    stk_map map;
    STK_TRY(stk_map_open(&map, path));
    const uint8_t *b = map.data;
    *kind = KIND_OTHER;
    if (map.size > 9 && b[8] == '{' && b[6] == 0 && b[7] == 0)
        *kind = KIND_SAFETENSORS;
    else if (map.size > 8 && memcmp(b + 4, "TFL3", 4) == 0)
        *kind = KIND_TFLITE;
    else if (map.size > 4 && (memcmp(b, "PK\3\4", 4) == 0 || (b[0] == 0x80 && b[1] <= 5)))
        *kind = KIND_PTH;
    stk_map_close(&map);
    return STK_OK;
}

static stk_status describe(const char *path, cJSON *o) {
    if (path == NULL) return stk_fail(STK_ERR_ARGUMENT, "FILE is missing; see --help");
    put(o, "path", path);
    if (!stk_file_exists(path)) return stk_fail(STK_ERR_IO, "%s: does not exist", path);
    if (stk_file_is_directory(path)) return describe_folder(path, o);
    put_number(o, "bytes", (double)stk_file_size(path));
    if (describe_weights(path, o)) return STK_OK;
    file_kind kind;
    STK_TRY(sniff(path, &kind));
    if (kind == KIND_SAFETENSORS) return describe_safetensors(path, o);
    if (kind == KIND_PTH) return describe_pth(path, o);
    if (kind == KIND_TFLITE) {
        put(o, "kind", "TFLite graph (not one of the known weights)");
        return STK_OK;
    }
    if (describe_media(path, o) == STK_OK) return STK_OK;
    return stk_fail(STK_ERR_FORMAT,
                    "%s: is neither a subject, a model, a clip, a sound nor a weight "
                    "file that this program knows",
                    path);
}

static stk_status as_text(const cJSON *o, char **text) {
    enum { SIZE = 8192 };
    char *out = stk_calloc_aligned(1, SIZE);
    if (out == NULL) return stk_fail_memory("text");
    size_t used = 0;
    const cJSON *member;
    cJSON_ArrayForEach(member, o) {
        int n;
        if (cJSON_IsString(member))
            n = snprintf(out + used, SIZE - used, "%-18s %s\n", member->string,
                         member->valuestring);
        else
            n = snprintf(out + used, SIZE - used, "%-18s %.10g\n", member->string,
                         member->valuedouble);
        if (n < 0 || (size_t)n >= SIZE - used) break;
        used += (size_t)n;
    }
    *text = out;
    return STK_OK;
}

static stk_status as_json(const cJSON *o, char **text) {
    char *printed = cJSON_PrintUnformatted(o);
    if (printed == NULL) return stk_fail_memory("JSON");
    *text = stk_text_copy(printed);
    cJSON_free(printed);
    return *text != NULL ? STK_OK : stk_fail_memory("JSON");
}

stk_status stk_info(stk_context *ctx, const stk_info_options *options, char **text) {
    *text = NULL;
    cJSON *object = cJSON_CreateObject();
    if (object == NULL) return stk_context_finish(ctx, stk_fail_memory("JSON"));
    stk_status status = describe(options->path, object);
    if (status == STK_OK) status = options->json ? as_json(object, text) : as_text(object, text);
    cJSON_Delete(object);
    return stk_context_finish(ctx, status);
}
