/* face_control.c - how well sound and expression rule the face of a trained model, measured on what
 * `render` makes: the finished pictures are looked at by face_sync/face_capture.h.
 *
 *   build/bench/face_control mouth    MODEL SUBJECT          held-out sound: correlation with the
 *                                                            real mouth, and lag, by smoothing
 *   build/bench/face_control silence  MODEL SUBJECT SOUND    3 s of silence put into SOUND: opening
 *                                                            of the mouth in it
 *   build/bench/face_control regions  MODEL SUBJECT          sound changes, expression does not, and
 *                                                            the reverse: which region moves
 *   build/bench/face_control readback MODEL SUBJECT SOUND    driven blinks and brows, read back
 *
 * Models and subjects as for `eval`; SYNCTALK_MODELS names the weights' folder. Figures: doc/SPEED.md.
 */
#include "base/file.h"
#include "base/image.h"
#include "base/memory.h"
#include "face_sync/expression_range.h"
#include "face_sync/face_capture.h"
#include "render/expression_track.h"
#include "render/frame.h"
#include "render/render.h"
#include "subject/regions.h"
#include "subject/subject.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What was seen in a film or in a clip. */
typedef struct seen {
    int frames, found;
    float *opening; /* [frames] inner lips, of forehead to chin */
    float (*blendshapes)[STK_BLENDSHAPES];
    stk_face_capture *capture;
} seen;

static char temporary[STK_PATH_MAX];

static void *take(size_t count, size_t size) {
    void *block = stk_calloc_aligned(count, size);
    if (block == NULL) {
        fprintf(stderr, "out of memory\n");
        exit(1);
    }
    return block;
}

static float opening_of(const float (*p)[3]) {
    const float face = hypotf(p[152][0] - p[10][0], p[152][1] - p[10][1]);
    return hypotf(p[14][0] - p[13][0], p[14][1] - p[13][1]) / fmaxf(face, 1);
}

/* --- statistics ------------------------------------------------------------------------------- */

/* Of a[i] and b[i + lag] where both exist. */
static double correlation(const float *a, const float *b, int n, int stride, int lag) {
    double sa = 0, sb = 0, saa = 0, sbb = 0, sab = 0, m = 0;
    for (int i = 0; i < n; i++) {
        if (i + lag < 0 || i + lag >= n) continue;
        const double x = (double)a[(ptrdiff_t)i * stride],
                     y = (double)b[(ptrdiff_t)(i + lag) * stride];
        sa += x, sb += y, saa += x * x, sbb += y * y, sab += x * y, m++;
    }
    const double va = saa - sa * sa / m, vb = sbb - sb * sb / m;
    return va > 0 && vb > 0 ? (sab - sa * sb / m) / sqrt(va * vb) : 0;
}

static int best_lag(const float *a, const float *b, int n, int stride) {
    int best = 0;
    for (int lag = -6; lag <= 6; lag++)
        if (correlation(a, b, n, stride, lag) > correlation(a, b, n, stride, best)) best = lag;
    return best;
}

