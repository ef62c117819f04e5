/* chain.h - a chain of convolution blocks (nn/stack.h) that only runs: batch norm and residual
 * folded into weights and bias, one oneDNN layer a block.
 *
 *   x [batch][h][w][c] -> w' * x + b' [ReLU] -> ... -> y [batch][out]
 *
 * A block is y = [ReLU](N(w * x + b) [+ x]), N(v) = g (v - m) / sqrt(s + 1e-5) + c. With k = g /
 * sqrt(s + 1e-5) that is w' = k w, b' = k (b - m) + c; the residual is one more on the middle tap
 * from each channel to itself. Folding is done in double precision. Not for blocks that double
 * their input or have no norm.
 *
 * A handle must not be run by two threads at once; work is done on the calling thread.
 */
#ifndef STK_NN_CHAIN_H
#define STK_NN_CHAIN_H

#include "nn/stack.h"

typedef struct stk_chain stk_chain;
/* stack: registered, its store sealed and filled; the store's tensors are folded in place and of no
 * use afterwards. batch: pictures a run. STK_ERR_WEIGHTS, naming label, for weights that are no
 * numbers. */
stk_status stk_chain_create(stk_chain **chain, const stk_stack *stack, int batch,
                            const char *label);
void stk_chain_free(stk_chain **chain);
/* The input, [batch][h][w][c]; owned by the chain, zeroed at first, to be filled before a run. */
float *stk_chain_input(stk_chain *chain);
/* Blocks 0 .. last (-1: all of them); *y is the chain's until its next run. Allocates nothing. */
stk_status stk_chain_run(stk_chain *chain, int last, const float **y);

#endif
