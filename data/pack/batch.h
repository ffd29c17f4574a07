#pragma once
// Spectra side by side, as models and renderers take them. Training, prediction and `vit-data
// render` all come through here, so that they see the same pixels.

#include <cstdint>
#include <span>
#include <vector>

#include "data/spectrum.h"
#include "kernels/resample/resample.h"
#include "render/augment/augment.h"
#include "render/image.h"

namespace balmer::data {

/// Which pixels a batch has: every spectrum on the common grid, or its own.
enum class Grid : std::uint8_t { common, native };

/// B spectra of L pixels each, row-major [B, L]. On the common grid L is
/// kernels::common_grid_pixels; on native grids that of the longest spectrum, the others padded
/// with flux 0, inverse variance 0, mask 1 and wavelength 0.
struct Batch {
    std::int64_t size = 0;    ///< B
    std::int64_t length = 0;  ///< L
    std::vector<float> flux;
    std::vector<float> inverse_variance;
    std::vector<std::uint8_t> mask;  ///< 0 good, 1 bad or padding
    /// 0 where a spectrum has no inverse variance of its own and weights of 1 stand for it [B].
    std::vector<std::uint8_t> inverse_variance_known;
    std::vector<double> wavelength;     ///< A; empty on the common grid
    std::vector<std::int64_t> lengths;  ///< pixels of each spectrum before padding [B]
    /// ln of the factor by which augmentation multiplied 1 + z [B]; empty: none.
    std::vector<double> log_stretch;
    /// Augmentation that the pixels still lack: for the device to which they go [B]; empty: none.
    std::vector<render::AugmentDraw> augmentation;
    std::vector<std::int64_t> rows;  ///< row of each in the packed set [B]; empty for others
    std::int64_t epoch = 0;
    std::int64_t index = 0;  ///< of the batch within its epoch
};

/// One spectrum of a batch to be.
struct BatchItem {
    kernels::SpectrumPixels pixels;
    bool inverse_variance_known = true;
};

/// A spectrum in memory as an item; it must outlive it.
BatchItem batch_item(const Spectrum& spectrum);

/// Fills `batch` (its memory is used again) with `items`; `rows` is left empty. ShapeError for an
/// item whose arrays differ in length.
void assemble(std::span<const BatchItem> items, Grid grid, Batch& batch);

/// Spectra [begin, begin + count) of a batch for render::render: views of the batch's memory.
render::SpectrumBatch image_batch(const Batch& batch, std::int64_t begin, std::int64_t count);

/// Wavelengths (A) of the common grid's pixels.
std::span<const double> common_grid_wavelengths();

}  // namespace balmer::data
