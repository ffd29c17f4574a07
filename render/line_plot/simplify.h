#pragma once
// matplotlib's path simplification (path.simplify, threshold 1/9 pixel, lines of 128 vertices or
// more), which joins successive segments that keep to one straight line.
//
// A run begins with a segment, from vertex `seed - 1` to vertex `seed`, and takes in the vertices
// after it as long as they lie within the threshold of that segment's line. It is drawn from its
// start to its farthest vertex forwards, the farthest backwards, and its last vertex, of which the
// next run starts. So a run depends on its first segment alone: runs from every vertex can be
// found in parallel, and the line is the chain of those that each begin where the one before ends.
//
// Source: PathSimplifier in matplotlib's src/_path_converters.h, whose state machine gives the same
// vertices; A. Haldane, M. Droettboom, K. Rose.

#include <cstdint>

#include "render/line_plot/axes.h"

namespace balmer::render::line_plot {

inline constexpr std::int64_t fewest_simplified_pixels = 128;
/// Of the distance to a run's line; matplotlib's default to its last digit.
inline constexpr double simplify_threshold_squared = 0.111111111111 * 0.111111111111;

/// What a run draws, as numbers of vertices.
struct Run {
    std::int64_t forward;   ///< the farthest in the direction of the first segment
    std::int64_t backward;  ///< the farthest in the other direction; none: -1
    std::int64_t last;

    /// Its vertices in order, after the start: how many of `vertices` are written. The last run of
    /// a line keeps to forward, backward, last.
    constexpr int vertices(bool is_last_of_line, std::int64_t (&vertices)[3]) const {
        int count = 0;
        if (backward < 0) {
            vertices[count++] = forward;
        } else if (forward == last && !is_last_of_line) {
            vertices[count++] = backward;
            vertices[count++] = forward;
        } else {
            vertices[count++] = forward;
            vertices[count++] = backward;
        }
        if (vertices[count - 1] != last) vertices[count++] = last;
        return count;
    }
};

/// The line of a run that begins with the segment between two vertices of different place.
template <class Real>
class RunLine {
  public:
    struct Place {
        Real across;    ///< distance from the line, squared
        Real dot;       ///< above 0: forwards of the start
        Real distance;  ///< from the start, along the line, squared
    };

    constexpr RunLine(PointOf<Real> start, PointOf<Real> seed)
        : start_(start),
          dx_(seed.x - start.x),
          dy_(seed.y - start.y),
          norm_(dx_ * dx_ + dy_ * dy_) {}

    constexpr Real seed_distance() const { return norm_; }

    constexpr Place place(PointOf<Real> vertex) const {
        const Real x = vertex.x - start_.x;
        const Real y = vertex.y - start_.y;
        const Real dot = dx_ * x + dy_ * y;
        const Real along_x = dot * dx_ / norm_;
        const Real along_y = dot * dy_ / norm_;
        const Real across_x = x - along_x;
        const Real across_y = y - along_y;
        return {across_x * across_x + across_y * across_y, dot,
                along_x * along_x + along_y * along_y};
    }

  private:
    PointOf<Real> start_;
    Real dx_;
    Real dy_;
    Real norm_;
};

/// Builds a run vertex by vertex.
class RunBuilder {
  public:
    constexpr RunBuilder(Point start, Point seed, std::int64_t seed_index)
        : line_(start, seed),
          farthest_forward_(line_.seed_distance()),
          run_{seed_index, -1, seed_index} {}

    /// Takes in vertex `index`, the one after the last; false if the run ends before it.
    constexpr bool add(Point vertex, std::int64_t index) {
        const auto place = line_.place(vertex);
        if (!(place.across < simplify_threshold_squared)) return false;
        if (place.dot > 0) {
            if (place.distance > farthest_forward_) {
                farthest_forward_ = place.distance;
                run_.forward = index;
            }
        } else if (place.distance > farthest_backward_) {
            farthest_backward_ = place.distance;
            run_.backward = index;
        }
        run_.last = index;
        return true;
    }

    constexpr const Run& run() const { return run_; }

  private:
    RunLine<double> line_;
    double farthest_forward_;
    double farthest_backward_ = 0;
    Run run_;
};

}  // namespace balmer::render::line_plot
