#include "render/line_plot/short_runs.h"

namespace balmer::render::line_plot {

void find_short_runs(const std::vector<double>& x, const std::vector<double>& y, const Part& part,
                     std::vector<std::uint8_t>& kinds) {
    kinds.resize(x.size());
    const auto points = [&](std::int64_t i) {
        return Points{load<Doubles>(&x[i]), load<Doubles>(&y[i])};
    };
    for (std::int64_t seed = part.begin + 1; seed < part.end; seed += lanes) {
        const RunLine<Doubles> line(points(seed - 1), points(seed));
        Doubles farthest_forward = line.seed_distance();
        Doubles farthest_backward{};
        Doubles forward{};
        Doubles backward{};
        Doubles length = 1. + Doubles{};
        Choice goes_on = length > 0.;
        for (int k = 1; k < most_short_run; ++k) {
            const auto place = line.place(points(seed + k));
            goes_on &= place.across < simplify_threshold_squared;
            const double index = k;
            const Choice is_forward =
                goes_on & (place.dot > 0.) & (place.distance > farthest_forward);
            const Choice is_backward =
                goes_on & ~(place.dot > 0.) & (place.distance > farthest_backward);
            farthest_forward = is_forward ? place.distance : farthest_forward;
            farthest_backward = is_backward ? place.distance : farthest_backward;
            forward = is_forward ? index : forward;
            backward = is_backward ? index : backward;
            length = goes_on ? index + 1. : length;
        }
        const auto beyond = line.place(points(seed + most_short_run));
        goes_on &= beyond.across < simplify_threshold_squared;
        constexpr double sides = most_short_run;
        const Doubles kind = (length - 1.) + sides * (forward + sides * backward);
        constexpr double longer = kinds_of_short_run;
        const Integers found = __builtin_convertvector(goes_on ? longer : kind, Integers);
        for (int i = 0; i < lanes; ++i) kinds[seed + i] = static_cast<std::uint8_t>(found[i]);
    }
}

}  // namespace balmer::render::line_plot
