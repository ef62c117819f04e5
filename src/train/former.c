/* former.c - see former.h.
 *
 *   person.stk of an earlier run --found at the start--> a warning
 *   --just before the new model is written--> person.stk.old --where that failed--> person.stk
 *
 * Only one former model is kept. Its training state is replaced: the model is what can be used.
 */
#include "train/former.h"
#include "base/log.h"
#include "render/model.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

stk_status stk_former_find(const char *path, char former[STK_PATH_MAX]) {
    stk_model *model;
    former[0] = '\0';
    if (stk_file_size(path) <= 0) return STK_OK; /* mktemp makes a name by an empty file */
    const stk_status status = stk_model_open(&model, path);
    if (status == STK_ERR_MEMORY) return status;
    if (status != STK_OK)
        return stk_fail(STK_ERR_ARGUMENT,
                        "%s: is there already and is no model that can be read; remove it, or "
                        "give the model another name",
                        path);
    const int n = snprintf(former, STK_PATH_MAX, "%s.old", path);
    if (n < 0 || n >= STK_PATH_MAX) former[0] = '\0';
    stk_log(STK_LOG_WARN,
            "%s: a model of %lld steps is there already and will be kept as %s.old; `--resume` "
            "goes on with it instead",
            path, (long long)model->steps, path);
    stk_model_close(&model);
    return STK_OK;
}

void stk_former_move(const char *from, const char *to) {
    if (from[0] == '\0' || to[0] == '\0' || !stk_file_exists(from)) return;
    if (rename(from, to) != 0)
        stk_log(STK_LOG_WARN, "%s: cannot be renamed to %s: %s", from, to, strerror(errno));
}
