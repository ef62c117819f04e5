/* expression.c - see expression.h.
 *
 *   training frames [n][7] -> range of each input
 *   source of motion -> rows [count][7] -> gain -> limit -> rows
 *
 * One thread, before rendering begins; the rows are only read then.
 */
#include "render/expression.h"
#include "base/log.h"
#include "base/memory.h"
#include "face_sync/expression_blink.h"
#include "render/expression_track.h"
#include "media/media.h"
#include "render/expression_capture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How much of the way to the source's own 95 % a loud voice lifts the brows. */
static const float BROW_SHARE = 0.5f;
static const double GAIN_MAX = 10;
enum { LEVEL_PIECE = STK_SAMPLE_RATE / STK_FPS, LID = 5, FIRST_RAISER = 2, LAST_RAISER = 4 };

/* --- the model's inputs ----------------------------------------------------------------------- */

static stk_status list_inputs(stk_expression *e, int exp) {
    if (exp != STK_EXPRESSIONS && exp != 4 && exp != 2 && exp != 1)
        return stk_fail(STK_ERR_UNSUPPORTED,
                        "a model with %d expression inputs plays its own performance only; leave "
                        "out --expression",
                        exp);
    e->inputs = exp;
    for (int j = 0; j < exp; j++) {
        stk_expression_input *input = &e->input[j];
        input->sources = (short)stk_expression_sources(exp, j, input->source);
        input->kind = input->source[0] >= LID ? STK_EXPRESSION_LID : STK_EXPRESSION_BROW;
    }
    return STK_OK;
}

/* What an input hears of seven values; has NULL: all of them are there. NaN where none is. */
static float input_of(const stk_expression_input *input, const float values[STK_EXPRESSIONS],
                      const uint8_t *has) {
    float sum = 0;
    int count = 0;
    for (int i = 0; i < input->sources; i++) {
        const int k = input->source[i];
        if (has != NULL && !has[k]) continue;
        sum += values[k];
        count++;
    }
    return count > 0 ? sum / (float)count : NAN;
}

/* --- gains ------------------------------------------------------------------------------------ */

static stk_status refuse_gain(const stk_expression *e, const char *text, size_t length) {
    char list[256] = "";
    for (int j = 0; j < e->inputs; j++)
        for (int i = 0; i < e->input[j].sources; i++) {
            const size_t at = strlen(list);
            snprintf(list + at, sizeof list - at, "%s%s", at > 0 ? ", " : "",
                     stk_expression_name(e->input[j].source[i]));
        }
    return stk_fail(STK_ERR_ARGUMENT,
                    "--expression-gain %.*s: give NAME=VALUE, VALUE from 0 to %g, NAME one of %s",
                    (int)(length < 60 ? length : 60), text, GAIN_MAX, list);
}

/* "browInnerUp=1.5" */
static stk_status read_gain(stk_expression *e, const char *text, size_t length) {
    char number[32];
    const char *equals = memchr(text, '=', length);
    const size_t digits = equals != NULL ? length - (size_t)(equals + 1 - text) : 0;
    if (digits == 0 || digits >= sizeof number) return refuse_gain(e, text, length);
    memcpy(number, equals + 1, digits);
    number[digits] = '\0';
    char *end;
    const double value = strtod(number, &end);
    const int k = stk_expression_find(text, (size_t)(equals - text));
    int found = 0;
    for (int j = 0; j < e->inputs; j++)
        for (int i = 0; i < e->input[j].sources; i++) {
            if (e->input[j].source[i] != k) continue;
            e->gain[j] = (float)value;
            found = 1;
        }
    if (!found || *end != '\0' || !(value >= 0 && value <= GAIN_MAX))
        return refuse_gain(e, text, length);
    return STK_OK;
}

/* Separated by commas or newlines. */
static stk_status read_gains(stk_expression *e, const char *text) {
    for (int j = 0; j < STK_EXPRESSIONS; j++) e->gain[j] = 1;
    while (text != NULL && *text != '\0') {
        const size_t length = strcspn(text, ",\n");
        STK_TRY(read_gain(e, text, length));
        text += length + (text[length] != '\0');
    }
    return STK_OK;
}

