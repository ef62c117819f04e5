/* quality.c - see quality.h.
 *
 * DIFFERS: reference.md 10 compares unquantised floats, here 8-bit frames, as a viewer gets them;
 * at 30 dB the rounding is worth less than 0.01 dB. Landmarks come from the face mesh, not from
 * FAN.
 *
 * Threading: the pictures' four figures are tasks of the pool, each with scratch of its own; then
 * LPIPS has the pool; faces are followed on the calling thread.
 */
#include "render/quality.h"
#include "base/memory.h"
#include "face_sync/face_capture.h"
#include "head_sync/head_shape.h"
#include "head_sync/pose_smooth.h"
#include "metrics/naturalness.h"
#include "metrics/picture.h"
#include "render/fid_tally.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { PICTURE_TASKS = 4, SEED = 8 };
static const double HUBER_M = 0.002, HUBER_LEAST_PX = 0.5; /* as the head tracker's */

const stk_quality_name stk_quality_names[STK_QUALITY_COLUMNS] = {
    [STK_QUALITY_PSNR] = {"psnr", 0, 0},
    [STK_QUALITY_PSNR_HEAD] = {"psnr_head", 0, 1},
    [STK_QUALITY_PSNR_MOUTH] = {"psnr_mouth", 0, 1},
    [STK_QUALITY_PSNR_PORTRAIT] = {"psnr_portrait", 0, 1},
    [STK_QUALITY_SSIM] = {"ssim", 0, 0},
    [STK_QUALITY_MS_SSIM] = {"ms_ssim", 0, 0},
    [STK_QUALITY_NIQE] = {"niqe", 1, 0},
    [STK_QUALITY_BRISQUE] = {"brisque", 1, 0},
    [STK_QUALITY_LPIPS] = {"lpips", 1, 0},
    [STK_QUALITY_LPIPS_PORTRAIT] = {"lpips_portrait", 1, 1},
    [STK_QUALITY_LMD] = {"lmd", 1, 0},
    [STK_QUALITY_LMD_FACE] = {"lmd_face", 1, 0},
    [STK_QUALITY_AUE] = {"aue", 1, 0},
    [STK_QUALITY_POSE] = {"pose_error_deg", 1, 0},
};

/* What is followed through one of the two films. */
typedef struct film {
    stk_face_capture *capture; /* NULL: no landmark graph */
    stk_face face;
    stk_se3 *poses; /* [frames] */
} film;

struct stk_quality {
    stk_quality_settings settings;
    film real, made;
    uint8_t *found; /* [frames] a face in both */
    int32_t *take;  /* [frames] rises where a frame is not its predecessor's neighbour */
    int *number;    /* [frames] */
    double *column[STK_QUALITY_COLUMNS];
    int frames; /* added */
    stk_head_shape shape;
    stk_pose_model model;
    stk_niqe *niqe;
    stk_brisque *brisque;
    stk_lpips *lpips;
    stk_lpips_pass *lpips_pass; /* NULL: no weights */
    stk_inception *inception;
    stk_fid_tally fid; /* without a net: no weights */
    char fid_reason[STK_QUALITY_REASON];
    float *ssim_scratch, *ms_ssim_scratch;
    char reason[STK_QUALITY_COLUMNS][STK_QUALITY_REASON];
    const stk_image *now_real, *now_made;
};

/* --- beginning and end ------------------------------------------------------------------------ */

/* Weights that are absent, and pictures that are too small, are no failure: the last sentence
 * becomes the columns' reason. */
static stk_status excuse(stk_quality *q, stk_status status, stk_quality_column first,
                         stk_quality_column last) {
    if (status != STK_ERR_WEIGHTS && status != STK_ERR_ARGUMENT) return status;
    for (int i = first; i <= (int)last; i++)
        snprintf(q->reason[i], STK_QUALITY_REASON, "%s", stk_error_text());
    return STK_OK;
}

static stk_status open_faces(stk_quality *q) {
    stk_status status = stk_face_capture_create(&q->real.capture, q->settings.models);
    if (status == STK_OK) status = stk_face_capture_create(&q->made.capture, q->settings.models);
    if (status == STK_OK) return status;
    stk_face_capture_free(&q->real.capture);
    stk_face_capture_free(&q->made.capture);
    return excuse(q, status, STK_QUALITY_LMD, STK_QUALITY_POSE);
}

