/* held_out_lse.h - LSE-C and LSE-D of the portraits that `eval` makes: SyncNet looks at where the
 * face is in the real frames, and hears the subject's sound.
 */
#ifndef STK_RENDER_HELD_OUT_LSE_H
#define STK_RENDER_HELD_OUT_LSE_H

#include "base/image.h"
#include "face_sync/syncnet.h"
#include "subject/subject.h"

enum { STK_LSE_REASON = 256 };

typedef struct stk_held_out_lse stk_held_out_lse;
typedef struct stk_held_out_settings {
    const char *models; /* folder of weights or NULL */
    const char *folder; /* of the subject */
    int first, end;     /* frames */
    int gaps;           /* not all of these will come: then there is nothing to measure */
} stk_held_out_settings;

/* *lse NULL: it cannot be measured; reason then says why. The subject outlives the handle. */
stk_status stk_held_out_lse_open(stk_held_out_lse **lse, const stk_held_out_settings *settings,
                                 const stk_subject *subject, char reason[STK_LSE_REASON]);
void stk_held_out_lse_close(stk_held_out_lse **lse);
/* The next frame's portrait. */
stk_status stk_held_out_lse_add(stk_held_out_lse *lse, const stk_image *portrait);
/* figures->windows 0: reason says why. */
stk_status stk_held_out_lse_end(stk_held_out_lse *lse, stk_lse *figures,
                                char reason[STK_LSE_REASON]);

#endif
