#include "data/readers/reader.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "data/readers/label_table.h"
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

/// A table of labels among the spectra is passed over under a name of its own.
void refuse_label_table(const SourceFile& file) {
    if (file.fits() == nullptr) return;
    const Hdu* const table = label_table_of(*file.fits());
    const auto readers = spectrum_readers();
    const bool has_spectra =
        std::any_of(readers.begin(), readers.end(),
                    [&](const SpectrumReader& reader) { return reader.recognises(file); });
    if (table == nullptr || has_spectra) return;
    throw SpectrumError(
        file.path(), Status::label_table,
        fmt::format("no spectra, but labels of {} objects: {}", table->rows(), file.description()));
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
    refuse_label_table(file);
    const std::string reason = survey == "auto"
                                   ? fmt::format("no reader ({}) recognises it", known_surveys())
                                   : fmt::format("no {} layout", survey);
    throw SpectrumError(file.path(), Status::unknown_layout,
                        fmt::format("{}: {}", reason, file.description()));
}

}  // namespace

std::span<const SpectrumReader> spectrum_readers() {
    static const std::array readers = {sdss_reader(),
                                       sdss_plate_reader(),
                                       lamost_reader(),
                                       lamost_table_reader(),
                                       desi_reader(),
                                       desi_target_columns_reader(),
                                       miles_reader(),
                                       stelib_reader(),
                                       indo_us_reader(),
                                       template_reader(),
                                       multimodal_universe_reader(),
                                       generic_image_reader(),
                                       text_spectrum_reader()};
    return readers;
}

void read_spectra(const SourceFile& file, const ReadOptions& options, const ReadSink& sink) {
    const std::string fault =
        file.fits() != nullptr ? file.fits()->checksum_fault() : std::string();
    if (options.strict && !fault.empty()) {
        throw SpectrumError(file.path(), Status::bad_checksum, fault);
    }
    const auto accept = [&](Spectrum&& spectrum) {
        spectrum.file = file.path();
        if (!fault.empty()) spectrum.flags |= checksum_mismatch;
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
