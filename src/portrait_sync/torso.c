/* torso.c - the training target and what stands behind the head (reference.md 6.5).
 *
 *   frame + labels + plate -> target: the frame, its background replaced by the plate
 *   target - head          -> composite: torso and neck over the plate, then under the head
 *     enclosed fill: head pixels between body pixels of the same row (hair on the chest, the chin)
 *     torso fill:    9 rows above the topmost cloth of a column, each 0.98 darker
 *     neck fill:     53 rows (at 512) above the neck, fading to the neck's mean colour
 *     Gaussian 5x5, sigma 4, over the filled pixels
 *
 * DIFFERS from the published code, which switches hard between classes and fills single columns:
 * - pixels within 2 px of the person keep the frame's colour and fade to the plate at 4 px: no halo
 *   of a mask that is half a pixel off;
 * - the fills stay inside the head class and the picture (Q18) and are skipped without a neck
 * (Q33);
 * - beside the chin, where the neck reaches the ears, the fill ends level with that below the chin
 * (9 rows at least): 53 rows everywhere would draw horns up to the temples;
 * - rows scale with the picture's height, so that 256 px subjects keep the proportions;
 * - colours start 4 rows below the border (torso as well), pass over into the rows between, and are
 *   averaged over 9 columns: no seam, no streaks;
 * - the enclosed fill is new: long hair would otherwise show the plate inside the body.
 * Pure function, no allocation.
 */
#include "layers.h"
#include "portrait_sync/parsing.h"

#include <math.h>
#include <string.h>

enum {
    REFERENCE_HEIGHT = 512, /* the row counts of 6.5 are meant for this */
    NECK_ROWS = 53,
    TORSO_ROWS = 9,
    BORDER_ROWS = 4,      /* skipped below a border: they hold hair and the chin's edge */
    COLUMN_REACH = 4,     /* start colours are averaged over 2*4+1 columns */
    ENCLOSING_SHARE = 50, /* a body run of 1/50 of the width encloses; less is a mask's fringe */
    KEEP_CHAMFER = 2 * STK_CHAMFER_UNIT,
    FADE_CHAMFER = 4 * STK_CHAMFER_UNIT,
};
static const float TORSO_DARKENING = 0.98f;

typedef struct column {
    float start[3];
    int top; /* row of the first body pixel under the head, -1: none */
} column;

typedef struct workspace {
    uint8_t *near_person, *near_body; /* [h*w] chamfer */
    uint8_t *filled;                  /* [h*w] 1: colour was invented */
    uint8_t *blurred;                 /* [h*w*3] rows blurred along x */
    column *columns;                  /* [w] */
} workspace;

static size_t aligned(size_t bytes) {
    return (bytes + 63) & ~(size_t)63;
}

size_t stk_torso_scratch_bytes(int width, int height) {
    size_t pixels = (size_t)width * (size_t)height;
    return 3 * aligned(pixels) + aligned(3 * pixels) + aligned((size_t)width * sizeof(column));
}

static workspace workspace_at(void *scratch, int width, int height) {
    size_t pixels = (size_t)width * (size_t)height;
    uint8_t *at = scratch;
    workspace s;
    s.near_person = at, at += aligned(pixels);
    s.near_body = at, at += aligned(pixels);
    s.filled = at, at += aligned(pixels);
    s.blurred = at, at += aligned(3 * pixels);
    s.columns = (column *)at;
    return s;
}

static int is_body(uint8_t label) {
    return label == STK_LABEL_NECK || label == STK_LABEL_TORSO;
}

/* Share of the frame's own colour, of 256, at a chamfer distance. */
static int own_share(uint8_t distance) {
    if (distance <= KEEP_CHAMFER) return 256;
    if (distance >= FADE_CHAMFER) return 0;
    return 256 * (FADE_CHAMFER - distance) / (FADE_CHAMFER - KEEP_CHAMFER);
}

static void mix(uint8_t *out, const uint8_t *own, const uint8_t *plate, int share) {
    if (share == 256) {
        out[0] = own[0], out[1] = own[1], out[2] = own[2];
    } else if (share == 0) {
        out[0] = plate[0], out[1] = plate[1], out[2] = plate[2];
    } else {
        for (int c = 0; c < 3; c++)
            out[c] = (uint8_t)((own[c] * share + plate[c] * (256 - share) + 128) >> 8);
    }
}

