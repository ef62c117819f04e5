/* step_face.c - landmarks and blendshapes of every frame (Facial Animation Capturer,
 * [SyncTalk] 3.1).
 *
 *   picture.mp4 -> chunks of CHUNK frames over the pool
 *     -> 478 landmarks, 52 blendshapes, found or not, a small grey picture
 *     -> a second face? face lost? -> one sentence
 *     -> cuts (cuts.h); per take: short gaps filled between their neighbours, blendshapes smoothed
 *     -> cache/face.safetensors
 */
#include "subject/cuts.h"
#include "subject/prepare.h"
#include "subject/tables.h"

#include "base/memory.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    CHUNK = 60,       /* frames that one follower handles; borders are fixed */
    WARM = 3,         /* frames until the follower's crop has settled */
    CHECK_EVERY = 25, /* frames between two looks for a second face */
    GAP_MAX = 11,     /* frames without a face that may be filled in */
    BOXES = 4,
    CUTS_LISTED = 1000, /* at most */
};
static const float gaps_share_max = 0.05f;
static const float second_face_min = 0.5f; /* of the first one's height */
static const float second_score_min = 0.6f;

typedef struct face_work {
    const stk_prepare *prepare;
    stk_landmarks *landmarks;
    float (*blendshapes)[STK_BLENDSHAPES];
    uint8_t *found, *second;
    uint8_t (*grey)[STK_CUT_PIXELS]; /* what cuts are looked for in */
    int32_t *take;                   /* rising at each cut */
    char mode[96];
} face_work;

/* --- one frame -------------------------------------------------------------------------------- */

static stk_status open_capture(void *ctx, void **handle) {
    face_work *work = ctx;
    stk_face_capture *capture;
    STK_TRY(stk_face_capture_create(&capture, work->prepare->settings.models));
    *handle = capture;
    return STK_OK;
}

static void close_capture(void *handle) {
    stk_face_capture *capture = handle;
    stk_face_capture_free(&capture);
}

static void reset_capture(void *handle) {
    stk_face_capture_reset(handle);
}

static float overlap(const float a[5], const float b[5]) {
    float w = fminf(a[2], b[2]) - fmaxf(a[0], b[0]), h = fminf(a[3], b[3]) - fmaxf(a[1], b[1]);
    float smaller = fminf((a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1]));
    return w > 0 && h > 0 && smaller > 0 ? w * h / smaller : 0.0f;
}

static stk_status look_for_second(face_work *work, stk_face_capture *capture, int frame,
                                  const stk_image *rgb) {
    float boxes[BOXES][5];
    int count;
    STK_TRY(stk_face_capture_detect(capture, rgb, boxes, BOXES, &count));
    for (int i = 1; i < count; i++) {
        float share = (boxes[i][3] - boxes[i][1]) / fmaxf(1.0f, boxes[0][3] - boxes[0][1]);
        if (share > second_face_min && boxes[i][4] > second_score_min &&
            overlap(boxes[0], boxes[i]) < 0.2f)
            work->second[frame] = 1;
    }
    return STK_OK;
}

static stk_status capture_frame(void *ctx, void *handle, int frame, int keep,
                                const stk_image *rgb) {
    face_work *work = ctx;
    stk_face face;
    int found;
    STK_TRY(stk_face_capture_frame(handle, rgb, &face, &found));
    if (!keep) return STK_OK;
    stk_cut_look(rgb, work->grey[frame]);
    work->found[frame] = (uint8_t)found;
    if (found) {
        work->landmarks[frame] = face.landmarks;
        memcpy(work->blendshapes[frame], face.blendshapes, sizeof face.blendshapes);
    }
    if (frame % CHECK_EVERY == CHECK_EVERY / 2) return look_for_second(work, handle, frame, rgb);
    return STK_OK;
}

/* --- what the clip must be -------------------------------------------------------------------- */

