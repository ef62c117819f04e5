/* frame_quality.c - see frame_quality.h.
 *
 *   sharpness   the face as PATCH^2 grey pixels; mean |4 g - neighbours| / deviation
 *   strange     the same at STK_FACE_SIDE^2, one mean and contrast, against the clip's mean face:
 *               mean difference in deviations
 *   usual       median over +-AROUND frames of the take (running, by sorting a window)
 *
 * Judging takes one pass a reason; memory 30 bytes a frame and the places of the frames shown.
 */
#include "subject/frame_quality.h"
#include "subject/tables.h"

#include "base/image.h"
#include "base/memory.h"
#include "head_sync/motion_tracker.h"
#include "kernels/image.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PATCH = 64,
    AROUND = 25,       /* frames on either side: a second */
    POINTS_LEAST = 12, /* usual points, below which nothing is said of those lost */
    RANGES_MOST = 200,
    RANGE_GAP = 4, /* frames between two ranges of one reason that make them one */
};
static const float LEVELS = 32; /* of a small picture, a deviation */
/* Turned farther, half of the mesh's rigid vertices are out of sight. */
static const float TURNED_DEG = 40;
static const float STRANGE_RATIO = 2.5f,
                   STRANGE_LEAST = 0.5f; /* of the clip's median; deviations */
static const float SEEN_LEAST = 0.5f;    /* of the usual points */
static const float SHARP_LEAST = 0.6f;   /* of the usual sharpness */
static const float MISFIT_RATIO = 2.5f;  /* of the clip's median landmark error */
static const float MISFIT_SIDE = 0.004f; /* and of the picture's side (2 px at 512) */
static const float HARD_WEIGHT = 0.3f;   /* for each reason: errors about twice as large */
static const char *const reason_names[STK_HARD_REASONS] = {
    "no face", "turned away", "hidden", "points lost", "blurred", "mesh does not fit"};

stk_status stk_frame_quality_init(stk_frame_quality *q, int frames) {
    const size_t n = (size_t)frames;
    *q = (stk_frame_quality){.frames = frames,
                             .shown = frames < STK_OVERLAY_FRAMES ? frames : STK_OVERLAY_FRAMES};
    q->sharpness = stk_calloc_aligned(n, sizeof *q->sharpness);
    q->strange = stk_calloc_aligned(n, sizeof *q->strange);
    q->face = stk_calloc_aligned(n, sizeof *q->face);
    q->turn_deg = stk_calloc_aligned(n, sizeof *q->turn_deg);
    q->seen = stk_calloc_aligned(n, sizeof *q->seen);
    q->error_px = stk_calloc_aligned(n, sizeof *q->error_px);
    q->weight = stk_calloc_aligned(n, sizeof *q->weight);
    q->reasons = stk_calloc_aligned(n, 1);
    q->first = stk_calloc_aligned((size_t)q->shown + 1, sizeof *q->first);
    if (q->sharpness == NULL || q->strange == NULL || q->face == NULL || q->turn_deg == NULL ||
        q->seen == NULL || q->error_px == NULL || q->weight == NULL || q->reasons == NULL ||
        q->first == NULL)
        return stk_fail_memory("the frames' quality");
    for (int i = 0; i < frames; i++) q->error_px[i] = -1;
    return STK_OK;
}

void stk_frame_quality_clear(stk_frame_quality *q) {
    stk_free(q->sharpness);
    stk_free(q->strange);
    stk_free(q->face);
    stk_free(q->turn_deg);
    stk_free(q->seen);
    stk_free(q->error_px);
    stk_free(q->weight);
    stk_free(q->reasons);
    stk_free(q->first);
    stk_free(q->places_px);
    *q = (stk_frame_quality){0};
}

/* --- sharpness -------------------------------------------------------------------------------- */

/* From cheek to cheek and from the forehead to the chin of a closed mouth, within the picture; 0
 * when next to nothing of it is. */
