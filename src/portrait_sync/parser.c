/* parser.c - label maps: which pixel is head, neck, torso or background (reference.md 6.1).
 *
 *   picture -> grid (longer side 256) -> person (mp_selfie_segmentation, else scatter.c)
 *                                     -> hair   (mp_hair_segmentation, its own last mask fed back)
 *   landmarks -> jaw line; skin colour of the clip -> neck
 *   each probability: steadied over time where the picture stood still, then guided filter to
 *              full size
 *   full size: person above the jaw line, and hair connected to it -> head; skin below -> neck;
 *              other person -> torso; specks absorbed
 *
 * or, as published, picture -> 512 x 512 -> BiSeNet -> class of the nearest pixel -> label; specks
 * absorbed as above.
 *
 * DIFFERS: the published code always runs a BiSeNet trained on CelebAMask-HQ. Its weights cannot be
 * given away; who has them gives them (stk_parser_use_bisenet). One thread per handle, no
 * allocation per frame.
 */
#include "layers.h"
#include "parts.h"
#include "portrait_sync/bisenet.h"
#include "portrait_sync/parsing.h"

#include "base/image.h"
#include "kernels/image.h"
#include "nn/weights.h"
#include "tflite/tflite.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    GRID_SIDE = 256,
    SIDE_MIN = 16,
    SIDE_MAX = 8192,
    PERSON_SIDE = 256, /* of the graphs' inputs */
    HAIR_SIDE = 512,
    HALF = 128,         /* of 255: a probability of one half */
    HAIR_SURE = 153,    /* 0.6: hair below the jaw line must be surer than above */
    PERSON_WEAK = 40,   /* hair counts only where the person graph does not exclude a person */
    SPECK_SHARE = 2000, /* regions below 1/2000 of the picture are absorbed */
    ISLE_SHARE = 150,   /* and those of torso below 1/150: a body is one piece */
    SLIVER_SHARE = 120, /* torso beside hair is hair when narrower than 1/120 of the picture */
};
/* Working classes beside stk_label. */
enum { MAYBE_HEAD = 4, MAYBE_HAIR = 5, MAYBE_NECK = 6, SLIVER = 7 };

static const float HEAD_REACH =
    1.1f; /* face widths from the middle: farther is not head but hair */
static const float STILL_LUMA = 6.0f; /* of 255: smaller changes are noise */
static const float MEMORY = 0.7f;     /* share of the last probability where nothing moved */
static const float TREMBLE = 0.003f;  /* of the picture's width: landmark noise */
static const char PERSON_GRAPH[] = "mp_selfie_segmentation.tflite";
static const char HAIR_GRAPH[] = "mp_hair_segmentation.tflite";

typedef struct graph {
    stk_map file;
    stk_tflite *net;
    stk_image input; /* 8-bit picture of the graph's input size */
} graph;

struct stk_parser {
    int width, height, grid[2];
    float scale; /* grid px a px */
    graph person_graph, hair_graph;
    stk_bisenet *bisenet;     /* NULL: the graphs */
    stk_image bisenet_input;  /* 512 x 512 */
    uint8_t *bisenet_classes; /* [512 * 512] */
    stk_arena arena;
    stk_guided guided;
    stk_image grid_rgb;
    uint8_t *luma, *person, *hair, *neck, *map, *visited; /* [h*w] */
    int32_t *queue;                                       /* [h*w] */
    float *grid_luma, *grid_old_luma, *still;             /* [gh*gw] */
    float *grid_person, *grid_hair, *grid_neck;           /* [gh*gw], kept for the next frame */
    float *fresh, *plane; /* [gh*gw], plane: STK_NECK_PLANES of them */
    float *hair_mask;     /* [512*512] last output of the graph */
    float *counts;        /* scatter's histograms */
    stk_jaw jaw;
    float points[STK_JAW_POINTS][2];
    int frames, has_points, neck_frames; /* since the last reset */
    stk_skin skin;
    char mode[160];
};

/* --- life ------------------------------------------------------------------------------------- */

