#include "data/figures/svg_plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace balmer::data {
namespace {

constexpr double width = 640.0;
constexpr double height = 400.0;
constexpr double left = 78.0;
constexpr double right = 622.0;
constexpr double top = 40.0;
constexpr double bottom = 344.0;

constexpr std::array<const char*, 7> colours = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                                "#e69f00", "#56b4e9", "#000000"};
constexpr std::array<const char*, 4> dashes = {"none", "7 3", "2 3", "8 3 2 3"};

std::string escaped(const std::string& text) {
    std::string result;
    for (const char c : text) {
        switch (c) {
            case '&':
                result += "&amp;";
                break;
            case '<':
                result += "&lt;";
                break;
            case '>':
                result += "&gt;";
                break;
            default:
                // Control characters have no place in XML.
                result += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
        }
    }
    return result;
}

/// A number as it stands at a tick: "0.5", "2000", "1e5" as 10 with an exponent.
std::string tick_text(double value, bool is_log) {
    if (!is_log || (value >= 0.01 && value < 1000.5)) return fmt::format("{:.6g}", value);
    return fmt::format("10<tspan dy=\"-5\" font-size=\"9\">{}</tspan>",
                       std::lround(std::log10(value)));
}

/// From values to positions on the page.
struct Axis {
    double minimum = 0.0;
    double maximum = 1.0;
    double begin = 0.0;  ///< position of the minimum
    double end = 1.0;
    bool is_log = false;

    double at(double value) const {
        const double low = is_log ? std::log10(minimum) : minimum;
        const double high = is_log ? std::log10(maximum) : maximum;
        const double x = is_log ? std::log10(value) : value;
        return begin + (end - begin) * (x - low) / (high - low);
    }
    std::vector<double> ticks(int about) const {
        const auto powers = is_log ? log_ticks(minimum, maximum, about) : std::vector<double>{};
        // Less than two powers of ten would not tell the scale.
        if (powers.size() >= 2) return powers;
        auto ticks = linear_ticks(minimum, maximum, about);
        std::erase_if(ticks, [&](double tick) { return is_log && tick < minimum; });
        return ticks;
    }
};

class Page {
  public:
    explicit Page(const std::string& title) {
        document_ = fmt::format(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" "
            "height=\"{1}\" font-family=\"Helvetica, Arial, sans-serif\" font-size=\"12\">\n"
            "<title>{2}</title>\n<rect width=\"{0}\" height=\"{1}\" fill=\"white\"/>\n",
            width, height, escaped(title));
        text(0.5 * (left + right), 24.0, title, "middle", " font-size=\"15\"");
    }

    void text(double x, double y, const std::string& content, const char* anchor,
              const std::string& style = "") {
        marked_up_text(x, y, escaped(content), anchor, style);
    }

    void line(double x1, double y1, double x2, double y2, const std::string& style) {
        document_ +=
            fmt::format("<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" {}/>\n", x1,
                        y1, x2, y2, style);
    }

    void bar(double x1, double x2, double y, const char* colour) {
        document_ += fmt::format(
            "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" fill=\"{}\"/>\n",
            x1, y, x2 - x1, std::max(0.0, bottom - y), colour);
    }

    void path(const std::string& steps, std::size_t index) {
        document_ += fmt::format(
            "<path d=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"1.6\" "
            "stroke-dasharray=\"{}\" stroke-linejoin=\"round\"/>\n",
            steps, colours[index % colours.size()], dashes[index % dashes.size()]);
    }

    void x_axis(const Axis& axis, const std::string& label) {
        for (const double tick : axis.ticks(8)) {
            const double x = axis.at(tick);
            line(x, bottom, x, bottom + 5.0, "stroke=\"black\"");
            marked_up_text(x, bottom + 19.0, tick_text(tick, axis.is_log), "middle");
        }
        text(0.5 * (left + right), height - 16.0, label, "middle", " font-size=\"13\"");
    }

    void y_axis(const Axis& axis, const std::string& label) {
        for (const double tick : axis.ticks(6)) {
            const double y = axis.at(tick);
            line(left, y, right, y, "stroke=\"#dddddd\"");
            line(left - 5.0, y, left, y, "stroke=\"black\"");
            marked_up_text(left - 9.0, y + 4.0, tick_text(tick, axis.is_log), "end");
        }
        text(20.0, 0.5 * (top + bottom), label, "middle",
             fmt::format(" font-size=\"13\" transform=\"rotate(-90 20 {:.1f})\"",
                         0.5 * (top + bottom)));
    }

    void frame() {
        document_ += fmt::format(
            "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"none\" stroke=\"black\"/>\n",
            left, top, right - left, bottom - top);
    }

