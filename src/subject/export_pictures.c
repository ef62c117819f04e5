/* export_pictures.c - a subject's pictures in the published layout.
 *
 *   picture.mp4 -> ori_imgs/N.jpg           landmarks -> ori_imgs/N.lms
 *   picture.mp4, background from the plate -> gt_imgs/N.jpg
 *   torso.mp4, opaque where it is no wall  -> torso_imgs/N.png
 *   label map -> parsing/N.png, parsing/N_face.png, face_mask/N.png
 *   plate.png -> bc.jpg
 *
 * Videos are decoded in order, GROUP frames at a time; their files are written by one task each.
 */
#include "subject/export.h"
#include "subject/regions.h"

#include "base/clock.h"
#include "base/image.h"
#include "base/memory.h"
#include "portrait_sync/portrait.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    GROUP = 8,
    WALL_NOISE = 16, /* torso.mp4 is compressed: smaller differences from the plate are its noise */
};

typedef struct slot {
    stk_image rgb, torso, labels, mask, colours, rgba;
    float *scratch;
    stk_status status;
    char text[1024];
} slot;

typedef struct work {
    stk_export *export;
    stk_frame_store *pictures, *torsos;
    stk_image plate;
    slot slots[GROUP];
    int first; /* frame of slot 0 */
} work;

/* --- pictures of one frame -------------------------------------------------------------------- */

/* The frame with background pixels from the plate, in place. */
static void replace_background(slot *s, const stk_image *plate) {
    for (int y = 0; y < plate->height; y++) {
        const uint8_t *labels = stk_image_row(&s->labels, y), *wall = stk_image_row(plate, y);
        uint8_t *out = stk_image_row(&s->rgb, y);
        for (int x = 0; x < plate->width; x++)
            if (labels[x] == STK_LABEL_BACKGROUND) memcpy(out + 3 * x, wall + 3 * x, 3);
    }
}

static int differs(const uint8_t *a, const uint8_t *b) {
    for (int c = 0; c < 3; c++)
        if (abs(a[c] - b[c]) > WALL_NOISE) return 1;
    return 0;
}

/* Opaque: neck, torso, and what was painted under the head; elsewhere nothing. */
static void cut_torso(slot *s, const stk_image *plate) {
    for (int y = 0; y < plate->height; y++) {
        const uint8_t *labels = stk_image_row(&s->labels, y), *wall = stk_image_row(plate, y);
        const uint8_t *from = stk_image_row(&s->torso, y);
        uint8_t *out = stk_image_row(&s->rgba, y);
        for (int x = 0; x < plate->width; x++) {
            int body = labels[x] == STK_LABEL_NECK || labels[x] == STK_LABEL_TORSO ||
                       (labels[x] == STK_LABEL_HEAD && differs(from + 3 * x, wall + 3 * x));
            memset(out + 4 * x, 0, 4);
            if (!body) continue;
            memcpy(out + 4 * x, from + 3 * x, 3);
            out[4 * x + 3] = 255;
        }
    }
}

/* colours[label] for each pixel. */
static void colour_labels(slot *s, const uint8_t colours[4][3]) {
    for (int y = 0; y < s->labels.height; y++) {
        const uint8_t *labels = stk_image_row(&s->labels, y);
        uint8_t *out = stk_image_row(&s->colours, y);
        for (int x = 0; x < s->labels.width; x++) memcpy(out + 3 * x, colours[labels[x] & 3], 3);
    }
}

static stk_status write_points(const char *path, const float (*landmarks)[3]) {
    char text[STK_POINTS_68 * 64];
    size_t used = 0;
    for (int i = 0; i < STK_POINTS_68; i++) {
        const float *p = landmarks[stk_mesh_of_68[i]];
        const size_t room = sizeof text - used;
        int n = snprintf(text + used, room, "%.6f %.6f\n", (double)p[0], (double)p[1]);
        if (n < 0 || (size_t)n >= room)
            return stk_fail(STK_ERR_CONTENT,
                            "%s: a landmark lies too far outside the picture; prepare the subject "
                            "again",
                            path);
        used += (size_t)n;
    }
    return stk_file_write(path, text, used);
}

/* The pasting mask as the published script writes it: blue on white, green is 255 (1 - mask). */
static void colour_face(slot *s) {
    for (int y = 0; y < s->mask.height; y++) {
        const uint8_t *mask = stk_image_row(&s->mask, y);
        uint8_t *out = stk_image_row(&s->colours, y);
        for (int x = 0; x < s->mask.width; x++) {
            out[3 * x] = out[3 * x + 1] = (uint8_t)(255 - mask[x]);
            out[3 * x + 2] = 255;
        }
    }
}

static stk_status write_classes(const work *w, int frame, slot *s) {
    static const uint8_t classes[4][3] = {{255, 255, 255}, {0, 0, 255}, {0, 255, 0}, {255, 0, 0}};
    static const uint8_t head[4][3] = {{0}, {255, 255, 255}, {0}, {0}};
    char path[STK_PATH_MAX];
    const float(*landmarks)[3] = stk_subject_landmarks(w->export->subject, frame);
    colour_labels(s, classes);
    STK_TRY(stk_export_path(w->export, "parsing", frame, ".png", path));
    STK_TRY(stk_png_write(path, &s->colours));
    colour_labels(s, head);
    STK_TRY(stk_export_path(w->export, "face_mask", frame, ".png", path));
    STK_TRY(stk_png_write(path, &s->colours));
    stk_face_mask(landmarks, &s->labels, s->scratch, &s->mask);
    colour_face(s);
    STK_TRY(stk_export_path(w->export, "parsing", frame, "_face.png", path));
    STK_TRY(stk_png_write(path, &s->colours));
    STK_TRY(stk_export_path(w->export, "ori_imgs", frame, ".lms", path));
    return write_points(path, landmarks);
}

