/* bench_torch.c - the same network in PyTorch: runs scripts/torch_reference.py on the model and on
 * points evaluated here, and sets its speeds beside ours.
 *
 *   model, points.safetensors (xyz, dir, conditions, our sigma and rgb) -> python3 SCRIPT -> JSON
 *
 * The points are evaluated by the plain-C twins, which all variants are tested against.
 */
#include "api/bench.h"
#include "base/cpu.h"
#include "base/memory.h"
#include "base/rng.h"
#include "nn/safetensors.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { POINTS = 4096, OUTPUT_MAX = 1 << 14, QUOTED_MAX = STK_PATH_MAX };

/* --- points ----------------------------------------------------------------------------------- */

/* Rows as the file has them. */
typedef struct points {
    float xyz[POINTS][3], dir[POINTS][3], sigma[POINTS], rgb[POINTS][3];
    STK_ALIGNED(64) float audio[STK_AUD], exp[16], code[16];
} points;

static void draw_points(points *p, const stk_bench_session *b) {
    static const float half[3] = {0.9f, 0.45f, 0.9f}; /* within the field's box */
    const stk_model *model = b->isas[0].model;
    const stk_nets *nets = &model->nets;
    stk_rng rng;
    stk_rng_seed(&rng, 7, 1);
    for (int i = 0; i < POINTS; i++) {
        float d[3], square = 0;
        for (int k = 0; k < 3; k++) {
            p->xyz[i][k] = (2 * stk_rng_float(&rng) - 1) * half[k];
            d[k] = stk_rng_normal(&rng);
            square += d[k] * d[k];
        }
        for (int k = 0; k < 3; k++) p->dir[i][k] = d[k] / sqrtf(square + 1e-20f);
    }
    memcpy(p->audio, b->code, sizeof p->audio);
    memcpy(p->exp, model->performance.expressions[b->frame], STK_EXPRESSIONS * sizeof(float));
    memcpy(p->code, stk_params_value(&nets->params, nets->field.codes), STK_CODE * sizeof(float));
}

static void evaluate_tile(points *p, const stk_nets *nets, const stk_field_kernels *kernels,
                          int tile) {
    static const uint16_t rows[STK_TILE];
    STK_ALIGNED(64) float xyz[3][STK_TILE], dir[3][STK_TILE], rgb[3][STK_TILE];
    STK_ALIGNED(64) float sigma[STK_TILE], aud[STK_TILE], exp[STK_TILE];
    stk_field_weights weights;
    stk_field_weights_view(&nets->field, &nets->params, nets->params.value, &weights);
    const stk_field_cond cond = {p->audio, p->exp, p->code};
    for (int s = 0; s < STK_TILE; s++)
        for (int k = 0; k < 3; k++) {
            xyz[k][s] = p->xyz[tile * STK_TILE + s][k];
            dir[k][s] = p->dir[tile * STK_TILE + s][k];
        }
    const stk_field_in in = {xyz[0], dir[0], rows, STK_TILE};
    stk_field_out out = {sigma, rgb[0], aud, exp, NULL};
    kernels->forward(&nets->field.shape, &weights, &cond, &in, NULL, &out);
    for (int s = 0; s < STK_TILE; s++) {
        p->sigma[tile * STK_TILE + s] = sigma[s];
        for (int k = 0; k < 3; k++) p->rgb[tile * STK_TILE + s][k] = rgb[k][s];
    }
}

static stk_status save_points(const points *p, int expressions, const char *path) {
    const struct {
        const char *name;
        const float *data;
        int rank;
        int64_t shape[2];
    } tensors[] = {{"xyz", p->xyz[0], 2, {POINTS, 3}},   {"dir", p->dir[0], 2, {POINTS, 3}},
                   {"sigma", p->sigma, 1, {POINTS, 1}},  {"rgb", p->rgb[0], 2, {POINTS, 3}},
                   {"audio", p->audio, 1, {STK_AUD, 1}}, {"exp", p->exp, 1, {expressions, 1}},
                   {"code", p->code, 1, {STK_CODE, 1}}};
    stk_safetensors_writer *writer;
    STK_TRY(stk_safetensors_writer_create(&writer, path));
    stk_status status = STK_OK;
    for (size_t i = 0; status == STK_OK && i < STK_ARRAY_SIZE(tensors); i++)
        status = stk_safetensors_writer_declare(writer, tensors[i].name, STK_F32, tensors[i].rank,
                                                tensors[i].shape);
    for (size_t i = 0; status == STK_OK && i < STK_ARRAY_SIZE(tensors); i++) {
        const int64_t *shape = tensors[i].shape;
        status = stk_safetensors_writer_data(writer, tensors[i].data,
                                             (size_t)(shape[0] * shape[1]) * sizeof(float));
    }
    if (status == STK_OK) return stk_safetensors_writer_finish(&writer);
    stk_safetensors_writer_discard(&writer);
    return status;
}

static stk_status write_points(const stk_bench_session *b, const char *path) {
    const stk_nets *nets = &b->isas[0].model->nets;
    points *p = stk_calloc_aligned(1, sizeof *p);
    if (p == NULL) return stk_fail_memory("points");
    stk_field_kernels kernels;
    stk_cpu_set_mask(0);
    stk_field_kernels_init(&kernels);
    draw_points(p, b);
    for (int tile = 0; tile < POINTS / STK_TILE; tile++) evaluate_tile(p, nets, &kernels, tile);
    stk_status status = save_points(p, nets->field.shape.exp, path);
    stk_free(p);
    return status;
}

