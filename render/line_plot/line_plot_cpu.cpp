#include "render/line_plot/line_plot_cpu.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <vector>

#include "kernels/core/parallel.h"
#include "render/host_rows.h"
#include "render/line_plot/cells.h"
#include "render/line_plot/edges.h"
#include "render/line_plot/outline.h"
#include "render/line_plot/simplify.h"
#include "render/line_plot/stroke.h"

namespace balmer::render {
namespace {

using namespace line_plot;

constexpr Pixel white = {255, 255, 255};
constexpr int group = 8;  ///< pixels that are looked at together

/// Ink over pixels: `blended` with its division done by multiplication.
class Blender {
  public:
    explicit Blender(const Ink& ink) : ink_(ink) {
        for (std::uint32_t covered = 0; covered < 256; ++covered) {
            const std::uint32_t alpha = alpha_of(ink.opacity, covered);
            alphas_[covered] = alpha;
            reciprocals_[covered] = (std::uint64_t{1} << shift) / (opaque + alpha) + 1;
            for (int c = 0; c < 3; ++c) {
                over_white_[covered][c] = static_cast<std::uint8_t>(
                    blended(white[c], ink.levels[c], ink.opacity, covered));
            }
        }
    }

    /// 0 < covered.
    void blend(std::uint32_t covered, Pixel& pixel) const {
        const bool is_white = (pixel[0] & pixel[1] & pixel[2]) == 255;
        const bool hides_all = alphas_[covered] == 255;
        if (is_white || hides_all) {
            pixel = over_white_[covered];
            return;
        }
        for (int c = 0; c < 3; ++c) {
            const std::uint64_t dividend =
                blended_dividend(pixel[c], ink_.levels[c], alphas_[covered]);
            pixel[c] = static_cast<std::uint8_t>(dividend * reciprocals_[covered] >> shift);
        }
    }

  private:
    // A dividend is below 2^25 and a reciprocal less than 2^17 / 2^44 too large: that takes none to
    // the next whole number, which is 1 / divisor away or farther.
    static constexpr int shift = 44;

    Ink ink_;
    std::array<std::uint32_t, 256> alphas_;
    std::array<std::uint64_t, 256> reciprocals_;
    std::array<Pixel, 256> over_white_;
};

/// The cells of an image.
class CellSums {
  public:
    explicit CellSums(int side) : side_(side), cells_(static_cast<std::size_t>(side) * side + 1) {}

    CellSum* cells() { return cells_.data(); }

    /// How far the polygon covers each pixel, side * side values; forgets the polygon.
    void cover(std::uint8_t* covered) {
        for (int y = 0; y < side_; ++y, covered += side_) {
            CellSum* row = cells_.data() + static_cast<std::size_t>(y) * side_;
            std::uint32_t left = 0;  // the sum of cover from the left
            int x = 0;
            for (; x + group <= side_; x += group) {
                if (left == 0 && is_blank(row + x)) {
                    std::memset(covered + x, 0, group);
                } else {
                    cover_pixels(row + x, covered + x, group, left);
                }
            }
            cover_pixels(row + x, covered + x, side_ - x, left);
        }
    }

  private:
    static bool is_blank(const CellSum* sums) {
        CellSum any = 0;
        for (int i = 0; i < group; ++i) any |= sums[i];
        return any == 0;
    }

    static void cover_pixels(CellSum* sums, std::uint8_t* covered, int count, std::uint32_t& left) {
        for (int i = 0; i < count; ++i) {
            left += cover_of(sums[i]);
            covered[i] = static_cast<std::uint8_t>(coverage(left, area_of(sums[i])));
            sums[i] = 0;
        }
    }

    int side_;
    std::vector<CellSum> cells_;
};

/// Draws the polygons of subpaths.
class Stroker {
  public:
    Stroker(CellSum* cells, int side) : edges_(cells, side) {}

    /// Nothing is drawn of a single vertex.
    void draw(Path& path) {
        if (path.size() < 2) return;
        path.connect();
        const std::size_t last = path.size() - 1;
        const Corner first_cap = cap_of(path.vertex(0), path.segment(0));
        right_ = to_grid(first_cap.points[0]);
        left_ = to_grid(first_cap.points[1]);
        edges_.add(right_, left_);
        for (std::size_t i = 1; i < last; i += Corners::capacity) {
            pass(path, i, std::min<std::size_t>(last - i, Corners::capacity));
        }
        const Corner cap = cap_of(path.vertex(last), path.segment(last - 1).reversed());
        edges_.add(left_, to_grid(cap.points[0]));
        edges_.add(to_grid(cap.points[0]), to_grid(cap.points[1]));
        edges_.add(to_grid(cap.points[1]), right_);
        edges_.finish();
    }

