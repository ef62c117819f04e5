/* points_published.c - see points_published.h. */
#include "head_sync/points_published.h"
#include "base/image.h"
#include "base/memory.h"
#include "head_sync/raft.h"

#include <math.h>
#include <string.h>

enum {
    NET_WIDTH = 240,
    NET_HEIGHT = 320,
    PLANE = NET_WIDTH * NET_HEIGHT,
    COARSE = PLANE / (STK_RAFT_STRIDE * STK_RAFT_STRIDE),
    MARGIN = 10,          /* px around the mask's box */
    SELECT_FRAMES = 2500, /* that choose the points */
    CELL = 5,
    APART = 5,
    STEADY_BELOW = 40, /* of 255 */
};
static const double WILD_FRAME = 3.0;

typedef struct one_flow {
    float coarse[COARSE][2];
    stk_rect box; /* of its frame; x1 <= x0: no head */
} one_flow;

/* A flow as the picture has it, for places of the source. */
typedef struct whole_flow {
    float plane[2 * PLANE];
    const one_flow *from;
    stk_rect source;
} whole_flow;

struct stk_published_points {
    int width, height, frames;
    const char *weights;
    one_flow *flows; /* [frames] */
    stk_published_lane *lane;
    stk_raft_features *features; /* of the source */
    stk_rect box;
    int32_t *pixels;      /* [count] y * width + x, by rows */
    int count;            /* pixels of the head */
    float (*moved[3])[2]; /* [count] flow of three frames */
    float *steadiness;    /* [count] mean second difference */
    double *shake;        /* [frames] mean over the pixels; < 0: not known */
    int32_t *key;         /* [points] into pixels */
    whole_flow *flow;
    int points, wild;
};

struct stk_published_lane {
    stk_published_points *owner;
    stk_raft *raft;
    stk_raft_features *features;
    stk_image picture;
};

/* --- making and freeing ----------------------------------------------------------------------- */

static stk_status allocate(stk_published_points *p) {
    const size_t area = (size_t)p->width * (size_t)p->height;
    p->flows = stk_calloc_aligned((size_t)p->frames, sizeof *p->flows);
    p->pixels = stk_calloc_aligned(area, sizeof *p->pixels);
    p->key = stk_calloc_aligned(area, sizeof *p->key);
    p->steadiness = stk_calloc_aligned(area, sizeof *p->steadiness);
    p->shake = stk_calloc_aligned((size_t)p->frames, sizeof *p->shake);
    p->flow = stk_calloc_aligned(1, sizeof *p->flow);
    for (int k = 0; k < 3; k++) {
        p->moved[k] = stk_calloc_aligned(area, sizeof *p->moved[k]);
        if (p->moved[k] == NULL) return stk_fail_memory("the published points");
    }
    if (p->flows == NULL || p->pixels == NULL || p->key == NULL || p->steadiness == NULL ||
        p->shake == NULL || p->flow == NULL)
        return stk_fail_memory("the published points");
    return STK_OK;
}

stk_status stk_published_points_create(stk_published_points **out, int width, int height,
                                       int frames, const char *weights) {
    *out = NULL;
    if (width < 64 || height < 64 || frames <= STK_PUBLISHED_SOURCE)
        return stk_fail(STK_ERR_ARGUMENT, "published points: %d frames of %dx%d px", frames, width,
                        height);
    stk_published_points *p = stk_calloc_aligned(1, sizeof *p);
    if (p == NULL) return stk_fail_memory("the published points");
    p->width = width, p->height = height, p->frames = frames, p->weights = weights;
    stk_status status = allocate(p);
    if (status == STK_OK) status = stk_published_lane_create(&p->lane, p);
    if (status == STK_OK) status = stk_raft_features_create(&p->features, p->lane->raft);
    if (status != STK_OK) stk_published_points_free(&p);
    *out = p;
    return status;
}

