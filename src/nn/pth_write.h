/* pth_write.h - writes a PyTorch file (torch.save, zip form) that torch.load reads.
 *
 *   archive/data.pkl   pickle, protocol 2: a dictionary of numbers, text, dictionaries and tensors
 *   archive/data/<n>   the elements of tensor n, little-endian, stored, at a multiple of 64 bytes
 *   archive/version    3
 *
 * The pickle names collections.OrderedDict, torch._utils._rebuild_tensor_v2 and storage classes,
 * nothing else. The same calls give the same bytes: no names, no times. The archive is put together
 * in memory (as large as the tensors), then written under a temporary name and renamed.
 */
#ifndef STK_NN_PTH_WRITE_H
#define STK_NN_PTH_WRITE_H

#include "base/status.h"
#include "nn/dtype.h"

typedef struct stk_pth_writer stk_pth_writer;
stk_status stk_pth_writer_create(stk_pth_writer **writer, const char *path);
/* Entries of the dictionary that is open, in order; at first that is the file's own. */
stk_status stk_pth_writer_int(stk_pth_writer *writer, const char *key, int64_t value);
stk_status stk_pth_writer_real(stk_pth_writer *writer, const char *key, double value);
stk_status stk_pth_writer_text(stk_pth_writer *writer, const char *key, const char *value);
stk_status stk_pth_writer_none(stk_pth_writer *writer, const char *key);
stk_status stk_pth_writer_empty_list(stk_pth_writer *writer, const char *key);
/* data: contiguous, borrowed until the file is finished. rank at most 8. */
stk_status stk_pth_writer_tensor(stk_pth_writer *writer, const char *key, stk_dtype dtype, int rank,
                                 const int64_t *shape, const void *data);
/* A dictionary within, ordered != 0: an OrderedDict, as state dicts are. */
stk_status stk_pth_writer_open(stk_pth_writer *writer, const char *key, int ordered);
stk_status stk_pth_writer_close(stk_pth_writer *writer);
/* Writes and commits; frees. */
stk_status stk_pth_writer_finish(stk_pth_writer **writer);
void stk_pth_writer_discard(stk_pth_writer **writer);

#endif
