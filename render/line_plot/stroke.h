#pragma once
// A line of some width as a polygon: round joins on the outer side of a corner, where the two edges
// meet on the inner side, square caps. One subpath is one polygon: first cap, the corners forwards,
// second cap, the corners backwards.
//
// Source: the stroker of Anti-Grain Geometry 2.4 (agg_math_stroke.h; M. Shemanarev) with
// matplotlib's settings. Its arcs go through atan2, cos and sin, whose last bits differ from device
// to device; here they are bisected and trisected with + - * / and square roots.

#include <cmath>

#include "render/line_plot/axes.h"

namespace balmer::render::line_plot {

/// 0.5 points at 100 dpi.
inline constexpr double line_width = 0.5 * 100.0 / 72.0;
inline constexpr double half_width = line_width * 0.5;

/// A template, because std::sqrt is no constexpr function of C++20.
template <class Number>
constexpr Number square_root(Number x) {
    return sqrt(x);
}

/// The points of a corner on one side of the line, or of a cap.
struct Corner {
    Point points[4];
    int count = 0;

    constexpr void add(Point point) { points[count++] = point; }
    constexpr Point first() const { return points[0]; }
    constexpr Point last() const { return points[count - 1]; }
};

/// A segment of the line: its length, and half_width at a right angle to its direction.
struct Segment {
    double length;
    Point normal;

    constexpr Segment() : length(0), normal{0, 0} {}
    constexpr Segment(Point from, Point to) {
        const double dx = to.x - from.x;
        const double dy = to.y - from.y;
        length = square_root(dx * dx + dy * dy);
        normal = {half_width * dy / length, -(half_width * dx / length)};
    }
    constexpr Segment reversed() const {
        Segment result = *this;
        result.normal = {-normal.x, -normal.y};
        return result;
    }
};

/// Where the line through a and b meets that through c and d; false if they are parallel.
constexpr bool intersect(Point a, Point b, Point c, Point d, Point& result) {
    const double numerator = (a.y - c.y) * (d.x - c.x) - (a.x - c.x) * (d.y - c.y);
    const double denominator = (b.x - a.x) * (d.y - c.y) - (b.y - a.y) * (d.x - c.x);
    if (denominator < 1e-30 && denominator > -1e-30) return false;
    const double share = numerator / denominator;
    result = {a.x + share * (b.x - a.x), a.y + share * (b.y - a.y)};
    return true;
}

constexpr double cross(Point a, Point b, Point c) {
    return (c.x - b.x) * (b.y - a.y) - (c.y - b.y) * (b.x - a.x);
}

constexpr Point sum(Point a, Point b) {
    return {a.x + b.x, a.y + b.y};
}

/// The points between centre + from and centre + to on the circle through both, so that no step
/// leaves the circle by more than 1/8 pixel: two at most, as the arc is half a circle at most.
constexpr void add_arc(Point centre, Point from, Point to, Corner& corner) {
    constexpr double ratio = half_width / (half_width + 0.125);
    constexpr double one_step = 2 * ratio * ratio - 1;         // cosine of the widest step
    constexpr double two_steps = 2 * one_step * one_step - 1;  // of twice that angle
    constexpr double square = half_width * half_width;
    const double cosine = (from.x * to.x + from.y * to.y) / square;
    if (cosine > one_step) return;
    if (cosine > two_steps) {
        const Point middle = sum(from, to);
        const double length = square_root(middle.x * middle.x + middle.y * middle.y);
        const double scale = half_width / length;
        corner.add({centre.x + middle.x * scale, centre.y + middle.y * scale});
        return;
    }
    // sin(3 a) = 3 sin(a) - 4 sin(a)^3 for a near 60 degrees, by Newton's method.
    const double sine = (from.x * to.y - from.y * to.x) / square;
    double s = 0.8660254037844386;
    for (int i = 0; i < 4; ++i) s -= (3 * s - 4 * s * s * s - sine) / (3 - 12 * s * s);
    const double rest = 1 - s * s;
    const double c = square_root(rest > 0 ? rest : 0.0);
    corner.add({centre.x + (from.x * c - from.y * s), centre.y + (from.x * s + from.y * c)});
    corner.add({centre.x + (to.x * c + to.y * s), centre.y + (to.y * c - to.x * s)});
}

/// The left side of the corner at `b` on the way from a over b to c, along the segments in and out.
constexpr Corner corner_of(Point a, Point b, Point c, const Segment& in, const Segment& out) {
    Corner corner;
    const Point before = sum(b, in.normal);
    const Point after = sum(b, out.normal);
    const Point start = sum(a, in.normal);
    const Point end = sum(c, out.normal);
    Point meeting = before;
    if (cross(a, b, c) > 1e-14) {
        // The inner side, where the edges meet if that is not beyond the shorter segment.
        double limit = (in.length < out.length ? in.length : out.length) / half_width;
        limit = half_width * (limit < 1.01 ? 1.01 : limit);
        if (intersect(start, before, after, end, meeting)) {
            const double dx = meeting.x - b.x;
            const double dy = meeting.y - b.y;
            if (square_root(dx * dx + dy * dy) <= limit) {
                corner.add(meeting);
                return corner;
            }
        } else if ((cross(a, b, before) < 0) == (cross(b, c, before) < 0)) {
            corner.add(before);
            return corner;
        }
        corner.add(before);
        corner.add(after);
        return corner;
    }
    // The outer side; hardly a corner: one point.
    const double x = (in.normal.x + out.normal.x) / 2;
    const double y = (in.normal.y + out.normal.y) / 2;
    if (half_width - square_root(x * x + y * y) < half_width / 1024) {
        intersect(start, before, after, end, meeting);
        corner.add(meeting);
        return corner;
    }
    corner.add(before);
    add_arc(b, in.normal, out.normal, corner);
    corner.add(after);
    return corner;
}

/// The cap at the start of the segment that leaves `end`.
constexpr Corner cap_of(Point end, const Segment& out) {
    const Point back = {out.normal.y, -out.normal.x};
    Corner corner;
    corner.add({end.x - out.normal.x + back.x, end.y - out.normal.y + back.y});
    corner.add({end.x + out.normal.x + back.x, end.y + out.normal.y + back.y});
    return corner;
}

}  // namespace balmer::render::line_plot
