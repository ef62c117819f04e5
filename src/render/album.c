/* album.c - see album.h. */
#include "render/album.h"

#include "base/image.h"
#include "base/memory.h"
#include "kernels/image.h"
#include "metrics/error_map.h"
#include "metrics/picture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { APART = 12 /* frames between two shots of a strip */, MOVING = 70 /* grey */ };
static const float MOUTH_MARGIN = 0.35f,
                   FACE_MARGIN = 1.1f; /* of the mouth's width, to each side */

static const char *const keys[STK_ALBUM_COLUMNS - STK_QUALITY_COLUMNS] = {
    "seam_ratio",          "seam_mismatch",    "neck_delta_e",
    "neck_change",         "neck_change_real", "static_flicker",
    "static_flicker_real", "mouth_opening",    "mouth_opening_real"};

const char *stk_album_key(int column) {
    return column < STK_QUALITY_COLUMNS ? stk_quality_names[column].key
                                        : keys[column - STK_QUALITY_COLUMNS];
}

stk_status stk_album_init(stk_album *album, const stk_frame_choice *choice) {
    const int frames = stk_frame_choice_items(choice);
    const size_t n = frames > 0 ? (size_t)frames : 1;
    stk_album made = {.capacity = frames,
                      .every = stk_frame_choice_spacing(choice),
                      .spread_count = album->spread_count};
    memcpy(made.spread, album->spread, sizeof made.spread);
    for (int k = 0; album->spread_count == 0 && k < STK_SHOTS && k < frames; k++)
        made.spread[made.spread_count++] =
            stk_frame_choice_frame(choice, (int)((int64_t)frames * (2 * k + 1) / (2 * STK_SHOTS)));
    *album = made;
    album->number = stk_calloc_aligned(n, sizeof *album->number);
    album->column[0] = stk_calloc_aligned(n * STK_ALBUM_COLUMNS, sizeof(double));
    if (album->number == NULL || album->column[0] == NULL) return stk_fail_memory("report");
    for (int k = 1; k < STK_ALBUM_COLUMNS; k++) album->column[k] = album->column[0] + n * (size_t)k;
    const int seconds = (frames + STK_MOUTH_FRAMES - 1) / STK_MOUTH_FRAMES;
    album->mouth_rows = seconds < STK_MOUTH_ROWS ? seconds : STK_MOUTH_ROWS;
    for (int r = 0; r < album->mouth_rows; r++) {
        stk_mouth_row *row = &album->mouth[r];
        row->first = (int)((int64_t)r * seconds / album->mouth_rows) * STK_MOUTH_FRAMES;
        STK_TRY(stk_image_init(&row->picture, STK_MOUTH_FRAMES * STK_MOUTH_WIDTH,
                               2 * STK_MOUTH_HEIGHT, 3));
    }
    return STK_OK;
}

void stk_album_clear(stk_album *album) {
    for (int s = 0; s < STK_STRIPS; s++)
        for (int i = 0; i < STK_SHOTS; i++) stk_image_clear(&album->shot[s][i].picture);
    for (int r = 0; r < STK_MOUTH_ROWS; r++) stk_image_clear(&album->mouth[r].picture);
    stk_image_clear(&album->map);
    stk_free(album->column[0]);
    stk_free(album->number);
    *album = (stk_album){0};
}

/* --- places ----------------------------------------------------------------------------------- */

static double opening_of(const stk_landmarks *face) {
    const float(*p)[3] = face->xyz;
    const float height = hypotf(p[152][0] - p[10][0], p[152][1] - p[10][1]);
    return (double)(hypotf(p[14][0] - p[13][0], p[14][1] - p[13][1]) / fmaxf(height, 1));
}

/* The mouth with margins, of the proportions width : height, inside the picture; empty where the
 * face is outside. */
static stk_rect mouth_of(const stk_landmarks *face, float margin, float proportion,
                         const stk_image *picture) {
    float low[2] = {INFINITY, INFINITY}, high[2] = {-INFINITY, -INFINITY};
    for (int i = 0; i < 20; i++)
        for (int c = 0; c < 2; c++) {
            low[c] = fminf(low[c], face->xyz[stk_mouth_landmarks[i]][c]);
            high[c] = fmaxf(high[c], face->xyz[stk_mouth_landmarks[i]][c]);
        }
    const float w = (high[0] - low[0]) * (1 + 2 * margin), h = w / proportion;
    const float x = 0.5f * (low[0] + high[0]), y = 0.5f * (low[1] + high[1]);
    const float edges[4] = {x - 0.5f * w, y - 0.5f * h, x + 0.5f * w, y + 0.5f * h};
    const float most[4] = {(float)picture->width, (float)picture->height, (float)picture->width,
                           (float)picture->height};
    int at[4];
    for (int k = 0; k < 4; k++) at[k] = (int)lroundf(stk_clampf(edges[k], 0, most[k]));
    const stk_rect rect = {at[0], at[1], at[2], at[3]};
    return rect.x1 - rect.x0 < 4 || rect.y1 - rect.y0 < 4 ? (stk_rect){0} : rect;
}

