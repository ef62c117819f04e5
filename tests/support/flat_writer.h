/* flat_writer.h - builds one-operator TensorFlow Lite files in memory, for tests of the graph
 * reader.
 *
 * The file is written front to back into a fixed buffer with every table preceded by its own
 * vtable; offsets that point forward are patched when their target is written.
 */
#ifndef STK_TESTS_FLAT_WRITER_H
#define STK_TESTS_FLAT_WRITER_H

#include <stddef.h>
#include <stdint.h>

enum { TEST_FLAT_TENSORS = 8, TEST_FLAT_OPTIONS = 10, TEST_FLAT_BYTES = 1 << 16 };

typedef struct test_flat_tensor {
    int rank, shape[6];
    int type;         /* 0 f32, 1 f16, 2 i32 */
    const void *data; /* constant, or NULL */
} test_flat_tensor;

typedef struct test_flat_op {
    int code;
    const char *custom_name; /* code 32 only */
    int inputs, outputs;     /* tensors [0, inputs) and [inputs, inputs + outputs) */
    test_flat_tensor tensors[TEST_FLAT_TENSORS];
    /* builtin options: 4-byte fields (ints, bytes and floats alike), in schema order */
    int option_count;
    uint32_t options[TEST_FLAT_OPTIONS];
    const void *custom;
    size_t custom_size;
} test_flat_op;

/* Writes the file; returns its size. Variable inputs become graph inputs, outputs graph outputs. */
size_t test_flat_write(const test_flat_op *op, uint8_t bytes[TEST_FLAT_BYTES]);

#endif
