/* calls.c - the public calls: check the options, run the room, hand back figures. */
#include "base/status.h"
#include "api/context.h"
#include "api/report.h"
#include "api/scores.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/ranks.h"
#include "face_sync/ave_encoder.h"
#include "metrics/lpips.h"
#include "render/evaluate.h"
#include "render/render.h"
#include "subject/subject.h"
#include "train/trainer.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static stk_status need(const char *value, const char *what) {
    if (value != NULL && value[0] != '\0') return STK_OK;
    return stk_fail(STK_ERR_ARGUMENT, "%s is missing; see --help", what);
}

static stk_status check(const char *command, const void *options) {
    char sentence[256];
    if (stk_options_check(command, options, sentence, sizeof sentence) == STK_OK) return STK_OK;
    return stk_fail(STK_ERR_ARGUMENT, "%s", sentence);
}

/* None of the inputs is the output. */
static stk_status keep_inputs(const char *output, const char *const inputs[], size_t count) {
    for (size_t i = 0; i < count; i++) STK_TRY(stk_file_keep_input(output, inputs[i]));
    return STK_OK;
}

/* Nor is it one of these files of a folder. */
static stk_status keep_files(const char *output, const char *folder, const char *const names[],
                             size_t count) {
    for (size_t i = 0; output != NULL && i < count; i++) {
        char path[STK_PATH_MAX];
        STK_TRY(stk_path_join(path, sizeof path, folder, names[i]));
        STK_TRY(stk_file_keep_input(output, path));
    }
    return STK_OK;
}

/* Files of a subject folder that are read; none may be what is written. */
static const char *const subject_files[] = {
    "manifest.json", "tables.safetensors", "labels.safetensors", "picture.mp4",
    "torso.mp4",     "plate.png",          "audio.wav"};

static stk_status keep_subject(const char *output, const char *subject) {
    if (subject == NULL) return STK_OK;
    return keep_files(output, subject, subject_files, STK_ARRAY_SIZE(subject_files));
}

/* Pictures by number do not go into a subject. */
static stk_status check_frames_folder(const char *folder) {
    char path[STK_PATH_MAX];
    if (folder == NULL) return STK_OK;
    STK_TRY(stk_path_join(path, sizeof path, folder, "manifest.json"));
    if (!stk_file_exists(path)) return STK_OK;
    return stk_fail(STK_ERR_ARGUMENT, "%s: is a subject folder; give --frames another one", folder);
}

/* --- prepare --------------------------------------------------------------------------------- */

enum { REPORT_BYTES_MAX = 4 << 20 };

/* The full frames beside the square ones. */
static stk_status keep_full(const char *folder, const stk_job *job) {
    stk_subject *subject;
    stk_full_frames full;
    STK_TRY(stk_subject_open(&subject, folder));
    stk_status status = stk_subject_open_full(subject, job, &full);
    stk_full_frames_close(&full);
    stk_subject_close(&subject);
    return status;
}

static stk_status prepare(const stk_prepare_options *options, const stk_job *job, char **report) {
    static const char *const made[] = {"picture.mp4", "torso.mp4", "audio.wav"};
    STK_TRY(check("prepare", options));
    STK_TRY(need(options->clip, "CLIP"));
    STK_TRY(need(options->output, "-o FOLDER"));
    STK_TRY(keep_files(options->clip, options->output, made, STK_ARRAY_SIZE(made)));
    if (options->size % 2 != 0)
        return stk_fail(STK_ERR_ARGUMENT, "--size %d: must be even", options->size);
    const stk_prepare_settings settings = {
        .clip = options->clip,
        .folder = options->output,
        .models = options->models,
        .head_model = options->head_model,
        .parsing = options->parsing,
        .size = options->size,
        .threads = options->threads,
        .restart = options->restart,
        .points = options->points,
        .sync = options->sync,
        .published = options->published,
    };
    STK_TRY(stk_subject_prepare(&settings, job));
    if (options->full) STK_TRY(keep_full(options->output, job));
    if (report == NULL) return STK_OK;
    char path[STK_PATH_MAX];
    STK_TRY(stk_path_join(path, sizeof path, options->output,
                          options->json ? "report.json" : "report.txt"));
    return stk_file_read_text(path, REPORT_BYTES_MAX, report);
}

