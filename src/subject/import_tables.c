/* import_tables.c - tables.safetensors of an imported subject.
 *
 *   transforms -> poses, *.lms -> landmarks, bs.npy -> blendshapes -> expressions ("upper"),
 *   au.csv -> au45, aud.wav -> audio_mel, aud_*.npy -> audio_<kind>
 *
 * What the published pipeline does not know is filled in plainly: shape_head is the canonical face,
 * reprojection_px is 0, every frame counts as found.
 */
#include "subject/import.h"
#include "subject/tables.h"

#include "base/face_mesh.h"
#include "base/log.h"
#include "base/memory.h"
#include "face_sync/audio.h"
#include "face_sync/face_capture.h"
#include "nn/npy.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CSV_BYTES_MAX = 64 << 20, MEL_FLOATS = STK_MEL_BINS * STK_MEL_STEPS, BLINK = 8 };

typedef struct columns {
    stk_pose *poses;
    float (*landmarks)[STK_LANDMARKS][3];
    float (*blendshapes)[STK_BLENDSHAPES], (*expressions)[STK_EXPRESSIONS];
    float *audio_mel, *reprojection_px, *au45;
    uint8_t *found;
    float *features[STK_AUDIO_KINDS]; /* by kind, NULL: none */
} columns;

static void clear_columns(columns *c) {
    stk_free(c->poses), stk_free(c->landmarks), stk_free(c->blendshapes), stk_free(c->expressions);
    stk_free(c->audio_mel), stk_free(c->reprojection_px), stk_free(c->au45), stk_free(c->found);
    for (int k = 0; k < STK_AUDIO_KINDS; k++) stk_free(c->features[k]);
}

/* --- blendshapes ------------------------------------------------------------------------------ */

/* bs.npy was made from the clip itself, without change of rate (Q29): told by the sound's length.
 * The rows are used as the published loader does, by img_id. */
static void check_rate(const stk_import *import, const char *path, int64_t rows) {
    char sound[STK_PATH_MAX];
    stk_media_info media;
    if (stk_import_path(import, sound, "aud.wav") != STK_OK ||
        stk_media_probe(sound, &media) != STK_OK)
        return;
    double expected = media.duration_s * STK_FPS;
    if (fabs((double)rows - expected) > 0.03 * expected + STK_FPS)
        stk_log(STK_LOG_WARN,
                "%s: has %lld rows where %.1f s of sound make %.0f frames at 25/s: it seems made "
                "from a clip of another rate and drifts from the picture; bring the clip to 25/s "
                "and run the published task 9 again",
                path, (long long)rows, media.duration_s, expected);
}

static stk_status copy_blendshapes(const stk_import *import, const char *path,
                                   const stk_npy_info *npy, columns *c) {
    if (npy->rank != 2 || npy->shape[1] != STK_BLENDSHAPES)
        return stk_fail(STK_ERR_FORMAT,
                        "%s: is not an array of rows of 52; run the published "
                        "task 9 again",
                        path);
    const size_t bytes = STK_BLENDSHAPES * stk_dtype_size(npy->dtype);
    for (int i = 0; i < import->count; i++) {
        int id = import->frames[i].img_id;
        if (id >= npy->shape[0])
            return stk_fail(STK_ERR_CONTENT,
                            "%s: has %lld rows, frame %d needs one more; it was made from another "
                            "clip or at another rate: bring the clip to 25/s and run the published "
                            "task 9 again",
                            path, (long long)npy->shape[0], id);
        stk_dtype_to_f32(npy->dtype, (const char *)npy->data + (size_t)id * bytes, STK_BLENDSHAPES,
                         c->blendshapes[i]);
        for (int k = 0; k < STK_BLENDSHAPES; k++)
            if (!(fabsf(c->blendshapes[i][k]) <= (float)STK_EXPRESSION_MAX))
                return stk_fail(STK_ERR_FORMAT,
                                "%s: the row of frame %d holds %.6g where shares of 1 are "
                                "expected; run the published task 9 again",
                                path, id, (double)c->blendshapes[i][k]);
    }
    check_rate(import, path, npy->shape[0]);
    return STK_OK;
}

