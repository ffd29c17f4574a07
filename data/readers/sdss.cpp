// SDSS, BOSS and eBOSS spectra, `spec-PLATE-MJD-FIBER.fits`: HDU 1 holds one row a pixel (flux in
// 1e-17 erg/s/cm2/A, loglam = log10 of the vacuum wavelength in A, ivar, and_mask), a later one-row
// table the labels. Names come in any case and HDUs may be unnamed. Full files add one HDU per
// exposure. Source: SDSS data model, `spec`; bits: SDSS bitmask SPPIXMASK.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>

#include "data/readers/surveys.h"

namespace balmer::data {
namespace {

constexpr std::int64_t bit(int number) {
    return std::int64_t{1} << number;
}

/// FULLREJECT, NOSKY, BRIGHTSKY, NODATA, BADFLUXFACTOR, BADSKYCHI, REDMONSTER.
constexpr std::int64_t pixel_bits =
    bit(18) | bit(22) | bit(23) | bit(24) | bit(26) | bit(27) | bit(28);
/// These tell about the whole fibre, not the pixel.
constexpr std::int64_t fibre_bits = bit(16) - 1;

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

/// "26" is 26, "v5_7_0" is (5 - 5) * 10000 + 7 * 100 + 0; anything else counts as 0.
std::int64_t run_number(const std::string& run2d) {
    std::array<std::int64_t, 3> parts{};
    const bool version = run2d.starts_with('v');
    const char* next = run2d.data() + (version ? 1 : 0);
    const char* const end = run2d.data() + run2d.size();
    for (std::size_t i = 0; i < (version ? parts.size() : 1); ++i) {
        const auto parsed = std::from_chars(next, end, parts[i]);
        if (parsed.ec != std::errc{}) return 0;
        next = parsed.ptr + (parsed.ptr != end && *parsed.ptr == '_' ? 1 : 0);
    }
    if (!version) return parts[0];
    return (parts[0] - 5) * 10000 + parts[1] * 100 + parts[2];
}

std::optional<std::int64_t> parsed_id(const std::string& text) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return static_cast<std::int64_t>(value);
}

/// Values of the label table, or of the primary header where the table is missing.
class Source {
  public:
    Source(const FitsFile& file, const Hdu* table) : file_(file), table_(table) {}

    std::optional<double> real(const char* name) const {
        return table_ == nullptr ? std::nullopt : file_.real_cell(*table_, name, 0);
    }
    std::optional<std::int64_t> integer(const char* name) const {
        return table_ == nullptr ? std::nullopt : file_.integer_cell(*table_, name, 0);
    }
    std::optional<std::string> text(const char* name) const {
        return table_ == nullptr ? std::nullopt : file_.text_cell(*table_, name, 0);
    }
    std::optional<double> real_or_key(const char* name) const {
        const auto value = real(name);
        return value ? value : file_.real_key(file_.hdus()[0], name);
    }
    std::int64_t integer_or_key(const char* name, const char* keyword) const {
        const auto value = integer(name);
        return value ? *value : file_.integer_key(file_.hdus()[0], keyword).value_or(-1);
    }

  private:
    const FitsFile& file_;
    const Hdu* table_;
};

/// SPECOBJID, an unsigned 64-bit number (from plate 8192 on above 2^63: its bits are kept); where
/// the file has none it is composed as SDSS does: plate, fiber, MJD - 50000 and run2d, from bit 50,
/// 38, 24 and 10.
void identify(const Source& source, Spectrum& spectrum) {
    const std::int64_t plate = source.integer_or_key("PLATE", "PLATEID");
    const std::int64_t mjd = source.integer_or_key("MJD", "MJD");
    const std::int64_t fiber = source.integer_or_key("FIBERID", "FIBERID");
    const bool known = plate >= 0 && plate < bit(14) && mjd >= 50000 && mjd - 50000 < bit(14) &&
                       fiber >= 0 && fiber < bit(12);
    if (known) spectrum.object_name = fmt::format("{:04}-{:05}-{:04}", plate, mjd, fiber);
    auto id = source.integer("SPECOBJID");
    if (const auto text = source.text("SPECOBJID"); !id && text) id = parsed_id(*text);
    if (!id && known) {
        const std::int64_t run = run_number(source.text("RUN2D").value_or("")) & (bit(14) - 1);
        id = static_cast<std::int64_t>(static_cast<std::uint64_t>(plate) << 50U |
                                       static_cast<std::uint64_t>(fiber) << 38U |
                                       static_cast<std::uint64_t>(mjd - 50000) << 24U |
                                       static_cast<std::uint64_t>(run) << 10U);
    }
    spectrum.object_id = id.value_or(0);
}

Labels read_labels(const Source& source) {
    Labels labels;
    labels.object_class = source.text("CLASS").value_or("");
    labels.subclass = source.text("SUBCLASS").value_or("");
    labels.z = source.real("Z");
    labels.z_err = source.real("Z_ERR");
    if (labels.z_err && *labels.z_err <= 0) labels.z_err.reset();
    labels.zwarn = source.integer("ZWARNING");
    // Without a fitted star the three are 0 together; [Fe/H] = 0 alone is the Sun's.
    const auto teff = source.real("ELODIE_TEFF");
    if (teff && *teff > 0) {
        labels.teff = teff;
        labels.logg = source.real("ELODIE_LOGG");
        labels.feh = source.real("ELODIE_FEH");
    }
    return labels;
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

void mask_flagged_pixels(const std::vector<std::int64_t>& and_mask, bool strict,
                         Spectrum& spectrum) {
    const std::int64_t rejecting = strict ? pixel_bits | fibre_bits : pixel_bits;
    for (std::size_t i = 0; i < and_mask.size(); ++i) {
        if ((and_mask[i] & rejecting) != 0) spectrum.mask[i] = 1;
        if ((and_mask[i] & fibre_bits) != 0) spectrum.flags |= fibre_flagged;
    }
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
        mask_flagged_pixels(file.integer_column(coadd, "and_mask"), options.strict, spectrum);
    }

    const Source source(file, labels_of(file));
    identify(source, spectrum);
    // The header's own RA and DEC are the telescope's pointing, not the object.
    spectrum.ra = source.real_or_key("PLUG_RA");
    spectrum.dec = source.real_or_key("PLUG_DEC");
    const auto snr = source.real("SN_MEDIAN_ALL");
    spectrum.survey_snr = snr ? snr : source.real("SN_MEDIAN");
    spectrum.labels = read_labels(source);
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
