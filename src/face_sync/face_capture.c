/* face_capture.c - follows one face through a clip. See face_capture.h for the data flow.
 *
 * A face that is being followed is looked for where its landmarks were; the detector runs only at
 * the start, after a reset and when presence drops. A fresh face is refined once: the second crop
 * comes from the landmarks of the first, as it will for the next frames.
 */
#include "face_sync/face_capture.h"
#include "face_sync/face_graphs.h"
#include "base/file.h"
#include "base/memory.h"
#include "nn/weights.h"
#include "tflite/bundle.h"

#include <math.h>
#include <string.h>

static const float PRESENCE = 0.5f, SMALLEST_PX = 16;

struct stk_face_capture {
    stk_map files[2]; /* the .task, or detector and mesh */
    const char *mode;
    stk_face_detector detector;
    stk_face_mesh mesh;
    stk_face_expression expression;
    int following;
    stk_landmarks last;
};

static stk_status open_member(stk_face_capture *capture, const char *member, stk_tflite **graph) {
    const char *label = "face_landmarker.task";
    const uint8_t *bytes;
    size_t size;
    STK_TRY(stk_bundle_find(capture->files[0].data, capture->files[0].size, label, member, &bytes,
                            &size));
    return stk_tflite_open(graph, bytes, size, member);
}

static stk_status open_task(stk_face_capture *capture, const char *path) {
    stk_tflite *graph;
    STK_TRY(stk_map_open(&capture->files[0], path));
    STK_TRY(open_member(capture, "face_detector.tflite", &graph));
    STK_TRY(stk_face_detector_init(&capture->detector, graph));
    STK_TRY(open_member(capture, "face_landmarks_detector.tflite", &graph));
    STK_TRY(stk_face_mesh_init(&capture->mesh, graph));
    STK_TRY(open_member(capture, "face_blendshapes.tflite", &graph));
    capture->mode = "face_landmarker.task";
    return stk_face_expression_init(&capture->expression, graph);
}

static stk_status open_file(stk_face_capture *capture, int slot, const char *models,
                            const char *name, stk_tflite **graph) {
    char path[STK_PATH_MAX];
    STK_TRY(stk_weights_find(models, name, path));
    STK_TRY(stk_map_open(&capture->files[slot], path));
    return stk_tflite_open(graph, capture->files[slot].data, capture->files[slot].size, name);
}

static stk_status open_separate(stk_face_capture *capture, const char *models) {
    stk_tflite *graph;
    STK_TRY(open_file(capture, 0, models, "face_detection_short_range.tflite", &graph));
    STK_TRY(stk_face_detector_init(&capture->detector, graph));
    STK_TRY(open_file(capture, 1, models, "face_landmark_468.tflite", &graph));
    STK_TRY(stk_face_mesh_init(&capture->mesh, graph));
    capture->mode = "face_landmark_468 (expression from landmarks)";
    return stk_face_expression_init(&capture->expression, NULL);
}

stk_status stk_face_capture_create(stk_face_capture **out, const char *models) {
    char path[STK_PATH_MAX];
    *out = NULL;
    stk_face_capture *capture = stk_calloc_aligned(1, sizeof *capture);
    if (capture == NULL) return stk_fail_memory("face capture");
    stk_status status;
    if (stk_weights_have(models, "face_landmarker.task")) {
        status = stk_weights_find(models, "face_landmarker.task", path);
        if (status == STK_OK) status = open_task(capture, path);
    } else {
        status = open_separate(capture, models);
        if (status == STK_ERR_WEIGHTS) /* name the file that is wanted first */
            status = stk_weights_find(models, "face_landmarker.task", path);
    }
    if (status != STK_OK) {
        stk_face_capture_free(&capture);
        return status;
    }
    *out = capture;
    return STK_OK;
}

void stk_face_capture_free(stk_face_capture **handle) {
    if (handle == NULL || *handle == NULL) return;
    stk_face_capture *capture = *handle;
    stk_face_detector_clear(&capture->detector);
    stk_face_mesh_clear(&capture->mesh);
    stk_face_expression_clear(&capture->expression);
    for (int i = 0; i < 2; i++) stk_map_close(&capture->files[i]);
    stk_free(capture);
    *handle = NULL;
}

const char *stk_face_capture_mode(const stk_face_capture *capture) { return capture->mode; }

void stk_face_capture_reset(stk_face_capture *capture) { capture->following = 0; }

