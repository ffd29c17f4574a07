#include "data/pack/batch.h"

#include <algorithm>

namespace balmer::data {
namespace {

/// Row b of a batch on native grids.
void copy_padded(const kernels::SpectrumPixels& pixels, std::int64_t b, Batch& batch) {
    const auto count = static_cast<std::int64_t>(pixels.flux.size());
    const std::int64_t begin = b * batch.length;
    const auto put = [&](const auto& source, auto& target, auto padding) {
        const auto end = std::copy_n(source.data(), count, target.begin() + begin);
        std::fill_n(end, batch.length - count, padding);
    };
    put(pixels.flux, batch.flux, 0.0F);
    put(pixels.inverse_variance, batch.inverse_variance, 0.0F);
    put(pixels.mask, batch.mask, std::uint8_t{1});
    put(pixels.wavelength, batch.wavelength, 0.0);
}

/// A view of rows [begin, begin + count) of an array of `width` elements a row.
template <class T>
View rows_of(const std::vector<T>& values, std::int64_t begin, const Shape& shape,
             std::int64_t width) {
    if (values.empty()) return {};
    // Views are writable; renderers only read theirs.
    return {const_cast<T*>(values.data()) + begin * width, dtype_of_v<T>, shape};
}

}  // namespace

BatchItem batch_item(const Spectrum& spectrum) {
    return {{spectrum.wavelength, spectrum.flux, spectrum.inverse_variance, spectrum.mask,
             kernels::grid_start(spectrum.wavelength)},
            spectrum.inverse_variance_known};
}

void assemble(std::span<const BatchItem> items, Grid grid, Batch& batch) {
    const bool is_common = grid == Grid::common;
    batch.size = static_cast<std::int64_t>(items.size());
    batch.rows.clear();
    batch.log_stretch.clear();
    batch.lengths.clear();
    batch.inverse_variance_known.clear();
    for (const auto& [pixels, known] : items) {
        const std::size_t count = pixels.flux.size();
        if (pixels.wavelength.size() != count || pixels.inverse_variance.size() != count ||
            pixels.mask.size() != count) {
            throw ShapeError("batch: the arrays of a spectrum differ in length");
        }
        batch.inverse_variance_known.push_back(known ? 1 : 0);
        batch.lengths.push_back(is_common ? kernels::common_grid_pixels
                                          : static_cast<std::int64_t>(count));
    }
    batch.length =
        items.empty() ? 0 : *std::max_element(batch.lengths.begin(), batch.lengths.end());
    const auto total = static_cast<std::size_t>(batch.size * batch.length);
    batch.flux.resize(total);
    batch.inverse_variance.resize(total);
    batch.mask.resize(total);
    batch.wavelength.resize(is_common ? 0 : total);
    const auto length = static_cast<std::size_t>(batch.length);
    for (std::size_t b = 0; b < items.size(); ++b) {
        if (!is_common) {
            copy_padded(items[b].pixels, static_cast<std::int64_t>(b), batch);
            continue;
        }
        kernels::resample_to_common_grid(
            items[b].pixels, {std::span(batch.flux).subspan(b * length, length),
                              std::span(batch.inverse_variance).subspan(b * length, length),
                              std::span(batch.mask).subspan(b * length, length)});
    }
}

render::SpectrumBatch image_batch(const Batch& batch, std::int64_t begin, std::int64_t count) {
    const std::int64_t L = batch.length;
    render::SpectrumBatch spectra;
    spectra.flux = rows_of(batch.flux, begin, {count, L}, L);
    spectra.mask = rows_of(batch.mask, begin, {count, L}, L);
    spectra.inverse_variance = rows_of(batch.inverse_variance, begin, {count, L}, L);
    spectra.inverse_variance_known = rows_of(batch.inverse_variance_known, begin, {count}, 1);
    if (batch.wavelength.empty()) {
        const auto wavelengths = common_grid_wavelengths();
        spectra.wavelength = {const_cast<double*>(wavelengths.data()), DType::f64,
                              Shape{kernels::common_grid_pixels}};
    } else {
        spectra.wavelength = rows_of(batch.wavelength, begin, {count, L}, L);
        spectra.lengths = rows_of(batch.lengths, begin, {count}, 1);
    }
    return spectra;
}

std::span<const double> common_grid_wavelengths() {
    static const std::vector<double> wavelengths = [] {
        std::vector<double> values;
        for (std::int64_t i = 0; i < kernels::common_grid_pixels; ++i) {
            values.push_back(kernels::common_grid_wavelength(i));
        }
        return values;
    }();
    return wavelengths;
}

}  // namespace balmer::data
