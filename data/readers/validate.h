#pragma once
// What every spectrum must be, whichever reader produced it.

#include <cstdint>
#include <optional>
#include <span>

#include "data/readers/reader.h"
#include "data/spectrum.h"

namespace balmer::data {

/// Brings `spectrum` to the contract of data/spectrum.h, or says why it cannot be used:
/// * no_rows without pixels, length_mismatch when the arrays differ in length;
/// * bad_wavelength unless every wavelength is finite and above the one before;
/// * unknown_wavelength_unit when all wavelengths lie below 1000: no optical spectrum in A;
/// * flux that is not finite is masked, set to 0 and counted; inverse variance that is negative or
///   not finite is set to 0 and counted; pixels with inverse variance 0 are masked, and masked
///   pixels get inverse variance 0. Without known variance the good pixels get weight 1;
/// * no_data when no pixel is good, little_coverage when fewer than `minimum_good_pixels` are.
std::optional<SkippedRow> validate(Spectrum& spectrum, std::int64_t minimum_good_pixels);

/// no_overlap when no good pixel lies within [first, last] (A).
std::optional<SkippedRow> require_overlap(const Spectrum& spectrum, double first, double last);
/// The same of the pixels of row `row`.
std::optional<SkippedRow> require_overlap(std::int64_t row, std::span<const double> wavelength,
                                          std::span<const std::uint8_t> mask, double first,
                                          double last);

}  // namespace balmer::data