/* --- shots ------------------------------------------------------------------------------------ */

/* Where in the strip a frame with this badness goes: -1 nowhere. Its neighbour there makes room
 * for it. */
static int place_shot(stk_album *album, stk_strip_kind kind, int frame, double badness,
                      double sign) {
    stk_shot *list = album->shot[kind];
    int *count = &album->shots[kind], out = *count;
    for (int i = 0; i < *count; i++)
        if (frame - list[i].frame < APART) {
            if (badness <= sign * list[i].value) return -1;
            out = i;
        }
    if (out == STK_SHOTS) out = STK_SHOTS - 1;
    if (out == *count)
        (*count)++;
    else if (badness <= sign * list[out].value)
        return -1;
    stk_shot held = list[out];
    int i = out;
    for (; i > 0 && sign * list[i - 1].value < badness; i--) list[i] = list[i - 1];
    list[i] = held;
    return i;
}

static stk_rect whole_of(const stk_image *picture) {
    return (stk_rect){0, 0, picture->width, picture->height};
}

static void paste_part(stk_image *strip, int place, int side, const stk_image *source,
                       stk_rect part) {
    const int x = place * (side + STK_SHOT_GAP);
    stk_image target = stk_image_view(strip, (stk_rect){x, 0, x + side, strip->height});
    const stk_image view = stk_image_view(source, part);
    stk_image_resize(&target, &view);
}

/* Of the portrait's change: grey where the real picture moves. */
static void map_flicker(stk_image *map, const stk_album_frame *f, const stk_image *portrait) {
    stk_error_map(map, f->before, portrait, STK_FLICKER_GAIN);
    for (int y = 0; y < map->height; y++) {
        const uint8_t *a = stk_image_row(f->real_before, y), *b = stk_image_row(f->real, y);
        uint8_t *out = stk_image_row(map, y);
        for (int i = 0; i < 3 * map->width; i++)
            if (abs(a[i] - b[i]) > STK_STILL_LEVELS) memset(out + i - i % 3, MOVING, 3);
    }
}

/* real | made | portrait | error, of the part of the picture. */
static stk_status take_shot(stk_album *album, stk_shot *shot, const stk_album_frame *f,
                            stk_rect part, stk_strip_kind kind) {
    const int w = part.x1 - part.x0, h = part.y1 - part.y0;
    const int side = STK_SHOT_SIDE, pictures = f->portrait != NULL ? 4 : 3;
    const int high = (int)((int64_t)side * h / w) > 0 ? (int)((int64_t)side * h / w) : 1;
    const int wide = pictures * (side + STK_SHOT_GAP) - STK_SHOT_GAP;
    if (shot->picture.width != wide || shot->picture.height != high) {
        stk_image_clear(&shot->picture);
        STK_TRY(stk_image_init(&shot->picture, wide, high, 3));
    }
    if (album->map.data == NULL)
        STK_TRY(stk_image_init(&album->map, f->real->width, f->real->height, 3));
    for (int y = 0; y < high; y++) memset(stk_image_row(&shot->picture, y), 128, 3 * (size_t)wide);
    const int of_portrait = kind == STK_STRIP_SEAM || kind == STK_STRIP_NECK;
    const stk_image *portrait = f->portrait != NULL ? f->portrait : f->made;
    if (kind == STK_STRIP_FLICKER)
        map_flicker(&album->map, f, portrait);
    else
        stk_error_map(&album->map, f->real, of_portrait ? portrait : f->made, 1);
    int place = 0;
    paste_part(&shot->picture, place++, side, f->real, part);
    paste_part(&shot->picture, place++, side, f->made, part);
    if (f->portrait != NULL) paste_part(&shot->picture, place++, side, f->portrait, part);
    paste_part(&shot->picture, place++, side, &album->map, part);
    shot->pictures = pictures;
    return STK_OK;
}

static stk_status consider(stk_album *album, const stk_album_frame *f, stk_strip_kind kind,
                           stk_rect part) {
    static const struct {
        int column;
        double sign;
    } of[STK_STRIP_SPREAD] = {[STK_STRIP_PSNR] = {STK_QUALITY_PSNR, -1},
                              [STK_STRIP_LMD] = {STK_QUALITY_LMD, 1},
                              [STK_STRIP_SEAM] = {STK_ALBUM_SEAM_RATIO, 1},
                              [STK_STRIP_NECK] = {STK_ALBUM_NECK_DELTA_E, 1},
                              [STK_STRIP_FLICKER] = {STK_ALBUM_STATIC_FLICKER, 1}};
    double value = album->column[of[kind].column][album->frames];
    if (kind == STK_STRIP_FLICKER) /* what the clip does by itself is no fault */
        value -= album->column[STK_ALBUM_STATIC_FLICKER_REAL][album->frames];
    if (!isfinite(value) || part.x1 <= part.x0 || part.y1 <= part.y0) return STK_OK;
    const int i = place_shot(album, kind, f->number, of[kind].sign * value, of[kind].sign);
    if (i < 0) return STK_OK;
    stk_shot *shot = &album->shot[kind][i];
    shot->frame = f->number;
    shot->value = value;
    return take_shot(album, shot, f, part, kind);
}

