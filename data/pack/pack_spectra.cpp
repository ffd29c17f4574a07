#include "data/pack/pack_spectra.h"

#include <fitsio.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <ctime>
#include <filesystem>

#include "data/pack/spectrum_files.h"

namespace balmer::data {
namespace {

using Texts = std::map<std::string, std::string>;

Texts options_of(const PackOptions& options) {
    const auto& split = options.write.split;
    Texts texts = {{"survey", options.read.survey},
                   {"minimum_good_pixels", fmt::to_string(options.read.minimum_good_pixels)},
                   {"strict", fmt::to_string(options.read.strict)},
                   {"allow_compressed", fmt::to_string(options.read.allow_compressed)},
                   {"wavelength_medium", name_of(options.read.wavelength.medium)},
                   {"wavelength_unit", name_of(options.read.wavelength.unit)},
                   {"byte_limit", fmt::to_string(options.read.byte_limit)},
                   {"file_seconds", fmt::to_string(options.workers.file_seconds)},
                   {"file_memory", fmt::to_string(options.workers.file_memory)},
                   {"store", name_of(options.write.store)},
                   {"split", fmt::format("{},{},{}", split.train, split.validation, split.seed)},
                   {"spectra_per_shard", fmt::to_string(options.write.spectra_per_shard)}};
    texts.insert(options.select_options.begin(), options.select_options.end());
    return texts;
}

Texts versions_in_use() {
    float number = 0.0F;
    fits_get_version(&number);
    const long all = std::lround(number * 10000.0F);
    return {{"balmer", BALMER_VERSION},
            {"cfitsio", fmt::format("{}.{}.{}", all / 10000, all / 100 % 100, all % 100)}};
}

std::string utc_now() {
    return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)));
}

/// One run of pack_spectra().
class Packing {
  public:
    Packing(const std::vector<std::string>& paths, const std::string& folder,
            const PackOptions& options, const PackProgress& progress)
        : paths_(paths),
          folder_(folder),
          options_(options),
          progress_(progress),
          writer_(folder, options.write),
          files_(writer_.packing_folder() + "/inputs"),
          refused_(writer_.packing_folder() + "/refused"),
          read_(options.read_file) {
        if (read_) return;
        read_ = [&](const std::string& path, const ReadSink& sink) {
            read_spectra(path, options_.read, sink);
        };
    }

    Manifest run() {
        const std::string started = utc_now();
        list_files();
        writer_.begin({run_options(options_of(options_), versions_in_use()), files_.size(),
                       files_.checksum()});
        if (writer_.finished()) return *writer_.finished();
        try {
            skip_refused();
            expect_room();
            read_all();
            expect_spectra();
            return writer_.finish(paths_, options_of(options_), versions_in_use(),
                                  {options_.command, started, utc_now()});
        } catch (const IoError& error) {
            if (writer_.kept() == 0) throw;
            throw IoError(error.path, error.reason + how_to_go_on());
        }
    }

  private:
    void list_files() {
        const auto found = [&](const std::string& file) { files_.append(file); };
        const auto refused = [&](const RefusedPath& path) {
            refused_.append(path.path);
            refused_.append(path.reason);
        };
        if (options_.list_files) {
            options_.list_files(found, refused);
        } else {
            find_spectrum_files(paths_, found, refused);
        }
        if (files_.size() == 0 && refused_.size() == 0) {
            throw Error(fmt::format("{}: no files of spectra", fmt::join(paths_, ", ")));
        }
    }

    std::int64_t refused_count() const { return refused_.size() / 2; }

    /// They count as the first items of the first file.
    void skip_refused() {
        const std::int64_t done = writer_.position().items;
        if (writer_.position().files > 0 || done >= refused_count()) return;
        refused_.seek(2 * done);
        while (const auto path = refused_.next()) {
            writer_.skip(*path, 0, name_of(Status::not_a_file), refused_.next().value_or(""));
        }
    }

