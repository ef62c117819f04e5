/* published_private.h - what the parts of the converter share: constants of the published layout
 * (reference.md 3.6, 3.8), and a tensor as it should be. */
#ifndef STK_RENDER_PUBLISHED_PRIVATE_H
#define STK_RENDER_PUBLISHED_PRIVATE_H

#include "nn/state_dict.h"
#include "render/model.h"

extern const float stk_published_box[6]; /* aabb_train and aabb_infer at --bound 1 */

/* Beside the tensors, where the encoder is known: its name and digest. */
#define STK_PUBLISHED_ENCODER "synctalk_encoder"
#define STK_PUBLISHED_ENCODER_SHA256 "synctalk_encoder_sha256"

/* Channels of a sound feature: 512 (ave), 29, 1024, 44, 32, 80. */
int stk_published_channels(stk_audio_kind kind);

enum { STK_SHAPE_TEXT = 96, STK_ANY = -1 };

typedef struct stk_published_wanted {
    const char *name;
    stk_dtype dtype;
    int rank;
    int64_t shape[4]; /* STK_ANY: whatever is there, not 0 */
} stk_published_wanted;

/* "[64,36]" */
const char *stk_published_shape(char text[STK_SHAPE_TEXT], int rank, const int64_t *shape);
int stk_published_fits(const stk_state_tensor *tensor, const stk_published_wanted *wanted);
/* The sentence for a tensor that is not as `expected`; tensor NULL: missing. */
stk_status stk_published_refuse(const stk_state_dict *dict, const stk_state_tensor *tensor,
                                const char *name, const char *expected);
/* The tensor, if it is there and as wanted. */
stk_status stk_published_require(const stk_state_dict *dict, const stk_published_wanted *wanted,
                                 const stk_state_tensor **tensor);

#endif
