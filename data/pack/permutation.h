#pragma once
// A keyed permutation of 0..size-1 that is computed, not stored: any place of a shuffled order is
// found at once, in no memory.

#include <cstdint>

namespace balmer::data {

/// A number below `size` is two digits, x = low + a * high with a = ceil(sqrt(size)), each of which
/// is shifted in turn by a random function of the other; where the result is not below `size` it
/// goes through again. Generalised Feistel network with cycle walking: Black & Rogaway 2002,
/// "Ciphers with arbitrary finite domains". The random function is Philox (kernels/core/random.h).
class Permutation {
  public:
    /// A function of the three numbers alone. UsageError for a size below 1.
    Permutation(std::int64_t size, std::uint64_t seed, std::uint64_t stream);

    std::int64_t size() const { return size_; }
    /// What stands at `position`, 0..size-1. Costs twelve calls of philox(), at most twice as many
    /// on average.
    std::int64_t operator()(std::int64_t position) const;

  private:
    std::uint64_t shift(std::uint64_t round, std::uint64_t other, std::uint64_t modulus) const;

    std::int64_t size_;
    std::uint64_t lows_;   ///< values of the low digit
    std::uint64_t highs_;  ///< values of the high digit
    std::uint64_t seed_;
    std::uint64_t stream_;
};

}  // namespace balmer::data
