/* attr.h - compiler attributes, in one place. */
#ifndef STK_BASE_ATTR_H
#define STK_BASE_ATTR_H

#define STK_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define STK_ALIGNED(n) __attribute__((aligned(n)))
#define STK_INLINE static inline __attribute__((always_inline))
#define STK_UNUSED __attribute__((unused))
#define STK_ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define STK_CACHE_LINE 64

#endif
