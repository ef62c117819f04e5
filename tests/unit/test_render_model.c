/* The model file: what is saved is opened again bit for bit; hundreds of damaged copies of it and
 * of a training state are answered with a status and a sentence, never a crash. Then the two small
 * rules of the render loop: the order of source frames, and the audio window. */
#include "support.h"
#include "synthetic_subject.h"
#include "base/file.h"
#include "base/memory.h"
#include "media/media.h"
#include "render/model.h"
#include "render/render.h"
#include "render/voice.h"
#include "train/internal.h"

#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { FRAMES = 6, LEVELS = 2, CODE_ROWS = 5, WIDTH = 64, HEIGHT = 48 };
static const char TORSO[] = "these bytes stand for the film of the torso";
static char folder[STK_PATH_MAX], model_path[STK_PATH_MAX], torso_path[STK_PATH_MAX];
static stk_nets nets;
static stk_performance performance;
static uint8_t *bits;

static void fill_performance(stk_rng *rng) {
    performance = (stk_performance){.frames = FRAMES,
                                    .train_frames = 5,
                                    .width = WIDTH,
                                    .height = HEIGHT,
                                    .camera = {120.5f, 31.5f, 24.25f, WIDTH, HEIGHT},
                                    .head_rect = {8, 2, 56, 48},
                                    .subject_name = "a \"quoted\" n\xc3\xa4me"};
    stk_sha256("subject", 7, performance.subject_identity);
    performance.poses = stk_calloc_aligned(FRAMES, sizeof *performance.poses);
    performance.expressions = stk_calloc_aligned(FRAMES, sizeof *performance.expressions);
    assert_true(performance.poses != NULL && performance.expressions != NULL);
    for (int i = 0; i < FRAMES; i++) {
        const float c = cosf(0.1f * (float)i), d = sinf(0.1f * (float)i);
        performance.poses[i] = (stk_pose){{c, 0, d, 0, 1, 0, -d, 0, c}, {0, 0, -0.6f}};
        for (int k = 0; k < 3; k++) performance.poses[i].t[k] += 0.1f * stk_rng_float(rng);
        for (int k = 0; k < STK_EXPRESSIONS; k++)
            performance.expressions[i][k] = stk_rng_float(rng);
    }
}

static stk_model_contents contents(void) {
    return (stk_model_contents){.nets = &nets,
                                .values = nets.params.value,
                                .performance = &performance,
                                .bits = bits,
                                .torso_path = torso_path,
                                .steps = 5000000000};
}

static int save_a_model(void **state) {
    (void)state;
    stk_rng rng;
    stk_rng_seed(&rng, 5, 1);
    snprintf(folder, sizeof folder, "%s", test_temporary_folder());
    TEST_OK(stk_path_join(model_path, sizeof model_path, folder, "a.stk"));
    TEST_OK(stk_path_join(torso_path, sizeof torso_path, folder, "torso.mp4"));
    TEST_OK(stk_file_write(torso_path, TORSO, sizeof TORSO));
    const stk_model_config config = {STK_AUDIO_MEL, LEVELS, STK_EXPRESSIONS, CODE_ROWS, 0};
    TEST_OK(stk_nets_init(&nets, &config, 0));
    stk_nets_randomise(&nets, &rng);
    fill_performance(&rng);
    bits = stk_calloc_aligned(1, STK_GRID_BYTES);
    assert_non_null(bits);
    for (int i = 0; i < STK_GRID_BYTES; i++) bits[i] = (uint8_t)stk_rng_u32(&rng);
    nets.heard.known = 1;
    for (int i = 0; i < STK_CODE_RANGE_ROWS; i++)
        for (int k = 0; k < STK_AUDIO_CODE; k++) nets.heard.rows[i][k] = stk_rng_float(&rng) - 0.5f;
    nets.closed_known = 1;
    for (int k = 0; k < STK_AUDIO_CODE; k++) nets.closed[k] = stk_rng_float(&rng) - 0.5f;
    const stk_model_contents all = contents();
    TEST_OK(stk_model_save(model_path, &all));
    return 0;
}

