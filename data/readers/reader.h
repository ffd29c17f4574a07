#pragma once
// From a file to spectra: the gate, the survey's reader found from the content, common validation.

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "data/readers/source_file.h"
#include "data/readers/wavelength_scale.h"
#include "data/spectrum.h"

namespace balmer::data {

struct ReadOptions {
    std::string survey = "auto";             ///< of the readers to ask, or found from the content
    std::int64_t minimum_good_pixels = 200;  ///< fewer: little_coverage
    bool strict = false;            ///< fibre-level mask bits and wrong checksums reject too
    bool allow_compressed = false;  ///< tile-compressed HDUs
    WavelengthScale wavelength;     ///< for files that do not say it, of no known survey
    std::int64_t byte_limit = GateOptions{}.byte_limit;
};

/// A spectrum of a file that could not be used while others may be fine.
struct SkippedRow {
    std::int64_t row = 0;
    Status status = Status::ok;
    std::string detail;
};

struct ReadResult {
    std::vector<Spectrum> spectra;
    std::vector<SkippedRow> skipped;
};

/// Where the content of a file goes, spectrum by spectrum, so that a file of thousands need not be
/// in memory at once.
struct ReadSink {
    std::function<void(Spectrum&&)> spectrum;
    std::function<void(SkippedRow&&)> skipped;
};

/// One file layout of a survey. `read` fills everything but `file`; the mask holds the survey's own
/// bad pixels; what it gives to the sink goes through validate().
struct SpectrumReader {
    const char* survey;
    const char* layout;  ///< what the file looks like, in a few words
    bool (*recognises)(const SourceFile& file);
    void (*read)(const SourceFile& file, const ReadOptions& options, const ReadSink& sink);
};

/// All readers in the order in which they are asked.
std::span<const SpectrumReader> spectrum_readers();

/// Reads every spectrum of a file, in the order of its rows.
///
/// Spectra that are unusable by themselves (lengths, wavelength, coverage) go to `sink.skipped`.
/// Throws SpectrumError when the file as a whole is unusable: all that the gate throws,
/// unknown_layout (with what the file holds), label_table, missing_column, no_rows, decoder_failed;
/// what the sink has been given by then stands. Throws UsageError when options.survey names no
/// survey.
void read_spectra(const SourceFile& file, const ReadOptions& options, const ReadSink& sink);
void read_spectra(const std::string& path, const ReadOptions& options, const ReadSink& sink);

/// The same, all at once.
ReadResult read_spectra(const SourceFile& file, const ReadOptions& options = {});
ReadResult read_spectra(const std::string& path, const ReadOptions& options = {});

}  // namespace balmer::data