/* --- rows ------------------------------------------------------------------------------------- */

static stk_status make_rows(stk_expression *e, int count) {
    e->owned = stk_calloc_aligned((size_t)count, sizeof *e->owned);
    if (e->owned == NULL) return stk_fail_memory("expression");
    e->rows = (const float(*)[STK_EXPRESSIONS])e->owned;
    e->count = count;
    for (int i = 0; i < count; i++)
        for (int j = 0; j < e->inputs; j++) e->owned[i][j] = e->range[j].neutral;
    return STK_OK;
}

/* Gain, then limit; says which inputs that changed in more than a tenth of the frames. */
static void limit_rows(stk_expression *e) {
    char list[256] = "";
    for (int j = 0; j < e->inputs; j++) {
        const stk_expression_range *range = &e->range[j];
        int held = 0;
        for (int i = 0; i < e->count; i++) {
            const float offset = e->owned[i][j] - range->neutral;
            const float wanted = range->neutral + e->gain[j] * offset;
            e->owned[i][j] = stk_expression_range_limit(range, wanted);
            held += e->owned[i][j] != wanted;
        }
        const size_t at = strlen(list);
        if (held > e->count / 10)
            snprintf(list + at, sizeof list - at, "%s%s", at > 0 ? ", " : "",
                     stk_expression_name(e->input[j].source[0]));
    }
    if (list[0] != '\0')
        stk_log(STK_LOG_INFO,
                "the expression goes beyond what training saw, and was held there: %s", list);
}

/* Lids that the clip never shut can only be made to quiver. */
static void warn_of_no_blinks(const stk_expression *e) {
    const float least = 0.1f;
    for (int j = 0; j < e->inputs; j++)
        if (e->input[j].kind == STK_EXPRESSION_LID &&
            e->range[j].high - e->range[j].neutral < least) {
            stk_log(STK_LOG_WARN, "the model's clip shows no blink; those made up are hardly seen");
            return;
        }
}

/* Root mean square of each frame's sound; 0 behind its end. */
static stk_status measure_level(const char *path, float *level, int frames) {
    stk_sound_source *sound;
    float piece[LEVEL_PIECE];
    float *plane[1] = {piece};
    stk_status status = stk_sound_source_open(&sound, path, STK_SAMPLE_RATE, 1, 0.0);
    for (int i = 0; i < frames && status == STK_OK; i++) {
        int got = 0;
        double power = 0;
        status = stk_sound_source_read(sound, plane, LEVEL_PIECE, &got);
        for (int k = 0; k < got; k++) power += (double)piece[k] * piece[k];
        level[i] = (float)sqrt(power / LEVEL_PIECE);
    }
    stk_sound_source_close(&sound);
    return status;
}

static stk_status make_up(stk_expression *e, const stk_render_settings *settings, int frames) {
    float *closed = stk_calloc_aligned((size_t)frames, sizeof *closed);
    float *raised = stk_calloc_aligned((size_t)frames, sizeof *raised);
    warn_of_no_blinks(e);
    stk_status status =
        closed != NULL && raised != NULL ? make_rows(e, frames) : stk_fail_memory("expression");
    if (status == STK_OK) status = measure_level(settings->audio, raised, frames);
    if (status == STK_OK) {
        stk_blinks_make((uint64_t)settings->seed, closed, frames);
        stk_brows_from_level(raised, frames);
    }
    for (int i = 0; status == STK_OK && i < frames; i++)
        for (int j = 0; j < e->inputs; j++) {
            const int k = e->input[j].source[0];
            if (e->input[j].kind == STK_EXPRESSION_LID)
                e->owned[i][j] = stk_expression_range_share(&e->range[j], closed[i]);
            else if (k >= FIRST_RAISER && k <= LAST_RAISER)
                e->owned[i][j] = stk_expression_range_share(&e->range[j], BROW_SHARE * raised[i]);
        }
    stk_free(closed);
    stk_free(raised);
    return status;
}

