/* open.h - what the other files of this room may see of an open subject. */
#ifndef STK_SUBJECT_OPEN_H
#define STK_SUBJECT_OPEN_H

#include "subject/manifest.h"

const stk_manifest *stk_subject_manifest_struct(const stk_subject *subject);

#endif
