/* raft_file.h - weight files for RAFT-small with seeded values, right and damaged. */
#ifndef STK_TESTS_RAFT_FILE_H
#define STK_TESTS_RAFT_FILE_H

typedef enum raft_damage {
    RAFT_WHOLE,
    RAFT_LACKS_ONE,   /* no update_block.gru.convq.weight */
    RAFT_OTHER_SHAPE, /* fnet.conv2.weight has 127 rows */
    RAFT_NO_NUMBER,   /* cnet.conv1.bias holds a NaN */
} raft_damage;

/* Writes <folder>/raft.safetensors with the published names ("module." before each) and returns its
 * path (static storage). Values are uniform, of variance 1 / (in k k). */
const char *raft_file_write(const char *folder, raft_damage damage);

#endif