void stk_published_points_free(stk_published_points **handle) {
    stk_published_points *p = *handle;
    if (p == NULL) return;
    stk_published_lane_free(&p->lane);
    stk_raft_features_free(&p->features);
    for (int k = 0; k < 3; k++) stk_free(p->moved[k]);
    stk_free(p->flows);
    stk_free(p->pixels);
    stk_free(p->key);
    stk_free(p->steadiness);
    stk_free(p->shake);
    stk_free(p->flow);
    stk_free(p);
    *handle = NULL;
}

stk_status stk_published_lane_create(stk_published_lane **out, stk_published_points *points) {
    *out = NULL;
    stk_published_lane *lane = stk_calloc_aligned(1, sizeof *lane);
    if (lane == NULL) return stk_fail_memory("the published points");
    lane->owner = points;
    stk_status status = stk_raft_create(&lane->raft, points->weights, NET_HEIGHT, NET_WIDTH);
    if (status == STK_OK) status = stk_raft_features_create(&lane->features, lane->raft);
    if (status == STK_OK) status = stk_image_init(&lane->picture, NET_WIDTH, NET_HEIGHT, 3);
    if (status != STK_OK) stk_published_lane_free(&lane);
    *out = lane;
    return status;
}

void stk_published_lane_free(stk_published_lane **handle) {
    stk_published_lane *lane = *handle;
    if (lane == NULL) return;
    stk_raft_free(&lane->raft);
    stk_raft_features_free(&lane->features);
    stk_image_clear(&lane->picture);
    stk_free(lane);
    *handle = NULL;
}

/* --- a frame's flow --------------------------------------------------------------------------- */

static int is_head(const stk_image *labels, int x, int y) {
    return stk_image_row(labels, y)[x] == STK_LABEL_HEAD;
}

/* The mask's box, 10 px more on each side, its far borders clipped to size - 1 as published; empty
 * without a head. */
static stk_rect head_box(const stk_image *labels) {
    stk_rect r = {labels->width, labels->height, -1, -1};
    for (int y = 0; y < labels->height; y++)
        for (int x = 0; x < labels->width; x++) {
            if (!is_head(labels, x, y)) continue;
            if (x < r.x0) r.x0 = x;
            if (y < r.y0) r.y0 = y;
            if (x > r.x1) r.x1 = x;
            if (y > r.y1) r.y1 = y;
        }
    if (r.x1 < 0) return (stk_rect){0};
    return (stk_rect){stk_clampi(r.x0 - MARGIN, 0, labels->width - 1),
                      stk_clampi(r.y0 - MARGIN, 0, labels->height - 1),
                      stk_clampi(r.x1 + MARGIN, 0, labels->width - 1),
                      stk_clampi(r.y1 + MARGIN, 0, labels->height - 1)};
}