/* Without bs.npy (a data set for --au45) the eyes' blinking is all there is. */
static stk_status blendshapes_of_au45(const stk_import *import, const char *path, columns *c) {
    if (c->au45 == NULL)
        return stk_fail(STK_ERR_IO,
                        "%s: is missing, and no au.csv stands in for it; run the "
                        "published task 9",
                        path);
    stk_log(STK_LOG_WARN, "%s: is missing; blinking comes from au.csv, brows stay still", path);
    for (int i = 0; i < import->count; i++)
        c->blendshapes[i][BLINK] = c->blendshapes[i][BLINK + 1] = c->au45[i];
    return STK_OK;
}

static stk_status read_blendshapes(const stk_import *import, columns *c) {
    char path[STK_PATH_MAX];
    stk_npy *file;
    STK_TRY(stk_import_path(import, path, "bs.npy"));
    if (!stk_file_exists(path)) {
        STK_TRY(blendshapes_of_au45(import, path, c));
    } else {
        STK_TRY(stk_npy_open(&file, path));
        stk_status status = copy_blendshapes(import, path, stk_npy_get(file), c);
        stk_npy_close(&file);
        STK_TRY(status);
    }
    for (int i = 0; i < import->count; i++)
        stk_expression_select(c->blendshapes[i], c->expressions[i]);
    return STK_OK;
}

/* --- au.csv ----------------------------------------------------------------------------------- */

/* Place of the column AU45_r, with or without the blank OpenFace puts before it; -1: none. */
static int find_column(const char *line) {
    for (int column = 0;; column++) {
        const char *word = line + strspn(line, " ");
        size_t length = strcspn(word, ",\r\n");
        while (length > 0 && word[length - 1] == ' ') length--;
        if (length == 6 && strncmp(word, "AU45_r", 6) == 0) return column;
        line += strcspn(line, ",\n");
        if (*line++ != ',') return -1;
    }
}

/* The number in a column of a line; 0 when it is none. */
static int read_cell(const char *line, int column, float *value) {
    for (; column > 0; column--) {
        line += strcspn(line, ",\n");
        if (*line++ != ',') return 0;
    }
    line += strspn(line, " \t\v\f"); /* not further: strtod would go on to the next line */
    if (*line == '\r' || *line == '\n') return 0;
    char *end;
    double v = strtod(line, &end);
    *value = (float)(0.5 * fmin(fmax(v, 0.0), 2.0));
    return end != line && isfinite(v);
}

/* Line i + 1 belongs to img_id i. by_id: [rows] NAN where a line is unusable. */
static float *parse_csv(char *text, int rows) {
    float *by_id = stk_calloc_aligned((size_t)rows, sizeof *by_id);
    if (by_id == NULL) return NULL;
    int column = find_column(text);
    for (int i = 0; i < rows; i++) {
        text = text != NULL ? strchr(text, '\n') : NULL;
        if (text != NULL) text++;
        if (text == NULL || column < 0 || !read_cell(text, column, &by_id[i])) by_id[i] = NAN;
    }
    return by_id;
}

/* clip(AU45_r, 0, 2) / 2 (reference.md 1.3). A file that cannot serve is left out: nothing but
 * models trained with --au45 reads it. */
static stk_status read_au45(const stk_import *import, columns *c) {
    char path[STK_PATH_MAX], *text;
    int rows = 0;
    STK_TRY(stk_import_path(import, path, "au.csv"));
    if (!stk_file_exists(path)) return STK_OK;
    for (int i = 0; i < import->count; i++)
        if (import->frames[i].img_id >= rows) rows = import->frames[i].img_id + 1;
    STK_TRY(stk_file_read_text(path, CSV_BYTES_MAX, &text));
    float *by_id = parse_csv(text, rows);
    stk_free(text);
    c->au45 = stk_calloc_aligned((size_t)import->count, sizeof *c->au45);
    if (by_id == NULL || c->au45 == NULL) {
        stk_free(by_id);
        return stk_fail_memory("au.csv");
    }
    for (int i = 0; c->au45 != NULL && i < import->count; i++) {
        c->au45[i] = by_id[import->frames[i].img_id];
        if (!isnan(c->au45[i])) continue;
        stk_log(STK_LOG_WARN, "%s: has no AU45_r for frame %d and is left out", path,
                import->frames[i].img_id);
        stk_free(c->au45);
        c->au45 = NULL;
    }
    stk_free(by_id);
    return STK_OK;
}

