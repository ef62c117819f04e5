/* task.c - see task.h. */
#include "task.h"
#include "support.h"
#include <stdio.h>
#include "base/file.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

static uint32_t u32(const uint8_t *p) {
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

const uint8_t *test_zip_member(const uint8_t *zip, size_t size, const char *name, size_t *length) {
    for (size_t at = 0; at + 46 < size; at++) { /* central directory entries */
        if (memcmp(zip + at, "PK\1\2", 4) != 0) continue;
        size_t n = zip[at + 28] | (size_t)zip[at + 29] << 8;
        if (n != strlen(name) || at + 46 + n > size || memcmp(zip + at + 46, name, n) != 0)
            continue;
        size_t local = u32(zip + at + 42);
        *length = u32(zip + at + 24);
        return zip + local + 30 + (zip[local + 26] | zip[local + 27] << 8) +
               (zip[local + 28] | zip[local + 29] << 8);
    }
    return NULL;
}

int test_text_numbers(const char *path, const char *key, float *out, int limit) {
    char *text, wanted[64];
    TEST_OK(stk_file_read_text(path, 1 << 20, &text));
    snprintf(wanted, sizeof wanted, " %s:", key);
    int n = 0;
    for (char *at = text; (at = strstr(at, wanted)) != NULL && n < limit; n++) {
        at += strlen(wanted);
        out[n] = strtof(at, NULL);
    }
    stk_free(text);
    return n;
}
