/* bench_report.c - the report as one JSON object:
 *
 *   {"program": {...}, "machine": {...}, "model": {...}, "settings": {...}, "load": {...},
 *    "render": [row, ...], "stages": [...], "clip": [...], "kernels": [...], "training": [...],
 *    "torch": [...], "seconds": s, "complete": true}
 *
 * A Markdown table has the rows' keys for column names. Nothing is measured here.
 */
#include "api/bench.h"
#include "base/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

cJSON *stk_bench_row(stk_bench_session *bench, const char *section) {
    cJSON *rows = cJSON_GetObjectItem(bench->report, section);
    if (rows == NULL) rows = cJSON_AddArrayToObject(bench->report, section);
    cJSON *row = cJSON_CreateObject();
    if (row != NULL && !cJSON_AddItemToArray(rows, row)) {
        cJSON_Delete(row);
        return NULL;
    }
    return row;
}

void stk_bench_put(cJSON *row, const char *key, double value) {
    char digits[40];
    snprintf(digits, sizeof digits, "%.5g", value);
    cJSON_AddNumberToObject(row, key, strtod(digits, NULL));
}

void stk_bench_put_times(cJSON *row, const stk_bench_times *times) {
    stk_bench_put(row, "median_s", times->median_s);
    stk_bench_put(row, "min_s", times->min_s);
    stk_bench_put(row, "max_s", times->max_s);
    stk_bench_put(row, "runs", times->runs);
}

/* --- text that grows -------------------------------------------------------------------------- */

typedef struct text_buffer {
    char *text;
    size_t used, size;
    int failed;
} text_buffer;

static void add(text_buffer *b, const char *format, ...) STK_PRINTF(2, 3);

static void add(text_buffer *b, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    const int n =
        b->failed ? -1 : vsnprintf(b->text + b->used, b->size - b->used, format, arguments);
    va_end(arguments);
    if (n < 0 || (size_t)n >= b->size - b->used)
        b->failed = 1;
    else
        b->used += (size_t)n;
}

static void add_value(text_buffer *b, const cJSON *value) {
    if (cJSON_IsString(value))
        add(b, "%s", value->valuestring);
    else if (cJSON_IsBool(value))
        add(b, "%s", cJSON_IsTrue(value) ? "yes" : "no");
    else if (cJSON_IsNumber(value))
        add(b, "%.10g", value->valuedouble);
    else
        add(b, "-");
}

static void add_members(text_buffer *b, const cJSON *object) {
    const cJSON *member;
    add(b, "\n| %s | |\n|---|---|\n", object->string);
    cJSON_ArrayForEach(member, object) {
        add(b, "| %s | ", member->string);
        add_value(b, member);
        add(b, " |\n");
    }
}

static void add_rows(text_buffer *b, const cJSON *rows) {
    const cJSON *row, *first = cJSON_GetArrayItem(rows, 0), *key;
    if (first == NULL) return;
    add(b, "\n**%s**\n\n|", rows->string);
    cJSON_ArrayForEach(key, first) add(b, " %s |", key->string);
    add(b, "\n|");
    cJSON_ArrayForEach(key, first) add(b, "---|");
    cJSON_ArrayForEach(row, rows) {
        add(b, "\n|");
        cJSON_ArrayForEach(key, first) {
            add(b, " ");
            add_value(b, cJSON_GetObjectItem(row, key->string));
            add(b, " |");
        }
    }
    add(b, "\n");
}

stk_status stk_bench_markdown(const cJSON *report, char **text) {
    enum { SIZE = 1 << 18 };
    text_buffer b = {.text = stk_calloc_aligned(1, SIZE), .size = SIZE};
    *text = b.text;
    if (b.text == NULL) return stk_fail_memory("report");
    const cJSON *warning = cJSON_GetObjectItem(cJSON_GetObjectItem(report, "load"), "warning");
    add(&b, "## synctalk bench\n");
    if (cJSON_IsString(warning)) add(&b, "\n**Warning: %s.**\n", warning->valuestring);
    const cJSON *member;
    cJSON_ArrayForEach(member, report) {
        if (cJSON_IsObject(member)) add_members(&b, member);
        if (cJSON_IsArray(member)) add_rows(&b, member);
    }
    const cJSON *seconds = cJSON_GetObjectItem(report, "seconds");
    add(&b, "\nmeasured in %.0f s%s", seconds != NULL ? seconds->valuedouble : 0.0,
        cJSON_IsTrue(cJSON_GetObjectItem(report, "complete")) ? "" : ", stopped before the end");
    if (!b.failed) return STK_OK;
    stk_free(b.text);
    *text = NULL;
    return stk_fail_memory("report");
}

enum { LINE_BYTES = 4096 };

/* --- the line of the CSV ---------------------------------------------------------------------- */

/* A figure of the report: `key` of the first row of `section` whose member `by` is `name` and, if
 * size > 0, whose size is that. The first rows are those of the best instruction set and the most
 * threads. */
typedef struct figure {
    const char *column, *section, *by, *name;
    int size;
    const char *key;
} figure;

