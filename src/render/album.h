/* album.h - what a report keeps of made frames beside the real ones: every figure of every frame,
 * the worst frames as pictures, and the mouths.
 *
 *   a frame: figures, real, made, portrait -> a row of the table
 *                                          -> for four figures: among the worst? then a strip
 *                                             real | made | portrait | error map
 *                                          -> of some seconds: both mouths, small
 *
 * One thread.
 */
#ifndef STK_RENDER_ALBUM_H
#define STK_RENDER_ALBUM_H

#include "render/frame_choice.h"
#include "render/portrait_scores.h"
#include "render/quality.h"

/* Columns behind those of stk_quality_column. */
typedef enum stk_album_column {
    STK_ALBUM_SEAM_RATIO = STK_QUALITY_COLUMNS,
    STK_ALBUM_SEAM_MISMATCH,
    STK_ALBUM_NECK_DELTA_E,
    STK_ALBUM_NECK_CHANGE,
    STK_ALBUM_NECK_CHANGE_REAL,
    STK_ALBUM_STATIC_FLICKER,
    STK_ALBUM_STATIC_FLICKER_REAL,
    STK_ALBUM_MOUTH, /* distance of the inner lips, shares of forehead to chin */
    STK_ALBUM_MOUTH_REAL,
    STK_ALBUM_COLUMNS
} stk_album_column;
const char *stk_album_key(int column);

typedef enum stk_strip_kind {
    STK_STRIP_PSNR, /* of the pictures that are measured */
    STK_STRIP_LMD,  /* the surroundings of the mouth */
    STK_STRIP_SEAM, /* of the portrait, like the next */
    STK_STRIP_NECK,
    STK_STRIP_FLICKER, /* of still pixels: its map shows how the portrait changes from the
                          frame before, grey where the real one moves */
    STK_STRIP_SPREAD,  /* no worst ones: some over the clip, the same of every series */
    STK_STRIPS
} stk_strip_kind;

enum {
    STK_SHOTS = 4,         /* of a strip; of frames near each other only the worst */
    STK_SHOT_SIDE = 240,   /* of each of its pictures, px */
    STK_FLICKER_GAIN = 8,  /* of that map */
    STK_SHOT_GAP = 4,      /* between them */
    STK_MOUTH_FRAMES = 25, /* in a row */
    STK_MOUTH_ROWS = 8,    /* at most, spread over the clip */
    STK_MOUTH_WIDTH = 48,  /* of a mouth, px */
    STK_MOUTH_HEIGHT = 36,
};

typedef struct stk_shot {
    int frame;
    double value;      /* of STK_STRIP_FLICKER: beyond that of the real one */
    stk_image picture; /* RGB, `pictures` beside each other, owned */
    int pictures;
} stk_shot;

typedef struct stk_mouth_row {
    int first, count;  /* rows of the table */
    stk_image picture; /* RGB: count mouths, real over made, owned */
} stk_mouth_row;

typedef struct stk_album {
    int frames, capacity;
    double every;                         /* distance of two frames, on average */
    int *number;                          /* [capacity] */
    double *column[STK_ALBUM_COLUMNS];    /* [capacity] each */
    stk_shot shot[STK_STRIPS][STK_SHOTS]; /* the worst first */
    int shots[STK_STRIPS];
    stk_mouth_row mouth[STK_MOUTH_ROWS];
    int mouth_rows;
    int spread[STK_SHOTS]; /* numbers of STK_STRIP_SPREAD's frames */
    int spread_count;
    stk_image map; /* scratch, of the pictures' size */
} stk_album;

/* One frame of the pictures measured. */
typedef struct stk_album_frame {
    int number;
    const stk_image *real, *made;
    const stk_image *portrait;             /* beside made; NULL where made is all there is */
    const stk_image *before, *real_before; /* portrait and real frame before; NULL: none follow */
    const stk_portrait_figures *portrait_figures; /* NULL: nothing is known of portraits */
    const stk_quality *quality;                   /* that the frame was added to */
} stk_album_frame;

/* Frames that will come at most. Those of STK_STRIP_SPREAD that the caller has set are kept. */
stk_status stk_album_init(stk_album *album, const stk_frame_choice *choice);
void stk_album_clear(stk_album *album);
stk_status stk_album_add(stk_album *album, const stk_album_frame *frame);

#endif
