/* support.h - what all tests share: cmocka, where the shared test data lies, comparisons.
 *
 * Data outside the project (clips, weights, parity fixtures) is looked for in $STK_SHARED, else in
 * ../shared beside the source tree. A test that needs an absent file skips and says so.
 */
#ifndef STK_TESTS_SUPPORT_H
#define STK_TESTS_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

/* Path of a file below the shared folder, or NULL when it is absent. Static storage, 8 in
 * rotation. */
const char *test_shared(const char *relative);
/* Like test_shared, but prints why and calls skip() when absent. */
const char *test_shared_or_skip(const char *relative);
/* A fresh empty temporary folder, removed at exit. Static storage per call (at most 16 a program).
 * */
const char *test_temporary_folder(void);
/* Largest |a-b| over n. */
double test_max_abs_error(const float *a, const float *b, size_t n);
/* ||a-b|| / ||b||, 0/0 = 0. */
double test_relative_l2(const float *a, const float *b, size_t n);
/* Fails with a message naming `what`, the worst index and both values if |a-b| > tolerance. */
void test_assert_close(const char *what, const float *a, const float *b, size_t n,
                       double tolerance);
/* STK_OK or fails with the error sentence. */
#define TEST_OK(expr) test_status_ok((expr), #expr, __FILE__, __LINE__)
void test_status_ok(int status, const char *expr, const char *file, int line);

#endif