static stk_status allocate(stk_quality *q) {
    const size_t n = (size_t)q->settings.frames;
    const int w = q->settings.camera.width, h = q->settings.camera.height;
    q->found = stk_calloc_aligned(n, sizeof *q->found);
    q->take = stk_calloc_aligned(n, sizeof *q->take);
    q->number = stk_calloc_aligned(n, sizeof *q->number);
    q->real.poses = stk_calloc_aligned(n, sizeof *q->real.poses);
    q->made.poses = stk_calloc_aligned(n, sizeof *q->made.poses);
    q->column[0] = stk_calloc_aligned(n * STK_QUALITY_COLUMNS, sizeof(double));
    q->ssim_scratch = stk_calloc_aligned(stk_ssim_scratch_floats(w, h), sizeof(float));
    q->ms_ssim_scratch = stk_calloc_aligned(stk_ms_ssim_scratch_floats(w, h), sizeof(float));
    if (q->found == NULL || q->take == NULL || q->number == NULL || q->real.poses == NULL ||
        q->made.poses == NULL || q->column[0] == NULL || q->ssim_scratch == NULL ||
        q->ms_ssim_scratch == NULL)
        return stk_fail_memory("evaluation");
    for (int i = 1; i < STK_QUALITY_COLUMNS; i++) q->column[i] = q->column[0] + n * (size_t)i;
    return STK_OK;
}

static stk_status open_lpips(stk_quality *q) {
    const stk_lpips_shape shape = {q->settings.camera.width, q->settings.camera.height, 1, 0};
    stk_lpips_net net;
    STK_TRY(stk_lpips_net_of(q->settings.perceptual, &net));
    const stk_lpips *given = q->settings.lpips;
    stk_status status = given != NULL ? STK_OK : stk_lpips_open(&q->lpips, q->settings.models, net);
    if (status == STK_OK)
        status = stk_lpips_pass_create(&q->lpips_pass, given != NULL ? given : q->lpips, &shape,
                                       q->settings.pool);
    return excuse(q, status, STK_QUALITY_LPIPS, STK_QUALITY_LPIPS_PORTRAIT);
}

static stk_status open_fid(stk_quality *q) {
    stk_inception *net = q->settings.inception;
    if (net == NULL) {
        const stk_status status =
            stk_inception_open(&q->inception, q->settings.models, q->settings.pool);
        if (status == STK_ERR_WEIGHTS)
            snprintf(q->fid_reason, sizeof q->fid_reason, "%s", stk_error_text());
        if (status != STK_OK) return status == STK_ERR_WEIGHTS ? STK_OK : status;
        net = q->inception;
    }
    return stk_fid_tally_init(&q->fid, net, q->settings.frames, !q->settings.without_regions);
}

static stk_status open_weights(stk_quality *q) {
    const int w = q->settings.camera.width, h = q->settings.camera.height;
    const char *models = q->settings.models;
    STK_TRY(excuse(q, stk_niqe_open(&q->niqe, models, w, h), STK_QUALITY_NIQE, STK_QUALITY_NIQE));
    STK_TRY(excuse(q, stk_brisque_open(&q->brisque, models, w, h), STK_QUALITY_BRISQUE,
                   STK_QUALITY_BRISQUE));
    if (w < STK_MS_SSIM_SIDE || h < STK_MS_SSIM_SIDE)
        snprintf(q->reason[STK_QUALITY_MS_SSIM], STK_QUALITY_REASON,
                 "pictures of %dx%d are too small for five scales; %d pixels are needed both ways",
                 w, h, STK_MS_SSIM_SIDE);
    STK_TRY(open_lpips(q));
    STK_TRY(open_fid(q));
    for (int i = 0; q->settings.without_regions && i < STK_QUALITY_COLUMNS; i++)
        if (stk_quality_names[i].of_a_subject)
            snprintf(q->reason[i], STK_QUALITY_REASON,
                     "regions are known of a subject's frames only: `synctalk eval`");
    return open_faces(q);
}

stk_status stk_quality_create(stk_quality **out, const stk_quality_settings *settings) {
    *out = NULL;
    stk_quality *q = stk_calloc_aligned(1, sizeof *q);
    if (q == NULL) return stk_fail_memory("evaluation");
    q->settings = *settings;
    if (q->settings.perceptual == NULL) q->settings.perceptual = "alex";
    stk_head_shape_init(&q->shape);
    stk_head_shape_attach(&q->shape, &q->model);
    q->model.focal_px = (double)settings->camera.focal_px;
    q->model.cx_px = (double)settings->camera.cx_px;
    q->model.cy_px = (double)settings->camera.cy_px;
    stk_status status = allocate(q);
    if (status == STK_OK) status = open_weights(q);
    if (status == STK_OK)
        *out = q;
    else
        stk_quality_free(&q);
    return status;
}

