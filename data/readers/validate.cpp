#include "data/readers/validate.h"

#include <fmt/format.h>

#include <cmath>

namespace balmer::data {
namespace {

constexpr double shortest_optical_wavelength = 1000.0;

std::optional<SkippedRow> skip(const Spectrum& spectrum, Status status, std::string detail) {
    return SkippedRow{spectrum.row, status, std::move(detail)};
}

std::optional<SkippedRow> check_lengths(const Spectrum& spectrum) {
    const std::size_t pixels = spectrum.flux.size();
    if (spectrum.wavelength.size() != pixels || spectrum.inverse_variance.size() != pixels ||
        spectrum.mask.size() != pixels) {
        return skip(spectrum, Status::length_mismatch,
                    fmt::format("flux has {} pixels, wavelength {}, inverse variance {}, mask {}",
                                pixels, spectrum.wavelength.size(),
                                spectrum.inverse_variance.size(), spectrum.mask.size()));
    }
    if (pixels == 0) return skip(spectrum, Status::no_rows, "no pixels");
    return std::nullopt;
}

std::optional<SkippedRow> check_wavelength(const Spectrum& spectrum) {
    const std::vector<double>& wavelength = spectrum.wavelength;
    for (std::size_t i = 0; i < wavelength.size(); ++i) {
        if (!std::isfinite(wavelength[i])) {
            return skip(spectrum, Status::bad_wavelength,
                        fmt::format("wavelength {} at pixel {}", wavelength[i], i));
        }
        if (i > 0 && wavelength[i] <= wavelength[i - 1]) {
            return skip(spectrum, Status::bad_wavelength,
                        fmt::format("wavelength does not increase at pixel {}: {:.6f} after {:.6f}",
                                    i, wavelength[i], wavelength[i - 1]));
        }
    }
    if (wavelength.back() < shortest_optical_wavelength) {
        return skip(spectrum, Status::unknown_wavelength_unit,
                    fmt::format("wavelengths {:.6g} to {:.6g} are no optical spectrum in A",
                                wavelength.front(), wavelength.back()));
    }
    return std::nullopt;
}

void mask_bad_pixels(Spectrum& spectrum) {
    spectrum.not_finite_flux = 0;
    spectrum.bad_inverse_variance = 0;
    for (std::size_t i = 0; i < spectrum.flux.size(); ++i) {
        float& flux = spectrum.flux[i];
        float& weight = spectrum.inverse_variance[i];
        std::uint8_t& mask = spectrum.mask[i];
        if (!spectrum.inverse_variance_known) weight = 1.0F;
        if (!std::isfinite(flux)) {
            flux = 0.0F;
            mask = 1;
            ++spectrum.not_finite_flux;
        }
        if (!std::isfinite(weight) || weight < 0.0F) {
            weight = 0.0F;
            ++spectrum.bad_inverse_variance;
        }
        if (weight == 0.0F) mask = 1;
        if (mask != 0) weight = 0.0F;
    }
    if (spectrum.not_finite_flux > 0) spectrum.flags |= flux_not_finite;
    if (spectrum.bad_inverse_variance > 0) spectrum.flags |= bad_variance;
}

}  // namespace

std::optional<SkippedRow> validate(Spectrum& spectrum, std::int64_t minimum_good_pixels) {
    if (auto problem = check_lengths(spectrum)) return problem;
    if (auto problem = check_wavelength(spectrum)) return problem;
    mask_bad_pixels(spectrum);
    const std::int64_t good = good_pixels(spectrum);
    if (good == 0) {
        return skip(spectrum, Status::no_data,
                    fmt::format("none of {} pixels is good", spectrum.pixels()));
    }
    if (good < minimum_good_pixels) {
        return skip(spectrum, Status::little_coverage,
                    fmt::format("{} of {} pixels are good, at least {} are needed", good,
                                spectrum.pixels(), minimum_good_pixels));
    }
    return std::nullopt;
}

std::optional<SkippedRow> require_overlap(std::int64_t row, std::span<const double> wavelength,
                                          std::span<const std::uint8_t> mask, double first,
                                          double last) {
    for (std::size_t i = 0; i < wavelength.size(); ++i) {
        if (mask[i] == 0 && wavelength[i] >= first && wavelength[i] <= last) return std::nullopt;
    }
    return SkippedRow{row, Status::no_overlap,
                      fmt::format("{:.1f} to {:.1f} A has no good pixel within {:.1f} to {:.1f} A",
                                  wavelength.empty() ? 0.0 : wavelength.front(),
                                  wavelength.empty() ? 0.0 : wavelength.back(), first, last)};
}

std::optional<SkippedRow> require_overlap(const Spectrum& spectrum, double first, double last) {
    return require_overlap(spectrum.row, spectrum.wavelength, spectrum.mask, first, last);
}

}  // namespace balmer::data
