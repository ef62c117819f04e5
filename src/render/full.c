/* full.c - see full.h. Where the head is comes from six landmarks that the jaw does not move. */
#include "render/full.h"

#include "base/image.h"
#include "base/memory.h"

#include <math.h>

static const int still[] = {6, 33, 133, 168, 263, 362}; /* nose bridge, corners of the eyes */

stk_status stk_full_open(stk_full *full, const stk_subject *subject, const stk_job *job, int width,
                         int height, int items) {
    *full = (stk_full){.subject = subject, .items = items};
    STK_TRY(stk_subject_open_full(subject, job, &full->frames));
    full->most = full->frames.rate_num / (STK_FPS * full->frames.rate_den) + 2;
    return stk_paste_init(&full->paste, width, height,
                          stk_subject_get_info(subject)->crop_source_px);
}

void stk_full_close(stk_full *full) {
    stk_paste_clear(&full->paste);
    stk_full_frames_close(&full->frames);
    *full = (stk_full){0};
}

stk_status stk_full_slot_init(stk_full_slot *slot, const stk_full *full) {
    int width, height;
    stk_frame_store_size(full->frames.store, &width, &height);
    slot->pictures = stk_calloc_aligned((size_t)full->most, sizeof *slot->pictures);
    slot->shift = stk_calloc_aligned((size_t)full->most, sizeof *slot->shift);
    slot->scratch = stk_calloc_aligned(stk_paste_scratch(&full->paste), sizeof(uint16_t));
    if (slot->pictures == NULL || slot->shift == NULL || slot->scratch == NULL)
        return stk_fail_memory("full frames");
    for (int n = 0; n < full->most; n++)
        STK_TRY(stk_image_init(&slot->pictures[n], width, height, 3));
    return STK_OK;
}

void stk_full_slot_clear(stk_full_slot *slot, const stk_full *full) {
    for (int n = 0; slot->pictures != NULL && n < full->most; n++)
        stk_image_clear(&slot->pictures[n]);
    stk_free(slot->pictures);
    stk_free(slot->shift);
    stk_free(slot->scratch);
    *slot = (stk_full_slot){0};
}

/* Item i owns the moments from i - 1/2 to i + 1/2; the last one ends with the sound. */
int stk_full_first(const stk_full *full, int item) {
    const int64_t num = full->frames.rate_num, den = (int64_t)full->frames.rate_den * 2 * STK_FPS;
    const int64_t halves = item < full->items ? 2 * (int64_t)item - 1 : 2 * (int64_t)item;
    if (item <= 0) return 0;
    if (item >= full->items) { /* rounded, and never without a frame */
        const int64_t all = (halves * num + den / 2) / den;
        return all > 0 ? (int)all : 1;
    }
    return (int)((halves * num + den - 1) / den);
}

/* Middle of the head in the clip's picture, px. */
static void middle_of(const stk_full *full, int k, double middle[2]) {
    const stk_subject_info *info = stk_subject_get_info(full->subject);
    const stk_rect *crop = &full->paste.crop;
    const double scale[2] = {(double)(crop->x1 - crop->x0) / info->width,
                             (double)(crop->y1 - crop->y0) / info->height};
    const float(*landmarks)[3] = stk_subject_landmarks(full->subject, k);
    for (int c = 0; c < 2; c++) {
        middle[c] = 0;
        for (size_t i = 0; i < STK_ARRAY_SIZE(still); i++)
            middle[c] += scale[c] * (double)landmarks[still[i]][c] / STK_ARRAY_SIZE(still);
    }
}

/* How the head goes from picture k to clip frame j; 0 when a cut lies between. */
static int way_to(const stk_full *full, int j, int k, int shift[2]) {
    const int32_t *shown = full->frames.shown;
    const int frames = stk_subject_get_info(full->subject)->frames;
    double from[2], a[2], b[2];
    int ka = k, kb;
    while (ka > 0 && shown[ka] > j) ka--;
    while (ka + 1 < frames && shown[ka + 1] <= j) ka++;
    kb = ka + 1 < frames ? ka + 1 : ka;
    if (shown[ka] == j) kb = ka;
    if (!stk_subject_same_take(full->subject, k, ka) ||
        !stk_subject_same_take(full->subject, k, kb))
        return 0;
    middle_of(full, k, from), middle_of(full, ka, a), middle_of(full, kb, b);
    const double share =
        kb > ka && shown[kb] > shown[ka] ? (double)(j - shown[ka]) / (shown[kb] - shown[ka]) : 0;
    for (int c = 0; c < 2; c++)
        shift[c] = (int)lrint(a[c] + stk_clampf((float)share, 0, 1) * (b[c] - a[c]) - from[c]);
    return 1;
}

int stk_full_frame_of(const stk_full *full, int m, int item, int k, int shift[2]) {
    const stk_full_frames *f = &full->frames;
    const int n = stk_subject_get_info(full->subject)->frames, turn = item / n;
    double place = (double)m * STK_FPS * f->rate_den / f->rate_num - (double)turn * n;
    shift[0] = shift[1] = 0;
    if (turn % 2 != 0) place = n - 1 - place;
    int j = (int)lrint(place * f->fps / STK_FPS);
    j = stk_clampi(j, 0, f->shown[n - 1]);
    if (j != f->shown[k] && !way_to(full, j, k, shift)) return f->shown[k];
    return j;
}

stk_status stk_full_read(const stk_full *full, int item, int k, stk_full_slot *slot) {
    const int first = stk_full_first(full, item);
    slot->count = stk_full_first(full, item + 1) - first;
    for (int n = 0; n < slot->count; n++) {
        const int j = stk_full_frame_of(full, first + n, item, k, slot->shift[n]);
        STK_TRY(stk_frame_store_read(full->frames.store, j, &slot->pictures[n]));
    }
    return STK_OK;
}

void stk_full_paste(const stk_full *full, const stk_image *square, const stk_image *mask,
                    stk_full_slot *slot) {
    for (int n = 0; n < slot->count; n++) {
        stk_paste paste = full->paste; /* its columns are those of any place */
        paste.crop.x0 += slot->shift[n][0], paste.crop.x1 += slot->shift[n][0];
        paste.crop.y0 += slot->shift[n][1], paste.crop.y1 += slot->shift[n][1];
        stk_paste_frame(&paste, square, mask, slot->scratch, &slot->pictures[n]);
    }
}
