// Everything that can be wrong with a packed set and can be seen by reading it.

#include <fmt/format.h>

#include <cmath>

#include "data/pack/packed_set.h"

namespace balmer::data {
namespace {

constexpr std::size_t most_problems = 100;

/// What is wrong with a spectrum's pixels; "" if nothing is.
std::string fault_of(const kernels::SpectrumPixels& pixels) {
    if (pixels.flux.empty()) return "no pixels";
    for (std::size_t i = 0; i < pixels.flux.size(); ++i) {
        const float inverse_variance = pixels.inverse_variance[i];
        const double wavelength = pixels.wavelength[i];
        if (!std::isfinite(pixels.flux[i])) return fmt::format("flux of pixel {} is not finite", i);
        if (!std::isfinite(inverse_variance) || inverse_variance < 0.0F) {
            return fmt::format("inverse variance of pixel {} is {}", i, inverse_variance);
        }
        if (pixels.mask[i] > 1) return fmt::format("mask of pixel {} is {}", i, pixels.mask[i]);
        if ((pixels.mask[i] == 1) != (inverse_variance == 0.0F)) {
            return fmt::format("mask and inverse variance of pixel {} disagree", i);
        }
        const bool is_increasing = i == 0 || wavelength > pixels.wavelength[i - 1];
        if (!std::isfinite(wavelength) || wavelength <= 0.0 || !is_increasing) {
            return fmt::format("wavelength of pixel {} is {}", i, wavelength);
        }
    }
    if (pixels.grid_start != kernels::grid_start(pixels.wavelength)) {
        return "its place on the common grid is wrong";
    }
    return "";
}

std::string fault_of(const Labels& labels) {
    for (const auto& value : {labels.z, labels.z_err, labels.teff, labels.logg, labels.feh}) {
        if (value && !std::isfinite(*value)) return "a label is infinite";
    }
    return "";
}

}  // namespace

std::vector<std::string> verify_packed_set(const std::string& folder) {
    const PackedSet set(folder);
    const Manifest& manifest = set.manifest();
    std::vector<std::string> problems;
    SummaryCollector summary;
    std::int64_t row = 0;
    PixelScratch scratch;
    for (std::size_t i = 0; i < set.shards().size(); ++i) {
        const Shard& shard = set.shards()[i];
        const std::string checksum = shard.checksum();
        if (checksum != manifest.shards[i].checksum) {
            problems.push_back(fmt::format("{}: checksum is {}, the manifest says {}", shard.path(),
                                           checksum, manifest.shards[i].checksum));
        }
        for (std::int64_t k = 0; k < shard.size(); ++k, ++row) {
            for (const auto& fault :
                 {fault_of(set.pixels(row, scratch)), fault_of(set.labels(row))}) {
                if (fault.empty() || problems.size() >= most_problems) continue;
                problems.push_back(fmt::format("{}: spectrum {}: {}", shard.path(), k, fault));
            }
        }
        summary.add(shard, manifest.surveys, manifest.classes);
    }
    if (!(summary.result() == manifest.summary)) {
        problems.push_back(fmt::format("{}/{}: counts or label statistics differ from the shards'",
                                       folder, manifest_name));
    }
    return problems;
}

}  // namespace balmer::data
