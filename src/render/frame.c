/* frame.c - see frame.h. Compositing runs over rows, shared out by the pool. */
#include "render/frame.h"
#include "base/memory.h"

#include <math.h>
#include <string.h>

struct stk_frame_renderer {
    stk_ray_renderer *rays;
    stk_pool *pool;
    int width, height;
    float *rgba; /* [h][w][4] */
    stk_radiance_kernels radiance;
    void *block;  /* of the field, folded for `nets` and conditioned for the frame */
    void *tables; /* of `nets` for rendering; NULL where another renderer's are used */
    size_t tables_bytes;
    const stk_nets *nets;
    stk_field_weights weights;
    const float *values;
};

stk_status stk_frame_renderer_create(stk_frame_renderer **out, int width, int height,
                                     stk_pool *pool) {
    *out = NULL;
    stk_frame_renderer *renderer = stk_calloc_aligned(1, sizeof *renderer);
    if (renderer == NULL) return stk_fail_memory("frame renderer");
    size_t pixels = (size_t)width * (size_t)height;
    renderer->pool = pool;
    renderer->width = width;
    renderer->height = height;
    renderer->rgba = stk_calloc_aligned(4 * pixels, sizeof(float));
    renderer->block = stk_calloc_aligned(1, stk_radiance_bytes());
    stk_radiance_kernels_init(&renderer->radiance);
    stk_status status = STK_OK;
    if (renderer->rgba == NULL || renderer->block == NULL)
        status = stk_fail_memory("frame renderer");
    if (status == STK_OK)
        status = stk_ray_renderer_create(&renderer->rays, width, height, stk_pool_threads(pool));
    if (status != STK_OK) {
        stk_frame_renderer_free(&renderer);
        return status;
    }
    *out = renderer;
    return STK_OK;
}

void stk_frame_renderer_free(stk_frame_renderer **handle) {
    if (handle == NULL || *handle == NULL) return;
    stk_frame_renderer *renderer = *handle;
    stk_ray_renderer_free(&renderer->rays);
    stk_free(renderer->rgba);
    stk_free(renderer->block);
    stk_free(renderer->tables);
    stk_free(renderer);
    *handle = NULL;
}

typedef struct composite_task {
    const stk_frame_renderer *renderer;
    const stk_image *backdrop;
    stk_image *picture;
    stk_rect rect;
} composite_task;

/* One row: rgb + (1 - weight) * backdrop inside the rectangle, the backdrop elsewhere. */
static void composite_row(void *ctx, int y, int worker) {
    static const float nothing[4] = {0};
    (void)worker;
    const composite_task *task = ctx;
    const stk_rect *rect = &task->rect;
    const uint8_t *behind = stk_image_row(task->backdrop, y);
    uint8_t *out = stk_image_row(task->picture, y);
    int width = task->renderer->width;
    if (out != behind) memcpy(out, behind, 3 * (size_t)width);
    if (y < rect->y0 || y >= rect->y1) return;
    const float *rgba = task->renderer->rgba + 4 * ((size_t)y * (size_t)width);
    for (int x = rect->x0; x < rect->x1; x++) {
        if (memcmp(rgba + 4 * x, nothing, sizeof nothing) == 0) continue;
        float through = 1.0f - rgba[4 * x + 3];
        for (int c = 0; c < 3; c++) {
            float v = 255.0f * rgba[4 * x + c] + through * (float)behind[3 * x + c];
            out[3 * x + c] = (uint8_t)(stk_clampf(v, 0.0f, 255.0f) + 0.5f);
        }
    }
}

static void fold(stk_frame_renderer *renderer, const stk_nets *nets, const float *values,
                 const void *tables) {
    renderer->nets = nets;
    renderer->values = values;
    stk_field_weights_view(&nets->field, &nets->params, values, &renderer->weights);
    renderer->radiance.fold(&nets->field.shape, &renderer->weights, tables, renderer->block);
}

