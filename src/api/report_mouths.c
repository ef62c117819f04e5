/* report_mouths.c - mouths over the sound: some seconds of the clip, each a row:
 *
 *   mouths of the real frames
 *   mouths of the made frames           a frame's mouth stands above its own sound
 *   waveform, and how far both mouths are open
 */
#include "api/report.h"
#include "base/image.h"
#include "base/plot.h"
#include "base/log.h"
#include "media/media.h"

#include <math.h>
#include <string.h>

enum {
    WIDTH = STK_MOUTH_FRAMES * STK_MOUTH_WIDTH,
    FACES = 2 * STK_MOUTH_HEIGHT, /* height of the pictures */
    WAVE = 90,                    /* of what is below */
    BINS = WIDTH / 4,             /* of the waveform */
    RATE = STK_SAMPLE_RATE,
    BLOCK = 4096,
};
static const char REAL_COLOUR[] = "#2a9d67", MADE_COLOUR[] = "#e07b29";

typedef struct wave {
    float low[BINS], high[BINS];
    double from_s, to_s; /* from frame 0 on */
} wave;

typedef struct mouths {
    const stk_album *album;
    wave wave[STK_MOUTH_ROWS];
    int has_sound;
    float loudest;
    double widest; /* opening that is drawn at the top */
} mouths;

static void take_samples(mouths *m, const float *samples, int count, int64_t first) {
    for (int i = 0; i < count; i++) {
        const double at_s = (double)(first + i) / RATE;
        for (int r = 0; r < m->album->mouth_rows; r++) {
            wave *w = &m->wave[r];
            if (at_s < w->from_s || at_s >= w->to_s) continue;
            const int bin = (int)((at_s - w->from_s) / (w->to_s - w->from_s) * BINS);
            w->low[bin] = fminf(w->low[bin], samples[i]);
            w->high[bin] = fmaxf(w->high[bin], samples[i]);
            m->loudest = fmaxf(m->loudest, fabsf(samples[i]));
        }
    }
}

static stk_status read_sound(mouths *m, const stk_report *report) {
    stk_media_info info;
    double end_s = 0;
    if (report->sound == NULL) return STK_OK;
    STK_TRY(stk_media_probe(report->sound, &info));
    if (!info.has_audio) return STK_OK;
    for (int r = 0; r < m->album->mouth_rows; r++) end_s = fmax(end_s, m->wave[r].to_s);
    stk_sound_source *source;
    STK_TRY(stk_sound_source_open(&source, report->sound, RATE, 1, report->sound_start_s));
    stk_status status = STK_OK;
    float block[BLOCK], *planes[1] = {block};
    int got = BLOCK;
    for (int64_t at = 0; status == STK_OK && got == BLOCK && (double)at / RATE < end_s; at += got) {
        status = stk_sound_source_read(source, planes, BLOCK, &got);
        if (status == STK_OK) take_samples(m, block, got, at);
    }
    stk_sound_source_close(&source);
    m->has_sound = status == STK_OK;
    return status;
}

static void find_places(mouths *m) {
    const stk_album *a = m->album;
    m->widest = 0.02;
    for (int r = 0; r < a->mouth_rows; r++) {
        const stk_mouth_row *row = &a->mouth[r];
        if (row->count == 0) continue;
        m->wave[r].from_s = (double)a->number[row->first] / STK_FPS;
        m->wave[r].to_s = m->wave[r].from_s + STK_MOUTH_FRAMES * a->every / STK_FPS;
        for (int i = row->first; i < row->first + row->count; i++) {
            m->widest = fmax(m->widest, a->column[STK_ALBUM_MOUTH][i]);
            m->widest = fmax(m->widest, a->column[STK_ALBUM_MOUTH_REAL][i]);
        }
    }
}