/* Opens a graph if its file is here; absent is not an error. */
static stk_status graph_open(graph *g, const char *models, const char *name, const int shape[2]) {
    char path[STK_PATH_MAX];
    if (!stk_weights_have(models, name)) return STK_OK;
    STK_TRY(stk_weights_find(models, name, path));
    STK_TRY(stk_map_open(&g->file, path));
    STK_TRY(stk_tflite_open(&g->net, g->file.data, g->file.size, name));
    size_t wanted = (size_t)shape[0] * (size_t)shape[0] * (size_t)shape[1];
    if (stk_tflite_input(g->net, 0).count != wanted)
        return stk_fail(STK_ERR_WEIGHTS, "%s: its input is not %dx%dx%d", path, shape[0], shape[0],
                        shape[1]);
    return stk_image_init(&g->input, shape[0], shape[0], 3);
}

static void graph_close(graph *g) {
    if (g->net != NULL) stk_tflite_close(&g->net);
    if (g->file.data != NULL) stk_map_close(&g->file);
    stk_image_clear(&g->input);
}

static stk_status allocate(stk_parser *p) {
    size_t pixels = (size_t)p->width * (size_t)p->height;
    size_t grid = (size_t)p->grid[0] * (size_t)p->grid[1], plane = grid * sizeof(float);
    size_t hair = (size_t)HAIR_SIDE * HAIR_SIDE * sizeof(float);
    size_t counts = 2 * STK_SCATTER_BINS * sizeof(float);
    size_t scratch = STK_NECK_PLANES * plane;
    size_t bytes = 10 * pixels + 7 * plane + scratch + hair + counts + 20 * 64 +
                   stk_guided_bytes(p->width, p->height, p->grid[0], p->grid[1]);
    if (stk_arena_init(&p->arena, bytes) != 0) return stk_fail_memory("parser");
    stk_arena *a = &p->arena;
    stk_guided_init(&p->guided, a, (int[2]){p->width, p->height}, p->grid);
    uint8_t **bytes_of[] = {&p->luma, &p->person, &p->hair, &p->neck, &p->map, &p->visited};
    for (size_t i = 0; i < sizeof bytes_of / sizeof *bytes_of; i++)
        *bytes_of[i] = stk_arena_push(a, pixels);
    float **planes[] = {&p->grid_luma, &p->grid_old_luma, &p->still, &p->grid_person,
                        &p->grid_hair, &p->grid_neck,     &p->fresh};
    for (size_t i = 0; i < sizeof planes / sizeof *planes; i++)
        *planes[i] = stk_arena_push(a, plane);
    p->queue = stk_arena_push(a, pixels * sizeof(int32_t));
    p->plane = stk_arena_push(a, scratch);
    p->hair_mask = stk_arena_push(a, hair);
    p->counts = stk_arena_push(a, counts);
    if (p->counts == NULL) return stk_fail_memory("parser");
    return stk_image_init(&p->grid_rgb, p->grid[0], p->grid[1], 3);
}

static void describe(stk_parser *p) {
    const char *person = p->person_graph.net ? PERSON_GRAPH : "person from mesh and colours";
    const char *hair = p->hair_graph.net ? HAIR_GRAPH : "no hair graph";
    strcpy(p->mode, person);
    strcat(p->mode, ", ");
    strcat(p->mode, hair);
}

static stk_status parser_init(stk_parser *p, const char *models, int width, int height) {
    int longer = width > height ? width : height;
    p->width = width, p->height = height;
    p->scale = longer > GRID_SIDE ? (float)GRID_SIDE / (float)longer : 1;
    p->grid[0] = (int)stk_clampf((float)width * p->scale + 0.5f, 2, GRID_SIDE);
    p->grid[1] = (int)stk_clampf((float)height * p->scale + 0.5f, 2, GRID_SIDE);
    STK_TRY(allocate(p));
    STK_TRY(graph_open(&p->person_graph, models, PERSON_GRAPH, (int[2]){PERSON_SIDE, 3}));
    STK_TRY(graph_open(&p->hair_graph, models, HAIR_GRAPH, (int[2]){HAIR_SIDE, 4}));
    describe(p);
    stk_parser_reset(p);
    return STK_OK;
}

