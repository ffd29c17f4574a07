// DESI coadd and spectra files: for each arm X (B, R, Z) the images X_WAVELENGTH [pixels] (f64,
// vacuum A, linear), X_FLUX [pixels, spectra], X_IVAR and X_MASK (0 is good), and the table
// FIBERMAP with a row a spectrum (TARGETID, TARGET_RA, TARGET_DEC, OBJTYPE), all found by EXTNAME.
// Labels stand in redrock's tables (desi_labels.h). Source: DESI data model,
// coadd-SURVEY-PROGRAM-PIXNUM.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string_view>

#include "data/readers/arm_merger.h"
#include "data/readers/desi_labels.h"
#include "data/readers/surveys.h"

namespace balmer::data {
namespace {

constexpr std::string_view wavelength_suffix = "_WAVELENGTH";

/// The images of one arm; those that the file lacks are nullptr.
struct Arm {
    std::string name;
    const Hdu* wavelength;
    const Hdu* flux;
    const Hdu* inverse_variance;
    const Hdu* mask;
    std::size_t pixels = 0;
};

const Hdu* image_named(const FitsFile& file, const std::string& name) {
    const Hdu* const hdu = file.hdu_named(name);
    return hdu != nullptr && hdu->kind == HduKind::image ? hdu : nullptr;
}

/// Whether an HDU's name is an arm's and the suffix.
bool is_wavelength(const Hdu& hdu) {
    const std::string_view name = hdu.name;
    return hdu.kind == HduKind::image && name.size() > wavelength_suffix.size() &&
           same_name(name.substr(name.size() - wavelength_suffix.size()), wavelength_suffix);
}

/// The arms that have both wavelength and flux, in the order of the file.
std::vector<Arm> arms_of(const FitsFile& file) {
    std::vector<Arm> arms;
    for (const Hdu& hdu : file.hdus()) {
        if (!is_wavelength(hdu)) continue;
        const std::string name = hdu.name.substr(0, hdu.name.size() - wavelength_suffix.size());
        const Hdu* const flux = image_named(file, name + "_FLUX");
        if (flux == nullptr) continue;
        arms.push_back({name, &hdu, flux, image_named(file, name + "_IVAR"),
                        image_named(file, name + "_MASK"),
                        hdu.axes.empty() ? 0 : static_cast<std::size_t>(hdu.axes[0])});
    }
    return arms;
}

bool recognises(const FitsFile& file) {
    return std::any_of(file.hdus().begin(), file.hdus().end(), [&](const Hdu& hdu) {
        return is_wavelength(hdu) && file.hdu_named("FIBERMAP") != nullptr;
    });
}

/// B, R and Z, or one spectrum over all of them as desispec's coadd_cameras writes it.
bool is_complete(const std::vector<Arm>& arms) {
    const auto has = [&](std::string_view name) {
        return std::any_of(arms.begin(), arms.end(),
                           [&](const Arm& arm) { return same_name(arm.name, name); });
    };
    return has("BRZ") || (has("B") && has("R") && has("Z"));
}

class CoaddFile {
  public:
    CoaddFile(const FitsFile& file, const ReadOptions& options);
    void read(const ReadSink& sink) const;

  private:
    [[noreturn]] void fail(Status status, const std::string& detail) const {
        throw SpectrumError(file_.path(), status, detail);
    }
    const Hdu& fibermap() const;
    void require_images(const Arm& arm) const;
    std::vector<double> wavelength() const;
    Spectrum read_row(std::int64_t row) const;

