/* former.h - a model that lies already where a run will write its own: hours of work, perhaps. */
#ifndef STK_TRAIN_FORMER_H
#define STK_TRAIN_FORMER_H

#include "base/file.h"

/* former receives the name under which the model of that name will be kept, "" when there is none;
 * a warning says so. STK_ERR_ARGUMENT for a file that is no model: it is not replaced. */
stk_status stk_former_find(const char *model, char former[STK_PATH_MAX]);
/* Renames, where both names say something; that it cannot be done is a warning. */
void stk_former_move(const char *from, const char *to);

#endif