stk_status stk_parser_create(stk_parser **parser, const char *models, int width, int height) {
    *parser = NULL;
    if (width < SIDE_MIN || height < SIDE_MIN || width > SIDE_MAX || height > SIDE_MAX)
        return stk_fail(STK_ERR_ARGUMENT,
                        "parser: pictures of %dx%d are not possible (%d to %d px)", width, height,
                        SIDE_MIN, SIDE_MAX);
    stk_parser *p = stk_calloc_aligned(1, sizeof *p);
    if (p == NULL) return stk_fail_memory("parser");
    stk_status status = parser_init(p, models, width, height);
    if (status != STK_OK) {
        stk_parser_free(&p);
        return status;
    }
    *parser = p;
    return STK_OK;
}

void stk_parser_free(stk_parser **parser) {
    stk_parser *p = *parser;
    if (p == NULL) return;
    graph_close(&p->person_graph);
    graph_close(&p->hair_graph);
    stk_bisenet_free(&p->bisenet);
    stk_image_clear(&p->bisenet_input);
    stk_free(p->bisenet_classes);
    stk_image_clear(&p->grid_rgb);
    stk_arena_clear(&p->arena);
    stk_free(p);
    *parser = NULL;
}

stk_status stk_parser_use_bisenet(stk_parser *p, const char *path) {
    const int side = STK_BISENET_SIDE;
    if (p->bisenet != NULL) return stk_fail(STK_ERR_ARGUMENT, "parser: has a BiSeNet already");
    STK_TRY(stk_image_init(&p->bisenet_input, side, side, 3));
    p->bisenet_classes = stk_calloc_aligned((size_t)side * (size_t)side, 1);
    if (p->bisenet_classes == NULL) return stk_fail_memory("parser");
    STK_TRY(stk_bisenet_create(&p->bisenet, path, side));
    graph_close(&p->person_graph);
    graph_close(&p->hair_graph);
    p->person_graph = p->hair_graph = (graph){0};
    const char *slash = strrchr(path, '/');
    snprintf(p->mode, sizeof p->mode, "BiSeNet (%s)", slash != NULL ? slash + 1 : path);
    return STK_OK;
}

const char *stk_parser_mode(const stk_parser *parser) {
    return parser->mode;
}

void stk_parser_reset(stk_parser *p) {
    p->frames = p->has_points = p->neck_frames = 0;
    memset(p->hair_mask, 0, (size_t)HAIR_SIDE * HAIR_SIDE * sizeof(float));
    memset(&p->skin, 0, sizeof p->skin);
}

/* --- probabilities on the grid ---------------------------------------------------------------- */

static void take_luma(stk_parser *p, const stk_image *rgb) {
    for (int y = 0; y < p->height; y++) {
        const uint8_t *in = stk_image_row(rgb, y);
        uint8_t *out = p->luma + (size_t)y * (size_t)p->width;
        for (int x = 0; x < p->width; x++, in += 3)
            out[x] = (uint8_t)((77 * in[0] + 150 * in[1] + 29 * in[2]) >> 8);
    }
}

/* still[i]: share of the last probability to keep, 0 where the picture changed. */
static void find_still(stk_parser *p) {
    size_t n = (size_t)p->grid[0] * (size_t)p->grid[1];
    float *swap = p->grid_old_luma;
    p->grid_old_luma = p->grid_luma, p->grid_luma = swap;
    for (size_t i = 0; i < n; i++) p->grid_luma[i] = p->guided.guide[i] * 255;
    if (p->frames == 0) {
        memset(p->still, 0, n * sizeof *p->still);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        float change = (p->grid_luma[i] - p->grid_old_luma[i]) * (1 / STILL_LUMA);
        p->still[i] = MEMORY / (1 + change * change * change * change);
    }
}

static void steady(stk_parser *p, float *kept) {
    size_t n = (size_t)p->grid[0] * (size_t)p->grid[1];
    for (size_t i = 0; i < n; i++) kept[i] = p->fresh[i] + p->still[i] * (kept[i] - p->fresh[i]);
}

/* The picture at the graph's size: one that is there already, or resized into g->input. */
static const stk_image *graph_input(graph *g, const stk_image *rgb, const stk_image *grid_rgb) {
    int side = g->input.width;
    if (rgb->width == side && rgb->height == side) return rgb;
    if (grid_rgb->width == side && grid_rgb->height == side) return grid_rgb;
    stk_image_resize(&g->input, rgb);
    return &g->input;
}