/* --- the other process ------------------------------------------------------------------------ */

/* 'text' for the shell. */
static stk_status quote(const char *text, char out[QUOTED_MAX]) {
    size_t n = 0;
    out[n++] = '\'';
    for (; *text != '\0' && n < QUOTED_MAX - 8; text++) {
        if (*text == '\'') {
            memcpy(out + n, "'\\''", 4);
            n += 4;
        } else {
            out[n++] = *text;
        }
    }
    out[n++] = '\'';
    out[n] = '\0';
    return *text == '\0' ? STK_OK : stk_fail(STK_ERR_ARGUMENT, "the path is too long");
}

/* Runs the script; what it printed, parsed. Owned by the caller: cJSON_Delete. */
static stk_status run_script(const stk_bench_session *b, const char *file, double seconds,
                             cJSON **answer) {
    char script[QUOTED_MAX], model[QUOTED_MAX], quoted[QUOTED_MAX];
    char command[3 * QUOTED_MAX + 128], *output = stk_calloc_aligned(1, OUTPUT_MAX);
    if (output == NULL) return stk_fail_memory("output");
    stk_status status = quote(b->options->torch, script);
    if (status == STK_OK) status = quote(b->options->model, model);
    if (status == STK_OK) status = quote(file, quoted);
    if (status == STK_OK) {
        snprintf(command, sizeof command,
                 "\"${PYTHON:-/usr/bin/python3}\" %s %s --points %s --seconds %.1f --threads %d",
                 script, model, quoted, seconds, b->threads[0]);
        FILE *pipe = popen(command, "r");
        size_t got = pipe != NULL ? fread(output, 1, OUTPUT_MAX - 1, pipe) : 0;
        const int ended = pipe != NULL ? pclose(pipe) : -1;
        output[got] = '\0';
        *answer = ended == 0 ? cJSON_Parse(output) : NULL;
        if (*answer == NULL && stk_job_aborted(b->job)) /* Ctrl-C reaches both processes */
            status = stk_fail(STK_ERR_ABORTED, "stopped while PyTorch was measured");
        else if (*answer == NULL)
            status = stk_fail(STK_ERR_UNSUPPORTED,
                              "%s: failed (it needs python3-torch and python3-numpy; see what it "
                              "said)",
                              b->options->torch);
    }
    stk_free(output);
    return status;
}

static double number(const cJSON *object, const char *key) {
    const cJSON *value = cJSON_GetObjectItem(object, key);
    return cJSON_IsNumber(value) ? value->valuedouble : 0;
}

/* Ours for the same work: the first row of that name has the best set and the most threads. */
static double our_rate(const stk_bench_session *b, const char *what) {
    const cJSON *row;
    cJSON_ArrayForEach(row, cJSON_GetObjectItem(b->report, "kernels")) {
        const cJSON *name = cJSON_GetObjectItem(row, "what");
        if (cJSON_IsString(name) && strcmp(name->valuestring, what) == 0)
            return number(row, "samples_per_s");
    }
    return 0;
}

/* 0 = was not measured. */
static void put_or_null(cJSON *row, const char *key, double value) {
    if (value > 0)
        stk_bench_put(row, key, value);
    else
        cJSON_AddNullToObject(row, key);
}

static void report_answer(stk_bench_session *b, const cJSON *answer) {
    /* theirs, ours: what rendering runs, and a training step */
    static const char *const slots[] = {"inference", "step"};
    static const char *const ours_of[] = {"radiance", "step"};
    for (size_t i = 0; i < STK_ARRAY_SIZE(slots); i++) {
        const cJSON *theirs = cJSON_GetObjectItem(answer, slots[i]);
        const double rate = number(theirs, "samples_per_s"), ours = our_rate(b, ours_of[i]);
        const stk_bench_times times = {number(theirs, "median_s"), number(theirs, "min_s"),
                                       number(theirs, "max_s"), (int)number(theirs, "runs")};
        cJSON *row = stk_bench_row(b, "torch");
        cJSON_AddStringToObject(row, "what", slots[i]);
        stk_bench_put(row, "threads", number(answer, "threads"));
        stk_bench_put(row, "samples_per_s", rate);
        stk_bench_put_times(row, &times);
        cJSON_AddStringToObject(row, "our_kernel", ours_of[i]);
        put_or_null(row, "our_samples_per_s", ours);
        put_or_null(row, "ratio", rate > 0 ? ours / rate : 0);
        stk_bench_put(row, "sigma_error", number(answer, "sigma_error"));
        stk_bench_put(row, "rgb_error", number(answer, "rgb_error"));
    }
}

stk_status stk_bench_torch(stk_bench_session *b, double seconds) {
    char path[STK_PATH_MAX];
    cJSON *answer;
    STK_TRY(stk_bench_path(b, "points.safetensors", path));
    STK_TRY(write_points(b, path));
    STK_TRY(run_script(b, path, seconds, &answer));
    report_answer(b, answer);
    const cJSON *version = cJSON_GetObjectItem(answer, "torch");
    if (cJSON_IsString(version))
        cJSON_AddStringToObject(cJSON_GetObjectItem(b->report, "settings"), "torch",
                                version->valuestring);
    cJSON_Delete(answer);
    return STK_OK;
}