static stk_status check_picture(const stk_image *rgb) {
    if (rgb->data != NULL && rgb->channels >= 3 && rgb->width > 0 && rgb->height > 0) return STK_OK;
    return stk_fail(STK_ERR_ARGUMENT, "face capture needs an RGB picture, not %dx%d with %d "
                    "channels", rgb->width, rgb->height, rgb->channels);
}

/* Landmarks inside a region; *found = 0 when no face is seen there. */
static stk_status look_at(stk_face_capture *capture, const stk_image *rgb, const stk_face_roi *roi,
                          stk_landmarks *landmarks, int *found) {
    *found = 0;
    if (!(roi->size_px >= SMALLEST_PX) || !isfinite(roi->cx_px) || !isfinite(roi->cy_px) ||
        roi->cx_px < 0 || roi->cy_px < 0 || roi->cx_px > (float)rgb->width ||
        roi->cy_px > (float)rgb->height || roi->size_px > 8.f * (float)(rgb->width + rgb->height))
        return STK_OK;
    STK_TRY(stk_face_mesh_run(&capture->mesh, rgb, roi, landmarks));
    *found = landmarks->score >= PRESENCE;
    return STK_OK;
}

/* 1 when the landmarks lie so far from where they were looked for that a second look is worthwhile:
 * the network is at its best with the face centred, as in its training. */
static int moved(const stk_face_roi *from, const stk_face_roi *to) {
    float shift = hypotf(to->cx_px - from->cx_px, to->cy_px - from->cy_px);
    float ratio = to->size_px / from->size_px, turn = fabsf(to->angle_rad - from->angle_rad);
    return shift > 0.06f * from->size_px || ratio < 0.9f || ratio > 1.1f || turn > 0.17f;
}

/* Detector, then the mesh twice on the largest face that the mesh confirms. */
static stk_status find_face(stk_face_capture *capture, const stk_image *rgb,
                            stk_landmarks *landmarks, int *found) {
    stk_detection detections[STK_FACE_MAX_DETECTIONS];
    int count;
    *found = 0;
    STK_TRY(stk_face_detector_run(&capture->detector, rgb, detections, &count));
    for (int i = 0; i < count && i < 4 && !*found; i++) {
        stk_face_roi roi = stk_face_roi_from_detection(&detections[i]);
        STK_TRY(look_at(capture, rgb, &roi, landmarks, found));
        if (!*found) continue;
        roi = stk_face_roi_from_landmarks(landmarks);
        STK_TRY(look_at(capture, rgb, &roi, landmarks, found));
    }
    return STK_OK;
}

stk_status stk_face_capture_frame(stk_face_capture *capture, const stk_image *rgb, stk_face *face,
                                  int *found) {
    *found = 0;
    STK_TRY(check_picture(rgb));
    if (capture->following) {
        stk_face_roi roi = stk_face_roi_from_landmarks(&capture->last);
        STK_TRY(look_at(capture, rgb, &roi, &face->landmarks, found));
        if (*found) {
            stk_face_roi next = stk_face_roi_from_landmarks(&face->landmarks);
            if (moved(&roi, &next)) STK_TRY(look_at(capture, rgb, &next, &face->landmarks, found));
        }
    }
    if (!*found) STK_TRY(find_face(capture, rgb, &face->landmarks, found));
    capture->following = *found;
    if (!*found) return STK_OK;
    capture->last = face->landmarks;
    face->score = face->landmarks.score;
    stk_face_landmark_box(&face->landmarks, face->box);
    return stk_face_expression_run(&capture->expression, &face->landmarks, face->blendshapes);
}

stk_status stk_face_capture_detect(stk_face_capture *capture, const stk_image *rgb,
                                   float (*boxes)[5], int max, int *count) {
    stk_detection detections[STK_FACE_MAX_DETECTIONS];
    STK_TRY(check_picture(rgb));
    STK_TRY(stk_face_detector_run(&capture->detector, rgb, detections, count));
    int confirmed = 0;
    for (int i = 0; i < *count && confirmed < max; i++) {
        stk_face_roi roi = stk_face_roi_from_detection(&detections[i]);
        stk_landmarks landmarks;
        int found;
        STK_TRY(look_at(capture, rgb, &roi, &landmarks, &found));
        if (!found) continue;
        memcpy(boxes[confirmed], detections[i].box, 4 * sizeof(float));
        boxes[confirmed++][4] = detections[i].score;
    }
    *count = confirmed;
    return STK_OK;
}