static stk_status check_second(const face_work *work, int frames, cJSON *figures) {
    const stk_prepare *p = work->prepare;
    int first = -1, count = 0, checked = 0;
    for (int i = CHECK_EVERY / 2; i < frames; i += CHECK_EVERY, checked++) {
        if (!work->second[i]) continue;
        if (first < 0) first = i;
        count++;
    }
    stk_figure(figures, "second_face_checks", checked, 0);
    if (count == 0) return STK_OK;
    return stk_fail(STK_ERR_CONTENT,
                    "%s: a second large face is in the picture at frame %d (%.2f s) and %d more of "
                    "the %d frames looked at; cut the clip or crop it so that one person is seen",
                    p->settings.clip, first, stk_prepare_time_s(p, first), count - 1, checked);
}

/* How many frames have a part of the face's mesh outside the square: it stands still, so that a
 * person who walks leaves it. */
static void count_cut_faces(const face_work *work, int frames, cJSON *figures) {
    const float size = (float)work->prepare->settings.size;
    int cut = 0;
    for (int i = 0; i < frames; i++) {
        int outside = 0;
        for (int k = 0; k < STK_MESH_LANDMARKS && work->found[i]; k++) {
            const float *p = work->landmarks[i].xyz[k];
            outside |= p[0] < 0 || p[1] < 0 || p[0] > size || p[1] > size;
        }
        cut += outside;
    }
    stk_figure(figures, "face_cut_frames", cut, 0);
}

/* First frame and end of the longest part in which every frame shows the face. */
static void longest_part(const face_work *work, int frames, int part[2]) {
    part[0] = part[1] = 0;
    for (int i = 0, from = 0; i < frames; i++) {
        if (!work->found[i]) from = i + 1;
        if (i + 1 - from > part[1] - part[0]) part[0] = from, part[1] = i + 1;
    }
}

static stk_status check_found(const face_work *work, int frames, cJSON *figures) {
    const stk_prepare *p = work->prepare;
    int lost = 0, first = -1, first_long = -1, longest = 0, length = 0, part[2];
    for (int i = 0; i < frames; i++) {
        length = work->found[i] ? 0 : length + 1;
        lost += length > 0;
        if (length == 1 && first < 0) first = i;
        if (length > GAP_MAX && first_long < 0) first_long = i - length + 1;
        if (length > longest) longest = length;
    }
    stk_figure(figures, "faces_found", frames - lost, 0);
    stk_figure(figures, "longest_gap", longest, 0);
    if (lost == frames)
        return stk_fail(STK_ERR_CONTENT,
                        "%s: no face was found in any of its %d frames; use a clip that shows one "
                        "person from the front, upright",
                        p->settings.clip, frames);
    int too_many = (float)lost > gaps_share_max * (float)frames;
    if (first_long < 0 && !too_many) return STK_OK;
    int at = first_long >= 0 ? first_long : first;
    longest_part(work, frames, part);
    return stk_fail(STK_ERR_CONTENT,
                    "%s: the face is lost at frame %d (%.2f s): %d of %d frames show none, %d in a "
                    "row at most; cut the clip to a part where the face is seen throughout, the "
                    "longest of which is %.2f to %.2f s",
                    p->settings.clip, at, stk_prepare_time_s(p, at), lost, frames, longest,
                    stk_prepare_time_s(p, part[0]), stk_prepare_time_s(p, part[1]));
}

/* --- cuts, gaps ------------------------------------------------------------------------------- */

static stk_status find_cuts(face_work *work, int frames, cJSON *figures) {
    float *moved = stk_calloc_aligned((size_t)frames, sizeof *moved);
    if (moved == NULL) return stk_fail_memory("landmarks");
    for (int i = 1; i < frames; i++)
        moved[i] = work->found[i - 1] && work->found[i]
                       ? stk_cut_face_movement(&work->landmarks[i - 1], &work->landmarks[i])
                       : -1.0f;
    stk_status status =
        stk_cuts_find((const uint8_t(*)[STK_CUT_PIXELS])work->grey, moved, frames, work->take);
    stk_free(moved);
    STK_TRY(status);
    cJSON *list = cJSON_AddArrayToObject(figures, "cut_frames");
    for (int i = 1, listed = 0; i < frames && listed < CUTS_LISTED; i++) {
        if (work->take[i] == work->take[i - 1]) continue;
        cJSON_AddItemToArray(list, cJSON_CreateNumber(i));
        listed++;
    }
    stk_figure(figures, "cuts", work->take[frames - 1], 0);
    return STK_OK;
}

