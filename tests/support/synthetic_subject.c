/* synthetic_subject.c */
#include "synthetic_subject.h"

#include "base/face_mesh.h"
#include "base/image.h"
#include "base/memory.h"
#include "metrics/picture.h"
#include "portrait_sync/parts.h"
#include "subject/labels.h"
#include "subject/manifest.h"
#include "subject/tables.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

void synthetic_subject_centre(int frame, int size, float centre[2]) {
    centre[0] = 0.5f * (float)size + 0.03f * (float)size * sinf(0.3f * (float)frame);
    centre[1] = 0.42f * (float)size + 0.02f * (float)size * cosf(0.2f * (float)frame);
}

static int hand_from, hand_to; /* frames; none: equal */

int synthetic_subject_on_hand(int frame, int size, int x, int y) {
    float c[2];
    synthetic_subject_centre(frame, size, c);
    const float dx = ((float)x + 0.5f - c[0]) / (float)size;
    const float dy = ((float)y + 0.5f - c[1]) / (float)size;
    return frame >= hand_from && frame < hand_to && dx > -0.13f && dx < -0.01f && dy > -0.06f &&
           dy < 0.12f;
}

stk_label synthetic_subject_label(int frame, int size, int x, int y) {
    float c[2], s = (float)size;
    synthetic_subject_centre(frame, size, c);
    float dx = (float)x + 0.5f - c[0], dy = (float)y + 0.5f - c[1];
    if (dx * dx + dy * dy < 0.04f * s * s) return STK_LABEL_HEAD;
    if (y > 0.75f * s && fabsf(dx) < 0.35f * s) return STK_LABEL_TORSO;
    if (y > 0.55f * s && fabsf(dx) < 0.1f * s) return STK_LABEL_NECK;
    return STK_LABEL_BACKGROUND;
}

static void paint(stk_image *rgb, stk_image *torso, stk_image *labels, int frame, int size) {
    static const uint8_t colour[4][3] = {
        {0, 0, 0}, {210, 160, 130}, {190, 140, 110}, {40, 50, 120}};
    for (int y = 0; y < size; y++) {
        for (int x = 0; x < size; x++) {
            const uint8_t wall[3] = {(uint8_t)(60 + x * 60 / size), (uint8_t)(90 + y * 40 / size),
                                     100};
            stk_label label = synthetic_subject_label(frame, size, x, y);
            static const uint8_t hand[3] = {90, 80, 190};
            const uint8_t *c = label == STK_LABEL_BACKGROUND ? wall : colour[label];
            if (synthetic_subject_on_hand(frame, size, x, y)) c = hand;
            if (rgb != NULL) memcpy(stk_image_row(rgb, y) + 3 * x, c, 3);
            if (torso != NULL)
                memcpy(stk_image_row(torso, y) + 3 * x, label == STK_LABEL_HEAD ? wall : c, 3);
            if (labels != NULL) stk_image_row(labels, y)[x] = (uint8_t)label;
        }
    }
}

static stk_status write_videos(const char *folder, int frames, int size) {
    char path[STK_PATH_MAX];
    stk_image image;
    STK_TRY(stk_image_init(&image, size, size, 3));
    stk_status status = STK_OK;
    for (int which = 0; status == STK_OK && which < 2; which++) {
        const stk_writer_options options = {.format = STK_WRITER_MP4,
                                            .width = size,
                                            .height = size,
                                            .fps = STK_FPS,
                                            .crf = 0,
                                            .gop = 12,
                                            .preset = "ultrafast",
                                            .threads = 1};
        stk_video_writer *writer = NULL;
        status = stk_path_join(path, sizeof path, folder, which ? "torso.mp4" : "picture.mp4");
        if (status == STK_OK) status = stk_video_writer_create(&writer, path, &options);
        for (int i = 0; status == STK_OK && i < frames; i++) {
            paint(which ? NULL : &image, which ? &image : NULL, NULL, i, size);
            status = stk_video_writer_frame(writer, &image);
        }
        if (status == STK_OK) status = stk_video_writer_finish(&writer);
        stk_video_writer_discard(&writer, 0);
    }
    if (status == STK_OK) status = stk_path_join(path, sizeof path, folder, "plate.png");
    for (int y = 0; y < size; y++) /* the wall alone */
        for (int x = 0; x < size; x++) {
            uint8_t *p = stk_image_row(&image, y) + 3 * x;
            p[0] = (uint8_t)(60 + x * 60 / size), p[1] = (uint8_t)(90 + y * 40 / size), p[2] = 100;
        }
    if (status == STK_OK) status = stk_png_write(path, &image);
    stk_image_clear(&image);
    return status;
}

