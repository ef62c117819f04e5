/* weights.c - the table of pretrained files, the search for them, and a cache of verified digests.
 *
 * A file counts only if its SHA-256 agrees. Digests are remembered for the life of the process by
 * path, size, inode and modification time, so that opening a model twice reads the file once. Safe
 * to call from several threads.
 */
#include "nn/weights.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MEDIAPIPE "Apache-2.0 (MediaPipe)"
#define FACE_MESH "npm:@mediapipe/face_mesh@0.4.1657299874"
#define EOS "https://github.com/patrikhuber/eos/raw/master/share/"
#define LPIPS "https://github.com/richzhang/PerceptualSimilarity/raw/master/lpips/weights/v0.1/"

static const stk_weights_entry table[] = {
    {"face_landmarker.task", "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff",
     MEDIAPIPE,
     "https://storage.googleapis.com/mediapipe-models/face_landmarker/face_landmarker/float16/1/"
     "face_landmarker.task",
     "face detector, 478 landmarks, 52 blendshapes"},
    {"face_landmark_468.tflite", "c603fa6149219a3e9487dc9abd7a0c24474c77263273d24868378cdf40aa26d1",
     MEDIAPIPE, FACE_MESH, "468 landmarks, when face_landmarker.task is absent"},
    {"face_detection_short_range.tflite",
     "3bc182eb9f33925d9e58b5c8d59308a760f4adea8f282370e428c51212c26633", MEDIAPIPE,
     "npm:@mediapipe/face_detection@0.4.1657300184",
     "face detector, when face_landmarker.task is absent"},
    {"mp_face_landmark_with_attention.tflite",
     "883b7411747bac657c30c462d305d312e9dec6adbf8b85e2f5d8d722fca9455d", MEDIAPIPE, FACE_MESH,
     "landmarks with refined lips, eyes and irises"},
    {"mp_selfie_segmentation.tflite",
     "8d13b7fae74af625c641226813616a2117bd6bca19eb3b75574621fc08557f27", MEDIAPIPE,
     "npm:@mediapipe/selfie_segmentation@0.1.1675465747", "person mask"},
    {"mp_hair_segmentation.tflite",
     "d2c940c4fd80edeaf38f5d7387d1b4235ee320ed120080df67c663e749e77633", MEDIAPIPE,
     "https://storage.googleapis.com/mediapipe-assets/hair_segmentation.tflite", "hair mask"},
    {"canonical_face_model.obj", "8bac80443397e113f41a8b565ea72c59390bc031d9defab289dba7bc0c54e618",
     MEDIAPIPE,
     "https://github.com/google-ai-edge/mediapipe/raw/master/mediapipe/modules/face_geometry/data/"
     "canonical_face_model.obj",
     "468-vertex canonical face for head pose"},
    {"eos_sfm_shape_3448.bin", "43750338ae533e7fb981e924b6f67ebde3d292f15ec4fc886ae5af14308ad980",
     "model terms of the University of Surrey: check before redistribution (eos code: Apache-2.0)",
     EOS "sfm_shape_3448.bin", "face shape space"},
    {"eos_expression_blendshapes_3448.bin",
     "a77c81712fc5e8b08a1be4cd2824d51514e5bde6578109ae5240dfb3489efd43",
     "model terms of the University of Surrey: check before redistribution (eos code: Apache-2.0)",
     EOS "expression_blendshapes_3448.bin", "six expressions of the face shape space"},
    {"eos_ibug_to_sfm.txt", "810810c457184526c7d54305ecbc5da764e2431b5e66025d921a7d424aebfac9",
     "Apache-2.0 (eos)", EOS "ibug_to_sfm.txt", "68 landmarks on the face shape space"},
    {"raft-small.pth", "c7d41b9cc88442bb8aa911dbb33086dac55a226394b142937ff22d5578717332",
     "BSD-3-Clause (RAFT)",
     "https://dl.dropboxusercontent.com/s/4j4z58wuv8o0mfz/models.zip (models/raft-small.pth)",
     "optical flow for head points"},
    {"light_asd_finetune_TalkSet.model",
     "efc375833887eefa9d209dc92810e18519b04c3c73ea35a549f2a7f40b7d94d5", "MIT (Light-ASD)",
     "https://github.com/Junhua-Liao/Light-ASD/raw/main/weight/finetuning_TalkSet.model",
     "does the visible mouth speak the audio"},
    {"oww_embedding_model.tflite",
     "c0aea21eb84a4ce90a08c870da41b7a7173b45269e6a3207c71d67c40f3a59d8",
     "Apache-2.0 (Google, openWakeWord)",
     "https://github.com/dscripka/openWakeWord/releases/download/v0.5.1/embedding_model.tflite",
     "speech embedding"},
    {"silero_vad_16k.safetensors",
     "c59271c284ae9c8335d795d60e0bfdb71aaaceec578d9bd9ffc1b8153c319ea1", "MIT (Silero)",
     "https://github.com/snakers4/silero-vad/raw/master/src/silero_vad/data/"
     "silero_vad_16k.safetensors",
     "voice activity"},
    {"lpips_v0.1_alex.pth", "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0",
     "BSD-2-Clause (PerceptualSimilarity)", LPIPS "alex.pth", "LPIPS heads over AlexNet"},
    {"lpips_v0.1_vgg.pth", "a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868",
     "BSD-2-Clause (PerceptualSimilarity)", LPIPS "vgg.pth", "LPIPS heads over VGG16"},
    {"lpips_v0.1_squeeze.pth", "4a5350f23600cb79923ce65bb07cbf57dca461329894153e05a1346bd531cf76",
     "BSD-2-Clause (PerceptualSimilarity)", LPIPS "squeeze.pth", "LPIPS heads over SqueezeNet"},
    {"niqe_pris_params.npz", "2a7c182a68c9e7f1b2e2e5ec723279d6f65d912b6fcaf37eb2bf03d7367c4296",
     "Apache-2.0 (BasicSR)",
     "https://github.com/XPixelGroup/BasicSR/raw/master/basicsr/metrics/niqe_pris_params.npz",
     "NIQE natural-scene statistics"},
    {NULL, NULL, NULL, NULL, NULL},
};

