/* memory.c */
#include "base/memory.h"
#include "base/attr.h"

#include <stdlib.h>
#include <string.h>

static size_t round_up(size_t bytes) {
    return (bytes + (STK_CACHE_LINE - 1)) & ~(size_t)(STK_CACHE_LINE - 1);
}

void *stk_calloc_aligned(size_t count, size_t size) {
    if (size != 0 && count > (SIZE_MAX - STK_CACHE_LINE) / size) return NULL;
    size_t bytes = round_up(count * size + (count * size == 0));
    void *block = aligned_alloc(STK_CACHE_LINE, bytes);
    if (block != NULL) memset(block, 0, bytes);
    return block;
}

void stk_free(void *block) { free(block); }

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
