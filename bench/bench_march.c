/* bench_march.c - what fast rendering costs the picture: frames of a model by the reference march
 * (float32, the published rule), with a ray through every pixel, and as `synctalk render` makes
 * them.
 *
 *   bench_march MODEL.stk SOUND [frames [cpu mask]]
 *
 * Frames are spread over the source performance and take their sound in turn. dB of the finished
 * 8-bit pictures against the reference march, mean over frames: of the whole picture, and of the
 * pixels where the head is more than half opaque. Times are CPU time of one thread, best frame.
 */
#include "base/clock.h"
#include "base/cpu.h"
#include "base/image.h"
#include "base/memory.h"
#include "media/media.h"
#include "render/frame.h"
#include "render/voice.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FRAMES = 6, REFERENCE = 0, EVERY_PIXEL, FAST, WAYS };
static const char *const way_names[WAYS] = {"reference march", "every pixel", "as rendered"};

typedef struct way {
    stk_image picture;
    double best_s, psnr, psnr_head;
    int worst; /* largest difference, of 255 */
} way;

typedef struct bench {
    stk_model *model;
    stk_voice *voice;
    stk_frame_store *film;
    stk_frame_renderer *renderer;
    way ways[WAYS];
    float *opaque; /* [h][w] of the reference picture */
} bench;

static stk_status open_bench(bench *b, const char *model, const char *sound) {
    const stk_voice_source source = {.sound = sound};
    STK_TRY(stk_model_open(&b->model, model));
    STK_TRY(stk_model_need_performance(b->model, model));
    const stk_performance *p = &b->model->performance;
    const stk_nets *nets = &b->model->nets;
    STK_TRY(stk_voice_open(&b->voice, &source, nets));
    STK_TRY(stk_frame_store_open(&b->film, NULL, b->model->torso_mp4, b->model->torso_bytes));
    STK_TRY(stk_frame_renderer_create(&b->renderer, p->width, p->height, NULL));
    STK_TRY(stk_frame_renderer_load(b->renderer, nets, nets->params.value));
    for (int i = 0; i < WAYS; i++)
        STK_TRY(stk_image_init(&b->ways[i].picture, p->width, p->height, 3));
    b->opaque = stk_calloc_aligned((size_t)p->width * (size_t)p->height, sizeof(float));
    return b->opaque != NULL ? STK_OK : stk_fail_memory("bench");
}

static void close_bench(bench *b) {
    stk_free(b->opaque);
    for (int i = 0; i < WAYS; i++) stk_image_clear(&b->ways[i].picture);
    stk_frame_renderer_free(&b->renderer);
    stk_frame_store_close(&b->film);
    stk_voice_close(&b->voice);
    stk_model_close(&b->model);
}

static void compare(bench *b, way *w) {
    const stk_image *a = &b->ways[REFERENCE].picture;
    double sum = 0, head = 0;
    long head_pixels = 0;
    for (int y = 0; y < a->height; y++)
        for (int x = 0; x < a->width; x++) {
            double square = 0;
            for (int k = 0; k < 3; k++) {
                const int d =
                    stk_image_row(a, y)[3 * x + k] - stk_image_row(&w->picture, y)[3 * x + k];
                square += d * d;
                if (abs(d) > w->worst) w->worst = abs(d);
            }
            sum += square;
            if (b->opaque[y * a->width + x] <= 0.5f) continue;
            head += square;
            head_pixels++;
        }
    const double peak = 3 * 255.0 * 255.0;
    w->psnr += 10 * log10(peak * a->width * a->height / fmax(sum, 1));
    w->psnr_head += 10 * log10(peak * (double)head_pixels / fmax(head, 1));
}

static stk_status measure_frame(bench *b, int frame, int sound_frame) {
    const stk_performance *p = &b->model->performance;
    STK_ALIGNED(64) float code[STK_AUDIO_CODE];
    const stk_image *backdrop;
    stk_voice_code(b->voice, b->model->nets.params.value, sound_frame, code);
    STK_TRY(stk_frame_store_get(b->film, frame, &backdrop));
    for (int i = 0; i < WAYS; i++) {
        const stk_frame_request request = {
            .bits = b->model->bits,
            .camera = p->camera,
            .pose = p->poses[frame],
            .audio_code = code,
            .expression = p->expressions[frame],
            .rect = i == REFERENCE ? (stk_rect){0, 0, p->width, p->height} : p->head_rect,
            .backdrop = backdrop,
            .rule = i == REFERENCE ? STK_MARCH_REFERENCE : STK_MARCH_FAST,
            .every_pixel = i == EVERY_PIXEL,
        };
        const double start_s = stk_clock_thread_s();
        stk_frame_render(b->renderer, &request, &b->ways[i].picture);
        const double seconds = stk_clock_thread_s() - start_s;
        way *w = &b->ways[i];
        if (w->best_s == 0 || seconds < w->best_s) w->best_s = seconds;
        const float *rgba = stk_frame_rgba(b->renderer);
        for (int k = 0; i == REFERENCE && k < p->width * p->height; k++)
            b->opaque[k] = rgba[4 * k + 3];
        if (i != REFERENCE) compare(b, w);
    }
    return STK_OK;
}

int main(int argc, char **argv) {
    if (argc < 3) {
        fprintf(stderr, "usage: bench_march MODEL.stk SOUND [frames [cpu mask]]\n");
        return 2;
    }
    const int asked = argc > 3 ? atoi(argv[3]) : 0, frames = asked > 0 ? asked : FRAMES;
    uint32_t mask = UINT32_MAX;
    if (argc > 4 && stk_cpu_parse_mask(argv[4], &mask) != 0) return 2;
    stk_cpu_set_mask(mask);
    bench b = {0};
    stk_status status = open_bench(&b, argv[1], argv[2]);
    for (int i = 0; i < frames && status == STK_OK; i++) {
        const int count = b.model->performance.frames;
        status = measure_frame(&b, (int)((int64_t)(2 * i + 1) * count / (2 * frames)),
                               i % stk_voice_frames(b.voice));
    }
    if (status != STK_OK) fprintf(stderr, "%s\n", stk_error_text());
    for (int i = 0; i < WAYS && status == STK_OK; i++) {
        const way *w = &b.ways[i];
        printf("%-16s %8.1f ms", way_names[i], w->best_s * 1e3);
        if (i != REFERENCE)
            printf("  %6.2f dB  head %6.2f dB  largest difference %d", w->psnr / frames,
                   w->psnr_head / frames, w->worst);
        printf("\n");
    }
    close_bench(&b);
    return status != STK_OK;
}
