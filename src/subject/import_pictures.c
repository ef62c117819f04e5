/* import_pictures.c - the pictures of an official folder as those of a subject.
 *
 *   ori_imgs (else gt_imgs)            -> picture.mp4, lossless
 *   torso_imgs (RGBA) over bc.jpg      -> torso.mp4
 *   parsing (four colours)             -> label maps, head rectangle
 *   bc.jpg                             -> plate.png
 *
 * GROUP frames are read and converted at a time, one task each, then encoded in order: the result
 * does not depend on the number of threads. Odd sizes lose their last row or column (Q20).
 */
#include "subject/import.h"
#include "subject/labels.h"

#include "base/image.h"
#include "base/log.h"
#include "base/memory.h"
#include "kernels/image.h"

#include <stdio.h>
#include <string.h>

enum {
    GROUP = 8,
    ENCODER_THREADS = 2, /* fixed: the encoder's result depends on their number */
    SIDE_MAX = 8192,     /* of any picture that is read */
};

typedef struct slot {
    stk_image rgb, torso, labels;
    int from_gt;
    stk_status status;
    char text[1024];
} slot;

typedef struct work {
    stk_import *import;
    stk_image plate;
    slot slots[GROUP];
    int first; /* frame of slot 0 */
    stk_video_writer *pictures, *torsos;
    stk_label_pack pack;
    int *columns;
    stk_rect head;
    int from_gt; /* frames whose picture came from gt_imgs */
} work;

/* --- one picture ------------------------------------------------------------------------------ */

static stk_status check_picture_size(const char *path, int *width, int *height) {
    STK_TRY(stk_picture_size(path, width, height));
    if (*width <= SIDE_MAX && *height <= SIDE_MAX) return STK_OK;
    return stk_fail(STK_ERR_UNSUPPORTED, "%s: %d x %d is too large; scale the data set", path,
                    *width, *height);
}

/* Reads a picture of the subject's size, or one pixel more, into an image of that size. */
static stk_status read_exactly(const char *path, stk_image *target) {
    stk_image whole;
    int w, h;
    STK_TRY(check_picture_size(path, &w, &h));
    if (w < target->width || h < target->height || w > target->width + 1 || h > target->height + 1)
        return stk_fail(STK_ERR_FORMAT,
                        "%s: is %d x %d where transforms_train.json says %d x %d; make that "
                        "picture again, or correct cx and cy",
                        path, w, h, target->width, target->height);
    STK_TRY(stk_picture_read(path, target->channels, &whole));
    stk_status status = STK_OK;
    if (whole.width == w && whole.height == h) {
        stk_image view = stk_image_view(&whole, (stk_rect){0, 0, target->width, target->height});
        stk_image_copy(target, &view);
    } else {
        status = stk_fail(STK_ERR_FORMAT, "%s: is damaged; copy or make it again", path);
    }
    stk_image_clear(&whole);
    return status;
}

static stk_status read_plate(work *w) {
    const stk_import *import = w->import;
    const stk_subject_info *info = &import->manifest.info;
    char path[STK_PATH_MAX];
    int width, height;
    STK_TRY(stk_image_init(&w->plate, info->width, info->height, 3));
    STK_TRY(stk_import_path(import, path, "bc.jpg"));
    if (!stk_file_exists(path))
        return stk_fail(STK_ERR_IO,
                        "%s: is missing, the background without the person; run the published "
                        "task 4",
                        path);
    STK_TRY(check_picture_size(path, &width, &height));
    if (width - info->width <= 1 && height - info->height <= 1 && width >= info->width &&
        height >= info->height) {
        STK_TRY(read_exactly(path, &w->plate));
    } else { /* as published: brought to the size */
        stk_image whole;
        STK_TRY(stk_picture_read(path, 3, &whole));
        stk_image_resize(&w->plate, &whole);
        stk_image_clear(&whole);
    }
    STK_TRY(stk_draft_path(&import->draft, "plate.png", path));
    return stk_png_write(path, &w->plate);
}

/* --- classes and torso ------------------------------------------------------------------------ */

