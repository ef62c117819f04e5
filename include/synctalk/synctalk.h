/* synctalk.h - the whole public interface: from a few minutes of video of one person to that person
 * saying any sound, on a CPU. (SyncTalk, CVPR 2024, arXiv 2311.17590.)
 *
 * A complete program (examples/hello.c, compiled and run by the tests):
 *
 *     #include <synctalk/synctalk.h>
 *     #include <stdio.h>
 *
 *     int main(int argc, char **argv) {
 *         if (argc != 4) return 2;
 *         stk_context *ctx;
 *         if (stk_context_create(&ctx, NULL) != STK_OK) return 1;
 *         stk_render_options options;
 *         stk_render_options_init(&options);
 *         options.model = argv[1];
 *         options.audio = argv[2];
 *         options.output = argv[3];
 *         stk_render_result result;
 *         stk_status status = stk_render(ctx, &options, &result);
 *         if (status == STK_OK) printf("%d frames\n", result.frames);
 *         else fprintf(stderr, "%s\n", stk_context_error(ctx));
 *         stk_context_free(&ctx);
 *         return status != STK_OK;
 *     }
 *
 * Conventions
 *   Status      every fallible function returns STK_OK (0) or a negative code; the sentence that
 *               says what happened, to which file and what to do is stk_context_error(), until the
 *               next call on the same context.
 *   Ownership   options and their strings stay the caller's and need only live during the call.
 *               Text returned through char ** is the caller's: stk_text_free().
 *   Threads     a context may be used by one thread at a time; different contexts by different
 *               threads at once. Work inside a call is spread over options.threads threads.
 *   Callbacks   come from the thread that made the call (log lines: from any thread).
 *   Files       are written under a temporary name and renamed when complete.
 */
#ifndef SYNCTALK_H
#define SYNCTALK_H

#include <stdint.h>
#include "synctalk/options.h"