    /// IoError unless the set will fit where it goes.
    void expect_room() {
        std::vector<std::string> sample;
        files_.seek(0);
        std::int64_t at = 0;
        for (const std::int64_t index : sample_of_files(files_.size())) {
            for (; at < index; ++at) files_.next();
            if (auto file = files_.next()) sample.push_back(std::move(*file));
            ++at;
        }
        const auto is_packed = [&](Spectrum& spectrum) {
            return !options_.select || !options_.select(spectrum);
        };
        SizeEstimate estimate =
            estimate_size(sample, files_.size(), read_, options_.workers, options_.write.store,
                          is_packed, [&] { return keeps_going(); });
        estimate.kept_bytes = writer_.kept_bytes();
        estimate.free_bytes = std::filesystem::space(folder_).available;
        if (options_.estimated) options_.estimated(estimate);
        if (estimate.fits() || options_.ignore_free_space) return;
        throw IoError(folder_,
                      fmt::format("the set takes about {}, of which {} are free there; "
                                  "--ignore-free-space begins all the same",
                                  bytes_text(estimate.bytes), bytes_text(estimate.free_bytes)));
    }

    void read_all() {
        files_.seek(writer_.position().files);
        std::int64_t to_drop = writer_.position().items;  // of the first file
        if (writer_.position().files == 0) to_drop -= refused_count();
        const auto is_done = [&] { return to_drop > 0 && to_drop-- > 0; };
        FileSink sink;
        sink.read.spectrum = [&](Spectrum&& spectrum) {
            if (!is_done()) pack(spectrum);
        };
        sink.read.skipped = [&](SkippedRow&& row) {
            if (is_done()) return;
            writer_.skip(file_, row.row, name_of(row.status), row.detail);
        };
        sink.begin = [&](const std::string& name) { file_ = name; };
        sink.end = [&](const std::optional<SkippedRow>& failure) {
            if (failure && !is_done()) {
                writer_.skip(file_, failure->row, name_of(failure->status), failure->detail);
            }
            to_drop = 0;
            writer_.next_file();
        };
        sink.keep_going = [&] { return keeps_going(); };
        const auto next = [&] { return files_.next(); };
        const bool is_whole = read_files(next, read_, options_.workers, sink);
        if (!is_whole || !keeps_going()) {
            throw PackStopped(fmt::format("{}: stopped after {} of {} files{}", folder_,
                                          writer_.position().files, files_.size(), how_to_go_on()));
        }
    }

    void pack(Spectrum& spectrum) {
        if (options_.select) {
            if (const auto left_out = options_.select(spectrum)) {
                return writer_.skip(spectrum.file, spectrum.row, left_out->reason,
                                    left_out->detail);
            }
        }
        writer_.append(spectrum);
    }

    bool keeps_going() const {
        return !progress_ || progress_({writer_.position().files, files_.size(), writer_.count(),
                                        writer_.skipped()});
    }

    std::string how_to_go_on() const {
        if (writer_.kept() == 0) return "";
        return fmt::format("; the same command with --resume goes on after spectrum {}",
                           writer_.kept());
    }

    void expect_spectra() const {
        if (writer_.count() > 0) return;
        std::vector<std::string> reasons;
        for (const auto& [reason, number] : writer_.skipped()) {
            reasons.push_back(fmt::format("{} {}", number, reason));
        }
        throw Error(fmt::format("{}: none of {} files gives a spectrum ({})",
                                fmt::join(paths_, ", "), files_.size(), fmt::join(reasons, ", ")));
    }

    const std::vector<std::string>& paths_;
    const std::string& folder_;
    const PackOptions& options_;
    const PackProgress& progress_;
    PackWriter writer_;
    FileList files_;
    FileList refused_;  ///< paths and reasons in turn
    ReadFile read_;
    std::string file_;  ///< whose content is coming
};

}  // namespace

Manifest pack_spectra(const std::vector<std::string>& paths, const std::string& folder,
                      const PackOptions& options, const PackProgress& progress) {
    return Packing(paths, folder, options, progress).run();
}

}  // namespace balmer::data
