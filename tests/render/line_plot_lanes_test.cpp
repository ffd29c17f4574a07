// What the CPU works out for several vertices and edges at a time is what stroke.h and cells.h say
// of each, to the last bit.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <span>
#include <vector>

#include "kernels/core/random.h"
#include "render/line_plot/edges.h"
#include "render/line_plot/ink.h"
#include "render/line_plot/outline.h"
#include "render/line_plot/overlay.h"
#include "render/line_plot/short_runs.h"

namespace balmer::render::line_plot {
namespace {

struct VectorSink {
    std::vector<CellSum>* sums;
    int side;
    void add(int row, int column, CellSum sum) const { sums->at(row * side + column) += sum; }
};

/// Vertices from left to right, noisy at first, then smooth, with stretches that go straight on and
/// straight back.
Path sample_path(std::size_t count) {
    Random random(7);
    Path path;
    path.clear(count);
    for (std::size_t i = 0; i < count; ++i) {
        const double x = 0.05 * static_cast<double>(i);
        const double noise = i < count / 2 ? 20 * random.normal() : 0.02 * random.normal();
        const bool is_flat = i % 50 > 40;
        path.add({is_flat && i % 3 == 0 ? x - 1 : x, is_flat ? 50.0 : 50 + noise});
    }
    path.connect();
    return path;
}

void expect_points(const std::vector<GridPoint>& expected, const std::vector<GridPoint>& found,
                   std::size_t vertex) {
    std::vector<GridPoint> different;  // some stand twice
    for (const GridPoint& point : found) {
        const bool is_again =
            !different.empty() && different.back().x == point.x && different.back().y == point.y;
        if (!is_again) different.push_back(point);
    }
    std::size_t next = 0;
    for (const GridPoint& point : expected) {
        const bool is_again =
            next > 0 && different[next - 1].x == point.x && different[next - 1].y == point.y;
        if (is_again) continue;
        ASSERT_LT(next, different.size()) << vertex;
        EXPECT_EQ(different[next].x, point.x) << vertex;
        EXPECT_EQ(different[next].y, point.y) << vertex;
        ++next;
    }
    EXPECT_EQ(next, different.size()) << vertex;
}

std::vector<GridPoint> grid_points(const Corner& corner) {
    std::vector<GridPoint> points;
    points.reserve(corner.count);
    for (int i = 0; i < corner.count; ++i) points.push_back(to_grid(corner.points[i]));
    return points;
}

TEST(LinePlotLanes, CornersAreThoseOfTheStroke) {
    const Path path = sample_path(3000);
    std::size_t corners_seen = 0;
    std::size_t straight_seen = 0;
    Corners corners;
    for (std::size_t first = 1; first + 1 < path.size(); first += Corners::capacity) {
        const std::size_t count = std::min<std::size_t>(Corners::capacity, path.size() - 1 - first);
        path.find_corners(first, count, corners);
        for (std::size_t i = 0; i < count; ++i) {
            if (corners.is_corner[i] == 0) {
                ++straight_seen;
                continue;
            }
            ++corners_seen;
            const std::size_t v = first + i;
            const Point a = path.vertex(v - 1);
            const Point b = path.vertex(v);
            const Point c = path.vertex(v + 1);
            const Segment in = path.segment(v - 1);
            const Segment out = path.segment(v);
            EXPECT_EQ(in.length, Segment(a, b).length);
            EXPECT_EQ(in.normal, Segment(a, b).normal);
            const auto left = grid_points(corner_of(a, b, c, in, out));
            const auto right = grid_points(corner_of(c, b, a, out.reversed(), in.reversed()));
            const bool is_left_inner = cross(a, b, c) > 0;
            std::vector<GridPoint> inner;
            std::vector<GridPoint> outer;
            for (const auto& column : corners.inner) inner.push_back(column[i]);
            for (const auto& column : corners.outer) outer.push_back(column[i]);
            expect_points(is_left_inner ? left : right, inner, v);
            expect_points(is_left_inner ? right : left, outer, v);
            expect_points({left.front()}, {corners.left_first[i]}, v);
            expect_points({left.back()}, {corners.left_last[i]}, v);
            expect_points({right.back()}, {corners.right_first[i]}, v);
            expect_points({right.front()}, {corners.right_last[i]}, v);
        }
    }
    EXPECT_GT(corners_seen, 2000U);
    EXPECT_GT(straight_seen, 20U);
}

TEST(LinePlotLanes, EdgesAddWhatAddEdgeAdds) {
    constexpr int side = 50;
    Random random(11);
    const auto coordinate = [&](double spread) {
        return static_cast<int>(256 * (25 + spread * random.normal()));
    };
    for (const double spread : {0.3, 3.0, 12.0, 60.0}) {
        std::vector<CellSum> expected(side * side);
        CellColumns found(side);
        Edges edges(found);
        GridPoints<16> from;
        GridPoints<16> to;
        for (int i = 0; i < 4000; ++i) {
            const GridPoint a = {coordinate(spread), coordinate(spread)};
            // Level, upright, of one row, of many.
            const int rise = i % 5 == 0 ? 0 : i % 5 == 1 ? 100 : 2000;
            const GridPoint b = {i % 7 == 0 ? a.x : coordinate(spread),
                                 a.y + static_cast<int>(rise * random.normal())};
            add_edge(CellGrid<VectorSink>{{&expected, side}, side}, a, b);
            if (i % 2 == 0) {
                edges.add(a, b);
            } else {
                from.set(static_cast<std::size_t>(i / 2 % 16), a);
                to.set(static_cast<std::size_t>(i / 2 % 16), b);
                if (i / 2 % 16 == 15) edges.add_short(from, to, 16);
            }
        }
        edges.finish();
        for (int y = 0; y < side; ++y) {
            for (int x = 0; x < side; ++x) {
                EXPECT_EQ(found.sums()[x * found.stride() + y], expected[y * side + x])
                    << spread << ": row " << y << ", column " << x;
            }
        }
    }
}

TEST(LinePlotLanes, TallEdgesAddWhatAddEdgeAdds) {
    constexpr int side = 600;  // more blocks of rows than are listed at a time
    Random random(13);
    std::vector<CellSum> expected(side * side);
    CellColumns found(side);
    Edges edges(found);
    for (int i = 0; i < 300; ++i) {
        const auto y = [&] { return static_cast<int>(256 * side * random.uniform()); };
        const int x = static_cast<int>(256 * side * random.uniform());
        const int shift = static_cast<int>((i % 3 == 0 ? 20 : 300) * random.normal());
        const GridPoint a = {x, y()};
        const GridPoint b = {x + shift, y()};
        add_edge(CellGrid<VectorSink>{{&expected, side}, side}, a, b);
        edges.add(a, b);
    }
    edges.finish();
    for (int y = 0; y < side; ++y) {
        for (int x = 0; x < side; ++x) {
            ASSERT_EQ(found.sums()[x * found.stride() + y], expected[y * side + x])
                << "row " << y << ", column " << x;
        }
    }
}

TEST(LinePlotLanes, CoverageIsThatOfEveryCell) {
    constexpr int side = 50;  // no multiple of the pixels that are looked at together
    Random random(5);
    CellColumns cells(side);
    Coverage covered;
    for (const double share : {0.02, 0.9}) {
        std::vector<CellSum> sums(side * side);
        for (int i = 0; i < side * side; ++i) {
            if (random.uniform() > share) continue;
            const int cover = static_cast<int>(300 * random.normal());
            sums[i] = cell_sum(cover, static_cast<int>(200 * random.normal()) * cover);
            cells.sums()[i % side * cells.stride() + i / side] = sums[i];
        }
        cells.cover(covered);
        for (int y = 0; y < side; ++y) {
            std::uint32_t left = 0;
            for (int x = 0; x < side; ++x) {
                const CellSum sum = sums[y * side + x];
                left += cover_of(sum);
                const int tile = y / group * cells.tiles() + x / group;
                const std::uint64_t row =
                    covered.is_blank[tile] != 0 ? 0 : covered.tiles[tile][y % group];
                ASSERT_EQ(row >> 8 * (x % group) & 255, coverage(left, area_of(sum)))
                    << "row " << y << ", column " << x;
            }
        }
        cells.cover(covered);
        EXPECT_EQ(std::count(covered.is_blank.begin(), covered.is_blank.end(), 1),
                  cells.tiles() * cells.tiles())
            << "the polygon is not forgotten";
    }
}

TEST(LinePlotLanes, TranslucentInkIsBlendedAsEveryLevelIs) {
    for (const std::uint32_t level : {0U, 128U, 255U}) {
        for (std::uint32_t alpha = 0; alpha < 255; ++alpha) {
            for (std::uint32_t under = 0; under < 256; under += group) {
                const Levels unders = under + Levels{0, 1, 2, 3, 4, 5, 6, 7};
                const Levels found = blended_translucent(unders, level, alpha - Levels{});
                for (int i = 0; i < group; ++i) {
                    const std::uint32_t dividend = blended_dividend(unders[i], level, alpha);
                    ASSERT_EQ(found[i], dividend / (opaque + alpha)) << level << ' ' << alpha;
                }
            }
        }
    }
}

/// A tile whose rows are blank, covered here and there, or everywhere.
Coverage::Tile random_tile(Random& random) {
    Coverage::Tile tile{};
    for (std::uint64_t& row : tile) {
        const double share = std::array{0.0, 0.3, 1.0}[static_cast<int>(3 * random.uniform())];
        for (int x = 0; x < group; ++x) {
            const auto level = static_cast<std::uint64_t>(255 * random.uniform() + 0.5);
            if (random.uniform() < share) row |= level << 8 * x;
        }
    }
    return tile;
}

/// Row by row, the tiles drawn one part over the other into an image of u8.
std::vector<Pixel> drawn_over(std::span<const Ink> inks, std::span<const Coverage> parts, int side,
                              int tiles) {
    ImageOptions options;
    options.image_size = side;
    std::vector<Pixel> image(side * side);
    PixelRows output(options, View(image.data(), DType::u8, {1, side, side, 3}));
    Overlay overlay(inks, output);
    output.begin(0);
    for (int row = 0; row < tiles; ++row) {
        output.add(Overlay::background, overlay.draw(parts, row * tiles, tiles),
                   overlay.palettes());
    }
    return image;
}

TEST(LinePlotLanes, PartsAreDrawnOverEachOtherAsEveryPixelIs) {
    constexpr int tiles = 7;
    constexpr int side = 50;  // the last tiles reach beyond the image
    Random random(3);
    std::vector<Coverage> parts(overlap_parts);
    for (Coverage& part : parts) {
        for (int i = 0; i < tiles * tiles; ++i) {
            part.tiles.push_back(random_tile(random));
            part.is_blank.push_back(random.uniform() < 0.5 ? 1 : 0);
        }
    }
    const std::span<const Ink> one_ink(&simple_ink, 1);
    for (const std::span<const Ink> inks : {one_ink, std::span<const Ink>(overlap_inks)}) {
        const auto drawn = std::span<const Coverage>(parts).first(inks.size());
        const std::vector<Pixel> image = drawn_over(inks, drawn, side, tiles);
        for (int i = 0; i < side * side; ++i) {
            const int x = i % side;
            const int y = i / side;
            const int tile = y / group * tiles + x / group;
            Pixel expected = Overlay::background;
            for (std::size_t p = 0; p < inks.size(); ++p) {
                if (parts[p].is_blank[tile] != 0) continue;
                const auto covered = parts[p].tiles[tile][y % group] >> 8 * (x % group) & 255;
                for (int c = 0; c < 3; ++c) {
                    expected[c] = blended(expected[c], inks[p].levels[c], inks[p].opacity, covered);
                }
            }
            ASSERT_EQ(image[i], expected) << "row " << y << ", column " << x;
        }
    }
}

TEST(LinePlotLanes, FlagsNameTheEdgesThatHaveThem) {
    for (const std::size_t count : {0U, 1U, 8U, 37U, 64U}) {
        Flags flags;
        flags.of.fill(1);  // beyond the count they do not matter
        std::vector<int> times(Flags::capacity, 0);
        for (std::size_t i = 0; i < count; ++i) flags.of[i] = i % 3 == 1 || i > 30 ? 1 : 0;
        flags.for_each(count, [&](std::size_t i) { ++times.at(i); });
        for (std::size_t i = 0; i < Flags::capacity; ++i) {
            EXPECT_EQ(times[i], i < count && (i % 3 == 1 || i > 30) ? 1 : 0) << count << ": " << i;
        }
    }
}

TEST(LinePlotLanes, LevelsComeBackFromTheirBytes) {
    const Levels red = levels_of(0x0807060504030201);
    const Levels green = 100 + red;
    const Levels blue = 255 - red;
    for (int i = 0; i < group; ++i) EXPECT_EQ(red[i], i + 1U);
    const auto bytes = bytes_of({red, green, blue});
    EXPECT_EQ(bytes[0], 0x0807060504030201U);
    for (int i = 0; i < group; ++i) {
        EXPECT_EQ(bytes[1] >> 8 * i & 255, green[i]);
        EXPECT_EQ(bytes[2] >> 8 * i & 255, blue[i]);
    }
}

/// What a run draws, and with how many pixels it ends.
void expect_run(const std::vector<double>& x, const std::vector<double>& y, std::int64_t pixels,
                std::int64_t seed, const ShortRun& found) {
    const auto vertex = [&](std::int64_t i) { return Point{x[i], y[i]}; };
    RunBuilder builder(vertex(seed - 1), vertex(seed), seed);
    std::int64_t next = seed + 1;
    while (next < pixels && builder.add(vertex(next), next)) ++next;
    if (next == pixels) return;  // the last of a line is of no interest
    if (next - seed > most_short_run) {
        EXPECT_EQ(found.length, 0) << seed;
        return;
    }
    std::int64_t drawn[3];
    const int count = builder.run().vertices(false, drawn);
    ASSERT_EQ(found.length, next - seed) << seed;
    ASSERT_EQ(found.count, count) << seed;
    for (int i = 0; i < count; ++i) EXPECT_EQ(seed + found.vertices[i], drawn[i]) << seed;
}

TEST(LinePlotLanes, ShortRunsAreThoseOfTheSimplifier) {
    constexpr std::int64_t pixels = 4001;
    Random random(3);
    for (const double step : {0.01, 0.05, 0.2}) {
        std::vector<double> x(pixels + short_runs_reach);
        std::vector<double> y(pixels + short_runs_reach);
        for (std::int64_t i = 0; i < pixels; ++i) {
            x[i] = step * static_cast<double>(i);
            y[i] = 100 + (i / 1000 % 2 == 0 ? 10 : 0.1) * random.normal();
            if (i % 97 == 0) y[i] = std::numeric_limits<double>::quiet_NaN();
        }
        std::vector<std::uint8_t> kinds;
        find_short_runs(x, y, {0, pixels}, kinds);
        std::array<int, most_short_run + 1> lengths{};
        for (std::int64_t seed = 1; seed < pixels; ++seed) {
            if (std::isnan(y[seed - 1]) || std::isnan(y[seed])) continue;
            const ShortRun& run = short_runs[kinds[seed]];
            expect_run(x, y, pixels, seed, run);
            ++lengths[run.length];
        }
        for (const int seen : lengths) EXPECT_GT(seen, 0) << step;
    }
}

TEST(LinePlotLanes, RepeatedVerticesAreLeftOut) {
    Path path;
    path.clear(8);
    for (const Point point :
         {Point{1, 2}, {1, 2}, {1, 2}, {3, 2}, {3, 4}, {3, 4}, {1, 2}, {1, 2}}) {
        path.add(point);
    }
    path.drop_repeated();
    ASSERT_EQ(path.size(), 4U);
    EXPECT_EQ(path.vertex(0), (Point{1, 2}));
    EXPECT_EQ(path.vertex(1), (Point{3, 2}));
    EXPECT_EQ(path.vertex(2), (Point{3, 4}));
    EXPECT_EQ(path.vertex(3), (Point{1, 2}));
}

}  // namespace
}  // namespace balmer::render::line_plot
