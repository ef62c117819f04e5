/* fit_private.h - what fit.c takes from fit_hidden.c. */
#ifndef STK_PORTRAIT_SYNC_FIT_PRIVATE_H
#define STK_PORTRAIT_SYNC_FIT_PRIVATE_H

#include "portrait_sync/fit.h"

/* hidden [STK_CELLS^2]: 1 where the frame shows something before the face, else 0. */
void stk_fit_hidden(const stk_fit_input *input, float *hidden);
/* mask *= 1 - hidden, linear between cells' middles. */
void stk_fit_uncover(const float *hidden, stk_image *mask);

#endif
