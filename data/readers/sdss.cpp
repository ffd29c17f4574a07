// SDSS, BOSS and eBOSS spectra, `spec-PLATE-MJD-FIBER.fits`: HDU 1 holds one row a pixel (flux in
// 1e-17 erg/s/cm2/A, loglam = log10 of the vacuum wavelength in A, ivar, and_mask), a later one-row
// table the labels. Names come in any case and HDUs may be unnamed. Full files add one HDU per
// exposure. Source: SDSS data model, `spec`.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>

#include "data/readers/sdss_labels.h"
#include "data/readers/surveys.h"

namespace balmer::data {
namespace {

/// The table of the coadded spectrum: HDU 1 with at least three of the columns that only it has.
const Hdu* coadd_of(const FitsFile& file) {
    static constexpr std::array names = {"flux",    "loglam", "ivar", "and_mask",
                                         "or_mask", "wdisp",  "sky",  "model"};
    if (file.hdus().size() < 2 || file.hdus()[1].kind != HduKind::binary_table) return nullptr;
    const Hdu& hdu = file.hdus()[1];
    const auto found = std::count_if(names.begin(), names.end(),
                                     [&](const char* name) { return hdu.column(name) != nullptr; });
    return found >= 3 ? &hdu : nullptr;
}

/// The one-row table of what the pipeline found; nullptr in files cut down to the spectrum.
const Hdu* labels_of(const FitsFile& file) {
    const auto found = std::find_if(file.hdus().begin(), file.hdus().end(), [](const Hdu& hdu) {
        return hdu.index > 1 && hdu.rows() == 1 && hdu.column("CLASS") != nullptr &&
               hdu.column("Z") != nullptr;
    });
    return found == file.hdus().end() ? nullptr : &*found;
}

bool recognises(const FitsFile& file) {
    return coadd_of(file) != nullptr;
}

std::optional<std::int64_t> parsed_id(const std::string& text) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return static_cast<std::int64_t>(value);
}

void identify(const FitsFile& file, const SdssTableRow& labels, Spectrum& spectrum) {
    const auto integer = [&](const char* column, const char* keyword) {
        const auto value = labels.integer(column);
        return value ? *value : file.integer_key(file.hdus()[0], keyword).value_or(-1);
    };
    auto id = labels.integer("SPECOBJID");
    if (const auto text = labels.text("SPECOBJID"); !id && text) id = parsed_id(*text);
    identify_sdss({integer("PLATE", "PLATEID"), integer("MJD", "MJD"),
                   integer("FIBERID", "FIBERID"), labels.text("RUN2D").value_or("")},
                  id, spectrum);
}

/// One value a pixel, not an array in each row (a string is refused when it is read).
void require_scalar(const FitsFile& file, const Hdu& hdu, const char* name) {
    const FitsColumn* const column = hdu.column(name);
    if (column == nullptr || column->repeat == 1 || column->type == 'A') return;
    throw SpectrumError(file.path(), Status::missing_column,
                        fmt::format("HDU {}: column '{}' has format {}, one number a row is "
                                    "needed; columns found: {}",
                                    hdu.index, name, column->format, describe_columns(hdu)));
}

/// The survey's wavelengths are log10 of vacuum A; a unit in the file must not say otherwise.
void require_angstrom(const FitsFile& file, const Hdu& hdu) {
    const FitsColumn* const column = hdu.column("loglam");
    if (column == nullptr || column->unit.empty()) return;
    std::string unit = column->unit;
    std::transform(unit.begin(), unit.end(), unit.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    if (unit == "a" || unit == "log10(a)" || unit.find("ang") != std::string::npos) return;
    throw SpectrumError(file.path(), Status::unknown_wavelength_unit,
                        fmt::format("HDU {}: loglam has unit '{}' where log10 of A is expected",
                                    hdu.index, column->unit));
}

Spectrum read(const FitsFile& file, const ReadOptions& options) {
    const Hdu& coadd = *coadd_of(file);
    for (const char* name : {"flux", "loglam", "ivar", "and_mask"}) {
        require_scalar(file, coadd, name);
    }
    require_angstrom(file, coadd);

    Spectrum spectrum;
    spectrum.survey = "sdss";
    spectrum.flux = file.float_column(coadd, "flux");
    for (const double loglam : file.double_column(coadd, "loglam")) {
        spectrum.wavelength.push_back(std::pow(10.0, loglam));
    }
    if (coadd.rows() == 0) {
        throw SpectrumError(file.path(), Status::no_rows,
                            fmt::format("HDU {}: the spectrum has 0 rows", coadd.index));
    }
    spectrum.inverse_variance_known = coadd.column("ivar") != nullptr;
    spectrum.inverse_variance = spectrum.inverse_variance_known
                                    ? file.float_column(coadd, "ivar")
                                    : std::vector<float>(spectrum.flux.size(), 1.0F);
    spectrum.mask.assign(spectrum.flux.size(), 0);
    if (coadd.column("and_mask") != nullptr) {
        mask_sdss_pixels(file.integer_column(coadd, "and_mask"), options.strict, spectrum);
    }

    const SdssTableRow labels(file, labels_of(file));
    identify(file, labels, spectrum);
    // The header's own RA and DEC are the telescope's pointing, not the object.
    spectrum.ra = labels.real("PLUG_RA");
    if (!spectrum.ra) spectrum.ra = file.real_key(file.hdus()[0], "PLUG_RA");
    spectrum.dec = labels.real("PLUG_DEC");
    if (!spectrum.dec) spectrum.dec = file.real_key(file.hdus()[0], "PLUG_DEC");
    spectrum.survey_snr = sdss_snr(labels);
    spectrum.labels = sdss_labels(labels);
    return spectrum;
}

}  // namespace

SpectrumReader sdss_reader() {
    return {"sdss", "spec file: one coadded spectrum",
            [](const SourceFile& source) {
                return source.fits() != nullptr && recognises(*source.fits());
            },
            [](const SourceFile& source, const ReadOptions& options, const ReadSink& sink) {
                sink.spectrum(read(*source.fits(), options));
            }};
}

}  // namespace balmer::data
