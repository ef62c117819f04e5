/* bench_train.c - training speed on a subject: samples and rays per second of CPU time and of wall
 * time after a warm-up.
 *
 *   build/bench/bench_train SUBJECT [steps 600] [warm-up 300] [threads 2] [rays 4096]
 */
#include "base/clock.h"
#include "base/status.h"
#include "train/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

static double cpu_s(void) {
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
           1e-6 * (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec);
}

static int number(int argc, char **argv, int i, int otherwise) {
    return i < argc ? atoi(argv[i]) : otherwise;
}

int main(int argc, char **argv) {
    if (argc < 2) {
        fprintf(stderr, "usage: bench_train SUBJECT [steps] [warm-up] [threads] [rays]\n");
        return 2;
    }
    const stk_train_settings settings = {.subject = argv[1],
                                         .threads = number(argc, argv, 4, 2),
                                         .seed = 1,
                                         .rays = number(argc, argv, 5, 4096),
                                         .frames = 16,
                                         .lr_grid = 0.01f,
                                         .lr_net = 0.001f};
    int steps = number(argc, argv, 2, 600), warm = number(argc, argv, 3, 300);
    stk_trainer *trainer;
    stk_status status = stk_trainer_create(&trainer, &settings, NULL);
    double cpu = 0, wall = 0, best = 1e9;
    int64_t samples = 0;
    for (int i = 0; status == STK_OK && i < warm + steps; i++) {
        double cpu0 = cpu_s(), wall0 = stk_clock_s();
        status = stk_trainer_step(trainer, (double)i / (double)(warm + steps));
        if (status != STK_OK || i < warm) continue;
        double used = cpu_s() - cpu0;
        cpu += used;
        wall += stk_clock_s() - wall0;
        samples += trainer->step_samples;
        if (used / (double)trainer->step_samples < best)
            best = used / (double)trainer->step_samples;
    }
    if (status != STK_OK) {
        fprintf(stderr, "%s\n", stk_error_text());
        return 1;
    }
    printf("%s: %lld samples, %.2f a ray; CPU %.0f ns a sample (best step %.0f), wall %.0f ns; "
           "%.0fk samples/s, %.1fk rays/s, loss %.5f\n",
           trainer->field.isa, (long long)samples,
           (double)samples / ((double)steps * settings.rays), cpu / (double)samples * 1e9,
           best * 1e9, wall / (double)samples * 1e9, (double)samples / wall * 1e-3,
           (double)steps * settings.rays / wall * 1e-3, trainer->mean_loss);
    stk_trainer_free(&trainer);
    return 0;
}
