#include "data/simulate/star.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "data/simulate/atomic_lines.h"
#include "data/simulate/molecules.h"

namespace balmer::data::simulation {
namespace {

/// E3(x) by interpolation: the weight of a source at optical depth x in the emergent flux.
class ExponentialIntegral {
  public:
    ExponentialIntegral() {
        // E3(x) = integral over mu of mu exp(-x / mu), by the midpoint rule.
        for (std::size_t i = 0; i < table_.size(); ++i) {
            const double x = static_cast<double>(i) * step;
            double sum = 0.0;
            constexpr int points = 400;
            for (int k = 0; k < points; ++k) {
                const double mu = (k + 0.5) / points;
                sum += mu * std::exp(-x / mu);
            }
            table_[i] = static_cast<float>(sum / points);
        }
    }
    double operator()(double x) const {
        const double at = x / step;
        if (at >= static_cast<double>(table_.size() - 1)) return 0.0;
        const auto i = static_cast<std::size_t>(at);
        const double fraction = at - static_cast<double>(i);
        return table_[i] + fraction * (table_[i + 1] - table_[i]);
    }

  private:
    static constexpr double step = 0.005;
    std::array<float, 2400> table_{};
};

double voigt(double damping, double v) {
    const double v2 = v * v;
    const double core = v2 < 30.0 ? std::exp(-v2) : 0.0;
    return core + damping / (1.7725 * (v2 + 1.5));
}

/// Equivalent width in Doppler units of a Milne-Eddington line of unit depth limit, tabulated over
/// log10 of the line-to-continuum ratio at the centre and log10 of the damping constant.
class CurveOfGrowth {
  public:
    CurveOfGrowth() {
        for (std::size_t i = 0; i < ratios; ++i) {
            for (std::size_t j = 0; j < dampings; ++j) {
                const double ratio = std::pow(10.0, first_ratio + 0.25 * static_cast<double>(i));
                const double damping = std::pow(10.0, first_damping + 0.5 * static_cast<double>(j));
                double sum = 0.0;
                double v = 0.0;
                while (v < 3000.0) {
                    const double width = 0.05 + 0.05 * v;
                    const double eta = ratio * voigt(damping, v + 0.5 * width);
                    sum += 2.0 * width * eta / (1.0 + eta);
                    v += width;
                }
                table_[i][j] = std::log(sum);
            }
        }
    }
    double operator()(double ratio, double damping) const {
        const double x = std::clamp(4.0 * (std::log10(ratio) - first_ratio), 0.0, ratios - 1.001);
        const double y =
            std::clamp(2.0 * (std::log10(damping) - first_damping), 0.0, dampings - 1.001);
        const auto i = static_cast<std::size_t>(x);
        const auto j = static_cast<std::size_t>(y);
        const double a = x - static_cast<double>(i);
        const double b = y - static_cast<double>(j);
        return std::exp((1 - a) * ((1 - b) * table_[i][j] + b * table_[i][j + 1]) +
                        a * ((1 - b) * table_[i + 1][j] + b * table_[i + 1][j + 1]));
    }

