// LAMOST low-resolution spectra in the image layout (`spec-LMJD-PLANID_spSS-FFF.fits`, to about
// DR8): each row of the primary image is a quantity, named by EXTEN0 ('Flux, Inverse, Wavelength,
// Andmask, Ormask'; pilot and DR1 files have a continuum-subtracted flux in the place of the
// wavelength). Wavelengths are log10-spaced vacuum A: 10^(COEFF0 + i COEFF1). Source: LAMOST data
// release documents, "1D spectra FITS file".

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>

#include "data/readers/lamost_header.h"
#include "data/readers/surveys.h"

namespace balmer::data {
namespace {

bool recognises(const FitsFile& file) {
    return file.hdus()[0].axes.size() == 2 && is_lamost(file);
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

std::vector<double> wavelength_of(const FitsFile& file, const Rows& rows) {
    const Hdu& primary = file.hdus()[0];
    const std::int64_t row = rows.find("wavelength");
    auto wavelength =
        lamost_wavelength(file, static_cast<std::size_t>(primary.axes[0]),
                          row < 0 ? std::vector<double>{} : file.double_image_row(primary, row));
    if (wavelength.empty()) {
        rows.fail_missing("no wavelength: no such row, no COEFF0 and COEFF1, no CRVAL1 and CD1_1");
    }
    return wavelength;
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

    Spectrum spectrum;
    spectrum.flux = file.float_image_row(primary, flux);
    spectrum.wavelength = wavelength_of(file, rows);
    spectrum.inverse_variance_known = inverse_variance >= 0;
    spectrum.inverse_variance = spectrum.inverse_variance_known
                                    ? file.float_image_row(primary, inverse_variance)
                                    : std::vector<float>(spectrum.flux.size(), 1.0F);
    spectrum.mask.assign(spectrum.flux.size(), 0);
    if (and_mask >= 0) mask_lamost_pixels(file.float_image_row(primary, and_mask), spectrum);
    describe_lamost(file, spectrum);
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