static int forget_the_model(void **state) {
    (void)state;
    stk_nets_clear(&nets);
    stk_free(performance.poses);
    stk_free(performance.expressions);
    stk_free(bits);
    return 0;
}

/* --- round trip ------------------------------------------------------------------------------ */

static void open_saved_model_is_equal(void **state) {
    (void)state;
    stk_model *model;
    char hash[STK_SHA256_TEXT];
    TEST_OK(stk_model_open(&model, model_path));
    const stk_params *a = &nets.params, *b = &model->nets.params;
    assert_memory_equal(&model->nets.config, &nets.config, sizeof nets.config);
    assert_int_equal(a->n, b->n);
    assert_int_equal(a->total, b->total);
    for (int i = 0; i < a->n; i++) /* the probe is used in training only and not stored */
        if (i != nets.lip_weight && i != nets.lip_bias)
            assert_memory_equal(stk_params_value(a, i), stk_params_value(b, i),
                                a->list[i].count * sizeof(float));
    const stk_performance *p = &model->performance;
    assert_int_equal(p->frames, FRAMES);
    assert_int_equal(p->train_frames, performance.train_frames);
    assert_int_equal(p->width, WIDTH);
    assert_int_equal(p->height, HEIGHT);
    assert_memory_equal(&p->camera, &performance.camera, sizeof p->camera);
    assert_memory_equal(&p->head_rect, &performance.head_rect, sizeof p->head_rect);
    assert_memory_equal(p->poses, performance.poses, FRAMES * sizeof *p->poses);
    assert_memory_equal(p->expressions, performance.expressions, FRAMES * sizeof *p->expressions);
    assert_string_equal(p->subject_name, performance.subject_name);
    assert_string_equal(p->subject_identity, performance.subject_identity);
    assert_memory_equal(model->bits, bits, STK_GRID_BYTES);
    assert_int_equal(model->torso_bytes, sizeof TORSO);
    assert_memory_equal(model->torso_mp4, TORSO, sizeof TORSO);
    assert_true(model->steps == 5000000000);
    assert_true(model->nets.heard.known);
    assert_memory_equal(model->nets.heard.rows, nets.heard.rows, sizeof nets.heard.rows);
    assert_true(model->nets.closed_known);
    assert_memory_equal(model->nets.closed, nets.closed, sizeof nets.closed);
    TEST_OK(stk_sha256_file(model_path, hash));
    assert_string_equal(model->hash, hash);
    stk_model_close(&model);
    assert_null(model);
    stk_model_close(&model);
}

/* Older programs, which would let sound and expression act everywhere, refuse it by its version. */
static void open_saved_region_mask_is_equal_or_refused(void **state) {
    (void)state;
    const stk_region_mask mask = {1, {-2, 0.5f, 0, 0.75f}, {2, 0, 0.25f, 0.125f}};
    char path[STK_PATH_MAX];
    stk_model *model;
    TEST_OK(stk_path_join(path, sizeof path, folder, "mask.stk"));
    nets.field.shape.mask = mask;
    const stk_model_contents all = contents();
    TEST_OK(stk_model_save(path, &all));
    nets.field.shape.mask.on = 0;
    TEST_OK(stk_model_open(&model, path));
    assert_memory_equal(&model->nets.field.shape.mask, &mask, sizeof mask);
    assert_string_equal(stk_safetensors_metadata(model->file, "version"), "3");
    const char *tensor = stk_safetensors_find(model->file, "region_mask")->data;
    stk_map whole;
    TEST_OK(stk_map_open(&whole, path));
    size_t at = 0;
    while (memcmp(whole.data + at, tensor, 8 * sizeof(float)) != 0) at++;
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    const float bad = NAN;
    assert_int_equal(fseek(file, (long)at + 12, SEEK_SET), 0);
    assert_int_equal(fwrite(&bad, sizeof bad, 1, file), 1);
    fclose(file);
    stk_map_close(&whole);
    stk_model_close(&model);
    assert_int_equal(stk_model_open(&model, path), STK_ERR_FORMAT);
    assert_non_null(strstr(stk_error_text(), "region_mask"));
}

