/* record.c - see record.h. */
#include "train/record.h"

#include "base/log.h"
#include "base/memory.h"
#include "kernels/image.h"
#include "media/media.h"

#include <dirent.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { PREVIEW_HEIGHT = 256, JPEG_QUANTISER = 3, CSV_MAX = 64 << 20, LOG_MAX = 1 << 20 };
static const char SET_ASIDE[] = "figures.csv.old";
static const double EVERY_S = 5.0, EVERY_SHARE = 1.0 / 400, COUNTS_END = 1e12;

const char *const record_names[RECORD_COLUMNS] = {"seconds",
                                                  "step",
                                                  "loss",
                                                  "lips",
                                                  "perceptual_patches",
                                                  "perceptual_lips",
                                                  "learning_rate",
                                                  "steps_per_s",
                                                  "rays_per_s",
                                                  "samples_per_s",
                                                  "psnr",
                                                  "psnr_head",
                                                  "psnr_mouth",
                                                  "samples_per_ray",
                                                  "occupied",
                                                  "rollbacks",
                                                  "resident_mib"};

stk_status stk_record_path(const stk_record *record, const char *name, char path[STK_PATH_MAX]) {
    return stk_path_join(path, STK_PATH_MAX, record->folder, name);
}

int64_t stk_record_bytes(int width, int height) {
    const int64_t preview = 2 * (int64_t)width * height * 3; /* PNG hardly shrinks what is noisy */
    const int64_t small = height > PREVIEW_HEIGHT
                              ? 2 * (int64_t)width * PREVIEW_HEIGHT / height * PREVIEW_HEIGHT
                              : 2 * (int64_t)width * height;
    return preview + RECORD_PREVIEWS * small * 3 / 8 +
           (1 << 20); /* once as files, once in the page */
}

/* --- the log ---------------------------------------------------------------------------------- */

