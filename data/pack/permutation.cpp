#include "data/pack/permutation.h"

#include <fmt/format.h>

#include <cmath>

#include "kernels/core/error.h"
#include "kernels/core/random.h"

namespace balmer::data {
namespace {

constexpr std::uint64_t rounds = 12;  // of one digit each

std::uint64_t add(std::uint64_t value, std::uint64_t shift, std::uint64_t modulus) {
    const std::uint64_t sum = value + shift;
    return sum < modulus ? sum : sum - modulus;
}

}  // namespace

Permutation::Permutation(std::int64_t size, std::uint64_t seed, std::uint64_t stream)
    : size_(size), seed_(seed), stream_(stream) {
    if (size < 1) throw UsageError(fmt::format("permutation of {} numbers", size));
    const auto count = static_cast<std::uint64_t>(size);
    lows_ = static_cast<std::uint64_t>(std::ceil(std::sqrt(static_cast<double>(count))));
    highs_ = (count + lows_ - 1) / lows_;
}

std::uint64_t Permutation::shift(std::uint64_t round, std::uint64_t other,
                                 std::uint64_t modulus) const {
    const auto words = philox(seed_, stream_, (round << 32) | other);
    const std::uint64_t random = (std::uint64_t{words[1]} << 32) | words[0];
    return static_cast<std::uint64_t>((static_cast<unsigned __int128>(random) * modulus) >> 64);
}

std::int64_t Permutation::operator()(std::int64_t position) const {
    auto value = static_cast<std::uint64_t>(position);
    do {
        std::uint64_t low = value % lows_;
        std::uint64_t high = value / lows_;
        for (std::uint64_t round = 0; round < rounds; round += 2) {
            low = add(low, shift(round, high, lows_), lows_);
            high = add(high, shift(round + 1, low, highs_), highs_);
        }
        value = low + lows_ * high;
    } while (value >= static_cast<std::uint64_t>(size_));
    return static_cast<std::int64_t>(value);
}

}  // namespace balmer::data
