#include "render/line_plot/line_plot_cpu.h"

#include <algorithm>
#include <limits>
#include <span>
#include <vector>

#include "kernels/core/parallel.h"
#include "render/host_rows.h"
#include "render/line_plot/cell_columns.h"
#include "render/line_plot/cells.h"
#include "render/line_plot/edges.h"
#include "render/line_plot/outline.h"
#include "render/line_plot/overlay.h"
#include "render/line_plot/short_runs.h"
#include "render/line_plot/simplify.h"
#include "render/line_plot/stroke.h"

namespace balmer::render {
namespace {

using namespace line_plot;

/// Draws the polygons of subpaths.
class Stroker {
  public:
    explicit Stroker(CellColumns& cells) : edges_(cells) {}

    /// Nothing is drawn of a single vertex.
    void draw(Path& path) {
        path.drop_repeated();
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
        for (auto& column : corners_.inner) column.set(place, GridPoint{});
        for (auto& column : corners_.outer) column.set(place, GridPoint{});
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
    LinePlot(int side, int parts) : side_(side), parts_(parts), cells_(side), coverage_(parts) {}

    void draw(const SpectrumRow& row) {
        place(row);
        for (int i = 0; i < parts_; ++i) {
            const Part part = split(row.pixels, parts_, i);
            snap(part);
            draw_line(part);
            cells_.cover(coverage_[i]);
        }
    }

    /// How far the pixels are covered, by part.
    std::span<const Coverage> coverage() const { return coverage_; }
    /// Tiles a side.
    int tiles() const { return cells_.tiles(); }

  private:
    Point vertex(std::int64_t i) const { return {x_[i], y_[i]}; }

    /// Finds where the pixels lie in the image.
    void place(const SpectrumRow& row) {
        x_.resize(row.pixels + short_runs_reach);
        y_.resize(row.pixels + short_runs_reach);
        is_vertex_.resize(row.pixels);
        for (int p = 0; p < parts_; ++p) {
            const Part part = split(row.pixels, parts_, p);
            const PartAbscissa abscissa(row.wavelength, part, parts_ > 1);
            for (std::int64_t i = part.begin; i < part.end; ++i) x_[i] = abscissa(i);
        }
        const std::int64_t pixels = row.pixels;
        double* const x = x_.data();
        double* const y = y_.data();
        std::uint8_t* const is_vertex = is_vertex_.data();
        constexpr double none = std::numeric_limits<double>::quiet_NaN();
        for (std::int64_t i = 0; i < pixels; ++i) {
            const double flux = row.flux[i];
            const bool is_real_pixel = is_real(flux) & is_real(x[i]);
            x[i] = is_real_pixel ? x[i] : none;
            y[i] = is_real_pixel ? flux : none;
        }
        if (const std::uint8_t* const mask = row.mask; mask != nullptr) {
            for (std::int64_t i = 0; i < pixels; ++i) {
                const bool is_masked = mask[i] != 0;
                x[i] = is_masked ? none : x[i];
                y[i] = is_masked ? none : y[i];
            }
        }
        for (std::int64_t i = 0; i < pixels; ++i) is_vertex[i] = x[i] == x[i] ? 1 : 0;
        const Axis x_axis = horizontal_axis(limits_of(x_, row.pixels), side_);
        const Axis y_axis = vertical_axis(limits_of(y_, row.pixels), side_);
        for (std::int64_t i = 0; i < pixels; ++i) {
            x[i] = x_axis(x[i]);
            y[i] = y_axis(y[i]);
        }
    }

    /// Of the first `count` values, those that are NaN left out.
    static Limits limits_of(const std::vector<double>& values, std::int64_t count) {
        Limits limits;
        Doubles low = limits.low - Doubles{};
        Doubles high = limits.high - Doubles{};
        std::int64_t i = 0;
        for (; i + lanes <= count; i += lanes) {
            low = lesser(load<Doubles>(&values[i]), low);
            high = greater(load<Doubles>(&values[i]), high);
        }
        for (int k = 0; k < lanes; ++k) {
            limits.low = std::min(limits.low, low[k]);
            limits.high = std::max(limits.high, high[k]);
        }
        for (; i < count; ++i) limits.include(values[i]);
        return limits;
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
        Stroker stroker(cells_);
        const bool is_simplified = part.pixels() >= fewest_simplified_pixels;
        if (is_simplified) find_short_runs(x_, y_, part, runs_);
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

    /// The vertices begin + 1 to end - 1; `last` is the last one of the line.
    void add_simplified(std::int64_t begin, std::int64_t end, std::int64_t last) {
        for (std::int64_t seed = begin + 1; seed < end;) {
            const ShortRun& run = short_runs[runs_[seed]];
            if (run.length > 0 && seed + run.length < end) [[likely]] {
                path_.add(run.count,
                          {vertex(seed + run.vertices[0]), vertex(seed + run.vertices[1]),
                           vertex(seed + run.vertices[2])});
                seed += run.length;
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
    int parts_;
    CellColumns cells_;
    std::vector<Coverage> coverage_;  // of each part
    std::vector<double> x_;  // of the pixels, and room for the lanes that reach beyond them
    std::vector<double> y_;
    std::vector<std::uint8_t> is_vertex_;  // neither masked nor NaN nor infinite
    std::vector<std::uint8_t> runs_;       // the kind of short run from each vertex
    Path path_;
};

void draw_each(const Context& context, const ImageRequest& request, std::span<const Ink> inks) {
    const ImageOptions& options = request.options;
    const std::int64_t batch = request.batch.flux.shape[0];
    parallel_turns(context, batch, [&](const auto& next) {
        PixelRows output(options, request.output);
        LinePlot plot(options.image_size, static_cast<int>(inks.size()));
        Overlay overlay(inks, output);
        for (std::int64_t index = next(); index < batch; index = next()) {
            plot.draw(spectrum_row(request.batch, index, options.use_mask));
            output.begin(index);
            for (int row = 0; row < plot.tiles(); ++row) {
                const auto tiles = overlay.draw(plot.coverage(), row * plot.tiles(), plot.tiles());
                output.add(Overlay::background, tiles, overlay.palettes());
            }
        }
    });
}

}  // namespace

void simple_plain(const Context& context, const ImageRequest& request) {
    draw_each(context, request, {&simple_ink, 1});
}

void overlap_plain(const Context& context, const ImageRequest& request) {
    draw_each(context, request, overlap_inks);
}

}  // namespace balmer::render
