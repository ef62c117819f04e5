/* expression_track.c - see expression_track.h.
 *
 * Whatever the layout, a row becomes `cells`: place 0 the time, place 1 + k coefficient k; NaN
 * where the file has nothing. Which places a file has is known before its first row.
 *
 *   CSV     names, then a line a row; comma, semicolon or tab
 *   JSON    {"names": [..], "rows": [[..], ..], "fps": n}      also facsNames, weightMat, exportFps
 *           [{"time": t, "browInnerUp": v, ..}, ..]             also as "rows" or "frames" of an
 *           object {"time": [..], "browInnerUp": [..], ..}
 */
#include "render/expression_track.h"
#include "base/file.h"
#include "base/memory.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    FILE_BYTES_MAX = 32 << 20,
    ROWS_MAX = 1000000,
    COLUMNS_MAX = 512,
    TIME = 0,
    PLACES = 1 + STK_EXPRESSIONS,
    NO_PLACE = -1,
};

typedef struct reader {
    stk_expression_track *track;
    const char *path;
    int capacity;
    uint8_t has[PLACES];
    const char *time_name; /* of the column that is read as the time, one of `times` */
    double unit_s;         /* of that column */
    double fps;            /* of rows without time, and of frame numbers; 0: not said */
} reader;

/* --- names ------------------------------------------------------------------------------------ */

static const char *const names[STK_EXPRESSIONS] = {
    "browDownLeft",     "browDownRight", "browInnerUp",   "browOuterUpLeft",
    "browOuterUpRight", "eyeBlinkLeft",  "eyeBlinkRight",
};

const char *stk_expression_name(int index) {
    return names[index];
}

static int is_name(const char *text, size_t length, const char *name) {
    return strlen(name) == length && strncasecmp(text, name, length) == 0;
}

int stk_expression_find(const char *text, size_t length) {
    static const char *const sides[] = {"Left", "Right"};
    for (int k = 0; k < STK_EXPRESSIONS; k++) {
        if (is_name(text, length, names[k])) return k;
        for (int side = 0; side < 2; side++) {
            const size_t tail = strlen(sides[side]), stem = strlen(names[k]) - tail;
            if (strcmp(names[k] + stem, sides[side]) == 0 && length == stem + 2 &&
                strncasecmp(text, names[k], stem) == 0 && text[stem] == '_' &&
                (text[stem + 1] | 32) == (sides[side][0] | 32))
                return k;
        }
    }
    return -1;
}

static const struct {
    const char *name;
    int is_frame;
} times[] = {{"time", 0},    {"time_s", 0}, {"timestamp", 0},
             {"seconds", 0}, {"frame", 1},  {"frame_index", 1}};

/* Where a column of this name goes; a second time column is passed over. */
static int place_of(const reader *r, const char *name, size_t length) {
    const int k = stk_expression_find(name, length);
    if (k >= 0) return 1 + k;
    for (size_t i = 0; i < STK_ARRAY_SIZE(times); i++)
        if (is_name(name, length, times[i].name))
            return r->time_name == NULL || r->time_name == times[i].name ? TIME : NO_PLACE;
    return NO_PLACE;
}

/* Notes that the file has this column; NO_PLACE for those that are not read. */
static int take_column(reader *r, const char *name, size_t length) {
    const int place = place_of(r, name, length);
    if (place != NO_PLACE) r->has[place] = 1;
    for (size_t i = 0; place == TIME && i < STK_ARRAY_SIZE(times); i++) {
        if (!is_name(name, length, times[i].name)) continue;
        r->time_name = times[i].name;
        r->unit_s = !times[i].is_frame ? 1 : 1 / (r->fps > 0 ? r->fps : STK_FPS);
    }
    return place;
}

/* --- rows ------------------------------------------------------------------------------------- */

