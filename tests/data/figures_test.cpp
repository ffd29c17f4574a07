// data/figures: histograms count right, and plots are sound SVG that shows them.

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <sstream>

#include "data/figures/histogram.h"
#include "data/figures/set_figures.h"
#include "data/figures/svg_plot.h"
#include "kernels/core/error.h"
#include "tests/data/pack_test_support.h"

namespace balmer::data {
namespace {

std::size_t count_of(const std::string& text, const std::string& part) {
    std::size_t count = 0;
    for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
        ++count;
    }
    return count;
}

/// Every element of an SVG document is closed, in order, and no text has a bare '<' or '&'.
void expect_well_formed(const std::string& svg) {
    std::vector<std::string> open;
    for (std::size_t at = svg.find('<'); at != std::string::npos; at = svg.find('<', at + 1)) {
        const std::size_t end = svg.find('>', at);
        ASSERT_NE(end, std::string::npos);
        const std::string tag = svg.substr(at + 1, end - at - 1);
        ASSERT_EQ(tag.find('<'), std::string::npos) << tag;
        ASSERT_EQ(count_of(tag, "\"") % 2, 0U) << tag;
        if (tag.front() == '/') {
            ASSERT_FALSE(open.empty());
            ASSERT_EQ(open.back(), tag.substr(1));
            open.pop_back();
        } else if (tag.back() != '/') {
            open.push_back(tag.substr(0, tag.find(' ')));
        }
    }
    EXPECT_TRUE(open.empty());
    EXPECT_EQ(svg.find("nan"), std::string::npos);
    EXPECT_EQ(svg.find("inf"), std::string::npos);
}

TEST(Histogram, CountsEveryValueOnce) {
    Histogram histogram(0.0, 10.0, 5);
    for (const double value : {-1.0, 0.0, 1.99, 2.0, 9.99, 10.0, 10.01, 1e300, -1e300}) {
        histogram.add(value);
    }
    histogram.add(std::nan(""));
    histogram.add(5.0, 7);
    EXPECT_EQ(histogram.counts(), (std::vector<std::int64_t>{2, 1, 7, 0, 2}));
    EXPECT_EQ(histogram.below(), 2);
    EXPECT_EQ(histogram.above(), 2);
    EXPECT_EQ(histogram.total(), 12);
    EXPECT_EQ(histogram.left(5), 10.0);
    EXPECT_THROW(Histogram(1.0, 1.0, 5), UsageError);
    EXPECT_THROW(Histogram(0.0, 1.0, 0), UsageError);
}

TEST(Histogram, TicksAreRoundNumbers) {
    EXPECT_EQ(linear_ticks(0.0, 10.0, 5), (std::vector<double>{0, 2, 4, 6, 8, 10}));
    EXPECT_EQ(linear_ticks(3599.0, 10400.0, 8).front(), 4000.0);
    EXPECT_EQ(linear_ticks(-0.4, 0.4, 4), (std::vector<double>{-0.4, -0.2, 0.0, 0.2, 0.4}));
    EXPECT_EQ(log_ticks(0.7, 2000.0, 6), (std::vector<double>{1, 10, 100, 1000}));
    EXPECT_LE(log_ticks(1.0, 1e12, 6).size(), 7U);
}

TEST(SvgPlot, DrawsACurveForEachHistogram) {
    Histogram histogram(0.0, 4.0, 4);
    histogram.add(0.5, 100);
    histogram.add(3.5, 1);
    const HistogramPlot plot = {.title = "z < 4 & \"more\"",
                                .x_label = "z",
                                .log_counts = true,
                                .curves = {{"sdss", histogram}, {"<lamost>", histogram}}};
    const std::string svg = svg_of(plot);
    expect_well_formed(svg);
    EXPECT_EQ(count_of(svg, "<path"), 2U);
    EXPECT_NE(svg.find("z &lt; 4 &amp; "), std::string::npos);
    EXPECT_NE(svg.find("&lt;lamost&gt;"), std::string::npos);
    // With logarithmic counts the two empty bins in the middle are a gap.
    const std::string path = svg.substr(svg.find("d=\"") + 3);
    EXPECT_EQ(count_of(path.substr(0, path.find('"')), "M"), 2U);
}

TEST(SvgPlot, DrawsEmptyPlots) {
    expect_well_formed(svg_of(HistogramPlot{}));
    expect_well_formed(svg_of(BarPlot{}));
    expect_well_formed(svg_of(HistogramPlot{.curves = {{"none", Histogram(0.0, 1.0, 3)}}}));
}

TEST(SvgPlot, BarsAreAsHighAsTheirCounts) {
    const BarPlot plot = {.title = "Class",
                          .categories = {"STAR", "QSO"},
                          .series = {{"sdss", {100, 50}}, {"lamost", {0, 25}}}};
    const std::string svg = svg_of(plot);
    expect_well_formed(svg);
    std::vector<double> heights;
    std::istringstream lines(svg);
    for (std::string line; std::getline(lines, line);) {
        const bool is_bar = line.starts_with("<rect x") && line.find("fill=\"#") < line.size();
        if (is_bar) heights.push_back(std::stod(line.substr(line.find("height=\"") + 8)));
    }
    ASSERT_EQ(heights.size(), 3U);
    EXPECT_NEAR(heights[1] / heights[0], 0.5, 0.01);
    EXPECT_NEAR(heights[2] / heights[0], 0.25, 0.01);
}

TEST(SetFigures, ShowWhatASetHoldsBySurvey) {
    const TemporaryFolder folder;
    pack_samples(folder.path(), 60);
    const auto figures = figures_of(PackedSet(folder.path()));
    ASSERT_EQ(figures.size(), 4U);
    for (const auto& figure : figures) {
        SCOPED_TRACE(figure.name);
        expect_well_formed(figure.svg);
        EXPECT_NE(figure.svg.find(">sdss<"), std::string::npos);
        EXPECT_NE(figure.svg.find(">lamost<"), std::string::npos);
    }
    EXPECT_NE(figures[2].svg.find(">GALAXY<"), std::string::npos);
    EXPECT_NE(figures[2].svg.find(">no class<"), std::string::npos);
    EXPECT_NE(figures[2].svg.find(">15<"), std::string::npos);  // one in four is a GALAXY
}

TEST(SetFigures, AreLeftOutForWhatNoSpectrumHas) {
    const TemporaryFolder folder;
    {
        PackWriter writer(folder.path(), {});
        Spectrum spectrum = sample_spectrum(0);
        spectrum.labels = {};
        spectrum.inverse_variance_known = false;
        writer.append(spectrum);
        writer.finish({}, {});
    }
    const auto figures = figures_of(PackedSet(folder.path()));
    ASSERT_EQ(figures.size(), 1U);
    EXPECT_EQ(figures[0].name, "wavelength.svg");
}

}  // namespace
}  // namespace balmer::data
