/* npy.h - reads NumPy's .npy files, versions 1 to 3: features and coefficients of official data
 * sets.
 *
 *   "\x93NUMPY" major minor, header length (u16, from version 2 u32), a Python dictionary
 *   {'descr': '<f4', 'fortran_order': False, 'shape': (12, 52), } padded with spaces, raw data
 *
 * Little-endian numbers in C order only. The file is mapped; data point into the mapping. Object
 * arrays (pickles) are refused.
 */
#ifndef STK_NN_NPY_H
#define STK_NN_NPY_H

#include "base/status.h"
#include "nn/dtype.h"

typedef struct stk_npy stk_npy;
stk_status stk_npy_open(stk_npy **file, const char *path);
void stk_npy_close(stk_npy **file);

typedef struct stk_npy_info {
    stk_dtype dtype;
    int rank;
    int64_t shape[8];
    int64_t count;
    const void *data; /* any alignment; lives until the file is closed */
} stk_npy_info;
const stk_npy_info *stk_npy_get(const stk_npy *file);
/* All elements as float; requires this element count. */
stk_status stk_npy_read(const stk_npy *file, float *out, int64_t count);

/* One array of an .npz archive (numpy.savez, compressed or not) as double: float64 or float32 of
 * this element count, of at most 16 MiB. */
stk_status stk_npz_read(const char *path, const char *member, double *out, int64_t count);

#endif
