/* ablate.c - `ablate`: the paper's ablation on one subject. */
#include "api/ablate.h"
#include "api/context.h"
#include "base/file.h"
#include "base/memory.h"
#include "face_sync/ave_encoder.h"
#include "metrics/lpips.h"

#include <stdio.h>
#include <string.h>

/* FOLDER of -o; without it, the subject's name with "-ablation". */
static stk_status find_folder(const stk_ablate_options *o, char folder[STK_PATH_MAX]) {
    size_t length = strlen(o->subject);
    while (length > 1 && o->subject[length - 1] == '/') length--;
    const int n = o->output != NULL
                      ? snprintf(folder, STK_PATH_MAX, "%s", o->output)
                      : snprintf(folder, STK_PATH_MAX, "%.*s-ablation", (int)length, o->subject);
    if (n <= 0 || n >= STK_PATH_MAX)
        return stk_fail(STK_ERR_ARGUMENT, "-o FOLDER: the path is empty or too long");
    return stk_report_keep_subject(folder);
}

static stk_status check(const stk_ablate_options *o) {
    char sentence[256];
    stk_lpips_net net;
    if (stk_options_check("ablate", o, sentence, sizeof sentence) != STK_OK)
        return stk_fail(STK_ERR_ARGUMENT, "%s", sentence);
    if (o->subject == NULL || o->subject[0] == '\0')
        return stk_fail(STK_ERR_ARGUMENT, "FOLDER is missing; see --help");
    if (o->encoder != NULL &&
        (strcmp(o->encoder, "mel") == 0 || strcmp(o->encoder, "mel-normalised") == 0))
        return stk_fail(STK_ERR_ARGUMENT,
                        "--encoder %s: is what the encoder is replaced by; give builtin or a file",
                        o->encoder);
    return stk_lpips_net_of(o->perceptual, &net);
}

static stk_status run(const stk_ablate_options *o, const stk_job *job, stk_ablation *ablation,
                      char **text) {
    char folder[STK_PATH_MAX];
    const void *bytes;
    size_t size;
    STK_TRY(check(o));
    STK_TRY(find_folder(o, folder));
    const char *encoder = o->encoder;
    if (encoder == NULL && stk_ave_builtin(&bytes, &size)) encoder = STK_AVE_BUILTIN;
    const stk_ablate_settings settings = {
        .subject = o->subject,
        .folder = folder,
        .models = o->models,
        .perceptual = o->perceptual,
        .encoder = encoder,
        .minutes = o->minutes,
        .steps = o->steps,
        .threads = o->threads,
        .seed = o->seed,
        .rays = o->rays,
        .frames = o->frames,
        .every = o->every,
    };
    STK_TRY(stk_ablate_run(&settings, job, ablation));
    STK_TRY(stk_ablate_files(ablation, folder, o->subject));
    if (o->json) {
        *text = stk_ablate_json(ablation, o->subject);
        return *text != NULL ? STK_OK : stk_fail_memory("ablation");
    }
    stk_page page;
    stk_page_begin(&page);
    stk_ablate_table(&page, ablation, 0);
    stk_page_put(&page, "%c", '\0');
    if (!page.failed) *text = stk_text_copy(page.text);
    stk_page_free(&page);
    return *text != NULL ? STK_OK : stk_fail_memory("ablation");
}

stk_status stk_ablate(stk_context *ctx, const stk_ablate_options *options, char **text) {
    stk_job job = stk_context_job(ctx);
    *text = NULL;
    stk_ablation *ablation = stk_calloc_aligned(1, sizeof *ablation);
    stk_status status =
        ablation != NULL ? run(options, &job, ablation, text) : stk_fail_memory("ablation");
    if (ablation != NULL) stk_ablation_clear(ablation);
    stk_free(ablation);
    return stk_context_finish(ctx, status);
}