    const FitsFile& file_;
    const Hdu& fibermap_;
    std::int64_t rows_;
    std::vector<Arm> arms_;
    bool inverse_variance_known_;
    std::vector<std::int64_t> targets_;
    std::vector<double> ra_;
    std::vector<double> dec_;
    ArmMerger merger_;
    DesiLabels labels_;
};

std::vector<double> coordinate(const FitsFile& file, const Hdu& fibermap, const char* name) {
    return fibermap.column(name) == nullptr ? std::vector<double>{}
                                            : file.double_column(fibermap, name);
}

CoaddFile::CoaddFile(const FitsFile& file, const ReadOptions& options)
    : file_(file),
      fibermap_(fibermap()),
      rows_(fibermap_.rows()),
      arms_(arms_of(file)),
      inverse_variance_known_(
          std::any_of(arms_.begin(), arms_.end(),
                      [](const Arm& arm) { return arm.inverse_variance != nullptr; })),
      targets_(file.integer_column(fibermap_, "TARGETID")),
      ra_(coordinate(file, fibermap_, "TARGET_RA")),
      dec_(coordinate(file, fibermap_, "TARGET_DEC")),
      merger_(file.path(), wavelength(), arms_.size()),
      labels_(file.path(), targets_, options) {}

const Hdu& CoaddFile::fibermap() const {
    const Hdu* const hdu = file_.hdu_named("FIBERMAP");
    if (hdu == nullptr || !hdu->is_table()) {
        fail(Status::missing_column, "no table FIBERMAP: " + describe_hdus(file_.hdus()));
    }
    if (hdu->rows() == 0) fail(Status::no_rows, "FIBERMAP has 0 rows");
    for (const char* const name : {"TARGETID", "TARGET_RA", "TARGET_DEC"}) {
        const FitsColumn* const column = hdu->column(name);
        if (column == nullptr || column->repeat == 1) continue;
        fail(Status::missing_column,
             fmt::format("FIBERMAP: column '{}' has format {}, one number a row is needed", name,
                         column->format));
    }
    return *hdu;
}

/// Flux, inverse variance and mask have a row a spectrum and a column a wavelength.
void CoaddFile::require_images(const Arm& arm) const {
    if (inverse_variance_known_ && arm.inverse_variance == nullptr) {
        fail(Status::missing_column,
             fmt::format("no image {}_IVAR, which other arms have", arm.name));
    }
    for (const Hdu* const image : {arm.flux, arm.inverse_variance, arm.mask}) {
        if (image == nullptr) continue;
        const auto& axes = image->axes;
        const auto pixels = axes.empty() ? 0 : static_cast<std::size_t>(axes[0]);
        const std::int64_t rows = axes.size() == 2 ? axes[1] : 1;
        if (axes.size() <= 2 && pixels == arm.pixels && rows == rows_) continue;
        fail(
            Status::length_mismatch,
            fmt::format("HDU {} {} has {} pixels in {} rows; {}_WAVELENGTH has {} pixels, FIBERMAP "
                        "{} rows",
                        image->index, image->name, pixels, rows, arm.name, arm.pixels, rows_));
    }
}

std::vector<double> CoaddFile::wavelength() const {
    if (arms_.empty()) {
        fail(Status::missing_column,
             "no arm has both wavelength and flux: " + describe_hdus(file_.hdus()));
    }
    std::vector<double> all;
    for (const Arm& arm : arms_) {
        require_images(arm);
        const std::vector<double> own = file_.double_image_row(*arm.wavelength, 0);
        for (std::size_t i = 1; i < own.size(); ++i) {
            if (own[i] > own[i - 1]) continue;
            fail(Status::bad_wavelength,
                 fmt::format("{}_WAVELENGTH does not increase at pixel {}: {:.6f} after {:.6f}",
                             arm.name, i, own[i], own[i - 1]));
        }
        all.insert(all.end(), own.begin(), own.end());
    }
    return all;
}

Spectrum CoaddFile::read_row(std::int64_t row) const {
    Spectrum spectrum;
    spectrum.row = row;
    spectrum.inverse_variance_known = inverse_variance_known_;
    if (!is_complete(arms_)) spectrum.flags |= arm_missing;
    for (const Arm& arm : arms_) {
        const std::vector<float> flux = file_.float_image_row(*arm.flux, row);
        const std::vector<float> weight = arm.inverse_variance == nullptr
                                              ? std::vector<float>(arm.pixels, 1.0F)
                                              : file_.float_image_row(*arm.inverse_variance, row);
        std::vector<std::uint8_t> mask(arm.pixels, 0);
        if (arm.mask != nullptr) {
            const auto bits = file_.integer_image_row(*arm.mask, row);
            std::transform(bits.begin(), bits.end(), mask.begin(), [](std::int64_t value) {
                return static_cast<std::uint8_t>(value != 0);
            });
        }
        spectrum.flux.insert(spectrum.flux.end(), flux.begin(), flux.end());
        spectrum.inverse_variance.insert(spectrum.inverse_variance.end(), weight.begin(),
                                         weight.end());
        spectrum.mask.insert(spectrum.mask.end(), mask.begin(), mask.end());
        const bool blind =
            std::none_of(weight.begin(), weight.end(), [](float value) { return value > 0.0F; });
        if (blind) spectrum.flags |= arm_missing;
    }
    merger_.merge(spectrum);
    const auto index = static_cast<std::size_t>(row);
    if (!ra_.empty() && std::isfinite(ra_[index])) spectrum.ra = ra_[index];
    if (!dec_.empty() && std::isfinite(dec_[index])) spectrum.dec = dec_[index];
    labels_.describe(targets_[index], spectrum);
    return spectrum;
}

void CoaddFile::read(const ReadSink& sink) const {
    for (std::int64_t row = 0; row < rows_; ++row) {
        if (file_.text_cell(fibermap_, "OBJTYPE", row) == "SKY") {
            sink.skipped({row, Status::sky_fibre, "OBJTYPE SKY: the fibre looks at the empty sky"});
        } else {
            sink.spectrum(read_row(row));
        }
    }
}

}  // namespace

SpectrumReader desi_reader() {
    return {"desi", "coadd or spectra file: images an arm",
            [](const SourceFile& source) {
                return source.fits() != nullptr && recognises(*source.fits());
            },
            [](const SourceFile& source, const ReadOptions& options, const ReadSink& sink) {
                CoaddFile(*source.fits(), options).read(sink);
            }};
}

}  // namespace balmer::data