/* The folder's report.json when it tells of this very failure: its reason is the sentence. */
static char *failure_in_folder(const char *folder, const char *sentence) {
    char path[STK_PATH_MAX], *text = NULL;
    if (stk_path_join(path, sizeof path, folder, "report.json") != STK_OK ||
        stk_file_read_text(path, REPORT_BYTES_MAX, &text) != STK_OK)
        return NULL;
    cJSON *root = cJSON_Parse(text);
    const char *reason = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(root, "reason"));
    int same = reason != NULL && strcmp(reason, sentence) == 0;
    cJSON_Delete(root);
    if (same) return text;
    stk_free(text);
    return NULL;
}

/* What a program reads of a failed call. NULL without memory. */
static char *failure_report(const stk_prepare_options *options) {
    char sentence[1024];
    stk_error_take(sentence, sizeof sentence);
    char *text = options->output != NULL ? failure_in_folder(options->output, sentence) : NULL;
    if (text == NULL) {
        cJSON *root = cJSON_CreateObject();
        cJSON_AddStringToObject(root, "result", "fail");
        if (options->clip != NULL) cJSON_AddStringToObject(root, "clip", options->clip);
        cJSON_AddStringToObject(root, "reason", sentence);
        text = stk_json_text(root);
    }
    stk_error_put(sentence);
    return text;
}

stk_status stk_prepare(stk_context *ctx, const stk_prepare_options *options, char **report) {
    stk_job job = stk_context_job(ctx);
    if (report != NULL) *report = NULL;
    stk_status status = prepare(options, &job, report);
    if (status != STK_OK && options->json && report != NULL) *report = failure_report(options);
    return stk_context_finish(ctx, status);
}

/* Which of `count` words an option says; NULL: the first, the default. */
static stk_status read_word(const char *flag, const char *word, const char *const *words, int count,
                            int *which) {
    char list[128] = "";
    *which = 0;
    if (word == NULL) return STK_OK;
    for (int i = 0; i < count; i++) {
        if (strcmp(word, words[i]) == 0) {
            *which = i;
            return STK_OK;
        }
        const size_t length = strlen(list);
        const char *between = i == 0 ? "" : i == count - 1 ? " or " : ", ";
        snprintf(list + length, sizeof list - length, "%s%s", between, words[i]);
    }
    return stk_fail(STK_ERR_ARGUMENT, "%s %s: must be %s", flag, word, list);
}

/* --- train ----------------------------------------------------------------------------------- */

/* The encoder is neither model nor training state. (A run folder holds nothing but runs.) */
static stk_status keep_encoder(const stk_train_options *o) {
    static const char *const endings[] = {"", ".train"};
    for (size_t i = 0; i < STK_ARRAY_SIZE(endings); i++) {
        char path[STK_PATH_MAX];
        snprintf(path, sizeof path, "%.4080s%s", o->output, endings[i]);
        STK_TRY(stk_file_keep_input(path, o->encoder));
    }
    return STK_OK;
}

/* "45s", "10m", "1h30m" -> seconds; NULL -> 0. */
static stk_status read_budget(const char *text, double *seconds) {
    static const char letters[] = "hms";
    static const double lengths[] = {3600, 60, 1};
    *seconds = 0;
    if (text == NULL) return STK_OK;
    int next = 0, good = text[0] != '\0';
    for (const char *at = text; good && *at != '\0';) {
        const size_t digits = strspn(at, "0123456789.");
        char *end = NULL;
        const double number = strtod(at, &end);
        const char *letter = strchr(letters + next, at[digits]);
        good =
            digits > 0 && digits < 10 && end == at + digits && at[digits] != '\0' && letter != NULL;
        if (!good) break;
        *seconds += number * lengths[letter - letters];
        next = (int)(letter - letters) + 1;
        at = end + 1;
    }
    if (good && *seconds >= 1 && *seconds <= 1e8) return STK_OK;
    return stk_fail(STK_ERR_ARGUMENT, "--budget %s: give a time such as 45s, 10m or 1h30m", text);
}

