/* hair_private.h - what the files of the hair share: the scalp, the comb, the finished strands.
 *
 *   scalp.c   skin -> smooth normals, radius map of the skull, outline of the face, neck; roots
 *   comb.c    style -> height of the cap, flow, length and lift; grows one strand
 *   cap.c     the surface below the strands
 *   mane.c    roots + comb -> clumped, coloured strands, flyaways, baby hair
 *   brows.c   brow hairs and lashes, planted in skin triangles
 *   hair.c    the public functions
 *
 * All lengths in metres, rest space. Everything here runs once, at start, on one thread, but
 * stk_brows_follow.
 */
#ifndef STK_PRESENTER_HAIR_PRIVATE_H
#define STK_PRESENTER_HAIR_PRIVATE_H

#include "base/rng.h"
#include "presenter/hair.h"

enum {
    STK_SCALP_COLUMNS = 180, /* of longitude: 2 degrees, 3.5 mm on a skull */
    STK_SCALP_ROWS = 90,
    STK_SCALP_SLICES = 16,     /* of the neck, 7 mm each */
    STK_SCALP_OUTLINE = 72,    /* directions of the face's outline */
    STK_HAIR_POINTS_SHORT = 8, /* of a strand */
    STK_HAIR_POINTS = 10,
    STK_HAIR_POINTS_LONG = 14,
};

/* Head of one bust as the hair sees it. */
typedef struct stk_scalp {
    const stk_surface *skin; /* borrowed */
    float *growth;           /* [skin->vertices] */
    float (*normal)[3];      /* [skin->vertices], unit, outwards */
    float centre[3];         /* of the skull */
    float half;              /* half the length of the hairy skull: the unit of directions */
    float *radius;           /* [ROWS + 1][COLUMNS + 1] distance of skin or ear from the centre */
    float outline[STK_SCALP_OUTLINE]; /* radius of the face's oval about `middle`, frontal view */
    float middle[2];
    float neck[STK_SCALP_SLICES][2]; /* half width, z of the nape; upwards from neck_y */
    float neck_y;
    float chin_y, brow_y, ear_top_y, ear_low_y, ear_z;
} stk_scalp;

typedef struct stk_root {
    float position[3], normal[3]; /* on the skin */
    float growth;
} stk_root;

stk_status stk_scalp_init(stk_scalp *scalp, const stk_bust *bust, const stk_look *look);
void stk_scalp_clear(stk_scalp *scalp);
/* Distance of the outermost skin from the centre in this direction (need not be unit). */
float stk_scalp_radius(const stk_scalp *scalp, const float direction[3]);
/* Moves a point out along the radius to at least `above` over the skin. */
void stk_scalp_push_out(const stk_scalp *scalp, float above, float point[3]);
/* Moves a point level with the neck out of it, sideways and back, to `above` over the skin. */
void stk_scalp_clear_neck(const stk_scalp *scalp, float above, float point[3]);
/* Share of the way from the middle of the face's oval to its border, seen from the front. */
float stk_scalp_oval(const stk_scalp *scalp, const float point[3]);
/* Moves a point that lies in front of the face sideways, to `share` of the oval's border. */
void stk_scalp_clear_face(const stk_scalp *scalp, float share, float point[3]);
/* Up to `wanted` roots, evenly scattered with distance falling as density rises, where
 * density(root, context) in [0, 1] is above 0. Returns how many. */
typedef float (*stk_scalp_density)(const stk_root *root, const void *context);
stk_status stk_scalp_roots(const stk_scalp *scalp, stk_scalp_density density, const void *context,
                           stk_rng *rng, int wanted, stk_root *roots, int *count);

/* How one person's hair is worn. */
typedef struct stk_comb {
    const stk_scalp *scalp;
    stk_hair_style style;
    float side;     /* +1 or -1: where the parting is, or the side the fringe is swept away from */
    float part;     /* x of the parting, m */
    float whorl[3]; /* crown, m */
    float end_y;    /* where long hair ends */
    float coil;     /* 0 straight .. 1 tight coils (short hair only) */
    uint32_t seed;
} stk_comb;

/* What differs from strand to strand. */
typedef struct stk_curl {
    float length; /* factor */
    float lift;   /* rad, added to the angle at the root */
    float turn;   /* rad, about the normal */
    float layer;  /* m, added to the height over the cap */
    float phase;  /* of the wave, rad */
    float stray;  /* m, how far the tip leaves the flow */
} stk_curl;

void stk_comb_init(stk_comb *comb, const stk_scalp *scalp, const stk_look *look);
/* Height of the cap above the skin; below it (negative) where nothing grows. */
float stk_comb_cap(const stk_comb *comb, const float position[3], float growth);
/* points [count][3] evenly along the strand, the first on the cap. */
void stk_comb_grow(const stk_comb *comb, const stk_root *root, const stk_curl *curl, int count,
                   float (*points)[3]);

/* rgb: the darkest tone of the hair. The material's texture is owned by `material`. */
stk_status stk_cap_make(stk_surface *cap, stk_material *material, const stk_comb *comb,
                        const stk_look *look);

stk_status stk_mane_make(stk_strands *mane, const stk_comb *comb, const stk_look *look);
/* Flyaways and the soft hairs of the hair line. */
stk_status stk_mane_make_fine(stk_strands *fine, const stk_comb *comb, const stk_look *look);

/* Hairs planted in skin triangles: local[i] are a strand's points in the frame of its root. The
 * first half of the hairs is the right side's (picture left), when there are pivots. */
typedef struct stk_brows {
    stk_strands strands;
    int32_t *triangle;  /* [count] of the skin */
    float (*weight)[3]; /* [count] barycentric */
    float (*local)[3];  /* [count][points], m */
    int pivoted;        /* turns about the eye's centre, not with the triangle */
    float pivot[2][3];
} stk_brows;

stk_status stk_brows_make(stk_brows *brows, const stk_bust *bust, const stk_look *look);
stk_status stk_lashes_make(stk_brows *lashes, const stk_bust *bust, const stk_look *look);
void stk_brows_follow(stk_brows *brows, const stk_surface *skin);
void stk_brows_clear(stk_brows *brows);

static inline float stk_dot3(const float a[3], const float b[3]) {
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}
static inline void stk_cross3(const float a[3], const float b[3], float out[3]) {
    out[0] = a[1] * b[2] - a[2] * b[1];
    out[1] = a[2] * b[0] - a[0] * b[2];
    out[2] = a[0] * b[1] - a[1] * b[0];
}
static inline void stk_sub3(const float a[3], const float b[3], float out[3]) {
    for (int k = 0; k < 3; k++) out[k] = a[k] - b[k];
}
/* out = a + s b */
static inline void stk_add3(const float a[3], float s, const float b[3], float out[3]) {
    for (int k = 0; k < 3; k++) out[k] = a[k] + s * b[k];
}
/* out = a + s (b - a) */
static inline void stk_mix3(const float a[3], const float b[3], float s, float out[3]) {
    for (int k = 0; k < 3; k++) out[k] = a[k] + s * (b[k] - a[k]);
}
static inline float stk_mix(float a, float b, float s) {
    return a + s * (b - a);
}

/* Length; makes `v` unit unless it is (nearly) zero. */
float stk_unit3(float v[3]);

#endif
