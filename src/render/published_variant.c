/* published_variant.c - which variant of the published network a file holds, told from shapes, and
 * the sentences for tensors that are not as they should be.
 *
 * Numbers in brackets are sections of reference.md.
 */
#include "kernels/march.h"
#include "render/model_private.h"
#include "render/published.h"
#include "render/published_private.h"

#include <stdio.h>
#include <string.h>

enum { RIVAL_CODE_ROWS = 10000 };

/* --- what a tensor should be ------------------------------------------------------------------ */

const char *stk_published_shape(char text[STK_SHAPE_TEXT], int rank, const int64_t *shape) {
    size_t used = 1;
    snprintf(text, STK_SHAPE_TEXT, "[");
    for (int i = 0; i < rank && used < STK_SHAPE_TEXT - 24; i++)
        used += (size_t)snprintf(text + used, STK_SHAPE_TEXT - used,
                                 shape[i] == STK_ANY ? "%sN" : "%s%lld", i > 0 ? "," : "",
                                 (long long)shape[i]);
    snprintf(text + used, STK_SHAPE_TEXT - used, "]");
    return text;
}

int stk_published_fits(const stk_state_tensor *t, const stk_published_wanted *w) {
    int same = t->dtype == w->dtype && t->rank == w->rank;
    for (int i = 0; same && i < w->rank; i++)
        same = w->shape[i] == STK_ANY ? t->shape[i] > 0 : t->shape[i] == w->shape[i];
    return same;
}

stk_status stk_published_refuse(const stk_state_dict *dict, const stk_state_tensor *t,
                                const char *name, const char *expected) {
    char found[STK_SHAPE_TEXT];
    if (t == NULL)
        return stk_fail(STK_ERR_MISMATCH, "%s: tensor %s is missing, expected %s",
                        stk_state_dict_path(dict), name, expected);
    return stk_fail(STK_ERR_MISMATCH, "%s: tensor %s is %s %s, expected %s",
                    stk_state_dict_path(dict), name, stk_dtype_name(t->dtype),
                    stk_published_shape(found, t->rank, t->shape), expected);
}

/* The tensor if it is there and as wanted. */
stk_status stk_published_require(const stk_state_dict *dict, const stk_published_wanted *w,
                                 const stk_state_tensor **tensor) {
    *tensor = stk_state_dict_find(dict, w->name);
    if (*tensor != NULL && stk_published_fits(*tensor, w)) return STK_OK;
    char shape[STK_SHAPE_TEXT], expected[STK_SHAPE_TEXT + 8];
    snprintf(expected, sizeof expected, "%s %s", stk_dtype_name(w->dtype),
             stk_published_shape(shape, w->rank, w->shape));
    return stk_published_refuse(dict, *tensor, w->name, expected);
}

/* --- the variant ------------------------------------------------------------------------------ */

/* [3.1] Released 12, paper 14; any number that our own models can have is told from the size. */
static stk_status find_levels(const stk_state_dict *dict, stk_model_config *config) {
    const stk_state_tensor *t = stk_state_dict_find(dict, "encoder_xy.embeddings");
    stk_grid_layout layout;
    for (int levels = 1; levels <= STK_LEVELS_MAX; levels++) {
        stk_grid_layout_init(&layout, levels);
        const stk_published_wanted table = {"", STK_F32, 2, {layout.offset[levels], 1}};
        if (t != NULL && stk_published_fits(t, &table)) {
            config->levels = levels;
            return STK_OK;
        }
    }
    char expected[STK_SHAPE_TEXT];
    snprintf(expected, sizeof expected, "F32 [163584,1] (12 hash levels) or [%u,1] (14)",
             layout.offset[STK_LEVELS_MAX]);
    return stk_published_refuse(dict, t, "encoder_xy.embeddings", expected);
}

static stk_status find_expressions(const stk_state_dict *dict, stk_model_config *config) {
    static const int64_t shapes[][2] = {{7, 64}, {4, 64}, {2, 64}, {1, 16}};
    const stk_state_tensor *t = stk_state_dict_find(dict, "eye_att_net.net.1.weight");
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        const stk_published_wanted weight = {"", STK_F32, 2, {shapes[i][0], shapes[i][1]}};
        if (t == NULL || !stk_published_fits(t, &weight)) continue;
        config->exp = (int)shapes[i][0];
        return STK_OK;
    }
    return stk_published_refuse(dict, t, "eye_att_net.net.1.weight",
                                "F32 [7,64], [4,64], [2,64] or, with --au45, [1,16]");
}