void stk_quality_free(stk_quality **handle) {
    if (handle == NULL || *handle == NULL) return;
    stk_quality *q = *handle;
    stk_face_capture_free(&q->made.capture);
    stk_face_capture_free(&q->real.capture);
    stk_fid_tally_clear(&q->fid);
    stk_inception_close(&q->inception);
    stk_lpips_pass_free(&q->lpips_pass);
    stk_lpips_close(&q->lpips);
    stk_brisque_close(&q->brisque);
    stk_niqe_close(&q->niqe);
    stk_free(q->ms_ssim_scratch);
    stk_free(q->ssim_scratch);
    stk_free(q->column[0]);
    stk_free(q->made.poses);
    stk_free(q->real.poses);
    stk_free(q->number);
    stk_free(q->take);
    stk_free(q->found);
    stk_free(q);
    *handle = NULL;
}

/* --- a frame ---------------------------------------------------------------------------------- */

static void measure_picture(void *ctx, int task, int worker) {
    (void)worker;
    stk_quality *q = ctx;
    const int i = q->frames - 1;
    const stk_image *real = q->now_real, *made = q->now_made;
    switch (task) { /* the longest first */
    case 0:
        if (q->brisque != NULL)
            q->column[STK_QUALITY_BRISQUE][i] = stk_brisque_of(q->brisque, made);
        break;
    case 1:
        q->column[STK_QUALITY_MS_SSIM][i] = stk_ms_ssim(real, made, q->ms_ssim_scratch);
        break;
    case 2:
        if (q->niqe != NULL) q->column[STK_QUALITY_NIQE][i] = stk_niqe_of(q->niqe, made);
        break;
    default:
        q->column[STK_QUALITY_SSIM][i] = stk_ssim(real, made, q->ssim_scratch);
    }
}

static void fit_pose(stk_quality *q, film *f) {
    stk_se3 *pose = &f->poses[q->frames - 1];
    stk_pose_initial(&q->model, (const float(*)[3])f->face.landmarks.xyz, pose, NULL);
    const double px_of_m = q->model.focal_px / fmax(1e-3, fabs(pose->t[2]));
    q->model.huber_px = fmax(HUBER_LEAST_PX, HUBER_M * px_of_m);
    stk_pose_refine(&q->model, (const float(*)[3])f->face.landmarks.xyz, pose, NULL);
}

static stk_status measure_faces(stk_quality *q) {
    const int i = q->frames - 1;
    int found_real, found_made;
    if (q->real.capture == NULL) return STK_OK;
    STK_TRY(stk_face_capture_frame(q->real.capture, q->now_real, &q->real.face, &found_real));
    STK_TRY(stk_face_capture_frame(q->made.capture, q->now_made, &q->made.face, &found_made));
    if (!found_real || !found_made) return STK_OK;
    q->found[i] = 1;
    const stk_landmarks *a = &q->real.face.landmarks, *b = &q->made.face.landmarks;
    q->column[STK_QUALITY_LMD][i] = stk_landmark_distance(a, b, stk_mouth_landmarks, 20);
    q->column[STK_QUALITY_LMD_FACE][i] = stk_landmark_distance_68(a, b);
    q->column[STK_QUALITY_AUE][i] =
        stk_upper_face_error(q->real.face.blendshapes, q->made.face.blendshapes);
    fit_pose(q, &q->real);
    fit_pose(q, &q->made);
    double apart[9], turn[3];
    stk_mat3_mul_bt(q->made.poses[i].R, q->real.poses[i].R, apart);
    stk_so3_log(apart, turn);
    q->column[STK_QUALITY_POSE][i] =
        sqrt(turn[0] * turn[0] + turn[1] * turn[1] + turn[2] * turn[2]) * 180 / M_PI;
    return STK_OK;
}

static stk_status measure_lpips(stk_quality *q, stk_quality_column column,
                                const stk_image *picture) {
    if (q->lpips_pass == NULL) return STK_OK;
    return stk_lpips_distance_images(q->lpips_pass, q->now_real, picture,
                                     &q->column[column][q->frames - 1]);
}

stk_status stk_quality_add_portrait(stk_quality *q, const stk_image *portrait) {
    const int same = portrait == q->now_made;
    if (q->fid.net != NULL) STK_TRY(stk_fid_tally_add_portrait(&q->fid, same ? NULL : portrait));
    if (!same) return measure_lpips(q, STK_QUALITY_LPIPS_PORTRAIT, portrait);
    stk_quality_set(q, STK_QUALITY_LPIPS_PORTRAIT, q->column[STK_QUALITY_LPIPS][q->frames - 1]);
    return STK_OK;
}

