/* options.c - the option tables as data, their defaults and their parser, all from
 * synctalk/options.h. */
#include "synctalk/synctalk.h"
#include "base/file.h"
#include "base/types.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROW(kind, name, flag, initial, lo, hi, word, help)                                         \
    {STK_OPTION_##kind, #name, flag, #initial, lo, hi, word, help, (int)offsetof(OPTIONS, name)},
#define END_ROW                                                                                    \
    { STK_OPTION_TEXT, NULL, NULL, NULL, 0, 0, NULL, NULL, 0 }
#define ASSIGN(kind, name, flag, initial, lo, hi, word, help) options->name = initial;

#define OPTIONS stk_prepare_options
static const stk_option prepare_table[] = {STK_PREPARE_OPTIONS(ROW) END_ROW};
#undef OPTIONS
#define OPTIONS stk_train_options
static const stk_option train_table[] = {STK_TRAIN_OPTIONS(ROW) END_ROW};
#undef OPTIONS
#define OPTIONS stk_render_options
static const stk_option render_table[] = {STK_RENDER_OPTIONS(ROW) END_ROW};
#undef OPTIONS
#define OPTIONS stk_eval_options
static const stk_option eval_table[] = {STK_EVAL_OPTIONS(ROW) END_ROW};
#undef OPTIONS
#define OPTIONS stk_info_options
static const stk_option info_table[] = {STK_INFO_OPTIONS(ROW) END_ROW};
#undef OPTIONS

#define OPTIONS stk_sync_options
static const stk_option sync_table[] = {STK_SYNC_OPTIONS(ROW) END_ROW};
#undef OPTIONS
#define OPTIONS stk_compare_options
static const stk_option compare_table[] = {STK_COMPARE_OPTIONS(ROW) END_ROW};
#undef OPTIONS
#define OPTIONS stk_ablate_options
static const stk_option ablate_table[] = {STK_ABLATE_OPTIONS(ROW) END_ROW};
#undef OPTIONS
#define OPTIONS stk_sheet_options
static const stk_option sheet_table[] = {STK_SHEET_OPTIONS(ROW) END_ROW};
#undef OPTIONS
#define OPTIONS stk_convert_options
static const stk_option convert_table[] = {STK_CONVERT_OPTIONS(ROW) END_ROW};
#undef OPTIONS
#define OPTIONS stk_presenter_options
static const stk_option presenter_table[] = {STK_PRESENTER_OPTIONS(ROW) END_ROW};
#undef OPTIONS
#define OPTIONS stk_bench_options
static const stk_option bench_table[] = {STK_BENCH_OPTIONS(ROW) END_ROW};
#undef OPTIONS
#define OPTIONS stk_subject_import_options
static const stk_option subject_import_table[] = {STK_SUBJECT_IMPORT_OPTIONS(ROW) END_ROW};
#undef OPTIONS
#define OPTIONS stk_subject_export_options
static const stk_option subject_export_table[] = {STK_SUBJECT_EXPORT_OPTIONS(ROW) END_ROW};
#undef OPTIONS

#define OPTIONS stk_encoder_pack_options
static const stk_option encoder_pack_table[] = {STK_ENCODER_PACK_OPTIONS(ROW) END_ROW};
#undef OPTIONS
#define OPTIONS stk_encoder_train_options
static const stk_option encoder_train_table[] = {STK_ENCODER_TRAIN_OPTIONS(ROW) END_ROW};
#undef OPTIONS

void stk_prepare_options_init(stk_prepare_options *options) {
    STK_PREPARE_OPTIONS(ASSIGN)
}
void stk_train_options_init(stk_train_options *options) {
    STK_TRAIN_OPTIONS(ASSIGN)
}
void stk_render_options_init(stk_render_options *options) {
    STK_RENDER_OPTIONS(ASSIGN)
}
void stk_eval_options_init(stk_eval_options *options) {
    STK_EVAL_OPTIONS(ASSIGN)
}
void stk_info_options_init(stk_info_options *options) {
    STK_INFO_OPTIONS(ASSIGN)
}

void stk_sync_options_init(stk_sync_options *options) {
    STK_SYNC_OPTIONS(ASSIGN)
}
void stk_compare_options_init(stk_compare_options *options) {
    STK_COMPARE_OPTIONS(ASSIGN)
}
void stk_ablate_options_init(stk_ablate_options *options) {
    STK_ABLATE_OPTIONS(ASSIGN)
}

void stk_sheet_options_init(stk_sheet_options *options) {
    STK_SHEET_OPTIONS(ASSIGN)
}
void stk_convert_options_init(stk_convert_options *options) {
    STK_CONVERT_OPTIONS(ASSIGN)
}
void stk_presenter_options_init(stk_presenter_options *options) {
    STK_PRESENTER_OPTIONS(ASSIGN)
}
void stk_bench_options_init(stk_bench_options *options) {
    STK_BENCH_OPTIONS(ASSIGN)
}
void stk_subject_import_options_init(stk_subject_import_options *options) {
    STK_SUBJECT_IMPORT_OPTIONS(ASSIGN)
}
void stk_subject_export_options_init(stk_subject_export_options *options) {
    STK_SUBJECT_EXPORT_OPTIONS(ASSIGN)
}

void stk_encoder_pack_options_init(stk_encoder_pack_options *options) {
    STK_ENCODER_PACK_OPTIONS(ASSIGN)
}
void stk_encoder_train_options_init(stk_encoder_train_options *options) {
    STK_ENCODER_TRAIN_OPTIONS(ASSIGN)
}

const stk_option *stk_option_table(const char *command) {
    static const struct {
        const char *command;
        const stk_option *table;
    } tables[] = {{"prepare", prepare_table},
                  {"train", train_table},
                  {"render", render_table},
                  {"eval", eval_table},
                  {"info", info_table},
                  {"sync", sync_table},
                  {"compare", compare_table},
                  {"ablate", ablate_table},
                  {"sheet", sheet_table},
                  {"convert", convert_table},
                  {"presenter", presenter_table},
                  {"bench", bench_table},
                  {"subject import", subject_import_table},
                  {"subject export", subject_export_table},
                  {"encoder train", encoder_train_table},
                  {"encoder pack", encoder_pack_table}};
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++)
        if (strcmp(tables[i].command, command) == 0) return tables[i].table;
    return NULL;
}

