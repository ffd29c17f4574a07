#include "train/spectrum_source.h"

#include <algorithm>
#include <optional>
#include <span>

#include "data/pack/spectrum_files.h"
#include "data/pack/worker_pool.h"
#include "data/readers/reader.h"
#include "data/readers/validate.h"
#include "train/inference.h"

namespace balmer::train {

namespace {

/// Processes that read files, more than enough for the cores that compute.
constexpr int most_readers = 4;

/// Spectra that wait until they make a batch.
class Pending {
  public:
    Pending(data::Grid grid, std::int64_t batch_size, const BatchSink& sink)
        : grid_(grid), batch_size_(batch_size), sink_(sink) {}

    /// False once the sink wants no more.
    bool add(data::Spectrum spectrum, std::size_t place) {
        spectra_.push_back(std::move(spectrum));
        batch_.places.push_back(place);
        return static_cast<std::int64_t>(spectra_.size()) < batch_size_ || flush();
    }

    bool flush() {
        if (spectra_.empty()) return true;
        std::vector<data::BatchItem> items;
        for (const data::Spectrum& spectrum : spectra_) items.push_back(data::batch_item(spectrum));
        data::assemble(items, grid_, batch_.spectra);
        const bool goes_on = sink_(batch_);
        spectra_.clear();
        batch_.places.clear();
        return goes_on;
    }

  private:
    data::Grid grid_;
    std::int64_t batch_size_;
    const BatchSink& sink_;
    std::vector<data::Spectrum> spectra_;
    SourceBatch batch_;
};

PredictionRow skipped_row(const std::string& file, std::int64_t row, data::Status status,
                          const std::string& detail) {
    PredictionRow skipped;
    skipped.file = file;
    skipped.row = row;
    skipped.status = data::name_of(status);
    skipped.reason = detail;
    return skipped;
}

/// Another kind of fault than a reader's: good pixels, none of them where models look.
std::optional<data::SkippedRow> out_of_range(std::int64_t row, std::span<const double> wavelength,
                                             std::span<const std::uint8_t> mask) {
    return data::require_overlap(row, wavelength, mask, kernels::common_grid_wavelength(0),
                                 kernels::common_grid_wavelength(kernels::common_grid_pixels - 1));
}

}  // namespace

void read_packed(const data::PackedSet& set, const std::vector<std::int64_t>& rows, data::Grid grid,
                 std::int64_t batch_size, PredictionTable& table, const BatchSink& sink) {
    SourceBatch batch;
    std::vector<std::int64_t> usable;
    const auto flush = [&] {
        if (usable.empty()) return true;
        data::fill_batch(set, usable, grid, batch.spectra);
        const bool goes_on = sink(batch);
        usable.clear();
        batch.places.clear();
        return goes_on;
    };
    for (const std::int64_t row : rows) {
        table.rows.push_back(describe(set, row));
        if (const auto fault = out_of_range(row, set.wavelength(row), set.mask(row))) {
            table.rows.back().status = data::name_of(fault->status);
            table.rows.back().reason = fault->detail;
            continue;
        }
        usable.push_back(row);
        batch.places.push_back(table.rows.size() - 1);
        if (static_cast<std::int64_t>(usable.size()) == batch_size && !flush()) return;
    }
    flush();
}

void read_files(const std::vector<std::string>& paths, data::Grid grid, std::int64_t batch_size,
                PredictionTable& table, const BatchSink& sink) {
    const data::SpectrumFiles found = data::find_spectrum_files(paths);
    for (const data::RefusedPath& refused : found.refused) {
        table.rows.push_back(
            skipped_row(refused.path, 0, data::Status::not_a_file, refused.reason));
    }
    Pending pending(grid, batch_size, sink);
    bool goes_on = true;
    std::string file;
    const auto skip = [&](const data::SkippedRow& row) {
        if (goes_on) table.rows.push_back(skipped_row(file, row.row, row.status, row.detail));
    };
    data::FileSink files;
    files.begin = [&](const std::string& name) { file = name; };
    files.read.skipped = skip;
    files.read.spectrum = [&](data::Spectrum&& spectrum) {
        if (!goes_on) return;
        if (const auto fault = out_of_range(spectrum.row, spectrum.wavelength, spectrum.mask)) {
            return skip(*fault);
        }
        spectrum.file = file;
        const std::size_t place = table.rows.size();
        table.rows.push_back(describe(spectrum, data::signal_to_noise(spectrum)));
        goes_on = pending.add(std::move(spectrum), place);
    };
    files.end = [&](const std::optional<data::SkippedRow>& failure) {
        if (failure) skip(*failure);
    };
    files.keep_going = [&] { return goes_on; };
    const auto read = [](const std::string& name, const data::ReadSink& into) {
        data::read_spectra(name, data::ReadOptions{}, into);
    };
    data::WorkerOptions workers;
    workers.workers = std::min(data::worker_count(workers), most_readers);
    data::read_files(found.files, read, workers, files);
    if (goes_on) pending.flush();
}

}  // namespace balmer::train
