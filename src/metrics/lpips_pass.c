/* lpips_pass.c - pictures through the backbone, tap by tap, and back. See lpips.h.
 *
 * Pictures go in micro-batches, a task each: the first `tasks` are of a, as many after them of b.
 * At each tap all tasks meet; then the features' memory may be used again, but for a's when a way
 * back is wanted.
 */
#include "base/image.h"
#include "base/memory.h"
#include "metrics/lpips.h"
#include "metrics/lpips_private.h"

enum { MICRO = 4, SMALL = 128 * 128, COLOURS = 3 };
/* Of the picture in [-1, 1]: (x - shift) / scale. */
static const float SHIFT[COLOURS] = {-.030f, -.088f, -.188f},
                   SCALE[COLOURS] = {.458f, .448f, .450f};

struct stk_lpips_pass {
    const stk_lpips *lpips;
    stk_lpips_shape shape;
    stk_pool *pool;
    stk_frozen *net;
    int micro, tasks; /* of one side */
    int pad_x, pad_y;
    double *distances;  /* [tasks micro], of the pass that runs */
    stk_status *status; /* [2 tasks] */
    /* of the pass that runs */
    const float *floats[2]; /* a, b, or */
    const stk_image *image[2];
    int tap;
    float scale;
    float *da; /* NULL: no way back */
};

/* --- creation --------------------------------------------------------------------------------- */

static int pad_of(int side) {
    return side < STK_LPIPS_SIDE_MIN ? (STK_LPIPS_SIDE_MIN - side + 1) / 2 : 0;
}

static void release(stk_lpips_pass *pass) {
    stk_frozen_free(&pass->net);
    stk_free(pass->distances);
    stk_free(pass->status);
    pass->distances = NULL;
    pass->status = NULL;
}

static stk_status build(stk_lpips_pass *pass) {
    const stk_lpips_shape *s = &pass->shape;
    const lpips_net *net = pass->lpips->net;
    if (s->width < 1 || s->height < 1 || s->pictures < 1 || s->width > 8192 || s->height > 8192 ||
        s->pictures > 4096)
        return stk_fail(STK_ERR_ARGUMENT, "LPIPS of %d pictures of %dx%d is not possible",
                        s->pictures, s->width, s->height);
    pass->micro = s->width * s->height > SMALL ? 1 : s->pictures < MICRO ? s->pictures : MICRO;
    pass->tasks = (s->pictures + pass->micro - 1) / pass->micro;
    pass->pad_x = pad_of(s->width);
    pass->pad_y = pad_of(s->height);
    const stk_frozen_settings settings = {
        .layers = net->layers,
        .count = net->count,
        .weights = pass->lpips->weights,
        .biases = pass->lpips->biases,
        .height = s->height + 2 * pass->pad_y,
        .width = s->width + 2 * pass->pad_x,
        .channels = COLOURS,
        .micro = pass->micro,
        .tasks = 2 * pass->tasks,
        .graded = s->gradient ? pass->tasks : 0,
    };
    STK_TRY(stk_frozen_create(&pass->net, &settings));
    pass->distances = stk_calloc_aligned((size_t)(pass->tasks * pass->micro), sizeof(double));
    pass->status = stk_calloc_aligned((size_t)(2 * pass->tasks), sizeof *pass->status);
    return pass->distances != NULL && pass->status != NULL ? STK_OK : stk_fail_memory("LPIPS");
}

stk_status stk_lpips_pass_create(stk_lpips_pass **out, const stk_lpips *lpips,
                                 const stk_lpips_shape *shape, stk_pool *pool) {
    *out = NULL;
    stk_lpips_pass *pass = stk_calloc_aligned(1, sizeof *pass);
    if (pass == NULL) return stk_fail_memory("LPIPS");
    *pass = (stk_lpips_pass){.lpips = lpips, .shape = *shape, .pool = pool};
    const stk_status status = build(pass);
    if (status != STK_OK) stk_lpips_pass_free(&pass);
    *out = pass;
    return status;
}

