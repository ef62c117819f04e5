/* canvas_private.h - what the files of the canvas share: vertices in front of the camera, the
 * samples, and the stages of a frame.
 *
 *   transform.c  scene -> canvas_vertex, canvas_point (tasks of vertices)
 *   bins.c       triangles and strand segments -> lists by bands of 16 rows
 *   raster.c     a band: triangles -> nearest triangle of each sample
 *   shade.c      a band: nearest triangles -> colour of each sample
 *   ribbon.c     a band: strands over it
 *   resolve.c    samples -> picture and label map
 *   bake.c       light before the first frame; uses the small helpers only
 *
 * A pixel has 2x2 samples on a grid that is turned by 27 degrees, so that upright and level edges
 * get four steps, not two; one vector of four holds a quantity of all of them. Nearness is 1 / -z:
 * linear on the screen.
 */
#ifndef STK_PRESENTER_CANVAS_PRIVATE_H
#define STK_PRESENTER_CANVAS_PRIVATE_H

#include "presenter/canvas.h"

enum { CANVAS_BAND = 16, CANVAS_CHUNK = 2048, CANVAS_TEXTURES = 64, CANVAS_SRGB_STEPS = 8192 };

typedef float canvas_f4 __attribute__((vector_size(16)));
typedef int32_t canvas_i4 __attribute__((vector_size(16)));

/* Where a pixel's samples lie. */
static const canvas_f4 CANVAS_SAMPLE_X = {0.375f, 0.875f, 0.125f, 0.625f};
static const canvas_f4 CANVAS_SAMPLE_Y = {0.125f, 0.375f, 0.625f, 0.875f};

/* One instruction each; b where either is no number. */
static inline float canvas_max(float a, float b) {
    return a > b ? a : b;
}
static inline float canvas_min(float a, float b) {
    return a < b ? a : b;
}

static inline int canvas_any(canvas_i4 mask) {
    typedef long long pair __attribute__((vector_size(16)));
    const pair p = (pair)mask;
    return (p[0] | p[1]) != 0;
}

typedef struct canvas_vertex {
    float x, y, near; /* px; 1/m, 0 = behind the near plane */
    float normal[3];  /* cam */
    float light[3];   /* irradiance / pi without the key light */
    float uv[2];
    float key, rim, open, shade; /* shares: key, rim light, surroundings seen; extra darkening */
} canvas_vertex;

typedef struct canvas_point {
    float x, y, near, half_px; /* half_px: half the drawn width */
    float alpha, rgb[3];       /* display-linear */
} canvas_point;

/* Display-linear, premultiplied by coverage a. */
typedef struct canvas_pixel {
    canvas_f4 r, g, b, a;
} canvas_pixel;

/* Strands in front of a pixel: what they show, what they let through. */
typedef struct canvas_fringe {
    canvas_f4 r, g, b, clear, near; /* near: where half is covered, 0 = not yet */
    canvas_i4 part;
} canvas_fringe;
/* Those of a band, [BAND][width]; state says which are in use. */
typedef struct canvas_fringes {
    canvas_fringe *fringe;
    uint8_t *state;
} canvas_fringes;

/* A texture with its halvings. Texel: linear r, g, b, unused; slopes u, v (32768 = level), \
 * roughness, cavity. */
enum { CANVAS_LEVELS = 12 };
typedef struct canvas_texel {
    uint16_t value[8];
} canvas_texel;
typedef struct canvas_texture {
    const uint8_t *colour, *detail; /* which it was made of */
    int levels, width[CANVAS_LEVELS], height[CANVAS_LEVELS];
    canvas_texel *texel[CANVAS_LEVELS]; /* one block, of level 0 */
    canvas_texel *block;
} canvas_texture;

/* Items (surface << 24 | triangle, or set << 26 | first point of the segment) of each band, in
 * drawing order. */
