#include "data/readers/arm_merger.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace balmer::data {
namespace {

bool is_good(const Spectrum& spectrum, std::size_t pixel) {
    const float weight = spectrum.inverse_variance[pixel];
    return spectrum.mask[pixel] == 0 && std::isfinite(spectrum.flux[pixel]) &&
           std::isfinite(weight) && weight > 0.0F;
}

}  // namespace

ArmMerger::ArmMerger(const std::string& path, std::span<const double> wavelength, std::size_t arms)
    : merged_pixel_(wavelength.size()) {
    for (std::size_t i = 0; i < wavelength.size(); ++i) {
        if (std::isfinite(wavelength[i])) continue;
        throw SpectrumError(path, Status::bad_wavelength,
                            fmt::format("wavelength {} at pixel {}", wavelength[i], i));
    }
    std::vector<std::size_t> order(wavelength.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](std::size_t left, std::size_t right) {
        return wavelength[left] < wavelength[right];
    });
    for (std::size_t begin = 0, end = 0; begin < order.size(); begin = end) {
        while (end < order.size() &&
               wavelength[order[end]] - wavelength[order[begin]] < coincident_wavelength) {
            merged_pixel_[order[end++]] = wavelength_.size();
        }
        if (end - begin > arms) {
            throw SpectrumError(path, Status::bad_wavelength,
                                fmt::format("{} pixels of {} arms stand at {:.6f} A", end - begin,
                                            arms, wavelength[order[begin]]));
        }
        const auto first_arm = std::min_element(order.begin() + static_cast<std::ptrdiff_t>(begin),
                                                order.begin() + static_cast<std::ptrdiff_t>(end));
        wavelength_.push_back(wavelength[*first_arm]);
    }
}

void ArmMerger::merge(Spectrum& spectrum) const {
    struct Sum {
        double weighted_flux = 0;
        double weight = 0;
        int good = 0;
        bool taken = false;
    };
    const std::size_t pixels = wavelength_.size();
    std::vector<Sum> sums(pixels);
    std::vector<float> flux(pixels);
    std::vector<float> inverse_variance(pixels);
    std::vector<std::uint8_t> mask(pixels);
    for (std::size_t i = 0; i < merged_pixel_.size(); ++i) {
        const std::size_t pixel = merged_pixel_[i];
        Sum& sum = sums[pixel];
        const bool good = is_good(spectrum, i);
        if (!sum.taken || (good && sum.good == 0)) {
            flux[pixel] = spectrum.flux[i];
            inverse_variance[pixel] = spectrum.inverse_variance[i];
            mask[pixel] = spectrum.mask[i];
            sum.taken = true;
        }
        if (!good) continue;
        const double weight = spectrum.inverse_variance[i];
        sum.weighted_flux += weight * double{spectrum.flux[i]};
        sum.weight += weight;
        ++sum.good;
    }
    for (std::size_t pixel = 0; pixel < pixels; ++pixel) {
        if (sums[pixel].good < 2) continue;
        flux[pixel] = static_cast<float>(sums[pixel].weighted_flux / sums[pixel].weight);
        inverse_variance[pixel] = static_cast<float>(sums[pixel].weight);
    }
    spectrum.wavelength = wavelength_;
    spectrum.flux = std::move(flux);
    spectrum.inverse_variance = std::move(inverse_variance);
    spectrum.mask = std::move(mask);
}

}  // namespace balmer::data
