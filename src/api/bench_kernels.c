/* bench_kernels.c - the field's kernels on the model's weights under every instruction set, and
 * whole steps of the real trainer on a subject. */
#include "api/bench.h"
#include "api/bench_field.h"
#include "base/clock.h"
#include "base/memory.h"
#include "train/internal.h"

enum {
    KERNEL_CELLS = STK_SLOTS * STK_BENCH_ISAS * 2,
    STEPS_A_RUN = 16, /* the occupancy grid is looked at again once in so many */
    SEED = 1
};
static const double PLAIN_C_COST = 7; /* times what a variant takes */
/* Expected cost of a slot, in that of inference. */
static const double slot_costs[STK_SLOTS] = {0.8, 1, 1.1, 0.8, 2, 0.2, 0.2, 4};

/* --- kernels ---------------------------------------------------------------------------------- */

typedef struct kernel_cell {
    stk_field_bench *field;
    const stk_bench_isa *isa;
    stk_field_slot slot;
    stk_pool *pool;
    int threads;
} kernel_cell;

static stk_status run_kernel(void *ctx, double *seconds) {
    const kernel_cell *cell = ctx;
    stk_bench_use(cell->isa);
    *seconds = stk_field_bench_run(cell->field, cell->slot, cell->pool, NULL);
    return STK_OK;
}

static void report_kernels(stk_bench_session *b, const kernel_cell *list,
                           const stk_bench_cell *cells, int count) {
    const stk_field_shape *shape = &b->isas[0].model->nets.field.shape;
    for (int i = 0; i < count; i++) {
        const kernel_cell *cell = &list[i];
        stk_bench_times times;
        if (!stk_bench_cell_times(&cells[i], &times)) continue;
        cJSON *row = stk_bench_row(b, "kernels");
        const double rate = STK_BENCH_SAMPLES / times.median_s;
        cJSON_AddStringToObject(row, "what", stk_field_slot_name(cell->slot));
        cJSON_AddStringToObject(row, "isa", cell->isa->name);
        stk_bench_put(row, "threads", cell->threads);
        stk_bench_put(row, "samples_per_s", rate);
        stk_bench_put_times(row, &times);
        stk_bench_put(row, "gflop_per_s", 2e-9 * rate * stk_field_slot_macs(shape, cell->slot));
    }
}

stk_status stk_bench_kernels(stk_bench_session *b, double deadline_s) {
    const stk_nets *nets = &b->isas[0].model->nets;
    stk_field_bench *field;
    stk_field_weights weights;
    kernel_cell list[KERNEL_CELLS];
    stk_bench_cell *cells = stk_calloc_aligned(KERNEL_CELLS, sizeof *cells);
    if (cells == NULL) return stk_fail_memory("bench");
    int count = 0;
    stk_field_weights_view(&nets->field, &nets->params, nets->params.value, &weights);
    stk_status status = stk_field_bench_create(&field, &nets->field.shape, &weights, b->threads[0]);
    for (int i = 0; i < b->isa_count; i++) {
        for (int slot = 0; slot < STK_SLOTS; slot++) {
            for (int t = 0; t < b->thread_count; t++) {
                if (t > 0 && t < b->thread_count - 1) continue;
                const double slow = b->isas[i].mask == 0 ? PLAIN_C_COST : 1;
                list[count] = (kernel_cell){field, &b->isas[i], (stk_field_slot)slot, b->pools[t],
                                            b->threads[t]};
                cells[count].run = run_kernel;
                cells[count].ctx = &list[count];
                cells[count++].cost = slow * slot_costs[slot] / b->threads[t];
            }
        }
    }
    if (status == STK_OK)
        status = stk_bench_measure(cells, count, deadline_s, NULL, "kernels", b->job);
    report_kernels(b, list, cells, count);
    stk_field_bench_free(&field);
    stk_free(cells);
    return status;
}

/* --- the trainer ------------------------------------------------------------------------------ */

typedef struct train_cell {
    const stk_bench_session *bench;
    stk_trainer *trainer;
    int threads;
    double deadline_s;      /* a run ends early there: the first steps may wait for the disk */
    int64_t steps, samples; /* of all runs */
} train_cell;

/* Seconds a step. */
static stk_status run_training(void *ctx, double *seconds) {
    train_cell *cell = ctx;
    stk_bench_use(&cell->bench->isas[0]);
    const double start_s = stk_clock_s();
    int done = 0;
    while (done < STEPS_A_RUN && (done == 0 || stk_clock_s() < cell->deadline_s)) {
        if (stk_job_aborted(cell->bench->job)) return stk_fail(STK_ERR_ABORTED, "stopped");
        STK_TRY(stk_trainer_step(cell->trainer, 0));
        cell->samples += cell->trainer->step_samples;
        cell->steps++;
        done++;
    }
    *seconds = (stk_clock_s() - start_s) / done;
    return STK_OK;
}

static stk_status create_trainer(const stk_bench_session *b, train_cell *cell) {
    stk_train_options defaults;
    stk_train_options_init(&defaults);
    const stk_train_settings settings = {.subject = b->options->subject,
                                         .threads = cell->threads,
                                         .seed = SEED,
                                         .rays = defaults.rays,
                                         .frames = defaults.frames,
                                         .attention = STK_ATTENTION_MASKS,
                                         .lr_grid = (float)defaults.lr_grid,
                                         .lr_net = (float)defaults.lr_net};
    stk_bench_use(&b->isas[0]);
    return stk_trainer_create(&cell->trainer, &settings, b->job);
}

static void report_training(stk_bench_session *b, const train_cell *cell,
                            const stk_bench_cell *measured) {
    stk_bench_times times;
    if (!stk_bench_cell_times(measured, &times) || cell->steps == 0) return;
    const double samples = (double)cell->samples / (double)cell->steps;
    const int rays = cell->trainer->settings.rays;
    cJSON *row = stk_bench_row(b, "training");
    cJSON_AddStringToObject(row, "what", "trainer step");
    cJSON_AddStringToObject(row, "isa", b->isas[0].name);
    stk_bench_put(row, "threads", cell->threads);
    stk_bench_put(row, "steps_per_s", 1 / times.median_s);
    stk_bench_put(row, "samples_per_s", samples / times.median_s);
    stk_bench_put_times(row, &times);
    stk_bench_put(row, "rays", rays);
    stk_bench_put(row, "samples_per_ray", samples / rays);
}

stk_status stk_bench_training(stk_bench_session *b, double deadline_s) {
    train_cell list[2] = {{0}};
    stk_bench_cell cells[2] = {{0}};
    const int count = b->thread_count > 1 ? 2 : 1;
    stk_status status = STK_OK;
    for (int i = 0; status == STK_OK && i < count; i++) {
        list[i].bench = b;
        list[i].deadline_s = deadline_s;
        list[i].threads = b->threads[i == 0 ? 0 : b->thread_count - 1];
        cells[i] =
            (stk_bench_cell){.run = run_training, .ctx = &list[i], .cost = 1.0 / list[i].threads};
        status = create_trainer(b, &list[i]);
    }
    if (status == STK_OK)
        status = stk_bench_measure(cells, count, deadline_s, NULL, "train", b->job);
    for (int i = 0; i < count; i++) {
        if (list[i].trainer != NULL) report_training(b, &list[i], &cells[i]);
        stk_trainer_free(&list[i].trainer);
    }
    return status;
}
