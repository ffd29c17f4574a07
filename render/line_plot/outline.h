#pragma once
// The outline of a line, several vertices at a time: the same points, to the last bit, as stroke.h
// gives vertex by vertex, but without branches on the way (every kind of corner is worked out, one
// is chosen). For the CPU.

#include <array>
#include <cstdint>
#include <vector>

#include "render/line_plot/lanes.h"

namespace balmer::render::line_plot {

/// The corners of successive vertices. Each has an inner and an outer side; the points of a side
/// stand in the order of corner_of, some of them twice. The left side is the way there, the right
/// side the way back.
struct Corners {
    static constexpr int capacity = 64;
    using Column = GridPoints<capacity>;

    std::array<Column, 2> inner;
    std::array<Column, 4> outer;
    Column left_first;
    Column left_last;
    Column right_first;  ///< on the way there
    Column right_last;
    /// 0 for a corner so flat that both sides are outer ones: its points mean nothing.
    std::array<std::int64_t, capacity> is_corner;
};

/// The vertices of one subpath with their segments.
class Path {
  public:
    /// Forgets all, and makes room for so many vertices.
    void clear(std::size_t most);
    std::size_t size() const { return size_; }
    void add(Point vertex) {
        x_[size_] = vertex.x;
        y_[size_] = vertex.y;
        ++size_;
    }
    /// Adds the first `count` of them, which are at most 3.
    void add(int count, const std::array<Point, 3>& vertices) {
        for (int i = 0; i < 3; ++i) {
            x_[size_ + i] = vertices[i].x;
            y_[size_ + i] = vertices[i].y;
        }
        size_ += count;
    }
    /// Leaves out every vertex that lies where the one before does.
    void drop_repeated();

    Point vertex(std::size_t i) const { return {x_[i], y_[i]}; }
    /// Works out all segments, to be called before what follows. Segment i begins at vertex i.
    void connect();
    Segment segment(std::size_t i) const {
        Segment segment;
        segment.length = length_[i];
        segment.normal = {normal_x_[i], normal_y_[i]};
        return segment;
    }
    /// The corners of vertices first, first + 1, ..., `count` of them, none of them an end.
    void find_corners(std::size_t first, std::size_t count, Corners& corners) const;

  private:
    Points vertices(std::size_t i) const { return {load<Doubles>(&x_[i]), load<Doubles>(&y_[i])}; }
    Points normals(std::size_t i) const {
        return {load<Doubles>(&normal_x_[i]), load<Doubles>(&normal_y_[i])};
    }
    void find_four(std::size_t first, std::size_t place, Corners& corners) const;

    std::size_t size_ = 0;
    std::vector<double> x_;
    std::vector<double> y_;
    std::vector<double> length_;
    std::vector<double> normal_x_;
    std::vector<double> normal_y_;
};

}  // namespace balmer::render::line_plot