/* The box of the masked picture at 240 x 320, bilinear between pixel centres. */
static void cut_head(const stk_image *rgb, const stk_image *labels, stk_rect box, stk_image *out) {
    const float unit_x = (float)(box.x1 - box.x0) / NET_WIDTH;
    const float unit_y = (float)(box.y1 - box.y0) / NET_HEIGHT;
    for (int y = 0; y < NET_HEIGHT; y++) {
        const float sy = stk_clampf(((float)y + 0.5f) * unit_y - 0.5f, 0, 1e5f);
        const int y0 = stk_clampi(box.y0 + (int)sy, 0, box.y1 - 1);
        const int y1 = stk_clampi(y0 + 1, 0, box.y1 - 1);
        const float fy = sy - floorf(sy);
        uint8_t *to = stk_image_row(out, y);
        for (int x = 0; x < NET_WIDTH; x++) {
            const float sx = stk_clampf(((float)x + 0.5f) * unit_x - 0.5f, 0, 1e5f);
            const int x0 = stk_clampi(box.x0 + (int)sx, 0, box.x1 - 1);
            const int x1 = stk_clampi(x0 + 1, 0, box.x1 - 1);
            const float fx = sx - floorf(sx);
            const int places[4][2] = {{x0, y0}, {x1, y0}, {x0, y1}, {x1, y1}};
            const float shares[4] = {(1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy};
            float sum[3] = {0.5f, 0.5f, 0.5f};
            for (int k = 0; k < 4; k++) {
                if (!is_head(labels, places[k][0], places[k][1])) continue;
                const uint8_t *from = stk_image_row(rgb, places[k][1]) + 3 * places[k][0];
                for (int c = 0; c < 3; c++) sum[c] += shares[k] * (float)from[c];
            }
            for (int c = 0; c < 3; c++) to[3 * x + c] = (uint8_t)sum[c];
        }
    }
}

stk_status stk_published_points_source(stk_published_points *p, const stk_image *rgb,
                                       const stk_image *labels) {
    p->box = head_box(labels);
    if (p->box.x1 <= p->box.x0 || p->box.y1 <= p->box.y0)
        return stk_fail(STK_ERR_CONTENT,
                        "the published recipe follows points from frame %d, which has no head",
                        STK_PUBLISHED_SOURCE);
    p->count = 0;
    for (int y = 0; y < p->height; y++)
        for (int x = 0; x < p->width; x++) {
            if (is_head(labels, x, y) && x < p->box.x1 && y < p->box.y1)
                p->pixels[p->count++] = y * p->width + x;
        }
    cut_head(rgb, labels, p->box, &p->lane->picture);
    return stk_raft_encode(p->lane->raft, &p->lane->picture, STK_RAFT_FROM, p->features);
}

stk_status stk_published_lane_frame(stk_published_lane *lane, int frame, const stk_image *rgb,
                                    const stk_image *labels) {
    stk_published_points *p = lane->owner;
    if (frame < 0 || frame >= p->frames || rgb->width != p->width || rgb->height != p->height ||
        labels->width != p->width || labels->height != p->height)
        return stk_fail(STK_ERR_ARGUMENT, "published points: frame %d of %d, %dx%d px", frame,
                        p->frames, rgb->width, rgb->height);
    one_flow *flow = &p->flows[frame];
    flow->box = head_box(labels);
    if (flow->box.x1 <= flow->box.x0 || flow->box.y1 <= flow->box.y0) return STK_OK;
    cut_head(rgb, labels, flow->box, &lane->picture);
    STK_TRY(stk_raft_encode(lane->raft, &lane->picture, STK_RAFT_TO, lane->features));
    return stk_raft_flow_coarse(lane->raft, p->features, lane->features, STK_RAFT_ITERATIONS, NULL,
                                flow->coarse[0]);
}

/* --- flow at the source's pixels -------------------------------------------------------------- */

static int has_flow(const stk_published_points *p, int frame) {
    return p->flows[frame].box.x1 > p->flows[frame].box.x0;
}

static void load_flow(const stk_published_points *p, int frame, whole_flow *flow) {
    flow->from = &p->flows[frame];
    flow->source = p->box;
    stk_raft_refine(flow->from->coarse[0], NET_HEIGHT, NET_WIDTH, flow->plane);
}

/* s1, s2 the sizes of the boxes over 240 x 320, g the place on that grid (corners on corners):
 * (s2 - s1) g + s2 f(g), and the difference of the boxes' corners. */
static void flow_at(const whole_flow *w, int x, int y, float out[2]) {
    const stk_rect *a = &w->source, *b = &w->from->box;
    const int width = a->x1 - a->x0, height = a->y1 - a->y0;
    const float gx = width > 1 ? (float)(x - a->x0) * (NET_WIDTH - 1) / (float)(width - 1) : 0;
    const float gy = height > 1 ? (float)(y - a->y0) * (NET_HEIGHT - 1) / (float)(height - 1) : 0;
    const int x0 = stk_clampi((int)gx, 0, NET_WIDTH - 2);
    const int y0 = stk_clampi((int)gy, 0, NET_HEIGHT - 2);
    const float fx = gx - (float)x0, fy = gy - (float)y0;
    const float s1[2] = {(float)width / NET_WIDTH, (float)height / NET_HEIGHT};
    const float s2[2] = {(float)(b->x1 - b->x0) / NET_WIDTH, (float)(b->y1 - b->y0) / NET_HEIGHT};
    const float grid[2] = {gx, gy};
    const float corner[2] = {(float)(b->x0 - a->x0), (float)(b->y0 - a->y0)};
    for (int c = 0; c < 2; c++) {
        const float *f = w->plane + c * PLANE + y0 * NET_WIDTH + x0;
        const float here = (1 - fy) * ((1 - fx) * f[0] + fx * f[1]) +
                           fy * ((1 - fx) * f[NET_WIDTH] + fx * f[NET_WIDTH + 1]);
        out[c] = (s2[c] - s1[c]) * grid[c] + s2[c] * here + corner[c];
    }
}

static void load_pixels(stk_published_points *p, int frame, float (*moved)[2]) {
    load_flow(p, frame, p->flow);
    for (int k = 0; k < p->count; k++)
        flow_at(p->flow, p->pixels[k] % p->width, p->pixels[k] / p->width, moved[k]);
}

/* --- selection -------------------------------------------------------------------------------- */

static float second_difference(const stk_published_points *p, int k) {
    const float *a = p->moved[0][k], *b = p->moved[1][k], *c = p->moved[2][k];
    return hypotf(b[0] - 0.5f * (a[0] + c[0]), b[1] - 0.5f * (a[1] + c[1]));
}

/* Frames 1 .. n - 2 with flow before and after: their mean second difference into shake, or, when
 * wild is given, the sum over those below it into steadiness. Returns how many those are. */
static int sweep(stk_published_points *p, int frames, const double *wild) {
    int loaded = 0, used = 0; /* frames in a row in moved */
    for (int i = 0; i < frames; i++) {
        float(*swap)[2] = p->moved[0];
        p->moved[0] = p->moved[1], p->moved[1] = p->moved[2], p->moved[2] = swap;
        loaded = has_flow(p, i) ? loaded + 1 : 0;
        if (loaded > 0) load_pixels(p, i, p->moved[2]);
        if (i == 0) continue;
        if (wild == NULL) {
            double sum = 0;
            for (int k = 0; k < p->count && loaded >= 3; k++)
                sum += (double)second_difference(p, k);
            p->shake[i - 1] = loaded >= 3 ? sum / p->count : -1;
        } else if (loaded >= 3 && p->shake[i - 1] <= *wild) {
            for (int k = 0; k < p->count; k++) p->steadiness[k] += second_difference(p, k);
            used++;
        }
    }
    return used;
}

/* Whole numbers 0 .. 255 between the steadiest pixel and the least steady. */
static int level_of(const stk_published_points *p, int k, float least, float most) {
    return most > least ? (int)(255 * (p->steadiness[k] - least) / (most - least)) : 0;
}

static int is_apart(const uint8_t *taken, int width, int height, int x, int y) {
    for (int v = y - APART; v <= y + APART; v++)
        for (int u = x - APART; u <= x + APART; u++)
            if (u >= 0 && v >= 0 && u < width && v < height && taken[v * width + u]) return 0;
    return 1;
}

/* The steadiest pixel of each cell. level [height][width], 255 off the head; taken: scratch, 0. */
static void pick_points(stk_published_points *p, const uint8_t *level, uint8_t *taken,
                        const int32_t *number) {
    for (int y = 0; y < p->height - CELL; y += CELL)
        for (int x = 0; x < p->width - CELL; x += CELL) {
            int best = STEADY_BELOW, at = -1;
            for (int k = 0; k < CELL * CELL; k++) {
                const int here = (y + k / CELL) * p->width + x + k % CELL;
                if (level[here] < best) best = level[here], at = here;
            }
            if (at < 0 || !is_apart(taken, p->width, p->height, at % p->width, at / p->width))
                continue;
            taken[at] = 1;
            p->key[p->points++] = number[at];
        }
}

static stk_status choose(stk_published_points *p) {
    const size_t area = (size_t)p->width * (size_t)p->height;
    const int frames = p->frames < SELECT_FRAMES ? p->frames : SELECT_FRAMES;
    double sum = 0;
    int known = 0;
    sweep(p, frames, NULL);
    for (int i = 1; i < frames - 1; i++)
        if (p->shake[i] >= 0) sum += p->shake[i], known++;
    const double wild = known > 0 ? WILD_FRAME * sum / known : 0;
    p->wild = known - sweep(p, frames, &wild);
    float least = INFINITY, most = 0;
    for (int k = 0; k < p->count; k++) {
        least = fminf(least, p->steadiness[k]);
        most = fmaxf(most, p->steadiness[k]);
    }
    uint8_t *maps = stk_calloc_aligned(2 * area, 1);
    int32_t *number = stk_calloc_aligned(area, sizeof *number);
    if (maps == NULL || number == NULL) {
        stk_free(maps);
        stk_free(number);
        return stk_fail_memory("the published points");
    }
    memset(maps, 255, area);
    for (int k = 0; k < p->count; k++) {
        maps[p->pixels[k]] = (uint8_t)level_of(p, k, least, most);
        number[p->pixels[k]] = k;
    }
    pick_points(p, maps, maps + area, number);
    stk_free(maps);
    stk_free(number);
    return STK_OK;
}

/* --- tracks ----------------------------------------------------------------------------------- */

static stk_status tracks_allocate(const stk_published_points *p, stk_tracks *t) {
    const size_t points = (size_t)p->points, frames = (size_t)p->frames;
    t->frames = p->frames, t->points = p->points;
    t->width = p->width, t->height = p->height;
    t->first = stk_calloc_aligned(frames + 1, sizeof *t->first);
    t->list = stk_calloc_aligned(points * frames + 1, sizeof *t->list);
    t->anchor = stk_calloc_aligned(points + 1, sizeof *t->anchor);
    t->anchor_px = stk_calloc_aligned(points + 1, sizeof *t->anchor_px);
    if (t->first == NULL || t->list == NULL || t->anchor == NULL || t->anchor_px == NULL)
        return stk_fail_memory("the published points");
    return STK_OK;
}

static void fill_tracks(stk_published_points *p, stk_tracks *t) {
    int64_t seen = 0;
    for (int j = 0; j < p->points; j++) {
        const int32_t at = p->pixels[p->key[j]];
        t->anchor[j] = STK_PUBLISHED_SOURCE;
        t->anchor_px[j][0] = (float)(at % p->width) + 0.5f;
        t->anchor_px[j][1] = (float)(at / p->width) + 0.5f;
    }
    for (int i = 0; i < p->frames; i++) {
        t->first[i] = seen;
        if (!has_flow(p, i)) continue;
        load_flow(p, i, p->flow);
        for (int j = 0; j < p->points; j++) {
            const int32_t at = p->pixels[p->key[j]];
            float moved[2];
            flow_at(p->flow, at % p->width, at / p->width, moved);
            t->list[seen++] = (stk_observation){j, t->anchor_px[j][0] + moved[0],
                                                t->anchor_px[j][1] + moved[1], 1};
        }
    }
    t->first[p->frames] = seen;
}

stk_status stk_published_points_finish(stk_published_points *p, stk_tracks *tracks,
                                       stk_published_figures *figures) {
    memset(tracks, 0, sizeof *tracks);
    p->points = 0;
    memset(p->steadiness, 0, (size_t)p->count * sizeof *p->steadiness);
    STK_TRY(choose(p));
    stk_status status = tracks_allocate(p, tracks);
    if (status != STK_OK) {
        stk_tracks_clear(tracks);
        return status;
    }
    fill_tracks(p, tracks);
    if (figures != NULL)
        *figures = (stk_published_figures){
            p->points, p->frames < SELECT_FRAMES ? p->frames : SELECT_FRAMES, p->wild};
    return STK_OK;
}
