// LAMOST low-resolution spectra in the image layout (`spec-LMJD-PLANID_spSS-FFF.fits`, to about
// DR8): each row of the primary image is a quantity, named by EXTEN0 ('Flux, Inverse, Wavelength,
// Andmask, Ormask'; pilot and DR1 files have a continuum-subtracted flux in the place of the
// wavelength). Wavelengths are log10-spaced vacuum A: 10^(COEFF0 + i COEFF1). Source: LAMOST data
// release documents, "1D spectra FITS file".

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>

#include "data/readers/surveys.h"

namespace balmer::data {
namespace {

constexpr double missing_value = -9999.0;

bool recognises(const FitsFile& file) {
    const Hdu& primary = file.hdus()[0];
    if (primary.axes.size() != 2) return false;
    static constexpr std::array keywords = {"TELESCOP", "ORIGIN", "AUTHOR", "DATA_V"};
    return std::any_of(keywords.begin(), keywords.end(), [&](const char* keyword) {
        const auto text = file.text_key(primary, keyword);
        return text && text->find("LAMOST") != std::string::npos;
    });
}

/// The lower-case words of EXTEN0, one a row; what the survey writes where there is no EXTEN0.
std::vector<std::string> row_names(const FitsFile& file) {
    const Hdu& primary = file.hdus()[0];
    std::vector<std::string> names;
    std::string word;
    const std::string text =
        file.text_key(primary, "EXTEN0").value_or("Flux Inverse Wavelength Andmask Ormask");
    for (const char c : text + " ") {
        if (std::isalnum(static_cast<unsigned char>(c)) != 0) {
            word.push_back(static_cast<char>(std::tolower(static_cast<unsigned char>(c))));
        } else if (!word.empty()) {
            names.push_back(std::move(word));
            word.clear();
        }
    }
    names.resize(std::min(names.size(), static_cast<std::size_t>(primary.axes[1])));
    return names;
}

class Rows {
  public:
    explicit Rows(const FitsFile& file) : file_(file), names_(row_names(file)) {}

    /// The row of that name, or -1.
    std::int64_t find(const char* name) const {
        const auto found = std::find(names_.begin(), names_.end(), name);
        return found == names_.end() ? -1 : found - names_.begin();
    }
    [[noreturn]] void fail_missing(const std::string& what) const {
        throw SpectrumError(file_.path(), Status::missing_column,
                            fmt::format("{}; rows found: {}", what, fmt::join(names_, ", ")));
    }

  private:
    const FitsFile& file_;
    std::vector<std::string> names_;
};

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

std::vector<double> row_wavelength(const FitsFile& file, const Rows& rows) {
    const std::int64_t row = rows.find("wavelength");
    return row < 0 ? std::vector<double>{} : file.double_image_row(file.hdus()[0], row);
}

/// The header's grid, which is the row's origin before it was rounded to float; but the row where
/// the two differ by more than a tenth of a pixel (a file cut or resampled by someone else).
std::vector<double> wavelength_of(const FitsFile& file, const Rows& rows) {
    constexpr double tolerated_pixels = 0.1;
    std::vector<double> written = row_wavelength(file, rows);
    const auto grid = log_grid(file);
    if (!grid) {
        if (written.empty()) {
            rows.fail_missing(
                "no wavelength: no such row, no COEFF0 and COEFF1, no CRVAL1 and CD1_1");
        }
        return written;
    }
    const auto [start, step] = *grid;
    std::vector<double> wavelength(static_cast<std::size_t>(file.hdus()[0].axes[0]));
    for (std::size_t i = 0; i < wavelength.size(); ++i) {
        const double log_wavelength = start + step * static_cast<double>(i);
        wavelength[i] = std::pow(10.0, log_wavelength);
        if (!written.empty() &&
            !(std::abs(std::log10(written[i]) - log_wavelength) <= tolerated_pixels * step)) {
            return written;
        }
    }
    return wavelength;
}

/// Root of the sum of squares over the five bands; empty unless all are there.
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

void require_vacuum(const FitsFile& file) {
    const auto vacuum = file.text_key(file.hdus()[0], "VACUUM");
    if (vacuum && *vacuum == "F") {
        throw SpectrumError(file.path(), Status::unknown_wavelength_unit,
                            "VACUUM = F: the wavelengths are in air, the survey's are in vacuum");
    }
}

Spectrum read(const FitsFile& file) {
    const Hdu& primary = file.hdus()[0];
    const Rows rows(file);
    const std::int64_t flux = rows.find("flux");
    const std::int64_t inverse_variance = rows.find("inverse");
    const std::int64_t and_mask = rows.find("andmask");
    if (flux < 0) rows.fail_missing("no row 'Flux'");
    if (primary.axes[0] == 0) {
        throw SpectrumError(file.path(), Status::no_rows, "HDU 0: the image has 0 pixels a row");
    }
    require_vacuum(file);

    Spectrum spectrum;
    spectrum.survey = "lamost";
    spectrum.flux = file.float_image_row(primary, flux);
    spectrum.wavelength = wavelength_of(file, rows);
    spectrum.inverse_variance_known = inverse_variance >= 0;
    spectrum.inverse_variance = spectrum.inverse_variance_known
                                    ? file.float_image_row(primary, inverse_variance)
                                    : std::vector<float>(spectrum.flux.size(), 1.0F);
    spectrum.mask.assign(spectrum.flux.size(), 0);
    if (and_mask >= 0) {
        const std::vector<float> flagged = file.float_image_row(primary, and_mask);
        std::transform(flagged.begin(), flagged.end(), spectrum.mask.begin(),
                       [](float bits) { return static_cast<std::uint8_t>(bits != 0.0F); });
    }

    spectrum.object_id = file.integer_key(primary, "OBSID").value_or(0);
    spectrum.object_name = file.text_key(primary, "DESIG").value_or("");
    spectrum.ra = value_of(file, "RA");
    spectrum.dec = value_of(file, "DEC");
    spectrum.survey_snr = band_snr(file);
    spectrum.labels = read_labels(file);
    return spectrum;
}

}  // namespace

SpectrumReader lamost_reader() {
    return {"lamost", "image: one row a quantity",
            [](const SourceFile& source) {
                return source.fits() != nullptr && recognises(*source.fits());
            },
            [](const SourceFile& source, const ReadOptions&, const ReadSink& sink) {
                sink.spectrum(read(*source.fits()));
            }};
}

}  // namespace balmer::data
