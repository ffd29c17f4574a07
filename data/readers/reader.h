#pragma once
// From a file to spectra: the gate, the survey's reader found from the content, common validation.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "data/fits/fits_file.h"
#include "data/spectrum.h"

namespace balmer::data {

struct ReadOptions {
    std::string survey = "auto";             ///< name of a reader, or found from the content
    std::int64_t minimum_good_pixels = 200;  ///< fewer: little_coverage
    bool strict = false;                     ///< fibre-level mask bits reject pixels too
    bool allow_compressed = false;           ///< tile-compressed HDUs
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

/// One survey's file layout. `read` fills everything but `file`; the mask holds the survey's own
/// bad pixels, and validate() does the rest.
struct SpectrumReader {
    const char* survey;
    bool (*recognises)(const FitsFile& file);
    std::vector<Spectrum> (*read)(const FitsFile& file, const ReadOptions& options);
};

/// All readers in the order in which they are asked.
std::span<const SpectrumReader> spectrum_readers();

/// Reads every spectrum of a file.
///
/// Spectra that are unusable by themselves (lengths, wavelength, coverage) are listed in `skipped`.
/// Throws SpectrumError when the file as a whole is unusable: all that the gate throws,
/// unknown_layout (with what the file holds), missing_column, no_rows, decoder_failed.
/// Throws UsageError when options.survey names no reader.
ReadResult read_spectra(const std::string& path, const ReadOptions& options = {});

/// The same for an open file.
ReadResult read_spectra(const FitsFile& file, const ReadOptions& options = {});

}  // namespace balmer::data