void stk_lpips_pass_free(stk_lpips_pass **handle) {
    if (handle == NULL || *handle == NULL) return;
    release(*handle);
    stk_free(*handle);
    *handle = NULL;
}

stk_status stk_lpips_pass_reshape(stk_lpips_pass *pass, const stk_lpips_shape *shape) {
    const stk_lpips_shape *old = &pass->shape;
    if (pass->net != NULL && old->width == shape->width && old->height == shape->height &&
        old->pictures == shape->pictures && old->gradient == shape->gradient)
        return STK_OK;
    release(pass);
    pass->shape = *shape;
    const stk_status status = build(pass);
    if (status != STK_OK) release(pass); /* the next reshape begins anew */
    return status;
}

/* --- one task's part -------------------------------------------------------------------------- */

/* A row of `width` pixels, as the network wants it. */
static void fill_row(float *restrict x, int width, const float *floats, const uint8_t *bytes) {
    for (int c = 0; c < COLOURS; c++) {
        const float gain = 2 / SCALE[c], offset = (-1 - SHIFT[c]) / SCALE[c];
        if (floats != NULL)
            for (int j = 0; j < width; j++)
                x[COLOURS * j + c] = floats[COLOURS * j + c] * gain + offset;
        else
            for (int j = 0; j < width; j++)
                x[COLOURS * j + c] = (float)bytes[COLOURS * j + c] * (1.0f / 255) * gain + offset;
    }
}

static void fill_grey(float *x, size_t pixels) {
    for (; pixels > 0; pixels--, x += COLOURS)
        for (int c = 0; c < COLOURS; c++) x[c] = -SHIFT[c] / SCALE[c];
}

static void fill_task(void *context, int task, int worker) {
    stk_lpips_pass *pass = context;
    const stk_lpips_shape *s = &pass->shape;
    const int side = task >= pass->tasks, first = (task - side * pass->tasks) * pass->micro;
    const size_t wide = (size_t)(s->width + 2 * pass->pad_x);
    const size_t row = COLOURS * wide, rows = (size_t)(s->height + 2 * pass->pad_y);
    float *x = stk_frozen_input(pass->net, task);
    (void)worker;
    for (int p = first; p < first + pass->micro && p < s->pictures; p++, x += rows * row) {
        if (pass->pad_x > 0 || pass->pad_y > 0) fill_grey(x, rows * wide);
        const float *floats = pass->floats[side];
        if (floats != NULL) floats += (size_t)p * (size_t)s->height * (size_t)s->width * COLOURS;
        for (int i = 0; i < s->height; i++)
            fill_row(x + (size_t)(i + pass->pad_y) * row + (size_t)(COLOURS * pass->pad_x),
                     s->width,
                     floats != NULL ? floats + (size_t)i * (size_t)s->width * COLOURS : NULL,
                     floats != NULL ? NULL : stk_image_row(pass->image[side], i));
    }
}

static void forward_task(void *context, int task, int worker) {
    stk_lpips_pass *pass = context;
    const int *tap = pass->lpips->net->tap;
    (void)worker;
    pass->status[task] = stk_frozen_forward(
        pass->net, task, pass->tap > 0 ? tap[pass->tap - 1] + 1 : 0, tap[pass->tap]);
}

static void measure_task(void *context, int task, int worker) {
    stk_lpips_pass *pass = context;
    const int layer = pass->lpips->net->tap[pass->tap];
    int shape[3];
    stk_frozen_shape(pass->net, layer, shape);
    const size_t pixels = (size_t)shape[0] * (size_t)shape[1];
    const float *f = stk_frozen_output(pass->net, task, layer);
    const float *g = stk_frozen_output(pass->net, task + pass->tasks, layer);
    float *df = pass->da != NULL ? stk_frozen_seed(pass->net, task, layer) : NULL;
    (void)worker;
    for (int p = 0; p < pass->micro; p++) {
        const size_t at = (size_t)p * pixels * (size_t)shape[2];
        pass->distances[task * pass->micro + p] +=
            lpips_tap_distance(pixels, shape[2], f + at, g + at, pass->lpips->head[pass->tap],
                               pass->scale, df != NULL ? df + at : NULL);
    }
}

