#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "kernels/core/error.h"
#include "kernels/core/parallel.h"
#include "kernels/resample/resample_cpu.h"
#include "kernels/resample/resample_pixels.h"

namespace balmer::kernels {
namespace {

double grid_position(double wavelength) {
    return (std::log10(wavelength) - common_grid_first) / common_grid_step;
}

/// Edges of grid bins: bin j is [edges[j], edges[j + 1]].
const std::vector<double>& grid_edges() {
    static const std::vector<double> edges = [] {
        std::vector<double> values(common_grid_pixels + 1);
        for (std::int64_t j = 0; j <= common_grid_pixels; ++j) {
            values[j] = 0.5 * (common_grid_wavelength(j - 1) + common_grid_wavelength(j));
        }
        return values;
    }();
    return edges;
}

/// Bins [begin, end) have no pixel.
void clear(const GridPixels& output, std::int64_t begin, std::int64_t end) {
    std::fill_n(output.flux.data() + begin, end - begin, 0.0F);
    std::fill_n(output.inverse_variance.data() + begin, end - begin, 0.0F);
    std::fill_n(output.mask.data() + begin, end - begin, std::uint8_t{1});
}

/// Copies pixels [first, first + count) of the spectrum, all of them on the grid, to bin `target`.
void copy_run(const SpectrumPixels& spectrum, std::int64_t first, std::int64_t count,
              std::int64_t target, const GridPixels& output) {
    std::copy_n(spectrum.flux.data() + first, count, output.flux.data() + target);
    std::copy_n(spectrum.inverse_variance.data() + first, count,
                output.inverse_variance.data() + target);
    std::copy_n(spectrum.mask.data() + first, count, output.mask.data() + target);
}

/// Copies a spectrum whose pixel k is bin start + k; every output pixel is written once.
void copy_shifted(const SpectrumPixels& spectrum, std::int64_t start, const GridPixels& output) {
    const auto size = static_cast<std::int64_t>(spectrum.flux.size());
    const bool is_outside = start >= common_grid_pixels || start <= -size;
    const std::int64_t begin = is_outside ? 0 : std::max<std::int64_t>(0, start);
    const std::int64_t end = is_outside ? 0 : std::min(start + size, common_grid_pixels);
    clear(output, 0, begin);
    copy_run(spectrum, is_outside ? 0 : begin - start, end - begin, begin, output);
    clear(output, end, common_grid_pixels);
}

/// Copies a spectrum that lies on the grid but leaves pixels out. False if it is off the grid.
bool copy_with_gaps(const SpectrumPixels& spectrum, const GridPixels& output) {
    const auto size = static_cast<std::int64_t>(spectrum.wavelength.size());
    std::vector<std::int64_t> targets(size);
    for (std::int64_t i = 0; i < size; ++i) {
        const double position = grid_position(spectrum.wavelength[i]);
        const double nearest = std::nearbyint(position);
        if (!(std::abs(position - nearest) <= common_grid_tolerance)) return false;
        targets[i] = static_cast<std::int64_t>(nearest);
        if (i > 0 && targets[i] <= targets[i - 1]) return false;
    }
    clear(output, 0, common_grid_pixels);
    for (std::int64_t i = 0; i < size; ++i) {
        if (targets[i] < 0 || targets[i] >= common_grid_pixels) continue;
        copy_run(spectrum, i, 1, targets[i], output);
    }
    return true;
}

void rebin(const SpectrumPixels& spectrum, const GridPixels& output) {
    const auto& bins = grid_edges();
    const auto size = static_cast<std::int64_t>(spectrum.wavelength.size());
    std::vector<Edges> pixels(size);
    for (std::int64_t i = 0; i < size; ++i) {
        pixels[i] = pixel_edges(spectrum.wavelength.data(), size, i);
    }
    std::int64_t first = 0;
    for (std::int64_t j = 0; j < common_grid_pixels; ++j) {
        const double reaches = bins[j] + negligible_overlap * (bins[j + 1] - bins[j]);
        while (first < size && pixels[first].upper <= reaches) ++first;
        const GridPixel pixel =
            rebinned(spectrum.flux.data(), spectrum.inverse_variance.data(), spectrum.mask.data(),
                     size, first, bins[j], bins[j + 1], [&](std::int64_t i) { return pixels[i]; });
        output.flux[j] = pixel.flux;
        output.inverse_variance[j] = pixel.inverse_variance;
        output.mask[j] = pixel.mask;
    }
}

void expect_lengths(const SpectrumPixels& spectrum, const GridPixels& output) {
    const std::size_t size = spectrum.wavelength.size();
    if (spectrum.flux.size() != size || spectrum.inverse_variance.size() != size ||
        spectrum.mask.size() != size) {
        throw ShapeError("resample_to_common_grid: " + std::to_string(size) + " wavelengths, " +
                         std::to_string(spectrum.flux.size()) + " fluxes, " +
                         std::to_string(spectrum.inverse_variance.size()) + " inverse variances, " +
                         std::to_string(spectrum.mask.size()) + " mask values");
    }
    if (output.flux.size() != common_grid_pixels ||
        output.inverse_variance.size() != common_grid_pixels ||
        output.mask.size() != common_grid_pixels) {
        throw ShapeError("resample_to_common_grid: output needs " +
                         std::to_string(common_grid_pixels) + " pixels, has " +
                         std::to_string(output.flux.size()));
    }
}

}  // namespace

double common_grid_wavelength(std::int64_t index) {
    return std::pow(10.0, common_grid_first + common_grid_step * static_cast<double>(index));
}

std::optional<std::int64_t> grid_start(std::span<const double> wavelength) {
    if (wavelength.empty()) return std::nullopt;
    const double start = std::nearbyint(grid_position(wavelength.front()));
    for (std::size_t i = 0; i < wavelength.size(); ++i) {
        const double expected = start + static_cast<double>(i);
        if (!(std::abs(grid_position(wavelength[i]) - expected) <= common_grid_tolerance)) {
            return std::nullopt;
        }
    }
    return static_cast<std::int64_t>(start);
}

void resample_to_common_grid(const SpectrumPixels& spectrum, const GridPixels& output) {
    expect_lengths(spectrum, output);
    if (spectrum.grid_start) {
        copy_shifted(spectrum, *spectrum.grid_start, output);
    } else if (!copy_with_gaps(spectrum, output)) {
        rebin(spectrum, output);
    }
}

void resample_to_common_grid(const Context& context, std::span<const SpectrumPixels> spectra,
                             std::span<float> flux, std::span<float> inverse_variance,
                             std::span<std::uint8_t> mask) {
    const auto batch = static_cast<std::int64_t>(spectra.size());
    const std::size_t total = spectra.size() * static_cast<std::size_t>(common_grid_pixels);
    if (flux.size() != total || inverse_variance.size() != total || mask.size() != total) {
        throw ShapeError("resample_to_common_grid: " + std::to_string(batch) + " spectra need " +
                         std::to_string(total) + " output pixels, have " +
                         std::to_string(flux.size()));
    }
    parallel_for(context, batch, 4, [&](std::int64_t b) {
        const std::size_t begin = static_cast<std::size_t>(b * common_grid_pixels);
        resample_to_common_grid(spectra[b], {flux.subspan(begin, common_grid_pixels),
                                             inverse_variance.subspan(begin, common_grid_pixels),
                                             mask.subspan(begin, common_grid_pixels)});
    });
}

void resample_plain(const Context& context, const ResampleBatch& arguments) {
    const std::int64_t batch = arguments.offsets.shape[0] - 1;
    const auto* offsets = arguments.offsets.as<std::int64_t>();
    for (std::int64_t b = 0; b < batch; ++b) {
        if (offsets[b] < 0 || offsets[b + 1] < offsets[b] ||
            offsets[b + 1] > arguments.wavelength.numel()) {
            throw ShapeError("resample_to_common_grid: spectrum " + std::to_string(b) +
                             " is pixels " + std::to_string(offsets[b]) + " to " +
                             std::to_string(offsets[b + 1]) + " of " +
                             std::to_string(arguments.wavelength.numel()));
        }
    }
    parallel_for(context, batch, 4, [&](std::int64_t b) {
        const auto count = static_cast<std::size_t>(offsets[b + 1] - offsets[b]);
        SpectrumPixels spectrum{{arguments.wavelength.as<double>() + offsets[b], count},
                                {arguments.flux.as<float>() + offsets[b], count},
                                {arguments.inverse_variance.as<float>() + offsets[b], count},
                                {arguments.mask.as<std::uint8_t>() + offsets[b], count},
                                std::nullopt};
        if (arguments.grid_start && arguments.grid_start.as<std::int64_t>()[b] != no_grid_start) {
            spectrum.grid_start = arguments.grid_start.as<std::int64_t>()[b];
        }
        const auto row = [&]<class T>(const View& out, type_tag<T>) {
            return std::span<T>(out.as<T>() + b * common_grid_pixels,
                                static_cast<std::size_t>(common_grid_pixels));
        };
        resample_to_common_grid(spectrum, {row(arguments.out_flux, type_tag<float>{}),
                                           row(arguments.out_inverse_variance, type_tag<float>{}),
                                           row(arguments.out_mask, type_tag<std::uint8_t>{})});
    });
}

}  // namespace balmer::kernels
