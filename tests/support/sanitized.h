/* sanitized.h - defines TEST_SANITIZED in a build with a sanitizer that owns the heap or the
 * memory. */
#ifndef STK_TESTS_SANITIZED_H
#define STK_TESTS_SANITIZED_H

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
    __has_feature(memory_sanitizer)
#define TEST_SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TEST_SANITIZED 1
#endif

#endif