stk_status stk_quality_add(stk_quality *q, int frame, const stk_image *real,
                           const stk_image *made) {
    if (q->frames == q->settings.frames)
        return stk_fail(STK_ERR_ARGUMENT, "more frames than announced");
    const int i = q->frames++;
    for (int k = 0; k < STK_QUALITY_COLUMNS; k++) q->column[k][i] = (double)NAN;
    q->number[i] = frame;
    q->take[i] = i == 0 ? 0 : q->take[i - 1] + (frame != q->number[i - 1] + 1);
    q->now_real = real;
    q->now_made = made;
    const stk_rect whole = {0, 0, real->width, real->height};
    q->column[STK_QUALITY_PSNR][i] = stk_psnr_from_mse(stk_mse(real, made, whole, NULL, NULL));
    stk_pool_run(q->settings.pool, PICTURE_TASKS, measure_picture, q);
    STK_TRY(measure_lpips(q, STK_QUALITY_LPIPS, made));
    if (q->fid.net != NULL) STK_TRY(stk_fid_tally_add(&q->fid, real, made));
    return measure_faces(q);
}

void stk_quality_set(stk_quality *q, stk_quality_column column, double value) {
    q->column[column][q->frames - 1] = value;
}

void stk_quality_newest(const stk_quality *q, double values[STK_QUALITY_COLUMNS]) {
    for (int k = 0; k < STK_QUALITY_COLUMNS; k++) values[k] = q->column[k][q->frames - 1];
}

int stk_quality_faces(const stk_quality *q, const stk_landmarks **real,
                      const stk_landmarks **made) {
    if (!q->found[q->frames - 1]) return 0;
    *real = &q->real.face.landmarks;
    *made = &q->made.face.landmarks;
    return 1;
}

/* --- what it comes to ------------------------------------------------------------------------- */

static void measure_jitter(const stk_quality *q, stk_quality_report *report) {
    int triples = 0;
    double shift_px;
    for (int i = 2; i < q->frames; i++)
        triples +=
            q->found[i] && q->found[i - 1] && q->found[i - 2] && q->take[i] == q->take[i - 2];
    report->jitter_rot_deg = report->jitter_rot_deg_real = (double)NAN;
    if (q->real.capture == NULL)
        snprintf(report->jitter_reason, STK_QUALITY_REASON, "%s", q->reason[STK_QUALITY_POSE]);
    else if (triples == 0)
        snprintf(
            report->jitter_reason, STK_QUALITY_REASON,
            "no three frames in a row that show a face (--every and --trained leave frames out)");
    if (triples == 0) return;
    stk_pose_jitter(q->made.poses, q->found, q->take, q->frames, q->model.focal_px,
                    &report->jitter_rot_deg, &shift_px);
    stk_pose_jitter(q->real.poses, q->found, q->take, q->frames, q->model.focal_px,
                    &report->jitter_rot_deg_real, &shift_px);
}

static stk_status measure_fid(stk_quality *q, const stk_job *job, stk_quality_report *report) {
    static const char *const few = "it is of the spread of frames, and takes two at least";
    report->fid = report->fid_portrait = (double)NAN;
    const char *reason = q->fid.net == NULL ? q->fid_reason : few;
    if (q->fid.net != NULL) {
        const stk_status status = stk_fid_tally_finish(&q->fid, q->settings.pool, job, &report->fid,
                                                       &report->fid_portrait);
        if (status == STK_ERR_NUMERIC)
            reason = stk_error_text();
        else if (status != STK_OK)
            return status;
    }
    if (isnan(report->fid)) snprintf(report->fid_reason[0], STK_QUALITY_REASON, "%s", reason);
    if (q->settings.without_regions) reason = q->reason[STK_QUALITY_PSNR_PORTRAIT];
    if (isnan(report->fid_portrait))
        snprintf(report->fid_reason[1], STK_QUALITY_REASON, "%s", reason);
    return STK_OK;
}

static const char *why_empty(stk_quality_column column) {
    if (column >= STK_QUALITY_LMD) return "no frame shows a face in both pictures";
    if (column == STK_QUALITY_NIQE || column == STK_QUALITY_BRISQUE)
        return "no frame shows any texture";
    return "no frame has such pixels";
}

stk_status stk_quality_finish(stk_quality *q, const stk_job *job, stk_quality_report *report) {
    *report = (stk_quality_report){.frames = q->frames, .perceptual = q->settings.perceptual};
    for (int k = 0; k < STK_QUALITY_COLUMNS; k++) {
        stk_figure *figure = &report->figure[k];
        const stk_figure_settings settings = {
            .seed = SEED, .lower_is_better = stk_quality_names[k].lower_is_better};
        STK_TRY(stk_figure_of(figure, q->column[k], q->frames, &settings));
        for (int i = 0; i < figure->worst_count; i++)
            figure->worst[i] = q->number[figure->worst[i]];
        if (figure->count == 0)
            snprintf(report->reason[k], STK_QUALITY_REASON, "%s",
                     q->reason[k][0] != '\0' ? q->reason[k] : why_empty((stk_quality_column)k));
    }
    measure_jitter(q, report);
    return measure_fid(q, job, report);
}
