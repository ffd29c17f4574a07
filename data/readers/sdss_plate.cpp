// SDSS, BOSS and eBOSS plates, `spPlate-PPPP-MMMMM.fits`: images of [pixels, fibres], HDU 0 flux
// (1e-17 erg/s/cm2/A), 1 inverse variance, 2 AND mask, 3 OR mask, 4 dispersion; HDU 5 the plugmap,
// a table with a row a fibre; HDU 6 sky. Wavelengths are 10^(COEFF0 + i COEFF1) vacuum A. Labels
// stand in `spZbest-PPPP-MMMMM.fits`, beside it or in the folder of the reduction (RUN1D), joined
// by FIBERID. Source: SDSS data model, `spPlate`, `spZbest`.

#include <fmt/format.h>

#include <cmath>
#include <filesystem>
#include <memory>
#include <unordered_map>

#include "data/readers/sdss_labels.h"
#include "data/readers/surveys.h"

namespace balmer::data {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t inverse_variance_hdu = 1;
constexpr std::size_t and_mask_hdu = 2;

/// The table with a row a fibre, behind a primary image of as many spectra; nullptr if none.
const Hdu* plugmap_of(const FitsFile& file) {
    if (file.hdus()[0].axes.size() != 2) return nullptr;
    for (const Hdu& hdu : file.hdus()) {
        if (hdu.is_table() && hdu.column("FIBERID") != nullptr &&
            hdu.column("OBJTYPE") != nullptr) {
            return &hdu;
        }
    }
    return nullptr;
}

/// The pipeline's table of classes and redshifts, and which of its rows is which fibre's.
class BestRedshifts {
  public:
    /// Looks beside the plate file at `path`; without a table of this plate and night every label
    /// is missing.
    BestRedshifts(const std::string& path, const SdssObservation& plate,
                  const ReadOptions& options) {
        std::error_code error;
        if (!fs::exists(path, error)) return;  // bytes in memory lie beside nothing
        const fs::path folder = fs::path(path).parent_path();
        const std::string name = fmt::format("spZbest-{:04}-{:05}.fits", plate.plate, plate.mjd);
        // A name from a header must not lead out of the folder.
        const bool plain = fs::path(plate.run2d).filename() == plate.run2d && plate.run2d != "..";
        for (const fs::path& place : {folder, plain ? folder / plate.run2d : folder}) {
            for (const char* const suffix : {"", ".gz"}) {
                const fs::path candidate = place / (name + suffix);
                if (fs::is_regular_file(candidate, error) && open(candidate, plate, options)) {
                    return;
                }
            }
        }
    }

    /// The labels of a fibre, all missing where there are none.
    void describe(std::int64_t fiber, Spectrum& spectrum) const {
        const auto found = rows_.find(fiber);
        if (found == rows_.end()) return;
        const SdssTableRow row(*file_, table_, found->second);
        spectrum.labels = sdss_labels(row);
        spectrum.survey_snr = sdss_snr(row);
    }

  private:
    bool open(const std::string& path, const SdssObservation& plate, const ReadOptions& options) {
        GateOptions gate;
        gate.byte_limit = options.byte_limit;
        gate.allow_compressed = options.allow_compressed;
        try {
            file_ = std::make_unique<FitsFile>(path, open_fits_gate(path, gate));
            for (const Hdu& hdu : file_->hdus()) {
                if (hdu.is_table() && hdu.column("CLASS") != nullptr &&
                    hdu.column("FIBERID") != nullptr) {
                    table_ = &hdu;
                    return index(plate);
                }
            }
        } catch (const SpectrumError&) {  // a search of the folder reports it
        }
        return false;
    }

    bool index(const SdssObservation& plate) {
        for (std::int64_t i = 0; i < table_->rows(); ++i) {
            const SdssTableRow row(*file_, table_, i);
            const auto fiber = row.integer("FIBERID");
            const bool same_night = row.integer("PLATE").value_or(plate.plate) == plate.plate &&
                                    row.integer("MJD").value_or(plate.mjd) == plate.mjd;
            if (fiber && same_night) rows_.try_emplace(*fiber, i);
        }
        return !rows_.empty();
    }

    std::unique_ptr<FitsFile> file_;
    const Hdu* table_ = nullptr;
    std::unordered_map<std::int64_t, std::int64_t> rows_;
};

/// A row of the plugmap.
struct Target {
    std::int64_t fiber = 0;
    bool sky = false;
    std::optional<double> ra;
    std::optional<double> dec;
};

class PlateFile {
  public:
    PlateFile(const FitsFile& file, const ReadOptions& options)
        : file_(file), options_(options), flux_(file.hdus()[0]), plugmap_(*plugmap_of(file)) {
        require_images();
        set_wavelength();
        set_targets();
        plate_.plate = file.integer_key(flux_, "PLATEID").value_or(-1);
        plate_.mjd = file.integer_key(flux_, "MJD").value_or(-1);
        plate_.run2d = file.text_key(flux_, "RUN2D").value_or("");
    }
    void read(const ReadSink& sink) const;

