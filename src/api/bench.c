/* bench.c - the public call: what is measured, in which order, and with which share of the time.
 *
 *   made speech, median frame -> render -> stages -> wav to mp4 -> kernels -> training -> PyTorch
 *
 * Deadlines are cumulative: what one section leaves goes to the next. The process's CPU mask is
 * changed before every run and at the end is as it was.
 */
#include "api/bench.h"
#include "api/context.h"
#include "base/clock.h"
#include "base/cpu.h"
#include "base/memory.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void stk_bench_use(const stk_bench_isa *isa) {
    stk_cpu_set_mask(isa->mask);
}

stk_status stk_bench_path(const stk_bench_session *b, const char *name, char path[STK_PATH_MAX]) {
    return stk_path_join(path, STK_PATH_MAX, b->folder, name);
}

/* --- what there is to compare ----------------------------------------------------------------- */

/* The names that --cpu-mask knows and this processor has, best first. */
static void list_isas(stk_bench_session *b) {
    static const char *const names[] = {"amx", "avx512bf16", "avx512", "avx2", "c"};
    b->flags = stk_cpu_flags();
    for (size_t i = 0; i < STK_ARRAY_SIZE(names); i++) {
        uint32_t mask;
        if (stk_cpu_parse_mask(names[i], &mask) != 0 || (mask & ~b->flags) != 0) continue;
        b->isas[b->isa_count++] = (stk_bench_isa){names[i], mask, NULL};
    }
}

/* N, then downwards: every count up to four, above that powers of two. */
static stk_status list_threads(stk_bench_session *b) {
    int most = b->options->threads;
    if (most == 0) most = (int)sysconf(_SC_NPROCESSORS_ONLN);
    if (most < 1) most = 1;
    for (int n = most; n >= 1 && b->thread_count < STK_BENCH_THREADS;) {
        STK_TRY(stk_pool_create(&b->pools[b->thread_count], n));
        b->threads[b->thread_count++] = n;
        int power = 1;
        while (power * 2 < n) power *= 2;
        if (n == 1) break;
        n = n <= 4 ? n - 1 : power;
    }
    return STK_OK;
}

static stk_status open_models(stk_bench_session *b) {
    for (int i = 0; i < b->isa_count; i++) {
        stk_bench_use(&b->isas[i]);
        STK_TRY(stk_model_open(&b->isas[i].model, b->options->model));
        STK_TRY(stk_model_need_performance(b->isas[i].model, b->options->model));
    }
    return STK_OK;
}

static stk_status make_folder(stk_bench_session *b) {
    const char *place = getenv("TMPDIR");
    if (place == NULL || place[0] == '\0') place = "/tmp";
    STK_TRY(stk_path_join(b->folder, sizeof b->folder, place, "synctalk-bench-XXXXXX"));
    if (mkdtemp(b->folder) != NULL) return STK_OK;
    b->folder[0] = '\0';
    return stk_fail(STK_ERR_IO, "%s: no temporary folder can be made there (%s)", place,
                    strerror(errno));
}

static void remove_folder(const stk_bench_session *b) {
    static const char *const names[] = {"said.wav", "speech.wav", "clip.mp4", "stage.mp4",
                                        "points.safetensors"};
    if (b->folder[0] == '\0') return;
    for (size_t i = 0; i < STK_ARRAY_SIZE(names); i++) {
        char path[STK_PATH_MAX];
        if (stk_bench_path(b, names[i], path) == STK_OK) remove(path);
    }
    rmdir(b->folder);
}

/* --- the head of the report ------------------------------------------------------------------- */

static void describe(stk_bench_session *b) {
    const stk_model *model = b->isas[0].model;
    const stk_performance *p = &model->performance;
    cJSON *program = cJSON_AddObjectToObject(b->report, "program");
    cJSON_AddStringToObject(program, "version", stk_version());
    if (b->options->label != NULL) cJSON_AddStringToObject(program, "label", b->options->label);
    stk_bench_describe_machine(cJSON_AddObjectToObject(b->report, "machine"));
    cJSON *m = cJSON_AddObjectToObject(b->report, "model");
    cJSON_AddStringToObject(m, "sha256", model->hash);
    cJSON_AddNumberToObject(m, "width", p->width);
    cJSON_AddNumberToObject(m, "height", p->height);
    cJSON_AddNumberToObject(m, "steps", (double)model->steps);
    cJSON_AddNumberToObject(m, "levels", model->nets.config.levels);
    cJSON_AddNumberToObject(m, "head_pixels",
                            (p->head_rect.x1 - p->head_rect.x0) *
                                (p->head_rect.y1 - p->head_rect.y0));
    cJSON *s = cJSON_AddObjectToObject(b->report, "settings");
    cJSON_AddNumberToObject(s, "seconds", b->options->seconds);
    cJSON_AddNumberToObject(s, "threads", b->threads[0]);
    cJSON_AddStringToObject(s, "best_isa", b->isas[0].name);
    cJSON_AddStringToObject(s, "sound", b->options->audio != NULL ? "given" : "made speech");
}

/* --- sections --------------------------------------------------------------------------------- */

static stk_status measure_torch(stk_bench_session *b, double deadline_s) {
    const double left_s = deadline_s - stk_clock_s();
    return stk_bench_torch(b, left_s > 1 ? left_s : 1);
}

