/* presented.c - see presented.h. */
#include "presented.h"
#include "sanitized.h"
#include "support.h"
#include "base/memory.h"
#include "base/image.h"
#include "base/spd.h"
#include "head_sync/se3.h"
#include "nn/safetensors.h"
#include "nn/weights.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

const char *presented_models(void) {
    static char folder[STK_PATH_MAX];
    const char *shared = test_shared("models");
    if (shared != NULL) snprintf(folder, sizeof folder, "%s", shared);
    const char *where = shared != NULL ? folder : NULL;
    int face = stk_weights_have(where, "face_landmarker.task") ||
               (stk_weights_have(where, "face_landmark_468.tflite") &&
                stk_weights_have(where, "face_detection_short_range.tflite"));
    if (!face || !stk_weights_have(where, "mp_selfie_segmentation.tflite")) return NULL;
    return where != NULL ? where : "";
}

void presented_need_models(void) {
    if (presented_models() != NULL) return;
    print_message("SKIP: no face graphs (scripts/get-models.sh -f)\n");
    skip();
}

void presented_need_speed(void) {
    presented_need_models();
    if (!SANITIZED) return;
    print_message("SKIP: a whole prepare takes minutes under a sanitizer\n");
    skip();
}

static void read_table(const stk_safetensors *tables, const char *name, void **out, int64_t row,
                       int frames) {
    *out = stk_calloc_aligned((size_t)(row * frames), sizeof(float));
    assert_non_null(*out);
    TEST_OK(stk_safetensors_read_f32(tables, name, *out, row * frames));
}

void presented_truth(presented *p) {
    char path[STK_PATH_MAX], *text;
    TEST_OK(stk_path_join(path, sizeof path, p->truth, "truth.json"));
    TEST_OK(stk_file_read_text(path, 16 << 20, &text));
    cJSON *json = cJSON_Parse(text);
    assert_non_null(json);
    p->focal_px = (float)cJSON_GetNumberValue(cJSON_GetObjectItem(json, "focal_px"));
    assert_true(p->focal_px > 0);
    cJSON_Delete(json);
    stk_free(text);
    stk_safetensors *tables;
    TEST_OK(stk_path_join(path, sizeof path, p->truth, "tables.safetensors"));
    TEST_OK(stk_safetensors_open(&tables, path));
    read_table(tables, "poses", (void **)&p->poses, 12, p->frames);
    read_table(tables, "landmarks_px", (void **)&p->landmarks, 3 * STK_LANDMARKS, p->frames);
    read_table(tables, "mouth", (void **)&p->mouth, 2, p->frames);
    read_table(tables, "blendshapes", (void **)&p->blendshapes, STK_BLENDSHAPES, p->frames);
    stk_safetensors_close(&tables);
}

void presented_open(presented *p) {
    const char *models = presented_models();
    const stk_prepare_settings prepare = {.clip = p->clip,
                                          .folder = p->folder,
                                          .models = models[0] != '\0' ? models : NULL,
                                          .size = p->side};
    TEST_OK(stk_subject_prepare(&prepare, NULL));
    TEST_OK(stk_subject_open(&p->subject, p->folder));
    p->info = stk_subject_get_info(p->subject);
    assert_int_equal(p->info->frames, p->frames);
    presented_truth(p);
}

void presented_close(presented *p) {
    stk_subject_close(&p->subject);
    stk_free(p->poses);
    stk_free(p->landmarks);
    stk_free(p->mouth);
    stk_free(p->blendshapes);
    memset(p, 0, sizeof *p);
}

/* --- pose ------------------------------------------------------------------------------------- */

static void to_double(const float *from, double *to, int count) {
    for (int i = 0; i < count; i++) to[i] = from[i];
}

/* m = a^T b */
static void multiply_at_b(const double a[9], const double b[9], double m[9]) {
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++)
            m[3 * i + j] = a[i] * b[j] + a[3 + i] * b[3 + j] + a[6 + i] * b[6 + j];
}