/* The nearest of the four colours (reference.md 6.1, as a viewer shows them). */
static uint8_t label_of(const uint8_t rgb[3]) {
    static const struct {
        uint8_t rgb[3], label;
    } colours[] = {{{255, 255, 255}, STK_LABEL_BACKGROUND},
                   {{0, 0, 255}, STK_LABEL_HEAD},
                   {{0, 255, 0}, STK_LABEL_NECK},
                   {{255, 0, 0}, STK_LABEL_TORSO}};
    int best = INT32_MAX;
    uint8_t label = STK_LABEL_BACKGROUND;
    for (size_t i = 0; i < STK_ARRAY_SIZE(colours); i++) {
        int sum = 0;
        for (int c = 0; c < 3; c++) {
            int d = rgb[c] - colours[i].rgb[c];
            sum += d * d;
        }
        if (sum < best) best = sum, label = colours[i].label;
    }
    return label;
}

static stk_status read_labels(const char *path, stk_image *labels) {
    stk_image colours;
    STK_TRY(stk_image_init(&colours, labels->width, labels->height, 3));
    stk_status status = read_exactly(path, &colours);
    for (int y = 0; status == STK_OK && y < labels->height; y++) {
        const uint8_t *from = stk_image_row(&colours, y);
        uint8_t *to = stk_image_row(labels, y);
        for (int x = 0; x < labels->width; x++) to[x] = label_of(from + 3 * x);
    }
    stk_image_clear(&colours);
    return status;
}

/* torso a + plate (1 - a), rounded. */
static stk_status read_torso(const char *path, const stk_image *plate, stk_image *composite) {
    stk_image torso;
    STK_TRY(stk_image_init(&torso, plate->width, plate->height, 4));
    stk_status status = read_exactly(path, &torso);
    for (int y = 0; status == STK_OK && y < plate->height; y++) {
        const uint8_t *front = stk_image_row(&torso, y), *back = stk_image_row(plate, y);
        uint8_t *out = stk_image_row(composite, y);
        for (int x = 0; x < plate->width; x++)
            for (int c = 0; c < 3; c++) {
                int a = front[4 * x + 3];
                out[3 * x + c] =
                    (uint8_t)((front[4 * x + c] * a + back[3 * x + c] * (255 - a) + 127) / 255);
            }
    }
    stk_image_clear(&torso);
    return status;
}

static stk_status needed(const stk_import *import, const char *folder, int id, int task,
                         char path[STK_PATH_MAX]) {
    if (stk_import_find_picture(import, folder, id, path)) return STK_OK;
    STK_TRY(stk_import_path(import, path, "%s/%d.png", folder, id));
    return stk_fail(STK_ERR_IO,
                    "%s: is missing (frame %d); run the published task %d, or unpack the whole "
                    "archive",
                    path, id, task);
}

/* --- all of them ------------------------------------------------------------------------------ */

static stk_status fill_slot(const work *w, int frame, slot *s) {
    char path[STK_PATH_MAX];
    const stk_import *import = w->import;
    int id = import->frames[frame].img_id;
    s->from_gt = !stk_import_find_picture(import, "ori_imgs", id, path);
    if (s->from_gt) STK_TRY(needed(import, "gt_imgs", id, 5, path));
    STK_TRY(read_exactly(path, &s->rgb));
    STK_TRY(needed(import, "torso_imgs", id, 5, path));
    STK_TRY(read_torso(path, &w->plate, &s->torso));
    STK_TRY(needed(import, "parsing", id, 3, path));
    return read_labels(path, &s->labels);
}

static void run_slot(void *ctx, int task, int worker) {
    work *w = ctx;
    slot *s = &w->slots[task];
    (void)worker;
    s->status = fill_slot(w, w->first + task, s);
    if (s->status != STK_OK) stk_error_take(s->text, sizeof s->text);
}

