#pragma once
// Plots for print as SVG: stepped curves of counts, or bars by name, with axes, ticks and a legend.
// The colours (Okabe and Ito 2008) can be told apart by readers who see fewer of them, and the
// lines of a plot also differ in their dashes.

#include <cstdint>
#include <string>
#include <vector>

#include "data/figures/histogram.h"

namespace balmer::data {

/// One curve: a name for the legend and counts.
struct HistogramCurve {
    std::string name;
    Histogram histogram;
};

struct HistogramPlot {
    std::string title = {};
    std::string x_label = {};
    std::string y_label = "Number of spectra";
    bool log_counts = false;     ///< empty bins are not drawn then
    bool log_positions = false;  ///< the histograms are of log10 of the quantity: ticks show it
    std::vector<HistogramCurve> curves = {};
};

/// Bars: a group for each category, in it a bar for each series.
struct BarPlot {
    struct Series {
        std::string name;
        std::vector<std::int64_t> counts;  ///< one a category
    };
    std::string title = {};
    std::string y_label = "Number of spectra";
    bool log_counts = false;
    std::vector<std::string> categories = {};
    std::vector<Series> series = {};
};

/// An SVG document of 640 x 400 px, of text and lines alone.
std::string svg_of(const HistogramPlot& plot);
std::string svg_of(const BarPlot& plot);

}  // namespace balmer::data