static stk_status run_person(stk_parser *p, const stk_image *rgb) {
    graph *g = &p->person_graph;
    const stk_image *picture = graph_input(g, rgb, &p->grid_rgb);
    float *in = stk_tflite_input(g->net, 0).data;
    for (int y = 0; y < PERSON_SIDE; y++) {
        const uint8_t *row = stk_image_row(picture, y);
        for (int i = 0; i < 3 * PERSON_SIDE; i++) *in++ = (float)row[i] * (1 / 255.0f);
    }
    STK_TRY(stk_tflite_run(g->net));
    stk_plane_resize(p->fresh, p->grid[0], p->grid[1], stk_tflite_output(g->net, 0).data,
                     PERSON_SIDE, PERSON_SIDE);
    return STK_OK;
}

static stk_status run_hair(stk_parser *p, const stk_image *rgb) {
    graph *g = &p->hair_graph;
    const stk_image *picture = graph_input(g, rgb, &p->grid_rgb);
    float *in = stk_tflite_input(g->net, 0).data;
    const float *mask = p->hair_mask;
    for (int y = 0; y < HAIR_SIDE; y++) {
        const uint8_t *row = stk_image_row(picture, y);
        for (int x = 0; x < HAIR_SIDE; x++, row += 3, in += 4) {
            for (int c = 0; c < 3; c++) in[c] = (float)row[c] * (1 / 255.0f);
            in[3] = *mask++;
        }
    }
    STK_TRY(stk_tflite_run(g->net));
    const float *out = stk_tflite_output(g->net, 0).data; /* background, hair */
    for (size_t i = 0; i < (size_t)HAIR_SIDE * HAIR_SIDE; i++)
        p->hair_mask[i] = 1 / (1 + expf(out[2 * i] - out[2 * i + 1]));
    stk_plane_resize(p->fresh, p->grid[0], p->grid[1], p->hair_mask, HAIR_SIDE, HAIR_SIDE);
    return STK_OK;
}

/* Person and hair, steadied and brought to full size. */
static stk_status find_person(stk_parser *p, const stk_image *rgb) {
    size_t n = (size_t)p->grid[0] * (size_t)p->grid[1];
    if (p->person_graph.net != NULL) {
        STK_TRY(run_person(p, rgb));
    } else if (p->has_points) {
        stk_scatter_person(p->fresh, &p->grid_rgb, &p->jaw, p->scale, p->counts, p->plane);
    } else { /* unknown: all of it may be person, which spoils neither plate nor target */
        for (size_t i = 0; i < n; i++) p->fresh[i] = 1;
    }
    steady(p, p->grid_person);
    stk_guided_apply(&p->guided, p->person, p->grid_person, p->luma);
    if (p->hair_graph.net == NULL) {
        memset(p->hair, 0, (size_t)p->width * (size_t)p->height);
        return STK_OK;
    }
    STK_TRY(run_hair(p, rgb));
    steady(p, p->grid_hair);
    stk_guided_apply(&p->guided, p->hair, p->grid_hair, p->luma);
    return STK_OK;
}

static void find_neck(stk_parser *p, const stk_landmarks *landmarks) {
    size_t n = (size_t)p->grid[0] * (size_t)p->grid[1];
    stk_skin_learn(&p->skin, &p->grid_rgb, landmarks, &p->jaw, p->grid_person, p->scale);
    const float *hair = p->hair_graph.net != NULL ? p->grid_hair : NULL;
    stk_neck_input input = {&p->grid_rgb, &p->jaw, &p->skin, p->grid_person, hair, p->scale};
    stk_neck_find(p->fresh, &input, p->plane);
    if (p->neck_frames++ == 0)
        memcpy(p->grid_neck, p->fresh, n * sizeof *p->fresh);
    else
        steady(p, p->grid_neck);
    stk_guided_apply(&p->guided, p->neck, p->grid_neck, p->luma);
}

/* --- classes at full size --------------------------------------------------------------------- */

static int is_person(const stk_parser *p, size_t at) {
    return p->person[at] >= HALF || (p->hair[at] >= HALF && p->person[at] >= PERSON_WEAK);
}

