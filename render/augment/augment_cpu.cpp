#include "render/augment/augment_cpu.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "kernels/core/parallel.h"
#include "render/augment/augment_pixel.h"

namespace balmer::render {
namespace {

/// One spectrum; pixels beyond its own length are masked and stay so.
struct Row {
    std::span<float> flux;
    std::span<float> inverse_variance;
    std::span<std::uint8_t> mask;
    const double* wavelength;
    bool is_variance_known;
};

/// Moves `values` by `shift` places (up for a positive one) and fills what becomes free.
template <class T>
void move(std::span<T> values, std::int64_t shift, T free) {
    const auto length = static_cast<std::int64_t>(values.size());
    const std::int64_t by = std::clamp(shift, -length, length);
    if (by >= 0) {
        std::move_backward(values.begin(), values.end() - by, values.end());
        std::fill_n(values.begin(), by, free);
    } else {
        std::move(values.begin() - by, values.end(), values.begin());
        std::fill_n(values.end() + by, -by, free);
    }
}

void scale_flux(const Row& row, const AugmentDraw& draw) {
    for (std::size_t i = 0; i < row.flux.size(); ++i) {
        if (!(row.wavelength[i] > 0.0)) continue;  // padding
        const float factor = augment_factor(draw, row.wavelength[i]);
        row.flux[i] *= factor;
        if (row.is_variance_known) row.inverse_variance[i] /= factor * factor;
    }
}

void add_noise(const Row& row, const AugmentDraw& draw) {
    const auto share = static_cast<float>(1.0 / (1.0 + draw.noise * draw.noise));
    for (std::size_t i = 0; i < row.flux.size(); ++i) {
        if (row.mask[i] != 0 || !(row.inverse_variance[i] > 0.0F)) continue;
        const NormalParts normal = augment_normal(draw, first_pixel_draw + i);
        const double size = std::sqrt(normal.radius_squared / row.inverse_variance[i]);
        row.flux[i] += static_cast<float>(draw.noise * size * normal.cosine);
        row.inverse_variance[i] *= share;
    }
}

void mask_regions(const Row& row, const AugmentDraw& draw) {
    for (std::size_t i = 0; i < row.flux.size(); ++i) {
        if (!is_in_masked_region(draw, row.wavelength[i])) continue;
        row.mask[i] = 1;
        row.inverse_variance[i] = 0.0F;
    }
}

}  // namespace

void augment_plain(const Context& context, const AugmentRequest& request) {
    const SpectrumBatch& batch = request.batch;
    const std::int64_t count = batch.flux.shape[0];
    const std::int64_t length = batch.flux.shape[1];
    const auto width = static_cast<std::size_t>(length);
    const bool is_shared = batch.wavelength.shape.rank() == 1;
    const auto* draws = reinterpret_cast<const AugmentDraw*>(request.draws.as<std::uint8_t>());
    parallel_for(context, count, 1, [&](std::int64_t b) {
        const std::int64_t start = b * length;
        const Row row = {
            .flux = {batch.flux.as<float>() + start, width},
            .inverse_variance = {batch.inverse_variance.as<float>() + start, width},
            .mask = {batch.mask.as<std::uint8_t>() + start, width},
            .wavelength = batch.wavelength.as<double>() + (is_shared ? 0 : start),
            .is_variance_known = !batch.inverse_variance_known ||
                                 batch.inverse_variance_known.as<std::uint8_t>()[b] != 0};
        const AugmentDraw& draw = draws[b];
        if (draw.shift != 0 && is_shared) {
            move(row.flux, draw.shift, 0.0F);
            move(row.inverse_variance, draw.shift, 0.0F);
            move(row.mask, draw.shift, std::uint8_t{1});
        }
        if (draw.log_scale != 0.0 || draw.slope != 0.0) scale_flux(row, draw);
        if (draw.noise > 0.0 && row.is_variance_known) add_noise(row, draw);
        if (draw.regions != 0) mask_regions(row, draw);
    });
}

}  // namespace balmer::render