  private:
    const Hdu* image(std::size_t number) const {
        const bool there =
            number < file_.hdus().size() && file_.hdus()[number].kind == HduKind::image;
        return there ? &file_.hdus()[number] : nullptr;
    }
    [[noreturn]] void fail(Status status, const std::string& detail) const {
        throw SpectrumError(file_.path(), status, detail);
    }
    void require_images() const;
    void set_wavelength();
    void set_targets();
    Spectrum read_row(std::int64_t row) const;

    const FitsFile& file_;
    const ReadOptions& options_;
    const Hdu& flux_;
    const Hdu& plugmap_;
    std::vector<double> wavelength_;
    SdssObservation plate_;
    std::vector<Target> targets_;  ///< one a fibre
};

void PlateFile::require_images() const {
    if (flux_.axes[0] == 0 || flux_.axes[1] == 0) {
        fail(Status::no_rows, fmt::format("HDU 0: the image has {} fibres of {} pixels",
                                          flux_.axes[1], flux_.axes[0]));
    }
    for (const std::size_t number : {inverse_variance_hdu, and_mask_hdu}) {
        const Hdu* const hdu = image(number);
        if (hdu == nullptr) {
            fail(Status::missing_column,
                 fmt::format("HDU {} is no image of {}: {}", number,
                             number == and_mask_hdu ? "the AND mask" : "inverse variance",
                             describe_hdus(file_.hdus())));
        }
        if (hdu->axes == flux_.axes) continue;
        fail(Status::length_mismatch, "images of different size: " + describe_hdus(file_.hdus()));
    }
    if (plugmap_.rows() != flux_.axes[1]) {
        fail(Status::length_mismatch, fmt::format("HDU {}: the plugmap has {} rows, the image {}",
                                                  plugmap_.index, plugmap_.rows(), flux_.axes[1]));
    }
}

void PlateFile::set_wavelength() {
    const auto start = file_.real_key(flux_, "COEFF0");
    const auto step = file_.real_key(flux_, "COEFF1");
    if (!start || !step) {
        fail(Status::missing_column, "HDU 0: no wavelength, COEFF0 or COEFF1 is missing");
    }
    for (std::int64_t i = 0; i < flux_.axes[0]; ++i) {
        wavelength_.push_back(std::pow(10.0, *start + *step * static_cast<double>(i)));
    }
}

/// All at once: going back to this table for every fibre would cost more than the pixels.
void PlateFile::set_targets() {
    for (std::int64_t row = 0; row < plugmap_.rows(); ++row) {
        const SdssTableRow target(file_, &plugmap_, row);
        targets_.push_back({target.integer("FIBERID").value_or(row + 1),
                            target.text("OBJTYPE") == "SKY", target.real("RA"),
                            target.real("DEC")});
    }
}

Spectrum PlateFile::read_row(std::int64_t row) const {
    const Target& target = targets_[static_cast<std::size_t>(row)];
    Spectrum spectrum;
    spectrum.row = row;
    spectrum.survey = "sdss";
    spectrum.ra = target.ra;
    spectrum.dec = target.dec;
    SdssObservation observation = plate_;
    observation.fiber = target.fiber;
    identify_sdss(observation, std::nullopt, spectrum);
    spectrum.wavelength = wavelength_;
    spectrum.flux = file_.float_image_row(flux_, row);
    spectrum.inverse_variance = file_.float_image_row(*image(inverse_variance_hdu), row);
    spectrum.mask.assign(spectrum.flux.size(), 0);
    mask_sdss_pixels(file_.integer_image_row(*image(and_mask_hdu), row), options_.strict, spectrum);
    return spectrum;
}

void PlateFile::read(const ReadSink& sink) const {
    const BestRedshifts redshifts(file_.path(), plate_, options_);
    for (std::int64_t row = 0; row < flux_.axes[1]; ++row) {
        const Target& target = targets_[static_cast<std::size_t>(row)];
        if (target.sky) {
            sink.skipped(
                {row, Status::sky_fibre,
                 fmt::format("fibre {}: OBJTYPE SKY, it looks at the empty sky", target.fiber)});
            continue;
        }
        Spectrum spectrum = read_row(row);
        redshifts.describe(target.fiber, spectrum);
        sink.spectrum(std::move(spectrum));
    }
}

}  // namespace

SpectrumReader sdss_plate_reader() {
    return {"sdss", "plate file: an image of all fibres",
            [](const SourceFile& source) {
                return source.fits() != nullptr && plugmap_of(*source.fits()) != nullptr;
            },
            [](const SourceFile& source, const ReadOptions& options, const ReadSink& sink) {
                PlateFile(*source.fits(), options).read(sink);
            }};
}

}  // namespace balmer::data