static void save_without_torso_leaves_no_file(void **state) {
    (void)state;
    char path[STK_PATH_MAX], absent[STK_PATH_MAX];
    TEST_OK(stk_path_join(path, sizeof path, folder, "b.stk"));
    TEST_OK(stk_path_join(absent, sizeof absent, folder, "absent.mp4"));
    stk_model_contents all = contents();
    all.torso_path = absent;
    assert_int_equal(stk_model_save(path, &all), STK_ERR_IO);
    assert_non_null(strstr(stk_error_text(), absent));
    assert_false(stk_file_exists(path));
}

/* --- damage ---------------------------------------------------------------------------------- */

typedef struct victim {
    char path[STK_PATH_MAX]; /* the copy that is damaged */
    uint8_t *sound;          /* its bytes when whole */
    size_t size, header;     /* bytes before the data */
    stk_trainer *trainer;    /* NULL: a model */
    int opened, refused;
} victim;

static void victim_init(victim *v, const char *original, const char *copy) {
    stk_map map;
    uint64_t length;
    *v = (victim){0};
    TEST_OK(stk_path_join(v->path, sizeof v->path, folder, copy));
    TEST_OK(stk_map_open(&map, original));
    v->size = map.size;
    v->sound = stk_calloc_aligned(1, map.size);
    assert_non_null(v->sound);
    memcpy(v->sound, map.data, map.size);
    memcpy(&length, map.data, sizeof length);
    v->header = sizeof length + (size_t)length;
    stk_map_close(&map);
    TEST_OK(stk_file_write(v->path, v->sound, v->size));
}

static void write_at(const victim *v, size_t at, const void *bytes, size_t n) {
    int fd = open(v->path, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, n, (off_t)at), (ssize_t)n);
    close(fd);
}

static void check_opened(const stk_model *model) {
    const stk_performance *p = &model->performance;
    const stk_rect *r = &p->head_rect;
    assert_true(p->frames >= 1 && p->train_frames >= 1 && p->train_frames <= p->frames);
    assert_true(r->x0 >= 0 && r->y0 >= 0 && r->x0 < r->x1 && r->y0 < r->y1 && r->x1 <= p->width &&
                r->y1 <= p->height);
    assert_non_null(model->torso_mp4);
}

/* Opens the damaged copy: either it opens, whole in shape, or there is a sentence that names it. */
static void try_open(victim *v, const char *how, size_t where) {
    stk_model *model = NULL;
    stk_error_put("");
    stk_status status = v->trainer != NULL ? stk_checkpoint_load(v->trainer, v->path)
                                           : stk_model_open(&model, v->path);
    if (status == STK_OK) {
        v->opened++;
        if (v->trainer == NULL) check_opened(model);
        stk_model_close(&model);
        return;
    }
    v->refused++;
    assert_null(model);
    if (strstr(stk_error_text(), v->path) == NULL)
        fail_msg("%s at %zu: status %d, but the sentence is \"%s\"", how, where, status,
                 stk_error_text());
}

static void flip_bits(victim *v, stk_rng *rng, size_t from, size_t to, int rounds) {
    for (int i = 0; i < rounds; i++) {
        size_t at = from + stk_rng_below(rng, (uint32_t)(to - from));
        uint8_t bad = v->sound[at] ^ (uint8_t)(1u << stk_rng_below(rng, 8));
        write_at(v, at, &bad, 1);
        try_open(v, "bit flip", at);
        write_at(v, at, &v->sound[at], 1);
    }
}

static const char JSON_BYTES[] = "0123456789[]{},:\"\\-e."; /* and NUL */

