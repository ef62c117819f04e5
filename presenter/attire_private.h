/* attire_private.h - a tailor's dummy, sheets of cloth laid on it, and the cloth's pictures.
 *
 *   attire_body.c   the dummy: an implicit body, zero on the shirt's surface, and ways to find it
 *   attire_sheet.c  grids of vertices: shells cast onto the dummy, strips between two curves
 *   attire_cut.c    the garments: which sheets, where their borders run
 *   attire_cloth.c  textures: twill, poplin, knit, silk
 *
 * Lengths in metres of the rest space (scene.h).
 */
#ifndef STK_PRESENTER_ATTIRE_PRIVATE_H
#define STK_PRESENTER_ATTIRE_PRIVATE_H

#include "base/pool.h"
#include "presenter/bust.h"

enum { STK_NECK_COLUMNS = 96 };
/* The neck as it enters the collar, measured from the bust. */
typedef struct stk_neckline {
    float half_width, front_z, back_z; /* at the height of the collar */
    float join[STK_NECK_COLUMNS][3];   /* its skin all round, where the chest's begins */
} stk_neckline;

typedef struct stk_dummy {
    stk_neckline neck;
    float broad; /* widths of the shoulders, 1 = 45 cm */
    uint32_t seed;
} stk_dummy;

/* About the distance from the dummy, positive outside, m. */
float stk_dummy_distance(const stk_dummy *dummy, const float p[3]);
void stk_dummy_normal(const stk_dummy *dummy, const float p[3], float normal[3]);
/* Moves p along the normal until its distance is `height`; `push` moves only what is nearer. */
void stk_dummy_lay(const stk_dummy *dummy, float p[3], float height, int push);
/* Outermost point at this distance on the ray from `origin` along the unit `direction`. */
void stk_dummy_cast(const stk_dummy *dummy, const float origin[3], const float direction[3],
                    float height, float p[3]);
/* z of the front at x, y. */
float stk_dummy_front(const stk_dummy *dummy, float x, float y, float height);

/* Vertices and triangles of one surface while it grows. */
typedef struct stk_sheet {
    int vertices, triangles, capacity; /* triangles: up to 2 capacity */
    int overflow;                      /* a grid found no room: an error in the cut */
    float (*point)[3];
    float (*uv)[2];
    float *shade;
    int32_t (*triangle)[3];
} stk_sheet;

stk_status stk_sheet_init(stk_sheet *sheet, int capacity);
void stk_sheet_clear(stk_sheet *sheet);
/* Makes a surface of it. */
stk_status stk_sheet_surface(const stk_sheet *sheet, const char *name, stk_part part,
                             stk_surface *surface);

/* A shell around the dummy, seen from a point inside: height and what stays by callback. */
typedef struct stk_shell {
    int columns, rows;
    float polar[2]; /* rad from straight up: first and last row */
    float sweep;    /* rad to either side of the front; pi = all round */
    /* Height over the dummy at a point of it; below -1 = leave out. */
    float (*height)(const void *ctx, const stk_dummy *dummy, const float p[3]);
    const void *ctx;
} stk_shell;
void stk_sheet_shell(stk_sheet *sheet, const stk_dummy *dummy, const stk_shell *shell);

enum { STK_CURVE_POINTS = 8, STK_STRIP_ROWS = 24 };
typedef struct stk_curve {
    int points;
    float point[STK_CURVE_POINTS][3]; /* smooth through these */
} stk_curve;
void stk_curve_at(const stk_curve *curve, float t, float p[3]);

/* One row of a strip: at share `w` of the way from inner to outer (less a hem of 6 mm), `past` m
 * further, `height` over the dummy. */
typedef struct stk_strip_row {
    float w, past, height;
} stk_strip_row;
/* Cloth between two curves. */
typedef struct stk_strip {
    const stk_curve *inner, *outer;
    const stk_strip_row *row;
    int columns, rows;
    int push;      /* chords that keep off the dummy instead of lying on it */
    int hem[2];    /* first and last column are turned under */
    int mirror;    /* x -> -x */
    float bend[2]; /* x, y offset of the first column at w = 0.6: the notch */
    float ripple;  /* waves of the cloth, m */
    float turn;    /* of the weave, rad */
} stk_strip;
void stk_sheet_strip(stk_sheet *sheet, const stk_dummy *dummy, const stk_strip *strip);

/* A round bar along a closed curve around the neck (ribbed collar): where a funnel meets the dummy.
 * The funnel is upright, opens upwards by 45 degrees and has its mouth's radii at the height that
 * runs from `low` in front to `high` behind, so that it crosses both neck and shoulders squarely.
 */
typedef struct stk_ring {
    int columns, rows;
    float half_wide, thick;
    float middle_z, radius[2]; /* x, z */
    float low, high;
    float height; /* of the bar over the dummy, m */
} stk_ring;
void stk_sheet_ring(stk_sheet *sheet, const stk_dummy *dummy, const stk_ring *ring);
/* Negative within the funnel, about m. */
float stk_ring_distance(const stk_ring *ring, const float p[3]);

/* Lays what reaches above a limit beneath the ring: cloth that is tucked in. */
void stk_sheet_tuck(stk_sheet *sheet, const stk_dummy *dummy, const stk_ring *ring);

/* Skin from the neck's join (columns STK_NECK_COLUMNS) over the chest to beyond the ring. */
void stk_sheet_bare(stk_sheet *sheet, const stk_dummy *dummy, const stk_ring *ring, int rows);

/* A small dome, axis along the dummy's normal. */
void stk_sheet_button(stk_sheet *sheet, const stk_dummy *dummy, float x, float y, float radius,
                      float height);

/* Where cloth lies in its texture: the front seen flat, x -0.32 .. 0.32, y -0.06 .. -0.54, turned
 * about its middle. */
void stk_cloth_place(const float p[3], float turn, float uv[2]);

typedef enum stk_cloth {
    STK_CLOTH_TWILL,  /* jackets */
    STK_CLOTH_POPLIN, /* shirts */
    STK_CLOTH_SILK,   /* ties */
    STK_CLOTH_KNIT,   /* sweaters */
    STK_CLOTH_RIB,    /* their collars */
    STK_CLOTH_JERSEY, /* round-necked tops */
    STK_CLOTH_PLAIN,  /* buttons */
    STK_CLOTH_BARE,   /* skin of the chest */
} stk_cloth;
/* Paints colour and detail of side x side texels; they belong to the material. `seam`: |x| where
 * the sleeves are set in, 0 = none. */
stk_status stk_cloth_weave(stk_material *material, stk_cloth cloth, const float rgb[3], int side,
                           float seam, uint32_t seed, stk_pool *pool);

enum { STK_GARMENT_PIECES = 8 };
typedef struct stk_garment {
    stk_dummy dummy;
    float bare_rgb[3]; /* of the neck's skin */
    stk_sheet sheet[STK_GARMENT_PIECES];
    const char *name[STK_GARMENT_PIECES];
    stk_cloth cloth[STK_GARMENT_PIECES];
    stk_part part[STK_GARMENT_PIECES];
    float rgb[STK_GARMENT_PIECES][3];
    int pieces;
} stk_garment;
/* Cuts and lays all pieces of look->attire; stk_garment_clear frees them, also after a failure. */
stk_status stk_garment_cut(stk_garment *garment, const stk_look *look);
void stk_garment_clear(stk_garment *garment);

#endif
