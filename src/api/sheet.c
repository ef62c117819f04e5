/* sheet.c - `sheet`: pictures and moments of videos side by side in one PNG.
 *
 *   "a.png", "clip.mp4@3.2" ... --decode--> RGB --resize to one height--> rows of `columns` --> PNG
 *
 * Decoding stops at the frame asked for; one picture is in memory beside the sheet.
 */
#include "api/context.h"
#include "base/file.h"
#include "base/image.h"
#include "kernels/image.h"
#include "media/media.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { ITEMS_MAX = 256, GAP = 4, SHEET_SIDE_MAX = 32768 };

typedef struct item {
    char path[STK_PATH_MAX];
    double time_s; /* < 0: a still picture, or a video's first frame */
} item;

/* "clip.mp4@3.2" -> path and time; a file that is called so as a whole is taken as it is. */
static stk_status read_item(const char *text, size_t length, item *made) {
    if (length == 0 || length >= sizeof made->path)
        return stk_fail(STK_ERR_ARGUMENT, "PICTURE: the path is empty or too long");
    memcpy(made->path, text, length);
    made->path[length] = '\0';
    made->time_s = -1;
    char *at = strrchr(made->path, '@');
    if (at == NULL || stk_file_exists(made->path)) return STK_OK;
    char *end;
    double time_s = strtod(at + 1, &end);
    if (end == at + 1 || *end != '\0' || !(time_s >= 0) || !isfinite(time_s)) return STK_OK;
    *at = '\0';
    made->time_s = time_s;
    return STK_OK;
}

/* The frame shown at time_s after the first frame; owned by the caller. */
static stk_status read_moment(const item *wanted, stk_image *picture) {
    stk_video_reader *reader;
    STK_TRY(stk_video_reader_open(&reader, wanted->path, NULL));
    const stk_image *frame;
    double time_s, first_s = 0, last_s = 0;
    int end = 0, count = 0;
    stk_status status = STK_OK;
    while (status == STK_OK) {
        status = stk_video_reader_next(reader, &frame, &time_s, &end);
        if (status != STK_OK || end) break;
        if (count++ == 0) {
            first_s = time_s;
            status = stk_image_init(picture, frame->width, frame->height, frame->channels);
            if (status != STK_OK) break;
        } else if (time_s - first_s > wanted->time_s + 1e-3) {
            break; /* the one before was shown at that time */
        }
        stk_image_copy(picture, frame);
        last_s = time_s - first_s;
    }
    stk_video_reader_close(&reader);
    if (status == STK_OK && count == 0)
        status = stk_fail(STK_ERR_FORMAT, "%s: no frame can be decoded", wanted->path);
    if (status == STK_OK && end && wanted->time_s > last_s + 0.5)
        status = stk_fail(STK_ERR_ARGUMENT, "%s: ends before %.3g s (last frame at %.2f s)",
                          wanted->path, wanted->time_s, last_s);
    return status;
}

static stk_status read_picture(const item *wanted, stk_image *picture) {
    if (wanted->time_s >= 0) return read_moment(wanted, picture);
    const char *ending = strrchr(wanted->path, '.');
    int still =
        ending != NULL && (strcasecmp(ending, ".png") == 0 || strcasecmp(ending, ".jpg") == 0 ||
                           strcasecmp(ending, ".jpeg") == 0);
    if (still) return stk_picture_read(wanted->path, 3, picture);
    item first = *wanted;
    first.time_s = 0;
    return read_moment(&first, picture);
}

/* Decoded and brought to `height` (0 = its own). Owned by the caller. */
static stk_status read_scaled(const item *wanted, int height, stk_image *scaled) {
    stk_image picture = {0};
    stk_status status = read_picture(wanted, &picture);
    if (status == STK_OK && (height == 0 || height == picture.height)) {
        *scaled = picture;
        return STK_OK;
    }
    if (status == STK_OK) {
        int width = (int)lround((double)picture.width * height / picture.height);
        status = stk_image_init(scaled, width > 0 ? width : 1, height, 3);
    }
    if (status == STK_OK) stk_image_resize(scaled, &picture);
    stk_image_clear(&picture);
    return status;
}