static stk_status train(const stk_train_options *options, const stk_job *job,
                        stk_train_result *result) {
    const double begun_s = stk_clock_s();
    double budget_s;
    STK_TRY(stk_ranks_begin());
    STK_TRY(check("train", options));
    STK_TRY(need(options->subject, "FOLDER"));
    STK_TRY(need(options->output, "-o MODEL"));
    STK_TRY(keep_subject(options->output, options->subject));
    STK_TRY(keep_encoder(options));
    static const char *const words[STK_ATTENTIONS] = {"masks", "penalties", "free"};
    static const stk_attention attentions[STK_ATTENTIONS] = {
        STK_ATTENTION_MASKS, STK_ATTENTION_PENALTIES, STK_ATTENTION_FREE};
    static const char *const inputs[] = {"all", "blink"};
    static const char *const stages[] = {"stabilised", "coarse"};
    int expression, coarse;
    static const char *const schedules[STK_SCHEDULES] = {"fast", "fine", "paper", "released"};
    static const char *const perceptuals[STK_PERCEPTUALS] = {"auto", "lpips", "structure", "none"};
    int attention, schedule, perceptual;
    unsigned vary;
    STK_TRY(read_budget(options->budget, &budget_s));
    STK_TRY(read_word("--attention", options->attention, words, STK_ATTENTIONS, &attention));
    STK_TRY(read_word("--schedule", options->schedule, schedules, STK_SCHEDULES, &schedule));
    STK_TRY(
        read_word("--perceptual", options->perceptual, perceptuals, STK_PERCEPTUALS, &perceptual));
    STK_TRY(stk_vary_parse(options->vary, &vary));
    STK_TRY(read_word("--expression", options->expression, inputs, 2, &expression));
    STK_TRY(read_word("--poses", options->poses, stages, 2, &coarse));
    const void *bytes;
    size_t size;
    const char *encoder = options->encoder;
    if (encoder == NULL && stk_ave_builtin(&bytes, &size)) encoder = STK_AVE_BUILTIN;
    const int normalised = encoder != NULL && strcmp(encoder, "mel-normalised") == 0;
    if (encoder != NULL && (normalised || strcmp(encoder, "mel") == 0)) encoder = NULL;
    const stk_train_settings settings = {
        .encoder = encoder,
        .normalised = normalised,
        .subject = options->subject,
        .output = options->output,
        .run = options->run,
        .program = stk_system_line(),
        .minutes = options->minutes == 0 && budget_s == 0 ? 30 : options->minutes,
        .budget_s = budget_s,
        .begun_s = begun_s,
        .save_s = options->save_s,
        .preview_s = options->preview_s,
        .steps = options->steps,
        .threads = options->threads,
        .seed = options->seed,
        .resume = options->resume,
        .rays = options->rays,
        .frames = options->frames,
        .torso_steps = options->torso,
        .attention = attentions[attention],
        .expression = expression ? STK_EXPRESSION_BLINK : STK_EXPRESSION_ALL,
        .coarse_poses = coarse,
        .schedule = (stk_schedule_kind)schedule,
        .perceptual = (stk_perceptual_kind)perceptual,
        .models = options->models,
        .lr_grid = (float)options->lr_grid,
        .lr_net = (float)options->lr_net,
        .vary = vary,
    };
    stk_train_figures figures;
    stk_status status = stk_train_run(&settings, job, &figures);
    *result = (stk_train_result){
        .steps = figures.steps,
        .seconds = figures.seconds,
        .loss = figures.loss,
        .held_out_psnr = figures.held_out_psnr,
        .rays_per_s = figures.rays_per_s,
        .samples_per_s = figures.samples_per_s,
        .peak_mib = stk_peak_rss_mib(),
    };
    return status;
}

stk_status stk_train(stk_context *ctx, const stk_train_options *options, stk_train_result *result) {
    stk_job job = stk_context_job(ctx);
    *result = (stk_train_result){0};
    return stk_context_finish(ctx, train(options, &job, result));
}

/* --- render ---------------------------------------------------------------------------------- */

static stk_status forward_frame(void *user, const stk_image *picture, int index, int total,
                                int *stop) {
    stk_context *ctx = user;
    const stk_frame_view view = {.rgb = picture->data,
                                 .width = picture->width,
                                 .height = picture->height,
                                 .stride = picture->stride,
                                 .index = index,
                                 .total = total,
                                 .channels = picture->channels};
    *stop = ctx->callbacks.frame(ctx->callbacks.user, &view);
    return STK_OK;
}

