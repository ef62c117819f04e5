/* expression_capture.h - the expression of whoever is seen in a video, as `prepare` captures it:
 * frames at 25/s, blendshapes by the face graphs, short gaps filled, smoothed over time. */
#ifndef STK_RENDER_EXPRESSION_CAPTURE_H
#define STK_RENDER_EXPRESSION_CAPTURE_H

#include "base/job.h"
#include "base/status.h"
#include "base/types.h"

/* *rows [*count][7], owned by the caller: stk_free. models: folder of the weights or NULL.
 * STK_ERR_CONTENT when no face is seen in half of the frames. One thread; about 10 ms a frame. */
stk_status stk_expression_capture(const char *path, const char *models, const stk_job *job,
                                  float (**rows)[STK_EXPRESSIONS], int *count);

#endif