/* One frame as the mixture of two that have a face. */
static void fill_frame(face_work *work, int frame, int a, int b) {
    const float t = a == b ? 0.0f : (float)(frame - a) / (float)(b - a);
    const float *la = &work->landmarks[a].xyz[0][0], *lb = &work->landmarks[b].xyz[0][0];
    float *out = &work->landmarks[frame].xyz[0][0];
    for (int k = 0; k < STK_LANDMARKS * 3; k++) out[k] = la[k] + t * (lb[k] - la[k]);
    for (int k = 0; k < STK_BLENDSHAPES; k++)
        work->blendshapes[frame][k] =
            work->blendshapes[a][k] + t * (work->blendshapes[b][k] - work->blendshapes[a][k]);
    work->landmarks[frame].count = work->landmarks[a].count;
}

/* Frames without a face take the mixture of the nearest ones of their take that have one; a take
 * without any takes the nearest face there is. */
static void fill_gaps(face_work *work, int frames) {
    int before = -1;
    for (int i = 0; i < frames; i++) {
        if (work->found[i]) {
            before = i;
            continue;
        }
        int after = i;
        while (after < frames && !work->found[after]) after++;
        const int left = before >= 0 && work->take[before] == work->take[i];
        const int right = after < frames && work->take[after] == work->take[i];
        const int a = before >= 0 && (left || !right) ? before : after;
        fill_frame(work, i, a, left && right ? after : a);
    }
}

static void smooth_blendshapes(face_work *work, int frames) {
    for (int from = 0, to; from < frames; from = to) {
        for (to = from + 1; to < frames && work->take[to] == work->take[from];) to++;
        for (int k = 0; k < STK_BLENDSHAPES; k++)
            stk_blendshapes_smooth(&work->blendshapes[from][k], to - from, STK_BLENDSHAPES);
    }
}

/* --- the step --------------------------------------------------------------------------------- */

static stk_status write_faces(const stk_prepare *prepare, const face_work *work, int frames) {
    char path[STK_PATH_MAX];
    float(*points)[STK_LANDMARKS][3] = stk_calloc_aligned((size_t)frames, sizeof *points);
    if (points == NULL) return stk_fail_memory("landmarks");
    for (int i = 0; i < frames; i++) memcpy(points[i], work->landmarks[i].xyz, sizeof points[i]);
    const stk_table tables[] = {
        {"landmarks", STK_F32, 3, {frames, STK_LANDMARKS, 3}, points},
        {"blendshapes", STK_F32, 2, {frames, STK_BLENDSHAPES}, work->blendshapes},
        {"take", STK_I32, 1, {frames}, work->take},
        {"found", STK_U8, 1, {frames}, work->found},
    };
    stk_status status = stk_prepare_path(prepare, "cache", path);
    if (status == STK_OK) status = stk_directory_create(path);
    if (status == STK_OK) status = stk_prepare_path(prepare, "cache/face.safetensors", path);
    if (status == STK_OK) status = stk_tables_write(path, tables, STK_ARRAY_SIZE(tables));
    stk_free(points);
    return status;
}

static stk_status capture_clip(stk_prepare *prepare, face_work *work, cJSON *figures) {
    int frames = prepare->manifest.info.frames;
    stk_face_capture *capture; /* says the mode, and whether there are weights at all */
    STK_TRY(stk_face_capture_create(&capture, prepare->settings.models));
    snprintf(prepare->manifest.info.face_mode, sizeof prepare->manifest.info.face_mode, "%s",
             stk_face_capture_mode(capture));
    stk_face_capture_free(&capture);
    const stk_frame_work frame_work = {.chunk = CHUNK,
                                       .warm = WARM,
                                       .ctx = work,
                                       .open = open_capture,
                                       .close = close_capture,
                                       .reset = reset_capture,
                                       .frame = capture_frame};
    STK_TRY(stk_frames_run(prepare, &frame_work));
    STK_TRY(check_second(work, frames, figures));
    STK_TRY(check_found(work, frames, figures));
    count_cut_faces(work, frames, figures);
    STK_TRY(find_cuts(work, frames, figures));
    fill_gaps(work, frames);
    smooth_blendshapes(work, frames);
    return write_faces(prepare, work, frames);
}