static stk_status take_group(work *w, int count) {
    stk_pool_run(w->import->pool, count, run_slot, w);
    for (int i = 0; i < count; i++) {
        slot *s = &w->slots[i];
        if (s->status != STK_OK) {
            stk_error_put(s->text);
            return s->status;
        }
        STK_TRY(stk_video_writer_frame(w->pictures, &s->rgb));
        STK_TRY(stk_video_writer_frame(w->torsos, &s->torso));
        STK_TRY(stk_label_pack_add(&w->pack, &s->labels));
        w->head = stk_rect_union(w->head, stk_labels_head_rect(&s->labels, w->columns));
        w->from_gt += s->from_gt;
    }
    return STK_OK;
}

static stk_status open_writer(const stk_import *import, const char *name, int crf,
                              const char *preset, stk_video_writer **writer) {
    char path[STK_PATH_MAX];
    const stk_subject_info *info = &import->manifest.info;
    const stk_writer_options options = {.format = STK_WRITER_MP4,
                                        .width = info->width,
                                        .height = info->height,
                                        .fps = STK_FPS,
                                        .crf = crf,
                                        .gop = 12,
                                        .preset = preset,
                                        .threads = ENCODER_THREADS};
    STK_TRY(stk_draft_path(&import->draft, name, path));
    return stk_video_writer_create(writer, path, &options);
}

static stk_status open_work(work *w) {
    const stk_subject_info *info = &w->import->manifest.info;
    STK_TRY(read_plate(w));
    for (int i = 0; i < GROUP; i++) {
        STK_TRY(stk_image_init(&w->slots[i].rgb, info->width, info->height, 3));
        STK_TRY(stk_image_init(&w->slots[i].torso, info->width, info->height, 3));
        STK_TRY(stk_image_init(&w->slots[i].labels, info->width, info->height, 1));
    }
    w->columns = stk_calloc_aligned((size_t)info->width, sizeof *w->columns);
    if (w->columns == NULL) return stk_fail_memory("label maps");
    STK_TRY(open_writer(w->import, "picture.mp4", 0, "ultrafast", &w->pictures));
    return open_writer(w->import, "torso.mp4", 10, "veryfast", &w->torsos);
}

static void clear_work(work *w) {
    for (int i = 0; i < GROUP; i++) {
        stk_image_clear(&w->slots[i].rgb);
        stk_image_clear(&w->slots[i].torso);
        stk_image_clear(&w->slots[i].labels);
    }
    stk_image_clear(&w->plate);
    stk_video_writer_discard(&w->pictures, 0);
    stk_video_writer_discard(&w->torsos, 0);
    stk_label_pack_clear(&w->pack);
    stk_free(w->columns);
}

static stk_status finish(work *w) {
    char path[STK_PATH_MAX];
    stk_import *import = w->import;
    stk_subject_info *info = &import->manifest.info;
    if (w->head.x1 <= w->head.x0)
        return stk_fail(STK_ERR_CONTENT,
                        "%s/parsing: no frame has a head (blue); run the published task 3 again",
                        import->settings.source);
    if (w->from_gt > 0)
        stk_log(STK_LOG_WARN, "%d frames are not in ori_imgs and were taken from gt_imgs",
                w->from_gt);
    info->head_rect = stk_head_rect_roomy(w->head, info->width, info->height);
    STK_TRY(stk_draft_path(&import->draft, "labels.safetensors", path));
    STK_TRY(stk_labels_write(path, &w->pack, 1));
    STK_TRY(stk_video_writer_finish(&w->pictures));
    return stk_video_writer_finish(&w->torsos);
}

stk_status stk_import_pictures(stk_import *import) {
    work *w = stk_calloc_aligned(1, sizeof *w);
    if (w == NULL) return stk_fail_memory("pictures");
    w->import = import;
    stk_import_step(import, "pictures");
    stk_status status = open_work(w);
    for (; status == STK_OK && w->first < import->count; w->first += GROUP) {
        int left = import->count - w->first, count = left < GROUP ? left : GROUP;
        status = take_group(w, count);
        if (status == STK_OK) status = stk_import_tick(import, w->first + count, import->count);
    }
    if (status == STK_OK) status = finish(w);
    clear_work(w);
    stk_free(w);
    return status;
}