/* Through the network, and by the scaling at its input; what belongs to the border is left out. */
static void backward_task(void *context, int task, int worker) {
    stk_lpips_pass *pass = context;
    const stk_lpips_shape *s = &pass->shape;
    const size_t row = (size_t)(COLOURS * (s->width + 2 * pass->pad_x));
    const size_t rows = (size_t)(s->height + 2 * pass->pad_y), line = (size_t)(COLOURS * s->width);
    const float *dx;
    (void)worker;
    pass->status[task] = stk_frozen_backward(pass->net, task, &dx);
    if (pass->status[task] != STK_OK) return;
    const int first = task * pass->micro;
    for (int p = first; p < first + pass->micro && p < s->pictures; p++, dx += rows * row)
        for (int i = 0; i < s->height; i++) {
            const float *from =
                dx + (size_t)(i + pass->pad_y) * row + (size_t)(COLOURS * pass->pad_x);
            float *to = pass->da + ((size_t)p * (size_t)s->height + (size_t)i) * line;
            for (size_t k = 0; k < line; k++) to[k] = from[k] * 2 / SCALE[k % COLOURS];
        }
}

/* --- passes ----------------------------------------------------------------------------------- */

static stk_status run(stk_lpips_pass *pass, int tasks, stk_pool_fn fn) {
    for (int i = 0; i < tasks; i++) pass->status[i] = STK_OK;
    stk_pool_run(pass->pool, tasks, fn, pass);
    for (int i = 0; i < tasks; i++)
        if (pass->status[i] != STK_OK)
            return stk_fail(pass->status[i], "a network layer of LPIPS could not be computed");
    return STK_OK;
}

static stk_status measure(stk_lpips_pass *pass) {
    if (pass->net == NULL) return stk_fail(STK_ERR_ARGUMENT, "LPIPS: no size was set");
    for (int i = 0; i < pass->tasks * pass->micro; i++) pass->distances[i] = 0;
    STK_TRY(run(pass, 2 * pass->tasks, fill_task));
    for (pass->tap = 0; pass->tap < pass->lpips->net->taps; pass->tap++) {
        STK_TRY(run(pass, 2 * pass->tasks, forward_task));
        STK_TRY(run(pass, pass->tasks, measure_task));
    }
    return STK_OK;
}

stk_status stk_lpips_distance(stk_lpips_pass *pass, const float *a, const float *b,
                              double *distances) {
    pass->floats[0] = a;
    pass->floats[1] = b;
    pass->da = NULL;
    STK_TRY(measure(pass));
    for (int i = 0; i < pass->shape.pictures; i++) distances[i] = pass->distances[i];
    return STK_OK;
}

stk_status stk_lpips_distance_images(stk_lpips_pass *pass, const stk_image *a, const stk_image *b,
                                     double *distance) {
    const stk_lpips_shape *s = &pass->shape;
    const stk_image *images[2] = {a, b};
    for (int i = 0; i < 2; i++) {
        if (images[i]->width != s->width || images[i]->height != s->height ||
            images[i]->channels != COLOURS || s->pictures != 1)
            return stk_fail(STK_ERR_ARGUMENT, "LPIPS: the picture is not of the size that was set");
        pass->image[i] = images[i];
        pass->floats[i] = NULL;
    }
    pass->da = NULL;
    STK_TRY(measure(pass));
    *distance = pass->distances[0];
    return STK_OK;
}

stk_status stk_lpips_gradient(stk_lpips_pass *pass, const float *a, const float *b, float scale,
                              double *distance, float *da) {
    if (!pass->shape.gradient)
        return stk_fail(STK_ERR_ARGUMENT, "LPIPS: the pass was not made for a gradient");
    const int n = pass->shape.pictures;
    pass->floats[0] = a;
    pass->floats[1] = b;
    pass->scale = scale / (float)n;
    pass->da = da;
    STK_TRY(measure(pass));
    STK_TRY(run(pass, pass->tasks, backward_task));
    *distance = 0;
    for (int i = 0; i < n; i++) *distance += pass->distances[i] / n;
    return STK_OK;
}