stk_status stk_step_face(stk_prepare *prepare, cJSON *figures) {
    size_t n = (size_t)prepare->manifest.info.frames;
    face_work work = {.prepare = prepare};
    work.landmarks = stk_calloc_aligned(n, sizeof *work.landmarks);
    work.blendshapes = stk_calloc_aligned(n, sizeof *work.blendshapes);
    work.found = stk_calloc_aligned(n, 1);
    work.second = stk_calloc_aligned(n, 1);
    work.grey = stk_calloc_aligned(n, sizeof *work.grey);
    work.take = stk_calloc_aligned(n, sizeof *work.take);
    stk_status status = work.landmarks != NULL && work.blendshapes != NULL && work.found != NULL &&
                                work.second != NULL && work.grey != NULL && work.take != NULL
                            ? capture_clip(prepare, &work, figures)
                            : stk_fail_memory("landmarks");
    stk_free(work.landmarks);
    stk_free(work.blendshapes);
    stk_free(work.found);
    stk_free(work.second);
    stk_free(work.grey);
    stk_free(work.take);
    return status;
}

/* --- reading it back -------------------------------------------------------------------------- */

static stk_status read_faces(const stk_safetensors *file, const char *path, int blendshapes,
                             stk_face_table *t) {
    const int64_t n = t->frames;
    const stk_table points = {"landmarks", STK_F32, 3, {n, STK_LANDMARKS, 3}, NULL};
    const stk_table shapes = {"blendshapes", STK_F32, 2, {n, STK_BLENDSHAPES}, NULL};
    const stk_table found = {"found", STK_U8, 1, {n}, NULL};
    const stk_table take = {"take", STK_I32, 1, {n}, NULL};
    const void *rows;
    void *owned;
    t->landmarks = stk_calloc_aligned((size_t)n, sizeof *t->landmarks);
    t->found = stk_calloc_aligned((size_t)n, 1);
    t->take = stk_calloc_aligned((size_t)n, sizeof *t->take);
    if (blendshapes) t->blendshapes = stk_calloc_aligned((size_t)n, sizeof *t->blendshapes);
    if (t->landmarks == NULL || t->found == NULL || t->take == NULL ||
        (blendshapes && t->blendshapes == NULL))
        return stk_fail_memory("landmarks");
    STK_TRY(stk_table_copy(file, path, &found, t->found));
    STK_TRY(stk_table_copy(file, path, &take, t->take));
    if (blendshapes) STK_TRY(stk_table_copy(file, path, &shapes, t->blendshapes));
    STK_TRY(stk_table_view(file, path, &points, &rows, &owned));
    for (int i = 0; i < t->frames; i++) {
        stk_landmarks *l = &t->landmarks[i];
        memcpy(l->xyz, (const float *)rows + (size_t)i * STK_LANDMARKS * 3, sizeof l->xyz);
        l->count = STK_LANDMARKS;
        l->score = 1.0f;
    }
    stk_free(owned);
    return STK_OK;
}

stk_status stk_face_table_read(const stk_prepare *prepare, int with_blendshapes,
                               stk_face_table *table) {
    char path[STK_PATH_MAX];
    stk_safetensors *file;
    *table = (stk_face_table){.frames = prepare->manifest.info.frames};
    STK_TRY(stk_prepare_path(prepare, "cache/face.safetensors", path));
    STK_TRY(stk_safetensors_open(&file, path));
    stk_status status = read_faces(file, path, with_blendshapes, table);
    stk_safetensors_close(&file);
    if (status != STK_OK) stk_face_table_clear(table);
    return status;
}

void stk_face_table_clear(stk_face_table *table) {
    stk_free(table->landmarks);
    stk_free(table->blendshapes);
    stk_free(table->found);
    stk_free(table->take);
    *table = (stk_face_table){0};
}
