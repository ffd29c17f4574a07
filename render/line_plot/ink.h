#pragma once
// Ink on the pixels of a row, several at a time: the levels of cells.h. For the CPU.

#include <array>
#include <cstdint>
#include <cstring>

#include "render/line_plot/cells.h"
#include "render/line_plot/lanes.h"

namespace balmer::render::line_plot {

/// Levels of one channel of successive pixels, 0..255.
using Levels = Words;
using LevelWords = std::uint64_t __attribute__((vector_size(sizeof(Levels))));
using LevelBytes = std::uint8_t __attribute__((vector_size(sizeof(Levels))));

/// From a byte each.
inline Levels levels_of(std::uint64_t bytes) {
    const auto word = reinterpret_cast<Levels>(bytes - LevelWords{});
    const Levels of_four = __builtin_shufflevector(word, word, 0, 0, 0, 0, 1, 1, 1, 1);
    return of_four >> Levels{0, 8, 16, 24, 0, 8, 16, 24} & 255;
}

/// Red, green and blue, to a byte each.
inline std::array<std::uint64_t, 3> bytes_of(const std::array<Levels, 3>& channels) {
    const auto pixels =
        reinterpret_cast<LevelBytes>(channels[0] | channels[1] << 8 | channels[2] << 16);
    // The channels of four pixels, then those of eight.
    const auto of_four = reinterpret_cast<Levels>(__builtin_shufflevector(
        pixels, pixels, 0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15, 16, 20, 24, 28, 17,
        21, 25, 29, 18, 22, 26, 30, 19, 23, 27, 31));
    const Levels bytes = __builtin_shufflevector(of_four, of_four, 0, 4, 1, 5, 2, 6, 3, 7);
    std::array<std::uint64_t, 3> result;
    std::memcpy(result.data(), &bytes, sizeof(result));
    return result;
}

/// As `blended`, of ink that hides nothing wholly: alpha < 255.
inline Levels blended_translucent(Levels under, std::uint32_t level, Levels alpha) {
    // The dividend is 255 times the divisor at most, and the divisor 2^16 less 256 at least: the
    // quotient by 2^16 is the right one, or one too small.
    const Levels divisor = opaque + alpha;
    const Levels dividend = blended_dividend(under, level, alpha);
    const Levels quotient = dividend >> 16;
    const Levels rest = dividend - quotient * divisor;
    return quotient + (rest < divisor ? Levels{} : 1 - Levels{});
}

}  // namespace balmer::render::line_plot