static stk_status refuse(const stk_option *option, const char *value, char *error, int size) {
    const char *label = option->flag[0] != '\0' ? option->flag : option->word;
    snprintf(error, (size_t)size, "%s: \"%s\" is not a%s number between %.10g and %.10g", label,
             value, option->kind == STK_OPTION_INT ? " whole" : "", option->lowest,
             option->highest);
    return STK_ERR_ARGUMENT;
}

stk_status stk_option_set(const stk_option *option, void *options, const char *value, char *error,
                          int size) {
    char *member = (char *)options + option->offset;
    if (option->kind == STK_OPTION_TEXT) {
        memcpy(member, &value, sizeof value);
        return STK_OK;
    }
    if (option->kind == STK_OPTION_FLAG) {
        int set = 1;
        memcpy(member, &set, sizeof set);
        return STK_OK;
    }
    char *end;
    double number = strtod(value, &end);
    int whole = option->kind == STK_OPTION_INT;
    if (end == value || *end != '\0' || !(number >= option->lowest && number <= option->highest) ||
        (whole && number != floor(number)))
        return refuse(option, value, error, size);
    if (whole) {
        int integer = (int)number;
        memcpy(member, &integer, sizeof integer);
    } else {
        memcpy(member, &number, sizeof number);
    }
    return STK_OK;
}

/* A folder of weights that is not there would silently be one of the usual places instead. */
static int is_folder_or_unset(const char *member) {
    const char *folder = *(const char *const *)member;
    return folder == NULL || folder[0] == '\0' || stk_file_is_directory(folder);
}

stk_status stk_options_check(const char *command, const void *options, char *error, int size) {
    const stk_option *table = stk_option_table(command);
    if (table == NULL) {
        snprintf(error, (size_t)size, "there is no command \"%s\"", command);
        return STK_ERR_ARGUMENT;
    }
    for (const stk_option *o = table; o->name != NULL; o++) {
        const char *member = (const char *)options + o->offset;
        double number = 0;
        int integer;
        if (o->kind == STK_OPTION_TEXT) {
            if (strcmp(o->name, "models") != 0 || is_folder_or_unset(member)) continue;
            const char *folder = *(const char *const *)member;
            snprintf(error, (size_t)size, "%s %s: there is no such folder", o->flag, folder);
            return STK_ERR_ARGUMENT;
        }
        if (o->kind == STK_OPTION_REAL)
            memcpy(&number, member, sizeof number);
        else
            number = (memcpy(&integer, member, sizeof integer), integer);
        if (number >= o->lowest && number <= o->highest) continue;
        snprintf(error, (size_t)size, "%s: %g is not between %g and %g", o->name, number, o->lowest,
                 o->highest);
        return STK_ERR_ARGUMENT;
    }
    return STK_OK;
}
