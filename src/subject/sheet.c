/* sheet.c - sheet.png: frames over the whole clip as prepare sees them, so that a look tells
 * whether the subject will do: landmarks on the face, classes in colour, the head's axes.
 *
 *   COLUMNS x ROWS tiles, each: frame + class tint + 478 dots + axes (x red, y green, z blue),
 * caption
 */
#include "subject/prepare.h"

#include "base/image.h"
#include "head_sync/motion_tracker.h"
#include "kernels/image.h"

#include <stdio.h>
#include <string.h>

enum {
    COLUMNS = 4,
    ROWS = 3,
    TILE = 384,
    CAPTION = 26,
    TITLE = 64,
    GAP = 8,
    TEXT_SCALE = 2,
    LETTER = 6 * TEXT_SCALE
};
static const float axis_m = 0.08f; /* drawn length of the head's axes */
static const uint8_t class_colour[4][3] = {[STK_LABEL_BACKGROUND] = {40, 90, 220},
                                           [STK_LABEL_HEAD] = {250, 170, 30},
                                           [STK_LABEL_NECK] = {60, 200, 90},
                                           [STK_LABEL_TORSO] = {200, 60, 170}};
static const char *const class_name[4] = {"background", "head", "neck", "torso"};
static const uint8_t white[3] = {255, 255, 255}, grey[3] = {170, 170, 170};
static const uint8_t dot_colour[3] = {90, 255, 255};

typedef struct sheet {
    const stk_subject *subject;
    stk_frame_store *store;
    stk_image picture, labels, page; /* picture: a frame with the drawings */
} sheet;

static void tint(stk_image *picture, const stk_image *labels) {
    for (int y = 0; y < picture->height; y++) {
        uint8_t *rgb = stk_image_row(picture, y);
        const uint8_t *label = stk_image_row(labels, y);
        for (int x = 0; x < picture->width; x++)
            for (int c = 0; c < 3; c++)
                rgb[3 * x + c] =
                    (uint8_t)((rgb[3 * x + c] * 11 + class_colour[label[x]][c] * 5) >> 4);
    }
}

void stk_head_axes_draw(stk_image *picture, const stk_camera *camera, const stk_pose *pose) {
    static const uint8_t colour[3][3] = {{255, 40, 40}, {40, 255, 40}, {60, 80, 255}};
    const float origin[3] = {0, 0, 0};
    float from[2], to[2];
    stk_pose_project(camera, pose, origin, from);
    for (int axis = 0; axis < 3; axis++) {
        float tip[3] = {0, 0, 0};
        tip[axis] = axis_m;
        stk_pose_project(camera, pose, tip, to);
        for (int k = 0; k < 9; k++) /* three pixels wide */
            stk_draw_line(picture, from[0] + (float)(k % 3 - 1), from[1] + (float)(k / 3 - 1),
                          to[0] + (float)(k % 3 - 1), to[1] + (float)(k / 3 - 1), colour[axis]);
    }
}

static stk_status draw_frame(sheet *s, int frame) {
    const stk_subject_info *info = stk_subject_get_info(s->subject);
    const float(*points)[3] = stk_subject_landmarks(s->subject, frame);
    const stk_image *rgb;
    STK_TRY(stk_frame_store_get(s->store, frame, &rgb));
    STK_TRY(stk_subject_labels(s->subject, frame, &s->labels));
    stk_image_copy(&s->picture, rgb);
    tint(&s->picture, &s->labels);
    for (int k = 0; k < STK_LANDMARKS; k++)
        stk_draw_disc(&s->picture, points[k][0], points[k][1], 1.4f * (float)info->width / 512.0f,
                      dot_colour);
    stk_head_axes_draw(&s->picture, &info->camera, &stk_subject_poses(s->subject)[frame]);
    return STK_OK;
}

static stk_status draw_tile(sheet *s, int tile) {
    const stk_subject_info *info = stk_subject_get_info(s->subject);
    const int tiles = COLUMNS * ROWS;
    int frame = (int)((int64_t)(info->frames - 1) * tile / (tiles - 1));
    int x = GAP + tile % COLUMNS * (TILE + GAP);
    int y = TITLE + tile / COLUMNS * (TILE + CAPTION + GAP);
    char caption[64];
    STK_TRY(draw_frame(s, frame));
    stk_image target = stk_image_view(&s->page, (stk_rect){x, y, x + TILE, y + TILE});
    stk_image_resize(&target, &s->picture);
    snprintf(caption, sizeof caption, "frame %d  %.2f s%s", frame,
             info->source_start_s + (double)frame / STK_FPS,
             frame >= info->train_frames ? "  held out" : "");
    stk_draw_text(&s->page, x, y + TILE + 5, TEXT_SCALE, caption, white);
    return STK_OK;
}

static void draw_title(sheet *s, const stk_manifest *manifest) {
    const stk_subject_info *info = stk_subject_get_info(s->subject);
    char title[320];
    snprintf(
        title, sizeof title,
        "%.60s  %d frames  focal %.0f px  reprojection %.2f px  jitter %.2f px  wall seen %.0f%%",
        info->name, info->frames, (double)info->camera.focal_px,
        stk_manifest_figure(manifest, "pose", "reprojection_median_px", 0),
        stk_manifest_figure(manifest, "pose", "jitter_px", 0),
        100.0 * stk_manifest_figure(manifest, "parse", "plate_seen_share", 0));
    stk_draw_text(&s->page, GAP, 10, TEXT_SCALE, title, white);
    int x = GAP;
    for (int c = 0; c < 4; c++) {
        for (int dy = 0; dy < 14; dy++)
            for (int dx = 0; dx < 14; dx++)
                memcpy(stk_image_row(&s->page, 38 + dy) + 3 * (x + dx), class_colour[c], 3);
        stk_draw_text(&s->page, x + 20, 38, TEXT_SCALE, class_name[c], grey);
        x += 20 + LETTER * (int)(strlen(class_name[c]) + 2);
    }
    stk_draw_text(&s->page, x, 38, TEXT_SCALE, "axes: x red  y green  z blue", grey);
}

static stk_status draw_sheet(sheet *s, const stk_prepare *prepare) {
    char path[STK_PATH_MAX];
    const stk_subject_info *info = stk_subject_get_info(s->subject);
    const int width = GAP + COLUMNS * (TILE + GAP);
    const int height = TITLE + ROWS * (TILE + CAPTION + GAP);
    STK_TRY(stk_subject_open_pictures(s->subject, &s->store));
    STK_TRY(stk_image_init(&s->picture, info->width, info->height, 3));
    STK_TRY(stk_image_init(&s->labels, info->width, info->height, 1));
    STK_TRY(stk_image_init(&s->page, width, height, 3));
    draw_title(s, &prepare->manifest);
    for (int tile = 0; tile < COLUMNS * ROWS; tile++) {
        STK_TRY(draw_tile(s, tile));
        STK_TRY(stk_prepare_tick(prepare, tile + 1, COLUMNS * ROWS));
    }
    STK_TRY(stk_prepare_path(prepare, "sheet.png", path));
    return stk_png_write(path, &s->page);
}

stk_status stk_sheet_write(const stk_prepare *prepare) {
    stk_subject *subject;
    STK_TRY(stk_subject_open(&subject, prepare->settings.folder));
    sheet s = {.subject = subject};
    stk_status status = draw_sheet(&s, prepare);
    stk_frame_store_close(&s.store);
    stk_image_clear(&s.picture);
    stk_image_clear(&s.labels);
    stk_image_clear(&s.page);
    stk_subject_close(&subject);
    return status;
}
