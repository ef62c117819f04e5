/* background.h - the person of a portrait before something else, or before nothing.
 *
 *   "transparent" | colour | picture file -> what stands behind           stk_background_open
 *   portrait, labels, plate -> matte -> RGB over that, or RGBA            stk_background_put
 */
#ifndef STK_RENDER_BACKGROUND_H
#define STK_RENDER_BACKGROUND_H

#include "base/status.h"
#include "subject/subject.h"

typedef struct stk_background {
    int transparent;
    stk_image picture; /* of the output's size, owned; data NULL when transparent */
    stk_image plate;   /* the subject's, of the output's size, owned */
} stk_background;

/* Of one frame under way. */
typedef struct stk_background_slot {
    stk_image labels; /* of the output's size */
    stk_image alpha;
    stk_image rgba; /* when transparent: the result */
    void *scratch;
} stk_background_slot;

/* what: of `render --background`. Colours: #rrggbb, black, white, grey, green, blue. A picture is
 * scaled until it covers the output, and cut in the middle. */
stk_status stk_background_open(stk_background *background, const char *what,
                               const stk_subject *subject, int width, int height);
void stk_background_clear(stk_background *background);
stk_status stk_background_slot_init(stk_background_slot *slot, const stk_background *background);
void stk_background_slot_clear(stk_background_slot *slot);
/* picture: the portrait; becomes the result, unless that is slot->rgba. labels: of the subject's
 * size. Allocates nothing. */
void stk_background_put(const stk_background *background, const stk_image *labels,
                        stk_background_slot *slot, stk_image *picture);

#endif
