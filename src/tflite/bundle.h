/* bundle.h - finds a graph inside a MediaPipe .task file: a zip whose members are stored
 * uncompressed.
 */
#ifndef STK_TFLITE_BUNDLE_H
#define STK_TFLITE_BUNDLE_H

#include "base/status.h"
#include <stddef.h>
#include <stdint.h>

/* *bytes points into `zip`. STK_ERR_FORMAT when the archive is damaged, the member is absent or
 * compressed. label names the file in the sentence. */
stk_status stk_bundle_find(const void *zip, size_t size, const char *label, const char *member,
                           const uint8_t **bytes, size_t *count);

#endif
