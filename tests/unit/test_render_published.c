/* Published checkpoints, made here in every variant: to .pth, .safetensors and .stk and back, bit
 * for bit; and a checkpoint with one thing wrong is refused with a sentence that names the tensor,
 * what was found and what was expected. */
#include "support.h"
#include "base/file.h"
#include "base/memory.h"
#include "kernels/march.h"
#include "nn/pth_write.h"
#include "render/model_private.h"
#include "render/published.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LEVELS = 2, ROWS = 3, CAMERAS = 5, TENSORS_MAX = 80 };
static char folder[STK_PATH_MAX];

static int make_folder(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "%s", test_temporary_folder());
    return 0;
}

static const char *in_folder(const char *name) {
    static char paths[4][STK_PATH_MAX];
    static int next;
    char *path = paths[next++ % 4];
    TEST_OK(stk_path_join(path, STK_PATH_MAX, folder, name));
    return path;
}

/* --- models made here ------------------------------------------------------------------------- */

static float *random_floats(size_t count, stk_rng *rng) {
    float *values = stk_calloc_aligned(count, sizeof *values);
    assert_non_null(values);
    for (size_t i = 0; i < count; i++) values[i] = stk_rng_float(rng);
    return values;
}

static stk_model *make_model(const stk_model_config *config, int everything) {
    stk_rng rng;
    stk_rng_seed(&rng, 3, (uint64_t)config->audio_kind);
    stk_model *model = stk_calloc_aligned(1, sizeof *model);
    assert_non_null(model);
    TEST_OK(stk_nets_init(&model->nets, config, 0));
    stk_nets_randomise(&model->nets, &rng);
    model->bits = stk_calloc_aligned(1, STK_GRID_BYTES);
    assert_non_null(model->bits);
    for (int i = 0; i < STK_GRID_BYTES; i++) model->bits[i] = (uint8_t)stk_rng_u32(&rng);
    model->steps = 123456;
    stk_model_extra *extra = &model->extra;
    if (model->nets.has_torso) extra->torso_grid = random_floats(STK_TORSO_GRID_CELLS, &rng);
    if (!everything) return model;
    const int side = config->audio_kind == STK_AUDIO_AVE ? 512 : 29;
    extra->density = random_floats(STK_GRID_CELLS, &rng);
    extra->step_counter = stk_calloc_aligned((size_t)2 * STK_STEP_COUNTERS, sizeof(int32_t));
    extra->step_counter[5] = -7;
    extra->camera_dR = random_floats((size_t)3 * CAMERAS, &rng);
    extra->camera_dT = random_floats((size_t)3 * CAMERAS, &rng);
    extra->camera_rows = CAMERAS;
    extra->embedding = random_floats((size_t)side * (size_t)side, &rng);
    extra->embedding_side = side;
    extra->epoch = 19;
    extra->mean_count = 2952;
    extra->mean_density = 0.1;
    extra->mean_density_torso = 1.0 / 3;
    return model;
}

static void assert_same_floats(const float *a, const float *b, size_t count) {
    assert_int_equal(a != NULL, b != NULL);
    if (a != NULL) assert_memory_equal(a, b, count * sizeof(float));
}

static void assert_same_model(const stk_model *a, const stk_model *b) {
    const stk_params *p = &a->nets.params;
    assert_memory_equal(&a->nets.config, &b->nets.config, sizeof a->nets.config);
    for (int i = 0; i < p->n; i++)
        if (stk_param_stored(&a->nets, i))
            assert_memory_equal(stk_params_value(p, i), stk_params_value(&b->nets.params, i),
                                p->list[i].count * sizeof(float));
    const stk_model_extra *x = &a->extra, *y = &b->extra;
    const size_t side = (size_t)x->embedding_side;
    assert_memory_equal(a->bits, b->bits, STK_GRID_BYTES);
    assert_same_floats(x->torso_grid, y->torso_grid, STK_TORSO_GRID_CELLS);
    assert_same_floats(x->density, y->density, STK_GRID_CELLS);
    assert_int_equal(x->camera_rows, y->camera_rows);
    assert_same_floats(x->camera_dR, y->camera_dR, 3 * (size_t)x->camera_rows);
    assert_same_floats(x->camera_dT, y->camera_dT, 3 * (size_t)x->camera_rows);
    assert_int_equal(x->embedding_side, y->embedding_side);
    assert_same_floats(x->embedding, y->embedding, side * side);
    if (x->step_counter != NULL)
        assert_memory_equal(x->step_counter, y->step_counter, 2 * STK_STEP_COUNTERS * 4);
    assert_true(a->steps == b->steps && x->epoch == y->epoch && x->mean_count == y->mean_count);
    assert_true(x->mean_density == y->mean_density &&
                x->mean_density_torso == y->mean_density_torso);
    assert_int_equal(a->performance.frames, b->performance.frames);
}