stk_status stk_frame_renderer_load(stk_frame_renderer *renderer, const stk_nets *nets,
                                   const float *values) {
    const stk_field_shape *shape = &nets->field.shape;
    const size_t bytes = stk_radiance_tables_bytes(shape);
    if (renderer->tables_bytes != bytes) {
        stk_free(renderer->tables);
        renderer->tables = stk_calloc_aligned(1, bytes);
        renderer->tables_bytes = renderer->tables == NULL ? 0 : bytes;
        if (renderer->tables == NULL) return stk_fail_memory("frame renderer");
    }
    stk_field_weights weights;
    stk_field_weights_view(&nets->field, &nets->params, values, &weights);
    stk_radiance_tables_fill(shape, &weights, renderer->tables);
    fold(renderer, nets, values, renderer->tables);
    return STK_OK;
}

void stk_frame_renderer_share(stk_frame_renderer *renderer, const stk_frame_renderer *loaded) {
    fold(renderer, loaded->nets, loaded->values, loaded->tables);
}

void stk_frame_render(stk_frame_renderer *renderer, const stk_frame_request *request,
                      stk_image *picture) {
    const stk_nets *nets = renderer->nets;
    const stk_field_shape *shape = &nets->field.shape;
    STK_ALIGNED(64) float expression[STK_EXP_MAX] = {0};
    int used = shape->exp < STK_EXPRESSIONS ? shape->exp : STK_EXPRESSIONS;
    memcpy(expression, request->expression, (size_t)used * sizeof(float));
    const float *codes = renderer->values + nets->params.list[nets->field.codes].offset;
    const stk_field_cond cond = {request->audio_code, expression,
                                 codes + (size_t)request->code_row * STK_CODE};
    renderer->radiance.condition(shape, &renderer->weights, &cond, renderer->block);
    stk_ray_frame frame = {
        .rule = request->rule,
        .radiance = &renderer->radiance,
        .block = renderer->block,
        .field = &nets->field,
        .weights = &renderer->weights,
        .audio = cond.audio,
        .exp = cond.exp,
        .code = cond.code,
        .bits = request->bits,
        .rect = request->rect,
        .spans = request->spans,
        .transmittance_min = STK_FAST_TRANSMITTANCE,
        .samples_max = STK_TRAIN_SAMPLES_MAX, /* what a ray could see in training */
        .flat = request->every_pixel ? 0 : STK_FAST_FLAT,
    };
    stk_ngp_camera_from_pose(&request->camera, &request->pose, &frame.camera);
    stk_ray_render(renderer->rays, &frame, renderer->width, renderer->height, renderer->rgba, NULL,
                   renderer->pool);
    composite_task task = {renderer, request->backdrop, picture, request->rect};
    stk_pool_run(renderer->pool, renderer->height, composite_row, &task);
}

const float *stk_frame_rgba(const stk_frame_renderer *renderer) {
    return renderer->rgba;
}

void stk_frame_stats(const stk_frame_renderer *renderer, stk_ray_stats *stats) {
    stk_ray_renderer_stats(renderer->rays, stats);
}

stk_camera stk_camera_scaled(const stk_camera *camera, int width, int height) {
    float sx = (float)width / (float)camera->width, sy = (float)height / (float)camera->height;
    return (stk_camera){camera->focal_px * sx, camera->cx_px * sx, camera->cy_px * sy, width,
                        height};
}

stk_rect stk_rect_scaled(const stk_rect *rect, const stk_camera *from, const stk_camera *to) {
    float sx = (float)to->width / (float)from->width, sy = (float)to->height / (float)from->height;
    return (stk_rect){stk_clampi((int)floorf((float)rect->x0 * sx), 0, to->width),
                      stk_clampi((int)floorf((float)rect->y0 * sy), 0, to->height),
                      stk_clampi((int)ceilf((float)rect->x1 * sx), 0, to->width),
                      stk_clampi((int)ceilf((float)rect->y1 * sy), 0, to->height)};
}