static void replace_background(const stk_image *rgb, const stk_image *labels,
                               const stk_image *plate, stk_image *composite, stk_image *target,
                               const workspace *s) {
    int w = rgb->width;
    for (int y = 0; y < rgb->height; y++) {
        const uint8_t *own = stk_image_row(rgb, y), *back = stk_image_row(plate, y);
        const uint8_t *label = stk_image_row(labels, y);
        const uint8_t *person = s->near_person + (size_t)y * (size_t)w;
        const uint8_t *body = s->near_body + (size_t)y * (size_t)w;
        uint8_t *c = stk_image_row(composite, y), *t = stk_image_row(target, y);
        for (int x = 0; x < w; x++, own += 3, back += 3, c += 3, t += 3) {
            mix(t, own, back, own_share(person[x]));
            mix(c, own, back, label[x] == STK_LABEL_HEAD ? 0 : own_share(body[x]));
        }
    }
}

/* --- enclosed fill ---------------------------------------------------------------------------- */

/* Column of the body run bounded by x (going by step) that lies BORDER_ROWS inside it, or less. */
static int inside(const uint8_t *label, int x, int step, int w) {
    int at = x;
    for (int i = 0; i < BORDER_ROWS; i++) {
        int next = at + step;
        if (next < 0 || next >= w || !is_body(label[next])) break;
        at = next;
    }
    return at;
}

/* Paints head columns [x0, x1) of row y from the body colours left and right of them, as far as
 * they stand on body or on painted pixels (or on the picture's end): a fringe of the mask higher up
 * would draw lines in the air. */
static void fill_run(stk_image *composite, const stk_image *labels, int y, int x0, int x1,
                     uint8_t *filled) {
    uint8_t *row = stk_image_row(composite, y);
    const uint8_t *label = stk_image_row(labels, y);
    const uint8_t *below = y + 1 < labels->height ? stk_image_row(labels, y + 1) : NULL;
    int w = composite->width, n = x1 - x0 + 1;
    const uint8_t *a = row + 3 * (ptrdiff_t)inside(label, x0 - 1, -1, w);
    const uint8_t *b = row + 3 * (ptrdiff_t)inside(label, x1, 1, w);
    for (int x = x0; x < x1; x++) {
        if (below != NULL && !is_body(below[x]) && !filled[x + w]) continue;
        int k = x - x0 + 1;
        for (int c = 0; c < 3; c++)
            row[3 * x + c] = (uint8_t)((a[c] * (n - k) + b[c] * k + n / 2) / n);
        filled[x] = 1;
    }
}

/* Body pixels from x on, going by step, counted up to `least`. */
static int body_run(const uint8_t *label, int x, int step, int w, int least) {
    int n = 0;
    while (n < least && x >= 0 && x < w && is_body(label[x])) n++, x += step;
    return n;
}

static void fill_enclosed(stk_image *composite, const stk_image *labels, const workspace *s) {
    int w = labels->width, least = 1 + w / ENCLOSING_SHARE;
    for (int y = labels->height - 1; y >= 0; y--) {
        const uint8_t *label = stk_image_row(labels, y);
        uint8_t *filled = s->filled + (size_t)y * (size_t)w;
        for (int x = 0; x < w; x++) {
            if (label[x] != STK_LABEL_HEAD) continue;
            int x0 = x;
            while (x < w && label[x] == STK_LABEL_HEAD) x++;
            if (body_run(label, x0 - 1, -1, w, least) < least) continue;
            if (body_run(label, x, 1, w, least) < least) continue;
            fill_run(composite, labels, y, x0, x, filled);
        }
    }
}

/* --- fills upward ----------------------------------------------------------------------------- */

/* For every column the topmost pixel of `wanted` whose upper neighbour is head, and the colour
 * BORDER_ROWS below it. first_only: only if it is the topmost of the class in its column. */
static void find_columns(const stk_image *target, const stk_image *labels, uint8_t wanted,
                         int first_only, column *columns) {
    int w = labels->width, h = labels->height;
    for (int x = 0; x < w; x++) columns[x].top = -1;
    for (int y = 0; y < h; y++) {
        const uint8_t *label = stk_image_row(labels, y);
        const uint8_t *above = y > 0 ? stk_image_row(labels, y - 1) : label;
        for (int x = 0; x < w; x++) {
            if (label[x] != wanted || columns[x].top != -1) continue;
            if (above[x] == STK_LABEL_HEAD)
                columns[x].top = y;
            else if (first_only)
                columns[x].top = -2;
        }
    }
    for (int x = 0; x < w; x++) {
        if (columns[x].top < 0) continue;
        int y = columns[x].top;
        for (int i = 0; i < BORDER_ROWS && y + 1 < h; i++, y++)
            if (stk_image_row(labels, y + 1)[x] != wanted) break;
        const uint8_t *colour = stk_image_row(target, y) + 3 * (ptrdiff_t)x;
        for (int c = 0; c < 3; c++) columns[x].start[c] = (float)colour[c];
    }
}

