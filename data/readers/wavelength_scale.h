#pragma once
// In what medium and unit a file gives its wavelengths: FAULTS 19, FORMATS "Air or vacuum, unit".

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace balmer::data {

enum class WavelengthMedium : std::uint8_t { air, vacuum };
enum class WavelengthUnit : std::uint8_t { angstrom, nanometre, micrometre, metre };

/// What is known of a wavelength scale, each part perhaps not.
struct WavelengthScale {
    std::optional<WavelengthMedium> medium;
    std::optional<WavelengthUnit> unit;

    /// This scale, its gaps filled from `other`.
    WavelengthScale or_else(const WavelengthScale& other) const;
};

/// "Angstroms", "AA", "nm", "microns", ... in any case; empty for anything else.
std::optional<WavelengthUnit> wavelength_unit(std::string_view text);

/// "air" or "vac", "vacuum" in any case; empty for anything else.
std::optional<WavelengthMedium> wavelength_medium(std::string_view text);

/// Brings wavelengths to vacuum A. Throws SpectrumError (unknown_wavelength_unit), which names
/// `file` and the options that decide, when a part of the scale is not known.
void to_vacuum_angstrom(const std::string& file, const WavelengthScale& scale,
                        std::vector<double>& wavelength);

}  // namespace balmer::data
