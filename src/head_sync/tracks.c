/* tracks.c - releasing the tracks of a clip. */
#include "head_sync/tracks.h"
#include "base/memory.h"

#include <stddef.h>

void stk_tracks_clear(stk_tracks *tracks) {
    if (tracks == NULL) return;
    stk_free(tracks->first);
    stk_free(tracks->list);
    stk_free(tracks->anchor);
    stk_free(tracks->anchor_px);
    *tracks = (stk_tracks){0};
}
