/* params.h - the parameter store: every trainable tensor of a model, by its official name, in one
 * block
 *
 *   value | grad | m (unused by AdamW with beta1 = 0) | v | ema     each [total] floats, 64-byte
 * aligned
 *
 * Modules register their tensors, then the store is sealed (allocated) once. Offsets are rounded up
 * to 16 floats so that every tensor starts on a cache line.
 */
#ifndef STK_NN_PARAMS_H
#define STK_NN_PARAMS_H

#include "base/status.h"
#include "base/rng.h"
#include <stddef.h>

typedef enum stk_param_group {                      /* reference.md 5.4 */
                               STK_GROUP_GRID,      /* hash tables: lr 0.01, weight decay 0.01 */
                               STK_GROUP_NET,       /* MLPs, codes, audio net: lr 0.001 */
                               STK_GROUP_AUDIO_ATT, /* audio attention: lr 0.005, weight decay 1e-4
                                                     */
                               STK_GROUP_FROZEN,    /* kept and saved, not trained */
                               STK_GROUPS
} stk_param_group;

typedef struct stk_param {
    char name[72]; /* the official state-dict key, e.g. "sigma_net.net.0.weight" */
    int rank, shape[4];
    size_t offset, count; /* in floats, into each plane */
    stk_param_group group;
} stk_param;

typedef struct stk_params {
    stk_param *list;
    int n, capacity;
    size_t total;
    float *value, *grad, *v, *ema; /* NULL until sealed; grad, v, ema NULL for an inference store */
} stk_params;

stk_status stk_params_init(stk_params *params);
void stk_params_clear(stk_params *params);
/* Registers a tensor; *index receives its place in the list. Before sealing only. */
stk_status stk_params_add(stk_params *params, const char *name, stk_param_group group, int rank,
                          const int *shape, int *index);
/* Allocates the planes, zeroed. training != 0: grad, v and ema too. */
stk_status stk_params_seal(stk_params *params, int training);
/* -1 when absent. */
int stk_params_find(const stk_params *params, const char *name);
float *stk_params_value(const stk_params *params, int index);
float *stk_params_grad(const stk_params *params, int index);
/* U(-bound, +bound), and N(0,1)*scale. */
void stk_params_fill_uniform(stk_params *params, int index, float bound, stk_rng *rng);
void stk_params_fill_normal(stk_params *params, int index, float scale, stk_rng *rng);

/* What a file lacked: how many tensors, and as many of their names as fit, separated by ", ". */
typedef struct stk_params_missing {
    int count;
    char names[400];
} stk_params_missing;

struct stk_pth_value;
struct stk_safetensors;
/* Fill `value` from a state dict (official names). A name that is present must have the very shape,
 * else STK_ERR_MISMATCH naming both; `label` (a file name) is for the sentence. Entries of the file
 * that the store does not know are ignored. missing == NULL: every tensor must be there. */
stk_status stk_params_load_pth(stk_params *params, const struct stk_pth_value *model,
                               const char *label, stk_params_missing *missing);
/* The same from safetensors entries "<prefix><name>", into any plane of the store. An I8 entry
 * is multiplied row by row by "<prefix><name>.scale" [shape[0]], without which it is refused. */
stk_status stk_params_load_safetensors(const stk_params *params, float *plane,
                                       const struct stk_safetensors *file, const char *prefix,
                                       stk_params_missing *missing);

#endif
