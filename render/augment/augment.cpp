#include "render/augment/augment.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <numbers>
#include <set>
#include <string_view>

#include "kernels/core/choice.h"
#include "kernels/core/nearest_name.h"
#include "kernels/resample/resample.h"
#include "render/augment/augment_cpu.h"
#include "render/augment/augment_cuda.h"
#include "render/augment/augment_pixel.h"

namespace balmer::render {
namespace {

constexpr Choice<AugmentRequest> augment_choices[] = {
    BALMER_DEVICE_CHOICES("device", accepts_augment_device, augment_device){
        "plain", accepts_cpu<AugmentRequest>, augment_plain},
};

constexpr std::int64_t largest_shift = 1000;

double strength_of(const std::string& part, std::string_view text) {
    double value = 0.0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (failure != std::errc{} || end != text.data() + text.size() || !(value >= 0.0) ||
        !std::isfinite(value)) {
        throw UsageError(fmt::format("--augment {}={}: not a number from 0", part, text));
    }
    return value;
}

void set_part(AugmentOptions& options, const std::string& part, double value) {
    if (part == "noise") {
        options.noise = value;
    } else if (part == "mask") {
        if (value > 1.0) throw UsageError(fmt::format("--augment mask={}: above 1", value));
        options.mask = value;
    } else if (part == "shift") {
        if (value != std::floor(value) || value > largest_shift) {
            throw UsageError(fmt::format("--augment shift={}: not a number of pixels up to {}",
                                         value, largest_shift));
        }
        options.shift = static_cast<std::int64_t>(value);
    } else {
        options.scale = value;
    }
}

}  // namespace

AugmentOptions augment_options_from(const std::string& list) {
    AugmentOptions options;
    if (list.empty()) return options;
    const AugmentOptions usual = {.noise = 1.0, .mask = 0.3, .shift = 8, .scale = 0.1};
    const std::map<std::string, double> strengths = {{"noise", usual.noise},
                                                     {"mask", usual.mask},
                                                     {"shift", static_cast<double>(usual.shift)},
                                                     {"scale", usual.scale}};
    std::set<std::string> named;
    std::size_t begin = 0;
    while (begin <= list.size()) {
        const std::size_t end = std::min(list.find(',', begin), list.size());
        const std::string item = list.substr(begin, end - begin);
        begin = end + 1;
        const std::size_t equals = item.find('=');
        const std::string part = item.substr(0, equals);
        const auto known = strengths.find(part);
        if (known == strengths.end()) {
            throw unknown_name("--augment", part, {"noise", "shift", "mask", "scale"});
        }
        if (!named.insert(part).second) {
            throw UsageError(fmt::format("--augment: '{}' is named twice", part));
        }
        set_part(options, part,
                 equals == std::string::npos
                     ? known->second
                     : strength_of(part, std::string_view(item).substr(equals + 1)));
    }
    return options;
}

std::string to_string(const AugmentOptions& options) {
    return fmt::format("noise={},shift={},mask={},scale={}", options.noise, options.shift,
                       options.mask, options.scale);
}

AugmentDraw draw_augmentation(const AugmentOptions& options, std::uint64_t seed,
                              std::uint64_t epoch, std::uint64_t row) {
    AugmentDraw draw{.seed = seed, .epoch = epoch, .row = row};
    const auto [where, amount] = augment_uniforms(draw, 0);
    draw.shift =
        static_cast<std::int64_t>(std::floor(where * static_cast<double>(2 * options.shift + 1))) -
        options.shift;
    draw.noise = options.noise * amount;
    const auto normal = [&](std::uint64_t number) {
        const NormalParts parts = augment_normal(draw, number);
        return std::sqrt(parts.radius_squared) * parts.cosine;
    };
    draw.log_scale = options.scale * normal(1);
    draw.slope = options.scale * normal(2);
    for (std::uint32_t i = 0; i < sky_regions.size(); ++i) {
        if (augment_uniforms(draw, 3 + i)[0] < options.mask) draw.regions |= std::uint64_t{1} << i;
    }
    return draw;
}

double log_stretch(const AugmentDraw& draw) {
    return static_cast<double>(draw.shift) * kernels::common_grid_step * std::numbers::ln10;
}

View view_of(std::span<const AugmentDraw> draws) {
    // Views do not know constness; draws are only read.
    void* bytes = const_cast<AugmentDraw*>(draws.data());
    return View(bytes, DType::u8,
                {static_cast<std::int64_t>(draws.size()), std::int64_t{sizeof(AugmentDraw)}});
}

void augment(const Context& context, const AugmentRequest& request) {
    const SpectrumBatch& batch = request.batch;
    const char* name = "augment";
    if (batch.flux.shape.rank() != 2) {
        throw ShapeError("augment: flux is " + balmer::to_string(batch.flux) + ", not [B, L]");
    }
    const std::int64_t count = batch.flux.shape[0];
    const std::int64_t length = batch.flux.shape[1];
    const auto expect = [&](const View& view, DType dtype, const Shape& shape,
                            const char* argument) {
        expect_dtype(view, dtype, name, argument);
        expect_shape(view, shape, name, argument);
        expect_contiguous(view, name, argument);
    };
    expect(batch.flux, DType::f32, {count, length}, "flux");
    expect(batch.mask, DType::u8, {count, length}, "mask");
    expect(batch.inverse_variance, DType::f32, {count, length}, "inverse_variance");
    const bool is_shared = batch.wavelength.shape.rank() == 1;
    expect(batch.wavelength, DType::f64, is_shared ? Shape{length} : Shape{count, length},
           "wavelength");
    expect(request.draws, DType::u8, {count, std::int64_t{sizeof(AugmentDraw)}}, "draws");
    if (batch.inverse_variance_known) {
        expect(batch.inverse_variance_known, DType::u8, {count}, "inverse_variance_known");
    }
    if (count == 0) return;
    run_choice<AugmentRequest>(name, augment_choices, context, request);
}

}  // namespace balmer::render
