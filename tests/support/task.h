/* task.h - the stored members of a zip file in memory, and MediaPipe's text vectors. */
#ifndef STK_TESTS_TASK_H
#define STK_TESTS_TASK_H

#include <stddef.h>
#include <stdint.h>

/* Bytes of a stored (not deflated) member of a mapped zip; NULL when absent. */
const uint8_t *test_zip_member(const uint8_t *zip, size_t size, const char *name, size_t *length);
/* Every number that follows "key:" in a text file, in order; returns how many, at most `limit`. */
int test_text_numbers(const char *path, const char *key, float *out, int limit);

#endif