/* --frame square | full, and what goes with it */
static stk_status full_frame(const stk_render_options *options, int *full) {
    const char *frame = options->frame;
    *full = frame != NULL && strcmp(frame, "full") == 0;
    if (frame != NULL && !*full && strcmp(frame, "square") != 0)
        return stk_fail(STK_ERR_ARGUMENT, "--frame %s: give square or full", frame);
    if (*full && options->portrait == NULL)
        return stk_fail(STK_ERR_ARGUMENT,
                        "--frame full: --portrait FOLDER is missing, the subject whose clip the "
                        "face is pasted into");
    if (options->background != NULL && options->portrait == NULL)
        return stk_fail(
            STK_ERR_ARGUMENT,
            "--background: --portrait FOLDER is missing, the subject that knows what is "
            "person in its frames");
    if (options->background != NULL && *full)
        return stk_fail(STK_ERR_ARGUMENT,
                        "--background and --frame full exclude each other: outside the square "
                        "nobody knows what is person");
    return STK_OK;
}

static stk_status render(stk_context *ctx, const stk_render_options *options, const stk_job *job,
                         stk_render_result *result) {
    STK_TRY(stk_ranks_begin());
    STK_TRY(check("render", options));
    STK_TRY(need(options->model, "-m MODEL"));
    STK_TRY(need(options->audio, "-a SOUND"));
    if (options->output != NULL && options->frames != NULL)
        return stk_fail(STK_ERR_ARGUMENT, "-o and --frames exclude each other");
    const char *const inputs[] = {options->model,   options->audio,      options->features,
                                  options->encoder, options->expression, options->background};
    STK_TRY(keep_inputs(options->output, inputs, STK_ARRAY_SIZE(inputs)));
    STK_TRY(keep_subject(options->output, options->portrait));
    STK_TRY(check_frames_folder(options->frames));
    static const char *const smooth_words[STK_LIP_SMOOTHINGS] = {"symmetric", "published", "off"};
    static const stk_lip_smoothing smoothings[STK_LIP_SMOOTHINGS] = {
        STK_LIPS_SYMMETRIC, STK_LIPS_PUBLISHED, STK_LIPS_AS_THEY_ARE};
    static const char *const silences[] = {"gate", "off"};
    int smoothing, talks_on;
    STK_TRY(read_word("--smooth-lips", options->smooth_lips, smooth_words, STK_LIP_SMOOTHINGS,
                      &smoothing));
    STK_TRY(read_word("--silence", options->silence, silences, 2, &talks_on));
    stk_render_settings settings = {
        .model = options->model,
        .audio = options->audio,
        .features = options->features,
        .encoder = options->encoder,
        .smoothing = smoothings[smoothing],
        .silence = !talks_on,
        .expression = options->expression,
        .expression_gain = options->expression_gain,
        .models = options->models,
        .seed = options->seed,
        .output = options->output,
        .frames = options->frames,
        .size = options->size,
        .crf = options->crf,
        .threads = options->threads,
        .reference_march = options->reference_march,
        .every_pixel = options->every_pixel,
        .portrait = options->portrait,
        .published = options->published,
        .background = options->background,
    };
    STK_TRY(full_frame(options, &settings.full_frame));
    if (ctx->callbacks.frame != NULL) settings.sink = (stk_frame_sink){forward_frame, ctx};
    stk_render_figures figures;
    stk_status status = stk_render_clip(&settings, job, &figures);
    *result = (stk_render_result){
        .frames = figures.frames,
        .seconds = figures.seconds,
        .render_fps = figures.render_seconds > 0 ? figures.heads / figures.render_seconds : 0,
        .end_to_end_fps = figures.seconds > 0 ? figures.frames / figures.seconds : 0,
        .realtime_factor = figures.seconds > 0 ? figures.heads / figures.seconds / STK_FPS : 0,
        .peak_mib = stk_peak_rss_mib(),
    };
    return status;
}

stk_status stk_render(stk_context *ctx, const stk_render_options *options,
                      stk_render_result *result) {
    stk_job job = stk_context_job(ctx);
    *result = (stk_render_result){0};
    return stk_context_finish(ctx, render(ctx, options, &job, result));
}

