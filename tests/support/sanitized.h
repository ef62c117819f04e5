/* sanitized.h - TEST_SANITIZED is defined in a build with a sanitizer that owns the heap or the
 * memory; SANITIZED is 1 there, else 0 (such builds are some twenty times slower). */
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

#ifdef TEST_SANITIZED
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

/* For a case that asserts accuracy, of code that other cases walk under the sanitizer too. */
#define TEST_SKIP_SANITIZED(why)                                                                   \
    do {                                                                                           \
        if (SANITIZED) {                                                                           \
            print_message("SKIP: under a sanitizer: %s\n", why);                                   \
            skip();                                                                                \
        }                                                                                          \
    } while (0)

#endif