static void replace_bytes(victim *v, stk_rng *rng, size_t from, size_t to, int rounds) {
    for (int i = 0; i < rounds; i++) {
        uint8_t noise[4];
        size_t at = from + stk_rng_below(rng, (uint32_t)(to - from - sizeof noise));
        for (size_t k = 0; k < sizeof noise; k++)
            noise[k] = (uint8_t)JSON_BYTES[stk_rng_below(rng, sizeof JSON_BYTES)];
        write_at(v, at, noise, sizeof noise);
        try_open(v, "replaced bytes", at);
        write_at(v, at, v->sound + at, sizeof noise);
    }
}

/* Every length is refused: the format has no bytes to spare. */
static void truncate_everywhere(victim *v, stk_rng *rng, int rounds) {
    int opened = v->opened;
    for (int i = 0; i < rounds; i++) {
        size_t length = stk_rng_below(rng, (uint32_t)(i % 2 ? v->size : v->header + 64));
        if (i < 10) length = (size_t)i;
        assert_int_equal(truncate(v->path, (off_t)length), 0);
        try_open(v, "cut", length);
        write_at(v, length, v->sound + length, v->size - length);
    }
    assert_int_equal(truncate(v->path, (off_t)v->size + 1), 0);
    try_open(v, "one byte more", v->size);
    assert_int_equal(truncate(v->path, (off_t)v->size), 0);
    assert_int_equal(v->opened, opened);
}

static void victim_clear(victim *v, const char *what) {
    stk_free(v->sound);
    print_message("%s: %d damaged copies opened, %d refused\n", what, v->opened, v->refused);
    assert_true(v->refused > 0);
}

static void open_damaged_model_never_crashes(void **state) {
    (void)state;
    victim v;
    stk_rng rng;
    stk_rng_seed(&rng, 17, 2);
    victim_init(&v, model_path, "damaged.stk");
    flip_bits(&v, &rng, 0, 8, 30);
    flip_bits(&v, &rng, 8, v.header, 300);
    replace_bytes(&v, &rng, 8, v.header, 200);
    flip_bits(&v, &rng, v.header, v.size, 60);
    /* camera, poses, expressions and film lie at the end */
    const size_t tail = 4 * (9 + FRAMES * (12 + STK_EXPRESSIONS)) + sizeof TORSO;
    flip_bits(&v, &rng, v.size - tail, v.size, 100);
    truncate_everywhere(&v, &rng, 60);
    victim_clear(&v, "model");
}

static void load_damaged_training_state_never_crashes(void **state) {
    (void)state;
    char subject[STK_PATH_MAX], path[STK_PATH_MAX];
    TEST_OK(stk_path_join(subject, sizeof subject, folder, "disc"));
    TEST_OK(stk_path_join(path, sizeof path, folder, "whole.train"));
    TEST_OK(synthetic_subject_write(subject, 60, 64));
    const stk_train_settings settings = {.subject = subject,
                                         .threads = 2,
                                         .seed = 3,
                                         .rays = 256,
                                         .frames = 2,
                                         .lr_grid = 0.01f,
                                         .lr_net = 0.001f};
    stk_trainer *trainer;
    TEST_OK(stk_trainer_create(&trainer, &settings, NULL));
    TEST_OK(stk_trainer_step(trainer, 0.1));
    TEST_OK(stk_checkpoint_save(trainer, path));
    victim v;
    stk_rng rng;
    stk_rng_seed(&rng, 18, 2);
    victim_init(&v, path, "damaged.train");
    v.trainer = trainer;
    flip_bits(&v, &rng, 8, v.header, 150);
    replace_bytes(&v, &rng, 8, v.header, 100);
    flip_bits(&v, &rng, v.header, v.size, 20);
    truncate_everywhere(&v, &rng, 20);
    /* frame order, counters and clocks lie at the end; what loads can be stepped from */
    const size_t tail = 54 * 4 + 6 * 8 + 4 * 8;
    for (int i = 0; i < 30; i++) {
        int opened = v.opened;
        flip_bits(&v, &rng, v.size - tail, v.size, 1);
        if (v.opened == opened) continue;
        stk_status status = stk_trainer_step(trainer, 0.1);
        assert_true(status == STK_OK || status == STK_ERR_NUMERIC);
    }
    victim_clear(&v, "training state");
    stk_trainer_free(&trainer);
}

