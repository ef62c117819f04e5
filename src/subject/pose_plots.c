/* pose_plots.c - report/focal.svg and report/pose.svg, for eyes.
 *
 *   figures of the pose and stabilise steps -> focal.svg: error over focal length, the chosen one
 *   cache: pose, stable, quality, face      -> pose.svg: second differences of rotation and of the
 *       head origin's picture, before and after adjustment; error of the points; cuts; hard frames
 *
 * Long clips are drawn in COLUMNS columns, each its largest value.
 */
#include "subject/frame_quality.h"
#include "subject/prepare.h"

#include "base/memory.h"
#include "base/plot.h"
#include "head_sync/bundle.h"
#include "head_sync/motion_tracker.h"
#include "head_sync/se3.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 960, LEFT = 70, RIGHT = 24, COLUMNS = 1600, CANDIDATES = STK_FOCAL_CANDIDATES_MAX };
static const char *const before_colour = "#e08a2c", *const after_colour = "#1f5fbf";
static const char *const grey = "#888", *const dark = "#222", *const hard_colour = "#d64545";

/* --- focal length ----------------------------------------------------------------------------- */

static int read_candidates(const stk_manifest *m, double *focal, double *error) {
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(
        cJSON_GetObjectItemCaseSensitive(stk_manifest_step(m, "pose"), "figures"),
        "focal_candidates");
    const cJSON *pair;
    int count = 0;
    cJSON_ArrayForEach(pair, list) {
        const double f = cJSON_GetNumberValue(cJSON_GetArrayItem(pair, 0));
        const double e = cJSON_GetNumberValue(cJSON_GetArrayItem(pair, 1));
        if (count == CANDIDATES || !(f > 0) || !(e >= 0)) continue;
        focal[count] = f;
        error[count++] = e;
    }
    return count;
}

static void focal_words(stk_page *page, const stk_manifest *m, double searched, double chosen,
                        double sd) {
    char words[200];
    const int determined = stk_manifest_figure(m, "stabilise", "focal_determined", 0) > 0;
    stk_plot_text(page, LEFT, 26, 17, dark, "start",
                  "Focal length: how well the face mesh fits at each");
    snprintf(words, sizeof words, "search: %.0f px (dashed)", searched);
    stk_plot_text(page, LEFT, 50, 13, before_colour, "start", words);
    if (determined)
        snprintf(words, sizeof words,
                 "determined by the followed points: %.0f px, standard "
                 "deviation %.0f px (band)",
                 chosen, sd);
    else if (sd > 0)
        snprintf(words, sizeof words,
                 "kept: %.0f px; the followed points know it to %.0f px only "
                 "(band), more than %g %%",
                 chosen, sd, 100 * STK_FOCAL_DETERMINED);
    else
        snprintf(words, sizeof words, "kept: %.0f px; the followed points say nothing about it",
                 chosen);
    stk_plot_text(page, LEFT + 190, 50, 13, after_colour, "start", words);
}

static stk_status write_focal(const stk_prepare *prepare) {
    const stk_manifest *m = &prepare->manifest;
    double focal[CANDIDATES], error[CANDIDATES], low = INFINITY, high = 0;
    char path[STK_PATH_MAX];
    stk_page page;
    const int count = read_candidates(m, focal, error);
    const double searched = stk_manifest_figure(m, "pose", "focal_px", 0);
    const double chosen = (double)m->info.camera.focal_px;
    const double sd = stk_manifest_figure(m, "stabilise", "focal_sd_px", -1);
    for (int i = 0; i < count; i++) {
        low = fmin(low, error[i]);
        high = fmax(high, error[i]);
    }
    STK_TRY(stk_prepare_path(prepare, "report/focal.svg", path));
    stk_plot_open(&page, WIDTH, 440);
    focal_words(&page, m, searched, chosen, sd);
    stk_plot_text(&page, LEFT, 430, 12, grey, "start",
                  "The search also weighs the shape's distance from a mean face and, where the "
                  "curve is flat, a typical focal length.");
    if (count >= 2 && focal[count - 1] > focal[0]) {
        const double room = fmax(0.08 * (high - low), 1e-3);
        const stk_panel panel = {.left = LEFT,
                                 .top = 85,
                                 .width = WIDTH - LEFT - RIGHT,
                                 .height = 280,
                                 .x0 = focal[0],
                                 .x1 = focal[count - 1],
                                 .y0 = fmax(low - room, 0),
                                 .y1 = high + room,
                                 .log_x = 1};
        if (sd > 0)
            stk_panel_band(&page, &panel, fmax(chosen - sd, 1), chosen + sd, after_colour, 0.15);
        stk_panel_axes(&page, &panel, "focal length, px of picture.mp4",
                       "rms distance of the landmarks from the mesh, px");
        stk_panel_line(&page, &panel, focal, error, count, grey, 1.5);
        for (int i = 0; i < count; i++) stk_panel_dot(&page, &panel, focal[i], error[i], 3, dark);
        stk_panel_upright(&page, &panel, searched, before_colour, "6 4");
        stk_panel_upright(&page, &panel, chosen, after_colour, "");
    }
    return stk_plot_close(&page, path);
}

