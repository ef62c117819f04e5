/* Official checkpoints: to .stk and back to .pth every tensor is equal bit for bit, under the same
 * names in the same order, with the same numbers beside them; raw and averaged weights of a full
 * checkpoint. */
#include "support.h"
#include "base/file.h"
#include "base/memory.h"
#include "nn/pth.h"
#include "render/published.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const CHECKPOINTS[] = {"official_A.pth", "official_A_best.pth",
                                          "official_B.pth", "official_C.pth",
                                          "official_D.pth", "official_E.pth"};
static char folder[STK_PATH_MAX], stk[STK_PATH_MAX], pth[STK_PATH_MAX];
static cJSON *keys;

static int read_keys(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "%s", test_temporary_folder());
    TEST_OK(stk_path_join(stk, sizeof stk, folder, "a.stk"));
    TEST_OK(stk_path_join(pth, sizeof pth, folder, "a.pth"));
    const char *path = test_shared("parity/fixtures/checkpoint_keys.json");
    char *text;
    if (path == NULL) return 0;
    TEST_OK(stk_file_read_text(path, 1 << 20, &text));
    keys = cJSON_Parse(text);
    stk_free(text);
    return keys == NULL;
}

static int forget_keys(void **state) {
    (void)state;
    cJSON_Delete(keys);
    return 0;
}

static const char *shared_parity(const char *name) {
    char relative[256];
    snprintf(relative, sizeof relative, "parity/%s", name);
    return test_shared_or_skip(relative);
}

static void convert(const char *from, int averaged) {
    stk_model *model;
    stk_notes notes = {0};
    TEST_OK(stk_published_open(&model, from, averaged, &notes));
    const stk_model_contents contents = {.nets = &model->nets,
                                         .values = model->nets.params.value,
                                         .performance = &model->performance,
                                         .bits = model->bits,
                                         .steps = model->steps,
                                         .extra = &model->extra};
    TEST_OK(stk_model_save(stk, &contents));
    stk_model_close(&model);
    TEST_OK(stk_model_open(&model, stk));
    TEST_OK(stk_published_save(pth, model, 0, &notes));
    stk_model_close(&model);
}

static void assert_same_tensor(const char *name, const stk_pth_value *a, const stk_pth_value *b) {
    const stk_pth_tensor *t = a->tensor, *u = b->tensor;
    assert_int_equal(t->dtype, u->dtype);
    assert_int_equal(t->rank, u->rank);
    assert_memory_equal(t->shape, u->shape, sizeof t->shape);
    size_t bytes = (size_t)t->count * stk_dtype_size(t->dtype);
    uint8_t *one = malloc(bytes), *two = malloc(bytes);
    assert_true(one != NULL && two != NULL);
    TEST_OK(stk_pth_read_raw(a, t->dtype, one, bytes, name));
    TEST_OK(stk_pth_read_raw(b, t->dtype, two, bytes, name));
    if (memcmp(one, two, bytes) != 0) fail_msg("%s differs", name);
    free(one);
    free(two);
}

/* Names and their order as the key list has them, without those of a full checkpoint. */
static void assert_same_top(const cJSON *top, const stk_pth_value *made) {
    const cJSON *item;
    int i = 0;
    cJSON_ArrayForEach(item, top) {
        int trainer = strcmp(item->string, "optimizer") == 0 || strcmp(item->string, "ema") == 0 ||
                      strcmp(item->string, "lr_scheduler") == 0 ||
                      strcmp(item->string, "scaler") == 0;
        if (trainer) continue;
        assert_string_equal(made->keys[i]->text, item->string);
        if (cJSON_IsNumber(item))
            assert_true(stk_pth_number(made->items[i], -1) == item->valuedouble);
        i++;
    }
    assert_int_equal(made->count, i);
}

static void official_comes_back_bit_for_bit(void **state) {
    (void)state;
    for (size_t f = 0; f < STK_ARRAY_SIZE(CHECKPOINTS); f++) {
        const char *path = shared_parity(CHECKPOINTS[f]);
        const cJSON *entry = cJSON_GetObjectItem(keys, CHECKPOINTS[f]);
        const cJSON *names = cJSON_GetObjectItem(entry, "model"), *item;
        stk_pth *official, *made;
        convert(path, 0);
        TEST_OK(stk_pth_open(&official, path));
        TEST_OK(stk_pth_open(&made, pth));
        const stk_pth_value *a = stk_pth_model(official), *b = stk_pth_model(made);
        assert_int_equal(b->count, cJSON_GetArraySize(names));
        int i = 0;
        cJSON_ArrayForEach(item, names) {
            assert_string_equal(b->keys[i]->text, item->string);
            assert_same_tensor(item->string, stk_pth_get(a, item->string), b->items[i]);
            i++;
        }
        assert_same_top(cJSON_GetObjectItem(entry, "top"), stk_pth_root(made));
        stk_pth_close(&official);
        stk_pth_close(&made);
    }
}

