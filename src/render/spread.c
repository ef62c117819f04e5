/* spread.c - see spread.h. */
#include "render/spread.h"

#include "base/ranks.h"

int stk_spread_owns(int item) {
    return item % stk_ranks_count() == stk_ranks_index();
}

static void send_all(const stk_image *picture, const float *head, size_t floats) {
    stk_ranks_send(0, picture->data, (size_t)picture->stride * (size_t)picture->height);
    if (head != NULL) stk_ranks_send(0, head, floats * sizeof *head);
}

static void receive_all(int from, stk_image *picture, float *head, size_t floats) {
    stk_ranks_receive(from, picture->data, (size_t)picture->stride * (size_t)picture->height);
    if (head != NULL) stk_ranks_receive(from, head, floats * sizeof *head);
}

void stk_spread_bring(int item, stk_image *picture, float *head, size_t floats, int *stop) {
    const int owner = item % stk_ranks_count(), own = stk_ranks_index();
    int go_on = 1;
    if (owner == 0 || (own != 0 && own != owner)) return;
    if (own == 0) {
        stk_ranks_send(owner, &go_on, sizeof go_on);
        receive_all(owner, picture, head, floats);
        return;
    }
    stk_ranks_receive(0, &go_on, sizeof go_on);
    if (go_on)
        send_all(picture, head, floats);
    else
        *stop = 1;
}

void stk_spread_end(int next, int items) {
    const int no_more = 0;
    if (stk_ranks_index() != 0) return;
    for (int i = next; i < items && i < next + stk_ranks_count(); i++)
        if (i % stk_ranks_count() != 0)
            stk_ranks_send(i % stk_ranks_count(), &no_more, sizeof no_more);
}
