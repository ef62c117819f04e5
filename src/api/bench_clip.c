/* bench_clip.c - from a sound file to an mp4, as `synctalk render` does it: model opened, sound
 * read, every frame rendered and encoded, file closed. A run goes on for its share of the time and
 * is then stopped as Ctrl-C would stop it; frames a second are those made over the whole of it.
 */
#include "api/bench.h"
#include "base/clock.h"
#include "base/memory.h"
#include "media/media.h"
#include "presenter/presenter.h"
#include "render/render.h"
#include "render/voice.h"

#include <stdio.h>
#include <string.h>

enum { SPEECH_S = 20, CODE_FRAME = 20, FRAMES_LEAST = 2, CRF = 18, RUNS = 4 };
static const char SPEECH[] = "Pat wore a huge green jacket by the shore. Measure both of these "
                             "boys, and choose the one who thinks. Why do you push the yellow "
                             "zip over the thick carpet?";

/* --- the sound -------------------------------------------------------------------------------- */

/* Said once by the presenter's voice, repeated until it is long enough. */
static stk_status make_speech(const stk_bench_session *b, const char *path) {
    char said_path[STK_PATH_MAX];
    stk_sound said,
        speech = {.count = (int64_t)SPEECH_S * STK_SAMPLE_RATE, .rate = STK_SAMPLE_RATE};
    stk_presenter_figures figures;
    STK_TRY(stk_bench_path(b, "said.wav", said_path));
    const stk_presenter_settings settings = {
        .output = said_path, .text = SPEECH, .width = 64, .height = 64, .seed = 1, .fps = STK_FPS};
    STK_TRY(stk_presenter_make(&settings, NULL, &figures));
    STK_TRY(stk_sound_read(said_path, STK_SAMPLE_RATE, 0, &said));
    speech.samples = stk_calloc_aligned((size_t)speech.count, sizeof(float));
    stk_status status = speech.samples != NULL ? STK_OK : stk_fail_memory("speech");
    for (int64_t i = 0; status == STK_OK && said.count > 0 && i < speech.count; i++)
        speech.samples[i] = said.samples[i % said.count];
    if (status == STK_OK) status = stk_sound_write_wav(path, &speech);
    stk_free(speech.samples);
    stk_sound_clear(&said);
    return status;
}

stk_status stk_bench_sound(stk_bench_session *b) {
    if (b->options->audio != NULL) {
        const int n = snprintf(b->sound, sizeof b->sound, "%s", b->options->audio);
        if (n < 0 || (size_t)n >= sizeof b->sound)
            return stk_fail(STK_ERR_ARGUMENT, "--audio: the path is too long");
    } else {
        STK_TRY(stk_bench_path(b, "speech.wav", b->sound));
        STK_TRY(make_speech(b, b->sound));
    }
    stk_voice *voice;
    const stk_nets *nets = &b->isas[0].model->nets;
    const stk_voice_source heard = {
        .sound = b->sound, .features = b->options->features, .encoder = b->options->encoder};
    STK_TRY(stk_voice_open(&voice, &heard, nets));
    const int last = stk_voice_frames(voice) - 1;
    stk_voice_code(voice, nets->params.value, CODE_FRAME < last ? CODE_FRAME : last, b->code);
    stk_status status = stk_voice_check(voice);
    stk_voice_close(&voice);
    return status;
}

/* --- runs ------------------------------------------------------------------------------------- */

typedef struct clip_cell {
    const stk_bench_session *bench;
    const stk_bench_isa *isa;
    int portrait;
    double limit_s, end_s;
    int64_t done;
    int frames; /* of the last run */
    int stopped;
} clip_cell;

static void count_frames(void *user, const stk_progress *progress) {
    ((clip_cell *)user)->done = progress->done;
}

static int time_is_up(void *user) {
    clip_cell *cell = user;
    cell->stopped |= stk_job_aborted(cell->bench->job);
    return cell->stopped || (cell->done >= FRAMES_LEAST && stk_clock_s() >= cell->end_s);
}

/* Seconds a frame. */
static stk_status run_clip(void *ctx, double *seconds) {
    clip_cell *cell = ctx;
    char path[STK_PATH_MAX];
    stk_render_figures figures;
    STK_TRY(stk_bench_path(cell->bench, "clip.mp4", path));
    stk_bench_use(cell->isa);
    const stk_render_settings settings = {.model = cell->bench->options->model,
                                          .audio = cell->bench->sound,
                                          .features = cell->bench->options->features,
                                          .encoder = cell->bench->options->encoder,
                                          .portrait =
                                              cell->portrait ? cell->bench->options->subject : NULL,
                                          .output = path,
                                          .crf = CRF,
                                          .threads = cell->bench->threads[0]};
    const stk_job job = {count_frames, time_is_up, cell};
    cell->done = 0;
    cell->end_s = stk_clock_s() + cell->limit_s;
    stk_status status = stk_render_clip(&settings, &job, &figures);
    if (status != STK_OK && (status != STK_ERR_ABORTED || cell->stopped)) return status;
    cell->frames = figures.frames;
    *seconds = figures.seconds / (figures.frames > 0 ? figures.frames : 1);
    return STK_OK;
}

stk_status stk_bench_clip(stk_bench_session *b, double deadline_s) {
    enum { WAYS = 2 }; /* the model's own picture, the face in the subject's frames */
    static const char *const names[WAYS] = {"wav to mp4", "wav to mp4, portrait"};
    clip_cell list[WAYS * STK_BENCH_ISAS];
    stk_bench_cell cells[WAYS * STK_BENCH_ISAS] = {0};
    const int count = b->isa_count * (b->options->subject != NULL ? WAYS : 1);
    const double share_s = (deadline_s - stk_clock_s()) / (RUNS * count);
    for (int i = 0; i < count; i++) {
        list[i] = (clip_cell){.bench = b,
                              .isa = &b->isas[i % b->isa_count],
                              .portrait = i >= b->isa_count,
                              .limit_s = share_s};
        cells[i] = (stk_bench_cell){.run = run_clip, .ctx = &list[i], .cost = 1};
    }
    stk_status status = stk_bench_measure(cells, count, deadline_s, NULL, "wav to mp4", b->job);
    for (int i = 0; i < count; i++) {
        stk_bench_times times;
        if (!stk_bench_cell_times(&cells[i], &times) || list[i].frames == 0) continue;
        cJSON *row = stk_bench_row(b, "clip");
        cJSON_AddStringToObject(row, "what", names[list[i].portrait]);
        cJSON_AddStringToObject(row, "isa", list[i].isa->name);
        stk_bench_put(row, "threads", b->threads[0]);
        stk_bench_put(row, "frames_per_s", 1 / times.median_s);
        stk_bench_put(row, "realtime_factor", 1 / (times.median_s * STK_FPS));
        stk_bench_put_times(row, &times);
        stk_bench_put(row, "frames", list[i].frames);
    }
    return status;
}
