#pragma once
// Synthetic spectra for the tests of packed sets.

#include <cmath>
#include <fstream>
#include <string>

#include "data/pack/pack_writer.h"
#include "data/spectrum.h"
#include "kernels/core/random.h"
#include "tests/data/survey_files.h"

namespace balmer::data {

inline void write_text(const std::string& path, const std::string& text) {
    std::ofstream(path, std::ios::binary) << text;
}

inline std::string read_text(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

/// Spectrum `index` of an invented survey: classes in turn, labels that some lack, one in three off
/// the common grid, every fifth a repeat of the one before.
inline Spectrum sample_spectrum(int index) {
    Random random(1234, static_cast<std::uint64_t>(index));
    const int object = index % 5 == 4 ? index - 1 : index;
    Random place(99, static_cast<std::uint64_t>(object));
    Spectrum spectrum;
    spectrum.file = "folder/spec-" + std::to_string(index) + ".fits";
    spectrum.row = index % 2;
    spectrum.survey = index % 2 == 0 ? "sdss" : "lamost";
    spectrum.object_id = (std::int64_t{1} << 53) + 1 + index;
    spectrum.object_name = index % 4 == 0 ? "" : "HD " + std::to_string(object);
    if (object % 7 != 6) {
        spectrum.ra = place.uniform(0.0, 360.0);
        spectrum.dec = place.uniform(-60.0, 60.0);
    }
    if (index % 2 == 1) spectrum.survey_snr = 100.0 + index;
    const char* classes[] = {"STAR", "GALAXY", "QSO", ""};
    spectrum.labels.object_class = classes[index % 4];
    spectrum.labels.subclass = index % 4 == 0 ? "F5" : "";
    if (index % 10 != 9) spectrum.labels.z = random.uniform(0.0, 3.0);
    if (index % 10 != 9) spectrum.labels.z_err = 1e-4;
    if (index % 3 != 0) spectrum.labels.zwarn = index % 8;
    if (index % 4 == 0) spectrum.labels.teff = 5000.0 + index;
    if (index % 4 == 0) spectrum.labels.logg = 4.0;
    if (index % 8 == 0) spectrum.labels.feh = 0.0;
    const int pixels = 300 + 13 * (index % 10);
    for (int i = 0; i < pixels; ++i) {
        const double step = 0.0001 * (4000 + i + index % 50);
        spectrum.wavelength.push_back(index % 3 == 2 ? 4000.0 + 0.9 * i
                                                     : std::pow(10.0, 3.2 + step));
        const bool is_bad = random.uniform() < 0.02;
        spectrum.flux.push_back(static_cast<float>(10.0 + random.normal()));
        spectrum.inverse_variance.push_back(is_bad ? 0.0F
                                                   : static_cast<float>(random.uniform(0.5, 2.0)));
        spectrum.mask.push_back(is_bad ? 1 : 0);
    }
    spectrum.inverse_variance_known = index % 11 != 10;
    spectrum.flags = index % 6 == 0 ? static_cast<std::uint32_t>(fibre_flagged) : 0U;
    spectrum.not_finite_flux = index % 3;
    spectrum.bad_inverse_variance = index % 2;
    return spectrum;
}

/// Packs sample spectra 0..count-1 and returns the manifest.
inline Manifest pack_samples(const std::string& folder, int count,
                             const PackWriterOptions& options = {.spectra_per_shard = 16}) {
    PackWriter writer(folder, options);
    for (int i = 0; i < count; ++i) writer.append(sample_spectrum(i));
    return writer.finish({"folder"}, {});
}

}  // namespace balmer::data
