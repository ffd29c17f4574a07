// Stellar libraries as 1-D images: MILES (Sanchez-Blazquez et al. 2006, MNRAS 371, 703; Falcon-
// Barroso et al. 2011, A&A 532, A95), STELIB (Le Borgne et al. 2003, A&A 402, 433) and Indo-US
// (Valdes et al. 2004, ApJS 152, 251). By these publications the wavelengths are in air and A and
// the spectra in the rest frame, whether a header says so or not; none has a variance. What was not
// observed holds a fill value.
//
// The positions in some headers (in radians, of mixed equinox) are left out: the stars recur from
// library to library, not always with a position, and their names tell that two are the same.

#include <algorithm>
#include <cctype>
#include <cmath>

#include "data/readers/image_axis.h"
#include "data/readers/side_table.h"
#include "data/readers/surveys.h"

namespace balmer::data {
namespace {

/// MaNGA's data analysis pipeline names the library in its files.
bool is_miles(const FitsFile& file, const Hdu& primary) {
    return file.text_key(primary, "TPLLIB") == "MILES";
}

bool is_stelib(const FitsFile& file, const Hdu& primary) {
    return file.text_key(primary, "STARIDEN") && file.text_key(primary, "SPECTYPE") &&
           file.real_key(primary, "ISEXTINC");
}

/// KPNO's Coude feed, and what only the library's own files have.
bool is_indo_us(const FitsFile& file, const Hdu& primary) {
    return file.text_key(primary, "TELESCOP") == "kpcdf" && file.text_key(primary, "PICKTYPE") &&
           file.text_key(primary, "COVERAGE");
}

using Recognises = bool (*)(const FitsFile&, const Hdu&);

template <Recognises is_from>
bool recognises(const SourceFile& source) {
    const FitsFile* const file = source.fits();
    if (file == nullptr) return false;
    const Hdu& primary = file->hdus()[0];
    return is_one_row(primary) && has_wavelength_axis(*file, primary) && is_from(*file, primary);
}

/// Everything but the labels. Pixels of flux `fill` are masked: they were not observed.
Spectrum read_star(const FitsFile& file, const char* survey, float fill) {
    const Hdu& primary = file.hdus()[0];
    Spectrum spectrum;
    spectrum.survey = survey;
    spectrum.flux = file.float_image_row(primary, 0);
    spectrum.wavelength = read_wavelength_axis(file, primary).wavelength;
    to_vacuum_angstrom(file.path(), {WavelengthMedium::air, WavelengthUnit::angstrom},
                       spectrum.wavelength);
    spectrum.inverse_variance_known = false;
    spectrum.inverse_variance.assign(spectrum.flux.size(), 1.0F);
    spectrum.mask.resize(spectrum.flux.size());
    std::transform(spectrum.flux.begin(), spectrum.flux.end(), spectrum.mask.begin(),
                   [&](float flux) { return static_cast<std::uint8_t>(flux == fill); });
    spectrum.flags |= rest_frame;
    spectrum.labels.object_class = "STAR";
    return spectrum;
}

/// "0221" of ".../MILES_res2.50_star_m0221V.fits": nothing inside the file tells the star.
std::string miles_number(const std::string& path) {
    constexpr std::size_t digits = 4;
    const std::string name = path.substr(path.find_last_of('/') + 1);
    for (std::size_t i = name.find('m'); i != std::string::npos; i = name.find('m', i + 1)) {
        const std::string number = name.substr(i + 1, digits);
        const bool is_number = number.size() == digits &&
                               std::all_of(number.begin(), number.end(),
                                           [](unsigned char c) { return std::isdigit(c) != 0; });
        if (is_number) return number;
    }
    return {};
}

void read_miles(const SourceFile& source, const ReadOptions&, const ReadSink& sink) {
    Spectrum spectrum = read_star(*source.fits(), "miles", 0.0F);
    const std::string number = miles_number(source.path());
    if (const auto star = find_star(source.path(), "MILES", number); star && !number.empty()) {
        spectrum.object_name = star->name;
        spectrum.labels.subclass = star->spectral_type;
        spectrum.labels.teff = star->teff;
        spectrum.labels.logg = star->logg;
        spectrum.labels.feh = star->feh;
    }
    if (spectrum.object_name.empty() && !number.empty()) spectrum.object_name = "MILES m" + number;
    sink.spectrum(std::move(spectrum));
}

/// Parameters from header keys; '-' and 'INDEF' are no numbers and so missing.
void read_header_labels(const FitsFile& file, const char* spectral_type, const char* logg,
                        const char* feh, Labels& labels) {
    const Hdu& primary = file.hdus()[0];
    labels.subclass = file.text_key(primary, spectral_type).value_or("");
    labels.teff = file.real_key(primary, "TEFF");
    labels.logg = file.real_key(primary, logg);
    labels.feh = file.real_key(primary, feh);
}

void read_stelib(const SourceFile& source, const ReadOptions&, const ReadSink& sink) {
    const FitsFile& file = *source.fits();
    Spectrum spectrum = read_star(file, "stelib", 0.0F);
    spectrum.object_name = file.text_key(file.hdus()[0], "STARIDEN").value_or("");
    read_header_labels(file, "SPECTYPE", "LOG_G", "FE_H", spectrum.labels);
    sink.spectrum(std::move(spectrum));
}

void read_indo_us(const SourceFile& source, const ReadOptions&, const ReadSink& sink) {
    const FitsFile& file = *source.fits();
    constexpr float fill = 0.0001F;
    Spectrum spectrum = read_star(file, "indo-us", fill);
    for (const char* keyword : {"HDNAME", "OBJNAME", "OBJECT"}) {
        if (spectrum.object_name.empty()) {
            spectrum.object_name = file.text_key(file.hdus()[0], keyword).value_or("");
        }
    }
    read_header_labels(file, "SPTYPE", "LOGG", "FEH", spectrum.labels);
    sink.spectrum(std::move(spectrum));
}

}  // namespace

SpectrumReader miles_reader() {
    return {"miles", "1-D image of a star", recognises<is_miles>, read_miles};
}

SpectrumReader stelib_reader() {
    return {"stelib", "1-D image of a star", recognises<is_stelib>, read_stelib};
}

SpectrumReader indo_us_reader() {
    return {"indo-us", "1-D image of a star", recognises<is_indo_us>, read_indo_us};
}

}  // namespace balmer::data