/* After the columns are known, before the rows. */
static stk_status begin(reader *r, int rows) {
    stk_expression_track *track = r->track;
    int known = 0;
    for (int k = 0; k < STK_EXPRESSIONS; k++) known += track->has[k] = r->has[1 + k];
    if (known == 0)
        return stk_fail(STK_ERR_FORMAT,
                        "%s: has none of the columns that move the face: browDownLeft, "
                        "browDownRight, browInnerUp, browOuterUpLeft, browOuterUpRight, "
                        "eyeBlinkLeft, eyeBlinkRight",
                        r->path);
    if (!r->has[TIME] && !(r->fps > 0))
        return stk_fail(STK_ERR_FORMAT,
                        "%s: does not say when its rows are; give a column \"time\" (seconds) or "
                        "\"frame\" (at 25/s)",
                        r->path);
    if (rows < 1)
        return stk_fail(STK_ERR_FORMAT, "%s: has no rows; an expression track needs one at least",
                        r->path);
    if (rows > ROWS_MAX)
        return stk_fail(STK_ERR_FORMAT, "%s: has more than %d rows; cut it", r->path, ROWS_MAX);
    r->capacity = rows;
    track->time_s = stk_calloc_aligned((size_t)rows, sizeof *track->time_s);
    track->values = stk_calloc_aligned((size_t)rows, sizeof *track->values);
    return track->time_s != NULL && track->values != NULL ? STK_OK
                                                          : stk_fail_memory("expression track");
}

static stk_status add_row(reader *r, const double cells[PLACES]) {
    stk_expression_track *track = r->track;
    const int row = track->rows;
    for (int k = 0; k < STK_EXPRESSIONS; k++) {
        if (!track->has[k]) continue;
        if (!(fabs(cells[1 + k]) <= STK_EXPRESSION_MAX))
            return stk_fail(STK_ERR_FORMAT,
                            "%s: %s of row %d is not a number; blendshapes are 0 to 1", r->path,
                            names[k], row + 1);
        track->values[row][k] = (float)cells[1 + k];
    }
    const double time_s = r->has[TIME] ? cells[TIME] * r->unit_s : row / r->fps;
    if (!(fabs(time_s) < 1e9))
        return stk_fail(STK_ERR_FORMAT, "%s: the time of row %d is not a number", r->path, row + 1);
    if (row > 0 && !(time_s > track->time_s[row - 1]))
        return stk_fail(STK_ERR_FORMAT,
                        "%s: row %d is not later than the one before it; sort the "
                        "rows by time",
                        r->path, row + 1);
    track->time_s[row] = time_s;
    track->rows++;
    return STK_OK;
}

static void empty_cells(double cells[PLACES]) {
    for (int p = 0; p < PLACES; p++) cells[p] = NAN;
}

/* --- CSV -------------------------------------------------------------------------------------- */

/* The next cell of a line [p, end): without blanks and quotes round it. Returns behind its
 * separator, NULL after the last. */
static const char *next_cell(const char *p, const char *end, char separator, const char **cell,
                             size_t *length) {
    const char *stop = memchr(p, separator, (size_t)(end - p));
    const char *last = stop != NULL ? stop : end;
    while (p < last && strchr(" \t\"", *p) != NULL) p++;
    while (last > p && strchr(" \t\"\r", last[-1]) != NULL) last--;
    *cell = p;
    *length = (size_t)(last - p);
    return stop != NULL ? stop + 1 : NULL;
}

/* NaN for what is no number as a whole. Cells end before a separator, so strtod stays in the text.
 */
static double number_of(const char *cell, size_t length) {
    char *end;
    const double value = strtod(cell, &end);
    return length > 0 && end == cell + length ? value : NAN;
}

/* The next line that says something: not empty, not a comment. Returns its end, NULL after the
 * last. */
static const char *next_line(const char **line) {
    for (const char *p = *line; *p != '\0';) {
        const char *end = p + strcspn(p, "\n");
        const char *first = p + strspn(p, " \t\r");
        if (first < end && *first != '#') {
            *line = p;
            return end;
        }
        p = *end == '\n' ? end + 1 : end;
    }
    return NULL;
}