/* --- eval ------------------------------------------------------------------------------------ */

/* Of the public struct: -1 = not computed. */
static double known(double value) {
    return isnan(value) ? -1 : value;
}

static double mean_of(const stk_scores *scores, stk_quality_column column) {
    return known(scores->quality.figure[column].mean);
}

static stk_status evaluate(const stk_eval_options *options, const stk_job *job, stk_album *album,
                           stk_eval_result *result, char **json) {
    STK_TRY(stk_ranks_begin());
    STK_TRY(check("eval", options));
    STK_TRY(need(options->model, "-m MODEL"));
    STK_TRY(need(options->subject, "FOLDER"));
    STK_TRY(check_frames_folder(options->frames));
    STK_TRY(stk_report_folder_check(options->report));
    stk_lpips_net net; /* a mistake in its name is told at once */
    STK_TRY(stk_lpips_net_of(options->perceptual, &net));
    const stk_evaluate_settings settings = {
        .model = options->model,
        .subject = options->subject,
        .frames = options->frames,
        .models = options->models,
        .encoder = options->encoder,
        .perceptual = options->perceptual,
        .every = options->every,
        .trained = options->trained,
        .threads = options->threads,
        .reference_march = options->reference_march,
        .every_pixel = options->every_pixel,
        .portrait = options->portrait,
        .published = options->published,
        .album = options->report != NULL ? album : NULL,
    };
    stk_scores scores;
    STK_TRY(stk_evaluate(&settings, job, &scores));
    if (stk_ranks_index() > 0) return STK_OK; /* rank 0 has measured, and tells */
    *result = (stk_eval_result){
        .frames = scores.frames,
        .psnr = scores.psnr,
        .psnr_head = scores.psnr_head,
        .psnr_mouth = scores.psnr_mouth,
        .ssim = scores.ssim,
        .lmd = scores.lmd,
        .lmd_frames = scores.lmd_frames,
        .render_fps = scores.render_fps,
        .psnr_portrait = scores.psnr_portrait,
        .seam_ratio = scores.seam_ratio,
        .neck_delta_e = scores.neck_delta_e,
        .neck_flicker = scores.neck_flicker,
        .static_flicker = scores.static_flicker,
        .static_flicker_real = scores.static_flicker_real,
        .flicker_frames = scores.flicker_frames,
        .ms_ssim = mean_of(&scores, STK_QUALITY_MS_SSIM),
        .niqe = mean_of(&scores, STK_QUALITY_NIQE),
        .brisque = mean_of(&scores, STK_QUALITY_BRISQUE),
        .lpips = mean_of(&scores, STK_QUALITY_LPIPS),
        .lpips_portrait = mean_of(&scores, STK_QUALITY_LPIPS_PORTRAIT),
        .fid = known(scores.quality.fid),
        .fid_portrait = known(scores.quality.fid_portrait),
        .lmd_face = mean_of(&scores, STK_QUALITY_LMD_FACE),
        .aue = mean_of(&scores, STK_QUALITY_AUE),
        .pose_error_deg = mean_of(&scores, STK_QUALITY_POSE),
        .jitter_rot_deg = known(scores.quality.jitter_rot_deg),
        .jitter_rot_deg_real = known(scores.quality.jitter_rot_deg_real),
        .worst_count = scores.worst_count,
    };
    for (int i = 0; i < scores.worst_count; i++) {
        result->worst_frame[i] = scores.worst[i].frame;
        result->worst_psnr[i] = scores.worst[i].psnr;
    }
    if (options->report != NULL) STK_TRY(stk_report_eval(options, &scores, album));
    return json != NULL ? stk_scores_json(&scores, json) : STK_OK;
}

stk_status stk_eval(stk_context *ctx, const stk_eval_options *options, stk_eval_result *result,
                    char **json) {
    stk_job job = stk_context_job(ctx);
    *result = (stk_eval_result){0};
    if (json != NULL) *json = NULL;
    stk_album album = {0};
    const stk_status status = evaluate(options, &job, &album, result, json);
    stk_album_clear(&album);
    return stk_context_finish(ctx, status);
}
