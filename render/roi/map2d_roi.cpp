#include "render/roi/map2d_roi.h"

#include "kernels/core/choice.h"
#include "render/roi/map2d_roi_cpu.h"
#include "render/roi/map2d_roi_cuda.h"

namespace balmer::render {
namespace {

const Choice<ImageRequest> map2d_roi_choices[] = {
    BALMER_DEVICE_CHOICES("device", accepts_map2d_roi_device, map2d_roi_device){
        "plain", accepts_cpu<ImageRequest>, map2d_roi_plain},
};

}  // namespace

void map2d_roi(const Context& context, const ImageRequest& request) {
    run_choice<ImageRequest>("map2d-roi", map2d_roi_choices, context, request);
}

}  // namespace balmer::render