/* The start colour of column x averaged over its neighbours of the same border. */
static void start_colour(float rgb[3], const column *columns, int x, int w) {
    int count = 0;
    rgb[0] = rgb[1] = rgb[2] = 0;
    for (int i = x - COLUMN_REACH; i <= x + COLUMN_REACH; i++) {
        if (i < 0 || i >= w || columns[i].top < 0) continue;
        if (columns[i].top > columns[x].top + COLUMN_REACH ||
            columns[i].top < columns[x].top - COLUMN_REACH)
            continue;
        for (int c = 0; c < 3; c++) rgb[c] += columns[i].start[c];
        count++;
    }
    for (int c = 0; c < 3; c++) rgb[c] /= (float)count; /* x itself always counts */
}

typedef struct upward {
    int rows, rows_min;
    int highest;     /* rows above this one are filled only up to rows_min of them a column */
    float darkening; /* factor a row */
    float mean[3];   /* faded to over the rows; fade 0: not at all */
    float fade;
} upward;

/* The rows below the border hold the chin's or the hair's fringe: they pass over into the start
 * colour. */
static void blend_border(stk_image *composite, const stk_image *labels, int x, int top,
                         const float start[3]) {
    uint8_t own = stk_image_row(labels, top)[x];
    for (int i = 0; i < BORDER_ROWS && top + i < labels->height; i++) {
        if (stk_image_row(labels, top + i)[x] != own) return;
        uint8_t *out = stk_image_row(composite, top + i) + 3 * (ptrdiff_t)x;
        float share = (float)(i + 1) / (BORDER_ROWS + 1);
        for (int c = 0; c < 3; c++)
            out[c] = (uint8_t)(share * (float)out[c] + (1 - share) * start[c] + 0.5f);
    }
}

static void fill_upward(stk_image *composite, const stk_image *labels, const upward *fill,
                        const workspace *s) {
    int w = labels->width;
    for (int x = 0; x < w; x++) {
        int top = s->columns[x].top;
        if (top < 0) continue;
        float start[3], dark = 1;
        start_colour(start, s->columns, x, w);
        blend_border(composite, labels, x, top, start);
        for (int k = 0; k < fill->rows && top - 1 - k >= 0; k++) {
            int y = top - 1 - k;
            if (stk_image_row(labels, y)[x] != STK_LABEL_HEAD) break;
            if (y < fill->highest && k >= fill->rows_min) break;
            uint8_t *out = stk_image_row(composite, y) + 3 * (ptrdiff_t)x;
            float far = fill->rows > 1 ? fill->fade * (float)k / (float)(fill->rows - 1) : 0;
            dark *= fill->darkening;
            for (int c = 0; c < 3; c++)
                out[c] = (uint8_t)(dark * ((1 - far) * start[c] + far * fill->mean[c]) + 0.5f);
            s->filled[(size_t)y * (size_t)w + (size_t)x] = 1;
        }
    }
}

/* Mean colour of the neck's first `rows` rows below the head; 0 when there is no such neck. Farther
 * down collars may have been taken for skin. */
static int neck_mean(float mean[3], const stk_image *target, const stk_image *labels,
                     const column *columns, int rows) {
    uint64_t sum[3] = {0, 0, 0}, count = 0;
    for (int y = 0; y < labels->height; y++) {
        const uint8_t *label = stk_image_row(labels, y), *t = stk_image_row(target, y);
        for (int x = 0; x < labels->width; x++) {
            int below = y - columns[x].top;
            if (label[x] != STK_LABEL_NECK || columns[x].top < 0 || below < 0 || below >= rows)
                continue;
            for (int c = 0; c < 3; c++) sum[c] += t[3 * x + c];
            count++;
        }
    }
    if (count == 0) return 0;
    for (int c = 0; c < 3; c++) mean[c] = (float)((double)sum[c] / (double)count);
    return 1;
}

