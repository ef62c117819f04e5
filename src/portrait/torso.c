/* torso.c - registers the torso branch's tensors (see torso.h). */
#include "portrait/torso.h"

#include <stdio.h>

enum { HIDDEN = 32, DEFORM_IN = 84, GRID_ENTRIES = 555520, GRID_FEATURES = 2, GRID_OUT = 32 };

static stk_status add_net(stk_params *params, const char *net, int layer, int out, int in,
                          int *index) {
    char name[72];
    const int shape[2] = {out, in};
    snprintf(name, sizeof name, "%s.net.%d.weight", net, layer);
    return stk_params_add(params, name, STK_GROUP_NET, 2, shape, index);
}

stk_status stk_torso_register(stk_torso *torso, stk_params *params, int code_rows) {
    if (code_rows < 1)
        return stk_fail(STK_ERR_ARGUMENT, "a torso with %d codes cannot be made; it needs one",
                        code_rows);
    *torso = (stk_torso){.code_rows = code_rows};
    const int anchors[2] = {STK_TORSO_ANCHORS, 4}, codes[2] = {code_rows, STK_TORSO_CODE};
    const int grid[2] = {GRID_ENTRIES, GRID_FEATURES};
    STK_TRY(stk_params_add(params, "anchor_points", STK_GROUP_NET, 2, anchors, &torso->anchors));
    STK_TRY(
        stk_params_add(params, "individual_codes_torso", STK_GROUP_NET, 2, codes, &torso->codes));
    STK_TRY(add_net(params, "torso_deform_net", 0, HIDDEN, DEFORM_IN, &torso->deform[0]));
    STK_TRY(add_net(params, "torso_deform_net", 1, HIDDEN, HIDDEN, &torso->deform[1]));
    STK_TRY(add_net(params, "torso_deform_net", 2, 2, HIDDEN, &torso->deform[2]));
    STK_TRY(
        stk_params_add(params, "torso_encoder.embeddings", STK_GROUP_GRID, 2, grid, &torso->grid));
    STK_TRY(add_net(params, "torso_net", 0, HIDDEN, GRID_OUT + DEFORM_IN, &torso->net[0]));
    STK_TRY(add_net(params, "torso_net", 1, HIDDEN, HIDDEN, &torso->net[1]));
    return add_net(params, "torso_net", 2, 4, HIDDEN, &torso->net[2]);
}
