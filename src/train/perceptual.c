/* perceptual.c - which distance it is; "structure" of every picture by itself, pictures shared out
 * over the pool; LPIPS shares out its own work. */
#include "train/perceptual.h"
#include "base/log.h"
#include "base/memory.h"
#include "metrics/lpips.h"
#include "train/structure.h"

#include <string.h>

struct stk_perceptual {
    stk_perceptual_kind kind; /* never AUTO */
    stk_pool *pool;
    stk_picture_shape shapes[STK_PICTURE_SHAPES];
    stk_lpips *owned;       /* what it opened itself */
    const stk_lpips *lpips; /* that, or the caller's */
    stk_lpips_pass *passes[STK_PICTURE_SHAPES];
    float *scratch; /* [pictures][scratch_floats] */
    size_t scratch_floats;
    double *values; /* [pictures] */
    /* the call at hand */
    const stk_picture_shape *shape;
    const float *made, *real;
    float *dmade, scale;
};

/* --- construction ----------------------------------------------------------------------------- */

static stk_status open_lpips(stk_perceptual *p, const char *models) {
    if (p->lpips == NULL) {
        STK_TRY(stk_lpips_open(&p->owned, models, STK_LPIPS_ALEX));
        p->lpips = p->owned;
    }
    p->kind = STK_PERCEPTUAL_LPIPS;
    for (int i = 0; i < STK_PICTURE_SHAPES; i++) {
        const stk_picture_shape *s = &p->shapes[i];
        const stk_lpips_shape shape = {s->width, s->height, s->pictures, 1};
        if (s->pictures > 0)
            STK_TRY(stk_lpips_pass_create(&p->passes[i], p->lpips, &shape, p->pool));
    }
    return STK_OK;
}

static stk_status open_structure(stk_perceptual *p) {
    int pictures = 0;
    p->kind = STK_PERCEPTUAL_STRUCTURE;
    for (int i = 0; i < STK_PICTURE_SHAPES; i++) {
        const stk_picture_shape *s = &p->shapes[i];
        if (s->pictures == 0) continue;
        const size_t floats = stk_structure_scratch_floats(s->width, s->height);
        if (floats > p->scratch_floats) p->scratch_floats = floats;
        if (s->pictures > pictures) pictures = s->pictures;
    }
    p->values = stk_calloc_aligned((size_t)pictures, sizeof *p->values);
    p->scratch = stk_calloc_aligned((size_t)pictures * p->scratch_floats, sizeof(float));
    return p->values != NULL && p->scratch != NULL ? STK_OK : stk_fail_memory("perceptual loss");
}

static int has_pictures(const stk_perceptual_settings *settings) {
    for (int i = 0; i < STK_PICTURE_SHAPES; i++)
        if (settings->shapes[i].pictures > 0) return 1;
    return 0;
}

static stk_status open_any(stk_perceptual *p, const stk_perceptual_settings *settings) {
    memcpy(p->shapes, settings->shapes, sizeof p->shapes);
    p->kind = STK_PERCEPTUAL_NONE;
    if (settings->kind == STK_PERCEPTUAL_NONE) return STK_OK;
    if (!has_pictures(settings)) {
        if (settings->kind == STK_PERCEPTUAL_AUTO) return STK_OK;
        return stk_fail(STK_ERR_ARGUMENT,
                        "--perceptual: this schedule has no steps on whole pieces "
                        "of picture, which it is for; --schedule fine, paper or "
                        "released have");
    }
    if (settings->kind == STK_PERCEPTUAL_STRUCTURE) return open_structure(p);
    p->lpips = settings->lpips;
    const stk_status status = open_lpips(p, settings->models);
    if (status != STK_ERR_WEIGHTS || settings->kind == STK_PERCEPTUAL_LPIPS) return status;
    stk_log(STK_LOG_INFO, "no LPIPS: %s", stk_error_text());
    return open_structure(p);
}

stk_status stk_perceptual_create(stk_perceptual **out, const stk_perceptual_settings *settings,
                                 stk_pool *pool) {
    *out = NULL;
    stk_perceptual *p = stk_calloc_aligned(1, sizeof *p);
    if (p == NULL) return stk_fail_memory("perceptual loss");
    p->pool = pool;
    const stk_status status = open_any(p, settings);
    if (status != STK_OK) stk_perceptual_free(&p);
    *out = p;
    return status;
}

void stk_perceptual_free(stk_perceptual **handle) {
    if (handle == NULL || *handle == NULL) return;
    for (int i = 0; i < STK_PICTURE_SHAPES; i++) stk_lpips_pass_free(&(*handle)->passes[i]);
    stk_lpips_close(&(*handle)->owned);
    stk_free((*handle)->scratch);
    stk_free((*handle)->values);
    stk_free(*handle);
    *handle = NULL;
}

const char *stk_perceptual_name(const stk_perceptual *p) {
    static const char *const names[STK_PERCEPTUALS] = {"", "lpips-alex", "structure", "none"};
    return names[p->kind];
}

const char *stk_perceptual_sha256(const stk_perceptual *p) {
    return p->lpips != NULL ? stk_lpips_sha256(p->lpips) : "";
}

/* --- gradient --------------------------------------------------------------------------------- */

static void one_picture(void *ctx, int picture, int worker) {
    (void)worker;
    stk_perceptual *p = ctx;
    const size_t at = 3 * (size_t)picture * (size_t)p->shape->width * (size_t)p->shape->height;
    p->values[picture] =
        stk_structure(p->shape->width, p->shape->height, p->made + at, p->real + at,
                      p->scale / (float)p->shape->pictures, p->dmade + at,
                      p->scratch + (size_t)picture * p->scratch_floats);
}

stk_status stk_perceptual_gradient(stk_perceptual *p, int shape, const float *made,
                                   const float *real, float scale, double *value, float *dmade) {
    p->shape = &p->shapes[shape];
    const size_t pixels = (size_t)p->shape->width * (size_t)p->shape->height;
    *value = 0;
    if (p->kind == STK_PERCEPTUAL_NONE) {
        memset(dmade, 0, 3 * pixels * (size_t)p->shape->pictures * sizeof(float));
        return STK_OK;
    }
    if (p->kind == STK_PERCEPTUAL_LPIPS)
        return stk_lpips_gradient(p->passes[shape], made, real, scale, value, dmade);
    p->made = made, p->real = real, p->dmade = dmade, p->scale = scale;
    stk_pool_run(p->pool, p->shape->pictures, one_picture, p);
    for (int i = 0; i < p->shape->pictures; i++) *value += p->values[i] / p->shape->pictures;
    return STK_OK;
}
