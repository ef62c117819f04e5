/* ranks.h - several processes that share one piece of work: `mpirun -n N synctalk train ...`.
 *
 * Every process (rank) has the whole state and does its part of each step; then they exchange
 * parts. Built without MPI, or not started by mpirun, there is one rank, and everything here does
 * nothing.
 * All exchanges are collective, in the same order on all ranks, from one thread at a time. A failed
 * exchange, or a rank that ends with a failure that the others do not know of, ends all of them.
 */
#ifndef STK_BASE_RANKS_H
#define STK_BASE_RANKS_H

#include "base/status.h"

#include <stddef.h>

enum { STK_RANKS_MAX = 256 };

/* Joins the others; the first call counts, and the process leaves them when it ends.
 * STK_ERR_UNSUPPORTED when mpirun started several processes and this build knows no MPI. */
stk_status stk_ranks_begin(void);
int stk_ranks_count(void);
int stk_ranks_index(void); /* 0 writes the files and speaks */
/* Processes of this run on this machine, which share its processors. */
int stk_ranks_local(void);
/* Even parts of [0, items), in the order of ranks: rank r has [bounds[r], bounds[r + 1]). */
void stk_ranks_bounds(int items, int bounds[STK_RANKS_MAX + 1]);
/* blocks [..][words] of 4 bytes, of which this rank has filled those within its bounds -> all. */
void stk_ranks_share(void *blocks, const int bounds[STK_RANKS_MAX + 1], size_t words);
/* From rank 0 to all. */
void stk_ranks_broadcast(void *bytes, size_t size);
/* One rank to another, which must be waiting or come to it. */
void stk_ranks_send(int to, const void *bytes, size_t size);
void stk_ranks_receive(int from, void *bytes, size_t size);
/* The same outcome on all ranks: a failure here or elsewhere. Known failures need no abort. */
stk_status stk_ranks_agree(stk_status status);
/* This rank fails and the others do not know: when it ends, all do. */
void stk_ranks_fail(void);

#endif