static const figure figures[] = {
    {"head_256_fps", "render", "what", "head", 256, "frames_per_s"},
    {"head_512_fps", "render", "what", "head", 512, "frames_per_s"},
    {"head_768_fps", "render", "what", "head", 768, "frames_per_s"},
    {"portrait_512_fps", "render", "what", "portrait", 512, "frames_per_s"},
    {"samples_512", "render", "what", "head", 512, "samples"},
    {"ns_per_sample_512", "render", "what", "head", 512, "ns_per_sample"},
    {"clip_fps", "clip", "what", "wav to mp4", 0, "frames_per_s"},
    {"clip_realtime", "clip", "what", "wav to mp4", 0, "realtime_factor"},
    {"portrait_clip_fps", "clip", "what", "wav to mp4, portrait", 0, "frames_per_s"},
    {"radiance_per_s", "kernels", "what", "radiance", 0, "samples_per_s"},
    {"inference_per_s", "kernels", "what", "inference", 0, "samples_per_s"},
    {"forward_per_s", "kernels", "what", "forward", 0, "samples_per_s"},
    {"backward_per_s", "kernels", "what", "backward", 0, "samples_per_s"},
    {"kernel_step_per_s", "kernels", "what", "step", 0, "samples_per_s"},
    {"trainer_steps_per_s", "training", "what", "trainer step", 0, "steps_per_s"},
    {"trainer_samples_per_s", "training", "what", "trainer step", 0, "samples_per_s"},
};

static const cJSON *find_figure(const cJSON *report, const figure *f) {
    const cJSON *row;
    cJSON_ArrayForEach(row, cJSON_GetObjectItem(report, f->section)) {
        const cJSON *name = cJSON_GetObjectItem(row, f->by);
        const cJSON *size = cJSON_GetObjectItem(row, "size");
        if (!cJSON_IsString(name) || strcmp(name->valuestring, f->name) != 0) continue;
        if (f->size > 0 && (size == NULL || size->valueint != f->size)) continue;
        return cJSON_GetObjectItem(row, f->key);
    }
    return NULL;
}

static const struct {
    const char *column, *object, *key;
} facts[] = {{"label", "program", "label"},       {"version", "program", "version"},
             {"cpu", "machine", "cpu"},           {"compiler", "machine", "compiler"},
             {"isa", "settings", "best_isa"},     {"threads", "settings", "threads"},
             {"model", "model", "sha256"},        {"load", "load", "average"},
             {"others", "load", "used_by_others"}};

/* Quotes and commas would break the line: they become blanks. */
static void add_field(text_buffer *b, const cJSON *value) {
    const size_t from = b->used;
    if (value != NULL) add_value(b, value);
    for (size_t i = from; i < b->used; i++)
        if (strchr(",\"\n\r", b->text[i]) != NULL) b->text[i] = ' ';
}

static void add_names(text_buffer *b) {
    add(b, "date");
    for (size_t i = 0; i < STK_ARRAY_SIZE(facts); i++) add(b, ",%s", facts[i].column);
    for (size_t i = 0; i < STK_ARRAY_SIZE(figures); i++) add(b, ",%s", figures[i].column);
    add(b, "\n");
}

static void add_line(text_buffer *b, const cJSON *report, int with_names) {
    char date[32];
    const time_t now = time(NULL);
    struct tm day;
    strftime(date, sizeof date, "%Y-%m-%d", gmtime_r(&now, &day));
    if (with_names) add_names(b);
    add(b, "%s", date);
    for (size_t i = 0; i < STK_ARRAY_SIZE(facts); i++) {
        add(b, ",");
        add_field(b,
                  cJSON_GetObjectItem(cJSON_GetObjectItem(report, facts[i].object), facts[i].key));
    }
    for (size_t i = 0; i < STK_ARRAY_SIZE(figures); i++) {
        add(b, ",");
        add_field(b, find_figure(report, &figures[i]));
    }
    add(b, "\n");
}

stk_status stk_bench_check_csv(const char *path) {
    char names[LINE_BYTES], found[LINE_BYTES];
    text_buffer b = {.text = names, .size = sizeof names};
    add_names(&b);
    FILE *file = path != NULL ? fopen(path, "r") : NULL;
    if (file == NULL) return STK_OK; /* new, or found unfit when the line is written */
    const size_t read = fread(found, 1, b.used, file);
    const int failed = ferror(file);
    fclose(file);
    if (failed) return stk_fail(STK_ERR_IO, "%s: cannot be read; give --csv a file", path);
    if (b.failed || read == 0 || (read == b.used && memcmp(names, found, read) == 0)) return STK_OK;
    return stk_fail(STK_ERR_ARGUMENT,
                    "%s: does not begin with the columns of this version; give --csv another name",
                    path);
}

stk_status stk_bench_append_csv(const cJSON *report, const char *path) {
    char line[LINE_BYTES];
    text_buffer b = {.text = line, .size = sizeof line};
    FILE *file = fopen(path, "a");
    if (file == NULL) return stk_fail(STK_ERR_IO, "%s: cannot be written", path);
    if (report != NULL) add_line(&b, report, stk_file_size(path) <= 0);
    int failed = b.failed || fwrite(line, 1, b.used, file) != b.used;
    if (fclose(file) != 0 || failed) return stk_fail(STK_ERR_IO, "%s: writing failed", path);
    return STK_OK;
}