/* --- the full checkpoint ---------------------------------------------------------------------- */

/* Unpacks it with the xz program. */
static const char *full_checkpoint(void) {
    static char path[STK_PATH_MAX];
    char command[3 * STK_PATH_MAX];
    TEST_OK(stk_path_join(path, sizeof path, folder, "full.pth"));
    if (stk_file_exists(path)) return path;
    const char *packed = shared_parity("official_A_full.pth.xz");
    snprintf(command, sizeof command, "xz -dc '%s' > '%s' 2> /dev/null", packed, path);
    if (system(command) != 0) {
        print_message("skipped: the xz program is absent\n");
        skip();
    }
    return path;
}

static void full_checkpoint_gives_raw_weights(void **state) {
    (void)state;
    const char *path = full_checkpoint();
    stk_pth *official, *made;
    convert(path, 0);
    TEST_OK(stk_pth_open(&official, path));
    TEST_OK(stk_pth_open(&made, pth));
    const stk_pth_value *a = stk_pth_model(official), *b = stk_pth_model(made);
    assert_int_equal(a->count, b->count);
    for (int i = 0; i < a->count; i++) {
        assert_string_equal(a->keys[i]->text, b->keys[i]->text);
        assert_same_tensor(a->keys[i]->text, a->items[i], b->items[i]);
    }
    assert_same_top(
        cJSON_GetObjectItem(cJSON_GetObjectItem(keys, "official_A_full_ema.pth"), "top"),
        stk_pth_root(made));
    stk_pth_close(&official);
    stk_pth_close(&made);
}

/* ema.shadow_params in the order of A_param_order.json; buffers stay. */
static void full_checkpoint_gives_averaged_weights(void **state) {
    (void)state;
    const char *path = full_checkpoint();
    char *text;
    TEST_OK(stk_file_read_text(shared_parity("fixtures/A_param_order.json"), 1 << 20, &text));
    cJSON *order = cJSON_Parse(text);
    const cJSON *names = cJSON_GetObjectItem(order, "param_names"), *item;
    stk_pth *official, *made;
    convert(path, 1);
    TEST_OK(stk_pth_open(&official, path));
    TEST_OK(stk_pth_open(&made, pth));
    const stk_pth_value *raw = stk_pth_model(official), *b = stk_pth_model(made);
    const stk_pth_value *shadows =
        stk_pth_get(stk_pth_get(stk_pth_root(official), "ema"), "shadow_params");
    assert_int_equal(shadows->count, cJSON_GetArraySize(names));
    int i = 0, averaged = 0;
    cJSON_ArrayForEach(item, names) {
        const stk_pth_value *now = stk_pth_get(b, item->valuestring);
        assert_same_tensor(item->valuestring, shadows->items[i++], now);
        averaged +=
            memcmp(now->tensor->data, stk_pth_get(raw, item->valuestring)->tensor->data, 4) != 0;
    }
    assert_true(averaged > 10); /* they are not the raw ones */
    assert_same_tensor("density_bitfield", stk_pth_get(raw, "density_bitfield"),
                       stk_pth_get(b, "density_bitfield"));
    stk_pth_close(&official);
    stk_pth_close(&made);
    cJSON_Delete(order);
    stk_free(text);
}

static void other_models_are_refused(void **state) {
    (void)state;
    stk_model *model;
    stk_notes notes = {0};
    const char *encoder = shared_parity("official_audio_visual_encoder.pth");
    assert_int_equal(stk_published_open(&model, encoder, 0, &notes), STK_ERR_MISMATCH);
    assert_non_null(strstr(stk_error_text(), "is not a SyncTalk checkpoint: tensor encoder_xy"));
    assert_int_equal(
        stk_published_open(&model, test_shared_or_skip("models/raft-small.pth"), 0, &notes),
        STK_ERR_MISMATCH);
    assert_null(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(official_comes_back_bit_for_bit),
        cmocka_unit_test(full_checkpoint_gives_raw_weights),
        cmocka_unit_test(full_checkpoint_gives_averaged_weights),
        cmocka_unit_test(other_models_are_refused),
    };
    return cmocka_run_group_tests(tests, read_keys, forget_keys);
}
