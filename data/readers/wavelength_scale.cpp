#include "data/readers/wavelength_scale.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include "data/readers/air_wavelength.h"
#include "data/spectrum.h"

namespace balmer::data {
namespace {

std::string lower_case(std::string_view text) {
    std::string lower(text);
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return lower;
}

double in_angstrom(double wavelength, WavelengthUnit unit) {
    switch (unit) {
        case WavelengthUnit::angstrom:
            return wavelength;
        case WavelengthUnit::nanometre:
            return wavelength * 10.0;
        case WavelengthUnit::micrometre:
            return wavelength * 1e4;
        case WavelengthUnit::metre:
            return wavelength * 1e10;
    }
    return wavelength;
}

}  // namespace

WavelengthScale WavelengthScale::or_else(const WavelengthScale& other) const {
    return {medium ? medium : other.medium, unit ? unit : other.unit};
}

std::optional<WavelengthUnit> wavelength_unit(std::string_view text) {
    using enum WavelengthUnit;
    static constexpr std::array<std::pair<std::string_view, WavelengthUnit>, 22> names = {
        {{"a", angstrom},
         {"aa", angstrom},
         {"ang", angstrom},
         {"angs", angstrom},
         {"angstrom", angstrom},
         {"angstroms", angstrom},
         {"\xc3\x85", angstrom},
         {"\xc3\xa5", angstrom},
         {"0.1nm", angstrom},
         {"nm", nanometre},
         {"nanometer", nanometre},
         {"nanometers", nanometre},
         {"nanometre", nanometre},
         {"nanometres", nanometre},
         {"um", micrometre},
         {"\xc2\xb5m", micrometre},
         {"micron", micrometre},
         {"microns", micrometre},
         {"micrometer", micrometre},
         {"micrometre", micrometre},
         {"m", metre},
         {"meter", metre}}};
    const std::string wanted = lower_case(text);
    const auto found =
        std::find_if(names.begin(), names.end(), [&](const auto& n) { return n.first == wanted; });
    return found == names.end() ? std::nullopt : std::optional(found->second);
}

std::optional<WavelengthMedium> wavelength_medium(std::string_view text) {
    const std::string wanted = lower_case(text);
    if (wanted == "air") return WavelengthMedium::air;
    if (wanted == "vac" || wanted == "vacuum") return WavelengthMedium::vacuum;
    return std::nullopt;
}

void to_vacuum_angstrom(const std::string& file, const WavelengthScale& scale,
                        std::vector<double>& wavelength) {
    if (!scale.unit) {
        throw SpectrumError(file, Status::unknown_wavelength_unit,
                            "the file does not say in which unit its wavelengths are; "
                            "--wavelength-unit angstrom, nm or um decides");
    }
    if (!scale.medium) {
        throw SpectrumError(file, Status::unknown_wavelength_unit,
                            "the file does not say whether its wavelengths are in air or in "
                            "vacuum; --wavelength-medium air or vacuum decides");
    }
    for (double& value : wavelength) {
        value = in_angstrom(value, *scale.unit);
        if (*scale.medium == WavelengthMedium::air) value = air_to_vacuum(value);
    }
}

}  // namespace balmer::data