static void classify_faceless(stk_parser *p) {
    size_t n = (size_t)p->width * (size_t)p->height;
    for (size_t i = 0; i < n; i++)
        p->map[i] = !is_person(p, i)          ? STK_LABEL_BACKGROUND
                    : p->hair[i] >= HAIR_SURE ? STK_LABEL_HEAD
                                              : STK_LABEL_TORSO;
}

static void classify_row(stk_parser *p, int y) {
    const stk_jaw *jaw = &p->jaw;
    size_t at = (size_t)y * (size_t)p->width;
    float u, v, reach = HEAD_REACH * jaw->width;
    stk_jaw_axes(jaw, 0.5f, (float)y + 0.5f, &u, &v);
    for (int x = 0; x < p->width; x++, at++, u += jaw->right[0], v += jaw->down[0]) {
        int entry = stk_jaw_entry(jaw, u);
        if (v > jaw->inner_top[entry] && v < jaw->inner_bottom[entry])
            p->map[at] = MAYBE_HEAD;
        else if (!is_person(p, at))
            p->map[at] = STK_LABEL_BACKGROUND;
        else if (v <= jaw->limit[entry] && fabsf(u - jaw->u_mid) <= reach)
            p->map[at] = MAYBE_HEAD;
        else if (p->hair[at] >= HAIR_SURE)
            p->map[at] = MAYBE_HAIR;
        else
            p->map[at] = p->neck[at] >= HALF ? MAYBE_NECK : STK_LABEL_TORSO;
    }
}

/* Queue entries of the pixels that are certainly face: the middle of the oval. */
static int face_seeds(stk_parser *p) {
    const stk_jaw *jaw = &p->jaw;
    float v_mid = jaw->v_chin - 0.5f * jaw->height;
    float x = jaw->origin[0] + jaw->u_mid * jaw->right[0] + v_mid * jaw->down[0];
    float y = jaw->origin[1] + jaw->u_mid * jaw->right[1] + v_mid * jaw->down[1];
    int count = 0, radius = (int)(0.2f * jaw->width);
    int y0 = stk_clampi((int)y - radius, 0, p->height),
        y1 = stk_clampi((int)y + radius, 0, p->height);
    int x0 = stk_clampi((int)x - radius, 0, p->width),
        x1 = stk_clampi((int)x + radius, 0, p->width);
    for (int row = y0; row < y1; row++)
        for (int col = x0; col < x1; col++) p->queue[count++] = row * p->width + col;
    return count;
}

/* Neck candidates right below head pixels. */
static int neck_seeds(stk_parser *p) {
    int count = 0, w = p->width;
    for (int at = w; at < w * p->height; at++)
        if (p->map[at] == MAYBE_NECK && p->map[at - w] == STK_LABEL_HEAD) p->queue[count++] = at;
    return count;
}

/* The hair mask is often a few pixels narrower than the person mask: what is left between hair and
 * background is no torso. Torso without a core of SLIVER width, as far as it touches the head, is
 * head. */
static void slivers_to_hair(stk_parser *p) {
    int w = p->width, h = p->height, seeds = 0;
    int reach = STK_CHAMFER_UNIT * ((w > h ? w : h) / SLIVER_SHARE + 1) / 2;
    stk_image map = {p->map, w, h, 1, w};
    /* visited: distance to what is not torso, then to the torso's core; neck counts as body */
    stk_distance_chamfer(p->visited, &map, ~STK_LABELS_BODY & 15u, reach + 1);
    for (int i = 0; i < w * h; i++) p->person[i] = p->visited[i] > reach ? STK_LABEL_TORSO : 0;
    stk_image core = {p->person, w, h, 1, w};
    stk_distance_chamfer(p->visited, &core, STK_LABEL_SET(STK_LABEL_TORSO), 2 * reach + 1);
    for (int i = 0; i < w * h; i++)
        if (p->map[i] == STK_LABEL_TORSO && p->visited[i] > reach + STK_CHAMFER_UNIT)
            p->map[i] = SLIVER;
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++) {
            int at = y * w + x;
            if (p->map[at] != SLIVER) continue;
            int touches = (x > 0 && p->map[at - 1] == STK_LABEL_HEAD) ||
                          (x + 1 < w && p->map[at + 1] == STK_LABEL_HEAD) ||
                          (y > 0 && p->map[at - w] == STK_LABEL_HEAD) ||
                          (y + 1 < h && p->map[at + w] == STK_LABEL_HEAD);
            if (touches) p->queue[seeds++] = at;
        }
    stk_region_flood(p->map, w, h, 1u << SLIVER, STK_LABEL_HEAD, p->queue, seeds);
    for (int i = 0; i < w * h; i++)
        if (p->map[i] == SLIVER) p->map[i] = STK_LABEL_TORSO;
}

