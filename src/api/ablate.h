/* ablate.h - the table of `ablate` as text, JSON, Markdown and a page. */
#ifndef STK_API_ABLATE_H
#define STK_API_ABLATE_H

#include "api/report.h"
#include "train/ablate.h"

/* Columns of the table. */
enum { STK_ABLATE_COLUMNS_MAX = 10 };
typedef struct stk_ablate_column {
    int column; /* of the album; -1: jitter of the head */
    int judged; /* 1: decides what a module is worth */
    const char *label, *unit;
    int decimals, lower_is_better;
    double least; /* a smaller difference is none, however certain */
} stk_ablate_column;
/* Those that there are figures of; returns how many. LPIPS is the perceptual figure where its
 * network is there, else MS-SSIM and NIQE stand for it. */
int stk_ablate_columns(const stk_ablation *ablation,
                       stk_ablate_column columns[STK_ABLATE_COLUMNS_MAX]);
/* NaN where there is none. */
double stk_ablate_value(const stk_ablation *ablation, int variant, const stk_ablate_column *column);
/* 1: worse than the full system with 95 % certainty and by `least` or more, -1: better, 0: neither.
 */
int stk_ablate_verdict(const stk_ablation *ablation, int variant, const stk_ablate_column *column);
/* One sentence on what a module is worth. */
enum { STK_ABLATE_SENTENCE = 480 };
void stk_ablate_sentence(const stk_ablation *ablation, int variant,
                         char sentence[STK_ABLATE_SENTENCE]);

/* NULL without memory. */
char *stk_ablate_json(const stk_ablation *ablation, const char *subject);
/* The table, with verdicts; markdown 1: as Markdown. */
void stk_ablate_table(stk_page *out, const stk_ablation *ablation, int markdown);
/* ablation.json, ablation.csv (a row a frame), ablation.md, report.html into the folder. */
stk_status stk_ablate_files(const stk_ablation *ablation, const char *folder, const char *subject);

#endif