static stk_status keep_spread(stk_album *album, const stk_album_frame *f) {
    int *count = &album->shots[STK_STRIP_SPREAD], wanted = 0;
    for (int k = 0; k < album->spread_count; k++) wanted |= album->spread[k] == f->number;
    if (!wanted || *count == STK_SHOTS) return STK_OK;
    stk_shot *shot = &album->shot[STK_STRIP_SPREAD][(*count)++];
    shot->frame = f->number;
    return take_shot(album, shot, f, whole_of(f->real), STK_STRIP_SPREAD);
}

/* --- mouths ----------------------------------------------------------------------------------- */

/* In a row's picture the newest frame's place; a grey one where there is no face. */
static void take_mouth(stk_album *album, const stk_album_frame *f, stk_rect mouth) {
    for (int r = 0; r < album->mouth_rows; r++) {
        stk_mouth_row *row = &album->mouth[r];
        const int i = album->frames - row->first;
        if (i < 0 || i >= STK_MOUTH_FRAMES) continue;
        const stk_image *source[2] = {f->real, f->made};
        row->count = i + 1;
        for (int k = 0; k < 2; k++) {
            const int x = i * STK_MOUTH_WIDTH, y = k * STK_MOUTH_HEIGHT;
            stk_image target = stk_image_view(
                &row->picture, (stk_rect){x, y, x + STK_MOUTH_WIDTH, y + STK_MOUTH_HEIGHT});
            for (int v = 0; v < target.height; v++)
                memset(stk_image_row(&target, v), 128, 3 * (size_t)target.width);
            if (mouth.x1 <= mouth.x0) continue;
            const stk_image view = stk_image_view(source[k], mouth);
            stk_image_resize(&target, &view);
        }
    }
}

/* --- a frame ---------------------------------------------------------------------------------- */

static void fill_row(stk_album *album, const stk_album_frame *f) {
    double row[STK_ALBUM_COLUMNS];
    for (int k = 0; k < STK_ALBUM_COLUMNS; k++) row[k] = (double)NAN;
    stk_quality_newest(f->quality, row);
    const stk_portrait_figures *p = f->portrait_figures;
    if (p != NULL) {
        const double values[] = {p->seam_ratio,         p->seam_mismatch,    p->neck_delta_e,
                                 p->neck_change,        p->neck_change_real, p->static_flicker,
                                 p->static_flicker_real};
        memcpy(row + STK_ALBUM_SEAM_RATIO, values, sizeof values);
    }
    const stk_landmarks *real, *made;
    if (stk_quality_faces(f->quality, &real, &made)) {
        row[STK_ALBUM_MOUTH] = opening_of(made);
        row[STK_ALBUM_MOUTH_REAL] = opening_of(real);
    }
    for (int k = 0; k < STK_ALBUM_COLUMNS; k++) album->column[k][album->frames] = row[k];
    album->number[album->frames] = f->number;
}

stk_status stk_album_add(stk_album *album, const stk_album_frame *f) {
    if (album->frames == album->capacity)
        return stk_fail(STK_ERR_ARGUMENT, "more frames than announced");
    const stk_landmarks *real, *made;
    stk_rect mouth = {0}, face = {0};
    if (stk_quality_faces(f->quality, &real, &made)) {
        mouth = mouth_of(real, MOUTH_MARGIN, (float)STK_MOUTH_WIDTH / STK_MOUTH_HEIGHT, f->real);
        face = mouth_of(real, FACE_MARGIN, 1, f->real);
    }
    fill_row(album, f);
    STK_TRY(consider(album, f, STK_STRIP_PSNR, whole_of(f->real)));
    STK_TRY(consider(album, f, STK_STRIP_LMD, face));
    STK_TRY(consider(album, f, STK_STRIP_SEAM, whole_of(f->real)));
    STK_TRY(consider(album, f, STK_STRIP_NECK, whole_of(f->real)));
    if (f->before != NULL) STK_TRY(consider(album, f, STK_STRIP_FLICKER, whole_of(f->real)));
    STK_TRY(keep_spread(album, f));
    take_mouth(album, f, mouth);
    album->frames++;
    return STK_OK;
}
