/* truth_json.c - truth.json: the numbers of a whole clip and the names of what the tables hold. */
#include "presenter/truth.h"
#include "base/attr.h"
#include "base/file.h"

#include <cjson/cJSON.h>
#include <string.h>

static const char *const part_names[STK_PARTS] = {"background", "face",  "hair", "ear",
                                                  "neck",       "torso", "hand", "other"};

static const char *const phone_names[STK_PHONE_CLASSES] = {
    "silence", "aa", "ae",  "ah", "eh", "iy", "ow", "uw", "er", "y_round", "pbm",
    "fv",      "th", "tdn", "l",  "sz", "sh", "kg", "r",  "w",  "h"};

static const char *const shape_names[STK_BLENDSHAPES] = {
    "browDownLeft",      "browDownRight",      "browInnerUp",         "browOuterUpLeft",
    "browOuterUpRight",  "cheekPuff",          "cheekSquintLeft",     "cheekSquintRight",
    "eyeBlinkLeft",      "eyeBlinkRight",      "eyeLookDownLeft",     "eyeLookDownRight",
    "eyeLookInLeft",     "eyeLookInRight",     "eyeLookOutLeft",      "eyeLookOutRight",
    "eyeLookUpLeft",     "eyeLookUpRight",     "eyeSquintLeft",       "eyeSquintRight",
    "eyeWideLeft",       "eyeWideRight",       "jawForward",          "jawLeft",
    "jawOpen",           "jawRight",           "mouthClose",          "mouthDimpleLeft",
    "mouthDimpleRight",  "mouthFrownLeft",     "mouthFrownRight",     "mouthFunnel",
    "mouthLeft",         "mouthLowerDownLeft", "mouthLowerDownRight", "mouthPressLeft",
    "mouthPressRight",   "mouthPucker",        "mouthRight",          "mouthRollLower",
    "mouthRollUpper",    "mouthShrugLower",    "mouthShrugUpper",     "mouthSmileLeft",
    "mouthSmileRight",   "mouthStretchLeft",   "mouthStretchRight",   "mouthUpperUpLeft",
    "mouthUpperUpRight", "noseSneerLeft",      "noseSneerRight",      "tongueOut"};

static void add_text(cJSON *object, const char *key, const char *text) {
    if (text != NULL)
        cJSON_AddStringToObject(object, key, text);
    else
        cJSON_AddNullToObject(object, key);
}

static void add_names(cJSON *object, const char *key, const char *const *names, int count) {
    cJSON_AddItemToObject(object, key, cJSON_CreateStringArray(names, count));
}

static void add_variants(cJSON *object, const stk_presenter_variant *variant) {
    cJSON *list = cJSON_AddArrayToObject(object, "variants");
    for (int i = 0; stk_presenter_variant_name(variant, i) != NULL; i++)
        cJSON_AddItemToArray(list, cJSON_CreateString(stk_presenter_variant_name(variant, i)));
}

static void add_phones(cJSON *object, const stk_utterance *utterance) {
    cJSON *list = cJSON_AddArrayToObject(object, "phones");
    for (int i = 0; utterance != NULL && i < utterance->count; i++) {
        const stk_phone *phone = &utterance->phones[i];
        cJSON *row = cJSON_CreateObject();
        cJSON_AddStringToObject(row, "name", phone->name);
        cJSON_AddStringToObject(row, "class", phone_names[phone->class]);
        cJSON_AddNumberToObject(row, "start_s", (double)phone->start_s);
        cJSON_AddNumberToObject(row, "end_s", (double)phone->end_s);
        cJSON_AddNumberToObject(row, "stress", (double)phone->stress);
        cJSON_AddItemToArray(list, row);
    }
}

static void fill(cJSON *object, const stk_truth_clip *clip) {
    const stk_presenter_settings *settings = clip->settings;
    cJSON_AddStringToObject(object, "format", "synctalk truth");
    cJSON_AddNumberToObject(object, "version", 1);
    cJSON_AddNumberToObject(object, "frames", clip->frames);
    cJSON_AddNumberToObject(object, "fps", settings->fps);
    cJSON_AddNumberToObject(object, "width", clip->camera.width);
    cJSON_AddNumberToObject(object, "height", clip->camera.height);
    cJSON_AddNumberToObject(object, "seed", settings->seed);
    cJSON_AddNumberToObject(object, "focal_px", (double)clip->camera.focal_px);
    cJSON_AddNumberToObject(object, "cx_px", (double)clip->camera.cx_px);
    cJSON_AddNumberToObject(object, "cy_px", (double)clip->camera.cy_px);
    add_text(object, "voice", clip->voice);
    add_text(object, "text", settings->text);
    add_text(object, "audio", settings->audio);
    cJSON_AddNumberToObject(object, "sound_at_s", clip->sound_at_s);
    cJSON *cuts = cJSON_AddArrayToObject(object, "cuts");
    if (clip->cut_frame >= 0) cJSON_AddItemToArray(cuts, cJSON_CreateNumber(clip->cut_frame));
    add_variants(object, &settings->variant);
    add_names(object, "parts", part_names, STK_PARTS);
    add_names(object, "blendshape_names", shape_names, STK_BLENDSHAPES);
    add_phones(object, clip->utterance);
}

stk_status stk_truth_describe(const stk_truth_clip *clip, const char *path) {
    cJSON *object = cJSON_CreateObject();
    if (object == NULL) return stk_fail_memory("JSON");
    fill(object, clip);
    char *text = cJSON_Print(object);
    cJSON_Delete(object);
    if (text == NULL) return stk_fail_memory("JSON");
    const stk_status status = stk_file_write(path, text, strlen(text));
    cJSON_free(text);
    return status;
}
