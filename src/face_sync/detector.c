/* detector.c - BlazeFace short range: 128x128 picture -> 896 anchors -> faces.
 *
 *   window of the picture, black outside, [-1,1] -> graph -> boxes [896][16], scores [896]
 *     -> sigmoid, threshold -> box and six key points relative to the anchor, / 128
 *     -> weighted non-maximum suppression -> px
 *
 * Anchors (MediaPipe's SSD scheme with fixed anchor size): two per cell of a 16x16 grid (stride 8),
 * then six per cell of an 8x8 grid (three layers of stride 16), each at the cell's centre, size 1.
 */
#include "face_sync/face_graphs.h"

#include <math.h>
#include <string.h>

enum {
    SIDE = 128,
    ANCHORS = 896,
    NUMBERS = 16, /* per anchor: cx cy w h, six key points */
    FINE_CELLS = 16,
    COARSE_CELLS = 8,
    CANDIDATES = 128, /* anchors above the threshold that are looked at */
};

static const float SCORE_CLIP = 100, SCORE_THRESHOLD = 0.5f, SAME_FACE_IOU = 0.3f;

stk_status stk_face_detector_init(stk_face_detector *detector, stk_tflite *graph) {
    *detector = (stk_face_detector){.graph = graph};
    detector->input = stk_tflite_input(graph, 0);
    detector->boxes = stk_tflite_output_named(graph, "regressors");
    detector->scores = stk_tflite_output_named(graph, "classificators");
    if (detector->input.count == SIDE * SIDE * 3 && detector->boxes.count == ANCHORS * NUMBERS &&
        detector->scores.count == ANCHORS)
        return STK_OK;
    return stk_fail(STK_ERR_FORMAT, "the face detector graph has other shapes than the short-range "
                    "model's; fetch it again with scripts/get-models.sh");
}

void stk_face_detector_clear(stk_face_detector *detector) {
    if (detector != NULL) stk_tflite_close(&detector->graph);
}

/* Centre of an anchor, 0..1 of the window. */
static void anchor_centre(int anchor, float centre[2]) {
    int fine = FINE_CELLS * FINE_CELLS * 2;
    int cells = anchor < fine ? FINE_CELLS : COARSE_CELLS;
    int cell = anchor < fine ? anchor / 2 : (anchor - fine) / 6;
    centre[0] = ((float)(cell % cells) + 0.5f) / (float)cells;
    centre[1] = ((float)(cell / cells) + 0.5f) / (float)cells;
}

/* Numbers of one anchor (cx, cy, w, h, then key points) -> px of the picture. */
static void decode(const float raw[NUMBERS], int anchor, const stk_face_roi *window,
                   stk_detection *detection) {
    float centre[2], scale = window->size_px, at[2];
    anchor_centre(anchor, centre);
    float x0 = window->cx_px - 0.5f * scale, y0 = window->cy_px - 0.5f * scale;
    for (int d = 0; d < 2; d++) at[d] = raw[d] / SIDE + centre[d];
    float half_w = 0.5f * raw[2] / SIDE, half_h = 0.5f * raw[3] / SIDE;
    detection->box[0] = x0 + (at[0] - half_w) * scale;
    detection->box[1] = y0 + (at[1] - half_h) * scale;
    detection->box[2] = x0 + (at[0] + half_w) * scale;
    detection->box[3] = y0 + (at[1] + half_h) * scale;
    for (int k = 0; k < STK_FACE_KEYPOINTS; k++) {
        detection->point[k][0] = x0 + (raw[4 + 2 * k] / SIDE + centre[0]) * scale;
        detection->point[k][1] = y0 + (raw[5 + 2 * k] / SIDE + centre[1]) * scale;
    }
}

static float overlap(const float a[4], const float b[4]) {
    float w = fminf(a[2], b[2]) - fmaxf(a[0], b[0]), h = fminf(a[3], b[3]) - fmaxf(a[1], b[1]);
    if (!(w > 0) || !(h > 0)) return 0;
    float both = w * h, first = (a[2] - a[0]) * (a[3] - a[1]);
    return both / (first + (b[2] - b[0]) * (b[3] - b[1]) - both);
}

/* Averages everything that overlaps the best candidate, weighted by score; marks it used (score
 * 0). */
