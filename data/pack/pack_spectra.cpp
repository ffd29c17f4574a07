#include "data/pack/pack_spectra.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "data/pack/spectrum_files.h"

namespace balmer::data {
namespace {

std::map<std::string, std::string> provenance(const PackOptions& options) {
    return {{"survey", options.read.survey},
            {"minimum_good_pixels", std::to_string(options.read.minimum_good_pixels)},
            {"strict", options.read.strict ? "true" : "false"},
            {"allow_compressed", options.read.allow_compressed ? "true" : "false"},
            {"spectra_per_shard", std::to_string(options.write.spectra_per_shard)}};
}

}  // namespace

Manifest pack_spectra(const std::vector<std::string>& paths, const std::string& folder,
                      const PackOptions& options, const PackProgress& progress) {
    const SpectrumFiles found = find_spectrum_files(paths);
    if (found.files.empty() && found.refused.empty()) {
        throw Error(fmt::format("{}: no FITS files", fmt::join(paths, ", ")));
    }
    PackWriter writer(folder, options.write);
    for (const auto& refused : found.refused) {
        writer.skip(refused.path, 0, name_of(Status::not_a_file), refused.reason);
    }
    const auto total = static_cast<std::int64_t>(found.files.size());
    std::int64_t begun = 0;
    std::int64_t done = 0;
    const auto next = [&]() -> std::optional<std::string> {
        if (begun == total) return std::nullopt;
        return found.files[static_cast<std::size_t>(begun++)];
    };
    const auto status = [&] { return PackStatus{done, total, writer.count(), writer.skipped()}; };
    const auto file = [&] { return found.files[static_cast<std::size_t>(done)]; };
    FileSink sink;
    sink.read.spectrum = [&](Spectrum&& spectrum) {
        if (options.select) {
            if (const auto left_out = options.select(spectrum)) {
                return writer.skip(spectrum.file, spectrum.row, left_out->reason, left_out->detail);
            }
        }
        writer.append(spectrum);
    };
    sink.read.skipped = [&](SkippedRow&& row) {
        writer.skip(file(), row.row, name_of(row.status), row.detail);
    };
    sink.end = [&](const std::string& name, const std::optional<SkippedRow>& failure) {
        if (failure) writer.skip(name, 0, name_of(failure->status), failure->detail);
        ++done;
    };
    sink.keep_going = [&] { return !progress || progress(status()); };
    ReadFile read = options.read_file;
    if (!read) {
        read = [&](const std::string& path, const ReadSink& to) {
            read_spectra(path, options.read, to);
        };
    }
    const bool is_whole = read_files(next, read, options.workers, sink);
    if (!is_whole || !sink.keep_going()) {
        throw PackStopped(fmt::format("{}: stopped after {} of {} files", folder, done, total));
    }
    if (writer.count() == 0) {
        std::string reasons;
        for (const auto& [reason, number] : writer.skipped()) {
            reasons += fmt::format("{}{} {}", reasons.empty() ? "" : ", ", number, reason);
        }
        throw Error(fmt::format("{}: none of {} files gives a spectrum ({})",
                                fmt::join(paths, ", "), total, reasons));
    }
    return writer.finish(paths, provenance(options));
}

}  // namespace balmer::data
