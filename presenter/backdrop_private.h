/* backdrop_private.h - the shapes a room is made of.
 *
 * Plane of the room: x to the right with 0 in the picture's middle, y down from 0 at its top to 1
 * at its bottom; both in picture heights. Shapes are laid over one another in their order.
 */
#ifndef STK_PRESENTER_BACKDROP_PRIVATE_H
#define STK_PRESENTER_BACKDROP_PRIVATE_H

#include "presenter/look.h"
#include "base/rng.h"

typedef enum stk_shape_kind {
    STK_SHAPE_BOX,  /* rounded by `corner` */
    STK_SHAPE_OVAL, /* ellipse */
    STK_SHAPE_LEAF, /* pointed at both ends of its y axis */
    STK_SHAPE_GLOW, /* falls off as exp(-3 r^2) */
} stk_shape_kind;

typedef enum stk_shape_mode {
    STK_SHAPE_OVER, /* covers */
    STK_SHAPE_DARK, /* multiplies: shadows */
    STK_SHAPE_ADD,  /* light */
} stk_shape_mode;

typedef struct stk_shape {
    stk_shape_kind kind;
    stk_shape_mode mode;
    float x, y, hx, hy; /* middle, half sizes */
    float turn;         /* rad, clockwise in the picture */
    float corner, soft; /* radius of corners; width of the edge */
    float rgb[3];       /* linear */
    float slope[2];     /* relative change of brightness from the middle to the border, x and y */
    float round;        /* share by which the left and right borders are darker: cylinders */
    float streak, fine; /* relative strength of noise; its features per picture height */
    float stretch;      /* features are this many times longer along y (wood), 1 = even */
    uint32_t seed;
} stk_shape;

enum { STK_ROOM_SHAPES = 2048 };
typedef struct stk_room {
    stk_shape shape[STK_ROOM_SHAPES];
    int shapes;
    float half;      /* half of the picture's width */
    float blur;      /* sigma of the lens' blur */
    float exposure;  /* of the whole room: rooms are darker than the person before them */
    float wall_soft; /* strength of the plaster's grain that stays visible after the blur */
    stk_rng rng;
} stk_room;

/* Lays out the room that look->wall names, look->wall_rgb on its wall. */
void stk_room_furnish(stk_room *room, const stk_look *look, float half);

#endif
