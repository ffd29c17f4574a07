#include "data/readers/image_axis.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "data/spectrum.h"

namespace balmer::data {
namespace {

enum class Spacing { linear, log10, natural_log };

/// Value at the first pixel and step, in the header's own terms.
struct Steps {
    double first = 0;
    double step = 0;
    double reference = 0;  ///< CRVAL1
};

std::optional<double> step_of(const FitsFile& file, const Hdu& hdu) {
    // CD1_1 replaces CDELT1, which some files leave at its default of 1.
    const auto step = file.real_key(hdu, "CD1_1");
    return step && *step != 0.0 ? step : file.real_key(hdu, "CDELT1");
}

bool has_coefficients(const FitsFile& file, const Hdu& hdu) {
    return file.real_key(hdu, "COEFF0") && file.real_key(hdu, "COEFF1");
}

Steps steps_of(const FitsFile& file, const Hdu& hdu) {
    if (has_coefficients(file, hdu)) {
        return {*file.real_key(hdu, "COEFF0"), *file.real_key(hdu, "COEFF1"), 0.0};
    }
    const double reference = *file.real_key(hdu, "CRVAL1");
    const double step = *step_of(file, hdu);
    const double pixel = file.real_key(hdu, "CRPIX1").value_or(1.0);
    return {reference + (1.0 - pixel) * step, step, reference};
}

std::string upper_key(const FitsFile& file, const Hdu& hdu, const char* keyword) {
    std::string text = file.text_key(hdu, keyword).value_or("");
    std::transform(text.begin(), text.end(), text.begin(),
                   [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    return text;
}

Spacing spacing_of(const FitsFile& file, const Hdu& hdu) {
    constexpr double largest_log10 = 10.0;
    if (has_coefficients(file, hdu)) return Spacing::log10;
    const std::string type = upper_key(file, hdu, "CTYPE1");
    if (type.ends_with("-LOG") && *file.real_key(hdu, "CRVAL1") > largest_log10) {
        return Spacing::natural_log;
    }
    const bool is_log = type.find("LOG") != std::string::npos ||
                        file.integer_key(hdu, "DC-FLAG") == 1 ||
                        file.integer_key(hdu, "LOGLAM") == 1;
    return is_log ? Spacing::log10 : Spacing::linear;
}

/// "wtype=linear label=Wavelength units=Angstroms" names the unit after "units=".
std::optional<WavelengthUnit> iraf_unit(const std::string& attributes) {
    const std::string key = "units=";
    const auto start = attributes.find(key);
    if (start == std::string::npos) return std::nullopt;
    const auto first = start + key.size();
    return wavelength_unit(
        std::string_view(attributes).substr(first, attributes.find(' ', first) - first));
}

WavelengthScale stated_scale(const FitsFile& file, const Hdu& hdu) {
    WavelengthScale scale;
    const std::string type = upper_key(file, hdu, "CTYPE1");
    if (type == "WAVE" || type.starts_with("WAVE-")) scale.medium = WavelengthMedium::vacuum;
    if (type == "AWAV" || type.starts_with("AWAV-")) scale.medium = WavelengthMedium::air;
    const std::string vacuum = upper_key(file, hdu, "VACUUM");
    if (vacuum == "T") scale.medium = WavelengthMedium::vacuum;
    if (vacuum == "F") scale.medium = WavelengthMedium::air;
    if (const auto medium = wavelength_medium(upper_key(file, hdu, "AIRORVAC"))) {
        scale.medium = medium;
    }
    scale.unit = wavelength_unit(upper_key(file, hdu, "CUNIT1"));
    if (!scale.unit) scale.unit = iraf_unit(file.text_key(hdu, "WAT1_001").value_or(""));
    if (!scale.unit && has_coefficients(file, hdu)) scale.unit = WavelengthUnit::angstrom;
    return scale;
}

}  // namespace

bool is_one_row(const Hdu& hdu) {
    return hdu.kind == HduKind::image && !hdu.axes.empty() &&
           std::all_of(hdu.axes.begin() + 1, hdu.axes.end(), [](auto axis) { return axis == 1; });
}

bool has_wavelength_axis(const FitsFile& file, const Hdu& hdu) {
    return has_coefficients(file, hdu) || (file.real_key(hdu, "CRVAL1") && step_of(file, hdu));
}

ImageAxis read_wavelength_axis(const FitsFile& file, const Hdu& hdu) {
    constexpr double largest_log10 = 6.0;
    const Steps steps = steps_of(file, hdu);
    const Spacing spacing = spacing_of(file, hdu);
    if (spacing == Spacing::log10 && !(std::abs(steps.first) <= largest_log10)) {
        throw SpectrumError(
            file.path(), Status::unknown_wavelength_unit,
            fmt::format("HDU {}: the axis begins with {:.6g}, no log10 of a wavelength", hdu.index,
                        steps.first));
    }
    ImageAxis axis;
    axis.stated = stated_scale(file, hdu);
    axis.wavelength.resize(static_cast<std::size_t>(hdu.axes[0]));
    for (std::size_t i = 0; i < axis.wavelength.size(); ++i) {
        double value = steps.first + steps.step * static_cast<double>(i);
        if (spacing == Spacing::log10) value = std::pow(10.0, value);
        if (spacing == Spacing::natural_log) {
            value = steps.reference * std::exp((value - steps.reference) / steps.reference);
        }
        axis.wavelength[i] = value;
    }
    return axis;
}

}  // namespace balmer::data
