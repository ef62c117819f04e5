/* skin_parts.h - what the painters of the bust share (private to skin*.c, brow_paint.c, iris.c,
 * mouth_paint.c).
 *
 *   surface --skin_map--> rest position of every texel, in mm
 *   landmarks --skin_curves--> lip, lid, nostril and fold curves in texel units
 *   landmarks --skin_regions--> how much blood, melanin, oil ... by place
 *   --skin_paint--> colour, roughness, cavity and height of every texel --skin_map--> textures
 */
#ifndef STK_PRESENTER_SKIN_PARTS_H
#define STK_PRESENTER_SKIN_PARTS_H

#include "base/pool.h"
#include "presenter/look.h"
#include "presenter/scene.h"

/* Texels of a surface. */
typedef struct stk_skin_map {
    int side;
    float (*rest)[3]; /* [side][side] mm */
    float *scalp;     /* [side][side] 0 .. 1, where hair grows */
    float *pitch;     /* [side][side] mm a texel (root of the area it covers) */
    float *height;    /* [side][side] mm, written by painters, becomes the slopes */
    uint8_t *inside;  /* [side][side] 0 = belongs to nothing, 1 = in a triangle, 2 = beside one */
} stk_skin_map;

/* scalp: per vertex, may be NULL. */
stk_status stk_skin_map_init(stk_skin_map *map, const stk_surface *surface, const float *scalp,
                             int side, stk_pool *pool);
void stk_skin_map_clear(stk_skin_map *map);
/* R, G of `detail` from map->height. */
void stk_skin_map_slopes(const stk_skin_map *map, stk_image *detail, stk_pool *pool);

/* A smooth curve through landmarks, in texel units. */
enum { STK_CURVE_POINTS = 168 };
typedef struct stk_curve {
    int count, closed;
    float at[STK_CURVE_POINTS][2];
    float box[4]; /* x0 y0 x1 y1 */
} stk_curve;

typedef enum stk_curve_name {
    STK_CURVE_LIPS,
    STK_CURVE_MOUTH, /* inner border of the lips */
    STK_CURVE_PHILTRUM,
    /* pairs: the person's right (picture left), then left */
    STK_CURVE_EYE,
    STK_CURVE_CREASE = STK_CURVE_EYE + 2, /* above the upper lid */
    STK_CURVE_BAG = STK_CURVE_CREASE + 2, /* below the lower lid */
    STK_CURVE_NOSTRIL = STK_CURVE_BAG + 2,
    STK_CURVE_WING = STK_CURVE_NOSTRIL + 2, /* crease behind the wing of the nose */
    STK_CURVE_FOLD = STK_CURVE_WING + 2,    /* from the nose's wing past the mouth's corner */
    STK_CURVE_BROW_TOP = STK_CURVE_FOLD + 2,
    STK_CURVE_BROW_FOOT = STK_CURVE_BROW_TOP + 2,
    STK_CURVES = STK_CURVE_BROW_FOOT + 2
} stk_curve_name;

typedef struct stk_curves {
    stk_curve curve[STK_CURVES];
} stk_curves;

/* uv: of at least the 468 vertices of the face mesh. */
void stk_curves_init(stk_curves *curves, const float (*uv)[2], int side);
/* Distance in texels, negative inside of a closed curve; `reach` where it is farther (inside of a
 * closed curve exact). along: place on the curve, 0 .. 1, may be NULL. */
float stk_curve_distance(const stk_curve *curve, float x, float y, float reach, float *along);
/* Point at place 0 .. 1. */
void stk_curve_point(const stk_curve *curve, float along, float at[2]);

/* Amounts that vary smoothly over the face. */
typedef enum stk_skin_amount {
    STK_SKIN_BLOOD,
    STK_SKIN_MELANIN,
    STK_SKIN_BLUE,
    STK_SKIN_YELLOW,
    STK_SKIN_OIL,
    STK_SKIN_PORES,
    STK_SKIN_BEARD,
    STK_SKIN_FRECKLES,
    STK_SKIN_LINES, /* creases across */
    STK_SKIN_AMOUNTS
} stk_skin_amount;

enum { STK_SKIN_BLOBS = 160 };
typedef struct stk_skin_regions {
    struct {
        float centre[3], reach2; /* mm */
        float amount;
        int kind;
    } blob[STK_SKIN_BLOBS];
    int blobs;
} stk_skin_regions;

/* rest: of at least the 468 vertices of the face mesh, m. */
void stk_skin_regions_init(stk_skin_regions *regions, const float (*rest)[3]);
/* Sums of all blobs at a place in mm. */
void stk_skin_regions_at(const stk_skin_regions *regions, const float p[3],
                         float amount[STK_SKIN_AMOUNTS]);

/* Everything painters of one surface look at. */
enum { STK_SKIN_MOLES = 10 };
typedef struct stk_skin_brush {
    const stk_look *look;
    const stk_skin_map *map;
    const stk_curves *curves;        /* NULL on ears */
    const stk_skin_regions *regions; /* NULL on ears */
    const float *brow;               /* [side][side] share of the texel that brow hairs cover */
    float mole[STK_SKIN_MOLES][4];   /* centre and radius, mm */
    int moles;
    uint32_t seed;
} stk_skin_brush;

/* One texel on its way. Colours are linear reflectances. */
typedef struct stk_skin_texel {
    float p[3];  /* rest, mm */
    float x, y;  /* texel units */
    float pitch; /* mm a texel */
    float scalp, brow;
    float amount[STK_SKIN_AMOUNTS];
    float shade; /* factor on the colour */
    float rgb[3];
    float height, roughness, cavity;
} stk_skin_texel;

/* Skin without features: blood, melanin, pores, moles, beard. */
void stk_skin_texel_ground(const stk_skin_brush *brush, stk_skin_texel *texel);
/* Lips, lids, nostrils, folds, brows, hair roots, on top. */
void stk_skin_texel_features(const stk_skin_brush *brush, stk_skin_texel *texel);

/* Paints one surface with skin; features where it is the face (surface has the 468 vertices). */
stk_status stk_skin_paint_surface(const stk_surface *surface, const float *scalp,
                                  const stk_look *look, int side, int is_face, stk_pool *pool,
                                  stk_texture *texture);
/* Draws the brow hairs into `cover` [side][side] (zeroed before). */
void stk_brow_paint(const stk_curves *curves, const stk_skin_map *map, const stk_look *look,
                    float *cover);
/* Angles from the optical axis, radians: of the texture's border, of the iris'. */
stk_status stk_iris_paint(const stk_look *look, int side, float span, float iris_angle,
                          stk_pool *pool, stk_texture *texture);
stk_status stk_teeth_paint(const stk_look *look, int side, stk_pool *pool, stk_texture *texture);
stk_status stk_mouth_paint(const stk_look *look, int side, stk_pool *pool, stk_texture *texture);
/* Colour and detail pictures of that side, opaque and flat. */
stk_status stk_texture_init(stk_texture *texture, int side);
/* Byte of a linear reflectance. */
uint8_t stk_skin_byte(float linear);

#endif