static stk_status write_labels(const char *folder, int frames, int size) {
    char path[STK_PATH_MAX];
    stk_image labels;
    stk_label_pack packs[2] = {{0}, {0}}; /* two, as chunks make them */
    STK_TRY(stk_image_init(&labels, size, size, 1));
    stk_status status = STK_OK;
    for (int i = 0; status == STK_OK && i < frames; i++) {
        paint(NULL, NULL, &labels, i, size);
        status = stk_label_pack_add(&packs[2 * i >= frames], &labels);
    }
    if (status == STK_OK) status = stk_path_join(path, sizeof path, folder, "labels.safetensors");
    if (status == STK_OK) status = stk_labels_write(path, packs, 2);
    stk_label_pack_clear(&packs[0]);
    stk_label_pack_clear(&packs[1]);
    stk_image_clear(&labels);
    return status;
}

/* A spiral of landmarks around the eyes, those of the lips on an ellipse below, those of the face's
 * outline on one around both: all lie inside the head. */
static void fill_landmarks(float (*landmarks)[3], int frame, int size) {
    float c[2], s = (float)size;
    synthetic_subject_centre(frame, size, c);
    for (int k = 0; k < STK_LANDMARKS; k++) {
        float angle = 2.39996f * (float)k, r = 0.11f * s * sqrtf((float)k / STK_LANDMARKS);
        landmarks[k][0] = c[0] + r * cosf(angle);
        landmarks[k][1] = c[1] - 0.06f * s + r * sinf(angle);
        landmarks[k][2] = 0.0f;
    }
    for (int k = 0; k < STK_OVAL_POINTS; k++) {
        float *rim = landmarks[stk_jaw_indices[k]];
        rim[0] = c[0] + 0.14f * s * sinf(0.17453f * (float)k);
        rim[1] = c[1] - 0.16f * s * cosf(0.17453f * (float)k);
    }
    for (int k = 0; k < 20; k++) {
        float *lip = landmarks[stk_mouth_landmarks[k]];
        lip[0] = c[0] + 0.06f * s * cosf(0.31416f * (float)k);
        lip[1] = c[1] + 0.10f * s + 0.025f * s * sinf(0.31416f * (float)k);
    }
}

static void fill_mesh(float (*landmarks)[3], int frame, int size) {
    float c[2], s = (float)size;
    synthetic_subject_centre(frame, size, c);
    for (int k = 0; k < STK_MESH_LANDMARKS; k++)
        for (int i = 0; i < 2; i++)
            landmarks[k][i] = c[i] + 0.3f * s * (stk_face_mesh_texture()[k][i] - 0.5f);
}

static void fill_pose(stk_pose *pose, int frame) {
    float a = 0.1f * sinf(0.3f * (float)frame);
    *pose = (stk_pose){{cosf(a), 0, sinf(a), 0, 1, 0, -sinf(a), 0, cosf(a)},
                       {0.003f * sinf(0.3f * (float)frame), 0.02f, -0.6f}};
}

typedef struct columns { /* all tables of the subject in one block */
    stk_pose *poses;
    float (*landmarks)[STK_LANDMARKS][3], (*blendshapes)[STK_BLENDSHAPES];
    float (*expressions)[STK_EXPRESSIONS], *audio;
    stk_pose *coarse;
} columns;