static stk_status play_track(stk_expression *e, const char *path, int frames) {
    stk_expression_track track;
    STK_TRY(stk_expression_track_read(&track, path));
    stk_status status = make_rows(e, frames);
    for (int i = 0; status == STK_OK && i < frames; i++) {
        float values[STK_EXPRESSIONS];
        stk_expression_track_at(&track, (double)i / STK_FPS, values);
        for (int j = 0; j < e->inputs; j++) {
            const float value = input_of(&e->input[j], values, track.has);
            if (!isnan(value)) e->owned[i][j] = value;
        }
    }
    stk_expression_track_clear(&track);
    return status;
}

static stk_status play_video(stk_expression *e, const stk_render_settings *settings,
                             const stk_job *job) {
    float(*captured)[STK_EXPRESSIONS];
    int count;
    STK_TRY(stk_expression_capture(settings->expression, settings->models, job, &captured, &count));
    stk_status status = make_rows(e, count);
    for (int i = 0; status == STK_OK && i < count; i++)
        for (int j = 0; j < e->inputs; j++)
            e->owned[i][j] = input_of(&e->input[j], captured[i], NULL);
    stk_free(captured);
    for (int j = 0; status == STK_OK && j < e->inputs; j++) {
        stk_expression_range from;
        status = stk_expression_range_measure(&from, &e->owned[0][j], count, STK_EXPRESSIONS,
                                              e->input[j].kind);
        for (int i = 0; status == STK_OK && i < count; i++)
            e->owned[i][j] = stk_expression_range_carry(&from, &e->range[j], e->owned[i][j]);
    }
    return status;
}

static stk_status play_source(stk_expression *e, const stk_performance *source) {
    STK_TRY(make_rows(e, source->frames));
    memcpy(e->owned, source->expressions, (size_t)source->frames * sizeof *e->owned);
    return STK_OK;
}

/* --- the film's ------------------------------------------------------------------------------- */

static stk_status fill_rows(stk_expression *e, const stk_render_settings *settings,
                            const stk_model *model, int frames, const stk_job *job) {
    const char *what = settings->expression;
    if (what == NULL || strcmp(what, "clip") == 0) return play_source(e, &model->performance);
    if (strcmp(what, "still") == 0) return make_rows(e, 1);
    if (strcmp(what, "auto") == 0) return make_up(e, settings, frames);
    if (stk_file_is_directory(what))
        return stk_fail(STK_ERR_FORMAT,
                        "%s: is a folder; give --expression clip, still, auto, a track (.csv, "
                        ".json) or a video",
                        what);
    if (!stk_file_exists(what))
        return stk_fail(STK_ERR_IO,
                        "%s: there is no such file; --expression takes clip, still, auto, a track "
                        "(.csv, .json) or a video",
                        what);
    if (stk_expression_track_is(what)) return play_track(e, what, frames);
    return play_video(e, settings, job);
}

stk_status stk_expression_open(stk_expression *e, const stk_render_settings *settings,
                               const stk_model *model, int frames, const stk_job *job) {
    const stk_performance *source = &model->performance;
    const char *what = settings->expression, *gain = settings->expression_gain;
    *e = (stk_expression){.rows = (const float(*)[STK_EXPRESSIONS])source->expressions,
                          .count = source->frames};
    if ((what == NULL || strcmp(what, "clip") == 0) && (gain == NULL || *gain == '\0'))
        return STK_OK;
    STK_TRY(list_inputs(e, model->nets.config.exp));
    STK_TRY(read_gains(e, gain));
    for (int j = 0; j < e->inputs; j++)
        STK_TRY(stk_expression_range_measure(&e->range[j], &source->expressions[0][j],
                                             source->train_frames, STK_EXPRESSIONS,
                                             e->input[j].kind));
    stk_status status = fill_rows(e, settings, model, frames, job);
    if (status == STK_OK)
        limit_rows(e);
    else
        stk_expression_clear(e);
    return status;
}

void stk_expression_clear(stk_expression *expression) {
    stk_free(expression->owned);
    *expression = (stk_expression){0};
}

const float *stk_expression_at(const stk_expression *expression, int frame) {
    return expression->rows[stk_mirror_index(frame, expression->count)];
}