/* The range of the audio codes: as it should be, or refused. */
static void open_impossible_audio_range_is_refused(void **state) {
    (void)state;
    static const float bad[] = {NAN, INFINITY, 1e30f};
    const size_t bytes = sizeof nets.heard.rows;
    victim v;
    victim_init(&v, model_path, "range.stk");
    size_t at = v.header;
    while (at + bytes < v.size && memcmp(v.sound + at, nets.heard.rows, bytes) != 0) at++;
    assert_true(at + bytes < v.size);
    stk_model *model;
    for (size_t i = 0; i < STK_ARRAY_SIZE(bad); i++)
        for (size_t place = 0; place < bytes; place += bytes - sizeof(float)) {
            write_at(&v, at + place, &bad[i], sizeof(float));
            assert_int_equal(stk_model_open(&model, v.path), STK_ERR_FORMAT);
            assert_non_null(strstr(stk_error_text(), "audio_range"));
            write_at(&v, at + place, v.sound + at + place, sizeof(float));
        }
    stk_free(v.sound);
}

/* Well-formed, but no picture could come of it. */
static void open_impossible_numbers_is_refused(void **state) {
    (void)state;
    static const float bad[] = {NAN, INFINITY, -1e30f, 150};
    victim v;
    victim_init(&v, model_path, "impossible.stk");
    const size_t rows = FRAMES * (12 + STK_EXPRESSIONS) * sizeof(float);
    const size_t poses = v.size - sizeof TORSO - rows, pose = poses + 2 * sizeof(stk_pose);
    const size_t expression = poses + FRAMES * sizeof(stk_pose) + 8;
    assert_memory_equal(v.sound + poses, performance.poses, FRAMES * sizeof(stk_pose));
    stk_model *model;
    for (size_t i = 0; i < STK_ARRAY_SIZE(bad); i++) {
        for (size_t k = 0; k < 12; k++) {
            const size_t at = pose + k * sizeof(float);
            write_at(&v, at, &bad[i], sizeof(float));
            assert_int_equal(stk_model_open(&model, v.path), STK_ERR_FORMAT);
            assert_non_null(strstr(stk_error_text(), "the pose of frame 2 is impossible"));
            write_at(&v, at, v.sound + at, sizeof(float));
        }
    }
    write_at(&v, expression, &bad[0], sizeof(float));
    assert_int_equal(stk_model_open(&model, v.path), STK_ERR_FORMAT);
    assert_non_null(strstr(stk_error_text(), "an expression is not a number"));
    write_at(&v, expression, v.sound + expression, sizeof(float));
    write_at(&v, v.header + 4, &bad[1], sizeof(float)); /* parameters come first */
    assert_int_equal(stk_model_open(&model, v.path), STK_ERR_FORMAT);
    assert_non_null(strstr(stk_error_text(), "a weight is not a number"));
    stk_free(v.sound);
}

static void open_newer_version_is_unsupported(void **state) {
    (void)state;
    static const char key[] = "\"version\":\"1\"";
    victim v;
    victim_init(&v, model_path, "newer.stk");
    const uint8_t *hit = memmem(v.sound, v.header, key, sizeof key - 1);
    assert_non_null(hit);
    write_at(&v, (size_t)(hit - v.sound) + sizeof key - 3, "4", 1);
    stk_model *model;
    assert_int_equal(stk_model_open(&model, v.path), STK_ERR_UNSUPPORTED);
    assert_null(model);
    assert_non_null(strstr(stk_error_text(), "format version 4, this program reads up to 3"));
    stk_free(v.sound);
}

