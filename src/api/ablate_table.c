/* ablate_table.c - what the ablation comes to: columns, verdicts, and the table as text.
 *
 * A verdict rests on the differences from the full system, frame by frame: where the interval of
 * their mean leaves out 0, and the mean is one that can be seen.
 */
#include "api/ablate.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

int stk_ablate_columns(const stk_ablation *ablation,
                       stk_ablate_column columns[STK_ABLATE_COLUMNS_MAX]) {
    static const stk_ablate_column all[] = {
        {STK_QUALITY_PSNR, 1, "PSNR", "dB", 2, 0, 0.05},
        {STK_QUALITY_PSNR_HEAD, 0, "PSNR head", "dB", 2, 0, 0.05},
        {STK_QUALITY_PSNR_MOUTH, 1, "PSNR mouth", "dB", 2, 0, 0.05},
        {STK_QUALITY_LPIPS, 1, "LPIPS", "", 4, 1, 0.0005},
        {STK_QUALITY_MS_SSIM, 1, "MS-SSIM", "", 4, 0, 0.0005},
        {STK_QUALITY_NIQE, 1, "NIQE", "", 2, 1, 0.05},
        {STK_QUALITY_SSIM, 0, "SSIM", "", 4, 0, 0.0005},
        {STK_QUALITY_LMD, 1, "LMD", "px", 3, 1, 0.02},
        {STK_QUALITY_AUE, 1, "AUE", "", 4, 1, 0.0005},
        {-1, 0, "jitter", "deg", 3, 1, 0},
    };
    const stk_quality_report *full = &ablation->variant[STK_VARIANT_FULL].scores.quality;
    const int perceptual = full->figure[STK_QUALITY_LPIPS].count > 0;
    int n = 0;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        const int k = all[i].column;
        const int stand_in = k == STK_QUALITY_MS_SSIM || k == STK_QUALITY_NIQE;
        const int known = k < 0 ? !isnan(full->jitter_rot_deg) : full->figure[k].count > 0;
        if (known && !(perceptual && stand_in)) columns[n++] = all[i];
    }
    return n;
}

double stk_ablate_value(const stk_ablation *ablation, int variant,
                        const stk_ablate_column *column) {
    const stk_variant_result *result = &ablation->variant[variant];
    const stk_quality_report *q = &result->scores.quality;
    if (result->reason[0] != '\0') return (double)NAN;
    if (column->column < 0) return q->jitter_rot_deg;
    return q->figure[column->column].count > 0 ? q->figure[column->column].mean : (double)NAN;
}

int stk_ablate_verdict(const stk_ablation *ablation, int variant, const stk_ablate_column *column) {
    const stk_variant_result *result = &ablation->variant[variant];
    if (column->column < 0 || variant == STK_VARIANT_FULL || result->reason[0] != '\0') return 0;
    const stk_figure *apart = &result->apart[column->column];
    if (apart->count == 0) return 0;
    if (fabs(apart->mean) < column->least) return 0;
    const int more = apart->ci95[0] > 0, less = apart->ci95[1] < 0;
    return column->lower_is_better ? more - less : less - more;
}

/* "PSNR -0.31 dB, LMD +0.12 px" of the columns with this verdict. */
static int list_columns(const stk_ablation *ablation, int variant, int verdict, char text[160]) {
    stk_ablate_column columns[STK_ABLATE_COLUMNS_MAX];
    const int n = stk_ablate_columns(ablation, columns);
    int found = 0;
    text[0] = '\0';
    for (int c = 0; c < n; c++) {
        const stk_ablate_column *column = &columns[c];
        if (!column->judged || stk_ablate_verdict(ablation, variant, column) != verdict) continue;
        const size_t at = strlen(text);
        snprintf(text + at, 160 - at, "%s%s %+.*f%s%s", found > 0 ? ", " : "", column->label,
                 column->decimals, ablation->variant[variant].apart[column->column].mean,
                 column->unit[0] != '\0' ? " " : "", column->unit);
        found++;
    }
    return found;
}