static stk_status save_stk(const char *path, const stk_model *model) {
    const stk_model_contents contents = {.nets = &model->nets,
                                         .values = model->nets.params.value,
                                         .performance = &model->performance,
                                         .bits = model->bits,
                                         .steps = model->steps,
                                         .extra = &model->extra};
    return stk_model_save(path, &contents);
}

/* --- there and back --------------------------------------------------------------------------- */

static void through_every_container(const stk_model_config *config, int everything) {
    stk_model *made = make_model(config, everything), *back;
    stk_notes notes = {0};
    for (int safetensors = 0; safetensors < 2; safetensors++) {
        const char *path = in_folder(safetensors ? "a.safetensors" : "a.pth");
        TEST_OK(stk_published_save(path, made, safetensors, &notes));
        TEST_OK(stk_published_open(&back, path, 0, &notes));
        assert_same_model(made, back);
        stk_model_close(&back);
    }
    TEST_OK(save_stk(in_folder("a.stk"), made));
    TEST_OK(stk_model_open(&back, in_folder("a.stk")));
    assert_same_model(made, back);
    stk_model_close(&back);
    stk_model_close(&made);
}

/* Which encoder a model hears through goes with it into every container and back. */
static void encoder_comes_back(void **state) {
    (void)state;
    const stk_model_config config = {STK_AUDIO_AVE, LEVELS, 7, ROWS, 0};
    stk_model *made = make_model(&config, 0), *back;
    stk_encoder_id *id = &made->nets.encoder;
    snprintf(id->name, sizeof id->name, "builtin");
    for (size_t i = 0; i + 1 < sizeof id->sha256; i++) id->sha256[i] = "0123456789abcdef"[i % 16];
    for (int safetensors = 0; safetensors < 2; safetensors++) {
        const char *path = in_folder(safetensors ? "e.safetensors" : "e.pth");
        stk_notes notes = {0};
        TEST_OK(stk_published_save(path, made, safetensors, &notes));
        assert_non_null(strstr(notes.text, "the encoder builtin (SHA-256 0123456789abcdef...)"));
        TEST_OK(stk_published_open(&back, path, 0, &notes));
        assert_string_equal(back->nets.encoder.name, id->name);
        assert_string_equal(back->nets.encoder.sha256, id->sha256);
        stk_model_close(&back);
    }
    id->sha256[9] = '\0'; /* no digest */
    stk_notes notes = {0};
    TEST_OK(stk_published_save(in_folder("e.pth"), made, 0, &notes));
    assert_int_equal(stk_published_open(&back, in_folder("e.pth"), 0, &notes), STK_ERR_FORMAT);
    assert_non_null(strstr(stk_error_text(), "its encoder is not named properly"));
    stk_model_close(&made);
}

static void every_variant_comes_back(void **state) {
    (void)state;
    static const int exps[] = {7, 4, 2, 1};
    for (int kind = 0; kind < STK_AUDIO_KINDS; kind++) {
        stk_model_config config = {(stk_audio_kind)kind, LEVELS, exps[kind % 4], ROWS, 0};
        if (kind != STK_AUDIO_MEL_SPEAKER) through_every_container(&config, 0);
    }
    for (int levels = 12; levels <= 14; levels += 2) {
        stk_model_config config = {STK_AUDIO_AVE, levels, 7, ROWS, 0};
        through_every_container(&config, 0);
    }
}

