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

/// Where the line through a and b meets that through c and d, if `denominator` is not next to 0.
template <class Real>
struct Crossing {
    Real denominator;
    PointOf<Real> point;

    constexpr Crossing(PointOf<Real> a, PointOf<Real> b, PointOf<Real> c, PointOf<Real> d) {
        const Real numerator = (a.y - c.y) * (d.x - c.x) - (a.x - c.x) * (d.y - c.y);
        denominator = (b.x - a.x) * (d.y - c.y) - (b.y - a.y) * (d.x - c.x);
        const Real share = numerator / denominator;
        point = {a.x + share * (b.x - a.x), a.y + share * (b.y - a.y)};
    }
};

inline constexpr double parallel = 1e-30;  ///< a denominator up to it

/// The same; false if they are parallel.
constexpr bool intersect(Point a, Point b, Point c, Point d, Point& result) {
    const Crossing crossing(a, b, c, d);
    if (crossing.denominator < parallel && crossing.denominator > -parallel) return false;
    result = crossing.point;
    return true;
}

inline constexpr double straight = 1e-14;  ///< a cross product up to it

template <class Real>
constexpr Real cross(PointOf<Real> a, PointOf<Real> b, PointOf<Real> c) {
    return (c.x - b.x) * (b.y - a.y) - (c.y - b.y) * (b.x - a.x);
}

template <class Real>
constexpr PointOf<Real> sum(PointOf<Real> a, PointOf<Real> b) {
    return {a.x + b.x, a.y + b.y};
}

/// How an arc from centre + from to centre + to, half a circle at most, is cut into up to three
/// steps, so that none leaves the circle by more than 1/8 pixel.
struct ArcSteps {
    static constexpr double ratio = half_width / (half_width + 0.125);
    static constexpr double one = 2 * ratio * ratio - 1;  ///< cosine of the widest step
    static constexpr double two = 2 * one * one - 1;      ///< of twice that angle
    static constexpr double square = half_width * half_width;
};

/// The cosine of an arc.
template <class Real>
constexpr Real arc_cosine(PointOf<Real> from, PointOf<Real> to) {
    return (from.x * to.x + from.y * to.y) / ArcSteps::square;
}

/// The point half way, from the centre.
template <class Real>
constexpr PointOf<Real> half_of_arc(PointOf<Real> from, PointOf<Real> to) {
    const PointOf<Real> middle = sum(from, to);
    const Real scale = half_width / square_root(middle.x * middle.x + middle.y * middle.y);
    return {middle.x * scale, middle.y * scale};
}

/// The points after one third and two, from the centre, of hardly less than half a circle: a third
/// of it is 60 degrees less a third of what is missing, whose sine is at most 0.17, so that series
/// give it to 1e-11.
template <class Real>
struct ThirdsOfArc {
    PointOf<Real> first;
    PointOf<Real> second;

    constexpr ThirdsOfArc(PointOf<Real> from, PointOf<Real> to) {
        const Real sine = (from.x * to.y - from.y * to.x) / ArcSteps::square;
        const Real sine2 = sine * sine;
        const Real series =
            1. + sine2 * (1. / 6 + sine2 * (3. / 40 + sine2 * (15. / 336 + sine2 * (105. / 3456))));
        const Real angle = sine * series * (1. / 3);
        const Real angle2 = angle * angle;
        const Real sine_less = angle * (1. - angle2 * (1. / 6 - angle2 * (1. / 120)));
        const Real cosine_less = 1. - angle2 * (0.5 - angle2 * (1. / 24 - angle2 * (1. / 720)));
        constexpr double sine_of_60 = 0.8660254037844386;
        const Real s = sine_of_60 * cosine_less - 0.5 * sine_less;
        const Real c = 0.5 * cosine_less + sine_of_60 * sine_less;
        first = {from.x * c - from.y * s, from.x * s + from.y * c};
        second = {to.x * c + to.y * s, to.y * c - to.x * s};
    }
};

/// The points after centre + from, up to centre + to, on the circle through both.
constexpr void add_arc(Point centre, Point from, Point to, Corner& corner) {
    const double cosine = arc_cosine(from, to);
    if (cosine > ArcSteps::one) return corner.add(sum(centre, to));
    if (cosine > ArcSteps::two) {
        corner.add(sum(centre, half_of_arc(from, to)));
        return corner.add(sum(centre, to));
    }
    const ThirdsOfArc thirds(from, to);
    corner.add(sum(centre, thirds.first));
    corner.add(sum(centre, thirds.second));
    corner.add(sum(centre, to));
}

/// How far from the vertex the edges of an inner side may meet, if both segments are shorter.
inline constexpr double least_limit = 1.01 * half_width;
/// Of the middle between the two normals from the vertex, where there is hardly a corner.
inline constexpr double almost = half_width * (1023.0 / 1024.0);

/// The left side of the corner at `b` on the way from a over b to c, along the segments in and out.
constexpr Corner corner_of(Point a, Point b, Point c, const Segment& in, const Segment& out) {
    Corner corner;
    const Point before = sum(b, in.normal);
    const Point after = sum(b, out.normal);
    const Point start = sum(a, in.normal);
    const Point end = sum(c, out.normal);
    Point meeting = before;
    if (cross(a, b, c) > straight) {
        // The inner side, where the edges meet if that is not beyond the shorter segment.
        const double shorter = in.length < out.length ? in.length : out.length;
        const double limit = shorter < least_limit ? least_limit : shorter;
        if (intersect(start, before, after, end, meeting)) {
            const double dx = meeting.x - b.x;
            const double dy = meeting.y - b.y;
            if (dx * dx + dy * dy <= limit * limit) {
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
    if (x * x + y * y > almost * almost) {
        intersect(start, before, after, end, meeting);
        corner.add(meeting);
        return corner;
    }
    corner.add(before);
    add_arc(b, in.normal, out.normal, corner);
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
