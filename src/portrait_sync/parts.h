/* parts.h - the parser's parts, each a pure function or a small struct. Private to this room.
 *
 *   guided   low-resolution probability -> full-size 8-bit probability along the picture's edges
 *   jaw      landmarks -> the line between head and neck, in axes that roll with the head
 *   skin     this clip's skin colour
 *   neck     where the neck ends and the clothes begin
 *   scatter  person probability from colours and the mesh alone, when no graph is there
 *   regions  flood fill and removal of specks on a label map
 *
 * "Grid" is the small picture (about 256 px the longer side) on which probabilities live.
 */
#ifndef STK_PORTRAIT_SYNC_PARTS_H
#define STK_PORTRAIT_SYNC_PARTS_H

#include "base/memory.h"
#include "base/types.h"

/* --- guided filter (He, Sun, Fast Guided Filter, 2015) ---------------------------------------- */
typedef struct stk_guided {
    int width, height;               /* of the picture */
    int grid_width, grid_height;     /* of the probabilities */
    float *guide, *mean, *variance;  /* grid luma in [0,1] and its window statistics */
    float *slope, *offset, *t0, *t1; /* grid scratch */
    float *row;                      /* [2*grid_width] one line of slope and offset */
    int32_t *column;                 /* [width] grid column left of a picture column */
    float *share;                    /* [width] weight of the one right of it */
} stk_guided;

/* Takes its memory from the arena (stk_guided_bytes). */
size_t stk_guided_bytes(int width, int height, int grid_width, int grid_height);
void stk_guided_init(stk_guided *g, stk_arena *arena, const int size[2], const int grid[2]);
/* grid_rgb: the picture shrunk to the grid; its luma becomes the guide. */
void stk_guided_set(stk_guided *g, const stk_image *grid_rgb);
/* out[h*w] = round(255 clamp(q)), q = slope I + offset; p[gh*gw] in [0,1]; luma [h*w] 0..255. */
void stk_guided_apply(stk_guided *g, uint8_t *out, const float *p, const uint8_t *luma);
/* Mean over (2 radius + 1)^2, windows shrunk at the border; out may be in. scratch w*h + w floats.
 */
void stk_box_mean(float *out, const float *in, float *scratch, const int size[2], int radius);

/* --- jaw line --------------------------------------------------------------------------------- */
enum { STK_OVAL_POINTS = 36, STK_JAW_POINTS = STK_OVAL_POINTS + 2, STK_JAW_TABLE = 1024 };
/* Landmark numbers: the face oval from the forehead clockwise as seen, then the outer eye corners.
 */
extern const int16_t stk_jaw_indices[STK_JAW_POINTS];

/* Head axes in the picture: u to the right along the eyes, v down, px, origin between the eyes. */
typedef struct stk_jaw {
    float origin[2], right[2], down[2];
    float width, height; /* of the oval along u and v */
    float u_mid, u_chin, v_chin;
    float table_step;           /* px a table entry; entry STK_JAW_TABLE/2 stands at u_mid */
    float limit[STK_JAW_TABLE]; /* head is v <= limit(u) */
    float inner_top[STK_JAW_TABLE],
        inner_bottom[STK_JAW_TABLE]; /* certainly face; top > bottom: none */
} stk_jaw;

/* points: px of stk_jaw_indices. Returns 0 when they make no face (too small, not a number). */
int stk_jaw_init(stk_jaw *jaw, float points[STK_JAW_POINTS][2]);
/* Follows landmarks with less tremble: motion below about a pixel is followed slowly. */
void stk_jaw_follow(float points[STK_JAW_POINTS][2], const stk_landmarks *landmarks, int first,
                    float tremble_px);

static inline void stk_jaw_axes(const stk_jaw *jaw, float x, float y, float *u, float *v) {
    float dx = x - jaw->origin[0], dy = y - jaw->origin[1];
    *u = dx * jaw->right[0] + dy * jaw->right[1];
    *v = dx * jaw->down[0] + dy * jaw->down[1];
}
static inline int stk_jaw_entry(const stk_jaw *jaw, float u) {
    float at = (u - jaw->u_mid) / jaw->table_step + STK_JAW_TABLE / 2;
    return (int)stk_clampf(at, 0, STK_JAW_TABLE - 1);
}

/* --- skin ------------------------------------------------------------------------------------- */
/* Gaussian in (luma, r, g), r and g the chromaticities R/(R+G+B), G/(R+G+B). */
typedef struct stk_gaussian {
    float mean[3], covariance[6]; /* xx xy xz yy yz zz */
    float inverse[6];
    int ready;
} stk_gaussian;

typedef struct stk_skin {
    stk_gaussian face, neck;
} stk_skin;

/* Learns from this frame (face landmarks; below the chin) and runs over the clip. */
void stk_skin_learn(stk_skin *skin, const stk_image *grid_rgb, const stk_landmarks *landmarks,
                    const stk_jaw *jaw, const float *person, float scale);
/* (luma, r, g) of an RGB pixel, each in [0,1]. */
void stk_skin_colour(float colour[3], const uint8_t *rgb);
/* How far a colour is skin, in [0,1]: 1/2 at the 99 % ellipsoid of the nearer Gaussian. */
float stk_skin_membership(const stk_skin *skin, const float colour[3]);

/* --- neck ------------------------------------------------------------------------------------- */
/* Depth below the jaw line in face heights, and offset from the neck's axis in face widths, of a
 * picture position. */
void stk_neck_place(const stk_jaw *jaw, float x, float y, float *depth, float *offset);
typedef struct stk_neck_input {
    const stk_image *grid_rgb;
    const stk_jaw *jaw;
    const stk_skin *skin;
    const float *person, *hair; /* [gh*gw] probabilities; hair may be NULL */
    float scale;                /* grid px a picture px */
} stk_neck_input;
enum { STK_NECK_PLANES = 5 };
/* neck[gh*gw] in [0,1]. planes: scratch, STK_NECK_PLANES*gw*gh floats. */
void stk_neck_find(float *neck, const stk_neck_input *input, float *planes);

/* --- person without graphs -------------------------------------------------------------------- */
enum { STK_SCATTER_BINS = 16 * 16 * 16 };
/* person[gh*gw] from colour histograms of certain person and certain background; counts: scratch
 * 2*STK_SCATTER_BINS floats, plane: scratch 2*gw*gh + gw floats. */
void stk_scatter_person(float *person, const stk_image *grid_rgb, const stk_jaw *jaw, float scale,
                        float *counts, float *plane);

/* --- regions ---------------------------------------------------------------------------------- */
/* Replaces every pixel whose class is in `pass` (bit set) and that is 4-connected to one of the
 * `seeds` first entries of queue by `to`. queue: w*h entries. Seeds not in pass are ignored. */
void stk_region_flood(uint8_t *map, int width, int height, unsigned pass, uint8_t to,
                      int32_t *queue, int seeds);
/* Gives 4-connected regions smaller than area[0] px (area[1] for the classes in `large`) the class
 * that touches most of their border. map classes < 16. visited: w*h bytes. */
void stk_region_absorb(uint8_t *map, int width, int height, const int area[2], unsigned large,
                       int32_t *queue, uint8_t *visited);

#endif
