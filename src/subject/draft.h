/* draft.h - a whole folder that appears at once: made under a temporary name beside its place,
 * "<name>.part-<pid>-<n>", then renamed. One thread each; drafts of one place may be made at once:
 * the first that is finished gets it. */
#ifndef STK_SUBJECT_DRAFT_H
#define STK_SUBJECT_DRAFT_H

#include "base/file.h"

typedef struct stk_draft {
    char place[STK_PATH_MAX]; /* where it will lie */
    char path[STK_PATH_MAX];  /* where it lies now; "" when there is none */
    int lock;                 /* of the draft, while there is one */
    size_t kept;              /* bytes of place that name a folder that was there before */
} stk_draft;

/* Refuses what is no place for a folder of its own: ".", "..", a link, a file. */
stk_status stk_place_check(const char *place);
/* Refuses a place that a folder cannot be renamed to: those, a folder that holds something, the one
 * this runs in, or one where another file system begins. Drafts of the same
 * place whose maker was killed are removed. */
stk_status stk_draft_create(stk_draft *draft, const char *place);
/* draft/name */
stk_status stk_draft_path(const stk_draft *draft, const char *name, char path[STK_PATH_MAX]);
stk_status stk_draft_commit(stk_draft *draft);
/* Removes what is there, and the folders above that were made for it; nothing after a commit. */
void stk_draft_discard(stk_draft *draft);

#endif
