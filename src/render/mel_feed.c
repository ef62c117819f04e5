/* mel_feed.c - see mel_feed.h.
 *
 *   file --decode--> piece [4096] --mel stream--> columns, the last 128 [128][80] --cut--> [80][16]
 */
#include "render/mel_feed.h"
#include "base/file.h"
#include "base/memory.h"
#include "face_sync/audio.h"
#include "media/media.h"

#include <math.h>
#include <string.h>

enum { PIECE = 4096, COLUMNS_KEPT = 128, CROP_DELAY = 2 };
static const float SILENCE = -4;

struct stk_mel_feed {
    char path[STK_PATH_MAX];
    int columns, frames; /* of the whole sound */
    stk_sound_source *source;
    stk_mel_stream *mel;
    float piece[PIECE]; /* [at, have) waits for the mel stream */
    int have, at, ended;
    int made; /* columns made so far; column c lies at column[c % COLUMNS_KEPT] */
    float column[COLUMNS_KEPT][STK_MEL_BINS];
};

static int frames_of(int64_t samples) {
    const int frames = (int)lround((double)samples * STK_FPS / STK_SAMPLE_RATE);
    return frames < 1 ? 1 : frames;
}

stk_status stk_sound_frames(const char *path, int *frames) {
    int64_t samples;
    STK_TRY(stk_sound_length(path, STK_SAMPLE_RATE, 0.0, &samples));
    *frames = frames_of(samples);
    return STK_OK;
}

/* Before the first sample. */
static stk_status rewind_sound(stk_mel_feed *feed) {
    stk_sound_source_close(&feed->source);
    stk_mel_stream_restart(feed->mel);
    feed->have = feed->at = feed->ended = feed->made = 0;
    return stk_sound_source_open(&feed->source, feed->path, STK_SAMPLE_RATE, 1, 0.0);
}

static stk_status open_sound(stk_mel_feed *feed) {
    int64_t samples;
    STK_TRY(stk_sound_length(feed->path, STK_SAMPLE_RATE, 0.0, &samples));
    feed->columns = stk_mel_columns(samples);
    feed->frames = frames_of(samples);
    if (feed->columns < STK_MEL_STEPS)
        return stk_fail(STK_ERR_CONTENT,
                        "%s: the sound is shorter than 0.2 s, one window of the lip features; give "
                        "a longer one",
                        feed->path);
    STK_TRY(stk_mel_stream_create(&feed->mel));
    return rewind_sound(feed);
}

stk_status stk_mel_feed_open(stk_mel_feed **out, const char *path) {
    *out = NULL;
    if (strlen(path) >= STK_PATH_MAX)
        return stk_fail(STK_ERR_ARGUMENT, "the path is too long: %.60s...", path);
    stk_mel_feed *feed = stk_calloc_aligned(1, sizeof *feed);
    if (feed == NULL) return stk_fail_memory("sound features");
    strcpy(feed->path, path);
    stk_status status = open_sound(feed);
    if (status != STK_OK) stk_mel_feed_close(&feed);
    *out = feed;
    return status;
}

void stk_mel_feed_close(stk_mel_feed **handle) {
    if (handle == NULL || *handle == NULL) return;
    stk_sound_source_close(&(*handle)->source);
    stk_mel_stream_free(&(*handle)->mel);
    stk_free(*handle);
    *handle = NULL;
}

int stk_mel_feed_frames(const stk_mel_feed *feed) {
    return feed->frames;
}

/* The next column; silence behind the end of a sound that has become shorter since it was opened.
 */
static stk_status make_column(stk_mel_feed *feed, float *column) {
    while (!stk_mel_stream_pull(feed->mel, column)) {
        if (feed->at < feed->have) {
            feed->at +=
                stk_mel_stream_push(feed->mel, feed->piece + feed->at, feed->have - feed->at);
        } else if (!feed->ended) {
            float *plane[1] = {feed->piece};
            feed->at = feed->have = 0;
            STK_TRY(stk_sound_source_read(feed->source, plane, PIECE, &feed->have));
            feed->ended = feed->have == 0;
            if (feed->ended) stk_mel_stream_end(feed->mel);
        } else {
            for (int b = 0; b < STK_MEL_BINS; b++) column[b] = SILENCE;
            break;
        }
    }
    return STK_OK;
}

/* Makes columns until [first, first + 16) are kept. */
static stk_status advance(stk_mel_feed *feed, int first) {
    if (first < feed->made - COLUMNS_KEPT || feed->source == NULL) STK_TRY(rewind_sound(feed));
    while (feed->made < first + STK_MEL_STEPS) {
        STK_TRY(make_column(feed, feed->column[feed->made % COLUMNS_KEPT]));
        feed->made++;
    }
    return STK_OK;
}

stk_status stk_mel_feed_row(stk_mel_feed *feed, int row, float *out) {
    const int crop = row < CROP_DELAY ? 0 : row - CROP_DELAY;
    int first = 16 * crop / 5;
    if (first > feed->columns - STK_MEL_STEPS) first = feed->columns - STK_MEL_STEPS;
    STK_TRY(advance(feed, first));
    for (int t = 0; t < STK_MEL_STEPS; t++) {
        const float *column = feed->column[(first + t) % COLUMNS_KEPT];
        for (int b = 0; b < STK_MEL_BINS; b++) out[b * STK_MEL_STEPS + t] = column[b];
    }
    return STK_OK;
}

stk_status stk_mel_feed_speaker(stk_mel_feed *feed, stk_mel_speaker *speaker) {
    float column[STK_MEL_BINS];
    stk_mel_census *census = stk_calloc_aligned(1, sizeof *census);
    if (census == NULL) return stk_fail_memory("sound features");
    stk_status status = rewind_sound(feed);
    for (int c = 0; status == STK_OK && c < feed->columns; c++) {
        status = make_column(feed, column);
        stk_mel_census_add(census, column, 1);
    }
    if (status == STK_OK) stk_mel_speaker_of(census, speaker);
    stk_free(census);
    const stk_status again = rewind_sound(feed);
    return status != STK_OK ? status : again;
}
