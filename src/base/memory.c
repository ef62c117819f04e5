/* memory.c */
#include "base/memory.h"
#include "base/attr.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { PAGE = 4096, LAZY_FROM = 64 * PAGE };

static size_t round_up(size_t bytes) {
    return (bytes + (STK_CACHE_LINE - 1)) & ~(size_t)(STK_CACHE_LINE - 1);
}

/* The whole pages of a large block go back to the kernel, which gives zeros for them when they are
 * first touched: what is never used is never resident. */
static void zero(uint8_t *block, size_t bytes) {
    uint8_t *end = block + bytes;
    uint8_t *first = block + (-(uintptr_t)block & (PAGE - 1)); /* page, and the last one's end */
    uint8_t *last = end - ((uintptr_t)end & (PAGE - 1));
    if (bytes < LAZY_FROM || madvise(first, (size_t)(last - first), MADV_DONTNEED) != 0) {
        memset(block, 0, bytes);
        return;
    }
    memset(block, 0, (size_t)(first - block));
    memset(last, 0, (size_t)(end - last));
}

void *stk_calloc_aligned(size_t count, size_t size) {
    if (size != 0 && count > (SIZE_MAX - STK_CACHE_LINE) / size) return NULL;
    size_t bytes = round_up(count * size + (count * size == 0));
    void *block = aligned_alloc(STK_CACHE_LINE, bytes);
    if (block != NULL) zero(block, bytes);
    return block;
}

void stk_free(void *block) {
    free(block);
}

int stk_arena_init(stk_arena *arena, size_t bytes) {
    *arena = (stk_arena){0};
    arena->base = stk_calloc_aligned(1, bytes);
    if (arena->base == NULL) return -1;
    arena->size = round_up(bytes);
    return 0;
}

void stk_arena_clear(stk_arena *arena) {
    if (arena == NULL) return;
    stk_free(arena->base);
    *arena = (stk_arena){0};
}

void *stk_arena_push(stk_arena *arena, size_t bytes) {
    size_t need = round_up(bytes);
    if (need < bytes || need > arena->size - arena->used) return NULL;
    void *block = arena->base + arena->used;
    arena->used += need;
    return block;
}