/* It would be read as one that hears plain mel; our own container tells them apart. */
static void normalised_mel_has_no_published_form(void **state) {
    (void)state;
    const stk_model_config config = {STK_AUDIO_MEL_SPEAKER, LEVELS, 7, ROWS, 0};
    stk_model *made = make_model(&config, 0), *back;
    stk_notes notes = {0};
    assert_int_equal(stk_published_save(in_folder("n.pth"), made, 0, &notes), STK_ERR_UNSUPPORTED);
    assert_false(stk_file_exists(in_folder("n.pth")));
    TEST_OK(save_stk(in_folder("n.stk"), made));
    TEST_OK(stk_model_open(&back, in_folder("n.stk")));
    assert_same_model(made, back);
    stk_model_close(&back);
    stk_model_close(&made);
}

static void everything_a_checkpoint_can_hold_comes_back(void **state) {
    (void)state;
    const stk_model_config torso = {STK_AUDIO_DEEPSPEECH, LEVELS, 7, ROWS, 2};
    const stk_model_config wide = {STK_AUDIO_AVE, LEVELS, 7, STK_PUBLISHED_CODE_ROWS + 1, 0};
    through_every_container(&torso, 1);
    through_every_container(&wide, 1);
}

/* The last rows of a code table are zero only if saving padded it; -0 is not zero. */
static void trailing_zero_rows_are_trimmed(void **state) {
    (void)state;
    const stk_model_config config = {STK_AUDIO_AVE, LEVELS, 7, 6, 0};
    stk_model *made = make_model(&config, 0), *back;
    float *codes = stk_params_value(&made->nets.params, made->nets.field.codes);
    stk_notes notes = {0};
    for (int used = 0; used <= 6; used++) {
        for (int i = 0; i < 24; i++) codes[i] = i < 4 * used ? 0.5f : 0.0f;
        if (used == 3) codes[12] = -0.0f; /* row 3 */
        TEST_OK(stk_published_save(in_folder("z.pth"), made, 0, &notes));
        TEST_OK(stk_published_open(&back, in_folder("z.pth"), 0, &notes));
        int rows = used == 0 ? 1 : used == 3 ? 4 : used;
        assert_int_equal(back->nets.config.code_rows, rows);
        assert_memory_equal(stk_params_value(&back->nets.params, back->nets.field.codes), codes,
                            (size_t)rows * 16);
        stk_model_close(&back);
    }
    assert_non_null(strstr(notes.text, "individual_codes: 6 rows, padded with zeros to the 20000"));
    stk_model_close(&made);
}

static void save_is_the_same_bytes(void **state) {
    (void)state;
    static const char *const names[2][2] = {{"one.pth", "two.pth"},
                                            {"one.safetensors", "two.safetensors"}};
    const stk_model_config config = {STK_AUDIO_HUBERT, LEVELS, 4, ROWS, 0};
    stk_model *made = make_model(&config, 0);
    stk_notes notes = {0};
    for (int i = 0; i < 2; i++) {
        char hash[2][STK_SHA256_TEXT];
        for (int k = 0; k < 2; k++) {
            TEST_OK(stk_published_save(in_folder(names[i][k]), made, i, &notes));
            TEST_OK(stk_sha256_file(in_folder(names[i][k]), hash[k]));
        }
        assert_string_equal(hash[0], hash[1]);
    }
    stk_model_close(&made);
}

static void model_without_performance_says_so(void **state) {
    (void)state;
    const stk_model_config config = {STK_AUDIO_AVE, LEVELS, 7, ROWS, 0};
    stk_model *made = make_model(&config, 0), *back;
    TEST_OK(save_stk(in_folder("bare.stk"), made));
    TEST_OK(stk_model_open(&back, in_folder("bare.stk")));
    assert_int_equal(stk_model_need_performance(back, "bare.stk"), STK_ERR_UNSUPPORTED);
    assert_non_null(strstr(stk_error_text(), "bare.stk: has no source performance"));
    assert_non_null(strstr(stk_error_text(), "--subject FOLDER"));
    stk_model_close(&back);
    stk_model_close(&made);
}

/* --- damage ----------------------------------------------------------------------------------- */

static void write_at(const char *path, size_t at, const void *bytes, size_t n) {
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, n, (off_t)at), (ssize_t)n);
    close(fd);
}

