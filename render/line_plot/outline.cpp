#include "render/line_plot/outline.h"

namespace balmer::render::line_plot {
namespace {

struct LaneSegments {
    Doubles length;
    Points normal;
};

Choice is_parallel_in(const Crossing<Doubles>& crossing) {
    return (crossing.denominator < parallel) & (crossing.denominator > -parallel);
}

struct InnerSide {
    Points before;
    Points after;
    Choice is_parallel;

    /// As corner_of where the line turns to that side.
    InnerSide(const Points& a, const Points& b, const Points& c, const LaneSegments& in,
              const LaneSegments& out)
        : before(sum(b, in.normal)), after(sum(b, out.normal)) {
        const Crossing crossing(sum(a, in.normal), before, after, sum(c, out.normal));
        is_parallel = is_parallel_in(crossing);
        const Doubles shorter = in.length < out.length ? in.length : out.length;
        const Doubles limit = shorter < least_limit ? least_limit - Doubles{} : shorter;
        const Doubles dx = crossing.point.x - b.x;
        const Doubles dy = crossing.point.y - b.y;
        const Choice meets = dx * dx + dy * dy <= limit * limit;
        before = chosen(meets, crossing.point, before);
        after = chosen(meets, crossing.point, after);
    }
};

struct OuterSide {
    std::array<Points, 4> points;
    Choice is_parallel;

    /// As corner_of where the line turns to the other side.
    OuterSide(const Points& a, const Points& b, const Points& c, const Points& in,
              const Points& out) {
        const Points before = sum(b, in);
        const Points after = sum(b, out);
        const Crossing crossing(sum(a, in), before, after, sum(c, out));
        const Doubles x = (in.x + out.x) / 2.;
        const Doubles y = (in.y + out.y) / 2.;
        const Choice is_flat = x * x + y * y > almost * almost;
        is_parallel = is_flat & is_parallel_in(crossing);
        const Doubles cosine = arc_cosine(in, out);
        const Choice is_short = cosine > ArcSteps::one;
        const Choice is_middling = cosine > ArcSteps::two;
        const Points half = sum(b, half_of_arc(in, out));
        const ThirdsOfArc thirds(in, out);
        points[0] = chosen(is_flat, crossing.point, before);
        points[3] = chosen(is_flat, crossing.point, after);
        points[1] = chosen(is_middling, half, sum(b, thirds.first));
        points[2] = chosen(is_middling, half, sum(b, thirds.second));
        points[1] = chosen(is_flat | is_short, points[0], points[1]);
        points[2] = chosen(is_flat | is_short, points[3], points[2]);
    }
};

}  // namespace

void Path::clear(std::size_t most) {
    size_ = 0;
    const std::size_t needed = most + 3 * lanes;
    if (x_.size() >= needed) return;
    for (auto* column : {&x_, &y_, &length_, &normal_x_, &normal_y_}) column->resize(needed);
}

void Path::drop_repeated() {
    if (size_ < 2) return;
    bool is_any = false;
    for (std::size_t i = 1; i < size_; ++i) {
        is_any |= (x_[i] == x_[i - 1]) & (y_[i] == y_[i - 1]);
    }
    if (!is_any) return;
    std::size_t kept = 1;
    for (std::size_t i = 1; i < size_; ++i) {
        if (x_[i] == x_[kept - 1] && y_[i] == y_[kept - 1]) continue;
        x_[kept] = x_[i];
        y_[kept] = y_[i];
        ++kept;
    }
    size_ = kept;
}

void Path::connect() {
    for (std::size_t i = size_; i < size_ + 2 * lanes; ++i) {  // what is read beyond the end
        x_[i] = x_[i - 1] + 1;
        y_[i] = y_[i - 1] + static_cast<double>(i % 2);
    }
    for (std::size_t i = 0; i < size_ + lanes; i += lanes) {
        const Points from = vertices(i);
        const Points to = vertices(i + 1);
        const Doubles dx = to.x - from.x;
        const Doubles dy = to.y - from.y;
        const Doubles length = square_root(dx * dx + dy * dy);
        store(length, &length_[i]);
        store(half_width * dy / length, &normal_x_[i]);
        store(-(half_width * dx / length), &normal_y_[i]);
    }
}

void Path::find_corners(std::size_t first, std::size_t count, Corners& corners) const {
    for (std::size_t i = 0; i < count; i += lanes) find_four(first + i, i, corners);
}

void Path::find_four(std::size_t first, std::size_t place, Corners& corners) const {
    const Points a = vertices(first - 1);
    const Points b = vertices(first);
    const Points c = vertices(first + 1);
    const LaneSegments in = {load<Doubles>(&length_[first - 1]), normals(first - 1)};
    const LaneSegments out = {load<Doubles>(&length_[first]), normals(first)};
    const Doubles turn = cross(a, b, c);
    const Choice is_left = turn > straight;
    // The way back has the same cross product but for its sign.
    const Choice is_straight = ~(is_left | (turn < -straight));
    const Points back_in = opposite(out.normal);
    const Points back_out = opposite(in.normal);
    const Points start = chosen(is_left, a, c);
    const Points end = chosen(is_left, c, a);
    // Which of the two is the shorter does not depend on the way.
    const InnerSide inner(start, b, end, {in.length, chosen(is_left, in.normal, back_in)},
                          {out.length, chosen(is_left, out.normal, back_out)});
    const OuterSide outer(end, b, start, chosen(is_left, back_in, in.normal),
                          chosen(is_left, back_out, out.normal));
    const Choice is_left_over = is_straight | inner.is_parallel | outer.is_parallel;
    store(~is_left_over, &corners.is_corner[place]);
    const GridLanes before = to_grid(inner.before);
    const GridLanes after = to_grid(inner.after);
    corners.inner[0].set(place, before);
    corners.inner[1].set(place, after);
    std::array<GridLanes, 4> arc;
    for (int i = 0; i < 4; ++i) {
        arc[i] = to_grid(outer.points[i]);
        corners.outer[i].set(place, arc[i]);
    }
    const Integers is_left_turn = __builtin_convertvector(is_left, Integers);
    corners.left_first.set(place, chosen(is_left_turn, before, arc[0]));
    corners.left_last.set(place, chosen(is_left_turn, after, arc[3]));
    corners.right_first.set(place, chosen(is_left_turn, arc[3], after));
    corners.right_last.set(place, chosen(is_left_turn, arc[0], before));
}

}  // namespace balmer::render::line_plot
