#include "data/figures/set_figures.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <optional>

#include "data/figures/svg_plot.h"

namespace balmer::data {
namespace {

/// One curve a survey, filled by `add(row, histogram)`; surveys without any value have none.
std::vector<HistogramCurve> curves_by_survey(
    const PackedSet& set, const Histogram& empty,
    const std::function<void(std::int64_t row, Histogram& histogram)>& add) {
    std::vector<HistogramCurve> curves;
    for (const auto& survey : set.manifest().surveys) curves.push_back({survey, empty});
    for (std::int64_t row = 0; row < set.size(); ++row) {
        const std::int32_t survey = set.survey_index(row);
        if (survey >= 0) add(row, curves[static_cast<std::size_t>(survey)].histogram);
    }
    std::erase_if(curves, [](const auto& curve) { return curve.histogram.total() == 0; });
    return curves;
}

/// Least and greatest of what `value(row)` gives.
struct Range {
    double minimum = std::numeric_limits<double>::infinity();
    double maximum = -std::numeric_limits<double>::infinity();
    bool is_empty() const { return minimum > maximum; }
};

Range range_of(const PackedSet& set,
               const std::function<std::optional<double>(std::int64_t row)>& value) {
    Range range;
    for (std::int64_t row = 0; row < set.size(); ++row) {
        if (const auto number = value(row); number && std::isfinite(*number)) {
            range.minimum = std::min(range.minimum, *number);
            range.maximum = std::max(range.maximum, *number);
        }
    }
    return range;
}

std::optional<HistogramPlot> redshift_plot(const PackedSet& set) {
    const auto redshift = [&](std::int64_t row) { return set.label(row, "z"); };
    const Range range = range_of(set, redshift);
    if (range.is_empty()) return std::nullopt;
    // Whole tenths, so that the bins are round numbers.
    const double low = std::min(0.0, std::floor(10.0 * range.minimum) / 10.0);
    const double high = std::max(low + 0.5, std::ceil(10.0 * range.maximum + 1e-9) / 10.0);
    HistogramPlot plot = {.title = "Redshift", .x_label = "Redshift z", .log_counts = true};
    plot.curves =
        curves_by_survey(set, Histogram(low, high, 60), [&](std::int64_t row, Histogram& counts) {
            if (const auto z = redshift(row)) counts.add(*z);
        });
    return plot;
}

std::optional<HistogramPlot> signal_plot(const PackedSet& set) {
    const auto decades = [&](std::int64_t row) -> std::optional<double> {
        const auto ratio = set.signal_to_noise(row);
        if (!ratio || *ratio <= 0.0) return std::nullopt;
        return std::log10(*ratio);
    };
    const Range range = range_of(set, decades);
    if (range.is_empty()) return std::nullopt;
    // Whole decades down to 0.1: what is fainter has hardly any signal.
    const double low = std::max(-1.0, std::floor(range.minimum));
    const double high = std::max(low + 1.0, std::ceil(range.maximum + 1e-9));
    HistogramPlot plot = {.title = "Signal-to-noise ratio",
                          .x_label = "Median S/N of a pixel",
                          .log_positions = true};
    plot.curves =
        curves_by_survey(set, Histogram(low, high, 60), [&](std::int64_t row, Histogram& counts) {
            if (const auto value = decades(row)) counts.add(*value);
        });
    return plot;
}

std::optional<HistogramPlot> wavelength_plot(const PackedSet& set) {
    constexpr double step = 20.0;  // A
    const Range first = range_of(set, [&](std::int64_t row) -> std::optional<double> {
        const auto wavelength = set.wavelength(row);
        return wavelength.empty() ? std::nullopt : std::optional(wavelength.front());
    });
    const Range last = range_of(set, [&](std::int64_t row) -> std::optional<double> {
        const auto wavelength = set.wavelength(row);
        return wavelength.empty() ? std::nullopt : std::optional(wavelength.back());
    });
    if (first.is_empty()) return std::nullopt;
    const double low = std::floor(first.minimum / 100.0 - 1.0) * 100.0;
    const double high = std::ceil(last.maximum / 100.0 + 1.0) * 100.0;
    // An infrared survey would make many bins of an optical one's width.
    constexpr double most_bins = 1000.0;
    const int bins = static_cast<int>(std::min(most_bins, std::round((high - low) / step)));
    HistogramPlot plot = {.title = "Wavelength coverage",
                          .x_label = "Vacuum wavelength (\u00c5)",
                          .y_label = "Spectra that reach over it"};
    plot.curves =
        curves_by_survey(set, Histogram(low, high, bins), [&](std::int64_t row, Histogram& counts) {
            const auto wavelength = set.wavelength(row);
            if (wavelength.empty()) return;
            const double bin = (high - low) / bins;
            const auto begin = static_cast<int>(std::floor((wavelength.front() - low) / bin));
            const auto end = static_cast<int>(std::floor((wavelength.back() - low) / bin));
            for (int i = begin; i <= end; ++i) counts.add(low + (i + 0.5) * bin);
        });
    return plot;
}

std::optional<BarPlot> class_plot(const PackedSet& set) {
    const Manifest& manifest = set.manifest();
    if (manifest.classes.empty()) return std::nullopt;
    BarPlot plot = {.title = "Class", .log_counts = true};
    plot.categories = manifest.classes;
    std::sort(plot.categories.begin(), plot.categories.end());
    plot.categories.emplace_back("no class");
    for (const auto& survey : manifest.surveys) {
        plot.series.push_back({survey, std::vector<std::int64_t>(plot.categories.size())});
    }
    for (std::int64_t row = 0; row < set.size(); ++row) {
        const std::int32_t survey = set.survey_index(row);
        const std::int32_t index = set.class_index(row);
        if (survey < 0) continue;
        std::size_t category = plot.categories.size() - 1;
        if (index >= 0) {
            const auto& name = manifest.classes[static_cast<std::size_t>(index)];
            category = static_cast<std::size_t>(
                std::find(plot.categories.begin(), plot.categories.end(), name) -
                plot.categories.begin());
        }
        ++plot.series[static_cast<std::size_t>(survey)].counts[category];
    }
    const bool all_have_one = std::all_of(plot.series.begin(), plot.series.end(),
                                          [](const auto& one) { return one.counts.back() == 0; });
    if (all_have_one) {
        plot.categories.pop_back();
        for (auto& one : plot.series) one.counts.pop_back();
    }
    return plot;
}

}  // namespace

std::vector<Figure> figures_of(const PackedSet& set) {
    std::vector<Figure> figures;
    const auto add = [&](const char* name, const auto& plot) {
        if (plot) figures.push_back({name, svg_of(*plot)});
    };
    add("redshift.svg", redshift_plot(set));
    add("signal_to_noise.svg", signal_plot(set));
    add("class.svg", class_plot(set));
    add("wavelength.svg", wavelength_plot(set));
    return figures;
}

}  // namespace balmer::data
