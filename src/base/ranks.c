/* ranks.c - see ranks.h. The only file that knows MPI. */
#include "base/ranks.h"
#include "base/cpu.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static int ranks = 1, own;

static int number_in(const char *const names[2]) {
    for (int i = 0; i < 2; i++) {
        const char *text = getenv(names[i]);
        if (text != NULL && atoi(text) > 0) return atoi(text);
    }
    return 1;
}

/* Processes that the launcher started, as Open MPI and the others (PMI) tell them. */
static int launched(void) {
    static const char *const names[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"};
    return number_in(names);
}

int stk_ranks_local(void) {
    static const char *const names[] = {"OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS"};
    return ranks > 1 ? number_in(names) : 1;
}

int stk_ranks_count(void) {
    return ranks;
}

int stk_ranks_index(void) {
    return own;
}

void stk_ranks_bounds(int items, int bounds[STK_RANKS_MAX + 1]) {
    for (int r = 0; r <= ranks; r++) bounds[r] = (int)((int64_t)items * r / ranks);
}

#ifdef STK_MPI

#include <mpi.h>

enum { PIECE = 1 << 30 };
static int begun, unknown_failure;

static void leave(void) {
    if (unknown_failure)
        MPI_Abort(MPI_COMM_WORLD, 1);
    else
        MPI_Finalize();
}

/* Kernels of other instruction sets round otherwise: the ranks would drift apart. */
static stk_status same_processors(void) {
    uint32_t flags = stk_cpu_flags(), all = 0, any = 0;
    MPI_Allreduce(&flags, &all, 1, MPI_UINT32_T, MPI_BAND, MPI_COMM_WORLD);
    MPI_Allreduce(&flags, &any, 1, MPI_UINT32_T, MPI_BOR, MPI_COMM_WORLD);
    if (all == any) return STK_OK;
    return stk_fail(STK_ERR_UNSUPPORTED,
                    "the processes have different instruction sets; give all of them the same "
                    "--cpu-mask, e.g. avx2");
}

stk_status stk_ranks_begin(void) {
    int thread_level;
    if (begun || launched() < 2) return STK_OK;
    begun = 1;
    if (MPI_Init_thread(NULL, NULL, MPI_THREAD_SERIALIZED, &thread_level) != MPI_SUCCESS)
        return stk_fail(STK_ERR_UNSUPPORTED, "MPI cannot be initialised");
    atexit(leave);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    MPI_Comm_rank(MPI_COMM_WORLD, &own);
    if (ranks > STK_RANKS_MAX || thread_level < MPI_THREAD_SERIALIZED)
        return stk_fail(STK_ERR_UNSUPPORTED, "MPI: at most %d processes, and threads, are needed",
                        STK_RANKS_MAX);
    return same_processors();
}

void stk_ranks_share(void *blocks, const int bounds[STK_RANKS_MAX + 1], size_t words) {
    int counts[STK_RANKS_MAX];
    MPI_Datatype block;
    if (ranks == 1) return;
    for (int r = 0; r < ranks; r++) counts[r] = bounds[r + 1] - bounds[r];
    MPI_Type_contiguous((int)words, MPI_UINT32_T, &block);
    MPI_Type_commit(&block);
    MPI_Allgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, blocks, counts, bounds, block,
                   MPI_COMM_WORLD);
    MPI_Type_free(&block);
}

void stk_ranks_broadcast(void *bytes, size_t size) {
    if (ranks > 1) MPI_Bcast(bytes, (int)size, MPI_BYTE, 0, MPI_COMM_WORLD);
}

void stk_ranks_send(int to, const void *bytes, size_t size) {
    const uint8_t *at = bytes;
    for (; size > 0; at += PIECE, size -= size > PIECE ? PIECE : size)
        MPI_Send(at, size > PIECE ? PIECE : (int)size, MPI_BYTE, to, 0, MPI_COMM_WORLD);
}

void stk_ranks_receive(int from, void *bytes, size_t size) {
    uint8_t *at = bytes;
    for (; size > 0; at += PIECE, size -= size > PIECE ? PIECE : size)
        MPI_Recv(at, size > PIECE ? PIECE : (int)size, MPI_BYTE, from, 0, MPI_COMM_WORLD,
                 MPI_STATUS_IGNORE);
}

stk_status stk_ranks_agree(stk_status status) {
    int worst = status;
    if (ranks == 1) return status;
    MPI_Allreduce(MPI_IN_PLACE, &worst, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD);
    if (status != STK_OK || worst == STK_OK) return status;
    return stk_fail((stk_status)worst, "process %d: another process of this run has failed", own);
}

void stk_ranks_fail(void) {
    unknown_failure = ranks > 1;
}

#else

stk_status stk_ranks_begin(void) {
    if (launched() < 2) return STK_OK;
    return stk_fail(STK_ERR_UNSUPPORTED,
                    "mpirun started %d processes, and this program was built without MPI; install "
                    "Open MPI (libopenmpi-dev) and build again",
                    launched());
}

void stk_ranks_share(void *blocks, const int bounds[STK_RANKS_MAX + 1], size_t words) {
    (void)blocks, (void)bounds, (void)words;
}

void stk_ranks_broadcast(void *bytes, size_t size) {
    (void)bytes, (void)size;
}

void stk_ranks_send(int to, const void *bytes, size_t size) {
    (void)to, (void)bytes, (void)size;
}

void stk_ranks_receive(int from, void *bytes, size_t size) {
    (void)from, (void)bytes, (void)size;
}

stk_status stk_ranks_agree(stk_status status) {
    return status;
}

void stk_ranks_fail(void) {}

#endif
