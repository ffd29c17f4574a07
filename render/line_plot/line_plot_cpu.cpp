#include "render/line_plot/line_plot_cpu.h"

#include <algorithm>
#include <vector>

#include "kernels/core/parallel.h"
#include "render/host_rows.h"
#include "render/line_plot/cells.h"
#include "render/line_plot/simplify.h"
#include "render/line_plot/stroke.h"

namespace balmer::render {
namespace {

using namespace line_plot;

constexpr Pixel white = {255, 255, 255};

/// The cells of an image.
class CellSums {
  public:
    explicit CellSums(int side) : side_(side), cells_(static_cast<std::size_t>(side) * side) {}

    CellSum* cells() { return cells_.data(); }

    /// Blends the polygon into the image and forgets it.
    void draw(const Ink& ink, std::vector<Pixel>& image) {
        std::array<Pixel, 256> over_white;
        for (std::uint32_t covered = 0; covered < 256; ++covered) {
            over_white[covered] = over(white, ink, covered);
        }
        for (int y = 0; y < side_; ++y) {
            CellSum* row = cells_.data() + static_cast<std::size_t>(y) * side_;
            Pixel* pixels = image.data() + static_cast<std::size_t>(y) * side_;
            std::uint32_t cover = 0;
            for (int x = 0; x < side_; ++x) {
                cover += cover_of(row[x]);
                const std::uint32_t covered = coverage(cover, area_of(row[x]));
                row[x] = 0;
                if (covered == 0) continue;
                pixels[x] =
                    pixels[x] == white ? over_white[covered] : over(pixels[x], ink, covered);
            }
        }
    }

  private:
    static Pixel over(const Pixel& under, const Ink& ink, std::uint32_t covered) {
        Pixel result;
        for (int c = 0; c < 3; ++c) {
            result[c] = static_cast<std::uint8_t>(
                blended(under[c], ink.levels[c], ink.opacity, covered));
        }
        return result;
    }

    int side_;
    std::vector<CellSum> cells_;
};

struct CellSink {
    CellSum* cells;
    void add(int cell, CellSum sum) const { cells[cell] += sum; }
};

using Grid = CellGrid<CellSink>;

/// Draws the polygon of one subpath, vertex by vertex.
class Stroker {
  public:
    explicit Stroker(const Grid& grid) : grid_(grid) {}

    void line_to(Point vertex) {
        if (count_ > 0 && vertex == vertices_[1]) return;
        if (count_ > 0) {
            const Segment out(vertices_[1], vertex);
            if (count_ == 1) {
                begin(vertices_[1], out);
            } else {
                pass(vertex, out);
            }
            in_ = out;
        }
        vertices_[0] = vertices_[1];
        vertices_[1] = vertex;
        ++count_;
    }

    /// Ends the subpath; nothing is drawn of a single vertex.
    void finish() {
        if (count_ > 1) {
            const Corner cap = cap_of(vertices_[1], in_.reversed());
            add_edge(grid_, left_, to_grid(cap.points[0]));
            add_edge(grid_, to_grid(cap.points[0]), to_grid(cap.points[1]));
            add_edge(grid_, to_grid(cap.points[1]), right_);
        }
        count_ = 0;
    }

  private:
    void begin(Point start, const Segment& out) {
        const Corner cap = cap_of(start, out);
        right_ = to_grid(cap.points[0]);
        left_ = to_grid(cap.points[1]);
        add_edge(grid_, right_, left_);
    }

    void pass(Point next, const Segment& out) {
        const auto [before, here] = vertices_;
        const Corner left = corner_of(before, here, next, in_, out);
        for (int i = 0; i < left.count; ++i) {
            const GridPoint point = to_grid(left.points[i]);
            add_edge(grid_, left_, point);
            left_ = point;
        }
        // The way back.
        const Corner right = corner_of(next, here, before, out.reversed(), in_.reversed());
        for (int i = right.count - 1; i >= 0; --i) {
            const GridPoint point = to_grid(right.points[i]);
            add_edge(grid_, point, right_);
            right_ = point;
        }
    }

    Grid grid_;
    std::array<Point, 2> vertices_{};
    std::int64_t count_ = 0;
    Segment in_;
    GridPoint left_{};   // where the polygon's left side has got to
    GridPoint right_{};  // from where its right side goes on
};

/// Draws the lines of one spectrum after another; a thread has its own.
class LinePlot {
  public:
    LinePlot(int side, bool is_overlap)
        : side_(side),
          is_overlap_(is_overlap),
          sums_(side),
          image_(static_cast<std::size_t>(side) * side) {}