/* Called under the log's lock: it may not log, and leaves the sentence of a failure alone. */
static void keep_line(void *user, stk_log_level level, const char *line) {
    static const char *const words[] = {"error: ", "warning: ", "", ""};
    stk_record *record = user;
    char when[32], text[1200], path[STK_PATH_MAX];
    const time_t now = time(NULL);
    struct tm day;
    strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S", localtime_r(&now, &day));
    const int n = snprintf(text, sizeof text, "%s %s%s\n", when, words[level], line);
    if (n < 0) return;
    const size_t size = (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
    if (!record->begun) {
        if (record->log.used < LOG_MAX) stk_page_bytes(&record->log, text, size);
        return;
    }
    const int m = snprintf(path, sizeof path, "%s/log.txt", record->folder);
    FILE *file = m > 0 && (size_t)m < sizeof path ? fopen(path, "a") : NULL;
    if (file == NULL) return;
    fwrite(text, 1, size, file);
    fclose(file);
}

/* --- the folder ------------------------------------------------------------------------------- */

static stk_status name_folder(stk_record *record, const char *folder, const char *model) {
    const char *slash = strrchr(model, '/'), *name = slash != NULL ? slash + 1 : model;
    const char *dot = strrchr(name, '.');
    const int stem = (int)((dot != NULL && dot != name ? dot : name + strlen(name)) - model);
    const int n = folder != NULL
                      ? snprintf(record->folder, sizeof record->folder, "%s", folder)
                      : snprintf(record->folder, sizeof record->folder, "%.*s.run", stem, model);
    /* room for the names within */
    if (n > 0 && (size_t)n + 40 < sizeof record->folder) return STK_OK;
    return stk_fail(STK_ERR_ARGUMENT, "the path of the run folder is empty or too long: %.60s...",
                    record->folder);
}

/* 1: a run folder, or empty. */
static int is_ours(const stk_record *record) {
    char path[STK_PATH_MAX];
    if (stk_record_path(record, "settings.json", path) == STK_OK && stk_file_exists(path)) {
        char *text = NULL;
        if (stk_file_read_text(path, 1 << 20, &text) != STK_OK) return 0;
        const int ours = strstr(text, "\"format\": \"synctalk-run\"") != NULL;
        stk_free(text);
        return ours;
    }
    int entries = 0;
    DIR *directory = opendir(record->folder);
    if (directory == NULL) return 0;
    for (const struct dirent *e; (e = readdir(directory)) != NULL;)
        entries += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
                   strstr(e->d_name, ".part-") == NULL; /* of a run killed as it began */
    closedir(directory);
    return entries == 0;
}

stk_status stk_record_open(stk_record *record, const char *folder, const char *model) {
    *record = (stk_record){0};
    if (folder != NULL && strcmp(folder, "none") == 0) return STK_OK;
    STK_TRY(name_folder(record, folder, model));
    const int was_there = stk_file_exists(record->folder) || stk_file_is_directory(record->folder);
    stk_status status = STK_OK;
    if (stk_file_is_same(record->folder, model))
        status = stk_fail(STK_ERR_ARGUMENT,
                          "%s: would be both the model and its run folder; give --run another name",
                          model);
    if (status == STK_OK) status = stk_directory_create(record->folder);
    if (status == STK_OK && !is_ours(record))
        status = stk_fail(STK_ERR_ARGUMENT,
                          "%s: holds other things than a run; give --run a new folder, or none",
                          record->folder);
    if (status != STK_OK) {
        record->folder[0] = '\0';
        return status;
    }
    stk_directory_remove_leftovers(record->folder);
    record->made = !was_there;
    stk_page_begin(&record->log);
    stk_log_set_copy(keep_line, record);
    return STK_OK;
}

void stk_record_close(stk_record *record) {
    stk_log_clear_copy(record);
    if (record->made && !record->begun) rmdir(record->folder);
    stk_page_free(&record->log);
    stk_free(record->rows);
    *record = (stk_record){0};
}

/* --- figures.csv ------------------------------------------------------------------------------ */

static stk_status keep_row(stk_record *record, const record_row *row) {
    if (record->count == record->room) {
        const int room = record->room > 0 ? 2 * record->room : 256;
        record_row *grown = stk_calloc_aligned((size_t)room, sizeof *grown);
        if (grown == NULL) return stk_fail_memory("run folder");
        if (record->count > 0) memcpy(grown, record->rows, (size_t)record->count * sizeof *grown);
        stk_free(record->rows);
        record->rows = grown;
        record->room = room;
    }
    record->rows[record->count++] = *row;
    return STK_OK;
}

static void put_names(stk_page *page) {
    for (int c = 0; c < RECORD_COLUMNS; c++)
        stk_page_put(page, "%s%s", record_names[c], c + 1 < RECORD_COLUMNS ? "," : "\n");
}

static void put_row(stk_page *page, const record_row *row) {
    for (int c = 0; c < RECORD_COLUMNS; c++) {
        const int whole = c == RECORD_STEP || c == RECORD_ROLLBACKS;
        if (isfinite(row->figure[c])) stk_page_put(page, whole ? "%.0f" : "%.6g", row->figure[c]);
        stk_page_put(page, "%s", c + 1 < RECORD_COLUMNS ? "," : "\n");
    }
}

/* 1 and the row when the line has every field, counts and times such as a run can have. */
static int read_row(const char *line, record_row *row) {
    for (int c = 0; c < RECORD_COLUMNS; c++) {
        char *end;
        row->figure[c] = *line == ',' || *line == '\n' ? (double)NAN : strtod(line, &end);
        if (!isnan(row->figure[c])) line = end;
        if (*line != (c + 1 < RECORD_COLUMNS ? ',' : '\n')) return 0;
        line++;
    }
    const double counts[] = {row->figure[RECORD_STEP], row->figure[RECORD_SECONDS],
                             row->figure[RECORD_ROLLBACKS]};
    for (size_t i = 0; i < STK_ARRAY_SIZE(counts); i++)
        if (!(counts[i] >= 0 && counts[i] < COUNTS_END)) return 0;
    return 1;
}

/* Figures of other columns than those of now. */
static stk_status set_aside(const stk_record *record, const char *path) {
    char old[STK_PATH_MAX];
    STK_TRY(stk_record_path(record, SET_ASIDE, old));
    if (rename(path, old) != 0)
        return stk_fail(STK_ERR_IO, "%s: could not be renamed to %s; give --run another folder",
                        path, SET_ASIDE);
    stk_log(STK_LOG_WARN,
            "%s: has columns of another version of the program: it is kept as %s, earlier previews "
            "stay, and the figures begin anew",
            path, SET_ASIDE);
    return STK_OK;
}

/* The lines up to a step; one that a killed run left unfinished is dropped. */
static stk_status read_rows(stk_record *record, const char *path, int64_t step) {
    char *text;
    stk_page names;
    if (!stk_file_exists(path)) return STK_OK;
    STK_TRY(stk_file_read_text(path, CSV_MAX, &text));
    stk_page_begin(&names);
    put_names(&names);
    stk_status status = names.failed ? stk_fail_memory("run folder") : STK_OK;
    const int same = status == STK_OK && strncmp(text, names.text, names.used) == 0;
    if (status == STK_OK && !same) status = set_aside(record, path);
    const char *line = text + (same ? names.used : 0), *end;
    for (; same && status == STK_OK && (end = strchr(line, '\n')) != NULL; line = end + 1) {
        record_row row;
        if (read_row(line, &row) && row.figure[RECORD_STEP] <= (double)step)
            status = keep_row(record, &row);
    }
    stk_page_free(&names);
    stk_free(text);
    return status;
}

static stk_status write_rows(const stk_record *record, const char *path) {
    stk_page page;
    stk_page_begin(&page);
    put_names(&page);
    for (int i = 0; i < record->count; i++) put_row(&page, &record->rows[i]);
    return stk_page_write(&page, path);
}

int stk_record_due(const stk_record *record, double seconds) {
    if (record->folder[0] == '\0') return 0;
    const double last =
        record->count > 0 ? record->rows[record->count - 1].figure[RECORD_SECONDS] : 0;
    return seconds - last >= fmax(EVERY_S, EVERY_SHARE * seconds);
}

stk_status stk_record_add(stk_record *record, const record_row *row) {
    char path[STK_PATH_MAX];
    if (record->folder[0] == '\0') return STK_OK;
    STK_TRY(keep_row(record, row));
    STK_TRY(stk_record_path(record, "figures.csv", path));
    stk_page line;
    stk_page_begin(&line);
    put_row(&line, row);
    FILE *file = line.failed ? NULL : fopen(path, "a");
    int failed = file == NULL || fwrite(line.text, 1, line.used, file) != line.used;
    if (file != NULL && fclose(file) != 0) failed = 1;
    stk_page_free(&line);
    return failed ? stk_fail(STK_ERR_IO, "%s: writing failed; free some space", path) : STK_OK;
}

/* --- previews --------------------------------------------------------------------------------- */

int stk_record_preview(const stk_record *record, int row, char name[40]) {
    char path[STK_PATH_MAX];
    const double *figure = record->rows[row].figure;
    if (!isfinite(figure[RECORD_PSNR]) || !(figure[RECORD_STEP] < COUNTS_END)) return 0;
    snprintf(name, 40, "previews/%09lld.jpg", (long long)figure[RECORD_STEP]);
    return stk_record_path(record, name, path) == STK_OK && stk_file_exists(path);
}

/* Pictures of no line: of an earlier run, or of steps after the resumed one. Those of lines that
 * were set aside stay until a run begins anew. */
static stk_status sweep_previews(const stk_record *record, int resumed) {
    char folder[STK_PATH_MAX], aside[STK_PATH_MAX];
    STK_TRY(stk_record_path(record, "previews", folder));
    STK_TRY(stk_directory_create(folder));
    stk_directory_remove_leftovers(folder);
    STK_TRY(stk_record_path(record, SET_ASIDE, aside));
    if (resumed && stk_file_exists(aside)) return STK_OK;
    unlink(aside);
    DIR *directory = opendir(folder);
    if (directory == NULL) return STK_OK;
    for (const struct dirent *e; (e = readdir(directory)) != NULL;) {
        const size_t digits = strspn(e->d_name, "0123456789");
        char path[STK_PATH_MAX], name[40];
        int kept = digits < 9 || digits > 12 || strcmp(e->d_name + digits, ".jpg") != 0;
        for (int i = 0; i < record->count && !kept; i++)
            kept = stk_record_preview(record, i, name) && strcmp(name + 9, e->d_name) == 0;
        if (!kept && stk_path_join(path, sizeof path, folder, e->d_name) == STK_OK) unlink(path);
    }
    closedir(directory);
    return STK_OK;
}

/* Every other one goes, the first and the last stay. */
static void thin_previews(const stk_record *record) {
    char name[40], path[STK_PATH_MAX];
    int total = 0, at = 0;
    for (int i = 0; i < record->count; i++) total += stk_record_preview(record, i, name);
    if (total <= RECORD_PREVIEWS) return;
    for (int i = 0; i < record->count; i++) {
        if (!stk_record_preview(record, i, name)) continue;
        if (at % 2 == 1 && at != total - 1 && stk_record_path(record, name, path) == STK_OK)
            unlink(path);
        at++;
    }
}

static stk_status write_jpeg(const char *path, const stk_image *picture) {
    uint8_t *bytes = NULL;
    size_t size;
    STK_TRY(stk_jpeg_encode(picture, JPEG_QUANTISER, &bytes, &size));
    const stk_status status = stk_file_write(path, bytes, size);
    stk_free(bytes);
    return status;
}

stk_status stk_record_picture(stk_record *record, const stk_image *sheet) {
    char name[40], path[STK_PATH_MAX];
    if (record->folder[0] == '\0' || record->count == 0) return STK_OK;
    STK_TRY(stk_record_path(record, "preview.png", path));
    STK_TRY(stk_png_write(path, sheet));
    const double step = record->rows[record->count - 1].figure[RECORD_STEP];
    snprintf(name, sizeof name, "previews/%09lld.jpg", (long long)step);
    STK_TRY(stk_record_path(record, name, path));
    if (sheet->height <= PREVIEW_HEIGHT) {
        STK_TRY(write_jpeg(path, sheet));
    } else {
        stk_image small;
        const int width = (sheet->width * PREVIEW_HEIGHT / sheet->height + 1) & ~1;
        STK_TRY(stk_image_init(&small, width, PREVIEW_HEIGHT, 3));
        stk_image_resize(&small, sheet);
        const stk_status status = write_jpeg(path, &small);
        stk_image_clear(&small);
        STK_TRY(status);
    }
    thin_previews(record);
    return STK_OK;
}

/* --- settings and beginning ------------------------------------------------------------------- */

static void fact(stk_record *record, int is_text, const char *name, const char *format, ...)
    STK_PRINTF(4, 5);

static void fact(stk_record *record, int is_text, const char *name, const char *format, ...) {
    va_list args;
    if (record->facts_count == RECORD_FACTS_MAX) return;
    record_fact *f = &record->facts[record->facts_count++];
    f->name = name;
    f->is_text = is_text;
    va_start(args, format);
    vsnprintf(f->value, sizeof f->value, format, args);
    va_end(args);
}

static void list_facts(stk_record *r, const stk_trainer *t) {
    static const char *const attentions[STK_ATTENTIONS] = {"penalties", "masks", "free"};
    const stk_train_settings *s = &t->settings;
    const stk_performance *p = &t->performance;
    char when[32], vary[STK_VARY_TEXT];
    stk_vary_text(s->vary, vary);
    const time_t now = time(NULL);
    struct tm day;
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S%z", localtime_r(&now, &day));
    r->facts_count = 0;
    fact(r, 1, "program", "%s", s->program != NULL ? s->program : "synctalk");
    fact(r, 1, "begun", "%s", when);
    fact(r, 1, "subject", "%s", s->subject);
    fact(r, 1, "subject_name", "%s", p->subject_name);
    fact(r, 1, "subject_identity", "%s", p->subject_identity);
    fact(r, 0, "frames", "%d", p->frames);
    fact(r, 0, "train_frames", "%d", p->train_frames);
    fact(r, 0, "width", "%d", p->width);
    fact(r, 0, "height", "%d", p->height);
    fact(r, 1, "model", "%s", s->output);
    fact(r, 1, "encoder", "%s", s->encoder != NULL ? t->nets.encoder.name : "mel");
    fact(r, 1, "attention", "%s", attentions[s->attention]);
    fact(r, 1, "schedule", "%s", t->schedule->name);
    fact(r, 1, "perceptual", "%s", stk_perceptual_name(t->perceptual));
    if (s->vary != 0) fact(r, 1, "vary", "%s", vary);
    fact(r, 1, "expression", "%s", s->expression == STK_EXPRESSION_BLINK ? "blink" : "all");
    if (s->torso_steps > 0) fact(r, 0, "torso_steps", "%d", s->torso_steps);
    fact(r, 1, "poses", "%s", s->coarse_poses ? "coarse" : "stabilised");
    if (s->steps > 0) fact(r, 0, "steps", "%lld", (long long)s->steps);
    if (s->steps <= 0 && s->minutes > 0) fact(r, 0, "minutes", "%.10g", s->minutes);
    if (s->budget_s > 0) fact(r, 0, "budget_s", "%.10g", s->budget_s);
    fact(r, 0, "rays", "%d", s->rays);
    fact(r, 0, "frames_per_step", "%d", s->frames);
    fact(r, 0, "learning_rate_grid", "%.6g", (double)s->lr_grid);
    fact(r, 0, "learning_rate_nets", "%.6g", (double)s->lr_net);
    fact(r, 0, "seed", "%d", s->seed);
    fact(r, 0, "threads", "%d", stk_pool_threads(t->pool));
    fact(r, 0, "parameters", "%zu", t->nets.params.total);
    fact(r, 0, "resumed_at_step", "%lld", (long long)t->step);
}

static void put_json_text(stk_page *page, const char *text) {
    stk_page_put(page, "\"");
    for (; *text != '\0'; text++) {
        const unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            stk_page_put(page, "\\%c", c);
        else if (c < ' ')
            stk_page_put(page, "\\u%04x", c);
        else
            stk_page_bytes(page, text, 1);
    }
    stk_page_put(page, "\"");
}

static stk_status write_settings(const stk_record *record) {
    char path[STK_PATH_MAX];
    STK_TRY(stk_record_path(record, "settings.json", path));
    stk_page page;
    stk_page_begin(&page);
    stk_page_put(&page, "{\n  \"format\": \"synctalk-run\",\n  \"version\": 1");
    for (int i = 0; i < record->facts_count; i++) {
        stk_page_put(&page, ",\n  \"%s\": ", record->facts[i].name);
        if (record->facts[i].is_text)
            put_json_text(&page, record->facts[i].value);
        else
            stk_page_put(&page, "%s", record->facts[i].value);
    }
    stk_page_put(&page, "\n}\n");
    return stk_page_write(&page, path);
}

stk_status stk_record_begin(stk_record *record, const stk_trainer *t) {
    char path[STK_PATH_MAX];
    if (record->folder[0] == '\0') return STK_OK;
    snprintf(record->title, sizeof record->title, "Training of %s", t->performance.subject_name);
    list_facts(record, t);
    STK_TRY(write_settings(record));
    STK_TRY(stk_record_path(record, "figures.csv", path));
    if (t->settings.resume) STK_TRY(read_rows(record, path, t->step));
    STK_TRY(write_rows(record, path));
    STK_TRY(sweep_previews(record, t->settings.resume));
    STK_TRY(stk_record_path(record, "log.txt", path));
    stk_log_clear_copy(record); /* no line comes while those kept are written */
    record->begun = 1;
    FILE *file = fopen(path, t->settings.resume ? "a" : "w");
    int failed =
        file == NULL || fwrite(record->log.text, 1, record->log.used, file) != record->log.used;
    if (file != NULL && fclose(file) != 0) failed = 1;
    stk_log_set_copy(keep_line, record);
    return failed ? stk_fail(STK_ERR_IO, "%s: writing failed; free some space", path) : STK_OK;
}
