/* synthetic_model.h - small morphable heads in the file layouts that --head-model takes.
 *
 * The vertices are those of the canonical face, in millimetres, turned and shifted; identity modes
 * are smooth waves over it, expressions open the jaw, pull the corners of the mouth and raise the
 * brows. The table of landmarks is written beside the file.
 */
#ifndef STK_TESTS_SYNTHETIC_MODEL_H
#define STK_TESTS_SYNTHETIC_MODEL_H

#include "base/types.h"

#include <stddef.h>

enum { SYNTHETIC_IDENTITIES = 5, SYNTHETIC_EXPRESSIONS = 3 };

typedef enum synthetic_layout {
    SYNTHETIC_EOS_1 = 1, /* no expression in it: blendshapes in a file of their own beside it */
    SYNTHETIC_EOS_2,     /* blendshapes inside */
    SYNTHETIC_EOS_3,     /* an expression space, landmark names */
    SYNTHETIC_EOS_4,     /* blendshapes, names, texture triangles */
    SYNTHETIC_NPY_2,     /* pickle protocols */
    SYNTHETIC_NPY_3,
    SYNTHETIC_NPY_4,
    SYNTHETIC_NPY_F64, /* float64, bases stored by columns */
    SYNTHETIC_LAYOUTS,
} synthetic_layout;

/* Writes the model, its landmarks and what belongs beside it into folder; path receives its name.
 * Returns the bytes (malloc) of the model's own file, *size long. */
unsigned char *synthetic_model_write(synthetic_layout layout, const char *folder, char *path,
                                     size_t *size);
/* What the file says, in metres in the head frame: mode k at a canonical vertex, one sigma. */
void synthetic_model_identity(int k, int vertex, double out[3]);
void synthetic_model_expression(int k, int vertex, double out[3]);

#endif
