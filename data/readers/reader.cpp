#include "data/readers/reader.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "data/readers/surveys.h"
#include "data/readers/validate.h"

namespace balmer::data {
namespace {

/// The surveys, each once, in order.
std::string known_surveys() {
    std::vector<std::string_view> surveys;
    for (const SpectrumReader& reader : spectrum_readers()) {
        if (std::find(surveys.begin(), surveys.end(), reader.survey) == surveys.end()) {
            surveys.emplace_back(reader.survey);
        }
    }
    return fmt::format("{}", fmt::join(surveys, ", "));
}

const SpectrumReader& choose_reader(const SourceFile& file, const std::string& survey) {
    bool is_known = survey == "auto";
    for (const SpectrumReader& reader : spectrum_readers()) {
        if (survey != "auto" && survey != reader.survey) continue;
        is_known = true;
        if (reader.recognises(file)) return reader;
    }
    if (!is_known) {
        throw UsageError(
            fmt::format("no survey '{}'; there are: auto, {}", survey, known_surveys()));
    }
    const std::string reason = survey == "auto"
                                   ? fmt::format("no reader ({}) recognises it", known_surveys())
                                   : fmt::format("no {} layout", survey);
    throw SpectrumError(file.path(), Status::unknown_layout,
                        fmt::format("{}: {}", reason, file.description()));
}

}  // namespace

std::span<const SpectrumReader> spectrum_readers() {
    static const std::array readers = {sdss_reader(),         lamost_reader(),  miles_reader(),
                                       stelib_reader(),       indo_us_reader(), template_reader(),
                                       generic_image_reader()};
    return readers;
}

void read_spectra(const SourceFile& file, const ReadOptions& options, const ReadSink& sink) {
    const auto accept = [&](Spectrum&& spectrum) {
        spectrum.file = file.path();
        if (auto skipped = validate(spectrum, options.minimum_good_pixels)) {
            sink.skipped(std::move(*skipped));
        } else {
            sink.spectrum(std::move(spectrum));
        }
    };
    choose_reader(file, options.survey).read(file, options, {accept, sink.skipped});
}

void read_spectra(const std::string& path, const ReadOptions& options, const ReadSink& sink) {
    GateOptions gate;
    gate.byte_limit = options.byte_limit;
    gate.allow_compressed = options.allow_compressed;
    read_spectra(SourceFile(path, gate), options, sink);
}

namespace {

template <class Source>
ReadResult read_all(const Source& source, const ReadOptions& options) {
    ReadResult result;
    read_spectra(source, options,
                 {[&](Spectrum&& spectrum) { result.spectra.push_back(std::move(spectrum)); },
                  [&](SkippedRow&& row) { result.skipped.push_back(std::move(row)); }});
    return result;
}

}  // namespace

ReadResult read_spectra(const SourceFile& file, const ReadOptions& options) {
    return read_all(file, options);
}

ReadResult read_spectra(const std::string& path, const ReadOptions& options) {
    return read_all(path, options);
}

}  // namespace balmer::data
