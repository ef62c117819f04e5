/* blendshapes.c - expression coefficients of one face, and their smoothing over time.
 *
 * With the blendshape graph: x, y in px of 146 of the 478 landmarks -> 52 numbers, of which the
 * first ("neutral") is dropped and a zero (tongueOut) appended: reference.md 8.1 order.
 * Without it (468-point mesh): the seven published expression numbers from distances.
 */
#include "face_sync/face_capture.h"
#include "face_sync/face_graphs.h"

#include <math.h>
#include <string.h>

enum { SUBSET = 146, GRAPH_OUTPUTS = 52 };

/* The landmarks that the blendshape graph was trained on, in its order (MediaPipe,
 * face_blendshapes_graph). */
static const short subset[SUBSET] = {
    0,   1,   4,   5,   6,   7,   8,   10,  13,  14,  17,  21,  33,  37,  39,  40,  46,  52,  53,
    54,  55,  58,  61,  63,  65,  66,  67,  70,  78,  80,  81,  82,  84,  87,  88,  91,  93,  95,
    103, 105, 107, 109, 127, 132, 133, 136, 144, 145, 146, 148, 149, 150, 152, 153, 154, 155, 157,
    158, 159, 160, 161, 162, 163, 168, 172, 173, 176, 178, 181, 185, 191, 195, 197, 234, 246, 249,
    251, 263, 267, 269, 270, 276, 282, 283, 284, 285, 288, 291, 293, 295, 296, 297, 300, 308, 310,
    311, 312, 314, 317, 318, 321, 323, 324, 332, 334, 336, 338, 356, 361, 362, 365, 373, 374, 375,
    377, 378, 379, 380, 381, 382, 384, 385, 386, 387, 388, 389, 390, 397, 398, 400, 402, 405, 409,
    415, 454, 466, 468, 469, 470, 471, 472, 473, 474, 475, 476, 477};

stk_status stk_face_expression_init(stk_face_expression *expression, stk_tflite *graph) {
    *expression = (stk_face_expression){.graph = graph};
    if (graph == NULL) return STK_OK;
    expression->input = stk_tflite_input(graph, 0);
    expression->output = stk_tflite_output(graph, 0);
    if (expression->input.count == 2 * SUBSET && expression->output.count == GRAPH_OUTPUTS)
        return STK_OK;
    return stk_fail(STK_ERR_FORMAT, "the blendshape graph has other shapes than expected; fetch it "
                    "again with scripts/get-models.sh");
}

void stk_face_expression_clear(stk_face_expression *expression) {
    if (expression != NULL) stk_tflite_close(&expression->graph);
}

/* --- without the graph ------------------------------------------------------------------------ */

static float distance(const stk_landmarks *face, int a, int b) {
    const float *p = face->xyz[a], *q = face->xyz[b];
    return sqrtf((p[0] - q[0]) * (p[0] - q[0]) + (p[1] - q[1]) * (p[1] - q[1]) +
                 (p[2] - q[2]) * (p[2] - q[2]));
}

/* (value - zero) / (one - zero), clamped to [0,1]. */
static float ramp(float value, float zero, float one) {
    return stk_clampf((value - zero) / (one - zero), 0, 1);
}

/* Per side: outer and inner eye corner, two pairs of lid points, brow inner, brow outer. */
typedef struct side_points {
    int outer, inner, upper[2], lower[2], brow_inner, brow_outer;
} side_points;

static const side_points sides[2] = {
    {263, 362, {386, 385}, {374, 380}, 336, 334}, /* the person's left */
    {33, 133, {159, 158}, {145, 153}, 107, 105},  /* and right */
};

/* The ends of the ramps bring the quantiles of the distances (468-point mesh) to those of the
 * graph's coefficients over 1669 frames of seven people; the linear correlation with the graph is
 * 0.69 (blink), 0.64 (brow down), 0.81 (outer up), 0.84 (inner up). Distances are over the outer
 * eye corners'. */
static void expression_from_distances(const stk_landmarks *face, float *blendshapes) {
    memset(blendshapes, 0, STK_BLENDSHAPES * sizeof(float));
    float inner = 0, scale = distance(face, 33, 263); /* outer eye corners */
    if (!(scale > 0)) return;
    for (int k = 0; k < 2; k++) {
        const side_points *s = &sides[k];
        float lids = distance(face, s->upper[0], s->lower[0]) +
                     distance(face, s->upper[1], s->lower[1]);
        float openness = 0.5f * lids / distance(face, s->outer, s->inner);
        float brow_inner = distance(face, s->brow_inner, s->inner) / scale;
        float brow_outer = distance(face, s->brow_outer, s->outer) / scale;
        blendshapes[8 + k] = ramp(openness, 0.315f, 0.12f);    /* eyeBlink */
        blendshapes[0 + k] = ramp(brow_inner, 0.325f, 0.28f);  /* browDown */
        blendshapes[3 + k] = ramp(brow_outer, 0.305f, 0.42f);  /* browOuterUp */
        inner += 0.5f * brow_inner;
    }
    blendshapes[2] = ramp(inner, 0.318f, 0.40f); /* browInnerUp */
}

stk_status stk_face_expression_run(stk_face_expression *expression, const stk_landmarks *landmarks,
                                   float blendshapes[STK_BLENDSHAPES]) {
    if (expression->graph == NULL || landmarks->count != STK_LANDMARKS) {
        expression_from_distances(landmarks, blendshapes);
        return STK_OK;
    }
    for (int i = 0; i < SUBSET; i++)
        for (int d = 0; d < 2; d++)
            expression->input.data[2 * i + d] = landmarks->xyz[subset[i]][d];
    STK_TRY(stk_tflite_run(expression->graph));
    memcpy(blendshapes, expression->output.data + 1, (GRAPH_OUTPUTS - 1) * sizeof(float));
    blendshapes[STK_BLENDSHAPES - 1] = 0; /* tongueOut */
    return STK_OK;
}

/* --- over time -------------------------------------------------------------------------------- */

/* Least-squares cubic through five equidistant values, evaluated at each of them: row r gives the
 * weights for position r, over 70 (Savitzky and Golay 1964). */
static const float fit[5][5] = {{69, 4, -6, 4, -1},
                                {4, 54, 24, -16, 4},
                                {-6, 24, 34, 24, -6},
                                {4, -16, 24, 54, 4},
                                {-1, 4, -6, 4, 69}};

void stk_blendshapes_smooth(float *track, int n, int stride) {
    if (n < 5) return;
    float before[5]; /* original values of positions i-2 .. i+2 */
    for (int k = 0; k < 5; k++) before[k] = track[(ptrdiff_t)k * stride];
    for (int i = 0; i < n; i++) {
        int row = i < 2 ? i : i >= n - 2 ? i - (n - 5) : 2;
        if (i > 2 && i < n - 2) {
            memmove(before, before + 1, 4 * sizeof before[0]);
            before[4] = track[(ptrdiff_t)(i + 2) * stride];
        }
        float sum = 0;
        for (int k = 0; k < 5; k++) sum += fit[row][k] * before[k];
        track[(ptrdiff_t)i * stride] = sum / 70.f;
    }
}

void stk_expression_select(const float blendshapes[STK_BLENDSHAPES],
                           float expression[STK_EXPRESSIONS]) {
    static const int columns[STK_EXPRESSIONS] = {0, 1, 2, 3, 4, 8, 9};
    for (int i = 0; i < STK_EXPRESSIONS; i++) expression[i] = blendshapes[columns[i]];
}