static stk_status read_csv(reader *r, const char *text) {
    if (strncmp(text, "\xEF\xBB\xBF", 3) == 0) text += 3;
    const char *line = text, *end = next_line(&line), *cell;
    short place[COLUMNS_MAX];
    size_t length;
    if (end == NULL) return stk_fail(STK_ERR_FORMAT, "%s: is empty", r->path);
    char separator = ',';
    if (memchr(line, ',', (size_t)(end - line)) == NULL)
        separator = memchr(line, ';', (size_t)(end - line)) != NULL ? ';' : '\t';
    int columns = 0;
    for (const char *p = line; p != NULL && columns < COLUMNS_MAX; columns++) {
        p = next_cell(p, end, separator, &cell, &length);
        place[columns] = (short)take_column(r, cell, length);
    }
    const char *first = *end == '\n' ? end + 1 : end;
    int rows = 0;
    for (line = first; (end = next_line(&line)) != NULL; line = *end == '\n' ? end + 1 : end)
        rows++;
    STK_TRY(begin(r, rows));
    for (line = first; (end = next_line(&line)) != NULL; line = *end == '\n' ? end + 1 : end) {
        double cells[PLACES];
        empty_cells(cells);
        const char *p = line;
        for (int c = 0; p != NULL && c < columns; c++) {
            p = next_cell(p, end, separator, &cell, &length);
            if (place[c] != NO_PLACE) cells[place[c]] = number_of(cell, length);
        }
        STK_TRY(add_row(r, cells));
    }
    return STK_OK;
}

/* --- JSON ------------------------------------------------------------------------------------- */

static const cJSON *find_first(const cJSON *object, const char *const keys[], size_t count) {
    for (size_t i = 0; i < count; i++) {
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, keys[i]);
        if (item != NULL) return item;
    }
    return NULL;
}

/* "names" and rows of as many numbers. */
static stk_status read_matrix(reader *r, const cJSON *heads, const cJSON *rows) {
    short place[COLUMNS_MAX];
    int columns = 0;
    const cJSON *name, *row, *value;
    cJSON_ArrayForEach(name, heads) {
        if (columns == COLUMNS_MAX) break;
        const char *text = cJSON_IsString(name) ? name->valuestring : "";
        place[columns++] = (short)take_column(r, text, strlen(text));
    }
    STK_TRY(begin(r, cJSON_GetArraySize(rows)));
    cJSON_ArrayForEach(row, rows) {
        double cells[PLACES];
        int c = 0;
        empty_cells(cells);
        cJSON_ArrayForEach(value, row) {
            if (c < columns && place[c] != NO_PLACE && cJSON_IsNumber(value))
                cells[place[c]] = value->valuedouble;
            c++;
        }
        STK_TRY(add_row(r, cells));
    }
    return STK_OK;
}

/* An object a row; the first one has every column. */
static stk_status read_objects(reader *r, const cJSON *rows) {
    const cJSON *row, *item;
    cJSON_ArrayForEach(item, rows->child) take_column(r, item->string, strlen(item->string));
    STK_TRY(begin(r, cJSON_GetArraySize(rows)));
    cJSON_ArrayForEach(row, rows) {
        double cells[PLACES];
        empty_cells(cells);
        for (item = cJSON_IsObject(row) ? row->child : NULL; item != NULL; item = item->next) {
            const int place = place_of(r, item->string, strlen(item->string));
            if (place != NO_PLACE && cJSON_IsNumber(item)) cells[place] = item->valuedouble;
        }
        STK_TRY(add_row(r, cells));
    }
    return STK_OK;
}

