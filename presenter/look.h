/* look.h - what one invented person looks like: plain numbers, all drawn from one seed.
 *
 * Colours are linear-light RGB reflectances in [0, 1].
 */
#ifndef STK_PRESENTER_LOOK_H
#define STK_PRESENTER_LOOK_H

enum { STK_LOOK_MODES = 16 };

typedef enum stk_hair_style {
    STK_HAIR_SHORT,
    STK_HAIR_PARTED,
    STK_HAIR_BOB,
    STK_HAIR_STYLES
} stk_hair_style;
typedef enum stk_attire_style {
    STK_ATTIRE_JACKET_SHIRT, /* jacket, shirt with collar */
    STK_ATTIRE_JACKET_ROUND, /* jacket over a round-necked top */
    STK_ATTIRE_SWEATER,      /* round-necked sweater with shirt collar */
    STK_ATTIRE_STYLES
} stk_attire_style;

typedef struct stk_look {
    int seed;
    int woman;                   /* chooses default voice, brow width, lip colour, hair style */
    float shape[STK_LOOK_MODES]; /* identity modes, standard normal, clipped to +-2 */
    float skin_rgb[3];           /* mean reflectance of the cheek */
    float ruddiness, freckles, stubble; /* 0 .. 1 */
    float lip_rgb[3];
    float brow_rgb[3];
    float iris_rgb[3];
    float hair_rgb[3];
    stk_hair_style hair;
    stk_attire_style attire;
    float jacket_rgb[3], shirt_rgb[3], accent_rgb[3];
    int wall; /* which backdrop */
    float wall_rgb[3];
} stk_look;

/* The same seed gives the same person on every machine. Seed 1 is the one in the README. */
void stk_look_draw(stk_look *look, int seed);

#endif
