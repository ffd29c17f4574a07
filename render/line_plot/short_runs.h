#pragma once
// Runs of simplify.h that are short, as most are, from several vertices at a time. For the CPU.

#include <array>
#include <cstdint>
#include <vector>

#include "render/line_plot/axes.h"
#include "render/line_plot/lanes.h"
#include "render/line_plot/simplify.h"

namespace balmer::render::line_plot {

/// A run in short: its pixels from its seed on, and those that it draws.
struct ShortRun {
    int length = 0;  ///< 0: longer than most_short_run
    int count = 0;
    std::array<int, 3> vertices{};
};

inline constexpr int most_short_run = 4;
/// How far beyond the last pixel find_short_runs reads.
inline constexpr int short_runs_reach = most_short_run + lanes;

/// Which kind of run this is: an index of short_runs. `backward` 0: none.
constexpr int kind_of_run(int length, int forward, int backward) {
    return (length - 1) + most_short_run * (forward + most_short_run * backward);
}
inline constexpr int kinds_of_short_run = most_short_run * most_short_run * most_short_run;

/// Runs that are not the last of a line, by kind; after those, all that are longer.
inline constexpr auto short_runs = [] {
    std::array<ShortRun, kinds_of_short_run + 1> runs{};
    for (int length = 1; length <= most_short_run; ++length) {
        for (int forward = 0; forward < length; ++forward) {
            for (int backward = 0; backward < length; ++backward) {
                const Run run{forward, backward == 0 ? -1 : backward, length - 1};
                std::int64_t vertices[3] = {};
                ShortRun& found = runs[kind_of_run(length, forward, backward)];
                found.length = length;
                found.count = run.vertices(false, vertices);
                for (int i = 0; i < 3; ++i) found.vertices[i] = static_cast<int>(vertices[i]);
            }
        }
    }
    return runs;
}();

/// The kinds of the runs that begin with each vertex of a part but its first, into `kinds`.
void find_short_runs(const std::vector<double>& x, const std::vector<double>& y, const Part& part,
                     std::vector<std::uint8_t>& kinds);

}  // namespace balmer::render::line_plot
