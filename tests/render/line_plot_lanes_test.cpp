// What the CPU works out for several vertices and edges at a time is what stroke.h and cells.h say
// of each, to the last bit.

#include <gtest/gtest.h>

#include <vector>

#include "kernels/core/random.h"
#include "render/line_plot/edges.h"
#include "render/line_plot/outline.h"

namespace balmer::render::line_plot {
namespace {

struct VectorSink {
    std::vector<CellSum>* sums;
    void add(int cell, CellSum sum) const { sums->at(cell) += sum; }
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
        std::vector<CellSum> expected(side * side + 1);
        std::vector<CellSum> found(side * side + 1);
        Edges edges(found.data(), side);
        GridPoints<16> from;
        GridPoints<16> to;
        for (int i = 0; i < 4000; ++i) {
            const GridPoint a = {coordinate(spread), coordinate(spread)};
            // Level, upright, of one row, of many.
            const int rise = i % 5 == 0 ? 0 : i % 5 == 1 ? 100 : 2000;
            const GridPoint b = {i % 7 == 0 ? a.x : coordinate(spread),
                                 a.y + static_cast<int>(rise * random.normal())};
            add_edge(CellGrid<VectorSink>{{&expected}, side}, a, b);
            if (i % 2 == 0) {
                edges.add(a, b);
            } else {
                from.set(static_cast<std::size_t>(i / 2 % 16), a);
                to.set(static_cast<std::size_t>(i / 2 % 16), b);
                if (i / 2 % 16 == 15) edges.add_short(from, to, 16);
            }
        }
        edges.finish();
        expected.pop_back();
        found.pop_back();
        EXPECT_EQ(found, expected) << spread;
    }
}

}  // namespace
}  // namespace balmer::render::line_plot
