/* npy_dict.h - a dictionary of arrays that numpy.save wrote: one pickled object in a .npy file.
 *
 *   numpy.save(path, {"mean": array, ...}) -> names -> stk_pth_value of type STK_PTH_TENSOR
 *
 * Read by the restricted unpickler (pickle.h): nothing the file says is executed, and it may name
 * NumPy's arrays and types only. The file stays mapped; large arrays lie in the mapping. One handle
 * may be read by several threads.
 */
#ifndef STK_NN_NPY_DICT_H
#define STK_NN_NPY_DICT_H

#include "nn/pth.h"

typedef struct stk_npy_dict stk_npy_dict;
stk_status stk_npy_dict_open(stk_npy_dict **dict, const char *path);
void stk_npy_dict_close(stk_npy_dict **dict);
/* The array of that name, NULL when absent or something else. Owned by the dictionary. */
const stk_pth_value *stk_npy_dict_get(const stk_npy_dict *dict, const char *name);

#endif