static stk_status write_frame(const work *w, int frame, slot *s) {
    char path[STK_PATH_MAX];
    STK_TRY(stk_subject_labels(w->export->subject, frame, &s->labels));
    STK_TRY(stk_export_path(w->export, "ori_imgs", frame, ".jpg", path));
    STK_TRY(stk_jpeg_write(path, &s->rgb));
    replace_background(s, &w->plate);
    STK_TRY(stk_export_path(w->export, "gt_imgs", frame, ".jpg", path));
    STK_TRY(stk_jpeg_write(path, &s->rgb));
    cut_torso(s, &w->plate);
    STK_TRY(stk_export_path(w->export, "torso_imgs", frame, ".png", path));
    STK_TRY(stk_png_write(path, &s->rgba));
    return write_classes(w, frame, s);
}

/* --- all of them ------------------------------------------------------------------------------ */

static void run_slot(void *ctx, int task, int worker) {
    work *w = ctx;
    slot *s = &w->slots[task];
    (void)worker;
    s->status = write_frame(w, w->first + task, s);
    if (s->status != STK_OK) stk_error_take(s->text, sizeof s->text);
}

static stk_status write_group(work *w, int count) {
    for (int i = 0; i < count; i++) {
        const stk_image *frame;
        STK_TRY(stk_frame_store_get(w->pictures, w->first + i, &frame));
        stk_image_copy(&w->slots[i].rgb, frame);
        STK_TRY(stk_frame_store_get(w->torsos, w->first + i, &frame));
        stk_image_copy(&w->slots[i].torso, frame);
    }
    stk_pool_run(w->export->pool, count, run_slot, w);
    for (int i = 0; i < count; i++) {
        if (w->slots[i].status == STK_OK) continue;
        stk_error_put(w->slots[i].text);
        return w->slots[i].status;
    }
    return STK_OK;
}

static stk_status open_work(work *w) {
    static const char *const folders[] = {"ori_imgs", "gt_imgs", "torso_imgs", "parsing",
                                          "face_mask"};
    const stk_export *export = w->export;
    const stk_subject_info *info = export->info;
    char path[STK_PATH_MAX];
    for (size_t i = 0; i < STK_ARRAY_SIZE(folders); i++) {
        STK_TRY(stk_draft_path(&export->draft, folders[i], path));
        STK_TRY(stk_directory_create(path));
    }
    for (int i = 0; i < GROUP; i++) {
        slot *s = &w->slots[i];
        STK_TRY(stk_image_init(&s->rgb, info->width, info->height, 3));
        STK_TRY(stk_image_init(&s->torso, info->width, info->height, 3));
        STK_TRY(stk_image_init(&s->labels, info->width, info->height, 1));
        STK_TRY(stk_image_init(&s->mask, info->width, info->height, 1));
        STK_TRY(stk_image_init(&s->colours, info->width, info->height, 3));
        STK_TRY(stk_image_init(&s->rgba, info->width, info->height, 4));
        s->scratch = stk_calloc_aligned(stk_face_mask_scratch(), sizeof *s->scratch);
        if (s->scratch == NULL) return stk_fail_memory("pictures");
    }
    STK_TRY(stk_subject_open_pictures(export->subject, &w->pictures));
    STK_TRY(stk_subject_open_torsos(export->subject, &w->torsos));
    STK_TRY(stk_subject_plate(export->subject, &w->plate));
    STK_TRY(stk_draft_path(&export->draft, "bc.jpg", path));
    return stk_jpeg_write(path, &w->plate);
}

static void clear_work(work *w) {
    for (int i = 0; i < GROUP; i++) {
        slot *s = &w->slots[i];
        stk_image_clear(&s->rgb);
        stk_image_clear(&s->torso);
        stk_image_clear(&s->labels);
        stk_image_clear(&s->mask);
        stk_image_clear(&s->colours);
        stk_image_clear(&s->rgba);
        stk_free(s->scratch);
    }
    stk_frame_store_close(&w->pictures);
    stk_frame_store_close(&w->torsos);
    stk_image_clear(&w->plate);
}

static stk_status tick(const stk_export *export, int done) {
    stk_job_report(export->job, "pictures", done, export->info->frames, export->start_s, NULL);
    if (!stk_job_aborted(export->job)) return STK_OK;
    return stk_fail(STK_ERR_ABORTED, "stopped; nothing was made");
}

stk_status stk_export_pictures(stk_export *export) {
    work *w = stk_calloc_aligned(1, sizeof *w);
    if (w == NULL) return stk_fail_memory("pictures");
    int frames = export->info->frames;
    w->export = export;
    stk_status status = open_work(w);
    if (status == STK_OK) status = tick(export, 0);
    for (; status == STK_OK && w->first < frames; w->first += GROUP) {
        int count = frames - w->first < GROUP ? frames - w->first : GROUP;
        status = write_group(w, count);
        if (status == STK_OK) status = tick(export, w->first + count);
    }
    clear_work(w);
    stk_free(w);
    return status;
}