static void open_something_else_is_refused(void **state) {
    (void)state;
    stk_model *model;
    char absent[STK_PATH_MAX];
    TEST_OK(stk_path_join(absent, sizeof absent, folder, "absent.stk"));
    assert_int_equal(stk_model_open(&model, absent), STK_ERR_IO);
    assert_int_equal(stk_model_open(&model, torso_path), STK_ERR_FORMAT);
    assert_int_equal(stk_model_open(&model, folder), STK_ERR_FORMAT);
    assert_null(model);
}

/* --- frame order and audio window ------------------------------------------------------------ */

static void mirror_index_runs_forth_and_back(void **state) {
    (void)state;
    static const int expected[] = {0, 1, 2, 2, 1, 0, 0, 1, 2, 2};
    for (int i = 0; i < 10; i++) assert_int_equal(stk_mirror_index(i, 3), expected[i]);
    for (int i = 0; i < 5; i++) assert_int_equal(stk_mirror_index(i, 1), 0);
    for (int i = 0; i < 1000; i++) { /* neighbours in time are neighbours in the source */
        int step = stk_mirror_index(i + 1, 7) - stk_mirror_index(i, 7);
        assert_true(step >= -1 && step <= 1);
    }
    assert_in_range(stk_mirror_index(INT_MAX, 5400), 0, 5399);
    assert_in_range(stk_mirror_index(INT_MAX, INT_MAX), 0, INT_MAX - 1);
}

/* Row k of the window is row frame - 4 + k, NULL outside. */
static void audio_window_outside_the_sound_is_null(void **state) {
    (void)state;
    enum { ROWS = 10, FLOATS = 3 };
    static const float rows[ROWS * FLOATS];
    static const int frames[] = {-100, -4, -3, 0, 1, 4, 5, 9, 10, 13, 14, 100};
    for (size_t f = 0; f < STK_ARRAY_SIZE(frames); f++) {
        const float *window[STK_AUDIO_WINDOW];
        stk_audio_window(rows, ROWS, FLOATS, frames[f], window);
        for (int k = 0; k < STK_AUDIO_WINDOW; k++) {
            int row = frames[f] - 4 + k;
            const float *expected = row < 0 || row >= ROWS ? NULL : rows + row * FLOATS;
            assert_ptr_equal(window[k], expected);
        }
        stk_audio_window(rows, 0, FLOATS, frames[f], window);
        for (int k = 0; k < STK_AUDIO_WINDOW; k++) assert_null(window[k]);
    }
}

static void write_tone(const char *path, int64_t count) {
    stk_sound sound = {stk_calloc_aligned((size_t)count, sizeof(float)), count, STK_SAMPLE_RATE};
    assert_non_null(sound.samples);
    for (int64_t i = 0; i < count; i++) sound.samples[i] = 0.3f * sinf(2e-6f * (float)i * (float)i);
    TEST_OK(stk_sound_write_wav(path, &sound));
    stk_free(sound.samples);
}

/* A range of the mean alone: that is what every sound gives. */
static void voice_code_is_brought_into_the_range_of_training(void **state) {
    (void)state;
    char path[STK_PATH_MAX];
    float code[STK_AUDIO_CODE];
    const stk_code_range was = nets.heard;
    TEST_OK(stk_path_join(path, sizeof path, folder, "range.wav"));
    write_tone(path, 20 * (STK_SAMPLE_RATE / STK_FPS));
    stk_voice *voice;
    nets.heard = (stk_code_range){.known = 1};
    for (int k = 0; k < STK_AUDIO_CODE; k++) nets.heard.rows[0][k] = 0.5f * (float)k;
    TEST_OK(stk_voice_open(&voice, &(stk_voice_source){.sound = path}, &nets));
    stk_voice_code(voice, nets.params.value, 9, code);
    for (int k = 0; k < STK_AUDIO_CODE; k++) assert_float_equal(code[k], 0.5f * (float)k, 1e-6);
    nets.heard.known = 0;
    stk_voice_code(voice, nets.params.value, 9, code);
    assert_true(fabsf(code[31] - 15.5f) > 1);
    stk_voice_close(&voice);
    nets.heard = was;
}

