/* hdr.h - pictures of phones and cameras that record HDR, as an ordinary screen shows them. */
#ifndef STK_MEDIA_HDR_H
#define STK_MEDIA_HDR_H

#include "base/image.h"

typedef enum stk_hdr_kind { STK_HDR_NONE, STK_HDR_HLG, STK_HDR_PQ } stk_hdr_kind;

typedef struct stk_hdr stk_hdr;

/* wide: the primaries are those of BT.2020, else of BT.709. NULL without memory; release with
 * stk_hdr_free. */
stk_hdr *stk_hdr_create(stk_hdr_kind kind, int wide);
void stk_hdr_free(stk_hdr **hdr);
/* In place; RGB, 8 bits, full range. */
void stk_hdr_to_sdr(const stk_hdr *hdr, stk_image *rgb);

#endif
