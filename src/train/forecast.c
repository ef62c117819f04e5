/* forecast.c - see forecast.h.
 *
 * Memory: what is resident now, plus the blocks that the first steps will touch (large blocks are
 * resident from their first use on), plus the pages of the ray cache between two trims, plus the
 * decoders of the preview. Disk: the sizes of the files, of which the state lies there twice while
 * it is replaced.
 */
#include "train/forecast.h"

#include "base/clock.h"
#include "base/log.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

enum { MAPPED_AROUND = 64 << 10, TRIM_STEPS = 4, HEADER_BYTES = 16 << 10, DECODER_PICTURES = 80 };

/* Bytes of blocks that no step has touched yet. */
static double untouched(const stk_trainer *t) {
    const double floats = sizeof(float), threads = stk_pool_threads(t->pool);
    const double tiles = (double)stk_train_most_tiles(t);
    double bytes = 2 * floats * (double)t->nets.params.total; /* gradients, v */
    bytes += floats * t->slots_max * (double)t->dense_total;
    bytes += tiles * STK_TILE * (3 + t->nets.field.shape.enc) * floats;
    bytes += threads * BLOCK_TILES * (double)t->field_act_floats * floats;
    bytes += threads * BLOCK_TILES * STK_TILE * 36 * floats; /* the other planes of the scratch */
    if (t->seen != NULL) bytes += (double)stk_train_most_rays(t) * (sizeof *t->seen + 10 * floats);
    return bytes;
}

/* Until the next trim, each ray has the system map what is around it of the frame. */
static double ray_pages(const stk_trainer *t) {
    const stk_rect r = stk_ray_cache_rect(t->cache);
    const double frame = (double)(r.x1 - r.x0) * (r.y1 - r.y0) * STK_RAY_BYTES;
    return TRIM_STEPS * (double)t->batch.frames *
           fmin(frame, (double)(t->batch.rays / t->batch.frames) * MAPPED_AROUND);
}

void stk_train_needs_of(const stk_trainer *t, const char *torso, stk_train_needs *needs) {
    const stk_performance *p = &t->performance;
    const int64_t total = (int64_t)t->nets.params.total, film = stk_file_size(torso);
    const double picture = (double)p->width * p->height;
    needs->memory_mib = stk_rss_mib() + (untouched(t) + ray_pages(t)) / 0x1p20 +
                        DECODER_PICTURES * 1.5 * picture / 0x1p20;
    needs->model_bytes = total * 4 + STK_GRID_BYTES + (film > 0 ? film : 0) +
                         (int64_t)p->frames * (12 + STK_EXPRESSIONS) * 4 + HEADER_BYTES;
    needs->state_bytes = 3 * total * 4 + STK_GRID_CELLS * 4 + STK_GRID_BYTES +
                         (int64_t)p->train_frames * 4 + HEADER_BYTES;
    if (t->settings.torso_steps <= 0) return;
    const int64_t branch = (int64_t)sizeof(float) * STK_TORSO_ENTRIES * STK_TORSO_PER_LEVEL;
    needs->model_bytes += branch + 3 * (int64_t)p->width * p->height;
    needs->state_bytes += branch + (int64_t)sizeof(float) * STK_TORSO_GRID_CELLS;
    /* it, its gradients and v; with the head in one, to be saved */
    needs->memory_mib += (double)(4 * branch + 4 * total) / 0x1p20;
}

typedef struct place {
    char folder[STK_PATH_MAX];
    dev_t device;
    double need, have; /* have < 0: unknown */
} place;

/* The folder that a file lies, or will lie, in: cut at slashes until something is there. */
static void look(place *p, const char *path) {
    struct statvfs space;
    struct stat info;
    snprintf(p->folder, sizeof p->folder, "%s", path);
    do {
        char *slash = strrchr(p->folder, '/');
        if (slash == NULL)
            strcpy(p->folder, ".");
        else
            slash[slash == p->folder] = '\0';
    } while (stat(p->folder, &info) != 0 && strcmp(p->folder, ".") != 0 &&
             strcmp(p->folder, "/") != 0);
    p->have = -1;
    if (stat(p->folder, &info) != 0 || statvfs(p->folder, &space) != 0) return;
    p->device = info.st_dev;
    p->have = (double)space.f_bavail * (double)space.f_frsize;
}

/* In MiB, rounded up. */
static long long mib(double bytes) {
    return (long long)(bytes / 0x1p20 + 0.999);
}

static stk_status check_place(const place *p) {
    if (p->have < 0 || p->need <= p->have) return STK_OK;
    return stk_fail(STK_ERR_IO,
                    "%s: training needs %lld MiB there and %lld MiB are free; free some space, or "
                    "write to another disk",
                    p->folder, mib(p->need), mib(p->have));
}

stk_status stk_train_needs_check(const stk_train_needs *n, const char *model, const char *state,
                                 const char *folder) {
    place places[2];
    const int64_t kept = stk_file_size(state); /* is there already, and will be replaced */
    look(&places[0], model);
    places[0].need = (double)n->model_bytes + (kept > 0 ? 1.0 : 2.0) * (double)n->state_bytes;
    if (folder != NULL) {
        look(&places[1], folder);
        places[1].need = (double)n->folder_bytes;
        if (places[1].have >= 0 && places[1].device == places[0].device)
            places[0].need += places[1].need;
        STK_TRY(check_place(&places[1]));
    }
    STK_TRY(check_place(&places[0]));
    char run[48] = "", free_text[48] = "";
    if (folder != NULL)
        snprintf(run, sizeof run, ", run folder %lld", mib((double)n->folder_bytes));
    if (places[0].have >= 0)
        snprintf(free_text, sizeof free_text, "; %.1f GiB are free", places[0].have / 0x1p30);
    stk_log(STK_LOG_INFO,
            "will need: memory %.0f MiB, disk %lld MiB (model %lld, training state %lld, twice "
            "while it is saved%s%s)",
            n->memory_mib, mib(places[0].need), mib((double)n->model_bytes),
            mib((double)n->state_bytes), run, free_text);
    return STK_OK;
}