static stk_detection merge_best(stk_detection *candidates, int n, int best) {
    stk_detection top = candidates[best], merged = {.score = top.score};
    float total = 0;
    for (int i = 0; i < n; i++) {
        stk_detection *other = &candidates[i];
        if (other->score <= 0 || (i != best && overlap(top.box, other->box) <= SAME_FACE_IOU))
            continue;
        for (int k = 0; k < 4; k++) merged.box[k] += other->score * other->box[k];
        for (int k = 0; k < STK_FACE_KEYPOINTS; k++)
            for (int d = 0; d < 2; d++) merged.point[k][d] += other->score * other->point[k][d];
        total += other->score;
        other->score = 0;
    }
    for (int k = 0; k < 4; k++) merged.box[k] /= total;
    for (int k = 0; k < STK_FACE_KEYPOINTS; k++)
        for (int d = 0; d < 2; d++) merged.point[k][d] /= total;
    return merged;
}

/* Weighted non-maximum suppression, best score first; appends to detections. */
static void suppress(stk_detection *candidates, int n, stk_detection *detections, int *count) {
    while (*count < STK_FACE_MAX_DETECTIONS) {
        int best = -1;
        for (int i = 0; i < n; i++)
            if (candidates[i].score > (best < 0 ? 0 : candidates[best].score)) best = i;
        if (best < 0) return;
        detections[(*count)++] = merge_best(candidates, n, best);
    }
}

/* One run of the graph on a square window. */
static stk_status detect_window(stk_face_detector *detector, const stk_image *rgb,
                                const stk_face_roi *window, stk_detection *detections, int *count) {
    stk_detection candidates[CANDIDATES];
    int n = 0;
    stk_face_crop(detector->input.data, SIDE, rgb, window, 1.f / 127.5f, -1.f, 1);
    STK_TRY(stk_tflite_run(detector->graph));
    for (int i = 0; i < ANCHORS && n < CANDIDATES; i++) {
        float logit = stk_clampf(detector->scores.data[i], -SCORE_CLIP, SCORE_CLIP);
        float score = 1.f / (1.f + expf(-logit));
        if (!(score >= SCORE_THRESHOLD)) continue;
        decode(detector->boxes.data + (size_t)i * NUMBERS, i, window, &candidates[n]);
        candidates[n++].score = score;
    }
    suppress(candidates, n, detections, count);
    return STK_OK;
}

static float area(const stk_detection *detection) {
    const float *box = detection->box;
    return (box[2] - box[0]) * (box[3] - box[1]);
}

static void sort_by_size(stk_detection *detections, int n) {
    for (int i = 1; i < n; i++)
        for (int k = i; k > 0 && area(&detections[k]) > area(&detections[k - 1]); k--) {
            stk_detection swap = detections[k];
            detections[k] = detections[k - 1];
            detections[k - 1] = swap;
        }
}

/* Windows of this side that cover the picture, overlapping by half. */
static stk_status detect_tiles(stk_face_detector *detector, const stk_image *rgb, float side,
                               stk_detection *detections, int *count) {
    float width = (float)rgb->width, height = (float)rgb->height;
    int columns = (int)ceilf(2 * (width - side) / side) + 1;
    int rows = (int)ceilf(2 * (height - side) / side) + 1;
    stk_detection found[STK_FACE_MAX_DETECTIONS];
    int n = 0;
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++) {
            float x = columns > 1 ? (float)j / (float)(columns - 1) * (width - side) : 0;
            float y = rows > 1 ? (float)i / (float)(rows - 1) * (height - side) : 0;
            stk_face_roi window = {x + 0.5f * side, y + 0.5f * side, side, 0};
            STK_TRY(detect_window(detector, rgb, &window, found, &n));
        }
    suppress(found, n, detections, count); /* a face in two windows is one face */
    return STK_OK;
}

/* DIFFERS: MediaPipe looks at the whole picture only. The network misses faces below a sixth of its
 * window (half-body clips), so that squares of the short side, then of half of it, are tried before
 * saying that there is nobody. */
stk_status stk_face_detector_run(stk_face_detector *detector, const stk_image *rgb,
                                 stk_detection detections[STK_FACE_MAX_DETECTIONS], int *count) {
    *count = 0;
    float width = (float)rgb->width, height = (float)rgb->height;
    stk_face_roi whole = {0.5f * width, 0.5f * height, fmaxf(width, height), 0};
    STK_TRY(detect_window(detector, rgb, &whole, detections, count));
    float side = fminf(width, height);
    for (int level = 0; level < 2 && *count == 0 && side * 8 > whole.size_px; level++, side *= 0.5f)
        if (side < 0.95f * whole.size_px)
            STK_TRY(detect_tiles(detector, rgb, side, detections, count));
    sort_by_size(detections, *count);
    return STK_OK;
}