/* --- poses ------------------------------------------------------------------------------------ */

typedef struct curves {
    const stk_prepare *prepare;
    stk_face_table faces;
    stk_pose_table before, after;
    stk_frame_quality quality;
    double *turn[2], *shift[2]; /* [frames] before, after; NaN at cuts */
    double *time_s, *x, *y;     /* [frames]; x, y: [COLUMNS + 1] or more, scratch */
    int frames;
} curves;

static void clear_curves(curves *c) {
    stk_face_table_clear(&c->faces);
    stk_pose_table_clear(&c->before);
    stk_pose_table_clear(&c->after);
    stk_frame_quality_clear(&c->quality);
    for (int k = 0; k < 2; k++) {
        stk_free(c->turn[k]);
        stk_free(c->shift[k]);
    }
    stk_free(c->time_s);
    stk_free(c->x);
    stk_free(c->y);
}

static stk_status load_curves(curves *c) {
    const stk_prepare *p = c->prepare;
    const size_t n = (size_t)p->manifest.info.frames;
    c->frames = (int)n;
    STK_TRY(stk_face_table_read(p, 0, &c->faces));
    STK_TRY(stk_pose_table_read(p, "cache/pose.safetensors", &c->before));
    STK_TRY(stk_pose_table_read(p, "cache/stable.safetensors", &c->after));
    STK_TRY(stk_frame_quality_read(p, &c->quality));
    for (int k = 0; k < 2; k++) {
        c->turn[k] = stk_calloc_aligned(n, sizeof(double));
        c->shift[k] = stk_calloc_aligned(n, sizeof(double));
        if (c->turn[k] == NULL || c->shift[k] == NULL) return stk_fail_memory("a plot");
    }
    c->time_s = stk_calloc_aligned(n, sizeof(double));
    c->x = stk_calloc_aligned(n + COLUMNS + 1, sizeof(double));
    c->y = stk_calloc_aligned(n + COLUMNS + 1, sizeof(double));
    if (c->time_s == NULL || c->x == NULL || c->y == NULL) return stk_fail_memory("a plot");
    for (int i = 0; i < c->frames; i++) c->time_s[i] = stk_prepare_time_s(p, i);
    return STK_OK;
}

/* Rotation vector from one pose to another. */
static void turn_between(const stk_pose *from, const stk_pose *to, double w[3]) {
    double a[9], b[9], relative[9];
    for (int i = 0; i < 9; i++) {
        a[i] = (double)from->R[i];
        b[i] = (double)to->R[i];
    }
    stk_mat3_mul_bt(b, a, relative);
    stk_so3_log(relative, w);
}

/* Second differences at each frame: |w(i, i+1) - w(i-1, i)| and of the head origin's picture. */
static void second_differences(const curves *c, const stk_pose_table *table, double *turn,
                               double *shift) {
    const stk_subject_info *info = &c->prepare->manifest.info;
    const stk_camera camera = {table->lens[0], table->lens[1], table->lens[2], info->width,
                               info->height};
    static const float origin[3] = {0, 0, 0};
    for (int i = 0; i < c->frames; i++) {
        turn[i] = shift[i] = NAN;
        if (i == 0 || i + 1 == c->frames || c->faces.take[i - 1] != c->faces.take[i + 1]) continue;
        double first[3], second[3], sum = 0;
        float px[3][2];
        turn_between(&table->poses[i - 1], &table->poses[i], first);
        turn_between(&table->poses[i], &table->poses[i + 1], second);
        for (int k = 0; k < 3; k++) {
            sum += (second[k] - first[k]) * (second[k] - first[k]);
            stk_pose_project(&camera, &table->poses[i - 1 + k], origin, px[k]);
        }
        turn[i] = sqrt(sum) * 180 / M_PI;
        shift[i] = hypot((double)(px[0][0] - 2 * px[1][0] + px[2][0]),
                         (double)(px[0][1] - 2 * px[1][1] + px[2][1]));
    }
}

