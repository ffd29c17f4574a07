#pragma once
// Spectra of a packed set as the operands of a benchmark.

#include <cstdint>
#include <string>

#include "data/pack/loader.h"

namespace balmer::bench {

/// `count` spectra evenly taken from all of a set. Error for an empty set.
data::Batch packed_spectra(const std::string& folder, std::int64_t count, data::Grid grid);

}  // namespace balmer::bench
