/* unroll.h - before a loop whose bound is known once it is inlined: both compilers unroll it. */
#ifndef STK_KERNELS_X86_UNROLL_H
#define STK_KERNELS_X86_UNROLL_H

#ifdef __clang__
#define UNROLL _Pragma("unroll")
#else
#define UNROLL _Pragma("GCC unroll 8")
#endif

#endif
