/* regions.c - flood fill and speck removal on tight label maps. Pure functions, no allocation. */
#include "parts.h"

#include <string.h>

enum { CLASSES = 16 };

static int in_pass(uint8_t value, unsigned pass) {
    return (int)(pass >> (value & 15) & 1u);
}

void stk_region_flood(uint8_t *map, int width, int height, unsigned pass, uint8_t to,
                      int32_t *queue, int seeds) {
    int count = 0;
    for (int i = 0; i < seeds; i++) { /* queue shrinks in place to the useful seeds */
        int32_t at = queue[i];
        if (!in_pass(map[at], pass)) continue;
        map[at] = to;
        queue[count++] = at;
    }
    /* depth first: the end of the queue is the hottest in cache. `to` must not be in pass. */
    while (count > 0) {
        int32_t at = queue[--count];
        int x = at % width, y = at / width;
        int32_t next[4] = {x > 0 ? at - 1 : -1, x + 1 < width ? at + 1 : -1,
                           y > 0 ? at - width : -1, y + 1 < height ? at + width : -1};
        for (int i = 0; i < 4; i++) {
            if (next[i] < 0 || !in_pass(map[next[i]], pass)) continue;
            map[next[i]] = to;
            queue[count++] = next[i];
        }
    }
}

/* Lists the region of `start` in queue and marks it visited; touching[c] counts border contacts
 * with class c. Returns its size. */
static int collect(const uint8_t *map, uint8_t *visited, const int size[2], int32_t start,
                   int32_t *queue, int touching[CLASSES]) {
    int w = size[0], h = size[1], head = 0, tail = 0;
    uint8_t own = map[start];
    queue[tail++] = start;
    visited[start] = 1;
    while (head < tail) {
        int32_t at = queue[head++];
        int x = at % w, y = at / w;
        int32_t next[4] = {x > 0 ? at - 1 : -1, x + 1 < w ? at + 1 : -1, y > 0 ? at - w : -1,
                           y + 1 < h ? at + w : -1};
        for (int i = 0; i < 4; i++) {
            if (next[i] < 0) continue;
            if (map[next[i]] != own)
                touching[map[next[i]] & (CLASSES - 1)]++;
            else if (!visited[next[i]]) {
                visited[next[i]] = 1;
                queue[tail++] = next[i];
            }
        }
    }
    return tail;
}

void stk_region_absorb(uint8_t *map, int width, int height, const int area[2], unsigned large,
                       int32_t *queue, uint8_t *visited) {
    int size[2] = {width, height};
    memset(visited, 0, (size_t)width * (size_t)height);
    for (int32_t start = 0; start < width * height; start++) {
        if (visited[start]) continue;
        int touching[CLASSES] = {0}, best = -1;
        int n = collect(map, visited, size, start, queue, touching);
        if (n >= area[in_pass(map[start], large)]) continue;
        /* a large piece cut off is still no background (class 0) */
        for (int c = n < area[0] ? 0 : 1; c < CLASSES; c++)
            if (touching[c] > 0 && (best < 0 || touching[c] > touching[best])) best = c;
        if (best < 0) continue;
        for (int i = 0; i < n; i++) map[queue[i]] = (uint8_t)best;
    }
}
