#pragma once
// The plain version of map2d-roi.

#include <cstdint>
#include <span>
#include <vector>

#include "render/image.h"
#include "render/map2d/value_blocks.h"

namespace balmer::render {

/// A run of values, [begin, end), and the size of its equivalent width.
struct Region {
    std::int64_t begin = 0;
    std::int64_t end = 0;
    double width = 0.0;
};

/// The regions of interest of one spectrum after another; holds scratch memory between calls. Not
/// for use by several threads at once.
class RegionFinder {
  public:
    /// Those shown, the widest first. `wavelength` has an entry for each value. Valid until the
    /// next call.
    std::span<const Region> find(const MaskedValues& values, std::span<const double> wavelength);

  private:
    void smooth(const MaskedValues& values);
    void compare_with_median();

    std::vector<double> flux_;      // NaN where bad
    std::vector<double> smooth_;    // regions::undefined where it is
    std::vector<double> contrast_;  // 0 outside regions
    std::vector<Region> regions_;
};

void map2d_roi_plain(const Context& context, const ImageRequest& request);

}  // namespace balmer::render
