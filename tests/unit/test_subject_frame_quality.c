/* test_subject_frame_quality.c - each trouble is found in the frames that have it, with its reason,
 * weighs down their points, and is listed as one range; the rest is left alone. */
#include "support.h"

#include "base/face_mesh.h"
#include "base/image.h"
#include "base/memory.h"
#include "kernels/image.h"
#include "subject/frame_quality.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = 160, FRAMES = 120, POINTS = 40 };
enum { HAND = 20, BLUR = 40, TURN = 60, LOST = 80, NONE = 90, MISFIT = 100, LENGTH = 6 };
static const float FOCAL_PX = 320;

typedef struct clip {
    stk_face_table faces;
    stk_pose_table poses;
    stk_tracks tracks;
    stk_frame_quality quality;
} clip;

static int within(int frame, int first) {
    return frame >= first && frame < first + LENGTH;
}

static stk_pose pose_at(int frame) {
    const float yaw = 0.1f * sinf(0.2f * (float)frame) + (within(frame, TURN) ? 1.0f : 0.0f);
    return (stk_pose){{cosf(yaw), 0, sinf(yaw), 0, 1, 0, -sinf(yaw), 0, cosf(yaw)}, {0, 0, -0.5f}};
}

static void project(const stk_pose *pose, const float head[3], float px[2]) {
    float c[3];
    for (int i = 0; i < 3; i++)
        c[i] = pose->R[3 * i] * head[0] + pose->R[3 * i + 1] * head[1] +
               pose->R[3 * i + 2] * head[2] + pose->t[i];
    px[0] = SIDE / 2.0f - FOCAL_PX * c[0] / c[2];
    px[1] = SIDE / 2.0f + FOCAL_PX * c[1] / c[2];
}

/* Skin with fine texture; a hand is flat and dark. */
static void draw(int frame, stk_image *rgb) {
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            const float fine = within(frame, BLUR) ? 3.0f : 22.0f;
            float v = 130 + 50 * sinf(0.06f * (float)x) * cosf(0.05f * (float)y) +
                      fine * (float)((x * 7 + y * 13) % 5 - 2) / 2;
            if (within(frame, HAND) && y > SIDE / 2) v = 20;
            for (int c = 0; c < 3; c++)
                stk_image_row(rgb, y)[3 * x + c] = (uint8_t)stk_clampf(v, 0, 255);
        }
}

static void make_tracks(stk_tracks *t) {
    *t = (stk_tracks){.frames = FRAMES, .points = POINTS, .width = SIDE, .height = SIDE};
    t->first = stk_calloc_aligned(FRAMES + 1, sizeof *t->first);
    t->list = stk_calloc_aligned((size_t)FRAMES * POINTS, sizeof *t->list);
    t->anchor = stk_calloc_aligned(POINTS, sizeof *t->anchor);
    t->anchor_px = stk_calloc_aligned(POINTS, sizeof *t->anchor_px);
    assert_true(t->first != NULL && t->list != NULL && t->anchor != NULL && t->anchor_px != NULL);
    int64_t count = 0;
    for (int i = 0; i < FRAMES; i++) {
        const int seen = within(i, LOST) ? POINTS / 4 : POINTS;
        for (int k = 0; k < seen; k++) t->list[count++] = (stk_observation){k, 80, 80, 1};
        t->first[i + 1] = count;
    }
}

static void make(clip *c) {
    const float(*mesh)[3] = stk_canonical_face();
    stk_image rgb;
    memset(c, 0, sizeof *c);
    c->faces.frames = c->poses.frames = FRAMES;
    c->faces.found = stk_calloc_aligned(FRAMES, 1);
    c->faces.take = stk_calloc_aligned(FRAMES, sizeof *c->faces.take);
    c->poses.poses = stk_calloc_aligned(FRAMES, sizeof *c->poses.poses);
    c->poses.reprojection_px = stk_calloc_aligned(FRAMES, sizeof *c->poses.reprojection_px);
    assert_true(c->faces.found != NULL && c->faces.take != NULL && c->poses.poses != NULL &&
                c->poses.reprojection_px != NULL);
    TEST_OK(stk_frame_quality_init(&c->quality, FRAMES));
    TEST_OK(stk_image_init(&rgb, SIDE, SIDE, 3));
    make_tracks(&c->tracks);
    const stk_pose front = {{1, 0, 0, 0, 1, 0, 0, 0, 1}, {0, 0, -0.5f}};
    for (int i = 0; i < FRAMES; i++) {
        float points[STK_MESH_LANDMARKS][3] = {{0}};
        c->poses.poses[i] = pose_at(i);
        c->poses.reprojection_px[i] = within(i, MISFIT) ? 3.0f : 0.5f;
        c->faces.found[i] = !within(i, NONE);
        if (!c->faces.found[i]) continue;
        for (int k = 0; k < STK_MESH_LANDMARKS; k++) project(&front, mesh[k], points[k]);
        draw(i, &rgb);
        stk_frame_quality_look(&c->quality, i, &rgb, (const float(*)[3])points);
    }
    stk_image_clear(&rgb);
    TEST_OK(stk_frame_quality_judge(&c->quality, &c->faces, &c->poses, &c->tracks));
}