static int compare_doubles(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double presented_rotation_error_deg(const presented *p, double *median, double *p95) {
    const stk_pose *found = stk_subject_poses(p->subject);
    double gauge[9] = {0}, sum = 0;
    double *errors = calloc((size_t)p->frames, sizeof *errors);
    assert_non_null(errors);
    for (int i = 0; i < p->frames; i++) {
        double a[9], b[9], m[9];
        to_double(p->poses[i].R, a, 9);
        to_double(found[i].R, b, 9);
        multiply_at_b(a, b, m);
        for (int k = 0; k < 9; k++) gauge[k] += m[k];
    }
    assert_true(stk_mat3_polar(gauge));
    for (int i = 0; i < p->frames; i++) {
        double a[9], b[9], expected[9], m[9], w[3];
        to_double(p->poses[i].R, a, 9);
        to_double(found[i].R, b, 9);
        stk_mat3_mul(a, gauge, expected);
        multiply_at_b(expected, b, m);
        stk_so3_log(m, w);
        double square = w[0] * w[0] + w[1] * w[1] + w[2] * w[2];
        sum += square;
        errors[i] = sqrt(square) * 57.29577951308232;
    }
    qsort(errors, (size_t)p->frames, sizeof *errors, compare_doubles);
    *median = errors[p->frames / 2];
    *p95 = errors[(int)(0.95 * (p->frames - 1) + 0.5)];
    free(errors);
    return sqrt(sum / p->frames) * 57.29577951308232;
}

double presented_depth_error_percent(const presented *p) {
    const stk_pose *found = stk_subject_poses(p->subject);
    /* z_found = s (t_z + R_row2 . c): linear in s and s c */
    double a[16] = {0}, b[4] = {0}, sum = 0, depth = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < p->frames; i++) {
            const double row[4] = {p->poses[i].t[2], p->poses[i].R[6], p->poses[i].R[7],
                                   p->poses[i].R[8]};
            const double z = found[i].t[2];
            if (pass == 0) {
                for (int j = 0; j < 4; j++) {
                    b[j] += row[j] * z;
                    for (int k = 0; k < 4; k++) a[4 * j + k] += row[j] * row[k];
                }
            } else {
                double error = z - (row[0] * b[0] + row[1] * b[1] + row[2] * b[2] + row[3] * b[3]);
                sum += error * error;
                depth += fabs(z);
            }
        }
        if (pass == 0) assert_true(stk_spd_solve(a, b, 4));
    }
    return 100.0 * sqrt(sum / p->frames) / (depth / p->frames);
}

/* --- landmarks -------------------------------------------------------------------------------- */

/* The subject's picture was cut from the clip and brought to its size. */
static void to_clip_px(const presented *p, const float landmark[3], double px[2]) {
    const stk_rect *crop = &p->info->crop_source_px;
    px[0] = crop->x0 + landmark[0] * (double)(crop->x1 - crop->x0) / p->info->width;
    px[1] = crop->y0 + landmark[1] * (double)(crop->y1 - crop->y0) / p->info->height;
}

/* The face oval: the detector puts it at the silhouette, the mesh has it on the skin. */
static int is_contour(int landmark) {
    static const int oval[] = {10,  338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288,
                               397, 365, 379, 378, 400, 377, 152, 148, 176, 149, 150, 136,
                               172, 58,  132, 93,  234, 127, 162, 21,  54,  103, 67,  109};
    for (size_t i = 0; i < sizeof oval / sizeof *oval; i++)
        if (oval[i] == landmark) return 1;
    return 0;
}

double presented_landmark_error_px(const presented *p, double *steady) {
    double total = 0, rest = 0;
    int used = 0;
    for (int k = 0; k < STK_MESH_LANDMARKS; k++) {
        if (is_contour(k)) continue;
        double mean[2] = {0}, square = 0, distance = 0;
        for (int i = 0; i < p->frames; i++) {
            double px[2];
            to_clip_px(p, stk_subject_landmarks(p->subject, i)[k], px);
            double dx = px[0] - p->landmarks[i][k][0], dy = px[1] - p->landmarks[i][k][1];
            distance += hypot(dx, dy);
            square += dx * dx + dy * dy;
            mean[0] += dx;
            mean[1] += dy;
        }
        double n = p->frames;
        total += distance / n;
        rest += square / n - (mean[0] * mean[0] + mean[1] * mean[1]) / (n * n);
        used++;
    }
    if (steady != NULL) *steady = sqrt(rest / used);
    return total / used;
}

/* --- labels ----------------------------------------------------------------------------------- */

/* presenter/scene.h parts -> the subject's classes: face, hair, ear are the head; a hand or another
 * person count as nothing. */
static int class_of_part(int part) {
    static const int classes[] = {0, 1, 1, 1, 2, 3, 255, 255};
    return part >= 0 && part < 8 ? classes[part] : 255;
}

/* The parts of one frame; not stk_label_unpack, which knows the subject's four classes only. */
static void inflate_map(const uint8_t *bytes, int64_t size, stk_image *map) {
    uLongf count = (uLongf)map->width * (uLongf)map->height;
    uint8_t *plain = malloc(count);
    assert_non_null(plain);
    assert_int_equal(uncompress(plain, &count, bytes, (uLong)size), Z_OK);
    assert_int_equal(count, (size_t)map->width * (size_t)map->height);
    for (int y = 0; y < map->height; y++)
        memcpy(stk_image_row(map, y), plain + (size_t)y * (size_t)map->width, (size_t)map->width);
    free(plain);
}

/* was: 1 where the true part counts, 0 where not, 255 where it is not to be looked at; found: the
 * subject's label that stands for it. */