  private:
    void pass(const Path& path, std::size_t first, std::size_t count) {
        Corners& corners = corners_;
        path.find_corners(first, count, corners);
        for (std::size_t i = 0; i < count; ++i) {
            if (!corners.is_corner[i]) [[unlikely]]
                pass_straight(path, first + i, i);
        }
        edges_.add_short(corners.inner[0], corners.inner[1], count);
        for (int i = 0; i < 3; ++i) {
            edges_.add_short(corners.outer[i], corners.outer[i + 1], count);
        }
        for (std::size_t i = 0; i < count; ++i) {
            edges_.add(left_, corners.left_first[i]);
            left_ = corners.left_last[i];
            edges_.add(corners.right_first[i], right_);
            right_ = corners.right_last[i];
        }
    }

    /// Where the line goes straight on or back, both sides are outer ones.
    void pass_straight(const Path& path, std::size_t vertex, std::size_t place) {
        const Point before = path.vertex(vertex - 1);
        const Point here = path.vertex(vertex);
        const Point next = path.vertex(vertex + 1);
        const Segment in = path.segment(vertex - 1);
        const Segment out = path.segment(vertex);
        const Corner left = corner_of(before, here, next, in, out);
        const Corner right = corner_of(next, here, before, out.reversed(), in.reversed());
        for (const Corner* corner : {&left, &right}) {
            for (int i = 0; i + 1 < corner->count; ++i) {
                edges_.add(to_grid(corner->points[i]), to_grid(corner->points[i + 1]));
            }
        }
        corners_.left_first.set(place, to_grid(left.first()));
        corners_.left_last.set(place, to_grid(left.last()));
        corners_.right_first.set(place, to_grid(right.last()));
        corners_.right_last.set(place, to_grid(right.first()));
    }

    Edges edges_;
    Corners corners_;
    GridPoint left_{};   // where the polygon's left side has got to
    GridPoint right_{};  // from where its right side goes on
};

/// Draws the lines of one spectrum after another; a thread has its own.
class LinePlot {
  public:
    LinePlot(int side, bool is_overlap)
        : side_(side), is_overlap_(is_overlap), sums_(side), line_(static_cast<std::size_t>(side)) {
        if (is_overlap) {
            for (const Ink& ink : overlap_inks) inks_.emplace_back(ink);
        } else {
            inks_.emplace_back(simple_ink);
        }
        covered_.resize(inks_.size() * plane());
    }

    void draw(const SpectrumRow& row) {
        place(row);
        for (int i = 0; i < parts(); ++i) {
            const Part part = split(row.pixels, parts(), i);
            snap(part);
            draw_line(part);
            sums_.cover(covered_.data() + i * plane());
        }
    }

    /// Row y of the image.
    std::span<const Pixel> line(int y) {
        std::memset(line_.data(), 255, line_.size() * sizeof(Pixel));  // white
        for (int i = 0; i < parts(); ++i) {
            const std::uint8_t* covered = covered_.data() + i * plane() + y * side_;
            for (int begin = 0; begin < side_; begin += group) {
                const int end = std::min(begin + group, side_);
                if (end == begin + group && is_blank(covered + begin)) continue;
                for (int x = begin; x < end; ++x) {
                    if (covered[x] != 0) inks_[i].blend(covered[x], line_[x]);
                }
            }
        }
        return line_;
    }

  private:
    std::int64_t plane() const { return std::int64_t{side_} * side_; }
    int parts() const { return static_cast<int>(inks_.size()); }
    static bool is_blank(const std::uint8_t* covered) {
        std::uint64_t any = 0;
        static_assert(sizeof(any) == group);
        std::memcpy(&any, covered, sizeof(any));
        return any == 0;
    }
    Point vertex(std::int64_t i) const { return {x_[i], y_[i]}; }

    /// Finds where the pixels lie in the image.
    void place(const SpectrumRow& row) {
        x_.resize(row.pixels + lanes);
        y_.resize(row.pixels + lanes);
        is_vertex_.resize(row.pixels);
        Limits x_limits;
        Limits y_limits;
        constexpr double none = std::numeric_limits<double>::quiet_NaN();
        for (int p = 0; p < parts(); ++p) {
            const Part part = split(row.pixels, parts(), p);
            const PartAbscissa abscissa(row.wavelength, part, is_overlap_);
            for (std::int64_t i = part.begin; i < part.end; ++i) {
                const double x = abscissa(i);
                const double y = row.flux[i];
                const bool is_vertex = row.is_good(i) & is_real(x);
                x_limits.include(is_vertex ? x : none);
                y_limits.include(is_vertex ? y : none);
                x_[i] = x;
                y_[i] = y;
                is_vertex_[i] = is_vertex;
            }
        }
        const Axis x_axis = horizontal_axis(x_limits, side_);
        const Axis y_axis = vertical_axis(y_limits, side_);
        for (std::int64_t i = 0; i < row.pixels; ++i) {
            x_[i] = x_axis(x_[i]);
            y_[i] = y_axis(y_[i]);
        }
    }

