/* ave_find.c - which audio-visual encoder a model hears through: the one given, the one in the
 * program, or one in the folders of weights; never another than it learned with.
 *
 * The file in the program lies in its read-only data, as assets/encoder.safetensors is.
 */
#include "face_sync/ave_encoder.h"
#include "nn/weights.h"
#include "face_sync/builtin_encoder.h"

#include <stdio.h>
#include <string.h>

#ifdef STK_ASSET_ENCODER
__asm__(".pushsection .rodata\n"
        ".balign 64\n"
        "stk_asset_encoder:\n"
        ".incbin \"" STK_ASSET_ENCODER "\"\n"
        "stk_asset_encoder_end:\n"
        ".byte 0\n"
        ".popsection\n");
extern const char stk_asset_encoder[] __attribute__((visibility("hidden")));
extern const char stk_asset_encoder_end[] __attribute__((visibility("hidden")));
#endif

int stk_ave_builtin(const void **bytes, size_t *size) {
#ifdef STK_ASSET_ENCODER
    *bytes = stk_asset_encoder;
    *size = (size_t)(stk_asset_encoder_end - stk_asset_encoder);
    return 1;
#else
    *bytes = NULL;
    *size = 0;
    return 0;
#endif
}

static int is_known(const stk_encoder_id *id) {
    return id != NULL && id->sha256[0] != '\0';
}

static int builtin_is(const stk_encoder_id *wanted) {
    const void *bytes;
    size_t size;
    char sha256[STK_SHA256_TEXT];
    if (!stk_ave_builtin(&bytes, &size)) return 0;
    stk_sha256(bytes, size, sha256);
    return strcmp(sha256, wanted->sha256) == 0;
}

static stk_status locate_published(char path[STK_PATH_MAX]) {
    static const char purpose[] =
        "the published encoder through which this model hears; or give it with --encoder";
    const stk_status status =
        stk_weights_locate(NULL, "audio_visual_encoder.safetensors", purpose, path);
    if (status == STK_OK) return status;
    return stk_weights_locate(NULL, "audio_visual_encoder.pth", purpose, path);
}

static stk_status locate(const stk_encoder_id *wanted, char path[STK_PATH_MAX]) {
    static const char purpose[] =
        "the encoder through which this model hears; or give it with --encoder";
    if (!is_known(wanted)) return locate_published(path);
    if (builtin_is(wanted)) {
        snprintf(path, STK_PATH_MAX, "%s", STK_AVE_BUILTIN);
        return STK_OK;
    }
    if (strcmp(wanted->name, STK_AVE_BUILTIN) == 0)
        return stk_fail(STK_ERR_WEIGHTS,
                        "this model hears through the encoder of another version of this program "
                        "(SHA-256 %.16s...); give that with --encoder, or train again",
                        wanted->sha256);
    return stk_weights_locate(NULL, wanted->name, purpose, path);
}

stk_status stk_ave_encoder_find(stk_ave_encoder **encoder, const char *given,
                                const stk_encoder_id *wanted) {
    char path[STK_PATH_MAX];
    *encoder = NULL;
    if (given == NULL) STK_TRY(locate(wanted, path));
    STK_TRY(stk_ave_encoder_create(encoder, given != NULL ? given : path));
    const stk_encoder_id *found = stk_ave_encoder_id(*encoder);
    if (!is_known(wanted) || strcmp(found->sha256, wanted->sha256) == 0) return STK_OK;
    stk_ave_encoder_free(encoder);
    return stk_fail(STK_ERR_MISMATCH,
                    "%s: is not the encoder that this model learned with (%s, SHA-256 %.16s...); "
                    "give that one with --encoder",
                    given != NULL ? given : path, wanted->name, wanted->sha256);
}
