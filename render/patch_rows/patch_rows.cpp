#include "render/patch_rows/patch_rows.h"

#include <limits>

#include "kernels/core/choice.h"
#include "render/patch_rows/patch_rows_cpu.h"
#include "render/patch_rows/patch_rows_cuda.h"

namespace balmer::render {
namespace {

const Choice<ImageRequest> patch_rows_choices[] = {
    BALMER_DEVICE_CHOICES("device", accepts_patch_rows_device, patch_rows_device){
        "plain", accepts_cpu<ImageRequest>, patch_rows_plain},
};

}  // namespace

void patch_rows(const Context& context, const ImageRequest& request) {
    run_choice<ImageRequest>("patch-rows", patch_rows_choices, context, request);
}

std::int64_t patch_rows_capacity(const ImageOptions&) {
    return std::numeric_limits<std::int64_t>::max();
}

}  // namespace balmer::render