static void drop(clip *c) {
    stk_frame_quality_clear(&c->quality);
    stk_tracks_clear(&c->tracks);
    stk_face_table_clear(&c->faces);
    stk_pose_table_clear(&c->poses);
}

static int expected(int frame) {
    return within(frame, HAND)     ? STK_HARD_HIDDEN
           : within(frame, BLUR)   ? STK_HARD_BLURRED
           : within(frame, TURN)   ? STK_HARD_TURNED
           : within(frame, LOST)   ? STK_HARD_LOST
           : within(frame, NONE)   ? STK_HARD_NO_FACE
           : within(frame, MISFIT) ? STK_HARD_MISFIT
                                   : 0;
}

static void judge_troubles_are_told_apart(void **state) {
    (void)state;
    clip c;
    make(&c);
    for (int i = 0; i < FRAMES; i++) {
        const int reasons = c.quality.reasons[i] & ~(within(i, HAND) ? STK_HARD_BLURRED : 0);
        if (reasons != expected(i))
            fail_msg("frame %d: reasons %d, not %d (strange %.2f, sharp %.3f, turned %.0f, seen "
                     "%.2f)",
                     i, reasons, expected(i), (double)c.quality.strange[i],
                     (double)c.quality.sharpness[i], (double)c.quality.turn_deg[i],
                     (double)c.quality.seen[i]);
        assert_true(reasons != 0 ? c.quality.weight[i] <= 0.31f : c.quality.weight[i] == 1);
    }
    stk_frame_quality_weigh(&c.quality, &c.tracks);
    assert_float_equal(c.tracks.list[c.tracks.first[0]].weight, 1, 0);
    assert_float_equal(c.tracks.list[c.tracks.first[LOST]].weight, 0.3, 1e-6);
    drop(&c);
}

static void figures_are_one_range_for_each(void **state) {
    (void)state;
    clip c;
    make(&c);
    cJSON *figures = cJSON_CreateObject();
    stk_frame_quality_figures(&c.quality, figures);
    const cJSON *range, *list = cJSON_GetObjectItem(figures, "hard_frames");
    int found = 0;
    cJSON_ArrayForEach(range, list) {
        const int from = cJSON_GetArrayItem(range, 0)->valueint;
        assert_int_equal(cJSON_GetArrayItem(range, 1)->valueint, from + LENGTH - 1);
        found += expected(from) != 0 && expected(from - 1) == 0;
    }
    assert_true(found >= 6);
    assert_float_equal(cJSON_GetNumberValue(cJSON_GetObjectItem(figures, "frames_hard")),
                       6 * LENGTH, 0);
    cJSON_Delete(figures);
    drop(&c);
}

/* A clip whose points could not be adjusted has no places and no errors; it is read back so. */
static void write_without_places_is_read_back(void **state) {
    (void)state;
    clip c;
    char cache[STK_PATH_MAX];
    stk_frame_quality again;
    make(&c);
    stk_prepare prepare = {.settings = {.folder = test_temporary_folder()}};
    prepare.manifest.info.frames = FRAMES;
    TEST_OK(stk_prepare_path(&prepare, "cache", cache));
    TEST_OK(stk_directory_create(cache));
    TEST_OK(stk_frame_quality_write(&c.quality, &prepare));
    TEST_OK(stk_frame_quality_read(&prepare, &again));
    assert_memory_equal(again.reasons, c.quality.reasons, FRAMES);
    assert_int_equal(again.places, 0);
    assert_true(again.error_px[0] < 0);
    stk_frame_quality_clear(&again);
    drop(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(judge_troubles_are_told_apart),
        cmocka_unit_test(figures_are_one_range_for_each),
        cmocka_unit_test(write_without_places_is_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
