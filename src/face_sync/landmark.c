/* landmark.c - the face mesh network: rotated square of the picture -> landmarks in px.
 *
 * Regions follow MediaPipe: from a detection, the square of 1.5 times the box's longer side round
 * the box's centre, turned so that the eyes lie level; from landmarks, the same with the landmarks'
 * box and the outer eye corners (33, 263).
 */
#include "base/face_mesh.h"
#include "face_sync/face_graphs.h"

#include <math.h>

enum { RIGHT_EYE_CORNER = 33, LEFT_EYE_CORNER = 263, RIGHT_IRIS = 468, LEFT_IRIS = 473 };

static const float ROI_SCALE = 1.5f;

stk_status stk_face_mesh_init(stk_face_mesh *mesh, stk_tflite *graph) {
    *mesh = (stk_face_mesh){.graph = graph};
    mesh->input = stk_tflite_input(graph, 0);
    mesh->points = stk_tflite_output(graph, 0);
    mesh->presence = stk_tflite_output(graph, 1);
    mesh->side = mesh->input.shape[1];
    mesh->count = (int)(mesh->points.count / 3);
    if (mesh->input.rank == 4 && mesh->input.count == (size_t)(mesh->side * mesh->side * 3) &&
        mesh->points.count % 3 == 0 && mesh->presence.count == 1 &&
        (mesh->count == STK_LANDMARKS || mesh->count == STK_MESH_LANDMARKS))
        return STK_OK;
    return stk_fail(STK_ERR_FORMAT, "the face landmark graph has other shapes than the face "
                                    "mesh's; fetch it again with scripts/get-models.sh");
}

void stk_face_mesh_clear(stk_face_mesh *mesh) {
    if (mesh != NULL) stk_tflite_close(&mesh->graph);
}

/* The 468-point graph finds no irises: theirs is the radius that goes with the opening's length
 * (11.7 mm of 30). */
static void place_iris(stk_landmarks *landmarks, int first, int corner_a, int corner_b) {
    const float *a = landmarks->xyz[corner_a], *b = landmarks->xyz[corner_b];
    const float radius = 0.195f * hypotf(b[0] - a[0], b[1] - a[1]);
    stk_face_mesh_iris(landmarks->xyz, first, corner_a, corner_b, radius);
}

stk_status stk_face_mesh_run(stk_face_mesh *mesh, const stk_image *rgb, const stk_face_roi *roi,
                             stk_landmarks *landmarks) {
    stk_face_crop(mesh->input.data, mesh->side, rgb, roi, 1.f / 255.f, 0.f, 0);
    STK_TRY(stk_tflite_run(mesh->graph));
    float scale = roi->size_px / (float)mesh->side, middle = 0.5f * (float)mesh->side;
    float c = cosf(roi->angle_rad) * scale, s = sinf(roi->angle_rad) * scale;
    const float *p = mesh->points.data;
    for (int i = 0; i < mesh->count; i++, p += 3) {
        float u = p[0] - middle, v = p[1] - middle;
        landmarks->xyz[i][0] = roi->cx_px + u * c - v * s;
        landmarks->xyz[i][1] = roi->cy_px + u * s + v * c;
        landmarks->xyz[i][2] = p[2] * scale;
    }
    if (mesh->count == STK_MESH_LANDMARKS) {
        place_iris(landmarks, RIGHT_IRIS, RIGHT_EYE_CORNER, 133);
        place_iris(landmarks, LEFT_IRIS, 362, LEFT_EYE_CORNER);
    }
    landmarks->count = mesh->count;
    landmarks->score = 1.f / (1.f + expf(-mesh->presence.data[0]));
    return STK_OK;
}

static stk_face_roi roi_of(const float box[4], const float right_eye[2], const float left_eye[2]) {
    return (stk_face_roi){.cx_px = 0.5f * (box[0] + box[2]),
                          .cy_px = 0.5f * (box[1] + box[3]),
                          .size_px = ROI_SCALE * fmaxf(box[2] - box[0], box[3] - box[1]),
                          .angle_rad =
                              atan2f(left_eye[1] - right_eye[1], left_eye[0] - right_eye[0])};
}

stk_face_roi stk_face_roi_from_detection(const stk_detection *detection) {
    return roi_of(detection->box, detection->point[0], detection->point[1]);
}

stk_face_roi stk_face_roi_from_landmarks(const stk_landmarks *landmarks) {
    float box[4];
    stk_face_landmark_box(landmarks, box);
    return roi_of(box, landmarks->xyz[RIGHT_EYE_CORNER], landmarks->xyz[LEFT_EYE_CORNER]);
}

void stk_face_landmark_box(const stk_landmarks *landmarks, float box[4]) {
    for (int d = 0; d < 2; d++) box[d] = box[d + 2] = landmarks->xyz[0][d];
    for (int i = 1; i < landmarks->count; i++)
        for (int d = 0; d < 2; d++) {
            float v = landmarks->xyz[i][d];
            if (v < box[d]) box[d] = v;
            if (v > box[d + 2]) box[d + 2] = v;
        }
}
