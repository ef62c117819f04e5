/* convert.c - the public call between published checkpoints and models.
 *
 *   .pth .pt .safetensors --\                      /-- .stk (with a subject's performance)
 *                            >-- stk_model in memory --<
 *                    .stk --/                      \-- .pth .safetensors
 *
 * What the input is, its content says; what to write, the output's ending.
 */
#include "base/status.h"
#include "api/context.h"
#include "base/file.h"
#include "base/image.h"
#include "base/memory.h"
#include "render/published.h"

#include <string.h>
#include <strings.h>

enum output_kind { OUTPUT_STK, OUTPUT_PTH, OUTPUT_SAFETENSORS, OUTPUT_KINDS };

typedef struct conversion {
    const stk_convert_options *options;
    enum output_kind kind;
    int averaged;
    stk_model *model;
    stk_subject *subject;
    stk_notes notes;
} conversion;

static stk_status read_options(conversion *c) {
    static const char *const endings[OUTPUT_KINDS] = {".stk", ".pth", ".safetensors"};
    const stk_convert_options *o = c->options;
    if (o->input == NULL || o->input[0] == '\0')
        return stk_fail(STK_ERR_ARGUMENT, "FILE is missing; see --help");
    if (o->output == NULL || o->output[0] == '\0')
        return stk_fail(STK_ERR_ARGUMENT, "-o FILE is missing; see --help");
    const char *dot = strrchr(o->output, '.');
    while (c->kind < OUTPUT_KINDS && (dot == NULL || strcasecmp(dot, endings[c->kind]) != 0))
        c->kind++;
    if (c->kind == OUTPUT_KINDS)
        return stk_fail(STK_ERR_ARGUMENT, "%s: name it .stk, .pth or .safetensors", o->output);
    c->averaged = o->weights != NULL && strcmp(o->weights, "ema") == 0;
    if (o->weights != NULL && !c->averaged && strcmp(o->weights, "raw") != 0)
        return stk_fail(STK_ERR_ARGUMENT, "--weights %s: is neither raw nor ema", o->weights);
    if (o->subject != NULL && c->kind != OUTPUT_STK)
        return stk_fail(STK_ERR_ARGUMENT,
                        "--subject: only a .stk has a place for a performance; name the output so");
    return stk_file_keep_input(o->output, o->input);
}

static stk_status is_model(const char *path, int *answer) {
    stk_map map;
    *answer = 0;
    if (stk_file_is_directory(path))
        return stk_fail(STK_ERR_FORMAT, "%s: is a folder; give a checkpoint or a model file", path);
    STK_TRY(stk_map_open(&map, path));
    int json = map.size > 8 && map.data[8] == '{';
    stk_map_close(&map);
    if (!json) return STK_OK;
    stk_safetensors *file;
    STK_TRY(stk_safetensors_open(&file, path));
    const char *format = stk_safetensors_metadata(file, "format");
    *answer = format != NULL && strcmp(format, "synctalk-model") == 0;
    stk_safetensors_close(&file);
    return STK_OK;
}

static stk_status read_input(conversion *c) {
    const char *path = c->options->input;
    int model;
    STK_TRY(is_model(path, &model));
    if (!model) return stk_published_open(&c->model, path, c->averaged, &c->notes);
    if (c->averaged)
        return stk_fail(STK_ERR_CONTENT,
                        "%s: holds one set of weights; --weights ema is for full checkpoints "
                        "(ngp_epXXXX.pth)",
                        path);
    return stk_model_open(&c->model, path);
}

/* Replaces the performance by that of the subject. */
static stk_status take_subject(conversion *c) {
    if (c->options->subject == NULL) return STK_OK;
    stk_performance *p = &c->model->performance;
    STK_TRY(stk_subject_open(&c->subject, c->options->subject));
    stk_free(p->poses);
    stk_free(p->expressions);
    *p = (stk_performance){0};
    STK_TRY(stk_performance_of_subject(p, c->subject, c->model->nets.config.exp));
    stk_image_clear(&c->model->plate);
    if (c->model->nets.has_torso) STK_TRY(stk_subject_plate(c->subject, &c->model->plate));
    stk_note(&c->notes,
             "performance: %d frames of \"%s\"; they fit if the checkpoint was trained on these "
             "poses",
             p->frames, p->subject_name);
    if (c->model->nets.config.exp == 1 && stk_subject_au45(c->subject) == NULL)
        stk_note(&c->notes, "the subject has no AU45; blinking stands for it");
    return STK_OK;
}

static stk_status write_model(conversion *c) {
    const stk_model *model = c->model;
    char film[STK_PATH_MAX];
    stk_model_contents contents = {.nets = &model->nets,
                                   .values = model->nets.params.value,
                                   .performance = &model->performance,
                                   .bits = model->bits,
                                   .steps = model->steps,
                                   .torso_mp4 = model->torso_mp4,
                                   .torso_bytes = model->torso_bytes,
                                   .extra = &model->extra,
                                   .plate = &model->plate};
    if (c->subject != NULL) {
        STK_TRY(stk_subject_path(c->subject, "torso.mp4", film));
        contents.torso_path = film;
    }
    STK_TRY(stk_model_save(c->options->output, &contents));
    if (model->performance.frames == 0)
        stk_note(&c->notes, "no source performance: to render, convert with --subject FOLDER");
    return STK_OK;
}

static stk_status run(conversion *c) {
    STK_TRY(read_options(c));
    STK_TRY(read_input(c));
    STK_TRY(take_subject(c));
    if (c->kind == OUTPUT_STK) return write_model(c);
    return stk_published_save(c->options->output, c->model, c->kind == OUTPUT_SAFETENSORS,
                              &c->notes);
}

stk_status stk_convert(stk_context *ctx, const stk_convert_options *options, char **notes) {
    if (notes != NULL) *notes = NULL;
    conversion c = {.options = options};
    stk_status status = run(&c);
    if (status == STK_OK && notes != NULL) {
        *notes = stk_text_copy(c.notes.text);
        if (*notes == NULL) status = stk_fail_memory("notes");
    }
    stk_subject_close(&c.subject);
    stk_model_close(&c.model);
    return stk_context_finish(ctx, status);
}
