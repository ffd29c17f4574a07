// Any FITS file whose primary image is one spectrum with a linear or logarithmic wavelength axis in
// its header. Medium and unit are the header's or the user's (ReadOptions::wavelength); labels are
// whatever usual keywords hold. Errors may stand in an extension of the same length.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "data/readers/image_axis.h"
#include "data/readers/surveys.h"
#include "data/readers/variance.h"

namespace balmer::data {
namespace {

bool recognises(const SourceFile& source) {
    const FitsFile* const file = source.fits();
    if (file == nullptr) return false;
    const Hdu& primary = file->hdus()[0];
    return is_one_row(primary) && has_wavelength_axis(*file, primary);
}

void read_variance(const FitsFile& file, Spectrum& spectrum) {
    const Hdu& primary = file.hdus()[0];
    spectrum.inverse_variance_known = false;
    spectrum.inverse_variance.assign(spectrum.flux.size(), 1.0F);
    for (const Hdu& hdu : file.hdus()) {
        const auto meaning = variance_meaning(hdu.name);
        if (!meaning || hdu.index == 0 || !is_one_row(hdu)) continue;
        if (hdu.axes[0] != primary.axes[0]) {
            throw SpectrumError(file.path(), Status::length_mismatch,
                                fmt::format("HDU {} {}: {} pixels, the flux has {}", hdu.index,
                                            hdu.name, hdu.axes[0], primary.axes[0]));
        }
        spectrum.inverse_variance_known = true;
        spectrum.inverse_variance = inverse_variance(file.float_image_row(hdu, 0), *meaning);
        return;
    }
}

void read_labels(const FitsFile& file, Spectrum& spectrum) {
    const Hdu& primary = file.hdus()[0];
    spectrum.object_name = file.text_key(primary, "OBJECT").value_or("");
    // Where there is a name it tells the object better than numbers in degrees, hours or radians.
    const auto ra = file.real_key(primary, "RA");
    const auto dec = file.real_key(primary, "DEC");
    const bool is_position = ra && dec && *ra >= 0 && *ra < 360 && *dec >= -90 && *dec <= 90;
    if (is_position && spectrum.object_name.empty()) {
        spectrum.ra = ra;
        spectrum.dec = dec;
    }
    Labels& labels = spectrum.labels;
    labels.object_class = file.text_key(primary, "CLASS").value_or("");
    std::transform(labels.object_class.begin(), labels.object_class.end(),
                   labels.object_class.begin(),
                   [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    labels.subclass = file.text_key(primary, "SUBCLASS").value_or("");
    labels.z = file.real_key(primary, "Z");
    const auto teff = file.real_key(primary, "TEFF");
    if (teff && *teff > 0) {
        labels.teff = teff;
        labels.logg = file.real_key(primary, "LOGG");
        labels.feh = file.real_key(primary, "FEH");
    }
}

void read(const SourceFile& source, const ReadOptions& options, const ReadSink& sink) {
    const FitsFile& file = *source.fits();
    const Hdu& primary = file.hdus()[0];
    if (primary.axes[0] == 0) {
        throw SpectrumError(file.path(), Status::no_rows, "HDU 0: the image has 0 pixels");
    }
    ImageAxis axis = read_wavelength_axis(file, primary);
    Spectrum spectrum;
    spectrum.survey = "generic";
    spectrum.flux = file.float_image_row(primary, 0);
    spectrum.wavelength = std::move(axis.wavelength);
    to_vacuum_angstrom(file.path(), axis.stated.or_else(options.wavelength), spectrum.wavelength);
    read_variance(file, spectrum);
    spectrum.mask.assign(spectrum.flux.size(), 0);
    read_labels(file, spectrum);
    sink.spectrum(std::move(spectrum));
}

}  // namespace

SpectrumReader generic_image_reader() {
    return {"generic", "1-D image with a wavelength axis", recognises, read};
}

}  // namespace balmer::data
