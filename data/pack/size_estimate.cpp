#include "data/pack/size_estimate.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "data/pack/shard_builder.h"

namespace balmer::data {

std::vector<std::int64_t> sample_of_files(std::int64_t files) {
    constexpr std::int64_t most = 24;
    const std::int64_t count = std::min(files, most);
    std::vector<std::int64_t> sample;
    for (std::int64_t i = 0; i < count; ++i) sample.push_back(i * files / count);
    return sample;
}

SizeEstimate estimate_size(const std::vector<std::string>& sample, std::int64_t files,
                           const ReadFile& read, const WorkerOptions& options, PixelStore store,
                           const std::function<bool(Spectrum&)>& is_packed,
                           const std::function<bool()>& keep_going) {
    using Clock = std::chrono::steady_clock;
    const auto end = Clock::now() + std::chrono::seconds(3);
    SizeEstimate estimate;
    estimate.files = files;
    std::uint64_t bytes = 0;
    std::size_t begun = 0;
    const auto next = [&]() -> std::optional<std::string> {
        if (begun == sample.size()) return std::nullopt;
        return sample[begun++];
    };
    FileSink sink;
    sink.read.spectrum = [&](Spectrum&& spectrum) {
        if (is_packed(spectrum)) {
            bytes += static_cast<std::uint64_t>(packed_bytes(spectrum, store));
        }
    };
    sink.read.skipped = [](SkippedRow&&) {};
    sink.begin = [](const std::string&) {};
    sink.end = [&](const std::optional<SkippedRow>&) { ++estimate.sampled_files; };
    sink.keep_going = [&] { return Clock::now() < end && keep_going(); };
    read_files(next, read, options, sink);
    const std::int64_t read_whole = std::max<std::int64_t>(1, estimate.sampled_files);
    estimate.bytes = static_cast<std::uint64_t>(
        static_cast<double>(bytes) * static_cast<double>(files) / static_cast<double>(read_whole));
    return estimate;
}

std::string bytes_text(std::uint64_t bytes) {
    constexpr double thousand = 1000.0;
    double value = static_cast<double>(bytes);
    const char* const units[] = {"bytes", "kB", "MB", "GB", "TB", "PB"};
    std::size_t unit = 0;
    while (value >= thousand && unit + 1 < std::size(units)) {
        value /= thousand;
        ++unit;
    }
    return fmt::format("{:.{}f} {}", value, unit == 0 ? 0 : 1, units[unit]);
}

}  // namespace balmer::data
