#include "render/line_plot/line_plot.h"

#include <limits>

#include "kernels/core/choice.h"
#include "render/line_plot/line_plot_cpu.h"

namespace balmer::render {
namespace {

const Choice<ImageRequest> simple_choices[] = {
    {"plain", accepts_cpu<ImageRequest>, simple_plain},
};
const Choice<ImageRequest> overlap_choices[] = {
    {"plain", accepts_cpu<ImageRequest>, overlap_plain},
};

}  // namespace

void simple(const Context& context, const ImageRequest& request) {
    run_choice<ImageRequest>("simple", simple_choices, context, request);
}

void overlap(const Context& context, const ImageRequest& request) {
    run_choice<ImageRequest>("overlap", overlap_choices, context, request);
}

std::int64_t line_plot_capacity(const ImageOptions&) {
    return std::numeric_limits<std::int64_t>::max();
}

}  // namespace balmer::render
