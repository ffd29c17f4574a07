#include "bench/packed_spectra.h"

#include <vector>

#include "data/pack/packed_set.h"
#include "kernels/core/error.h"

namespace balmer::bench {

data::Batch packed_spectra(const std::string& folder, std::int64_t count, data::Grid grid) {
    const data::PackedSet set(folder);
    if (set.size() == 0) throw Error(folder + ": the set is empty");
    std::vector<std::int64_t> rows(static_cast<std::size_t>(count));
    for (std::int64_t i = 0; i < count; ++i) {
        rows[static_cast<std::size_t>(i)] = i * set.size() / count;
    }
    data::Batch batch;
    data::fill_batch(set, rows, grid, batch);
    return batch;
}

}  // namespace balmer::bench
