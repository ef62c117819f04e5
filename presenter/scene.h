/* scene.h - what is drawn: surfaces of triangles, strands of hair, their materials; and how points
 * of the rest space get in front of the camera.
 *
 * Everything is modelled in one rest space, metres, which is the head frame of base/types.h (x to
 * the picture's right, y up, z out of the face towards the camera, origin as in the canonical
 * face). There are two bones, head and torso; in the rest state both are the identity. A vertex
 * with bind b goes to the camera by
 *
 *   x_cam = b (R_head x + t_head) + (1 - b) (R_torso x + t_torso)
 *
 * `rest` holds this frame's expressed positions (makers overwrite it before a frame is drawn);
 * everything below "per frame" belongs to the canvas. Blocks are owned by their surface.
 */
#ifndef STK_PRESENTER_SCENE_H
#define STK_PRESENTER_SCENE_H

#include "base/image.h"
#include "base/status.h"
#include "base/types.h"

/* Classes of the label maps (doc/FORMATS.md). head = FACE, HAIR and EAR. */
typedef enum stk_part {
    STK_PART_BACKGROUND,
    STK_PART_FACE, /* skin of the face, eyes, mouth with all in it */
    STK_PART_HAIR,
    STK_PART_EAR,
    STK_PART_NECK,
    STK_PART_TORSO,
    STK_PART_HAND,
    STK_PART_OTHER, /* a second person */
    STK_PARTS
} stk_part;

/* RGBA8 picture addressed by u right, v down in [0,1], bilinear, clamped at the border. */
typedef struct stk_texture {
    stk_image colour; /* 4 channels, sRGB reflectance; A unused (255). Owned; data NULL = none */
    stk_image detail; /* 4 channels: R, G = slope of the surface along u, v: (byte-128)/127 as
                       * dh/ds, h and s in the same unit; B = roughness; A = cavity (255 = open) */
} stk_texture;

typedef enum stk_material_kind {
    STK_MATERIAL_SKIN,  /* light bleeds: red wraps further round than blue */
    STK_MATERIAL_WET,   /* eyeballs, lips' inside, tongue, teeth: sharp highlight */
    STK_MATERIAL_CLOTH, /* no highlight, soft rim */
    STK_MATERIAL_HAIR,  /* the cap below the strands */
} stk_material_kind;

typedef struct stk_material {
    stk_material_kind kind;
    stk_texture texture; /* multiplied onto rgb when present */
    float rgb[3];        /* linear reflectance */
    float specular;      /* reflectance at normal incidence, 0.028 for skin */
    float roughness;     /* used where the texture has no detail */
} stk_material;

/* Directions for which the key light's visibility is baked: across times up (light.h). */
enum { STK_KEY_ACROSS = 5, STK_KEY_UP = 3, STK_KEY_CELLS = STK_KEY_ACROSS * STK_KEY_UP };

typedef struct stk_surface {
    const char *name;
    int vertices, triangles;
    int32_t (*triangle)[3]; /* counter-clockwise from outside; back faces are not drawn */
    float (*rest)[3];       /* expressed position, rest space, m */
    float (*uv)[2];
    float *bind;          /* share of the head bone, 0 .. 1 */
    float *shade;         /* extra darkening 0 .. 1 of this frame (1 = none): mouth inside, lids */
    uint8_t *part;        /* [triangles] stk_part */
    float (*transfer)[9]; /* spherical-harmonic transfer of light, rest space (light.h) */
    stk_material *material; /* borrowed */
    int casts;              /* takes part in shadowing (light.h) */
    int hidden;             /* not drawn */
    int two_sided;
    float (*key)[STK_KEY_CELLS]; /* share of the key light seen (light.h); as `transfer`, baked */
    /* per frame */
    float (*position)[3]; /* cam, m */
    float (*normal)[3];   /* cam, unit */
    float (*light)[3];    /* irradiance / pi by channel, without the key light */
    /* Triangles around each vertex: ring[ring_start[v]] .. ring[ring_start[v + 1]]; vertices at
     * the same place (texture seams) share theirs. Built on first use by stk_surface_link. */
    int32_t *ring_start, *ring;
} stk_surface;

/* Zeroed arrays (bind and shade 1); stk_surface_clear frees. */
stk_status stk_surface_init(stk_surface *surface, const char *name, int vertices, int triangles);
void stk_surface_clear(stk_surface *surface);
/* Makes the rings (once) from the rest positions of now. */
stk_status stk_surface_link(stk_surface *surface);
/* Unit normals of vertices [first, last) from corner-angle weighted triangles around them;
 * `position` is rest or cam. Linked surfaces only. */
void stk_surface_normals(const stk_surface *surface, const float (*position)[3], int first,
                         int last, float (*normal)[3]);

/* Polylines drawn as ribbons that face the camera, from root (width_m[0]) to tip (width_m[1]). */
typedef struct stk_strands {
    const char *name;
    int count, points; /* points a strand, the same for all */
    float (*rest)[3];  /* [count][points] */
    float *bind;       /* [count][points] */
    float (*rgb)[3];   /* [count] linear */
    float width_m[2];
    float opacity; /* of a strand where it covers a sample fully */
    float shine;   /* strength of the Kajiya-Kay highlight, 0 = none */
    uint8_t part;
    int hidden;
    float (*transfer)[9]; /* [count][points] */
    float (*key)[STK_KEY_CELLS];
    /* per frame */
    float (*position)[3];
    float (*light)[3]; /* what is drawn: radiance towards the camera */
} stk_strands;

stk_status stk_strands_init(stk_strands *strands, const char *name, int count, int points);
void stk_strands_clear(stk_strands *strands);

/* One person's drawable things; borrowed pointers, drawn in this order. */
enum { STK_ACTOR_SURFACES = 24, STK_ACTOR_STRANDS = 8 };
typedef struct stk_actor {
    stk_surface *surface[STK_ACTOR_SURFACES];
    int surfaces;
    stk_strands *strands[STK_ACTOR_STRANDS];
    int strands_count;
} stk_actor;

stk_status stk_actor_add_surface(stk_actor *actor, stk_surface *surface);
stk_status stk_actor_add_strands(stk_actor *actor, stk_strands *strands);

#endif