#ifdef __cplusplus
extern "C" {
#endif

#ifndef STK_STATUS_DEFINED
#define STK_STATUS_DEFINED
typedef enum stk_status {
    STK_OK = 0,
    STK_ERR_ARGUMENT = -1,    /* the caller asked for something impossible */
    STK_ERR_IO = -2,          /* reading or writing failed (missing file, full disk, permission) */
    STK_ERR_FORMAT = -3,      /* the file is not what it should be, or is damaged */
    STK_ERR_MEMORY = -4,      /* an allocation failed */
    STK_ERR_UNSUPPORTED = -5, /* valid, but this build or version does not do it */
    STK_ERR_WEIGHTS = -6,     /* a pretrained weight file is missing or is the wrong one */
    STK_ERR_CONTENT = -7,     /* the clip cannot work: no face, no sound, too short ... */
    STK_ERR_MISMATCH = -8,    /* two files do not belong together (model and subject) */
    STK_ERR_ABORTED = -9,     /* the abort callback (Ctrl-C) said stop; state was saved */
    STK_ERR_NUMERIC = -10,    /* not-a-number that could not be rolled back */
} stk_status;
#endif

/* "0.1.0" */
const char *stk_version(void);
/* One line: version, instruction sets in use, threads of this machine. Storage of the calling
 * thread. */
const char *stk_system_line(void);
/* Restricts the instruction sets of all later calls: "c", "avx2", "avx512", "avx512bf16", "amx" or
 * a number; NULL lifts it again (not what the environment's STK_CPU_MASK says). STK_ERR_ARGUMENT
 * for any other word. For finding bugs and for comparisons. */
stk_status stk_set_cpu_mask(const char *mask);

/* ---- Context and callbacks ------------------------------------------------------------------- */

typedef struct stk_context stk_context;

/* Progress of long work. */
typedef struct stk_event {
    const char *step;    /* "landmarks", "train", "render", ... */
    int64_t done, total; /* units; total 0 = unknown */
    double seconds;      /* since the step began */
    double eta_s;        /* estimated seconds left; < 0 = unknown */
    const char *detail;  /* figures, or NULL */
} stk_event;

/* One rendered picture, as it is written: 8 bits, rows `stride` bytes apart; valid during the
 * callback. */
typedef struct stk_frame_view {
    const uint8_t *rgb; /* RGBA where channels is 4 */
    int width, height;
    int64_t stride;
    int index; /* 0, 1, ... at 25 frames/s; with full frames at the clip's own rate */
    int total;
    int channels; /* 3; 4 with a transparent background, straight */
} stk_frame_view;

typedef struct stk_callbacks {
    void *user;
    void (*progress)(void *user, const stk_event *event);
    /* level: 0 error, 1 warning, 2 information, 3 debugging. One sink a process: the lines of all
     * contexts go to the context created last. Must not call back into this library. */
    void (*log)(void *user, int level, const char *line);
    /* Non-zero: stop soon, save, return STK_ERR_ABORTED. */
    int (*abort)(void *user);
    /* Each rendered frame, in order; non-zero stops as abort does. */
    int (*frame)(void *user, const stk_frame_view *frame);
} stk_callbacks;

/* callbacks: copied; NULL or NULL members are fine. */
stk_status stk_context_create(stk_context **ctx, const stk_callbacks *callbacks);
/* Takes NULL. */
void stk_context_free(stk_context **ctx);
/* The sentence of the last failure on this context, "" if none. */
const char *stk_context_error(const stk_context *ctx);
void stk_text_free(char **text);

/* ---- prepare: a video -> a subject folder --------------------------------------------------- */

typedef struct stk_prepare_options {
    STK_PREPARE_OPTIONS(STK_OPTION_MEMBER)
} stk_prepare_options;
void stk_prepare_options_init(stk_prepare_options *options);
/* Steps already finished for the same input are not redone. The report is FOLDER/report.txt, also
 * given as text when `report` is not NULL; with options->json FOLDER/report.json, and then of a
 * failure, too: {"result":"fail","reason":...}. */
stk_status stk_prepare(stk_context *ctx, const stk_prepare_options *options, char **report);

/* ---- subject: the published system's dataset folder <-> a subject folder --------------------- */

typedef struct stk_subject_import_options {
    STK_SUBJECT_IMPORT_OPTIONS(STK_OPTION_MEMBER)
} stk_subject_import_options;
typedef struct stk_subject_export_options {
    STK_SUBJECT_EXPORT_OPTIONS(STK_OPTION_MEMBER)
} stk_subject_export_options;
typedef struct stk_subject_result {
    int frames, train_frames;
    int skipped; /* frames without a picture */
    int width, height;
    double seconds;
} stk_subject_result;
void stk_subject_import_options_init(stk_subject_import_options *options);
void stk_subject_export_options_init(stk_subject_export_options *options);
/* What maps to what: doc/FORMATS.md. A call that fails or is stopped leaves nothing behind. */
stk_status stk_import(stk_context *ctx, const stk_subject_import_options *options,
                      stk_subject_result *result);
stk_status stk_export(stk_context *ctx, const stk_subject_export_options *options,
                      stk_subject_result *result);

/* ---- train: a subject -> one model file ----------------------------------------------------- */

typedef struct stk_train_options {
    STK_TRAIN_OPTIONS(STK_OPTION_MEMBER)
} stk_train_options;
typedef struct stk_train_result {
    int64_t steps;        /* in all, over resumed runs too */
    double seconds;       /* of this run */
    double loss;          /* mean absolute colour error, running mean */
    double held_out_psnr; /* dB, whole picture, on a few held-out frames */
    double rays_per_s, samples_per_s;
    double peak_mib; /* resident memory */
} stk_train_result;
void stk_train_options_init(stk_train_options *options);
/* Writes the model and, beside it, MODEL.train (the state to resume from). On abort both are saved
 * and STK_ERR_ABORTED is returned. */
stk_status stk_train(stk_context *ctx, const stk_train_options *options, stk_train_result *result);

/* ---- render: model + sound -> video --------------------------------------------------------- */

typedef struct stk_render_options {
    STK_RENDER_OPTIONS(STK_OPTION_MEMBER)
} stk_render_options;
typedef struct stk_render_result {
    int frames;
    double seconds;         /* whole call */
    double render_fps;      /* what the threads would reach if they only rendered */
    double end_to_end_fps;  /* frames over the whole time */
    double realtime_factor; /* seconds of video made per second */
    double peak_mib;
} stk_render_result;
void stk_render_options_init(stk_render_options *options);
/* output NULL and frames NULL: pictures only go to the frame callback. */
stk_status stk_render(stk_context *ctx, const stk_render_options *options,
                      stk_render_result *result);

/* ---- eval: held-out frames ------------------------------------------------------------------ */

typedef struct stk_eval_options {
    STK_EVAL_OPTIONS(STK_OPTION_MEMBER)
} stk_eval_options;
typedef struct stk_eval_result {
    int frames;
    double psnr, psnr_head, psnr_mouth; /* dB, means over frames */
    double ssim;
    double lmd;     /* mouth landmark distance, px; < 0: not computed (no landmark graph) */
    int lmd_frames; /* frames in which both pictures showed a face */
    double render_fps;
    double
        psnr_portrait; /* dB; what follows is of the picture with the face pasted into the frame */
    double seam_ratio; /* steps across the mask's rim, made over real: 1 = none to be seen */
    double neck_delta_e,
        neck_flicker; /* colour distance to the real neck; its change, made over real */
    double static_flicker, static_flicker_real; /* change of pixels at rest, levels of 255 */
    int flicker_frames; /* that follow on their neighbour; 0: no flicker was computed (every > 1) */
    /* < 0: not computed; the JSON says why. Means over frames, doc/METRICS.md. */
    double ms_ssim, niqe, brisque, lpips, lpips_portrait;
    double fid, fid_portrait; /* of all frames together */
    double lmd_face, aue; /* px, 68 points; upper-face coefficients, of [0, 1] */
    double pose_error_deg, jitter_rot_deg, jitter_rot_deg_real;
    int worst_count, worst_frame[10]; /* by psnr_portrait, the worst first */
    double worst_psnr[10];
} stk_eval_result;
void stk_eval_options_init(stk_eval_options *options);
/* json (may be NULL) receives {"frames":...,"psnr":...,"psnr_stats":{...},...}: doc/METRICS.md. */
stk_status stk_eval(stk_context *ctx, const stk_eval_options *options, stk_eval_result *result,
                    char **json);

/* ---- info ----------------------------------------------------------------------------------- */

typedef struct stk_info_options {
    STK_INFO_OPTIONS(STK_OPTION_MEMBER)
} stk_info_options;
void stk_info_options_init(stk_info_options *options);
/* What is this file: subject, model, clip, weight file, tensor file. Text, or JSON if
 * options->json. */
stk_status stk_info(stk_context *ctx, const stk_info_options *options, char **text);

/* ---- sync: how late is the sound of a clip --------------------------------------------------- */

typedef struct stk_sync_options {
    STK_SYNC_OPTIONS(STK_OPTION_MEMBER)
} stk_sync_options;
typedef struct stk_sync_result {
    double offset_frames, offset_ms; /* positive: the sound is late; frames of 1/25 s */
    double confidence;               /* 0 .. 1; below 0.8 the offset should not be acted on */
} stk_sync_result;
void stk_sync_options_init(stk_sync_options *options);
/* text (may be NULL): the figures of every measure, or JSON if options->json. */
stk_status stk_sync(stk_context *ctx, const stk_sync_options *options, stk_sync_result *result,
                    char **text);

/* ---- compare: videos of any system beside the real one --------------------------------------- */

typedef struct stk_compare_options {
    STK_COMPARE_OPTIONS(STK_OPTION_MEMBER)
} stk_compare_options;
void stk_compare_options_init(stk_compare_options *options);
/* options->videos: paths separated by newlines. text: a table, or JSON if options->json. */
stk_status stk_compare(stk_context *ctx, const stk_compare_options *options, char **text);

/* ---- ablate: what every module is worth -------------------------------------------------------- */

typedef struct stk_ablate_options {
    STK_ABLATE_OPTIONS(STK_OPTION_MEMBER)
} stk_ablate_options;
void stk_ablate_options_init(stk_ablate_options *options);
/* Trains the whole system and it with one module replaced each, evaluates all. text: a table, or
 * JSON if options->json; files go into the folder. On abort the same call goes on. */
stk_status stk_ablate(stk_context *ctx, const stk_ablate_options *options, char **text);

/* ---- sheet: pictures side by side ------------------------------------------------------------ */

typedef struct stk_sheet_options {
    STK_SHEET_OPTIONS(STK_OPTION_MEMBER)
} stk_sheet_options;
void stk_sheet_options_init(stk_sheet_options *options);
/* options->pictures: paths separated by newlines, of videos with "@seconds". Writes one PNG. */
stk_status stk_sheet(stk_context *ctx, const stk_sheet_options *options);

/* ---- convert: published checkpoint <-> model ------------------------------------------------- */

typedef struct stk_convert_options {
    STK_CONVERT_OPTIONS(STK_OPTION_MEMBER)
} stk_convert_options;
void stk_convert_options_init(stk_convert_options *options);
/* notes (may be NULL): what was found, padded, left out; a line each. */
stk_status stk_convert(stk_context *ctx, const stk_convert_options *options, char **notes);

/* ---- presenter: an invented person to try all this with ------------------------------------ */

typedef struct stk_presenter_options {
    STK_PRESENTER_OPTIONS(STK_OPTION_MEMBER)
} stk_presenter_options;
typedef struct stk_presenter_result {
    int frames;
    double seconds; /* whole call */
    double fps;     /* frames over it */
    double sound_s; /* length of what is said; 0 without a sound track */
} stk_presenter_result;
void stk_presenter_options_init(stk_presenter_options *options);
/* Draws a person from the seed who says something, as a clip that `prepare` takes. On failure or
 * abort nothing is left. */
stk_status stk_presenter(stk_context *ctx, const stk_presenter_options *options,
                         stk_presenter_result *result);

/* ---- bench: how fast is this machine --------------------------------------------------------- */

typedef struct stk_bench_options {
    STK_BENCH_OPTIONS(STK_OPTION_MEMBER)
} stk_bench_options;
void stk_bench_options_init(stk_bench_options *options);
/* Measures rendering, wav to mp4, kernels and training under every instruction set. text: tables
 * (Markdown), or JSON if options->json; when stopped or failed midway, what was measured until
 * then. Changes the process's CPU mask as it goes: nothing else should run in it meanwhile. */
stk_status stk_bench(stk_context *ctx, const stk_bench_options *options, char **text);

/* ---- encoder: learn from clips which lips belong to which sound ------------------------------ */

typedef struct stk_encoder_train_options {
    STK_ENCODER_TRAIN_OPTIONS(STK_OPTION_MEMBER)
} stk_encoder_train_options;
typedef struct stk_encoder_train_result {
    int64_t steps, best_step; /* in all; of the weights written */
    double seconds, pairs_per_s;
    double loss, hits;           /* running means; hits: own sound is the nearest of 64 */
    int windows;                 /* of 5 s of held-out speech, 0 = none */
    double accuracy, confidence; /* share of them whose offset is found within a frame */
} stk_encoder_train_result;
void stk_encoder_train_options_init(stk_encoder_train_options *options);
/* Writes the encoder, beside it FILE less its ending + ".picture.safetensors" (the lips' side) and
 * FILE.train (to resume from). On abort all are saved and STK_ERR_ABORTED is returned. */
stk_status stk_train_encoder(stk_context *ctx, const stk_encoder_train_options *options,
                             stk_encoder_train_result *result);

typedef struct stk_encoder_pack_options {
    STK_ENCODER_PACK_OPTIONS(STK_OPTION_MEMBER)
} stk_encoder_pack_options;
void stk_encoder_pack_options_init(stk_encoder_pack_options *options);
/* Writes both sides of an encoder as one file of 6 MB, large layers in eight bits. */
stk_status stk_pack_encoder(stk_context *ctx, const stk_encoder_pack_options *options);

/* ---- options as data: for command lines and bindings ---------------------------------------- */

typedef enum stk_option_kind {
    STK_OPTION_TEXT,
    STK_OPTION_INT,
    STK_OPTION_REAL,
    STK_OPTION_FLAG
} stk_option_kind;
typedef struct stk_option {
    stk_option_kind kind;
    const char *name, *flag; /* flag "" = positional */
    const char *initial;     /* default, as text */
    double lowest, highest;
    const char *word, *help;
    int offset; /* of the member in the options struct */
} stk_option;
/* The table of a command ("prepare", "train" ...), ended by a NULL name; NULL if unknown. */
const stk_option *stk_option_table(const char *command);
/* All members of an options struct within their ranges? The calls above check this themselves. */
stk_status stk_options_check(const char *command, const void *options, char *error, int size);
/* Sets one member from text after checking kind and range; the sentence goes to `error` (size
 * bytes). */
stk_status stk_option_set(const stk_option *option, void *options, const char *value, char *error,
                          int size);

#ifdef __cplusplus
}
#endif
#endif