static stk_status measure(stk_bench_session *b) {
    const struct {
        stk_status (*run)(stk_bench_session *bench, double deadline_s);
        double share;
    } sections[] = {
        {stk_bench_render, 0.45},
        {stk_bench_stages, 0.05},
        {stk_bench_clip, 0.2},
        {stk_bench_kernels, 0.15},
        {stk_bench_training, b->options->subject != NULL ? 0.15 : 0},
        {measure_torch, b->options->torch != NULL ? 0.15 : 0},
    };
    double total = 0, until = 0;
    STK_TRY(stk_bench_sound(b));
    STK_TRY(stk_bench_choose_frame(b));
    cJSON_AddNumberToObject(cJSON_GetObjectItem(b->report, "settings"), "frame", b->frame);
    const double from_s = stk_clock_s(), left_s = b->start_s + b->options->seconds - from_s;
    for (size_t i = 0; i < STK_ARRAY_SIZE(sections); i++) total += sections[i].share;
    for (size_t i = 0; i < STK_ARRAY_SIZE(sections); i++) {
        until += sections[i].share / total;
        if (sections[i].share > 0) STK_TRY(sections[i].run(b, from_s + until * left_s));
    }
    return STK_OK;
}

/* The CSV line is appended: to a file that is read, or to any other kind, it would be damage. */
static stk_status keep_inputs(const stk_bench_options *options) {
    const char *const inputs[] = {options->model, options->audio, options->features,
                                  options->encoder, options->torch};
    for (size_t i = 0; i < STK_ARRAY_SIZE(inputs); i++)
        STK_TRY(stk_file_keep_input(options->csv, inputs[i]));
    return stk_bench_check_csv(options->csv);
}

static stk_status check(const stk_bench_options *options) {
    char sentence[256];
    if (stk_options_check("bench", options, sentence, sizeof sentence) != STK_OK)
        return stk_fail(STK_ERR_ARGUMENT, "%s", sentence);
    if (options->model == NULL || options->model[0] == '\0')
        return stk_fail(STK_ERR_ARGUMENT, "-m MODEL is missing; see --help");
    if (options->features != NULL && options->audio == NULL)
        return stk_fail(STK_ERR_ARGUMENT, "--features: give the sound they belong to (--audio)");
    if (options->torch != NULL && !stk_file_exists(options->torch))
        return stk_fail(STK_ERR_IO, "%s: does not exist", options->torch);
    return keep_inputs(options);
}

static stk_status as_text(const stk_bench_session *b, char **text) {
    if (!b->options->json) return stk_bench_markdown(b->report, text);
    char *printed = cJSON_PrintUnformatted(b->report);
    if (printed == NULL) return stk_fail_memory("JSON");
    *text = stk_text_copy(printed);
    cJSON_free(printed);
    return *text != NULL ? STK_OK : stk_fail_memory("JSON");
}

/* Text and CSV of what there is, also when a later section failed or was stopped; the status of the
 * measuring goes first. */
static stk_status conclude(stk_bench_session *b, const stk_bench_load *load, stk_status status,
                           char **text) {
    char sentence[1024];
    if (status != STK_OK && status != STK_ERR_ABORTED &&
        cJSON_GetObjectItem(b->report, "render") == NULL)
        return status;
    stk_error_take(sentence, sizeof sentence);
    stk_bench_load_end(load, cJSON_GetObjectItem(b->report, "load"));
    stk_bench_put(b->report, "seconds", stk_clock_s() - b->start_s);
    cJSON_AddBoolToObject(b->report, "complete", status == STK_OK);
    STK_TRY(as_text(b, text));
    if (status == STK_OK && b->options->csv != NULL)
        STK_TRY(stk_bench_append_csv(b->report, b->options->csv));
    stk_error_put(sentence);
    return status;
}

static stk_status run(stk_bench_session *b, char **text) {
    stk_bench_load load;
    STK_TRY(check(b->options));
    /* An unwritable place is found before the work, not after it. */
    if (b->options->csv != NULL) STK_TRY(stk_bench_append_csv(NULL, b->options->csv));
    b->report = cJSON_CreateObject();
    if (b->report == NULL) return stk_fail_memory("report");
    list_isas(b);
    STK_TRY(list_threads(b));
    STK_TRY(open_models(b));
    STK_TRY(make_folder(b));
    describe(b);
    stk_bench_load_start(&load, cJSON_AddObjectToObject(b->report, "load"));
    return conclude(b, &load, measure(b), text);
}

stk_status stk_bench(stk_context *ctx, const stk_bench_options *options, char **text) {
    const stk_job job = stk_context_job(ctx);
    *text = NULL;
    stk_bench_session *b = stk_calloc_aligned(1, sizeof *b);
    if (b == NULL) return stk_context_finish(ctx, stk_fail_memory("bench"));
    b->options = options;
    b->job = &job;
    b->start_s = stk_clock_s();
    stk_status status = run(b, text);
    stk_status kept = stk_context_finish(ctx, status);
    remove_folder(b);
    for (int i = 0; i < b->isa_count; i++) stk_model_close(&b->isas[i].model);
    for (int i = 0; i < b->thread_count; i++) stk_pool_free(&b->pools[i]);
    if (b->isa_count > 0) stk_cpu_set_mask(b->flags);
    cJSON_Delete(b->report);
    stk_free(b);
    return kept;
}