static stk_status find_sound(const stk_state_dict *dict, stk_model_config *config) {
    const char *const convolution = "audio_net.encoder_conv.0.weight";
    const stk_state_tensor *t = stk_state_dict_find(dict, convolution);
    if (t == NULL) {
        const stk_published_wanted linear = {
            "audio_net.encoder_fc1.0.weight", STK_F32, 2, {256, 512}};
        config->audio_kind = STK_AUDIO_AVE;
        return stk_published_require(dict, &linear, &t);
    }
    for (int kind = 0; kind < STK_AUDIO_KINDS; kind++) {
        const int64_t channels = stk_published_channels((stk_audio_kind)kind);
        const stk_published_wanted weight = {"", STK_F32, 3, {32, channels, 3}};
        if (kind == STK_AUDIO_AVE || !stk_published_fits(t, &weight)) continue;
        config->audio_kind = (stk_audio_kind)kind;
        return STK_OK;
    }
    return stk_published_refuse(
        dict, t, convolution,
        "F32 [32,C,3] with C 29 (deepspeech), 1024 (hubert), 44 (esperanto), 32 (wav2vec) "
        "or 80 (mel)");
}

static stk_status find_code_rows(const stk_state_dict *dict, const char *name, int columns,
                                 int *rows) {
    const stk_published_wanted codes = {name, STK_F32, 2, {STK_ANY, columns}};
    const stk_state_tensor *t;
    STK_TRY(stk_published_require(dict, &codes, &t));
    if (t->shape[0] > STK_CODE_ROWS_MAX)
        return stk_published_refuse(dict, t, name, "F32 [20000,...]");
    *rows = (int)t->shape[0];
    return STK_OK;
}

/* ER-NeRF, the predecessor, has the tensors of --au45, but squashes the eye attention: its pictures
 * would be wrong. Its files are known by their 10000 codes. */
static stk_status refuse_rival(const stk_state_dict *dict, const stk_model_config *config) {
    if (config->exp != 1 || config->audio_kind == STK_AUDIO_AVE ||
        config->code_rows != RIVAL_CODE_ROWS)
        return STK_OK;
    return stk_fail(STK_ERR_UNSUPPORTED,
                    "%s: is an ER-NeRF checkpoint, another network: tensor individual_codes is "
                    "F32 [10000,4], expected F32 [20000,4]",
                    stk_state_dict_path(dict));
}

int stk_published_is(const stk_state_dict *dict) {
    return stk_state_dict_find(dict, "encoder_xy.embeddings") != NULL &&
           stk_state_dict_find(dict, "sigma_net.net.0.weight") != NULL;
}

stk_status stk_published_config(const stk_state_dict *dict, stk_model_config *config) {
    static const char *const torso[] = {"anchor_points", "individual_codes_torso",
                                        "torso_encoder.embeddings", "torso_net.net.0.weight"};
    *config = (stk_model_config){0};
    if (!stk_published_is(dict))
        return stk_fail(
            STK_ERR_MISMATCH,
            "%s: is not a SyncTalk checkpoint: tensor %s is missing, expected F32 %s",
            stk_state_dict_path(dict),
            stk_state_dict_find(dict, "encoder_xy.embeddings") == NULL ? "encoder_xy.embeddings"
                                                                       : "sigma_net.net.0.weight",
            stk_state_dict_find(dict, "encoder_xy.embeddings") == NULL ? "[163584,1]" : "[64,75]");
    STK_TRY(find_levels(dict, config));
    STK_TRY(find_expressions(dict, config));
    STK_TRY(find_sound(dict, config));
    STK_TRY(find_code_rows(dict, "individual_codes", STK_CODE, &config->code_rows));
    STK_TRY(refuse_rival(dict, config));
    for (size_t i = 0; i < sizeof torso / sizeof torso[0]; i++)
        if (stk_state_dict_find(dict, torso[i]) != NULL)
            return find_code_rows(dict, "individual_codes_torso", STK_TORSO_CODE,
                                  &config->torso_code_rows);
    return STK_OK;
}
