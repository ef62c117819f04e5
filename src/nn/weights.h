/* weights.h - the pretrained files that the program knows, and where they are looked for.
 *
 * One table (weights.c): name, size, SHA-256, licence, upstream address, what it is for. Looked for
 * in the given folder, $SYNCTALK_MODELS, $XDG_CACHE_HOME/synctalk (or ~/.cache/synctalk),
 * /usr/share/synctalk, in this order.
 */
#ifndef STK_NN_WEIGHTS_H
#define STK_NN_WEIGHTS_H

#include "base/status.h"
#include "base/file.h"

typedef struct stk_weights_entry {
    const char *name; /* file name, e.g. "face_landmarker.task" */
    const char *sha256;
    const char *licence;
    const char *upstream;
    const char *purpose;
} stk_weights_entry;

/* The table, ended by a NULL name. */
const stk_weights_entry *stk_weights_table(void);
/* Path of a known file whose digest agrees. folder may be NULL. STK_ERR_WEIGHTS with the remedy
 * (scripts/get-models.sh) when absent or when the digest differs. */
stk_status stk_weights_find(const char *folder, const char *name, char path[STK_PATH_MAX]);
/* Path of a file of any content, in the first folder of the search that has it: for weights whose
 * digest is not known. purpose: for the sentence. STK_ERR_WEIGHTS when absent. */
stk_status stk_weights_locate(const char *folder, const char *name, const char *purpose,
                              char path[STK_PATH_MAX]);
/* Path of the first of these files that is there, in the order of the names (NULL ends them early)
 * and of the folders. A name ends in "-<hex>.<suffix>", as torch.hub's do, and the file's SHA-256
 * must begin with that. STK_ERR_WEIGHTS with the remedy when none is there, or it is another. */
stk_status stk_weights_find_hashed(const char *folder, const char *const *names, int count,
                                   const char *purpose, char path[STK_PATH_MAX]);
/* 1 when present and right. */
int stk_weights_have(const char *folder, const char *name);

#endif
