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

/* All of these return 1, or 0 where memory ran out. */
static int add_number(cJSON *object, const char *key, double number) {
    return cJSON_AddNumberToObject(object, key, number) != NULL;
}

static int add_text(cJSON *object, const char *key, const char *text) {
    return text != NULL ? cJSON_AddStringToObject(object, key, text) != NULL
                        : cJSON_AddNullToObject(object, key) != NULL;
}

/* Takes the item; NULL is an item that could not be made. */
static int append(cJSON *list, cJSON *item) {
    if (cJSON_AddItemToArray(list, item)) return 1;
    cJSON_Delete(item);
    return 0;
}

static int add_names(cJSON *object, const char *key, const char *const *names, int count) {
    cJSON *list = cJSON_CreateStringArray(names, count);
    if (cJSON_AddItemToObject(object, key, list)) return 1;
    cJSON_Delete(list);
    return 0;
}

static int add_variants(cJSON *object, const stk_presenter_variant *variant) {
    cJSON *list = cJSON_AddArrayToObject(object, "variants");
    int ok = list != NULL;
    for (int i = 0; ok && stk_presenter_variant_name(variant, i) != NULL; i++)
        ok = append(list, cJSON_CreateString(stk_presenter_variant_name(variant, i)));
    return ok;
}

static int add_phones(cJSON *object, const stk_utterance *utterance) {
    cJSON *list = cJSON_AddArrayToObject(object, "phones");
    int ok = list != NULL;
    for (int i = 0; ok && utterance != NULL && i < utterance->count; i++) {
        const stk_phone *phone = &utterance->phones[i];
        cJSON *row = cJSON_CreateObject();
        ok = add_text(row, "name", phone->name) &&
             add_text(row, "class", phone_names[phone->class]) &&
             add_number(row, "start_s", (double)phone->start_s) &&
             add_number(row, "end_s", (double)phone->end_s) &&
             add_number(row, "stress", (double)phone->stress);
        ok = append(list, row) && ok;
    }
    return ok;
}

static int add_cuts(cJSON *object, int cut_frame) {
    cJSON *cuts = cJSON_AddArrayToObject(object, "cuts");
    return cuts != NULL && (cut_frame < 0 || append(cuts, cJSON_CreateNumber(cut_frame)));
}

/* "format" comes first: stk_truth_check looks for it at the file's start. */
static int fill(cJSON *object, const stk_truth_clip *clip) {
    const stk_presenter_settings *settings = clip->settings;
    return add_text(object, "format", "synctalk truth") && add_number(object, "version", 1) &&
           add_number(object, "frames", clip->frames) && add_number(object, "fps", settings->fps) &&
           add_number(object, "width", clip->camera.width) &&
           add_number(object, "height", clip->camera.height) &&
           add_number(object, "seed", settings->seed) &&
           add_number(object, "focal_px", (double)clip->camera.focal_px) &&
           add_number(object, "cx_px", (double)clip->camera.cx_px) &&
           add_number(object, "cy_px", (double)clip->camera.cy_px) &&
           add_text(object, "voice", clip->voice) && add_text(object, "text", settings->text) &&
           add_text(object, "audio", settings->audio) &&
           add_number(object, "sound_at_s", clip->sound_at_s) &&
           add_cuts(object, clip->cut_frame) && add_variants(object, &settings->variant) &&
           add_names(object, "parts", part_names, STK_PARTS) &&
           add_names(object, "blendshape_names", shape_names, STK_BLENDSHAPES) &&
           add_phones(object, clip->utterance);
}

stk_status stk_truth_describe(const stk_truth_clip *clip, const char *path) {
    cJSON *object = cJSON_CreateObject();
    if (object == NULL) return stk_fail_memory("JSON");
    char *text = fill(object, clip) ? cJSON_Print(object) : NULL;
    cJSON_Delete(object);
    if (text == NULL) return stk_fail_memory("JSON");
    const stk_status status = stk_file_write(path, text, strlen(text));
    cJSON_free(text);
    return status;
}