/* --- all -------------------------------------------------------------------------------------- */

static stk_status allocate(const stk_import *import, columns *c) {
    size_t n = (size_t)import->count;
    c->poses = stk_calloc_aligned(n, sizeof *c->poses);
    c->landmarks = stk_calloc_aligned(n, sizeof *c->landmarks);
    c->blendshapes = stk_calloc_aligned(n, sizeof *c->blendshapes);
    c->expressions = stk_calloc_aligned(n, sizeof *c->expressions);
    c->audio_mel = stk_calloc_aligned(n * MEL_FLOATS, sizeof *c->audio_mel);
    c->reprojection_px = stk_calloc_aligned(n, sizeof *c->reprojection_px);
    c->found = stk_calloc_aligned(n, sizeof *c->found);
    if (c->poses == NULL || c->landmarks == NULL || c->blendshapes == NULL ||
        c->expressions == NULL || c->audio_mel == NULL || c->reprojection_px == NULL ||
        c->found == NULL)
        return stk_fail_memory("subject tables");
    return STK_OK;
}

static stk_status collect(stk_import *import, columns *c) {
    char path[STK_PATH_MAX];
    STK_TRY(allocate(import, c));
    for (int i = 0; i < import->count; i++) {
        STK_TRY(stk_import_path(import, path, "ori_imgs/%d.lms", import->frames[i].img_id));
        STK_TRY(stk_import_landmarks(path, c->landmarks[i]));
        c->poses[i] = import->frames[i].pose;
        c->found[i] = 1;
        if (i % 256 == 0) STK_TRY(stk_import_tick(import, i, import->count));
    }
    STK_TRY(read_au45(import, c));
    STK_TRY(read_blendshapes(import, c));
    STK_TRY(stk_import_sound(import, c->audio_mel));
    STK_TRY(stk_import_tick(import, import->count, import->count));
    return stk_import_features(import, c->features);
}

static stk_status write_columns(const stk_import *import, const columns *c) {
    char path[STK_PATH_MAX], names[STK_AUDIO_KINDS][32];
    const int64_t n = import->count;
    stk_table tables[9 + STK_AUDIO_KINDS] = {
        {"poses", STK_F32, 2, {n, 12}, c->poses},
        {"landmarks", STK_F32, 3, {n, STK_LANDMARKS, 3}, c->landmarks},
        {"blendshapes", STK_F32, 2, {n, STK_BLENDSHAPES}, c->blendshapes},
        {"expressions", STK_F32, 2, {n, STK_EXPRESSIONS}, c->expressions},
        {"audio_mel", STK_F32, 3, {n, STK_MEL_BINS, STK_MEL_STEPS}, c->audio_mel},
        {"reprojection_px", STK_F32, 1, {n}, c->reprojection_px},
        {"shape_head", STK_F32, 2, {STK_MESH_LANDMARKS, 3}, stk_canonical_face()},
    };
    int count = 7;
    if (c->au45 != NULL) tables[count++] = (stk_table){"au45", STK_F32, 1, {n}, c->au45};
    for (int k = 0; k < STK_AUDIO_KINDS; k++) {
        if (c->features[k] == NULL) continue;
        snprintf(names[k], sizeof names[k], "audio_%s", stk_audio_kind_name((stk_audio_kind)k));
        tables[count++] = (stk_table){
            names[k], STK_F32, 2, {n, stk_audio_row_floats((stk_audio_kind)k)}, c->features[k]};
    }
    tables[count++] = (stk_table){"found", STK_U8, 1, {n}, c->found};
    STK_TRY(stk_draft_path(&import->draft, "tables.safetensors", path));
    return stk_tables_write(path, tables, count);
}

stk_status stk_import_tables(stk_import *import) {
    columns c = {0};
    stk_import_step(import, "tables");
    stk_status status = collect(import, &c);
    if (status == STK_OK) status = write_columns(import, &c);
    if (status == STK_OK)
        stk_subject_identify(&import->manifest.info, c.poses,
                             (const float(*)[STK_EXPRESSIONS])c.expressions, c.audio_mel);
    clear_columns(&c);
    return status;
}