/* Bits of the header turned over: the model opens, or there is a sentence that names the file. */
static void open_damaged_model_never_crashes(void **state) {
    (void)state;
    const stk_model_config config = {STK_AUDIO_DEEPSPEECH, LEVELS, 7, ROWS, 2};
    stk_model *made = make_model(&config, 1), *model;
    const char *path = in_folder("damaged.stk");
    uint64_t length;
    stk_map map;
    stk_rng rng;
    stk_rng_seed(&rng, 9, 1);
    TEST_OK(save_stk(path, made));
    stk_model_close(&made);
    TEST_OK(stk_map_open(&map, path));
    memcpy(&length, map.data, sizeof length);
    uint8_t *header = stk_calloc_aligned(1, (size_t)length + 8);
    assert_non_null(header);
    memcpy(header, map.data, (size_t)length + 8);
    stk_map_close(&map);
    int opened = 0;
    for (int i = 0; i < 300; i++) {
        size_t at = 8 + stk_rng_below(&rng, (uint32_t)length);
        uint8_t bad = header[at] ^ (uint8_t)(1u << stk_rng_below(&rng, 7));
        write_at(path, at, &bad, 1);
        stk_status status = stk_model_open(&model, path);
        if (status == STK_OK)
            opened++;
        else if (strstr(stk_error_text(), path) == NULL)
            fail_msg("bit flip at %zu: \"%s\"", at, stk_error_text());
        stk_model_close(&model);
        write_at(path, at, &header[at], 1);
    }
    print_message("%d of 300 damaged copies opened\n", opened);
    assert_true(opened < 300);
    stk_free(header);
}

static void open_impossible_extra_is_refused(void **state) {
    (void)state;
    const stk_model_config config = {STK_AUDIO_AVE, LEVELS, 7, ROWS, 2};
    stk_model *made = make_model(&config, 0), *model;
    const char *path = in_folder("extra.stk");
    made->extra.torso_grid[5] = NAN;
    TEST_OK(save_stk(path, made));
    assert_int_equal(stk_model_open(&model, path), STK_ERR_FORMAT);
    assert_non_null(strstr(stk_error_text(), "is damaged (density_grid_torso)"));
    stk_free(made->extra.torso_grid);
    made->extra.torso_grid = NULL;
    TEST_OK(save_stk(path, made));
    assert_int_equal(stk_model_open(&model, path), STK_ERR_FORMAT);
    assert_non_null(strstr(stk_error_text(), "it has no torso grid"));
    made->extra.torso_grid = stk_calloc_aligned(STK_TORSO_GRID_CELLS, sizeof(float));
    made->extra.mean_density = INFINITY;
    TEST_OK(save_stk(path, made));
    assert_int_equal(stk_model_open(&model, path), STK_ERR_FORMAT);
    assert_non_null(strstr(stk_error_text(), "a mean density is not a number"));
    assert_null(model);
    stk_model_close(&made);
}

/* --- one thing wrong -------------------------------------------------------------------------- */

enum fault { DROP, RENAME, FLATTEN, HALVE, PUT, ADD };

typedef struct change {
    enum fault fault;
    const char *name;
    float value;      /* PUT: as the last element */
    int64_t shape[2]; /* ADD: zeros */
} change;

/* Copies the checkpoint with the change; prefix goes in front of every name. */
static void copy_changed(const char *from, const char *to, const change *c, const char *prefix) {
    stk_state_dict *dict;
    stk_pth_writer *writer;
    void *blocks[TENSORS_MAX] = {0};
    TEST_OK(stk_state_dict_open(&dict, from));
    TEST_OK(stk_pth_writer_create(&writer, to)); /* a bare state dict */
    for (int i = 0; i < stk_state_dict_count(dict); i++) {
        stk_state_tensor t = *stk_state_dict_at(dict, i);
        int hit = c != NULL && strcmp(t.name, c->name) == 0;
        char name[128];
        blocks[i] = stk_calloc_aligned((size_t)t.count, 8);
        TEST_OK(stk_state_dict_read(dict, &t, blocks[i]));
        snprintf(name, sizeof name, "%s%s%s", prefix, t.name,
                 hit && c->fault == RENAME ? ".old" : "");
        if (hit && c->fault == FLATTEN) t.shape[0] = t.count, t.rank = 1;
        if (hit && c->fault == HALVE) t.dtype = STK_F16;
        if (hit && c->fault == PUT)
            memcpy((float *)blocks[i] + t.count - 1, &c->value, sizeof c->value);
        if (!hit || c->fault != DROP)
            TEST_OK(stk_pth_writer_tensor(writer, name, t.dtype, t.rank, t.shape, blocks[i]));
    }
    if (c != NULL && c->fault == ADD) {
        void *zeros = stk_calloc_aligned((size_t)(c->shape[0] * c->shape[1]), 4);
        blocks[TENSORS_MAX - 1] = zeros;
        TEST_OK(stk_pth_writer_tensor(writer, c->name, STK_F32, 2, c->shape, zeros));
    }
    TEST_OK(stk_pth_writer_finish(&writer));
    for (int i = 0; i < TENSORS_MAX; i++) stk_free(blocks[i]);
    stk_state_dict_close(&dict);
}