static int rising(const void *a, const void *b) {
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static float quantile(const float *values, int n, int stride, double share) {
    float *sorted = take((size_t)n, sizeof *sorted);
    for (int i = 0; i < n; i++) sorted[i] = values[(ptrdiff_t)i * stride];
    qsort(sorted, (size_t)n, sizeof *sorted, rising);
    const float value = sorted[(int)(share * (n - 1))];
    stk_free(sorted);
    return value;
}

static double mean(const float *values, int from, int to) {
    double sum = 0;
    for (int i = from; i < to; i++) sum += (double)values[i];
    return sum / (to - from);
}

/* --- films ------------------------------------------------------------------------------------ */

static stk_status look(void *user, const stk_image *picture, int index, int total, int *stop) {
    (void)stop;
    seen *s = user;
    stk_face face;
    int found;
    if (index == 0) {
        s->frames = total;
        s->opening = take((size_t)total, sizeof *s->opening);
        s->blendshapes = take((size_t)total, sizeof *s->blendshapes);
    }
    STK_TRY(stk_face_capture_frame(s->capture, picture, &face, &found));
    if (!found && index > 0) {
        s->opening[index] = s->opening[index - 1];
        memcpy(s->blendshapes[index], s->blendshapes[index - 1], sizeof *s->blendshapes);
    }
    if (!found) return STK_OK;
    s->found++;
    s->opening[index] = opening_of((const float(*)[3])face.landmarks.xyz);
    memcpy(s->blendshapes[index], face.blendshapes, sizeof face.blendshapes);
    return STK_OK;
}

static stk_status film(stk_render_settings settings, seen *s) {
    stk_render_figures figures;
    *s = (seen){0};
    STK_TRY(stk_face_capture_create(&s->capture, NULL));
    settings.threads = 2;
    settings.sink = (stk_frame_sink){look, s};
    stk_status status = stk_render_clip(&settings, NULL, &figures);
    stk_face_capture_free(&s->capture);
    return status;
}

static void forget(seen *s) {
    stk_free(s->opening);
    stk_free(s->blendshapes);
    *s = (seen){0};
}

static const char *path_of(const char *name) {
    static char path[STK_PATH_MAX];
    return stk_path_join(path, sizeof path, temporary, name) == STK_OK ? path : "";
}

/* --- mouth ------------------------------------------------------------------------------------ */

static stk_status held_out_sound(const stk_subject *subject, const char *to) {
    const stk_subject_info *info = stk_subject_get_info(subject);
    char path[STK_PATH_MAX];
    stk_sound sound;
    STK_TRY(stk_subject_path(subject, "audio.wav", path));
    STK_TRY(stk_sound_read(path, STK_SAMPLE_RATE, 0, &sound));
    const int64_t first = (int64_t)info->train_frames * STK_SAMPLE_RATE / STK_FPS;
    const stk_sound part = {sound.samples + first, sound.count - first, STK_SAMPLE_RATE};
    const stk_status status = stk_sound_write_wav(to, &part);
    stk_sound_clear(&sound);
    return status;
}

/* Of frames in which the real mouth is shut (open: above its median). */
static double opening_where(const float *real, const float *made, int n, int shut) {
    const float limit = quantile(real, n, 1, shut ? 0.2 : 0.5);
    double sum = 0, count = 0;
    for (int i = 0; i < n; i++) {
        if (shut ? real[i] > limit : real[i] < limit) continue;
        sum += (double)made[i];
        count++;
    }
    return sum / count;
}

/* Mean |second difference|. */
static double jitter(const float *x, int n) {
    double sum = 0;
    for (int i = 1; i + 1 < n; i++) sum += fabs((double)(x[i - 1] - 2 * x[i] + x[i + 1]));
    return sum / (n - 2);
}

static void print_mouth(const char *smoothing, int gate, const float *real, const float *made,
                        int n) {
    const int lag = best_lag(real, made, n, 1);
    printf("| %s | %s | %.3f | %+d, %.3f | %.4f | %.4f | %.4f |\n", smoothing,
           gate ? "gate" : "off", correlation(real, made, n, 1, 0), lag,
           correlation(real, made, n, 1, lag), opening_where(real, made, n, 1),
           opening_where(real, made, n, 0), jitter(made, n));
    fflush(stdout);
}

static stk_status measure_mouth(const char *model, const char *folder) {
    static const char *const smoothings[] = {"off", "symmetric", "published"};
    stk_subject *subject;
    seen s;
    STK_TRY(stk_subject_open(&subject, folder));
    const stk_subject_info *info = stk_subject_get_info(subject);
    const int n = info->frames - info->train_frames;
    float *real = take((size_t)n, sizeof *real);
    for (int i = 0; i < n; i++)
        real[i] = opening_of(stk_subject_landmarks(subject, info->train_frames + i));
    STK_TRY(held_out_sound(subject, path_of("held_out.wav")));
    printf("| smoothing | silence | correlation | best lag, frames; there | opening where shut | "
           "where open | jitter |\n|---|---|---|---|---|---|---|\n");
    print_mouth("the real mouth", 0, real, real, n);
    for (int gate = 1; gate >= 0; gate--)
        for (int k = 0; k < STK_LIP_SMOOTHINGS; k++) {
            STK_TRY(film((stk_render_settings){.model = model,
                                               .audio = path_of("held_out.wav"),
                                               .smoothing = (stk_lip_smoothing)k,
                                               .silence = gate},
                         &s));
            print_mouth(smoothings[k], gate, real, s.opening, s.frames < n ? s.frames : n);
            forget(&s);
        }
    stk_free(real);
    stk_subject_close(&subject);
    return STK_OK;
}

/* --- silence ---------------------------------------------------------------------------------- */

/* The sound with 3 s of digital silence, or of its own noise at -60 dB, in the middle and behind. */
static stk_status with_silence(const char *path, const char *to, int noise) {
    enum { GAP = 3 * STK_SAMPLE_RATE };
    stk_sound sound;
    STK_TRY(stk_sound_read(path, STK_SAMPLE_RATE, 0, &sound));
    const int64_t half = sound.count / 2;
    stk_sound longer = {NULL, sound.count + 2 * GAP, STK_SAMPLE_RATE};
    longer.samples = take((size_t)longer.count, sizeof(float));
    uint32_t state = 1;
    for (int64_t i = 0; noise && i < longer.count; i++) {
        state = state * 1664525u + 1013904223u;
        longer.samples[i] = 0.001f * ((float)(state >> 8) * 0x1p-23f - 1);
    }
    for (int64_t i = 0; i < sound.count; i++)
        longer.samples[i < half ? i : i + GAP] += sound.samples[i];
    const stk_status status = stk_sound_write_wav(to, &longer);
    stk_free(longer.samples);
    stk_sound_clear(&sound);
    return status;
}

static stk_status measure_silence(const char *model, const char *folder, const char *sound) {
    stk_subject *subject;
    seen s;
    int half;
    STK_TRY(stk_subject_open(&subject, folder));
    const int train = stk_subject_get_info(subject)->train_frames;
    float *real = take((size_t)train, sizeof *real);
    for (int i = 0; i < train; i++) real[i] = opening_of(stk_subject_landmarks(subject, i));
    printf("training clip, opening / face height: lowest tenth %.4f, median %.4f, 95 %% %.4f\n",
           (double)quantile(real, train, 1, 0.1), (double)quantile(real, train, 1, 0.5),
           (double)quantile(real, train, 1, 0.95));
    stk_free(real);
    stk_subject_close(&subject);
    stk_sound whole;
    STK_TRY(stk_sound_read(sound, STK_SAMPLE_RATE, 0, &whole));
    half = (int)(whole.count / 2 * STK_FPS / STK_SAMPLE_RATE);
    const int frames = (int)(whole.count * STK_FPS / STK_SAMPLE_RATE);
    stk_sound_clear(&whole);
    printf("| gap | silence | opening in the gaps | its range | while speaking |\n"
           "|---|---|---|---|---|\n");
    for (int noise = 0; noise < 2; noise++)
        for (int gate = 0; gate < 2; gate++) {
            STK_TRY(with_silence(sound, path_of("silence.wav"), noise));
            STK_TRY(film((stk_render_settings){.model = model,
                                               .audio = path_of("silence.wav"),
                                               .silence = gate},
                         &s));
            const int g = half + 8, e = half + 75 - 8; /* ramps and windows reach so far */
            printf("| %s | %s | %.4f | %.4f to %.4f | %.4f |\n",
                   noise ? "noise, -65 dB" : "digital silence", gate ? "gate" : "off",
                   0.5 * (mean(s.opening, g, e) + mean(s.opening, frames + 75 + 8, s.frames)),
                   (double)quantile(s.opening + g, e - g, 1, 0),
                   (double)quantile(s.opening + g, e - g, 1, 1), mean(s.opening, 0, half));
            fflush(stdout);
            forget(&s);
        }
    return STK_OK;
}

/* --- regions ---------------------------------------------------------------------------------- */

enum { POSES = 4, DRIVES = 24 };

typedef struct stage {
    stk_model *model;
    stk_subject *subject;
    stk_pool *pool;
    stk_frame_renderer *renderer;
    stk_frame_store *torsos;
    float *acts;
    stk_image labels, pictures[DRIVES];
    double moved[2][2], count[2]; /* [what drives: sound, expression][region: lower, upper] */
} stage;

static void code_at(const stage *g, int frame, float code[STK_AUDIO_CODE]) {
    const stk_nets *nets = &g->model->nets;
    const float *window[STK_AUDIO_WINDOW];
    stk_audio_window(stk_subject_audio_row(g->subject, 0), stk_subject_get_info(g->subject)->frames,
                     nets->audio.row_floats, frame, window);
    stk_audio_net_forward(&nets->audio, &nets->params, nets->params.value, window, g->acts, code);
}

/* Mean over drives and channels of |I - mean I|, summed over the head's pixels of rows y0..y1. */
static void add_motion(stage *g, stk_rect face, int y0, int y1, double *sum, double *count) {
    for (int y = y0; y < y1; y++)
        for (int x = face.x0; x < face.x1; x++) {
            if (stk_image_row(&g->labels, y)[x] != STK_LABEL_HEAD) continue;
            for (int c = 0; c < 3; c++) {
                double middle = 0;
                for (int k = 0; k < DRIVES; k++)
                    middle += stk_image_row(&g->pictures[k], y)[3 * x + c] / (double)DRIVES;
                for (int k = 0; k < DRIVES; k++)
                    *sum +=
                        fabs(stk_image_row(&g->pictures[k], y)[3 * x + c] - middle) / DRIVES / 3;
            }
            *count += 1;
        }
}

/* One pose: DRIVES pictures in which the sound (or the expression) is that of other frames. */
static stk_status drive(stage *g, int frame, int expression) {
    const stk_subject_info *info = stk_subject_get_info(g->subject);
    const float(*landmarks)[3] = stk_subject_landmarks(g->subject, frame);
    const stk_image *backdrop;
    STK_TRY(stk_frame_store_get(g->torsos, frame, &backdrop));
    STK_TRY(stk_subject_labels(g->subject, frame, &g->labels));
    for (int k = 0; k < DRIVES; k++) {
        STK_ALIGNED(64) float code[STK_AUDIO_CODE];
        const int other = k * info->train_frames / DRIVES;
        code_at(g, expression ? frame : other, code);
        const stk_frame_request request = {
            .bits = g->model->bits,
            .camera = info->camera,
            .pose = stk_subject_poses(g->subject)[frame],
            .audio_code = code,
            .expression = g->model->performance.expressions[expression ? other : frame],
            .rect = info->head_rect,
            .backdrop = backdrop,
            .rule = STK_MARCH_FAST,
            .every_pixel = 1,
        };
        stk_frame_render(g->renderer, &request, &g->pictures[k]);
    }
    const stk_rect face = stk_regions_compute(landmarks, info->width, info->height).face;
    static const short lids[] = {144, 145, 153, 374, 373, 380};
    double low = 0;
    for (size_t i = 0; i < STK_ARRAY_SIZE(lids); i++)
        low = fmax(low, (double)landmarks[lids[i]][1]);
    double count = 0;
    add_motion(g, face, (int)(double)landmarks[4][1], face.y1, &g->moved[expression][0], &count);
    g->count[0] += expression ? 0 : count;
    count = 0;
    add_motion(g, face, face.y0, (int)low, &g->moved[expression][1], &count);
    g->count[1] += expression ? 0 : count;
    return STK_OK;
}

static stk_status measure_regions(const char *model, const char *folder) {
    stage g = {0};
    STK_TRY(stk_model_open(&g.model, model));
    STK_TRY(stk_subject_open(&g.subject, folder));
    const stk_subject_info *info = stk_subject_get_info(g.subject);
    STK_TRY(stk_pool_create(&g.pool, 2));
    STK_TRY(stk_frame_renderer_create(&g.renderer, info->width, info->height, g.pool));
    STK_TRY(stk_frame_renderer_load(g.renderer, &g.model->nets, g.model->nets.params.value));
    STK_TRY(stk_subject_open_torsos(g.subject, &g.torsos));
    STK_TRY(stk_image_init(&g.labels, info->width, info->height, 1));
    for (int k = 0; k < DRIVES; k++)
        STK_TRY(stk_image_init(&g.pictures[k], info->width, info->height, 3));
    g.acts = take(stk_audio_net_act_floats(&g.model->nets.audio), sizeof(float));
    for (int p = 0; p < POSES; p++)
        for (int expression = 0; expression < 2; expression++)
            STK_TRY(drive(&g, (2 * p + 1) * info->train_frames / (2 * POSES), expression));
    double m[2][2];
    for (int d = 0; d < 2; d++)
        for (int r = 0; r < 2; r++) m[d][r] = g.moved[d][r] / g.count[r];
    printf("| what changes | lower face moves | upper face moves | wrong / right "
           "|\n|---|---|---|---|\n"
           "| sound | %.3f | %.3f | %.1f %% |\n| expression | %.3f | %.3f | %.1f %% |\n",
           m[0][0], m[0][1], 100 * m[0][1] / m[0][0], m[1][0], m[1][1], 100 * m[1][0] / m[1][1]);
    for (int k = 0; k < DRIVES; k++) stk_image_clear(&g.pictures[k]);
    stk_image_clear(&g.labels);
    stk_free(g.acts);
    stk_frame_store_close(&g.torsos);
    stk_frame_renderer_free(&g.renderer);
    stk_pool_free(&g.pool);
    stk_subject_close(&g.subject);
    stk_model_close(&g.model);
    return STK_OK;
}

/* --- read back -------------------------------------------------------------------------------- */

enum { LIDS = 5 };

/* First half: brows in slow waves, up and down in turn, each from its 5 % to its 95 % quantile in
 * the training frames. Second half: blinks of 5 frames at uneven distances. */
static void known_motion(const stk_expression_range range[STK_EXPRESSIONS], int n,
                         float (*rows)[STK_EXPRESSIONS]) {
    static const float lid[5] = {0.5f, 1, 1, 0.6f, 0.2f};
    for (int i = 0; i < n; i++)
        for (int j = 0; j < STK_EXPRESSIONS; j++) {
            const stk_expression_range *r = &range[j];
            const double phase = i / 37.0 + (j < 2 ? 0.5 : 0);
            const double wave = 0.5 - 0.5 * cos(6.2832 * phase);
            rows[i][j] =
                j < LIDS && i < n / 2 ? r->low + (float)wave * (r->high - r->low) : r->neutral;
        }
    for (int at = n / 2 + 10, k = 0; at + 5 < n; at += 20 + k * 17 % 12, k++)
        for (int i = 0; i < 5; i++)
            for (int j = LIDS; j < STK_EXPRESSIONS; j++)
                rows[at + i][j] += lid[i] * (range[j].high - range[j].neutral);
}

static stk_status write_track(const char *path, int n, const float (*rows)[STK_EXPRESSIONS]) {
    FILE *file = fopen(path, "w");
    if (file == NULL) return stk_fail(STK_ERR_IO, "%s: cannot be written", path);
    fprintf(file, "time");
    for (int j = 0; j < STK_EXPRESSIONS; j++) fprintf(file, ",%s", stk_expression_name(j));
    for (int i = 0; i < n; i++) {
        fprintf(file, "\n%.3f", i / (double)STK_FPS);
        for (int j = 0; j < STK_EXPRESSIONS; j++) fprintf(file, ",%.5f", (double)rows[i][j]);
    }
    fprintf(file, "\n");
    return fclose(file) == 0 ? STK_OK : stk_fail(STK_ERR_IO, "%s: cannot be written", path);
}

/* Over the half in which it is driven. */
static void print_track(const seen *s, const stk_expression_range *range, const float *want,
                        int j) {
    static const short columns[STK_EXPRESSIONS] = {0, 1, 2, 3, 4, 8, 9};
    const int first = j < LIDS ? 0 : s->frames / 2, n = s->frames / 2;
    float *got = take((size_t)n * STK_EXPRESSIONS, sizeof *got);
    for (int i = 0; i < n; i++) got[i * STK_EXPRESSIONS] = s->blendshapes[first + i][columns[j]];
    want += (ptrdiff_t)first * STK_EXPRESSIONS;
    printf("| %s | %.3f to %.3f | %.3f to %.3f | %.3f | %+d |\n", stk_expression_name(j),
           (double)range->low, (double)range->high, (double)quantile(got, n, STK_EXPRESSIONS, 0.02),
           (double)quantile(got, n, STK_EXPRESSIONS, 0.98),
           correlation(want, got, n, STK_EXPRESSIONS, 0), best_lag(want, got, n, STK_EXPRESSIONS));
    stk_free(got);
}

static stk_status measure_readback(const char *model_path, const char *sound) {
    stk_model *model;
    stk_expression_range range[STK_EXPRESSIONS];
    float(*rows)[STK_EXPRESSIONS];
    seen s;
    char track[STK_PATH_MAX];
    STK_TRY(stk_model_open(&model, model_path));
    const stk_performance *p = &model->performance;
    for (int j = 0; j < STK_EXPRESSIONS; j++)
        STK_TRY(stk_expression_range_measure(&range[j], &p->expressions[0][j], p->train_frames,
                                             STK_EXPRESSIONS,
                                             j < LIDS ? STK_EXPRESSION_BROW : STK_EXPRESSION_LID));
    stk_model_close(&model);
    stk_sound whole;
    STK_TRY(stk_sound_read(sound, STK_SAMPLE_RATE, 0, &whole));
    const int n = (int)(whole.count * STK_FPS / STK_SAMPLE_RATE) + 2;
    stk_sound_clear(&whole);
    rows = take((size_t)n, sizeof *rows);
    known_motion(range, n, rows);
    STK_TRY(stk_path_join(track, sizeof track, temporary, "track.csv"));
    STK_TRY(write_track(track, n, (const float(*)[STK_EXPRESSIONS])rows));
    STK_TRY(film(
        (stk_render_settings){
            .model = model_path, .audio = sound, .silence = 1, .expression = track},
        &s));
    printf(
        "%d frames, a face in %d\n| coefficient | driven | read back, 2 to 98 %% | correlation | "
        "best lag |\n|---|---|---|---|---|\n",
        s.frames, s.found);
    for (int j = 0; j < STK_EXPRESSIONS; j++) print_track(&s, &range[j], &rows[0][j], j);
    stk_free(rows);
    forget(&s);
    return STK_OK;
}

int main(int argc, char **argv) {
    const char *what = argc >= 4 ? argv[1] : "", *sound = argc >= 5 ? argv[4] : NULL;
    stk_status status = STK_ERR_ARGUMENT;
    snprintf(temporary, sizeof temporary, "/tmp/face_control.XXXXXX");
    if (mkdtemp(temporary) == NULL) return 1;
    if (strcmp(what, "mouth") == 0)
        status = measure_mouth(argv[2], argv[3]);
    else if (strcmp(what, "regions") == 0)
        status = measure_regions(argv[2], argv[3]);
    else if (strcmp(what, "silence") == 0 && sound != NULL)
        status = measure_silence(argv[2], argv[3], sound);
    else if (strcmp(what, "readback") == 0 && sound != NULL)
        status = measure_readback(argv[2], sound);
    else
        fprintf(stderr, "usage: face_control mouth|regions MODEL SUBJECT\n"
                        "       face_control silence|readback MODEL SUBJECT SOUND\n");
    static const char *const made[] = {"held_out.wav", "silence.wav", "track.csv"};
    for (size_t i = 0; i < STK_ARRAY_SIZE(made); i++) remove(path_of(made[i]));
    rmdir(temporary);
    if (status != STK_OK) fprintf(stderr, "%s\n", stk_error_text());
    return status == STK_OK ? 0 : 1;
}