static double overlap_of(const presented *p, const uint8_t was_of[8], int label) {
    char path[STK_PATH_MAX];
    TEST_OK(stk_path_join(path, sizeof path, p->truth, "labels.safetensors"));
    stk_safetensors *file;
    TEST_OK(stk_safetensors_open(&file, path));
    const stk_tensor_info *index = stk_safetensors_find(file, "index");
    const stk_tensor_info *deflated = stk_safetensors_find(file, "deflated");
    assert_non_null(index);
    assert_non_null(deflated);
    stk_image truth, found;
    TEST_OK(stk_image_init(&truth, p->side, p->side, 1));
    TEST_OK(stk_image_init(&found, p->info->width, p->info->height, 1));
    int64_t both = 0, either = 0;
    for (int i = 0; i < p->frames; i++) {
        int64_t range[2];
        memcpy(range, (const char *)index->data + sizeof(int64_t) * (size_t)i, sizeof range);
        inflate_map((const uint8_t *)deflated->data + range[0], range[1] - range[0], &truth);
        TEST_OK(stk_subject_labels(p->subject, i, &found));
        for (int y = 0; y < found.height; y++) {
            for (int x = 0; x < found.width; x++) {
                const float here[3] = {(float)x + 0.5f, (float)y + 0.5f, 0};
                double px[2];
                to_clip_px(p, here, px);
                if (px[0] < 0 || px[1] < 0 || px[0] >= p->side || px[1] >= p->side) continue;
                int part = stk_image_row(&truth, (int)px[1])[(int)px[0]];
                int was = part < 8 ? was_of[part] : 0;
                if (was == 255) continue;
                int is = stk_image_row(&found, y)[x] == label;
                both += was && is;
                either += was || is;
            }
        }
    }
    stk_image_clear(&truth);
    stk_image_clear(&found);
    stk_safetensors_close(&file);
    assert_true(either > 0);
    return (double)both / (double)either;
}

double presented_label_iou(const presented *p, int label) {
    uint8_t was_of[8];
    for (int part = 0; part < 8; part++) was_of[part] = class_of_part(part) == label;
    return overlap_of(p, was_of, label);
}

double presented_hair_iou(const presented *p) {
    static const uint8_t hair[8] = {0, 255, 1, 255, 0, 0, 0, 0}; /* not face, not ears */
    return overlap_of(p, hair, STK_LABEL_HEAD);
}

void presented_parts(const presented *p, int frame, uint8_t *map, size_t area) {
    char path[STK_PATH_MAX];
    stk_safetensors *file;
    int64_t range[2];
    TEST_OK(stk_path_join(path, sizeof path, p->truth, "labels.safetensors"));
    TEST_OK(stk_safetensors_open(&file, path));
    const stk_tensor_info *index = stk_safetensors_find(file, "index");
    const stk_tensor_info *deflated = stk_safetensors_find(file, "deflated");
    assert_true(index != NULL && deflated != NULL);
    memcpy(range, (const char *)index->data + sizeof(int64_t) * (size_t)frame, sizeof range);
    uLongf bytes = (uLongf)area;
    assert_int_equal(uncompress(map, &bytes, (const uint8_t *)deflated->data + range[0],
                                (uLong)(range[1] - range[0])),
                     Z_OK);
    assert_int_equal(bytes, area);
    stk_safetensors_close(&file);
}

/* --- expression and mouth --------------------------------------------------------------------- */

double presented_correlation(const float *a, const float *b, int count) {
    double ma = 0, mb = 0, aa = 0, bb = 0, ab = 0;
    for (int i = 0; i < count; i++) ma += a[i], mb += b[i];
    ma /= count, mb /= count;
    for (int i = 0; i < count; i++) {
        aa += (a[i] - ma) * (a[i] - ma);
        bb += (b[i] - mb) * (b[i] - mb);
        ab += (a[i] - ma) * (b[i] - mb);
    }
    return aa > 0 && bb > 0 ? ab / sqrt(aa * bb) : 0.0;
}

double presented_blendshape_correlation(const presented *p, int index) {
    float *a = calloc((size_t)p->frames, sizeof *a), *b = calloc((size_t)p->frames, sizeof *b);
    assert_true(a != NULL && b != NULL);
    for (int i = 0; i < p->frames; i++) {
        a[i] = p->blendshapes[i][index];
        b[i] = stk_subject_blendshapes(p->subject)[i][index];
    }
    double r = presented_correlation(a, b, p->frames);
    free(a);
    free(b);
    return r;
}

void presented_captured_mouth(const presented *p, float *opening) {
    for (int i = 0; i < p->frames; i++) {
        const float(*l)[3] = stk_subject_landmarks(p->subject, i);
        float eyes = hypotf(l[263][0] - l[33][0], l[263][1] - l[33][1]);
        opening[i] = hypotf(l[14][0] - l[13][0], l[14][1] - l[13][1]) / eyes;
    }
}

double presented_lag(const float *a, const float *b, int count, int reach) {
    double best = -2, scores[129];
    int at = 0;
    assert_true(reach <= 64 && count > 4 * reach);
    for (int lag = -reach; lag <= reach; lag++) {
        int from = lag < 0 ? -lag : 0, overlap = count - abs(lag);
        scores[lag + reach] = presented_correlation(a + from, b + from + lag, overlap);
        if (scores[lag + reach] > best) best = scores[lag + reach], at = lag;
    }
    if (at == -reach || at == reach) return at;
    double l = scores[at - 1 + reach], r = scores[at + 1 + reach], bend = l - 2 * best + r;
    return bend < 0 ? at + 0.5 * (l - r) / bend : at;
}