/* Lays the pictures out in rows; the first decides the height where none is given. */
static stk_status lay_out(const stk_image *pictures, int count, int columns, stk_image *sheet) {
    int width = 0, height = 0;
    for (int i = 0; i < count;) {
        int row_width = 0, end = i + columns < count ? i + columns : count;
        for (; i < end; i++) row_width += pictures[i].width + (row_width > 0 ? GAP : 0);
        if (row_width > width) width = row_width;
        height += pictures[0].height + (height > 0 ? GAP : 0);
        if (width > SHEET_SIDE_MAX || height > SHEET_SIDE_MAX)
            return stk_fail(STK_ERR_ARGUMENT, "the sheet would be over %d px; use --height",
                            SHEET_SIDE_MAX);
    }
    STK_TRY(stk_image_init(sheet, width, height, 3));
    for (int y = 0; y < height; y++) memset(stk_image_row(sheet, y), 255, 3 * (size_t)width);
    int x = 0, y = 0;
    for (int i = 0; i < count; i++) {
        if (i > 0 && i % columns == 0) x = 0, y += pictures[0].height + GAP;
        const stk_rect place = {x, y, x + pictures[i].width, y + pictures[i].height};
        stk_image view = stk_image_view(sheet, place);
        stk_image_copy(&view, &pictures[i]);
        x += pictures[i].width + GAP;
    }
    return STK_OK;
}

static stk_status read_items(const char *list, item *items, int *count) {
    *count = 0;
    for (const char *p = list; p != NULL && *p != '\0';) {
        size_t length = strcspn(p, "\n");
        if (*count == ITEMS_MAX)
            return stk_fail(STK_ERR_ARGUMENT, "a sheet takes at most %d pictures", ITEMS_MAX);
        STK_TRY(read_item(p, length, &items[(*count)++]));
        p += length + (p[length] == '\n');
    }
    if (*count == 0) return stk_fail(STK_ERR_ARGUMENT, "PICTURE... is missing; see --help");
    return STK_OK;
}

static stk_status make_sheet(const stk_sheet_options *options, item *items, stk_image *pictures,
                             const stk_job *job) {
    char sentence[256];
    if (stk_options_check("sheet", options, sentence, sizeof sentence) != STK_OK)
        return stk_fail(STK_ERR_ARGUMENT, "%s", sentence);
    if (options->output == NULL || options->output[0] == '\0')
        return stk_fail(STK_ERR_ARGUMENT, "-o PNG is missing; see --help");
    const char *ending = strrchr(options->output, '.');
    if (ending == NULL || strcasecmp(ending, ".png") != 0)
        return stk_fail(STK_ERR_ARGUMENT, "%s: only PNG is written; name it .png", options->output);
    int count;
    STK_TRY(read_items(options->pictures, items, &count));
    for (int i = 0; i < count; i++) STK_TRY(stk_file_keep_input(options->output, items[i].path));
    int height = options->height;
    for (int i = 0; i < count; i++) {
        if (stk_job_aborted(job)) return stk_fail(STK_ERR_ABORTED, "stopped; nothing was written");
        STK_TRY(read_scaled(&items[i], height, &pictures[i]));
        height = pictures[i].height;
    }
    stk_image sheet = {0};
    stk_status status =
        lay_out(pictures, count, options->columns > 0 ? options->columns : count, &sheet);
    if (status == STK_OK) status = stk_png_write(options->output, &sheet);
    stk_image_clear(&sheet);
    return status;
}

stk_status stk_sheet(stk_context *ctx, const stk_sheet_options *options) {
    stk_job job = stk_context_job(ctx);
    item *items = calloc(ITEMS_MAX, sizeof *items);
    stk_image *pictures = calloc(ITEMS_MAX, sizeof *pictures);
    stk_status status = items != NULL && pictures != NULL
                            ? make_sheet(options, items, pictures, &job)
                            : stk_fail_memory("sheet");
    for (int i = 0; pictures != NULL && i < ITEMS_MAX; i++) stk_image_clear(&pictures[i]);
    free(pictures);
    free(items);
    return stk_context_finish(ctx, status);
}