const stk_weights_entry *stk_weights_table(void) { return table; }

/* --- digests already computed ----------------------------------------------------------------- */

enum { REMEMBERED = 64 };

typedef struct digest {
    char path[STK_PATH_MAX];
    struct stat info;
    char sha256[STK_SHA256_TEXT];
} digest;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static digest remembered[REMEMBERED];
static int remembered_count, remembered_next;

static int same_file(const digest *entry, const char *path, const struct stat *info) {
    return strcmp(entry->path, path) == 0 && entry->info.st_ino == info->st_ino &&
           entry->info.st_dev == info->st_dev && entry->info.st_size == info->st_size &&
           entry->info.st_mtim.tv_sec == info->st_mtim.tv_sec &&
           entry->info.st_mtim.tv_nsec == info->st_mtim.tv_nsec;
}

static stk_status digest_of(const char *path, char sha256[STK_SHA256_TEXT]) {
    struct stat info;
    int known = 0, readable = stat(path, &info) == 0;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < remembered_count && readable && !known; i++)
        if (same_file(&remembered[i], path, &info)) {
            memcpy(sha256, remembered[i].sha256, STK_SHA256_TEXT);
            known = 1;
        }
    pthread_mutex_unlock(&lock);
    if (known) return STK_OK;
    STK_TRY(stk_sha256_file(path, sha256));
    if (!readable || strlen(path) >= STK_PATH_MAX) return STK_OK;
    pthread_mutex_lock(&lock);
    digest *entry = &remembered[remembered_next];
    remembered_next = (remembered_next + 1) % REMEMBERED;
    if (remembered_count < REMEMBERED) remembered_count++;
    strcpy(entry->path, path);
    entry->info = info;
    memcpy(entry->sha256, sha256, STK_SHA256_TEXT);
    pthread_mutex_unlock(&lock);
    return STK_OK;
}

/* --- the search ------------------------------------------------------------------------------- */

enum { FOLDERS = 4 };

/* The folders that are looked in, in order; returns how many. */
static int list_folders(const char *folder, char folders[FOLDERS][STK_PATH_MAX]) {
    int n = 0;
    const char *models = getenv("SYNCTALK_MODELS"), *cache = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");
    if (folder != NULL) snprintf(folders[n++], STK_PATH_MAX, "%s", folder);
    if (models != NULL && models[0] != 0) snprintf(folders[n++], STK_PATH_MAX, "%s", models);
    if (cache != NULL && cache[0] != 0) snprintf(folders[n++], STK_PATH_MAX, "%s/synctalk", cache);
    else if (home != NULL) snprintf(folders[n++], STK_PATH_MAX, "%s/.cache/synctalk", home);
    snprintf(folders[n++], STK_PATH_MAX, "/usr/share/synctalk");
    return n;
}

