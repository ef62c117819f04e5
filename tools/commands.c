/* commands.c - the subcommands: parse, call, print the closing lines. Products go to files or
 * stdout, all else to stderr. */
#include "tool.h"

#include <stdio.h>

int tool_prepare(tool *t) {
    stk_prepare_options options;
    stk_prepare_options_init(&options);
    int code = tool_parse(t, "prepare", &options);
    if (code >= 0) return code;
    char *report;
    stk_status status = stk_prepare(t->ctx, &options, &report);
    tool_progress_end();
    if (report != NULL && (options.json || !t->quiet)) fputs(report, stdout);
    stk_text_free(&report);
    return tool_exit_code(t, status);
}

int tool_train(tool *t) {
    stk_train_options options;
    stk_train_options_init(&options);
    int code = tool_parse(t, "train", &options);
    if (code >= 0) return code;
    stk_train_result r;
    stk_status status = stk_train(t->ctx, &options, &r);
    tool_progress_end();
    if (!t->quiet && r.steps > 0 && (status == STK_OK || status == STK_ERR_ABORTED))
        fprintf(stderr,
                "%s: steps=%lld seconds=%.0f loss=%.4f held_out_psnr=%.2f rays_per_s=%.0f "
                "samples_per_s=%.0f peak_mib=%.0f -> %s\n",
                status == STK_OK ? "trained" : "saved", (long long)r.steps, r.seconds, r.loss,
                r.held_out_psnr, r.rays_per_s, r.samples_per_s, r.peak_mib, options.output);
    return tool_exit_code(t, status);
}

int tool_render(tool *t) {
    stk_render_options options;
    stk_render_options_init(&options);
    int code = tool_parse(t, "render", &options);
    if (code >= 0) return code;
    if (options.output == NULL && options.frames == NULL) {
        fprintf(stderr, "synctalk render: -o FILE is missing\nTry: synctalk render --help\n");
        return EXIT_USAGE;
    }
    stk_render_result r;
    stk_status status = stk_render(t->ctx, &options, &r);
    tool_progress_end();
    if (!t->quiet && r.frames > 0)
        fprintf(stderr,
                "rendered: frames=%d seconds=%.1f render_fps=%.2f end_to_end_fps=%.2f "
                "realtime_factor=%.3f peak_mib=%.0f\n",
                r.frames, r.seconds, r.render_fps, r.end_to_end_fps, r.realtime_factor, r.peak_mib);
    return tool_exit_code(t, status);
}

/* A figure; --json says why one is not there. */
__attribute__((format(printf, 1, 0))) static void print_or_not(const char *format, double value) {
    if (value >= 0) printf(format, value);
}

static void print_scores(const stk_eval_result *r, int trained) {
    printf("frames        %d %s\n", r->frames, trained ? "trained on" : "held out");
    printf("psnr          %.3f dB  whole picture\n", r->psnr);
    printf("psnr_head     %.3f dB\n", r->psnr_head);
    printf("psnr_mouth    %.3f dB\n", r->psnr_mouth);
    printf("ssim          %.4f\n", r->ssim);
    print_or_not("ms_ssim       %.4f\n", r->ms_ssim);
    print_or_not("niqe          %.3f\n", r->niqe);
    print_or_not("brisque       %.2f\n", r->brisque);
    if (r->lpips >= 0) printf("lpips         %.4f (portrait %.4f)\n", r->lpips, r->lpips_portrait);
    if (r->fid >= 0) printf("fid           %.3f (portrait %.3f)\n", r->fid, r->fid_portrait);
    if (r->lmd >= 0)
        printf("lmd           %.3f px  mouth, %d frames\n", r->lmd, r->lmd_frames);
    else
        printf("lmd           not computed: no landmark graph (scripts/get-models.sh)\n");
    print_or_not("lmd_face      %.3f px  68 points\n", r->lmd_face);
    print_or_not("aue           %.4f  upper-face coefficients, of 1\n", r->aue);
    print_or_not("pose_error    %.3f degrees\n", r->pose_error_deg);
    if (r->jitter_rot_deg >= 0)
        printf("jitter        %.3f degrees/frame^2 (real %.3f)\n", r->jitter_rot_deg,
               r->jitter_rot_deg_real);
    printf("render_fps    %.2f\n", r->render_fps);
    printf("portrait      %.3f dB  whole picture\n", r->psnr_portrait);
    printf("seam          %.3f  steps across it, made / real\n", r->seam_ratio);
    if (r->flicker_frames > 0) {
        printf("neck          %.2f delta E, changes %.2f of the real\n", r->neck_delta_e,
               r->neck_flicker);
        printf("flicker       %.2f of 255 where the clip is still (there %.2f)\n",
               r->static_flicker, r->static_flicker_real);
    } else {
        printf("neck          %.2f delta E\n", r->neck_delta_e);
        printf("flicker       not computed: the frames measured are no neighbours (--every)\n");
    }
    printf("worst frames ");
    for (int i = 0; i < r->worst_count; i++)
        printf("%s %d (%.1f dB)", i > 0 ? "," : "", r->worst_frame[i], r->worst_psnr[i]);
    printf("\n");
}

int tool_eval(tool *t) {
    stk_eval_options options;
    stk_eval_options_init(&options);
    int code = tool_parse(t, "eval", &options);
    if (code >= 0) return code;
    stk_eval_result r;
    char *json;
    stk_status status = stk_eval(t->ctx, &options, &r, &json);
    tool_progress_end();
    if (status == STK_OK && options.json && json != NULL)
        printf("%s\n", json);
    else if (status == STK_OK && r.frames > 0) /* of several processes one has measured */
        print_scores(&r, options.trained);
    stk_text_free(&json);
    return tool_exit_code(t, status);
}

int tool_sheet(tool *t) {
    stk_sheet_options options;
    stk_sheet_options_init(&options);
    int code = tool_parse(t, "sheet", &options);
    if (code >= 0) return code;
    return tool_exit_code(t, stk_sheet(t->ctx, &options));
}

int tool_info(tool *t) {
    stk_info_options options;
    stk_info_options_init(&options);
    int code = tool_parse(t, "info", &options);
    if (code >= 0) return code;
    char *text;
    stk_status status = stk_info(t->ctx, &options, &text);
    if (status == STK_OK) printf(options.json ? "%s\n" : "%s", text);
    stk_text_free(&text);
    return tool_exit_code(t, status);
}

int tool_presenter(tool *t) {
    stk_presenter_options options;
    stk_presenter_options_init(&options);
    int code = tool_parse(t, "presenter", &options);
    if (code >= 0) return code;
    stk_presenter_result r;
    stk_status status = stk_presenter(t->ctx, &options, &r);
    tool_progress_end();
    if (!t->quiet && status == STK_OK)
        fprintf(stderr, "made: frames=%d seconds=%.1f fps=%.1f sound_s=%.2f -> %s\n", r.frames,
                r.seconds, r.fps, r.sound_s, options.output);
    return tool_exit_code(t, status);
}