  private:
    static constexpr std::size_t ratios = 45;
    static constexpr std::size_t dampings = 9;
    static constexpr double first_ratio = -3.0;
    static constexpr double first_damping = -4.0;
    std::array<std::array<double, dampings>, ratios> table_{};
};

/// What a line does in one layer.
struct LineState {
    double ratio;    ///< line / continuum opacity at the centre
    double doppler;  ///< A
    double damping;
};

LineState line_state(const Atmosphere& atmosphere, const Layer& layer, const AtomicLine& line,
                     double wavelength, double per_state, double continuum) {
    const double t = layer.temperature;
    const double turbulence = atmosphere.parameters().microturbulence;
    const double velocity =
        std::sqrt(0.016629 * t / atomic_mass(line.element) + turbulence * turbulence);
    const double doppler = wavelength * velocity / speed_of_light;
    const double lower =
        per_state * std::exp(-line.excitation * 11604.5 / t) * std::pow(10.0, line.log_gf);
    const double stimulated = 1.0 - std::exp(-1.438777e8 / (wavelength * t));
    const double opacity =
        lower * stimulated * 8.8525e-21 * wavelength * wavelength / (1.7725 * doppler);
    // Radiation, van der Waals (neutral hydrogen) and Stark (electrons), rad/s.
    const bool helium = line.element == Element::He;
    const double excited = 1.0 + 0.35 * line.excitation;
    const double gamma =
        2e8 +
        layer.neutral_hydrogen * 0.7e-8 * std::min(excited, 3.0) * std::pow(t / 10000.0, 0.3) +
        layer.electrons * (helium ? 6e-5 : 1e-6 * std::min(excited, 4.0));
    const double damping = gamma * wavelength * wavelength / (12.566 * 2.998e18 * doppler);
    return {opacity / continuum, doppler, damping};
}

/// Continuous opacity at every pixel and layer, from a coarse grid.
std::vector<float> continuum_opacity(const Atmosphere& atmosphere, const LogGrid& grid) {
    const auto& layers = atmosphere.layers();
    const auto depth = static_cast<std::int64_t>(layers.size());
    constexpr std::int64_t stride = 40;
    std::vector<float> opacity(static_cast<std::size_t>(grid.size * depth));
    std::vector<double> left(layers.size());
    std::vector<double> right(layers.size());
    const auto fill = [&](std::vector<double>& values, std::int64_t pixel) {
        for (std::size_t l = 0; l < layers.size(); ++l)
            values[l] = atmosphere.continuous_opacity(layers[l], grid.wavelength(pixel));
    };
    fill(right, 0);
    for (std::int64_t begin = 0; begin < grid.size; begin += stride) {
        std::swap(left, right);
        fill(right, begin + stride);
        for (std::int64_t i = begin; i < std::min(begin + stride, grid.size); ++i) {
            const double b = static_cast<double>(i - begin) / stride;
            for (std::int64_t l = 0; l < depth; ++l)
                opacity[static_cast<std::size_t>(i * depth + l)] =
                    static_cast<float>((1.0 - b) * left[static_cast<std::size_t>(l)] +
                                       b * right[static_cast<std::size_t>(l)]);
        }
    }
    return opacity;
}

}  // namespace

std::vector<double> star_spectrum(const StellarParameters& parameters, const LogGrid& grid) {
    static const ExponentialIntegral e3;
    static const CurveOfGrowth curve_of_growth;

    const Atmosphere atmosphere(parameters);
    const auto& layers = atmosphere.layers();
    const auto depth = static_cast<std::int64_t>(layers.size());
    std::vector<float> opacity = continuum_opacity(atmosphere, grid);
    add_molecular_opacity(atmosphere, grid, opacity);
    add_hydrogen_lines(atmosphere, grid, opacity);

    // Densities of every species and layer, once.
    std::vector<double> per_state(static_cast<std::size_t>(element_count * 3 * depth));
    for (int element = 0; element < element_count; ++element)
        for (int stage = 0; stage < 3; ++stage)
            for (std::int64_t l = 0; l < depth; ++l)
                per_state[static_cast<std::size_t>((element * 3 + stage) * depth + l)] =
                    atmosphere.density_per_state(layers[static_cast<std::size_t>(l)],
                                                 static_cast<Element>(element), stage);

    // The line list has the strong lines of each species alone. Against LAMOST stars of known
    // parameters its metal lines come out a tenth to a fifth too weak; the missing ones blend with
    // them.
    constexpr double unlisted = 1.2;
    std::vector<double> weak(static_cast<std::size_t>(grid.size));  // absorbed share of each pixel
    for (const AtomicLine& line : atomic_lines()) {
        const double wavelength = air_to_vacuum(line.air_wavelength);
        const double position = grid.position(wavelength);
        const auto pixel = static_cast<std::int64_t>(std::floor(position));
        if (pixel < 1 || pixel + 2 >= grid.size) continue;
        const double* species =
            per_state.data() + (static_cast<int>(line.element) * 3 + line.stage) * depth;
        const auto state_at = [&](std::int64_t l) {
            return line_state(atmosphere, layers[static_cast<std::size_t>(l)], line, wavelength,
                              species[l], opacity[static_cast<std::size_t>(pixel * depth + l)]);
        };
        // Stronger lines form higher up.
        constexpr std::int64_t usual = 17;
        LineState state = state_at(usual);
        if (state.ratio < 3e-3) continue;
        const double up = std::clamp(1.5 * std::log10(1.0 + state.ratio), 0.0, 8.0);
        state = state_at(usual - static_cast<std::int64_t>(up));
        const double width = grid.pixel_width(wavelength);
        const double reach =
            state.doppler * std::sqrt(state.ratio * state.damping / (0.02 * 1.7725));
        if (reach < 1.5 * width) {
            const double equivalent =
                unlisted * state.doppler * curve_of_growth(state.ratio, state.damping) / width;
            const double fraction = position - static_cast<double>(pixel);
            weak[static_cast<std::size_t>(pixel)] += (1.0 - fraction) * equivalent;
            weak[static_cast<std::size_t>(pixel + 1)] += fraction * equivalent;
            continue;
        }
        // A strong line: the core, narrower than a pixel, by its curve of growth; the wings, which
        // form at every depth, as opacity.
        constexpr double undamped = 1e-4;
        const double core =
            unlisted * state.doppler * curve_of_growth(state.ratio, undamped) / width;
        const double fraction = position - static_cast<double>(pixel);
        weak[static_cast<std::size_t>(pixel)] += (1.0 - fraction) * core;
        weak[static_cast<std::size_t>(pixel + 1)] += fraction * core;
        const auto span =
            static_cast<std::int64_t>(std::min(reach, 0.05 * wavelength) * 2.0 / width) + 2;
        std::vector<float> wing(layers.size());
        for (std::int64_t l = 0; l < depth; ++l) {
            const LineState here = state_at(l);
            const double scale = here.doppler / width;
            wing[static_cast<std::size_t>(l)] =
                static_cast<float>(opacity[static_cast<std::size_t>(pixel * depth + l)] *
                                   here.ratio * here.damping / 1.7725 * scale * scale);
        }
        for (std::int64_t i = std::max<std::int64_t>(0, pixel - span);
             i < std::min(grid.size, pixel + span); ++i) {
            const double x = static_cast<double>(i) - position;
            const auto profile = static_cast<float>(1.0 / (x * x + 0.4));
            float* row = opacity.data() + i * depth;
            for (std::int64_t l = 0; l < depth; ++l)
                row[l] += profile * wing[static_cast<std::size_t>(l)];
        }
    }

    std::vector<double> flux(static_cast<std::size_t>(grid.size));
    std::vector<double> source(layers.size());
    constexpr std::int64_t stride = 40;
    for (std::int64_t i = 0; i < grid.size; ++i) {
        const double wavelength = grid.wavelength(i);
        if (i % stride == 0) {
            const double middle = grid.wavelength(i + stride / 2);
            for (std::size_t l = 0; l < layers.size(); ++l)
                source[l] = planck(middle, layers[l].temperature);
        }
        const float* row = opacity.data() + i * depth;
        // tau along depth by the trapezoid in tau_5000; emergent flux 2 sum S (E3 - E3').
        double ratio = row[0] / layers[0].opacity;
        double tau = ratio * layers[0].tau;
        double weight = e3(tau);
        double sum = source[0] * (0.5 - weight);
        for (std::size_t l = 1; l < layers.size() && tau < 11.0; ++l) {
            const double next_ratio = row[l] / layers[l].opacity;
            tau += 0.5 * (ratio + next_ratio) * (layers[l].tau - layers[l - 1].tau);
            ratio = next_ratio;
            const double next = e3(tau);
            sum += 0.5 * (source[l] + source[l - 1]) * (weight - next);
            weight = next;
        }
        sum += source.back() * weight;
        double value = 2.0 * sum;
        if (weak[static_cast<std::size_t>(i)] > 0.0) {
            const double floor = planck(wavelength, layers[6].temperature) / value;
            const double limit = std::clamp(1.0 - floor, 0.1, 0.95);
            value *= 1.0 - limit * (1.0 - std::exp(-weak[static_cast<std::size_t>(i)]));
        }
        flux[static_cast<std::size_t>(i)] = value;
    }
    return flux;
}

}  // namespace balmer::data::simulation
