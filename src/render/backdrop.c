/* backdrop.c - see backdrop.h. */
#include "render/backdrop.h"

void stk_model_backdrop_paint(const stk_model *model, const stk_camera *camera,
                              const stk_pose *pose, const stk_image *plate, stk_image *backdrop,
                              stk_pool *pool) {
    const stk_nets *nets = &model->nets;
    stk_ngp_camera ngp;
    stk_torso_frame frame;
    stk_ngp_camera_from_pose(camera, pose, &ngp);
    stk_torso_frame_init(&frame, &nets->torso, &nets->params, nets->params.value, &ngp, 0);
    const stk_torso_picture picture = {.torso = &nets->torso,
                                       .frame = &frame,
                                       .density = model->extra.torso_grid,
                                       .mean_density = (float)model->extra.mean_density_torso,
                                       .plate = plate,
                                       .picture = backdrop};
    stk_torso_draw(&picture, pool);
}