stk_status stk_weights_find(const char *folder, const char *name, char path[STK_PATH_MAX]) {
    const stk_weights_entry *entry = table;
    while (entry->name != NULL && strcmp(entry->name, name) != 0) entry++;
    if (entry->name == NULL)
        return stk_fail(STK_ERR_ARGUMENT, "%s: no such file in the table of weights", name);
    char folders[FOLDERS][STK_PATH_MAX], sha256[STK_SHA256_TEXT], wrong[STK_PATH_MAX] = "";
    int n = list_folders(folder, folders);
    for (int i = 0; i < n; i++) {
        if (stk_path_join(path, STK_PATH_MAX, folders[i], name) != STK_OK) continue;
        if (!stk_file_exists(path)) continue;
        if (digest_of(path, sha256) == STK_OK && strcmp(sha256, entry->sha256) == 0) return STK_OK;
        if (wrong[0] == 0) memcpy(wrong, path, STK_PATH_MAX);
    }
    path[0] = 0;
    if (wrong[0] != 0)
        return stk_fail(STK_ERR_WEIGHTS, "%s: is not the file that is wanted (its SHA-256 differs "
                        "from %.12s...); remove it and run scripts/get-models.sh", wrong,
                        entry->sha256);
    return stk_fail(STK_ERR_WEIGHTS, "%s (%s) was not found in %s; run scripts/get-models.sh, or "
                    "set SYNCTALK_MODELS to the folder that has it", name, entry->purpose,
                    folders[0]);
}

stk_status stk_weights_locate(const char *folder, const char *name, const char *purpose,
                              char path[STK_PATH_MAX]) {
    char folders[FOLDERS][STK_PATH_MAX];
    int n = list_folders(folder, folders);
    for (int i = 0; i < n; i++)
        if (stk_path_join(path, STK_PATH_MAX, folders[i], name) == STK_OK && stk_file_exists(path))
            return STK_OK;
    path[0] = 0;
    return stk_fail(STK_ERR_WEIGHTS, "%s (%s) was not found in %s; put it there, or set "
                    "SYNCTALK_MODELS to the folder that has it", name, purpose, folders[0]);
}

/* Does the file's digest begin as its name says? */
static int is_as_named(const char *path, const char *name) {
    char sha256[STK_SHA256_TEXT];
    const char *hex = strrchr(name, '-');
    if (hex == NULL || digest_of(path, sha256) != STK_OK) return 0;
    const size_t length = strcspn(hex + 1, ".");
    return length >= 8 && strncmp(hex + 1, sha256, length) == 0;
}

stk_status stk_weights_find_hashed(const char *folder, const char *const *names, int count,
                                   const char *purpose, char path[STK_PATH_MAX]) {
    char folders[FOLDERS][STK_PATH_MAX], wrong[STK_PATH_MAX] = "";
    int n = list_folders(folder, folders);
    for (int k = 0; k < count && names[k] != NULL; k++)
        for (int i = 0; i < n; i++) {
            if (stk_path_join(path, STK_PATH_MAX, folders[i], names[k]) != STK_OK ||
                !stk_file_exists(path))
                continue;
            if (is_as_named(path, names[k])) return STK_OK;
            if (wrong[0] == 0) memcpy(wrong, path, STK_PATH_MAX);
        }
    path[0] = 0;
    if (wrong[0] != 0)
        return stk_fail(STK_ERR_WEIGHTS, "%s: is not the file that its name promises (its SHA-256 "
                        "begins otherwise); remove it and run scripts/get-models.sh -p", wrong);
    return stk_fail(STK_ERR_WEIGHTS, "%s (%s) was not found in %s; run scripts/get-models.sh -p, "
                    "or set SYNCTALK_MODELS to the folder that has it", names[0], purpose,
                    folders[0]);
}

int stk_weights_have(const char *folder, const char *name) {
    char path[STK_PATH_MAX], text[1024];
    stk_error_take(text, sizeof text); /* asking is not failing: keep the caller's last sentence */
    int have = stk_weights_find(folder, name, path) == STK_OK;
    if (!have) stk_error_put(text);
    return have;
}
