#include "render/roi/map2d_roi_cpu.h"

#include <algorithm>
#include <array>

#include "render/map2d/even_spacing.h"
#include "render/roi/regions_math.h"

namespace balmer::render {
namespace {

using namespace regions;

/// The latest median_window values in order, of several stretches of a spectrum at a time, so that
/// the CPU's vectors hold one value of each.
class SlidingWindows {
  public:
    static constexpr int stretches = 16;
    using Values = std::array<double, stretches>;

    SlidingWindows() {
        for (Values& values : sorted_) values.fill(undefined);
    }

    void replace(const Values& oldest, const Values& newest) {
        Values before;  // in order, the oldest left out
        before.fill(-undefined);
        for (std::int64_t k = 0; k < median_window; ++k) {
            for (int s = 0; s < stretches; ++s) {
                const double here = sorted_[k][s];
                const double kept = here < oldest[s] ? here : sorted_[k + 1][s];
                const double lower = kept < newest[s] ? kept : newest[s];
                sorted_[k][s] = before[s] > lower ? before[s] : lower;
                before[s] = kept;
            }
        }
    }
    /// contrast_of each value of `smooth` and the median of its stretch.
    Values contrasts(const Values& smooth) const {
        constexpr std::int64_t middle = median_window / 2;
        Values result;
        for (int s = 0; s < stretches; ++s) {
            const double median = median_of(sorted_[middle - 1][s], sorted_[middle][s],
                                            sorted_[median_window - 1][s]);
            result[s] = contrast_of(smooth[s], median);
        }
        return result;
    }

  private:
    std::array<Values, median_window + 1> sorted_;  // and one that stays undefined
};

/// The equivalent width: trapezoids dealt to partial sums in turn, these added in halves.
double equivalent_width(std::int64_t begin, std::int64_t end, std::span<const double> wavelength,
                        const std::vector<double>& contrast) {
    const std::int64_t trapezoids = end - begin - 1;
    int used = 1;  // the others would stay 0
    while (used < partial_sums && used < trapezoids) used *= 2;
    std::array<double, partial_sums> sums;
    std::fill_n(sums.begin(), used, 0.0);
    for (std::int64_t i = begin; i + 1 < end; ++i) {
        double& sum = sums[(i - begin) % partial_sums];
        sum += trapezoid(wavelength[i], wavelength[i + 1], contrast[i], contrast[i + 1]);
    }
    for (int half = used / 2; half > 0; half /= 2) {
        for (int k = 0; k < half; ++k) sums[k] += sums[k + half];
    }
    return size_of_width(sums[0]);
}

/// The wavelengths of a spectrum's values, which `interpolated` holds where they are not its own.
std::span<const double> wavelengths_of(const SpectrumRow& row, std::int64_t values,
                                       std::vector<double>& interpolated) {
    if (values == row.pixels) return {row.wavelength, static_cast<std::size_t>(values)};
    const EvenSpacing spacing = {row.wavelength[0], row.wavelength[row.pixels - 1], values};
    interpolated.resize(values);
    for (std::int64_t i = 0; i < values; ++i) interpolated[i] = spacing.at(i);
    return interpolated;
}

}  // namespace

std::span<const Region> RegionFinder::find(const MaskedValues& values,
                                           std::span<const double> wavelength) {
    regions_.clear();
    const std::int64_t n = values.size();
    if (n < median_window) return regions_;
    smooth(values);
    compare_with_median();
    for (std::int64_t i = 0; i < n; ++i) {
        if (contrast_[i] == 0) continue;
        const std::int64_t begin = i;
        while (i < n && contrast_[i] != 0) ++i;
        regions_.push_back({begin, i, equivalent_width(begin, i, wavelength, contrast_)});
    }
    const auto shown = std::min<std::size_t>(regions_.size(), most_regions);
    const auto is_wider = [](const Region& a, const Region& b) {
        return a.width != b.width ? a.width > b.width : a.begin < b.begin;
    };
    std::partial_sort(regions_.begin(), regions_.begin() + static_cast<std::ptrdiff_t>(shown),
                      regions_.end(), is_wider);
    return std::span(regions_).first(shown);
}

void RegionFinder::smooth(const MaskedValues& values) {
    const std::int64_t n = values.size();
    flux_.resize(n);
    smooth_.resize(n);
    const double* const value = values.value.data();
    const std::uint8_t* const is_masked = values.is_masked.data();
    double* const flux = flux_.data();
    double* const smooth = smooth_.data();
    for (std::int64_t i = 0; i < n; ++i) {
        flux[i] = is_masked[i] != 0 ? std::numeric_limits<double>::quiet_NaN() : value[i];
    }
    for (std::int64_t i = 0; i < smooth_reach; ++i) {
        smooth[i] = smoothed(flux, i, n);
        smooth[n - 1 - i] = smoothed(flux, n - 1 - i, n);
    }
    for (std::int64_t i = smooth_reach; i < n - smooth_reach; ++i) {
        smooth[i] = smoothed_inside(flux + i);
    }
}

void RegionFinder::compare_with_median() {
    constexpr int stretches = SlidingWindows::stretches;
    const auto n = static_cast<std::int64_t>(smooth_.size());
    contrast_.assign(n, 0.0);
    const std::int64_t medians = n - median_window + 1;
    const std::int64_t stretch = (medians + stretches - 1) / stretches;
    SlidingWindows windows;
    for (std::int64_t i = 0; i < stretch + median_window - 1; ++i) {
        const std::int64_t begin = i + 1 - median_window;  // of the window, within the stretch
        SlidingWindows::Values oldest;
        SlidingWindows::Values newest;
        for (int s = 0; s < stretches; ++s) {
            const std::int64_t last = s * stretch + i;
            oldest[s] = begin > 0 ? smooth_[std::min(last - median_window, n - 1)] : undefined;
            newest[s] = smooth_[std::min(last, n - 1)];
        }
        windows.replace(oldest, newest);
        if (begin < 0) continue;
        SlidingWindows::Values centres;
        const auto centre = [&](int s) { return s * stretch + begin + median_before; };
        for (int s = 0; s < stretches; ++s) centres[s] = smooth_[std::min(centre(s), n - 1)];
        const auto contrasts = windows.contrasts(centres);
        for (int s = 0; s < stretches && centre(s) - median_before < medians; ++s) {
            contrast_[centre(s)] = contrasts[s];
        }
    }
}

void map2d_roi_plain(const Context& context, const ImageRequest& request) {
    struct Scratch {
        MaskedValues values;
        std::vector<double> wavelength;
        RegionFinder finder;
        std::vector<Pixel> pixels;
    };
    const ImageOptions& options = request.options;
    const auto draw = [&](const SpectrumRow& row, Scratch& scratch) -> Drawing {
        MaskedValues& values = scratch.values;
        gather(options, row, values);
        mask_not_finite(values);
        clear_pixels(options, values, scratch.pixels);
        draw_from_minimum_to_maximum(values, 0, scratch.pixels);
        const auto wavelength = wavelengths_of(row, values.size(), scratch.wavelength);
        const auto drawn = static_cast<std::int64_t>(scratch.pixels.size());
        for (const Region& region : scratch.finder.find(values, wavelength)) {
            for (std::int64_t i = region.begin; i < std::min(region.end, drawn); ++i) {
                scratch.pixels[i][1] = region_level;
            }
        }
        return {scratch.pixels};
    };
    draw_each<Scratch>(context, request, draw);
}

}  // namespace balmer::render
