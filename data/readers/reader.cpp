#include "data/readers/reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "data/readers/surveys.h"
#include "data/readers/validate.h"

namespace balmer::data {
namespace {

const SpectrumReader& choose_reader(const FitsFile& file, const std::string& survey) {
    const auto readers = spectrum_readers();
    std::string known;
    for (const SpectrumReader& reader : readers) {
        if (survey == "auto" ? reader.recognises(file) : survey == reader.survey) {
            if (reader.recognises(file)) return reader;
            throw SpectrumError(
                file.path(), Status::unknown_layout,
                fmt::format("no {} layout: {}", survey, describe_hdus(file.hdus())));
        }
        known += fmt::format("{}{}", known.empty() ? "" : ", ", reader.survey);
    }
    if (survey != "auto") {
        throw UsageError(fmt::format("no survey '{}'; there are: auto, {}", survey, known));
    }
    throw SpectrumError(
        file.path(), Status::unknown_layout,
        fmt::format("no reader ({}) recognises it: {}", known, describe_hdus(file.hdus())));
}

}  // namespace

std::span<const SpectrumReader> spectrum_readers() {
    static const std::array readers = {sdss_reader(), lamost_reader()};
    return readers;
}

ReadResult read_spectra(const FitsFile& file, const ReadOptions& options) {
    const SpectrumReader& reader = choose_reader(file, options.survey);
    ReadResult result;
    for (Spectrum& spectrum : reader.read(file, options)) {
        spectrum.file = file.path();
        if (auto skipped = validate(spectrum, options.minimum_good_pixels)) {
            result.skipped.push_back(std::move(*skipped));
        } else {
            result.spectra.push_back(std::move(spectrum));
        }
    }
    return result;
}

ReadResult read_spectra(const std::string& path, const ReadOptions& options) {
    GateOptions gate;
    gate.byte_limit = options.byte_limit;
    gate.allow_compressed = options.allow_compressed;
    return read_spectra(FitsFile(path, open_fits_gate(path, gate)), options);
}

}  // namespace balmer::data
