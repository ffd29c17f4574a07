// Everything that can be wrong with a packed set and can be seen by reading it.

#include <fmt/format.h>

#include <cmath>
#include <fstream>
#include <map>
#include <optional>

#include "data/pack/object_identity.h"
#include "data/pack/packed_set.h"
#include "data/pack/split.h"
#include "kernels/core/error.h"

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

/// What is wrong with what is said about a spectrum; "" if nothing is.
std::string fault_of(const ShardColumns<ConstSpan>& columns, std::int64_t k) {
    for (const double value : {columns.z[k], columns.z_err[k], columns.teff[k], columns.logg[k],
                               columns.feh[k], columns.snr[k], columns.survey_snr[k]}) {
        if (std::isinf(value)) return "a label is infinite";
    }
    if (columns.z[k] <= -1.0) return fmt::format("redshift is {}", columns.z[k]);
    if (columns.teff[k] <= 0.0) return fmt::format("effective temperature is {}", columns.teff[k]);
    if (columns.ra[k] < -360.0 || columns.ra[k] > 360.0) {
        return fmt::format("right ascension is {}", columns.ra[k]);
    }
    if (columns.dec[k] < -90.0 || columns.dec[k] > 90.0) {
        return fmt::format("declination is {}", columns.dec[k]);
    }
    return "";
}

std::optional<double> number(double value) {
    if (std::isnan(value)) return std::nullopt;
    return value;
}

/// Problems, up to a hundred.
class Problems {
  public:
    template <class... Arguments>
    void add(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
        if (all_.size() < most_problems) {
            all_.push_back(fmt::format(format, std::forward<Arguments>(arguments)...));
        }
    }
    std::vector<std::string> take() { return std::move(all_); }

  private:
    std::vector<std::string> all_;
};

/// Groups and splits again, from positions, names and files: no object may be in two splits, which
/// takes more than that no group is.
void check_objects(const PackedSet& set, Problems& problems) {
    std::vector<ObjectKey> keys;
    keys.reserve(static_cast<std::size_t>(set.size()));
    for (const Shard& shard : set.shards()) {
        const auto& columns = shard.columns();
        for (std::int64_t k = 0; k < shard.size(); ++k) {
            keys.push_back(object_key(number(columns.ra[k]), number(columns.dec[k]),
                                      shard.object_name(k), shard.file(k)));
        }
    }
    const ObjectGroups groups = group_objects(keys);
    const auto objects = static_cast<std::int64_t>(groups.identity.size());
    if (objects != set.manifest().objects) {
        problems.add("{}/{}: says {} objects, the spectra are of {}", set.folder(), manifest_name,
                     set.manifest().objects, objects);
    }
    const auto splits = split_by_object(groups, set.manifest().split);
    for (std::int64_t row = 0; row < set.size(); ++row) {
        const auto at = static_cast<std::size_t>(row);
        if (set.group(row) != groups.group[at]) {
            problems.add("{}: spectrum {} is in group {}, its object is {}", set.folder(), row,
                         set.group(row), groups.group[at]);
        } else if (set.split(row) != static_cast<Split>(splits[at])) {
            problems.add("{}: spectrum {} is in split {}, its object in {}", set.folder(), row,
                         name_of(set.split(row)), name_of(static_cast<Split>(splits[at])));
        }
    }
}

/// Rows of skipped.csv by reason, the third column. Fields may be quoted (RFC 4180).
std::map<std::string, std::int64_t> count_reasons(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) throw IoError(path, "cannot be read");
    std::map<std::string, std::int64_t> counts;
    std::string reason;
    int column = 0;
    std::int64_t line = 0;
    bool is_quoted = false;
    for (char c = 0; file.get(c);) {
        if (c == '"') {
            is_quoted = !is_quoted;
        } else if (c == ',' && !is_quoted) {
            ++column;
        } else if (c == '\n' && !is_quoted) {
            if (line++ > 0) ++counts[reason];
            reason.clear();
            column = 0;
        } else if (column == 2) {
            reason += c;
        }
    }
    return counts;
}

}  // namespace

std::vector<std::string> verify_packed_set(const std::string& folder) {
    const PackedSet set(folder);
    const Manifest& manifest = set.manifest();
    Problems problems;
    SummaryCollector summary;
    std::int64_t row = 0;
    PixelScratch scratch;
    for (std::size_t i = 0; i < set.shards().size(); ++i) {
        const Shard& shard = set.shards()[i];
        const std::string checksum = shard.checksum();
        if (checksum != manifest.shards[i].checksum) {
            problems.add("{}: checksum is {}, the manifest says {}", shard.path(), checksum,
                         manifest.shards[i].checksum);
        }
        if (shard.store() != manifest.store) {
            problems.add("{}: flux is stored as {}, the manifest says {}", shard.path(),
                         name_of(shard.store()), name_of(manifest.store));
        }
        for (std::int64_t k = 0; k < shard.size(); ++k, ++row) {
            for (const auto& fault :
                 {fault_of(set.pixels(row, scratch)), fault_of(shard.columns(), k)}) {
                if (!fault.empty()) problems.add("{}: spectrum {}: {}", shard.path(), k, fault);
            }
        }
        summary.add(shard, manifest.surveys, manifest.classes);
    }
    if (!(summary.result() == manifest.summary)) {
        problems.add("{}/{}: counts or label statistics differ from the shards'", folder,
                     manifest_name);
    }
    check_objects(set, problems);
    const std::string skipped = folder + "/" + skipped_name;
    if (count_reasons(skipped) != manifest.skipped) {
        problems.add("{}: its rows are not those that the manifest counts", skipped);
    }
    return problems.take();
}

}  // namespace balmer::data