    /// As matplotlib's PathSnapper.
    void snap(const Part& part) {
        if (part.pixels() > most_snapped_pixels) return;
        for (std::int64_t i = part.begin + 1; i < part.end; ++i) {
            const bool is_segment = is_vertex_[i - 1] && is_vertex_[i];
            if (is_segment && !is_rectilinear(vertex(i - 1), vertex(i))) return;
        }
        for (std::int64_t i = part.begin; i < part.end; ++i) {
            if (!is_vertex_[i]) continue;
            x_[i] = snapped(x_[i]);
            y_[i] = snapped(y_[i]);
        }
    }

    void draw_line(const Part& part) {
        Stroker stroker(sums_.cells(), side_);
        const bool is_simplified = part.pixels() >= fewest_simplified_pixels;
        if (is_simplified) find_single_runs(part);
        std::int64_t last = part.end - 1;
        while (last >= part.begin && !is_vertex_[last]) --last;
        for (std::int64_t begin = part.begin; begin < part.end;) {
            if (!is_vertex_[begin]) {
                ++begin;
                continue;
            }
            std::int64_t end = begin + 1;
            while (end < part.end && is_vertex_[end]) ++end;
            path_.clear(static_cast<std::size_t>(end - begin));
            path_.add(vertex(begin));
            if (is_simplified) {
                add_simplified(begin, end, last);
            } else {
                for (std::int64_t i = begin + 1; i < end; ++i) path_.add(vertex(i));
            }
            stroker.draw(path_);
            begin = end;
        }
    }

    /// Which vertices are alone in the run that they begin, as the next one is no part of it: most.
    void find_single_runs(const Part& part) {
        is_single_.resize(x_.size());
        const auto points = [&](std::int64_t i) {
            return Points{load<Doubles>(&x_[i]), load<Doubles>(&y_[i])};
        };
        for (std::int64_t i = part.begin + 1; i + 1 < part.end; i += lanes) {
            const RunLine line(points(i - 1), points(i));
            const Choice is_within = line.place(points(i + 1)).across < simplify_threshold_squared;
            for (int k = 0; k < lanes; ++k) is_single_[i + k] = is_within[k] == 0;
        }
    }

    /// The vertices begin + 1 to end - 1; `last` is the last one of the line.
    void add_simplified(std::int64_t begin, std::int64_t end, std::int64_t last) {
        for (std::int64_t seed = begin + 1; seed < end;) {
            if (seed + 1 == end || is_single_[seed]) {
                path_.add(vertex(seed++));
                continue;
            }
            RunBuilder builder(vertex(seed - 1), vertex(seed), seed);
            std::int64_t next = seed + 1;
            while (next < end && builder.add(vertex(next), next)) ++next;
            std::int64_t drawn[3];
            const int count = builder.run().vertices(next - 1 == last, drawn);
            for (int i = 0; i < count; ++i) path_.add(vertex(drawn[i]));
            seed = next;
        }
    }

    int side_;
    bool is_overlap_;
    CellSums sums_;
    std::vector<Blender> inks_;          // by part
    std::vector<std::uint8_t> covered_;  // by part, of the pixels of the image
    std::vector<Pixel> line_;
    std::vector<double> x_;  // of the pixels, and room for the lanes that reach beyond them
    std::vector<double> y_;
    std::vector<std::uint8_t> is_vertex_;  // neither masked nor NaN nor infinite
    std::vector<std::uint8_t> is_single_;
    Path path_;
};

void draw_each(const Context& context, const ImageRequest& request, bool is_overlap) {
    const ImageOptions& options = request.options;
    const std::int64_t batch = request.batch.flux.shape[0];
    parallel_ranges(context, batch, 1, [&](std::int64_t begin, std::int64_t end) {
        const PixelRows output(options, request.output);
        const int side = options.image_size;
        LinePlot plot(side, is_overlap);
        for (std::int64_t index = begin; index < end; ++index) {
            plot.draw(spectrum_row(request.batch, index, options.use_mask));
            for (int y = 0; y < side; ++y) output.write(index, y, 1, plot.line(y));
        }
    });
}

}  // namespace

void simple_plain(const Context& context, const ImageRequest& request) {
    draw_each(context, request, false);
}

void overlap_plain(const Context& context, const ImageRequest& request) {
    draw_each(context, request, true);
}

}  // namespace balmer::render
