/* usual.h - what a clip's face looks like most of the time, by which what stands before it is told.
 *
 *   some frames, landmarks -> the face in the mesh's texture, 128 x 128
 *     -> per texel from which colour to which is usual
 *   a frame, landmarks -> the same -> how far beyond that it is, in cells of the picture
 *     -> cells where something stands before the face
 *
 * It knows nothing of what is rendered, so another sentence changes nothing in it. Insides of mouth
 * and eyes, which change, do not count.
 */
#ifndef STK_PORTRAIT_SYNC_USUAL_H
#define STK_PORTRAIT_SYNC_USUAL_H

#include "base/status.h"
#include "base/types.h"
#include "portrait_sync/fit.h"

enum { STK_USUAL_SIDE = 128, STK_USUAL_TEXELS = STK_USUAL_SIDE * STK_USUAL_SIDE };

/* A face in the texture. */
typedef struct stk_usual_face {
    uint8_t colour[STK_USUAL_TEXELS][3];
    uint16_t cell[STK_USUAL_TEXELS]; /* of the picture, where it is seen */
    uint8_t seen[STK_USUAL_TEXELS];  /* 1: the mesh shows it to the camera, within the picture */
} stk_usual_face;

typedef struct stk_usual stk_usual;

/* For `looks` frames. */
stk_status stk_usual_create(stk_usual **usual, int looks);
void stk_usual_free(stk_usual **usual);
/* One of those frames; landmarks [478][3] px of rgb times `scale`. */
void stk_usual_look(stk_usual *usual, const stk_image *rgb, const float (*landmarks)[3],
                    float scale);
/* After all looks. */
void stk_usual_finish(stk_usual *usual);
/* beyond [STK_CELLS^2]: mean over a cell's texels, levels; -1 where there are too few. face:
 * scratch. Any number of threads at once; allocates nothing. */
void stk_usual_compare(const stk_usual *usual, const stk_image *rgb, const float (*landmarks)[3],
                       float scale, stk_usual_face *face, float *beyond);

/* hidden [STK_CELLS^2]: 1 where pieces of the face look so unlike themselves, and so broadly, that
 * something stands before it, and from there on outwards to the face's rim; else 0. core: the
 * least share of the face's cells that such a piece has inside, a cell away from its own border.
 * Returns how many are hidden. */
int stk_usual_hidden(const float *beyond, float core, uint8_t *hidden);
#define STK_USUAL_CORE 0.05f /* for pasting */
/* For learning: what is left out is not learned, and faces turned far have cores of 4 to 6 % that
 * are no hand. */
#define STK_USUAL_CORE_SURE 0.09f

#endif