static int face_box(const float (*points)[3], const stk_image *rgb, stk_rect *box) {
    enum { FOREHEAD = 10, BELOW_NOSE = 2 };
    static const float BELOW = 1.6f; /* chin, in heights of the nose's foot */
    const float y0 = points[FOREHEAD][1], y1 = y0 + BELOW * (points[BELOW_NOSE][1] - y0);
    float x0 = INFINITY, x1 = -INFINITY;
    for (int i = 0; i < STK_MESH_LANDMARKS; i++) {
        x0 = fminf(x0, points[i][0]);
        x1 = fmaxf(x1, points[i][0]);
    }
    *box = (stk_rect){
        (int)stk_clampf(x0, 0, (float)rgb->width), (int)stk_clampf(y0, 0, (float)rgb->height),
        (int)stk_clampf(x1, 0, (float)rgb->width), (int)stk_clampf(y1, 0, (float)rgb->height)};
    return box->x1 - box->x0 >= 8 && box->y1 - box->y0 >= 8;
}

/* Sharpness; face: the patch's small picture, 128 + 32 a deviation. */
static float measure_patch(const uint8_t pixels[PATCH * PATCH * 3], uint8_t face[STK_FACE_PIXELS]) {
    enum { BLOCK = PATCH / STK_FACE_SIDE };
    float grey[PATCH][PATCH], blocks[STK_FACE_PIXELS] = {0}, sum = 0, squares = 0, edges = 0;
    for (int y = 0; y < PATCH; y++)
        for (int x = 0; x < PATCH; x++) {
            const uint8_t *p = pixels + (ptrdiff_t)3 * (y * PATCH + x);
            grey[y][x] = 0.299f * p[0] + 0.587f * p[1] + 0.114f * p[2];
            blocks[y / BLOCK * STK_FACE_SIDE + x / BLOCK] += grey[y][x] / (BLOCK * BLOCK);
            sum += grey[y][x];
            squares += grey[y][x] * grey[y][x];
        }
    for (int y = 1; y < PATCH - 1; y++)
        for (int x = 1; x < PATCH - 1; x++)
            edges += fabsf(4 * grey[y][x] - grey[y - 1][x] - grey[y + 1][x] - grey[y][x - 1] -
                           grey[y][x + 1]);
    const float n = PATCH * PATCH, mean = sum / n;
    const float deviation = fmaxf(sqrtf(fmaxf(squares / n - mean * mean, 0)), 4);
    for (int k = 0; k < STK_FACE_PIXELS; k++)
        face[k] = (uint8_t)stk_clampf(128 + LEVELS * (blocks[k] - mean) / deviation, 1, 255);
    return edges / ((PATCH - 2) * (PATCH - 2) * deviation);
}

void stk_frame_quality_look(stk_frame_quality *q, int frame, const stk_image *rgb,
                            const float (*points)[3]) {
    uint8_t pixels[PATCH * PATCH * 3];
    stk_image patch = {pixels, PATCH, PATCH, 3, (ptrdiff_t)3 * PATCH};
    stk_rect box;
    if (!face_box(points, rgb, &box)) return;
    const stk_image face = stk_image_view(rgb, box);
    stk_image_resize(&patch, &face);
    q->sharpness[frame] = measure_patch(pixels, q->face[frame]);
}

/* Each face (those looked at: no pixel is 0) against the mean of those whose `strange` is at most
 * `limit`. */
static void compare_faces(stk_frame_quality *q, float limit) {
    float mean[STK_FACE_PIXELS] = {0}, count = 0;
    for (int i = 0; i < q->frames; i++) {
        if (q->face[i][0] == 0 || q->strange[i] > limit) continue;
        for (int k = 0; k < STK_FACE_PIXELS; k++) mean[k] += q->face[i][k];
        count++;
    }
    for (int i = 0; i < q->frames; i++) {
        float sum = 0;
        for (int k = 0; k < STK_FACE_PIXELS && q->face[i][0] != 0; k++)
            sum += fabsf(q->face[i][k] - mean[k] / fmaxf(count, 1));
        q->strange[i] = q->face[i][0] != 0 ? sum / (STK_FACE_PIXELS * LEVELS) : -1;
    }
}

/* --- judging ---------------------------------------------------------------------------------- */

