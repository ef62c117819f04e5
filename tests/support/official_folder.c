/* official_folder.c */
#include "official_folder.h"

#include "base/file.h"
#include "base/image.h"
#include "base/memory.h"
#include "media/media.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { SAMPLES = STK_SAMPLE_RATE / STK_FPS };

static stk_status put(const char *folder, const char *name, const void *bytes, size_t size) {
    char path[STK_PATH_MAX];
    STK_TRY(stk_path_join(path, sizeof path, folder, name));
    return stk_file_write(path, bytes, size);
}

static int label_of(int width, int height, int frame, int x, int y) {
    double dx = x - 0.5 * width - frame % 3, dy = y - 0.4 * height;
    double r = 0.22 * (width < height ? width : height);
    if (dx * dx + dy * dy < r * r) return STK_LABEL_HEAD;
    if (y > 0.8 * height) return STK_LABEL_TORSO;
    return y > 0.5 * height && fabs(dx) < 0.4 * r ? STK_LABEL_NECK : STK_LABEL_BACKGROUND;
}

typedef struct pictures {
    stk_image rgb, torso, parsing;
} pictures;

static void paint(pictures *p, int frame) {
    static const uint8_t colour[4][3] = {
        {90, 100, 110}, {200, 160, 130}, {180, 140, 120}, {60, 60, 90}};
    static const uint8_t class[4][3] = {{255, 255, 255}, {0, 0, 255}, {0, 255, 0}, {255, 0, 0}};
    for (int y = 0; y < p->rgb.height; y++)
        for (int x = 0; x < p->rgb.width; x++) {
            int label = label_of(p->rgb.width, p->rgb.height, frame, x, y);
            uint8_t *torso = stk_image_row(&p->torso, y) + 4 * x;
            memcpy(stk_image_row(&p->rgb, y) + 3 * x, colour[label], 3);
            memcpy(stk_image_row(&p->parsing, y) + 3 * x, class[label], 3);
            memset(torso, 0, 4);
            if (label < STK_LABEL_NECK) continue;
            memcpy(torso, colour[label], 3);
            torso[3] = 255;
        }
}

static stk_status write_pictures(const char *folder, pictures *p, int frame) {
    char path[STK_PATH_MAX], name[64];
    paint(p, frame);
    snprintf(name, sizeof name, "ori_imgs/%d.jpg", frame);
    STK_TRY(stk_path_join(path, sizeof path, folder, name));
    STK_TRY(stk_jpeg_write(path, &p->rgb));
    snprintf(name, sizeof name, "gt_imgs/%d.png", frame);
    STK_TRY(stk_path_join(path, sizeof path, folder, name));
    STK_TRY(stk_png_write(path, &p->rgb));
    snprintf(name, sizeof name, "torso_imgs/%d.png", frame);
    STK_TRY(stk_path_join(path, sizeof path, folder, name));
    STK_TRY(stk_png_write(path, &p->torso));
    snprintf(name, sizeof name, "parsing/%d.png", frame);
    STK_TRY(stk_path_join(path, sizeof path, folder, name));
    return stk_png_write(path, &p->parsing);
}

static stk_status write_points(const char *folder, int frame, int width, int height) {
    char text[68 * 32], name[64];
    int used = 0;
    for (int i = 0; i < 68; i++)
        used += snprintf(text + used, sizeof text - (size_t)used, "%.6f %.6f\n",
                         0.5 * width + 0.15 * width * cos(0.37 * i) + frame % 3,
                         0.4 * height + 0.15 * height * sin(0.37 * i));
    snprintf(name, sizeof name, "ori_imgs/%d.lms", frame);
    return put(folder, name, text, (size_t)used);
}

stk_status official_folder_transforms(const char *folder, const char *head, const int *ids,
                                      int count, int train) {
    static char text[1 << 16];
    for (int part = 0; part < 2; part++) {
        int first = part == 0 ? 0 : train, last = part == 0 ? train : count;
        int used = snprintf(text, sizeof text, "{%s\"frames\":[", head);
        for (int i = first; i < last; i++) {
            double a = 0.02 * ids[i], c = cos(a), s = sin(a);
            used += snprintf(text + used, sizeof text - (size_t)used,
                             "%s{\"face_rect\":[1,2,3,4],\"img_id\":%d,\"aud_id\":%d,"
                             "\"transform_matrix\":[[%.12f,0,%.12f,%.12f],[0,1,0,0.01],"
                             "[%.12f,0,%.12f,%.12f],[0,0,0,1]]}",
                             i > first ? "," : "", ids[i], ids[i], c, s, 0.8 * s, -s, c, 0.8 * c);
        }
        used += snprintf(text + used, sizeof text - (size_t)used, "]}");
        STK_TRY(put(folder, part == 0 ? "transforms_train.json" : "transforms_val.json", text,
                    (size_t)used));
    }
    return STK_OK;
}