static void save_sound(const stk_model_config *config) {
    stk_model *made = make_model(config, 0);
    stk_notes notes = {0};
    TEST_OK(stk_published_save(in_folder("sound.pth"), made, 0, &notes));
    stk_model_close(&made);
}

static void assert_refused(const change *c, stk_status status, const char *part) {
    stk_model *model;
    stk_notes notes = {0};
    const char *path = in_folder("changed.pth");
    copy_changed(in_folder("sound.pth"), path, c, "");
    stk_status found = stk_published_open(&model, path, 0, &notes);
    assert_null(model);
    if (found != status || strstr(stk_error_text(), part) == NULL)
        fail_msg("%s: status %d, \"%s\" instead of %d, \"%s\"", c->name, found, stk_error_text(),
                 status, part);
    assert_non_null(strstr(stk_error_text(), path));
    assert_null(strchr(stk_error_text(), '\n'));
}

static void checkpoint_with_a_wrong_tensor_is_refused(void **state) {
    (void)state;
    static const struct {
        change change;
        stk_status status;
        const char *part;
    } cases[] = {
        {{.fault = DROP, .name = "color_net.net.0.weight"},
         STK_ERR_MISMATCH,
         "tensor color_net.net.0.weight is missing, expected F32 [64,84]"},
        {{.fault = RENAME, .name = "density_bitfield"},
         STK_ERR_MISMATCH,
         "tensor density_bitfield is missing, expected U8 [262144]"},
        {{.fault = FLATTEN, .name = "audio_att_net.attentionNet.0.weight"},
         STK_ERR_MISMATCH,
         "tensor audio_att_net.attentionNet.0.weight is F32 [64], expected F32 [8,8]"},
        {{.fault = FLATTEN, .name = "eye_att_net.net.1.weight"},
         STK_ERR_MISMATCH,
         "tensor eye_att_net.net.1.weight is F32 [448], expected F32 [7,64], [4,64]"},
        {{.fault = FLATTEN, .name = "encoder_xy.embeddings"},
         STK_ERR_MISMATCH,
         "tensor encoder_xy.embeddings is F32 ["},
        {{.fault = FLATTEN, .name = "individual_codes"},
         STK_ERR_MISMATCH,
         "tensor individual_codes is F32 [80000], expected F32 [N,4]"},
        {{.fault = HALVE, .name = "sigma_net.net.1.weight"},
         STK_ERR_MISMATCH,
         "tensor sigma_net.net.1.weight is F16 [64,64], expected F32 [64,64]"},
        {{.fault = HALVE, .name = "audio_net.encoder_conv.0.weight"},
         STK_ERR_MISMATCH,
         "tensor audio_net.encoder_conv.0.weight is F16 [32,29,3], expected F32 [32,C,3]"},
        {{.fault = PUT, .name = "unc_net.net.1.weight", .value = NAN},
         STK_ERR_NUMERIC,
         "tensor unc_net.net.1.weight holds values that are not numbers"},
        {{.fault = PUT, .name = "individual_codes", .value = INFINITY},
         STK_ERR_NUMERIC,
         "tensor individual_codes holds values that are not numbers"},
        {{.fault = PUT, .name = "encoder_xz.embeddings", .value = 1e7f},
         STK_ERR_NUMERIC,
         "beyond 1e6"},
        {{.fault = PUT, .name = "aabb_train", .value = 2},
         STK_ERR_UNSUPPORTED,
         "tensor aabb_train does not hold the box of --bound 1"},
        {{.fault = PUT, .name = "encoder_xz.offsets", .value = 1},
         STK_ERR_UNSUPPORTED,
         "tensor encoder_xz.offsets does not hold the offsets"},
        {{.fault = ADD, .name = "density_grid", .shape = {2, STK_GRID_CELLS}},
         STK_ERR_MISMATCH,
         "tensor density_grid is F32 [2,2097152], expected F32 [1,2097152]"},
        {{.fault = ADD, .name = "embedding.weight", .shape = {28, 29}},
         STK_ERR_MISMATCH,
         "tensor embedding.weight is F32 [28,29], expected F32 [29,29]"},
        {{.fault = ADD, .name = "anchor_points", .shape = {3, 4}},
         STK_ERR_MISMATCH,
         "tensor individual_codes_torso is missing, expected F32 [N,8]"},
        {{.fault = ADD, .name = "camera_dT", .shape = {4, 2}},
         STK_ERR_MISMATCH,
         "tensor camera_dT is F32 [4,2], expected F32 [N,3]"},
        {{.fault = DROP, .name = "encoder_xy.embeddings"},
         STK_ERR_MISMATCH,
         "is not a SyncTalk checkpoint: tensor encoder_xy.embeddings is missing"},
    };
    const stk_model_config config = {STK_AUDIO_DEEPSPEECH, LEVELS, 7, ROWS, 0};
    save_sound(&config);
    for (size_t i = 0; i < STK_ARRAY_SIZE(cases); i++)
        assert_refused(&cases[i].change, cases[i].status, cases[i].part);
}