    /// Names at the top right; a dash pattern or a filled square before each.
    void legend(const std::vector<std::string>& names, bool is_filled) {
        std::size_t longest = 0;
        for (const auto& name : names) longest = std::max(longest, name.size());
        const double x = right - 48.0 - 6.6 * static_cast<double>(longest);
        document_ += fmt::format(
            "<rect x=\"{:.1f}\" y=\"{}\" width=\"{:.1f}\" height=\"{}\" fill=\"white\" "
            "fill-opacity=\"0.85\"/>\n",
            x - 6.0, top + 6.0, right - x, 18 * names.size() + 6);
        for (std::size_t i = 0; i < names.size(); ++i) {
            const double y = top + 20.0 + 18.0 * static_cast<double>(i);
            const char* colour = colours[i % colours.size()];
            line(x, y, x + 26.0, y,
                 fmt::format("stroke=\"{}\" stroke-width=\"{}\" stroke-dasharray=\"{}\"", colour,
                             is_filled ? "10" : "1.6",
                             is_filled ? "none" : dashes[i % dashes.size()]));
            text(x + 33.0, y + 4.0, names[i], "start");
        }
    }

    std::string finish() { return document_ + "</svg>\n"; }

  private:
    void marked_up_text(double x, double y, const std::string& content, const char* anchor,
                        const std::string& style = "") {
        document_ += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\"{}>{}</text>\n",
                                 x, y, anchor, style, content);
    }

    std::string document_;
};

Axis count_axis(std::int64_t largest, bool is_log) {
    // Room above the highest bin; below a single spectrum where counts are logarithmic.
    const double most = static_cast<double>(std::max<std::int64_t>(largest, 1));
    if (is_log) return {0.7, std::max(10.0, most * 1.6), bottom, top, true};
    return {0.0, most * 1.08, bottom, top, false};
}

/// The outline of a histogram, in pieces where logarithmic counts leave gaps.
std::string outline(const Histogram& histogram, const Axis& x, const Axis& y, bool log_positions) {
    const auto position = [&](std::size_t bin) {
        const double edge = histogram.left(bin);
        return x.at(log_positions ? std::pow(10.0, edge) : edge);
    };
    std::string path;
    bool is_down = true;
    for (std::size_t bin = 0; bin < histogram.counts().size(); ++bin) {
        const auto count = static_cast<double>(histogram.counts()[bin]);
        if (y.is_log && count == 0.0) {
            if (!is_down) path += fmt::format("V{:.1f}", bottom);
            is_down = true;
            continue;
        }
        if (is_down) path += fmt::format("M{:.1f} {:.1f}", position(bin), bottom);
        is_down = false;
        path += fmt::format("V{:.1f}H{:.1f}", y.at(count), position(bin + 1));
    }
    if (!is_down) path += fmt::format("V{:.1f}", bottom);
    return path;
}

}  // namespace

std::string svg_of(const HistogramPlot& plot) {
    Page page(plot.title);
    std::int64_t largest = 0;
    std::vector<std::string> names;
    for (const auto& [name, histogram] : plot.curves) {
        const auto& counts = histogram.counts();
        largest = std::max(largest, *std::max_element(counts.begin(), counts.end()));
        names.push_back(name);
    }
    const Axis y = count_axis(largest, plot.log_counts);
    page.y_axis(y, plot.y_label);
    if (!plot.curves.empty()) {
        const Histogram& any = plot.curves.front().histogram;
        const bool is_log = plot.log_positions;
        const Axis x = {is_log ? std::pow(10.0, any.minimum()) : any.minimum(),
                        is_log ? std::pow(10.0, any.maximum()) : any.maximum(), left, right,
                        is_log};
        page.x_axis(x, plot.x_label);
        for (std::size_t i = 0; i < plot.curves.size(); ++i) {
            page.path(outline(plot.curves[i].histogram, x, y, is_log), i);
        }
    }
    page.frame();
    page.legend(names, false);
    return page.finish();
}

std::string svg_of(const BarPlot& plot) {
    Page page(plot.title);
    std::int64_t largest = 0;
    std::vector<std::string> names;
    for (const auto& series : plot.series) {
        for (const std::int64_t count : series.counts) largest = std::max(largest, count);
        names.push_back(series.name);
    }
    const Axis y = count_axis(largest, plot.log_counts);
    page.y_axis(y, plot.y_label);
    const double room =
        (right - left) / static_cast<double>(std::max<std::size_t>(1, plot.categories.size()));
    const double bar = 0.8 * room / static_cast<double>(std::max<std::size_t>(1, names.size()));
    for (std::size_t k = 0; k < plot.categories.size(); ++k) {
        const double begin = left + room * (static_cast<double>(k) + 0.1);
        for (std::size_t i = 0; i < plot.series.size(); ++i) {
            const std::int64_t count = plot.series[i].counts[k];
            if (count == 0) continue;
            const double x = begin + bar * static_cast<double>(i);
            const double at = y.at(static_cast<double>(count));
            page.bar(x, x + bar * 0.92, at, colours[i % colours.size()]);
            page.text(x + 0.46 * bar, at - 4.0, fmt::format("{}", count), "middle",
                      " font-size=\"10\"");
        }
        page.text(begin + 0.4 * room, bottom + 19.0, plot.categories[k], "middle");
    }
    page.frame();
    page.legend(names, true);
    return page.finish();
}

}  // namespace balmer::data