static int compare_doubles(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* A bound that all but the wildest values stay below. */
static double usual_most(const curves *c, const double *values) {
    int count = 0;
    for (int i = 0; i < c->frames; i++)
        if (values[i] >= 0) c->y[count++] = values[i];
    qsort(c->y, (size_t)count, sizeof *c->y, compare_doubles);
    return count > 0 ? c->y[(int)(0.99 * (count - 1))] : 0;
}

static void draw_curve(stk_page *page, const stk_panel *panel, const curves *c,
                       const double *values, const char *colour) {
    int columns = c->frames < COLUMNS ? c->frames : COLUMNS;
    for (int k = 0; k < columns; k++) {
        const int from = (int)((int64_t)k * c->frames / columns);
        const int to = (int)((int64_t)(k + 1) * c->frames / columns);
        c->x[k] = c->time_s[from];
        c->y[k] = NAN;
        for (int i = from; i < to; i++)
            if (values[i] >= 0) c->y[k] = fmax(isnan(c->y[k]) ? 0 : c->y[k], values[i]);
    }
    stk_panel_line(page, panel, c->x, c->y, columns, colour, 1.2);
}

/* Hard frames as bands, cuts as dashed lines. */
static void draw_events(stk_page *page, const stk_panel *panel, const curves *c) {
    for (int i = 0; i < c->frames; i++) {
        int to = i;
        while (to < c->frames && c->quality.reasons[to] != 0) to++;
        if (to == i) continue;
        stk_panel_band(page, panel, c->time_s[i], c->time_s[to - 1] + 1.0 / STK_FPS, hard_colour,
                       0.2);
        i = to;
    }
    for (int i = 1; i < c->frames; i++)
        if (c->faces.take[i] != c->faces.take[i - 1])
            stk_panel_upright(page, panel, c->time_s[i], dark, "4 3");
}

static void draw_panel(stk_page *page, const curves *c, double top, const char *name,
                       const double *before, const double *after) {
    const double last = c->time_s[c->frames - 1];
    const double first = c->time_s[0];
    double most = usual_most(c, after);
    if (before != NULL) most = fmax(most, usual_most(c, before));
    const stk_panel panel = {.left = LEFT,
                             .top = top,
                             .width = WIDTH - LEFT - RIGHT,
                             .height = 150,
                             .x0 = first,
                             .x1 = fmax(last, first + 0.1),
                             .y0 = 0,
                             .y1 = fmax(1.2 * most, 1e-3)};
    draw_events(page, &panel, c);
    stk_panel_axes(page, &panel, "s of the clip", name);
    if (before != NULL) draw_curve(page, &panel, c, before, before_colour);
    draw_curve(page, &panel, c, after, after_colour);
}

static stk_status draw_poses(curves *c) {
    char path[STK_PATH_MAX];
    stk_page page;

    STK_TRY(load_curves(c));
    second_differences(c, &c->before, c->turn[0], c->shift[0]);
    second_differences(c, &c->after, c->turn[1], c->shift[1]);
    STK_TRY(stk_prepare_path(c->prepare, "report/pose.svg", path));
    stk_plot_open(&page, WIDTH, 770);
    stk_plot_text(&page, LEFT, 26, 17, dark, "start", "Head pose, frame by frame");
    stk_plot_text(&page, LEFT, 50, 13, before_colour, "start", "from landmarks (before)");
    stk_plot_text(&page, LEFT + 180, 50, 13, after_colour, "start",
                  "points followed and adjusted (after)");
    stk_plot_text(&page, LEFT + 430, 50, 13, hard_colour, "start", "hard frames");
    stk_plot_text(&page, LEFT + 530, 50, 13, dark, "start", "cuts dashed");
    draw_panel(&page, c, 85, "rotation: second difference, degrees/frame^2", c->turn[0],
               c->turn[1]);
    draw_panel(&page, c, 325, "place in the picture: second difference, px/frame^2", c->shift[0],
               c->shift[1]);
    double *error = c->turn[0]; /* has been drawn */
    for (int i = 0; i < c->frames; i++) error[i] = (double)c->quality.error_px[i];
    draw_panel(&page, c, 565, "median distance of the points from where the pose puts them, px",
               NULL, error);
    return stk_plot_close(&page, path);
}

stk_status stk_pose_plots_write(const stk_prepare *prepare) {
    char path[STK_PATH_MAX];
    curves c = {.prepare = prepare};
    STK_TRY(stk_prepare_path(prepare, "report", path));
    STK_TRY(stk_directory_create(path));
    STK_TRY(write_focal(prepare));
    stk_status status = draw_poses(&c);
    clear_curves(&c);
    return status;
}