static void put_wave(stk_page *page, const mouths *m, const wave *w) {
    const double middle = FACES + 0.5 * WAVE, scale = 0.45 * WAVE / fmax(1e-3, (double)m->loudest);
    if (!m->has_sound) return;
    stk_page_put(page, "<path class=\"wave\" d=\"");
    for (int b = 0; b < BINS; b++)
        stk_page_put(page, "M%d %.1fV%.1f", 4 * b + 2, middle - scale * (double)w->high[b] - 0.5,
                     middle - scale * (double)w->low[b] + 0.5);
    stk_page_put(page, "\" stroke-width=\"2.5\" fill=\"none\"/>\n");
}

static void put_opening(stk_page *page, const mouths *m, const stk_mouth_row *row, int column,
                        const char *colour) {
    const stk_panel panel = {0, FACES + 4, WIDTH, WAVE - 8, 0, WIDTH, 0, m->widest, 0, 0};
    double x[STK_MOUTH_FRAMES];
    for (int i = 0; i < row->count; i++) x[i] = (i + 0.5) * STK_MOUTH_WIDTH;
    stk_panel_line(page, &panel, x, m->album->column[column] + row->first, row->count, colour, 3);
}

static void put_row(stk_page *page, const mouths *m, int r, const char *made) {
    const stk_mouth_row *row = &m->album->mouth[r];
    const int first = m->album->number[row->first];
    const int last = m->album->number[row->first + row->count - 1];
    const stk_image shown = stk_image_view(
        &row->picture, (stk_rect){0, 0, row->count * STK_MOUTH_WIDTH, row->picture.height});
    stk_page_put(page,
                 "<figure><div class=\"wide\"><svg viewBox=\"0 0 %d %d\" "
                 "style=\"min-width:50rem\">\n<image width=\"%d\" height=\"%d\" href=\"",
                 WIDTH, FACES + WAVE, shown.width, FACES);
    stk_report_jpeg(page, &shown);
    stk_page_put(page, "\"/>\n");
    put_wave(page, m, &m->wave[r]);
    put_opening(page, m, row, STK_ALBUM_MOUTH_REAL, REAL_COLOUR);
    put_opening(page, m, row, STK_ALBUM_MOUTH, MADE_COLOUR);
    stk_page_put(page,
                 "</svg></div><figcaption>Frames %d to %d, %.2f s to %.2f s "
                 "<em></em><u style=\"background:%s\"></u>real <u style=\"background:%s\"></u>%s"
                 "</figcaption></figure>\n",
                 first, last, (double)first / STK_FPS, (double)(last + 1) / STK_FPS, REAL_COLOUR,
                 MADE_COLOUR, made);
}

stk_status stk_report_mouths(stk_page *page, const stk_report *report,
                             const stk_report_series *series) {
    mouths m = {.album = series->album};
    const char *made = series->name != NULL ? "video" : "rendered";
    int rows = 0, faces = 0;
    for (int r = 0; r < m.album->mouth_rows; r++) rows += m.album->mouth[r].count > 0;
    for (int i = 0; i < m.album->frames; i++)
        faces += isfinite(m.album->column[STK_ALBUM_MOUTH][i]);
    if (rows == 0 || faces == 0) return STK_OK;
    find_places(&m);
    if (read_sound(&m, report) != STK_OK) {
        stk_log(STK_LOG_WARN, "%s; the report is without waveforms", stk_error_text());
        m.has_sound = 0;
    }
    stk_page_heading(page, "Mouths over the sound");
    stk_page_paragraph(page,
                       series->name != NULL
                           ? "Above the real one's mouths, below the video's; then the sound, and "
                             "how far the inner lips are open."
                           : "Above the real mouths, below the rendered ones; then the sound, and "
                             "how far the inner lips are open.");
    stk_page_pictures_open(page, 800);
    for (int r = 0; r < m.album->mouth_rows; r++)
        if (m.album->mouth[r].count > 0) put_row(page, &m, r, made);
    stk_page_pictures_close(page);
    return STK_OK;
}
