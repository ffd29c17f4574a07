// The steps of a line plot by themselves: limits of the axes, snapping, runs, corners, cells and
// colours.

#include <gtest/gtest.h>

#include <vector>

#include "kernels/core/random.h"
#include "render/line_plot/cells.h"
#include "render/line_plot/simplify.h"
#include "render/line_plot/stroke.h"

namespace balmer::render::line_plot {
namespace {

TEST(LinePlotLimits, DataGetFivePercentMoreOnEachSide) {
    Limits limits;
    limits.include(10);
    limits.include(30);
    limits.autoscale();
    EXPECT_DOUBLE_EQ(limits.low, 9);
    EXPECT_DOUBLE_EQ(limits.high, 31);
}

TEST(LinePlotLimits, ConstantDataAndNoDataGetRoom) {
    Limits constant;
    constant.include(-2);
    constant.autoscale();
    EXPECT_DOUBLE_EQ(constant.low, -2.11);
    EXPECT_DOUBLE_EQ(constant.high, -1.89);
    Limits zero;
    zero.include(0);
    zero.autoscale();
    Limits none;
    none.autoscale();
    for (const Limits& limits : {zero, none}) {
        EXPECT_DOUBLE_EQ(limits.low, -0.055);
        EXPECT_DOUBLE_EQ(limits.high, 0.055);
    }
}

TEST(LinePlotLimits, AxesFillTheImageAndYGrowsDownwards) {
    Limits limits;
    limits.include(0);
    limits.include(1);
    EXPECT_NEAR(horizontal_axis(limits, 110)(0), 5, 1e-12);
    EXPECT_NEAR(horizontal_axis(limits, 110)(1), 105, 1e-12);
    EXPECT_NEAR(vertical_axis(limits, 110)(0), 105, 1e-12);
    EXPECT_NEAR(vertical_axis(limits, 110)(1), 5, 1e-12);
}

TEST(LinePlotParts, AreThoseOfArraySplit) {
    const std::int64_t begins[] = {0, 4, 7};
    const std::int64_t ends[] = {4, 7, 10};
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(split(10, 3, i).begin, begins[i]);
        EXPECT_EQ(split(10, 3, i).end, ends[i]);
    }
    EXPECT_EQ(split(2, 3, 2).pixels(), 0);
}

TEST(LinePlotRuns, TakeInWhatLiesOnTheLine) {
    const std::vector<Point> vertices = {{0, 0}, {1, 0}, {5, 0.1}, {-2, 0.1}, {3, 0}, {3, 0.2}};
    RunBuilder builder(vertices[0], vertices[1], 1);
    std::int64_t next = 2;
    while (next < 6 && builder.add(vertices[next], next)) ++next;
    EXPECT_EQ(next, 5);
    EXPECT_EQ(builder.run().forward, 2);
    EXPECT_EQ(builder.run().backward, 3);
    EXPECT_EQ(builder.run().last, 4);
    std::int64_t drawn[3];
    ASSERT_EQ(builder.run().vertices(false, drawn), 3);
    EXPECT_EQ(drawn[0], 2);
    EXPECT_EQ(drawn[1], 3);
    EXPECT_EQ(drawn[2], 4);
}

TEST(LinePlotRuns, EndForwardsWhereTheLastVertexIsTheFarthest) {
    const line_plot::Run run{9, 7, 9};
    std::int64_t drawn[3];
    ASSERT_EQ(run.vertices(false, drawn), 2);
    EXPECT_EQ(drawn[0], 7);
    EXPECT_EQ(drawn[1], 9);
    ASSERT_EQ(run.vertices(true, drawn), 3);
    EXPECT_EQ(drawn[0], 9);
    EXPECT_EQ(drawn[1], 7);
    EXPECT_EQ(drawn[2], 9);
}

TEST(LinePlotStroke, ArcsLieOnTheCircleAndAreEvenlyDivided) {
    for (const double degrees : {20.0, 100.0, 160.0, 172.0, 179.0, 180.0}) {
        const double turn = degrees / 180 * 3.14159265358979323846;
        const Point from = {half_width * std::cos(0.3), half_width * std::sin(0.3)};
        const Point to = {half_width * std::cos(0.3 + turn), half_width * std::sin(0.3 + turn)};
        Corner corner;
        add_arc({50, 60}, from, to, corner);
        EXPECT_EQ(corner.count, degrees < 85 ? 1 : degrees < 171 ? 2 : 3) << degrees;
        for (int i = 0; i < corner.count; ++i) {
            const double angle = 0.3 + turn * (i + 1) / corner.count;
            EXPECT_NEAR(corner.points[i].x, 50 + half_width * std::cos(angle), 1e-9) << degrees;
            EXPECT_NEAR(corner.points[i].y, 60 + half_width * std::sin(angle), 1e-9) << degrees;
        }
    }
}

TEST(LinePlotStroke, CapsProjectByHalfTheWidth) {
    const Corner cap = cap_of({10, 20}, Segment({10, 20}, {15, 20}));
    ASSERT_EQ(cap.count, 2);
    for (const Point& point : cap.points) {
        if (point.x == 0) continue;
        EXPECT_NEAR(point.x, 10 - half_width, 1e-12);
    }
    EXPECT_NEAR(cap.points[0].y, 20 + half_width, 1e-12);
    EXPECT_NEAR(cap.points[1].y, 20 - half_width, 1e-12);
}

struct VectorSink {
    std::vector<CellSum>* sums;
    int side;
    void add(int row, int column, CellSum sum) const { sums->at(row * side + column) += sum; }
};

/// Coverage of a side x side image by a polygon.
std::vector<std::uint32_t> covered(int side, const std::vector<Point>& polygon) {
    std::vector<CellSum> sums(side * side);
    const CellGrid<VectorSink> grid{{&sums, side}, side};
    for (std::size_t i = 0; i < polygon.size(); ++i) {
        add_edge(grid, to_grid(polygon[i]), to_grid(polygon[(i + 1) % polygon.size()]));
    }
    std::vector<std::uint32_t> result(side * side);
    for (int y = 0; y < side; ++y) {
        std::uint32_t cover = 0;
        for (int x = 0; x < side; ++x) {
            cover += cover_of(sums[y * side + x]);
            result[y * side + x] = coverage(cover, area_of(sums[y * side + x]));
        }
    }
    return result;
}

TEST(LinePlotCells, WholeStepsAreExact) {
    Random random(3);
    for (int i = 0; i < 20000; ++i) {
        const auto rise =
            static_cast<std::int64_t>(random.below(1 << (1 + i % 22))) * (i % 2 * 2 - 1);
        const auto run = static_cast<std::int64_t>(random.below(1 << (1 + i / 2 % 21))) + 257;
        const auto first = static_cast<std::int64_t>(random.below(257));
        WholeSteps steps(static_cast<int>(first), static_cast<int>(rise), static_cast<int>(run));
        const auto floor_at = [&](std::int64_t k) {
            const std::int64_t product = (first + 256 * k) * rise;
            return product / run - (product % run < 0 ? 1 : 0);
        };
        ASSERT_EQ(steps.current(), floor_at(0)) << first << " " << rise << " " << run;
        steps.prepare();
        for (std::int64_t k = 1; (k + 1) * 256 < run && k < 300; ++k) {
            ASSERT_EQ(steps.next(), floor_at(k)) << first << " " << rise << " " << run << " " << k;
        }
    }
}

TEST(LinePlotCells, ARectangleCoversItsShareOfEveryPixel) {
    const auto result = covered(4, {{0.5, 1}, {0.5, 2.25}, {3, 2.25}, {3, 1}});
    const std::vector<std::uint32_t> expected = {0,  0,  0,  0, 128, 255, 255, 0,
                                                 32, 64, 64, 0, 0,   0,   0,   0};
    EXPECT_EQ(result, expected);
}

TEST(LinePlotCells, TheWayRoundMakesNoDifferenceAndTwiceIsTwiceAsDark) {
    const std::vector<Point> triangle = {{0.2, 0.3}, {7.9, 3.1}, {2.4, 7.7}};
    const auto once = covered(8, triangle);
    const auto back = covered(8, {triangle[0], triangle[2], triangle[1]});
    std::vector<Point> double_way = triangle;
    double_way.insert(double_way.end(), triangle.begin(), triangle.end());
    const auto twice = covered(8, double_way);
    for (std::size_t i = 0; i < once.size(); ++i) {
        EXPECT_NEAR(once[i], back[i], 1) << i;
        EXPECT_NEAR(twice[i], std::min(255U, 2 * once[i]), 1) << i;
    }
}

TEST(LinePlotCells, WhatLiesOutsideOfTheImageIsCutOff) {
    const std::vector<Point> polygon = {{-9.3, -7.1}, {17.2, -3.3}, {13.6, 21.8}, {-5.5, 4.9}};
    const auto small = covered(8, polygon);
    std::vector<Point> moved = polygon;
    for (Point& point : moved) point = {point.x + 16, point.y + 16};
    const auto large = covered(48, moved);
    for (int y = 0; y < 8; ++y) {
        for (int x = 0; x < 8; ++x) {
            EXPECT_EQ(small[y * 8 + x], large[(y + 16) * 48 + x + 16]) << x << " " << y;
        }
    }
}

TEST(LinePlotCells, PointsFarAwayAndNanStayInRange) {
    const double nan = std::numeric_limits<double>::quiet_NaN();
    for (const double value : {1e300, -1e300, nan, 8191.0, -8191.0}) {
        EXPECT_LE(std::abs(to_grid(value)), 8191 * 256) << value;
    }
    EXPECT_EQ(to_grid(0.5 / 256), 1);
    EXPECT_EQ(to_grid(-0.5 / 256), -1);
    EXPECT_NO_THROW(covered(8, {{nan, nan}, {1e300, 3}, {-1e300, -1e300}}));
}

TEST(LinePlotCells, SumsOfBothSignsComeApartAgain) {
    CellSum sum = 0;
    int cover = 0;
    int area = 0;
    for (int i = 0; i < 1000; ++i) {
        const int own_cover = i * 37 % 512 - 256;
        const int own_area = own_cover * (i % 513);
        sum += cell_sum(own_cover, own_area);
        cover += own_cover;
        area += own_area;
    }
    EXPECT_EQ(static_cast<int>(cover_of(sum)), cover);
    EXPECT_EQ(area_of(sum), area);
}

TEST(LinePlotColours, InkCoversWhiteByItsShare) {
    EXPECT_EQ(blended(255, 31, 255, 255), 31U);
    EXPECT_EQ(blended(255, 31, 255, 0), 255U);
    EXPECT_EQ(blended(200, 31, 0, 255), 200U);
    EXPECT_NEAR(blended(255, 0, 128, 255), 127, 1);
    EXPECT_NEAR(blended(100, 200, 255, 128), 150, 1);
}

}  // namespace
}  // namespace balmer::render::line_plot