static void absorb_specks(stk_parser *p) {
    const int n = p->width * p->height;
    const int area[2] = {n / SPECK_SHARE + 1, n / ISLE_SHARE + 1};
    stk_region_absorb(p->map, p->width, p->height, area, 1u << STK_LABEL_TORSO, p->queue,
                      p->visited);
}

static void classify(stk_parser *p) {
    int w = p->width, h = p->height;
    size_t n = (size_t)w * (size_t)h;
    for (int y = 0; y < h; y++) classify_row(p, y);
    stk_region_flood(p->map, w, h, 1u << MAYBE_HEAD | 1u << MAYBE_HAIR, STK_LABEL_HEAD, p->queue,
                     face_seeds(p));
    stk_region_flood(p->map, w, h, 1u << MAYBE_NECK, STK_LABEL_NECK, p->queue, neck_seeds(p));
    for (size_t i = 0; i < n; i++)
        if (p->map[i] >= MAYBE_HEAD) p->map[i] = STK_LABEL_TORSO;
    slivers_to_hair(p);
    absorb_specks(p);
}

static stk_status classify_published(stk_parser *p, const stk_image *rgb) {
    const int side = STK_BISENET_SIDE;
    const stk_image *input = rgb;
    if (p->width != side || p->height != side) {
        stk_image_resize(&p->bisenet_input, rgb);
        input = &p->bisenet_input;
    }
    STK_TRY(stk_bisenet_run(p->bisenet, input, p->bisenet_classes));
    for (int y = 0, at = 0; y < p->height; y++) {
        const uint8_t *row = p->bisenet_classes + (ptrdiff_t)(y * side / p->height) * side;
        for (int x = 0; x < p->width; x++)
            p->map[at++] = stk_bisenet_label(row[x * side / p->width]);
    }
    absorb_specks(p);
    return STK_OK;
}

static stk_status check_frame(const stk_parser *p, const stk_image *rgb, const stk_image *labels) {
    if (rgb->width == p->width && rgb->height == p->height && rgb->channels == 3 &&
        labels->width == p->width && labels->height == p->height && labels->channels == 1)
        return STK_OK;
    return stk_fail(STK_ERR_ARGUMENT,
                    "parser for %dx%d: the frame is %dx%dx%d, its labels %dx%dx%d", p->width,
                    p->height, rgb->width, rgb->height, rgb->channels, labels->width,
                    labels->height, labels->channels);
}

/* As the graphs, the mesh and the clip's colours tell. */
static stk_status classify_built_in(stk_parser *p, const stk_image *rgb,
                                    const stk_landmarks *landmarks) {
    int face = 0;
    if (landmarks != NULL) {
        stk_jaw_follow(p->points, landmarks, !p->has_points, TREMBLE * (float)p->width);
        face = stk_jaw_init(&p->jaw, p->points);
    }
    p->has_points = face;
    if (!face) p->neck_frames = 0;
    stk_image_resize(&p->grid_rgb, rgb);
    take_luma(p, rgb);
    stk_guided_set(&p->guided, &p->grid_rgb);
    find_still(p);
    STK_TRY(find_person(p, rgb));
    if (face) {
        find_neck(p, landmarks);
        classify(p);
    } else {
        classify_faceless(p);
    }
    p->frames++;
    return STK_OK;
}

stk_status stk_parser_frame(stk_parser *p, const stk_image *rgb, const stk_landmarks *landmarks,
                            stk_image *labels) {
    STK_TRY(check_frame(p, rgb, labels));
    STK_TRY(p->bisenet != NULL ? classify_published(p, rgb) : classify_built_in(p, rgb, landmarks));
    for (int y = 0; y < p->height; y++)
        memcpy(stk_image_row(labels, y), p->map + (size_t)y * (size_t)p->width, (size_t)p->width);
    return STK_OK;
}