typedef struct canvas_bins {
    int32_t *item;        /* [capacity] */
    int32_t *spare;       /* [capacity] for sorting */
    int32_t *start;       /* [bands + 1] */
    int32_t *count;       /* [chunks][bands]: of a chunk, then where it writes */
    uint16_t (*range)[2]; /* [items] first and last band + 1 of an item, equal: not drawn */
    int32_t *code;        /* [items] */
    int capacity, chunks, items;
} canvas_bins;

/* One actor while it is drawn. */
typedef struct canvas_job {
    const stk_actor *actor;
    int surface_first[STK_ACTOR_SURFACES + 1]; /* first vertex; last = all */
    int triangle_first[STK_ACTOR_SURFACES + 1];
    int strand_first[STK_ACTOR_STRANDS + 1]; /* first point */
    int segment_first[STK_ACTOR_STRANDS + 1];
    const canvas_texture *texture[STK_ACTOR_SURFACES]; /* NULL = none */
    stk_bones bones;
    float harmonics[2][2][9][3]; /* [head, torso][plain, skin] */
    float key_weight[2][STK_KEY_CELLS];
    float rim_basis[2][9];
    int keep, force_part;
} canvas_job;

struct stk_canvas {
    int width, height, bands;
    stk_pool *pool;
    stk_camera camera;
    stk_light light;
    uint8_t *fresh;        /* [bands] nothing drawn in this frame yet */
    canvas_f4 *nearness;   /* [height][width] of the samples, 0 = infinitely far */
    canvas_pixel *pixel;   /* [height][width], valid where live */
    uint8_t (*part)[4];    /* [height][width] */
    uint8_t *live;         /* [height][width] something was drawn */
    canvas_i4 *nearest;    /* [workers][BAND][width] item of each sample in this draw, -1 none */
    canvas_fringe *fringe; /* [workers][BAND][width] */
    uint8_t *fringe_state; /* [workers][BAND][width] */
    canvas_vertex *vertex;
    canvas_point *point;
    int vertices, points; /* room */
    canvas_bins triangles, segments;
    canvas_job job;
    canvas_texture texture[CANVAS_TEXTURES];
    int textures;
    float *root;                        /* [height][width][3] of display-linear light */
    float to_linear[256], to_root[256]; /* of sRGB bytes */
    float *to_srgb;                     /* [CANVAS_SRGB_STEPS + 1] of the root of light, 0 .. 255 */
};

/* transform.c */
void canvas_transform(stk_canvas *canvas);
/* bins.c: room for the actor, then the lists of this frame. */
stk_status canvas_bins_reserve(canvas_bins *bins, int items, int bands);
void canvas_bins_free(canvas_bins *bins);
stk_status canvas_bin(stk_canvas *canvas);
/* texture.c */
stk_status canvas_texture_get(stk_canvas *canvas, const stk_texture *source,
                              const canvas_texture **texture);
void canvas_texture_clear(canvas_texture *texture);
/* Bilinear between the two levels around `level` (0 = finest). */
void canvas_texture_sample(const canvas_texture *texture, float u, float v, float level,
                           float value[8]);
/* raster.c, shade.c, ribbon.c: rows [y0, y1) of band; `nearest` is the worker's. */
void canvas_raster(stk_canvas *canvas, int band, canvas_i4 *nearest);
void canvas_shade(stk_canvas *canvas, int band, const canvas_i4 *nearest);
void canvas_ribbons(stk_canvas *canvas, int band, const canvas_fringes *fringes);
/* shade.c: scene-linear to display-linear [0, 1]. */
void canvas_tone(const float in[3], float out[3]);
/* Colour of light that a strand sends to the camera, see shade.c. */
typedef struct canvas_hair {
    const float *rgb, *tangent, *view, *fill;
    float key, rim, shine, shift;
} canvas_hair;
void canvas_shade_hair(const stk_light *light, const canvas_hair *hair, float out[3]);

#endif
