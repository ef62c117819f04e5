/* inception_private.h - the table of Inception v3's layers. */
#ifndef STK_METRICS_INCEPTION_PRIVATE_H
#define STK_METRICS_INCEPTION_PRIVATE_H

#include "nn/frozen.h"

enum { INCEPTION_NAME = 48 };

typedef struct inception_table {
    stk_frozen_layer layer[STK_FROZEN_LAYERS];
    char name[STK_FROZEN_LAYERS][INCEPTION_NAME]; /* of a convolution, as in the file; else "" */
    int count;
} inception_table;

/* Up to the mean over the last block's pixels. */
void inception_table_fill(inception_table *table);

#endif
