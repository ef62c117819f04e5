/* bench_machine.c - processor, caches, memory, compiler; and whether anything else runs here. All
 * from /proc and /sys: what is not there is left out. */
#include "api/bench.h"
#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static const double IDLE_LOAD = 0.3; /* mean running processes that still count as idle */

/* First line of a small file without its newline; 0 when there is none. */
static int read_line(const char *path, char *line, int size) {
    FILE *file = fopen(path, "r");
    if (file == NULL) return 0;
    const int got = fgets(line, size, file) != NULL;
    fclose(file);
    if (got) line[strcspn(line, "\n")] = '\0';
    return got;
}

/* "model name : X" of /proc/cpuinfo; the first processor's. */
static int read_cpu_field(const char *name, char *value, size_t size) {
    FILE *file = fopen("/proc/cpuinfo", "r");
    char line[8192];
    int found = 0;
    if (file == NULL) return 0;
    while (!found && fgets(line, sizeof line, file) != NULL) {
        const char *colon = strchr(line, ':');
        if (strncmp(line, name, strlen(name)) != 0 || colon == NULL) continue;
        snprintf(value, size, "%s", colon + 1 + strspn(colon + 1, " \t"));
        value[strcspn(value, "\n")] = '\0';
        found = 1;
    }
    fclose(file);
    return found;
}

/* Of the processor's flags those that say something about this program's kernels. */
static void put_flags(cJSON *machine) {
    static const char *const prefixes[] = {"sse4_2", "fma", "f16c", "bmi2", "avx", "amx", NULL};
    char flags[8192], kept[1024] = "";
    size_t used = 0;
    if (!read_cpu_field("flags", flags, sizeof flags)) return;
    for (char *word = strtok(flags, " "); word != NULL; word = strtok(NULL, " ")) {
        for (int i = 0; prefixes[i] != NULL; i++) {
            if (strncmp(word, prefixes[i], strlen(prefixes[i])) != 0) continue;
            if (used + strlen(word) + 2 > sizeof kept) break;
            used += (size_t)snprintf(kept + used, sizeof kept - used, "%s%s", used > 0 ? " " : "",
                                     word);
            break;
        }
    }
    cJSON_AddStringToObject(machine, "flags", kept);
}

static void put_caches(cJSON *machine) {
    char text[256] = "";
    size_t used = 0;
    for (int i = 0; i < 8; i++) {
        char path[96], level[8], type[24], size[24];
        const char *const base = "/sys/devices/system/cpu/cpu0/cache/index";
        snprintf(path, sizeof path, "%s%d/level", base, i);
        if (!read_line(path, level, sizeof level)) break;
        snprintf(path, sizeof path, "%s%d/type", base, i);
        if (!read_line(path, type, sizeof type)) break;
        snprintf(path, sizeof path, "%s%d/size", base, i);
        if (!read_line(path, size, sizeof size)) break;
        if (strcmp(type, "Instruction") == 0) continue;
        const int n = snprintf(text + used, sizeof text - used, "%sL%s %s", used > 0 ? ", " : "",
                               level, size);
        if (n < 0 || (size_t)n >= sizeof text - used) break;
        used += (size_t)n;
    }
    if (used > 0) cJSON_AddStringToObject(machine, "caches", text);
}

void stk_bench_describe_machine(cJSON *machine) {
    char text[256];
    if (read_cpu_field("model name", text, sizeof text))
        cJSON_AddStringToObject(machine, "cpu", text);
    cJSON_AddNumberToObject(machine, "cores", (double)sysconf(_SC_NPROCESSORS_ONLN));
    put_caches(machine);
    put_flags(machine);
    const double mib = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE) / 1048576.0;
    stk_bench_put(machine, "memory_mib", mib);
    if (read_line("/proc/sys/kernel/osrelease", text, sizeof text))
        cJSON_AddStringToObject(machine, "kernel", text);
#ifdef __clang__
    cJSON_AddStringToObject(machine, "compiler", __VERSION__);
#else
    cJSON_AddStringToObject(machine, "compiler", "gcc " __VERSION__);
#endif
}

/* --- load ------------------------------------------------------------------------------------- */

static double seconds_of(const struct rusage *usage) {
    return (double)usage->ru_utime.tv_sec + (double)usage->ru_stime.tv_sec +
           1e-6 * (double)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec);
}

/* Seconds of processor time used so far: by everyone (the host's other guests included), by us. */
static void read_clocks(stk_bench_load *load) {
    char line[256];
    double user, nice, system, idle, wait, irq, soft, steal;
    struct rusage own, children;
    *load = (stk_bench_load){.wall_s = stk_clock_s()};
    getrusage(RUSAGE_SELF, &own);
    getrusage(RUSAGE_CHILDREN, &children);
    load->own_s = seconds_of(&own) + seconds_of(&children);
    if (read_line("/proc/stat", line, sizeof line) &&
        sscanf(line, "cpu %lf %lf %lf %lf %lf %lf %lf %lf", &user, &nice, &system, &idle, &wait,
               &irq, &soft, &steal) == 8)
        load->busy_s = (user + nice + system + irq + soft + steal) / (double)sysconf(_SC_CLK_TCK);
}

void stk_bench_load_start(stk_bench_load *load, cJSON *object) {
    char line[128];
    double average = 0;
    if (read_line("/proc/loadavg", line, sizeof line)) average = strtod(line, NULL);
    stk_bench_put(object, "average", average);
    cJSON_AddBoolToObject(object, "idle", average < IDLE_LOAD);
    if (average >= IDLE_LOAD)
        cJSON_AddStringToObject(object, "warning",
                                "the machine was not idle: the figures are too low");
    read_clocks(load);
}

void stk_bench_load_end(const stk_bench_load *load, cJSON *object) {
    stk_bench_load now;
    read_clocks(&now);
    const double capacity_s = (now.wall_s - load->wall_s) * (double)sysconf(_SC_NPROCESSORS_ONLN);
    double others_s = now.busy_s - load->busy_s - (now.own_s - load->own_s);
    if (load->busy_s <= 0 || capacity_s <= 0) return;
    if (others_s < 0) others_s = 0; /* the system counts in ticks */
    stk_bench_put(object, "used_by_others", others_s / capacity_s);
}
