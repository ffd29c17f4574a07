#include "data/readers/lamost_header.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>

namespace balmer::data {
namespace {

constexpr double missing_value = -9999.0;

/// A header number; empty also for the survey's -9999.
std::optional<double> value_of(const FitsFile& file, const char* keyword) {
    const auto value = file.real_key(file.hdus()[0], keyword);
    return value && *value != missing_value ? value : std::nullopt;
}

/// Start and step of log10(wavelength) from the header, first pixel = 0.
std::optional<std::pair<double, double>> log_grid(const FitsFile& file) {
    const auto start = value_of(file, "COEFF0");
    const auto step = value_of(file, "COEFF1");
    if (start && step) return std::pair(*start, *step);
    const auto reference = value_of(file, "CRVAL1");
    const auto increment = value_of(file, "CD1_1");
    if (!reference || !increment) return std::nullopt;
    const double pixel = value_of(file, "CRPIX1").value_or(1.0);
    return std::pair(*reference + (1.0 - pixel) * *increment, *increment);
}

void require_vacuum(const FitsFile& file) {
    const auto vacuum = file.text_key(file.hdus()[0], "VACUUM");
    if (vacuum && *vacuum == "F") {
        throw SpectrumError(file.path(), Status::unknown_wavelength_unit,
                            "VACUUM = F: the wavelengths are in air, the survey's are in vacuum");
    }
}

std::optional<double> band_snr(const FitsFile& file) {
    double sum = 0;
    for (const char band : {'U', 'G', 'R', 'I', 'Z'}) {
        auto snr = value_of(file, fmt::format("SNR{}", band).c_str());
        if (!snr) snr = value_of(file, fmt::format("SN_{}", band).c_str());
        if (!snr) return std::nullopt;
        sum += *snr * *snr;
    }
    return std::sqrt(sum);
}

Labels read_labels(const FitsFile& file) {
    const Hdu& primary = file.hdus()[0];
    Labels labels;
    labels.object_class = file.text_key(primary, "CLASS").value_or("");
    std::transform(labels.object_class.begin(), labels.object_class.end(),
                   labels.object_class.begin(),
                   [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    if (labels.object_class == "UNKNOWN") labels.object_class.clear();
    labels.subclass = file.text_key(primary, "SUBCLASS").value_or("");
    labels.z = value_of(file, "Z");
    labels.z_err = value_of(file, "Z_ERR");
    if (labels.z_err && *labels.z_err <= 0) labels.z_err.reset();
    return labels;
}

}  // namespace

bool is_lamost(const FitsFile& file) {
    static constexpr std::array keywords = {"TELESCOP", "ORIGIN", "AUTHOR", "DATA_V"};
    return std::any_of(keywords.begin(), keywords.end(), [&](const char* keyword) {
        const auto text = file.text_key(file.hdus()[0], keyword);
        return text && text->find("LAMOST") != std::string::npos;
    });
}

std::vector<double> lamost_wavelength(const FitsFile& file, std::size_t pixels,
                                      std::vector<double> written) {
    constexpr double tolerated_pixels = 0.1;
    require_vacuum(file);
    const auto grid = log_grid(file);
    const bool differs = !written.empty() && written.size() != pixels;
    if (!grid || differs) return written;
    const auto [start, step] = *grid;
    std::vector<double> wavelength(pixels);
    for (std::size_t i = 0; i < pixels; ++i) {
        const double log_wavelength = start + step * static_cast<double>(i);
        wavelength[i] = std::pow(10.0, log_wavelength);
        if (i < written.size() &&
            !(std::abs(std::log10(written[i]) - log_wavelength) <= tolerated_pixels * step)) {
            return written;
        }
    }
    return wavelength;
}

void mask_lamost_pixels(const std::vector<float>& and_mask, Spectrum& spectrum) {
    spectrum.mask.resize(and_mask.size());
    std::transform(and_mask.begin(), and_mask.end(), spectrum.mask.begin(),
                   [](float bits) { return static_cast<std::uint8_t>(bits != 0.0F); });
}

void describe_lamost(const FitsFile& file, Spectrum& spectrum) {
    const Hdu& primary = file.hdus()[0];
    spectrum.survey = "lamost";
    spectrum.object_id = file.integer_key(primary, "OBSID").value_or(0);
    spectrum.object_name = file.text_key(primary, "DESIG").value_or("");
    spectrum.ra = value_of(file, "RA");
    spectrum.dec = value_of(file, "DEC");
    spectrum.survey_snr = band_snr(file);
    spectrum.labels = read_labels(file);
}

}  // namespace balmer::data
