// HDF5 files of the Multimodal Universe (`SURVEY/healpix=N/001-of-001.hdf5`): one row a spectrum in
// `spectrum_flux`, `spectrum_ivar`, `spectrum_lambda` (vacuum A) and `spectrum_mask` (true = bad),
// each [n, L], and one dataset [n] for each column of the survey's catalogue. Rows are padded with
// lambda = -1. Source: the scripts build_parent_sample.py of github MultimodalUniverse, sdss and
// desi.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>

#include "data/readers/surveys.h"

namespace balmer::data {
namespace {

bool recognises(const SourceFile& source) {
    const Hdf5File* const file = source.hdf5();
    return file != nullptr && file->dataset("spectrum_flux") != nullptr;
}

const Hdf5Member& required(const Hdf5File& file, const char* name) {
    const Hdf5Member* const member = file.dataset(name);
    if (member != nullptr && member->kind == Hdf5Kind::numbers && member->shape.size() == 2) {
        return *member;
    }
    throw SpectrumError(
        file.path(), Status::missing_column,
        fmt::format("no dataset '{}' of rows of numbers; {}", name, file.description()));
}

/// The first of `names` that is there and holds something.
template <class Read>
auto first_of(std::initializer_list<const char*> names, const Read& read) {
    decltype(read(*names.begin())) value;
    for (const char* name : names) {
        if (!value) value = read(name);
    }
    return value;
}

/// The files carry the survey's catalogue, whose columns tell which it was.
std::string survey_of(const Hdf5File& file) {
    if (file.dataset("TARGETID") != nullptr || file.dataset("SPECTYPE") != nullptr) return "desi";
    if (file.dataset("SPECOBJID") != nullptr || file.dataset("ZWARNING") != nullptr) return "sdss";
    return "multimodal-universe";
}

std::int64_t object_id(const Hdf5File& file, std::int64_t row) {
    if (const auto id = file.integer("object_id", row)) return *id;
    const auto text = file.text("object_id", row);
    if (!text) return 0;
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
    const bool complete = error == std::errc{} && end == text->data() + text->size();
    return complete ? static_cast<std::int64_t>(value) : 0;
}

Labels read_labels(const Hdf5File& file, std::int64_t row) {
    const auto real = [&](const char* name) { return file.real(name, row); };
    const auto integer = [&](const char* name) { return file.integer(name, row); };
    const auto text = [&](const char* name) { return file.text(name, row); };
    Labels labels;
    labels.object_class = first_of({"CLASS", "SPECTYPE"}, text).value_or("");
    std::transform(labels.object_class.begin(), labels.object_class.end(),
                   labels.object_class.begin(),
                   [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    labels.subclass = first_of({"SUBCLASS", "SUBTYPE"}, text).value_or("");
    labels.z = real("Z");
    labels.z_err = first_of({"Z_ERR", "ZERR"}, real);
    if (labels.z_err && *labels.z_err <= 0) labels.z_err.reset();
    labels.zwarn = first_of({"ZWARNING", "ZWARN"}, integer);
    const auto teff = real("ELODIE_TEFF");
    if (teff && *teff > 0) {
        labels.teff = teff;
        labels.logg = real("ELODIE_LOGG");
        labels.feh = real("ELODIE_FEH");
    }
    return labels;
}

/// Cuts the padding, which has no wavelength, from the end.
void cut_padding(Spectrum& spectrum) {
    std::size_t length = spectrum.wavelength.size();
    while (length > 0 && spectrum.wavelength[length - 1] <= 0.0) --length;
    spectrum.wavelength.resize(length);
    spectrum.flux.resize(length);
    spectrum.inverse_variance.resize(length);
    spectrum.mask.resize(length);
}

/// Datasets of the pixels, those that may be missing as nullptr.
struct Pixels {
    const Hdf5Member& flux;
    const Hdf5Member& wavelength;
    const Hdf5Member* inverse_variance;
    const Hdf5Member* mask;
};

Spectrum read_row(const Hdf5File& file, const Pixels& pixels, std::int64_t row) {
    Spectrum spectrum;
    spectrum.row = row;
    spectrum.survey = survey_of(file);
    spectrum.flux = file.float_row(pixels.flux, row);
    spectrum.wavelength = file.double_row(pixels.wavelength, row);
    spectrum.inverse_variance_known = pixels.inverse_variance != nullptr;
    spectrum.inverse_variance = spectrum.inverse_variance_known
                                    ? file.float_row(*pixels.inverse_variance, row)
                                    : std::vector<float>(spectrum.flux.size(), 1.0F);
    spectrum.mask.assign(spectrum.flux.size(), 0);
    if (pixels.mask != nullptr) {
        const std::vector<float> flags = file.float_row(*pixels.mask, row);
        spectrum.mask.resize(flags.size());
        std::transform(flags.begin(), flags.end(), spectrum.mask.begin(),
                       [](float flag) { return static_cast<std::uint8_t>(flag != 0.0F); });
    }
    const bool is_even = spectrum.wavelength.size() == spectrum.flux.size() &&
                         spectrum.inverse_variance.size() == spectrum.flux.size() &&
                         spectrum.mask.size() == spectrum.flux.size();
    if (is_even) cut_padding(spectrum);
    spectrum.object_id = object_id(file, row);
    spectrum.ra = file.real("ra", row);
    spectrum.dec = file.real("dec", row);
    spectrum.survey_snr = first_of({"SN_MEDIAN_ALL", "SN_MEDIAN"},
                                   [&](const char* name) { return file.real(name, row); });
    spectrum.labels = read_labels(file, row);
    return spectrum;
}

void read(const SourceFile& source, const ReadOptions&, const ReadSink& sink) {
    const Hdf5File& file = *source.hdf5();
    const auto optional = [&](const char* name) {
        return file.dataset(name) == nullptr ? nullptr : &required(file, name);
    };
    const Pixels pixels = {required(file, "spectrum_flux"), required(file, "spectrum_lambda"),
                           optional("spectrum_ivar"), optional("spectrum_mask")};
    const std::int64_t rows = pixels.flux.shape[0];
    if (rows == 0) throw SpectrumError(file.path(), Status::no_rows, "spectrum_flux has 0 rows");
    for (const Hdf5Member* other : {&pixels.wavelength, pixels.inverse_variance, pixels.mask}) {
        if (other == nullptr || other->shape[0] == rows) continue;
        throw SpectrumError(
            file.path(), Status::length_mismatch,
            fmt::format("{} has {} rows, spectrum_flux {}", other->name, other->shape[0], rows));
    }
    for (std::int64_t row = 0; row < rows; ++row) {
        Spectrum spectrum;
        try {
            spectrum = read_row(file, pixels, row);
        } catch (const SpectrumError& error) {  // a chunk that is damaged costs its own rows
            sink.skipped({row, error.status, error.detail});
            continue;
        }
        sink.spectrum(std::move(spectrum));
    }
}

}  // namespace

SpectrumReader multimodal_universe_reader() {
    return {"multimodal-universe", "HDF5: one row a spectrum", recognises, read};
}

}  // namespace balmer::data