static stk_status write_tables(const char *folder, int frames, int size,
                               char identity[STK_SHA256_TEXT]) {
    enum { MEL = STK_MEL_BINS * STK_MEL_STEPS };
    char path[STK_PATH_MAX];
    columns c = {0};
    stk_arena arena;
    const size_t n = (size_t)frames;
    size_t floats = n * (12 + 3 * STK_LANDMARKS + STK_BLENDSHAPES + STK_EXPRESSIONS + MEL);
    STK_TRY(stk_path_join(path, sizeof path, folder, "tables.safetensors"));
    if (stk_arena_init(&arena, 4 * (floats + 12 * n) + 1024) != 0) return stk_fail_memory("tables");
    c.poses = stk_arena_push(&arena, n * sizeof *c.poses);
    c.landmarks = stk_arena_push(&arena, n * sizeof *c.landmarks);
    c.blendshapes = stk_arena_push(&arena, n * sizeof *c.blendshapes);
    c.expressions = stk_arena_push(&arena, n * sizeof *c.expressions);
    c.audio = stk_arena_push(&arena, n * MEL * sizeof *c.audio);
    c.coarse = stk_arena_push(&arena, n * sizeof *c.coarse);
    for (int i = 0; i < frames; i++) {
        fill_pose(&c.poses[i], i);
        c.coarse[i] = c.poses[i];
        c.coarse[i].t[1] += 0.001f * (float)(i % 3);
        fill_landmarks(c.landmarks[i], i, size);
        if (hand_from < hand_to) fill_mesh(c.landmarks[i], i, size);
        for (int k = 0; k < STK_BLENDSHAPES; k++)
            c.blendshapes[i][k] = 0.5f + 0.5f * sinf(0.1f * (float)(i * (k + 1)));
        for (int k = 0; k < STK_EXPRESSIONS; k++) c.expressions[i][k] = c.blendshapes[i][k];
        for (int k = 0; k < MEL; k++)
            c.audio[(size_t)i * MEL + (size_t)k] = 4.0f * sinf(0.07f * (float)(i + k));
    }
    stk_sha256(c.poses, 4 * floats, identity);
    const float lens[3] = {2.25f * (float)size, 0.5f * (float)size, 0.5f * (float)size};
    const stk_table tables[] = {
        {"poses", STK_F32, 2, {frames, 12}, c.poses},
        {"landmarks", STK_F32, 3, {frames, STK_LANDMARKS, 3}, c.landmarks},
        {"blendshapes", STK_F32, 2, {frames, STK_BLENDSHAPES}, c.blendshapes},
        {"expressions", STK_F32, 2, {frames, STK_EXPRESSIONS}, c.expressions},
        {"audio_mel", STK_F32, 3, {frames, STK_MEL_BINS, STK_MEL_STEPS}, c.audio},
        {"coarse_poses", STK_F32, 2, {frames, 12}, c.coarse},
        {"coarse_lens", STK_F32, 1, {3}, lens},
    };
    stk_status status = stk_tables_write(path, tables, STK_ARRAY_SIZE(tables));
    stk_arena_clear(&arena);
    return status;
}

static stk_status write_sound(const char *folder, int frames) {
    char path[STK_PATH_MAX];
    const int64_t count = (int64_t)frames * (STK_SAMPLE_RATE / STK_FPS);
    stk_sound sound = {stk_calloc_aligned((size_t)count, sizeof(float)), count, STK_SAMPLE_RATE};
    if (sound.samples == NULL) return stk_fail_memory("sound");
    for (int64_t i = 0; i < count; i++)
        sound.samples[i] = 0.3f * sinf(0.08f * (float)(i % STK_SAMPLE_RATE));
    stk_status status = stk_path_join(path, sizeof path, folder, "audio.wav");
    if (status == STK_OK) status = stk_sound_write_wav(path, &sound);
    stk_free(sound.samples);
    return status;
}

static stk_status write_manifest(const char *folder, int frames, int size, const char *identity) {
    stk_manifest m;
    STK_TRY(stk_manifest_init(&m));
    stk_subject_info *info = &m.info;
    strcpy(info->name, "synthetic");
    snprintf(info->identity, sizeof info->identity, "%s", identity);
    info->frames = frames;
    info->train_frames = 10 * frames / 11;
    info->width = info->height = info->source_width = info->source_height = size;
    info->crop_source_px = (stk_rect){0, 0, size, size};
    info->camera =
        (stk_camera){2.0f * (float)size, 0.5f * (float)size, 0.5f * (float)size, size, size};
    info->head_rect = (stk_rect){size / 8 & ~1, 0, size * 7 / 8 & ~1, size * 3 / 4 & ~1};
    strcpy(info->face_mode, "synthetic");
    strcpy(info->parse_mode, "synthetic");
    m.complete = 1;
    stk_status status = stk_manifest_save(&m, folder);
    stk_manifest_clear(&m);
    return status;
}

stk_status synthetic_subject_write(const char *folder, int frames, int size) {
    char identity[STK_SHA256_TEXT];
    STK_TRY(stk_directory_create(folder));
    STK_TRY(write_videos(folder, frames, size));
    STK_TRY(write_labels(folder, frames, size));
    STK_TRY(write_tables(folder, frames, size, identity));
    STK_TRY(write_sound(folder, frames));
    return write_manifest(folder, frames, size, identity);
}

stk_status synthetic_subject_write_hand(const char *folder, int frames, int size, int from,
                                        int to) {
    hand_from = from, hand_to = to;
    return synthetic_subject_write(folder, frames, size);
}
