/* memory.h - aligned allocation and the arena that replaces malloc inside frames and steps.
 *
 * An arena is one block sized up front; pushing moves a cursor, clearing frees all. Pushing past
 * the end returns NULL (a sizing bug: callers turn it into STK_ERR_MEMORY). Not thread-safe: one
 * each.
 */
#ifndef STK_BASE_MEMORY_H
#define STK_BASE_MEMORY_H

#include <stddef.h>
#include <stdint.h>

/* 64-byte aligned, zeroed; NULL when out of memory or when count*size overflows. Release with
 * stk_free. Pages of large blocks become resident when they are first touched. */
void *stk_calloc_aligned(size_t count, size_t size);
void stk_free(void *block);

typedef struct stk_arena {
    uint8_t *base;
    size_t size, used;
} stk_arena;

/* Returns 0, or -1 when the block cannot be had. */
int stk_arena_init(stk_arena *arena, size_t bytes);
void stk_arena_clear(stk_arena *arena);
/* 64-byte aligned, not zeroed; NULL when full. Owned by the arena. */
void *stk_arena_push(stk_arena *arena, size_t bytes);

#endif