/* Median row of the borders (hair ends on the chest and ears are in the minority), by bisection. */
static int median_top(const column *columns, int w, int h) {
    int low = 0, high = h, total = 0;
    for (int x = 0; x < w; x++) total += columns[x].top >= 0;
    while (low < high) {
        int middle = (low + high) / 2, count = 0;
        for (int x = 0; x < w; x++) count += columns[x].top >= 0 && columns[x].top <= middle;
        if (2 * count >= total)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static int scaled_rows(int rows, int height) {
    int scaled = (rows * height + REFERENCE_HEIGHT / 2) / REFERENCE_HEIGHT;
    return scaled > 1 ? scaled : 1;
}

/* --- blur of the filled pixels ---------------------------------------------------------------- */

static void gaussian5(float taps[5]) {
    float sum = 0;
    for (int i = 0; i < 5; i++) sum += taps[i] = expf(-0.5f * (float)((i - 2) * (i - 2)) / 16.0f);
    for (int i = 0; i < 5; i++) taps[i] /= sum;
}

/* Columns [x0, x1) that hold filled pixels; x0 >= x1 when there are none. */
static void filled_columns(const uint8_t *filled, int w, int h, int *x0, int *x1) {
    *x0 = w, *x1 = 0;
    for (int y = 0; y < h; y++) {
        const uint8_t *row = filled + (size_t)y * (size_t)w;
        const uint8_t *first = memchr(row, 1, (size_t)w), *last = memrchr(row, 1, (size_t)w);
        if (first == NULL) continue;
        if (first - row < *x0) *x0 = (int)(first - row);
        if (last - row >= *x1) *x1 = (int)(last - row) + 1;
    }
}

static void blur_row(uint8_t *out, const uint8_t *row, int w, int x0, int x1, const float taps[5]) {
    for (int x = x0; x < x1; x++) {
        const uint8_t *p[5];
        for (int i = 0; i < 5; i++) p[i] = row + 3 * (ptrdiff_t)stk_clampi(x + i - 2, 0, w - 1);
        for (int c = 0; c < 3; c++)
            out[3 * x + c] =
                (uint8_t)(taps[0] * (float)(p[0][c] + p[4][c]) +
                          taps[1] * (float)(p[1][c] + p[3][c]) + taps[2] * (float)p[2][c] + 0.5f);
    }
}

/* Gaussian 5x5 on the filled pixels only; it reads their neighbours, filled or not. */
static void blur_filled(stk_image *composite, const workspace *s) {
    int w = composite->width, h = composite->height, x0, x1;
    size_t line = 3 * (size_t)w;
    float t[5];
    gaussian5(t);
    filled_columns(s->filled, w, h, &x0, &x1);
    if (x0 >= x1) return;
    for (int y = 0; y < h; y++)
        blur_row(s->blurred + (size_t)y * line, stk_image_row(composite, y), w, x0, x1, t);
    for (int y = 0; y < h; y++) {
        const uint8_t *filled = s->filled + (size_t)y * (size_t)w;
        if (memchr(filled, 1, (size_t)w) == NULL) continue;
        uint8_t *out = stk_image_row(composite, y);
        const uint8_t *r[5];
        for (int i = 0; i < 5; i++)
            r[i] = s->blurred + (size_t)stk_clampi(y + i - 2, 0, h - 1) * line;
        for (int x = 3 * x0; x < 3 * x1; x++)
            if (filled[x / 3])
                out[x] =
                    (uint8_t)(t[0] * (float)(r[0][x] + r[4][x]) +
                              t[1] * (float)(r[1][x] + r[3][x]) + t[2] * (float)r[2][x] + 0.5f);
    }
}

void stk_torso_compose(const stk_image *rgb, const stk_image *labels, const stk_image *plate,
                       stk_image *composite, stk_image *target, void *scratch) {
    int w = rgb->width, h = rgb->height;
    workspace s = workspace_at(scratch, w, h);
    stk_distance_chamfer(s.near_person, labels, STK_LABELS_PERSON, FADE_CHAMFER);
    stk_distance_chamfer(s.near_body, labels, STK_LABELS_BODY, FADE_CHAMFER);
    memset(s.filled, 0, (size_t)w * (size_t)h);
    replace_background(rgb, labels, plate, composite, target, &s);
    fill_enclosed(composite, labels, &s);

    int few = scaled_rows(TORSO_ROWS, h), many = scaled_rows(NECK_ROWS, h);
    upward torso = {few, few, 0, TORSO_DARKENING, {0, 0, 0}, 0};
    find_columns(target, labels, STK_LABEL_TORSO, 1, s.columns);
    fill_upward(composite, labels, &torso, &s);

    upward neck = {many, few, 0, 1, {0, 0, 0}, 1};
    find_columns(target, labels, STK_LABEL_NECK, 0, s.columns);
    if (neck_mean(neck.mean, target, labels, s.columns, many)) {
        neck.highest = median_top(s.columns, w, h) - many;
        fill_upward(composite, labels, &neck, &s);
    }
    blur_filled(composite, &s);
}