static void checkpoint_of_the_predecessor_is_refused(void **state) {
    (void)state;
    const stk_model_config config = {STK_AUDIO_DEEPSPEECH, LEVELS, 1, ROWS, 0};
    save_sound(&config);
    const change codes = {.fault = ADD, .name = "individual_codes", .shape = {10000, 4}};
    assert_refused(&codes, STK_ERR_UNSUPPORTED, "is an ER-NeRF checkpoint");
}

static void averages_of_a_plain_checkpoint_are_refused(void **state) {
    (void)state;
    const stk_model_config config = {STK_AUDIO_AVE, LEVELS, 7, ROWS, 0};
    stk_model *model;
    stk_notes notes = {0};
    save_sound(&config);
    assert_int_equal(stk_published_open(&model, in_folder("sound.pth"), 1, &notes),
                     STK_ERR_CONTENT);
    assert_non_null(strstr(stk_error_text(), "holds no averaged weights"));
    assert_null(model);
}

static void bare_and_wrapped_state_dicts_are_read(void **state) {
    (void)state;
    const stk_model_config config = {STK_AUDIO_AVE, LEVELS, 7, ROWS, 0};
    stk_model *sound, *bare;
    stk_notes notes = {0};
    save_sound(&config);
    TEST_OK(stk_published_open(&sound, in_folder("sound.pth"), 0, &notes));
    sound->steps = 0; /* a bare dictionary has no numbers */
    const change more = {.fault = ADD, .name = "lpips.weight", .shape = {1, 2}};
    copy_changed(in_folder("sound.pth"), in_folder("bare.pth"), &more, "module.");
    memset(&notes, 0, sizeof notes);
    TEST_OK(stk_published_open(&bare, in_folder("bare.pth"), 0, &notes));
    assert_same_model(sound, bare);
    assert_non_null(strstr(notes.text, "left out: 1 tensor that no published variant has: lpips"));
    stk_model_close(&bare);
    stk_model_close(&sound);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encoder_comes_back),
        cmocka_unit_test(every_variant_comes_back),
        cmocka_unit_test(normalised_mel_has_no_published_form),
        cmocka_unit_test(everything_a_checkpoint_can_hold_comes_back),
        cmocka_unit_test(trailing_zero_rows_are_trimmed),
        cmocka_unit_test(save_is_the_same_bytes),
        cmocka_unit_test(model_without_performance_says_so),
        cmocka_unit_test(open_damaged_model_never_crashes),
        cmocka_unit_test(open_impossible_extra_is_refused),
        cmocka_unit_test(checkpoint_with_a_wrong_tensor_is_refused),
        cmocka_unit_test(checkpoint_of_the_predecessor_is_refused),
        cmocka_unit_test(averages_of_a_plain_checkpoint_are_refused),
        cmocka_unit_test(bare_and_wrapped_state_dicts_are_read),
    };
    return cmocka_run_group_tests(tests, make_folder, NULL);
}
