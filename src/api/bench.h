/* bench.h - the parts of `synctalk bench` and what they share.
 *
 *   bench.c          options, the order of the sections and their share of the time
 *   bench_machine.c  what is this machine, and is it idle
 *   bench_render.c   frames, at several sizes
 *   bench_stages.c   where the time of one frame goes
 *   bench_clip.c     made speech; wav to mp4 from end to end
 *   bench_kernels.c  the field's kernels and a training step put together from them
 *                    (bench_field.h, which bench/bench_field.c uses as well), the real trainer
 *   bench_torch.c    the same network in PyTorch, run as another process
 *   bench_report.c   one JSON object; Markdown tables and the CSV line are made from it
 */
#ifndef STK_API_BENCH_H
#define STK_API_BENCH_H

#include "api/bench_measure.h"
#include "base/file.h"
#include "base/pool.h"
#include "render/model.h"
#include "synctalk/synctalk.h"

#include <cjson/cJSON.h>

enum { STK_BENCH_ISAS = 6, STK_BENCH_THREADS = 12, STK_BENCH_SIZES = 3 };

typedef struct stk_bench_isa {
    const char *name; /* as --cpu-mask takes it */
    uint32_t mask;
    stk_model *model; /* opened under the mask */
} stk_bench_isa;

typedef struct stk_bench_session {
    const stk_bench_options *options;
    const stk_job *job;
    double start_s;
    uint32_t flags;                     /* of the processor, as allowed from outside */
    stk_bench_isa isas[STK_BENCH_ISAS]; /* best first */
    int isa_count;
    int threads[STK_BENCH_THREADS]; /* most first */
    stk_pool *pools[STK_BENCH_THREADS];
    int thread_count;
    char folder[STK_PATH_MAX]; /* temporary; removed at the end */
    char sound[STK_PATH_MAX];
    STK_ALIGNED(64) float code[STK_AUDIO_CODE]; /* of a frame of the sound */
    int frame;                                  /* source frame that is rendered */
    cJSON *report;
} stk_bench_session;

/* From here on tables are filled for this instruction set. */
void stk_bench_use(const stk_bench_isa *isa);
/* A file of this name in the temporary folder; removed with it if it is one of those listed in
 * bench.c. */
stk_status stk_bench_path(const stk_bench_session *bench, const char *name,
                          char path[STK_PATH_MAX]);

/* bench_machine.c */
void stk_bench_describe_machine(cJSON *machine);
/* Load at the start; at the end the share of the machine that others used meanwhile. */
typedef struct stk_bench_load {
    double wall_s, busy_s, own_s;
} stk_bench_load;
void stk_bench_load_start(stk_bench_load *load, cJSON *object);
void stk_bench_load_end(const stk_bench_load *load, cJSON *object);

/* The sections. Each adds its rows to the report, also when it fails or is stopped. */
stk_status stk_bench_sound(stk_bench_session *bench);
stk_status stk_bench_choose_frame(stk_bench_session *bench);
stk_status stk_bench_render(stk_bench_session *bench, double deadline_s);
stk_status stk_bench_stages(stk_bench_session *bench, double deadline_s);
stk_status stk_bench_clip(stk_bench_session *bench, double deadline_s);
stk_status stk_bench_kernels(stk_bench_session *bench, double deadline_s);
stk_status stk_bench_training(stk_bench_session *bench, double deadline_s);
stk_status stk_bench_torch(stk_bench_session *bench, double seconds);

/* bench_report.c. Numbers are kept to five digits. */
cJSON *stk_bench_row(stk_bench_session *bench, const char *section);
void stk_bench_put(cJSON *row, const char *key, double value);
void stk_bench_put_times(cJSON *row, const stk_bench_times *times);
/* Text of the caller: stk_free. */
stk_status stk_bench_markdown(const cJSON *report, char **text);
/* Refuses a file that begins with anything but these columns; one that is new or empty will do, and
 * so does NULL. */
stk_status stk_bench_check_csv(const char *path);
/* Appends the line, with the column names before it when the file is new. */
stk_status stk_bench_append_csv(const cJSON *report, const char *path);

#endif
