/* background.c - see background.h. */
#include "render/background.h"

#include "base/file.h"
#include "base/image.h"
#include "base/memory.h"
#include "kernels/blend.h"
#include "kernels/image.h"
#include "portrait_sync/matte.h"

#include <stdio.h>
#include <string.h>

/* #rrggbb or a name; 0: neither. */
static int parse_colour(const char *what, uint8_t rgb[3]) {
    static const struct {
        const char *name;
        uint8_t rgb[3];
    } known[] = {{"black", {0, 0, 0}},      {"white", {255, 255, 255}}, {"grey", {128, 128, 128}},
                 {"gray", {128, 128, 128}}, {"green", {0, 177, 64}}, /* of chroma keys */
                 {"blue", {0, 71, 187}}};
    unsigned r, g, b;
    int end = 0;
    for (size_t i = 0; i < STK_ARRAY_SIZE(known); i++)
        if (strcmp(what, known[i].name) == 0) return memcpy(rgb, known[i].rgb, 3), 1;
    if (strlen(what) != 7 || sscanf(what, "#%2x%2x%2x%n", &r, &g, &b, &end) != 3 || end != 7)
        return 0;
    rgb[0] = (uint8_t)r, rgb[1] = (uint8_t)g, rgb[2] = (uint8_t)b;
    return 1;
}

static void paint(stk_image *image, const uint8_t rgb[3]) {
    for (int y = 0; y < image->height; y++)
        for (int x = 0; x < image->width; x++) memcpy(stk_image_row(image, y) + 3 * x, rgb, 3);
}

/* The middle of the file's picture of the target's shape, scaled to it. */
static stk_status read_cover(const char *path, stk_image *target) {
    stk_image whole;
    STK_TRY(stk_picture_read(path, 3, &whole));
    int width = whole.width, height = whole.height;
    if ((int64_t)width * target->height > (int64_t)height * target->width)
        width = (int)((int64_t)height * target->width / target->height);
    else
        height = (int)((int64_t)width * target->height / target->width);
    width = width > 0 ? width : 1, height = height > 0 ? height : 1;
    const int x = (whole.width - width) / 2, y = (whole.height - height) / 2;
    const stk_image middle = stk_image_view(&whole, (stk_rect){x, y, x + width, y + height});
    stk_image_resize(target, &middle);
    stk_image_clear(&whole);
    return STK_OK;
}

static stk_status open_picture(stk_background *background, const char *what, int width,
                               int height) {
    uint8_t rgb[3];
    STK_TRY(stk_image_init(&background->picture, width, height, 3));
    if (parse_colour(what, rgb)) {
        paint(&background->picture, rgb);
        return STK_OK;
    }
    if (!stk_file_exists(what))
        return stk_fail(STK_ERR_ARGUMENT,
                        "--background %s: is no picture, and no colour either; give a PNG or JPEG, "
                        "#rrggbb, black, white, grey, green, blue, or transparent",
                        what);
    return read_cover(what, &background->picture);
}

stk_status stk_background_open(stk_background *background, const char *what,
                               const stk_subject *subject, int width, int height) {
    const stk_subject_info *info = stk_subject_get_info(subject);
    stk_image plate;
    *background = (stk_background){.transparent = strcmp(what, "transparent") == 0};
    if (!background->transparent) STK_TRY(open_picture(background, what, width, height));
    STK_TRY(stk_image_init(&background->plate, width, height, 3));
    STK_TRY(stk_subject_plate(subject, &plate));
    if (info->width == width && info->height == height)
        stk_image_copy(&background->plate, &plate);
    else
        stk_image_resize(&background->plate, &plate);
    stk_image_clear(&plate);
    return STK_OK;
}

void stk_background_clear(stk_background *background) {
    stk_image_clear(&background->picture);
    stk_image_clear(&background->plate);
}

stk_status stk_background_slot_init(stk_background_slot *slot, const stk_background *background) {
    const int width = background->plate.width, height = background->plate.height;
    *slot = (stk_background_slot){0};
    STK_TRY(stk_image_init(&slot->labels, width, height, 1));
    STK_TRY(stk_image_init(&slot->alpha, width, height, 1));
    if (background->transparent) STK_TRY(stk_image_init(&slot->rgba, width, height, 4));
    slot->scratch = stk_calloc_aligned(1, stk_matte_scratch_bytes(width, height));
    return slot->scratch != NULL ? STK_OK : stk_fail_memory("background");
}

void stk_background_slot_clear(stk_background_slot *slot) {
    stk_image_clear(&slot->labels);
    stk_image_clear(&slot->alpha);
    stk_image_clear(&slot->rgba);
    stk_free(slot->scratch);
    *slot = (stk_background_slot){0};
}

static void bring_labels(stk_image *target, const stk_image *labels) {
    for (int y = 0; y < target->height; y++) {
        const uint8_t *from = stk_image_row(labels, y * labels->height / target->height);
        uint8_t *to = stk_image_row(target, y);
        for (int x = 0; x < target->width; x++) to[x] = from[x * labels->width / target->width];
    }
}

/* Where alpha is 0 the colour is 0: nothing of the room leaves the program. */
static void put_rgba(stk_background_slot *slot, const stk_image *picture) {
    for (int y = 0; y < picture->height; y++) {
        const uint8_t *p = stk_image_row(picture, y), *a = stk_image_row(&slot->alpha, y);
        uint8_t *out = stk_image_row(&slot->rgba, y);
        for (int x = 0; x < picture->width; x++, p += 3, out += 4) {
            for (int c = 0; c < 3; c++) out[c] = a[x] > 0 ? p[c] : 0;
            out[3] = a[x];
        }
    }
}

void stk_background_put(const stk_background *background, const stk_image *labels,
                        stk_background_slot *slot, stk_image *picture) {
    stk_blend_kernels kernels;
    bring_labels(&slot->labels, labels);
    stk_matte_cut(picture, &slot->labels, &background->plate, slot->scratch, &slot->alpha);
    if (background->transparent) {
        put_rgba(slot, picture);
        return;
    }
    stk_blend_kernels_init(&kernels);
    for (int y = 0; y < picture->height; y++)
        kernels.mix(picture->width, stk_image_row(&slot->alpha, y), stk_image_row(picture, y),
                    stk_image_row(&background->picture, y));
}