    /// Rows of pixels from the top.
    const std::vector<Pixel>& draw(const SpectrumRow& row) {
        std::fill(image_.begin(), image_.end(), white);
        const int parts = is_overlap_ ? overlap_parts : 1;
        Limits x_limits;
        Limits y_limits;
        for (int i = 0; i < parts; ++i) {
            const Part part = split(row.pixels, parts, i);
            const PartAbscissa abscissa(row.wavelength, part, is_overlap_);
            for (std::int64_t k = part.begin; k < part.end; ++k) {
                const double x = abscissa(k);
                if (!row.is_good(k) || !is_finite(x)) continue;
                x_limits.include(x);
                y_limits.include(row.flux[k]);
            }
        }
        const Axis x_axis = horizontal_axis(x_limits, side_);
        const Axis y_axis = vertical_axis(y_limits, side_);
        for (int i = 0; i < parts; ++i) {
            const Part part = split(row.pixels, parts, i);
            const PartAbscissa abscissa(row.wavelength, part, is_overlap_);
            vertices_.resize(part.pixels());
            is_vertex_.resize(part.pixels());
            for (std::int64_t k = 0; k < part.pixels(); ++k) {
                const Point vertex = {x_axis(abscissa(part.begin + k)),
                                      y_axis(row.flux[part.begin + k])};
                vertices_[k] = vertex;
                is_vertex_[k] =
                    row.is_good(part.begin + k) && is_finite(abscissa(part.begin + k));
            }
            draw_part();
            sums_.draw(is_overlap_ ? overlap_inks[i] : simple_ink, image_);
        }
        return image_;
    }

  private:
    void draw_part() {
        snap();
        Stroker stroker(Grid{{sums_.cells()}, side_});
        const auto count = static_cast<std::int64_t>(vertices_.size());
        for (std::int64_t begin = 0; begin < count;) {
            if (!is_vertex_[begin]) {
                ++begin;
                continue;
            }
            std::int64_t end = begin + 1;
            while (end < count && is_vertex_[end]) ++end;
            stroker.line_to(vertices_[begin]);
            if (count >= fewest_simplified_pixels) {
                draw_simplified(begin, end, stroker);
            } else {
                for (std::int64_t i = begin + 1; i < end; ++i) stroker.line_to(vertices_[i]);
            }
            stroker.finish();
            begin = end;
        }
    }

    void draw_simplified(std::int64_t begin, std::int64_t end, Stroker& stroker) {
        const auto last = last_vertex();
        for (std::int64_t seed = begin + 1; seed < end;) {
            if (vertices_[seed] == vertices_[seed - 1]) {
                ++seed;
                continue;
            }
            RunBuilder builder(vertices_[seed - 1], vertices_[seed], seed);
            std::int64_t next = seed + 1;
            while (next < end && builder.add(vertices_[next], next)) ++next;
            std::int64_t drawn[3];
            const int count = builder.run().vertices(next - 1 == last, drawn);
            for (int i = 0; i < count; ++i) stroker.line_to(vertices_[drawn[i]]);
            seed = next;
        }
    }

    std::int64_t last_vertex() const {
        auto i = static_cast<std::int64_t>(is_vertex_.size()) - 1;
        while (i >= 0 && !is_vertex_[i]) --i;
        return i;
    }

    /// As matplotlib's PathSnapper.
    void snap() {
        const auto count = static_cast<std::int64_t>(vertices_.size());
        if (count > most_snapped_pixels) return;
        for (std::int64_t i = 1; i < count; ++i) {
            const bool is_segment = is_vertex_[i - 1] && is_vertex_[i];
            if (is_segment && !is_rectilinear(vertices_[i - 1], vertices_[i])) return;
        }
        for (std::int64_t i = 0; i < count; ++i) {
            if (is_vertex_[i]) vertices_[i] = {snapped(vertices_[i].x), snapped(vertices_[i].y)};
        }
    }

    int side_;
    bool is_overlap_;
    CellSums sums_;
    std::vector<Pixel> image_;
    std::vector<Point> vertices_;
    std::vector<std::uint8_t> is_vertex_;  // neither masked nor NaN nor infinite
};

void draw_each(const Context& context, const ImageRequest& request, bool is_overlap) {
    const ImageOptions& options = request.options;
    const std::int64_t batch = request.batch.flux.shape[0];
    parallel_ranges(context, batch, 1, [&](std::int64_t begin, std::int64_t end) {
        const PixelRows output(options, request.output);
        const int side = options.image_size;
        LinePlot plot(side, is_overlap);
        for (std::int64_t index = begin; index < end; ++index) {
            const auto& image = plot.draw(spectrum_row(request.batch, index, options.use_mask));
            for (int y = 0; y < side; ++y) {
                output.write(index, y, 1, std::span(image).subspan(y * side, side));
            }
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
