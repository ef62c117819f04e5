/* backdrop.h - the room behind the presenter: painted once a clip, slightly out of focus, with
 * detail that trackers and plates can lock on to. */
#ifndef STK_PRESENTER_BACKDROP_H
#define STK_PRESENTER_BACKDROP_H

#include "base/pool.h"
#include "presenter/look.h"
#include "base/image.h"

/* rgb: RGB8 of any size, filled. look->wall and wall_rgb choose among some rooms. */
stk_status stk_backdrop_paint(stk_image *rgb, const stk_look *look, stk_pool *pool);

#endif