static int compare_floats(const void *a, const void *b) {
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Median of values around a frame, within its take; those not above 0 do not count. */
static float usual(const float *values, const int32_t *take, int frames, int at) {
    float window[2 * AROUND + 1];
    int count = 0;
    for (int k = at - AROUND; k <= at + AROUND; k++)
        if (k >= 0 && k < frames && take[k] == take[at] && values[k] > 0)
            window[count++] = values[k];
    qsort(window, (size_t)count, sizeof *window, compare_floats);
    return count > 0 ? window[count / 2] : 0;
}

/* Angle between the face's z axis and the way to the camera. */
static float turn_deg(const stk_pose *pose) {
    const float *R = pose->R, *t = pose->t;
    const float far = sqrtf(t[0] * t[0] + t[1] * t[1] + t[2] * t[2]);
    const float along = -(R[2] * t[0] + R[5] * t[1] + R[8] * t[2]) / fmaxf(far, 1e-6f);
    return acosf(stk_clampf(along, -1, 1)) * 57.29578f;
}

/* How far the face's axis goes to the sides or up and down, whichever is more: from the 5th to the
 * 95th in a hundred. sorted [frames] is scratch. */
static float turn_range_deg(const stk_pose_table *poses, float *sorted) {
    float most = 0;
    const int n = poses->frames;
    for (int row = 0; row < 2; row++) {
        for (int i = 0; i < n; i++) {
            const float *R = poses->poses[i].R;
            sorted[i] = atan2f(R[3 * row + 2], R[8]) * 57.29578f;
        }
        qsort(sorted, (size_t)n, sizeof *sorted, compare_floats);
        most = fmaxf(most, sorted[(95 * (n - 1)) / 100] - sorted[(5 * (n - 1)) / 100]);
    }
    return most;
}

static void count_seen(stk_frame_quality *q, const stk_tracks *tracks) {
    for (int i = 0; i < q->frames; i++) {
        float count = 0;
        for (int64_t k = tracks->first[i]; k < tracks->first[i + 1]; k++)
            count += tracks->list[k].weight > 0;
        q->seen[i] = count;
    }
}

/* Most points that any frame up to a second away has: a hand that rests on the face is not usual,
 * a take's first frames have as many as those behind. */
static float usual_points(const float *counts, const int32_t *take, int frames, int at) {
    float most = 0;
    for (int k = at - AROUND; k <= at + AROUND; k++)
        if (k >= 0 && k < frames && take[k] == take[at]) most = fmaxf(most, counts[k]);
    return most;
}

/* Of the values that are not negative; sorted [frames] is scratch. */
static float median_of(const float *values, int frames, float *sorted) {
    int count = 0;
    for (int i = 0; i < frames; i++)
        if (values[i] >= 0) sorted[count++] = values[i];
    qsort(sorted, (size_t)count, sizeof *sorted, compare_floats);
    return count > 0 ? sorted[count / 2] : 0;
}

static int reasons_of(const stk_frame_quality *q, const stk_face_table *faces,
                      const stk_pose_table *poses, float misfit_px, float strange, int i) {
    if (!faces->found[i]) return STK_HARD_NO_FACE;
    const float sharp = usual(q->sharpness, faces->take, q->frames, i);
    int reasons = 0;
    if (q->turn_deg[i] > TURNED_DEG) reasons |= STK_HARD_TURNED;
    if (!reasons && q->strange[i] > strange) reasons |= STK_HARD_HIDDEN;
    if (q->seen[i] < SEEN_LEAST) reasons |= STK_HARD_LOST;
    if (q->sharpness[i] < SHARP_LEAST * sharp) reasons |= STK_HARD_BLURRED;
    if (poses->reprojection_px[i] > misfit_px) reasons |= STK_HARD_MISFIT;
    return reasons;
}

stk_status stk_frame_quality_judge(stk_frame_quality *q, const stk_face_table *faces,
                                   const stk_pose_table *poses, const stk_tracks *tracks) {
    float *counts = stk_calloc_aligned((size_t)q->frames, sizeof *counts);
    if (counts == NULL) return stk_fail_memory("the frames' quality");
    const float median = median_of(poses->reprojection_px, q->frames, counts);
    const float misfit = fmaxf(MISFIT_RATIO * median, MISFIT_SIDE * (float)tracks->width);
    compare_faces(q, INFINITY);
    compare_faces(q, median_of(q->strange, q->frames, counts));
    const float strange =
        fmaxf(STRANGE_RATIO * median_of(q->strange, q->frames, counts), STRANGE_LEAST);
    q->turn_range_deg = turn_range_deg(poses, counts);
    count_seen(q, tracks);
    memcpy(counts, q->seen, (size_t)q->frames * sizeof *counts);
    for (int i = 0; i < q->frames; i++) {
        const float most = usual_points(counts, faces->take, q->frames, i);
        q->seen[i] = most >= POINTS_LEAST ? counts[i] / most : 1;
        q->turn_deg[i] = turn_deg(&poses->poses[i]);
    }
    for (int i = 0; i < q->frames; i++) {
        q->reasons[i] = (uint8_t)reasons_of(q, faces, poses, misfit, strange, i);
        q->weight[i] = 1;
        for (int bit = 0; bit < STK_HARD_REASONS; bit++)
            if (q->reasons[i] >> bit & 1) q->weight[i] *= HARD_WEIGHT;
    }
    stk_free(counts);
    return STK_OK;
}

void stk_frame_quality_weigh(const stk_frame_quality *q, stk_tracks *tracks) {
    for (int i = 0; i < q->frames; i++)
        for (int64_t k = tracks->first[i]; k < tracks->first[i + 1]; k++)
            tracks->list[k].weight *= q->weight[i];
}

/* --- after adjustment ------------------------------------------------------------------------- */

/* Median distance from where the pose alone puts the points: the brows' lift counts as error. */
static float frame_error(const stk_tracks *tracks, const stk_bundle *b, int frame, float *errors) {
    int count = 0;
    for (int64_t k = tracks->first[frame]; k < tracks->first[frame + 1]; k++) {
        const stk_observation *o = &tracks->list[k];
        float px[2];
        if (!(o->weight > 0) || !b->kept[o->point]) continue;
        stk_pose_project(&b->camera, &b->poses[frame], b->points_head[o->point], px);
        errors[count++] = hypotf(px[0] - o->x_px, px[1] - o->y_px);
    }
    qsort(errors, (size_t)count, sizeof *errors, compare_floats);
    return count > 0 ? errors[count / 2] : -1;
}

stk_status stk_frame_quality_measure(stk_frame_quality *q, const stk_tracks *tracks,
                                     const stk_bundle *b) {
    const size_t room = (size_t)tracks->first[q->shown] + 1;
    float *errors = stk_calloc_aligned((size_t)tracks->points + 1, sizeof *errors);
    q->places_px = stk_calloc_aligned(room, sizeof *q->places_px);
    if (errors == NULL || q->places_px == NULL) {
        stk_free(errors);
        return stk_fail_memory("the frames' quality");
    }
    for (int i = 0; i < q->frames; i++) {
        q->error_px[i] = frame_error(tracks, b, i, errors);
        if (i >= q->shown) continue;
        for (int64_t k = tracks->first[i]; k < tracks->first[i + 1]; k++) {
            const stk_observation *o = &tracks->list[k];
            if (!(o->weight > 0) || !b->kept[o->point]) continue;
            q->places_px[q->places][0] = o->x_px;
            q->places_px[q->places++][1] = o->y_px;
        }
        q->first[i + 1] = q->places;
    }
    stk_free(errors);
    return STK_OK;
}

/* --- ranges ----------------------------------------------------------------------------------- */

static void add_range(cJSON *list, int from, int last, const char *reason) {
    cJSON *range = cJSON_CreateArray();
    cJSON_AddItemToArray(range, cJSON_CreateNumber(from));
    cJSON_AddItemToArray(range, cJSON_CreateNumber(last));
    cJSON_AddItemToArray(range, cJSON_CreateString(reason));
    cJSON_AddItemToArray(list, range);
}

void stk_frame_quality_figures(const stk_frame_quality *q, cJSON *figures) {
    cJSON *list = cJSON_AddArrayToObject(figures, "hard_frames");
    int hard = 0, listed = 0;
    for (int i = 0; i < q->frames; i++) hard += q->reasons[i] != 0;
    for (int bit = 0; bit < STK_HARD_REASONS; bit++) {
        int from = -1, last = -1;
        for (int i = 0; i <= q->frames; i++) {
            const int set = i < q->frames && (q->reasons[i] >> bit & 1);
            if (set && from < 0) from = i;
            if (set) last = i;
            if (from < 0 || (i < q->frames && i - last <= RANGE_GAP)) continue;
            if (listed++ < RANGES_MOST) add_range(list, from, last, reason_names[bit]);
            from = -1;
        }
    }
    stk_figure(figures, "frames_hard", hard, 0);
    stk_figure(figures, "turn_range_deg", (double)q->turn_range_deg, 2);
}

void stk_frame_reasons_text(int reasons, char *text, size_t size) {
    text[0] = '\0';
    for (int bit = 0; bit < STK_HARD_REASONS; bit++) {
        const size_t used = strlen(text);
        if (reasons >> bit & 1)
            snprintf(text + used, size - used, "%s%s", used > 0 ? ", " : "", reason_names[bit]);
    }
}

/* --- file ------------------------------------------------------------------------------------- */

static const char *const file_name = "cache/quality.safetensors";

stk_status stk_frame_quality_write(const stk_frame_quality *q, const stk_prepare *prepare) {
    char path[STK_PATH_MAX];
    const int64_t n = q->frames;
    static const float nothing[1][2];
    const stk_table tables[] = {
        {"sharpness", STK_F32, 1, {n}, q->sharpness},
        {"strange", STK_F32, 1, {n}, q->strange},
        {"turn_deg", STK_F32, 1, {n}, q->turn_deg},
        {"seen", STK_F32, 1, {n}, q->seen},
        {"error_px", STK_F32, 1, {n}, q->error_px},
        {"weight", STK_F32, 1, {n}, q->weight},
        {"places_px",
         STK_F32,
         2,
         {q->places, 2},
         q->places > 0 ? (const void *)q->places_px : nothing},
        {"first", STK_I64, 1, {q->shown + 1}, q->first},
        {"reasons", STK_U8, 1, {n}, q->reasons},
    };
    STK_TRY(stk_prepare_path(prepare, file_name, path));
    return stk_tables_write(path, tables, STK_ARRAY_SIZE(tables));
}

static stk_status read_tables(const stk_safetensors *file, const char *path, stk_frame_quality *q) {
    const int64_t n = q->frames;
    const struct {
        stk_table table;
        void *out;
    } all[] = {{{"sharpness", STK_F32, 1, {n}, NULL}, q->sharpness},
               {{"strange", STK_F32, 1, {n}, NULL}, q->strange},
               {{"turn_deg", STK_F32, 1, {n}, NULL}, q->turn_deg},
               {{"seen", STK_F32, 1, {n}, NULL}, q->seen},
               {{"error_px", STK_F32, 1, {n}, NULL}, q->error_px},
               {{"weight", STK_F32, 1, {n}, NULL}, q->weight},
               {{"first", STK_I64, 1, {q->shown + 1}, NULL}, q->first},
               {{"reasons", STK_U8, 1, {n}, NULL}, q->reasons}};
    for (size_t i = 0; i < STK_ARRAY_SIZE(all); i++)
        STK_TRY(stk_table_copy(file, path, &all[i].table, all[i].out));
    q->places = q->first[q->shown];
    if (q->first[0] != 0 || q->places < 0) q->places = 0;
    for (int i = 0; i < q->shown; i++)
        if (q->first[i + 1] < q->first[i])
            return stk_fail(STK_ERR_FORMAT, "%s: is damaged; delete it and prepare again", path);
    const stk_table places = {"places_px", STK_F32, 2, {q->places, 2}, NULL};
    q->places_px = stk_calloc_aligned((size_t)q->places + 1, sizeof *q->places_px);
    if (q->places_px == NULL) return stk_fail_memory("the frames' quality");
    return stk_table_copy(file, path, &places, q->places_px);
}

stk_status stk_frame_quality_read(const stk_prepare *prepare, stk_frame_quality *q) {
    char path[STK_PATH_MAX];
    stk_safetensors *file;
    STK_TRY(stk_frame_quality_init(q, prepare->manifest.info.frames));
    STK_TRY(stk_prepare_path(prepare, file_name, path));
    STK_TRY(stk_safetensors_open(&file, path));
    stk_status status = read_tables(file, path, q);
    stk_safetensors_close(&file);
    return status;
}