static void voice_code_does_not_depend_on_the_order(void **state) {
    (void)state;
    enum { TONE_FRAMES = 40, STRIDE = 17 }; /* coprime: every frame is asked for */
    char path[STK_PATH_MAX];
    static float in_order[TONE_FRAMES][STK_AUDIO_CODE];
    float code[STK_AUDIO_CODE], beyond[STK_AUDIO_CODE];
    TEST_OK(stk_path_join(path, sizeof path, folder, "tone.wav"));
    write_tone(path, TONE_FRAMES * (STK_SAMPLE_RATE / STK_FPS) + 300); /* rounds to the nearest */
    stk_voice *voice;
    TEST_OK(stk_voice_open(&voice, &(stk_voice_source){.sound = path}, &nets));
    assert_int_equal(stk_voice_frames(voice), TONE_FRAMES);
    for (int i = 0; i < TONE_FRAMES; i++) stk_voice_code(voice, nets.params.value, i, in_order[i]);
    for (int i = 0; i < TONE_FRAMES; i++) {
        int frame = i * STRIDE % TONE_FRAMES;
        stk_voice_code(voice, nets.params.value, frame, code);
        assert_memory_equal(code, in_order[frame], sizeof code);
    }
    assert_memory_not_equal(in_order[5], in_order[25], sizeof code);
    /* a window wholly outside is silence, on either side */
    stk_voice_code(voice, nets.params.value, TONE_FRAMES + 4, code);
    stk_voice_code(voice, nets.params.value, -4, beyond);
    assert_memory_equal(code, beyond, sizeof code);
    stk_voice_close(&voice);
    assert_null(voice);
}

static void voice_that_cannot_be_heard_is_refused(void **state) {
    (void)state;
    char path[STK_PATH_MAX];
    stk_voice *voice;
    TEST_OK(stk_path_join(path, sizeof path, folder, "short.wav"));
    write_tone(path, 2000);
    assert_int_equal(stk_voice_open(&voice, &(stk_voice_source){.sound = path}, &nets),
                     STK_ERR_CONTENT);
    assert_non_null(strstr(stk_error_text(), "shorter than"));
    assert_int_equal(stk_voice_open(&voice, &(stk_voice_source){.sound = "/nowhere/at.wav"}, &nets),
                     STK_ERR_IO);
    stk_nets deaf = {.config = {.audio_kind = STK_AUDIO_HUBERT}};
    assert_int_equal(stk_voice_open(&voice, &(stk_voice_source){.sound = path}, &deaf),
                     STK_ERR_UNSUPPORTED);
    assert_null(voice);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(open_saved_model_is_equal),
        cmocka_unit_test(open_saved_region_mask_is_equal_or_refused),
        cmocka_unit_test(save_without_torso_leaves_no_file),
        cmocka_unit_test(open_damaged_model_never_crashes),
        cmocka_unit_test(load_damaged_training_state_never_crashes),
        cmocka_unit_test(open_impossible_audio_range_is_refused),
        cmocka_unit_test(open_impossible_numbers_is_refused),
        cmocka_unit_test(open_newer_version_is_unsupported),
        cmocka_unit_test(open_something_else_is_refused),
        cmocka_unit_test(mirror_index_runs_forth_and_back),
        cmocka_unit_test(audio_window_outside_the_sound_is_null),
        cmocka_unit_test(voice_code_is_brought_into_the_range_of_training),
        cmocka_unit_test(voice_code_does_not_depend_on_the_order),
        cmocka_unit_test(voice_that_cannot_be_heard_is_refused),
    };
    return cmocka_run_group_tests(tests, save_a_model, forget_the_model);
}
