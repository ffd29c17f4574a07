#include "data/pack/pack_spectra.h"

#include <fmt/format.h>

#include <new>

#include "data/pack/spectrum_files.h"

namespace balmer::data {
namespace {

/// Reads one file into the writer. Whatever is wrong with the file stays with the file.
void pack_file(const std::string& file, const ReadOptions& options, PackWriter& writer) {
    ReadResult result;
    try {
        result = read_spectra(file, options);
    } catch (const SpectrumError& error) {
        return writer.skip(file, 0, name_of(error.status), error.detail);
    } catch (const UsageError&) {
        throw;  // the options, not the file
    } catch (const std::bad_alloc&) {
        return writer.skip(file, 0, name_of(Status::decoder_failed), "out of memory");
    } catch (const std::exception& error) {
        return writer.skip(file, 0, name_of(Status::decoder_failed), error.what());
    }
    for (const auto& spectrum : result.spectra) writer.append(spectrum);
    for (const auto& row : result.skipped) {
        writer.skip(file, row.row, name_of(row.status), row.detail);
    }
}

std::map<std::string, std::string> provenance(const PackOptions& options) {
    return {{"survey", options.read.survey},
            {"minimum_good_pixels", std::to_string(options.read.minimum_good_pixels)},
            {"strict", options.read.strict ? "true" : "false"},
            {"allow_compressed", options.read.allow_compressed ? "true" : "false"},
            {"wavelength_medium", name_of(options.read.wavelength.medium)},
            {"wavelength_unit", name_of(options.read.wavelength.unit)},
            {"spectra_per_shard", std::to_string(options.write.spectra_per_shard)}};
}

std::int64_t total_of(const std::map<std::string, std::int64_t>& counts) {
    std::int64_t total = 0;
    for (const auto& [reason, number] : counts) total += number;
    return total;
}

}  // namespace

Manifest pack_spectra(const std::vector<std::string>& paths, const std::string& folder,
                      const PackOptions& options, const PackProgress& progress) {
    const SpectrumFiles found = find_spectrum_files(paths);
    if (found.files.empty() && found.refused.empty()) {
        throw Error(fmt::format("{}: no files of spectra", fmt::join(paths, ", ")));
    }
    PackWriter writer(folder, options.write);
    for (const auto& refused : found.refused) {
        writer.skip(refused.path, 0, name_of(Status::not_a_file), refused.reason);
    }
    const auto total = static_cast<std::int64_t>(found.files.size());
    for (std::int64_t done = 0; done < total; ++done) {
        if (progress && !progress(done, total, total_of(writer.skipped()))) {
            throw PackStopped(fmt::format("{}: stopped after {} of {} files", folder, done, total));
        }
        pack_file(found.files[static_cast<std::size_t>(done)], options.read, writer);
    }
    if (writer.count() == 0) {
        std::string reasons;
        for (const auto& [reason, number] : writer.skipped()) {
            reasons += fmt::format("{}{} {}", reasons.empty() ? "" : ", ", number, reason);
        }
        throw Error(fmt::format("{}: none of {} files gives a spectrum ({})",
                                fmt::join(paths, ", "), total, reasons));
    }
    if (progress) progress(total, total, total_of(writer.skipped()));
    return writer.finish(paths, provenance(options));
}

}  // namespace balmer::data