void stk_ablate_sentence(const stk_ablation *ablation, int variant,
                         char sentence[STK_ABLATE_SENTENCE]) {
    const stk_variant_result *result = &ablation->variant[variant];
    const char *module = stk_variant_names[variant].module;
    char worse[160], better[160];
    if (result->reason[0] != '\0') {
        snprintf(sentence, STK_ABLATE_SENTENCE, "%s: not run: %s", module, result->reason);
        return;
    }
    const int losses = list_columns(ablation, variant, 1, worse);
    const int gains = list_columns(ablation, variant, -1, better);
    if (losses > 0 && gains == 0)
        snprintf(sentence, STK_ABLATE_SENTENCE, "%s: earns its place; without it %s", module,
                 worse);
    else if (losses > 0)
        snprintf(sentence, STK_ABLATE_SENTENCE,
                 "%s: earns its place by %s, and costs something: without it also %s", module,
                 worse, better);
    else if (gains > 0)
        snprintf(sentence, STK_ABLATE_SENTENCE,
                 "%s: does not earn its place here: without it %s, and nothing is worse", module,
                 better);
    else
        snprintf(sentence, STK_ABLATE_SENTENCE,
                 "%s: does not show here: no figure differs beyond chance", module);
}

/* --- the table -------------------------------------------------------------------------------- */

static void put_head(stk_page *out, const stk_ablate_column *columns, int n, int markdown) {
    stk_page_put(out, markdown ? "| |" : "%-32s", "");
    for (int c = 0; c < n; c++) {
        char name[32];
        snprintf(name, sizeof name, "%s%s%s", columns[c].label,
                 columns[c].unit[0] != '\0' ? ", " : "", columns[c].unit);
        stk_page_put(out, markdown ? " %s |" : " %14s", name);
    }
    stk_page_put(out, "\n");
    if (!markdown) return;
    for (int c = 0; c <= n; c++) stk_page_put(out, "|---");
    stk_page_put(out, "|\n");
}

static void put_row(stk_page *out, const stk_ablation *ablation, int variant,
                    const stk_ablate_column *columns, int n, int markdown) {
    static const char *const marks[] = {"+", "", "*"};
    stk_page_put(out, markdown ? "| %s |" : "%-32s", stk_variant_names[variant].title);
    for (int c = 0; c < n; c++) {
        const double value = stk_ablate_value(ablation, variant, &columns[c]);
        char cell[32] = "-";
        if (!isnan(value))
            snprintf(cell, sizeof cell, "%.*f%s", columns[c].decimals, value,
                     marks[1 + stk_ablate_verdict(ablation, variant, &columns[c])]);
        stk_page_put(out, markdown ? " %s |" : " %14s", cell);
    }
    stk_page_put(out, "\n");
}

void stk_ablate_table(stk_page *out, const stk_ablation *ablation, int markdown) {
    stk_ablate_column columns[STK_ABLATE_COLUMNS_MAX];
    const int n = stk_ablate_columns(ablation, columns);
    const stk_variant_result *full = &ablation->variant[STK_VARIANT_FULL];
    put_head(out, columns, n, markdown);
    for (int v = 0; v < STK_VARIANTS; v++) put_row(out, ablation, v, columns, n, markdown);
    stk_page_put(out,
                 "\n%d held-out frames, %lld steps a model. %s worse than the full system, + "
                 "better, with 95 %% certainty by the frames' differences (of one training each).",
                 full->scores.frames, (long long)ablation->steps, markdown ? "\\*" : "*");
    if (!isnan(full->scores.quality.jitter_rot_deg_real))
        stk_page_put(out, " The real head's jitter: %.3f deg / frame^2.",
                     full->scores.quality.jitter_rot_deg_real);
    stk_page_put(out, "\n");
    if (full->scores.quality.figure[STK_QUALITY_LPIPS].count == 0)
        stk_page_put(out, "No network for LPIPS is there: MS-SSIM and NIQE stand for it.\n");
    stk_page_put(out, "\n");
    for (int v = STK_VARIANT_ENCODER; v < STK_VARIANTS; v++) {
        char sentence[STK_ABLATE_SENTENCE];
        stk_ablate_sentence(ablation, v, sentence);
        stk_page_put(out, "%s%s\n", markdown ? "- " : "", sentence);
    }
}