stk_status official_folder_blendshapes(const char *folder, int rows) {
    static char bytes[128 + 8 * STK_BLENDSHAPES * 256];
    int used = 10 + snprintf(bytes + 10, 118,
                             "{'descr': '<f8', 'fortran_order': False, 'shape': (%d, 52), }", rows);
    memset(bytes + used, ' ', (size_t)(127 - used));
    bytes[127] = '\n';
    memcpy(bytes, "\x93NUMPY\x01\x00\x76\x00", 10);
    for (int i = 0; i < rows * STK_BLENDSHAPES; i++) {
        double v = (i / STK_BLENDSHAPES + i % STK_BLENDSHAPES) / 100.0;
        memcpy(bytes + 128 + 8 * i, &v, sizeof v);
    }
    return put(folder, "bs.npy", bytes, 128 + 8 * (size_t)(rows * STK_BLENDSHAPES));
}

static stk_status write_sound(const char *folder, int frames) {
    char path[STK_PATH_MAX];
    stk_sound sound = {.count = (int64_t)frames * SAMPLES, .rate = STK_SAMPLE_RATE};
    STK_TRY(stk_path_join(path, sizeof path, folder, "aud.wav"));
    sound.samples = stk_calloc_aligned((size_t)sound.count, sizeof *sound.samples);
    if (sound.samples == NULL) return stk_fail_memory("sound");
    for (int64_t i = 0; i < sound.count; i++)
        sound.samples[i] = 0.3f * sinf(0.05f * (float)i) * sinf(0.0007f * (float)i);
    stk_status status = stk_sound_write_wav(path, &sound);
    stk_sound_clear(&sound);
    return status;
}

static stk_status write_frames(const char *folder, pictures *p, int frames) {
    char path[STK_PATH_MAX];
    for (int i = 0; i < frames; i++) {
        STK_TRY(write_pictures(folder, p, i));
        STK_TRY(write_points(folder, i, p->rgb.width, p->rgb.height));
    }
    for (int y = 0; y < p->rgb.height; y++)
        for (int x = 0; x < p->rgb.width; x++)
            memcpy(stk_image_row(&p->rgb, y) + 3 * x, (const uint8_t[]){90, 100, 110}, 3);
    STK_TRY(stk_path_join(path, sizeof path, folder, "bc.jpg"));
    return stk_jpeg_write(path, &p->rgb);
}

stk_status official_folder_write(const char *folder, int frames, int width, int height) {
    static const char *const inner[] = {"ori_imgs", "gt_imgs", "torso_imgs", "parsing"};
    char path[STK_PATH_MAX], head[64];
    int ids[256];
    pictures p = {0};
    for (size_t i = 0; i < STK_ARRAY_SIZE(inner); i++) {
        STK_TRY(stk_path_join(path, sizeof path, folder, inner[i]));
        STK_TRY(stk_directory_create(path));
    }
    for (int i = 0; i < frames; i++) ids[i] = i;
    snprintf(head, sizeof head, "\"focal_len\":200.0,\"cx\":%g,\"cy\":%g,", 0.5 * width,
             0.5 * height);
    STK_TRY(official_folder_transforms(folder, head, ids, frames, frames - 2));
    STK_TRY(official_folder_blendshapes(folder, frames));
    STK_TRY(write_sound(folder, frames));
    stk_status status = stk_image_init(&p.rgb, width, height, 3);
    if (status == STK_OK) status = stk_image_init(&p.torso, width, height, 4);
    if (status == STK_OK) status = stk_image_init(&p.parsing, width, height, 3);
    if (status == STK_OK) status = write_frames(folder, &p, frames);
    stk_image_clear(&p.rgb);
    stk_image_clear(&p.torso);
    stk_image_clear(&p.parsing);
    return status;
}
