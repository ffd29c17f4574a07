#include "render/map2d/map2d.h"

#include "kernels/core/choice.h"
#include "render/map2d/map2d_cpu.h"
#include "render/map2d/map2d_cuda.h"

namespace balmer::render {
namespace {

const Choice<ImageRequest> map2d_choices[] = {
    BALMER_DEVICE_CHOICES("device", accepts_map2d_device, map2d_device){
        "plain", accepts_cpu<ImageRequest>, map2d_plain},
};
const Choice<ImageRequest> map2d_norm_choices[] = {
    BALMER_DEVICE_CHOICES("device", accepts_map2d_device, map2d_norm_device){
        "plain", accepts_cpu<ImageRequest>, map2d_norm_plain},
};
const Choice<ImageRequest> map2d_deriv_choices[] = {
    BALMER_DEVICE_CHOICES("device", accepts_map2d_device, map2d_deriv_device){
        "plain", accepts_cpu<ImageRequest>, map2d_deriv_plain},
};
const Choice<ImageRequest> map2d_robust_choices[] = {
    BALMER_DEVICE_CHOICES("device", accepts_map2d_device, map2d_robust_device){
        "plain", accepts_cpu<ImageRequest>, map2d_robust_plain},
};

}  // namespace

void map2d(const Context& context, const ImageRequest& request) {
    run_choice<ImageRequest>("map2d", map2d_choices, context, request);
}

void map2d_norm(const Context& context, const ImageRequest& request) {
    run_choice<ImageRequest>("map2d-norm", map2d_norm_choices, context, request);
}

void map2d_deriv(const Context& context, const ImageRequest& request) {
    run_choice<ImageRequest>("map2d-deriv", map2d_deriv_choices, context, request);
}

void map2d_robust(const Context& context, const ImageRequest& request) {
    run_choice<ImageRequest>("map2d-robust", map2d_robust_choices, context, request);
}

std::int64_t map2d_capacity(const ImageOptions& options) {
    const std::int64_t side = options.image_size;
    const std::int64_t block = options.block_size;
    return (side / block) * ((side + block - 1) / block);
}

std::int64_t map2d_norm_capacity(const ImageOptions& options) {
    const std::int64_t blocks = options.image_size / options.block_size;
    return blocks * blocks;
}

}  // namespace balmer::render