/* An array of numbers under each name, all equally long. */
static stk_status read_columns(reader *r, const cJSON *root) {
    const cJSON *next[PLACES] = {NULL}, *item;
    int rows = -1;
    cJSON_ArrayForEach(item, root) {
        if (!cJSON_IsArray(item)) continue;
        const int place = take_column(r, item->string, strlen(item->string));
        if (place == NO_PLACE) continue;
        const int count = cJSON_GetArraySize(item);
        if (rows >= 0 && count != rows)
            return stk_fail(STK_ERR_FORMAT, "%s: its columns are not equally long (%d and %d)",
                            r->path, rows, count);
        rows = count;
        next[place] = item->child;
    }
    STK_TRY(begin(r, rows));
    for (int i = 0; i < rows; i++) {
        double cells[PLACES];
        empty_cells(cells);
        for (int p = 0; p < PLACES; p++) {
            if (next[p] == NULL) continue;
            if (cJSON_IsNumber(next[p])) cells[p] = next[p]->valuedouble;
            next[p] = next[p]->next;
        }
        STK_TRY(add_row(r, cells));
    }
    return STK_OK;
}

static stk_status read_root(reader *r, const cJSON *root) {
    static const char *const rates[] = {"fps", "exportFps"},
                             *const heads[] = {"names", "facsNames"},
                             *const lists[] = {"rows", "frames", "weightMat"};
    const cJSON *rate = find_first(root, rates, STK_ARRAY_SIZE(rates));
    const cJSON *list = cJSON_IsArray(root) ? root : find_first(root, lists, STK_ARRAY_SIZE(lists));
    if (rate != NULL && !(cJSON_IsNumber(rate) && rate->valuedouble > 0 && rate->valuedouble < 1e4))
        return stk_fail(STK_ERR_FORMAT, "%s: its \"%s\" is no number of rows a second", r->path,
                        rate->string);
    if (rate != NULL) r->fps = rate->valuedouble;
    if (list == NULL) return read_columns(r, root);
    if (!cJSON_IsArray(list) || list->child == NULL)
        return stk_fail(STK_ERR_FORMAT, "%s: has no rows; an expression track needs one at least",
                        r->path);
    if (cJSON_IsObject(list->child)) return read_objects(r, list);
    return read_matrix(r, find_first(root, heads, STK_ARRAY_SIZE(heads)), list);
}

static stk_status read_json(reader *r, const char *text) {
    cJSON *root = cJSON_Parse(text);
    if (!cJSON_IsObject(root) && !cJSON_IsArray(root)) {
        cJSON_Delete(root);
        return stk_fail(STK_ERR_FORMAT,
                        "%s: is not JSON with an expression track; see "
                        "doc/FORMATS.md",
                        r->path);
    }
    stk_status status = read_root(r, root);
    cJSON_Delete(root);
    return status;
}

/* --- the file --------------------------------------------------------------------------------- */

static int ends_in(const char *path, const char *ending) {
    const size_t length = strlen(path), tail = strlen(ending);
    return length > tail && strcasecmp(path + length - tail, ending) == 0;
}

int stk_expression_track_is(const char *path) {
    return ends_in(path, ".csv") || ends_in(path, ".json");
}

stk_status stk_expression_track_read(stk_expression_track *track, const char *path) {
    char *text;
    *track = (stk_expression_track){0};
    reader r = {.track = track, .path = path};
    STK_TRY(stk_file_read_text(path, FILE_BYTES_MAX, &text));
    stk_status status = ends_in(path, ".json") ? read_json(&r, text) : read_csv(&r, text);
    stk_free(text);
    if (status != STK_OK) stk_expression_track_clear(track);
    return status;
}

void stk_expression_track_clear(stk_expression_track *track) {
    stk_free(track->time_s);
    stk_free(track->values);
    *track = (stk_expression_track){0};
}

void stk_expression_track_at(const stk_expression_track *track, double time_s,
                             float values[STK_EXPRESSIONS]) {
    int low = 0, high = track->rows - 1; /* the row sought lies in [low, high] */
    while (high - low > 1) {
        const int middle = low + (high - low) / 2;
        if (track->time_s[middle] <= time_s)
            low = middle;
        else
            high = middle;
    }
    const double a = track->time_s[low], b = track->time_s[high];
    const float t = high == low ? 0 : stk_clampf((float)((time_s - a) / (b - a)), 0, 1);
    for (int k = 0; k < STK_EXPRESSIONS; k++)
        values[k] = track->values[low][k] + t * (track->values[high][k] - track->values[low][k]);
}
