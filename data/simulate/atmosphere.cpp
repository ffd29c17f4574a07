#include "data/simulate/atmosphere.h"

#include <algorithm>
#include <cmath>

namespace balmer::data::simulation {
namespace {

constexpr double boltzmann = 1.380649e-16;    // erg/K
constexpr double electron_volt_k = 11604.5;   // K per eV
constexpr double hydrogen_mass = 1.6735e-24;  // g
constexpr double thomson = 6.6524e-25;        // cm2

/// Solar abundance (12 + log N/N(H), Asplund et al. 2009), ionisation energies (eV) and partition
/// functions near 5000-7000 K (Gray 2005, appendix D), mass.
struct ElementData {
    double solar;
    double ionisation[2];
    double partition[3];
    double mass;
    bool alpha;
};
constexpr ElementData elements[element_count] = {
    {12.00, {13.598, 99.0}, {2.0, 1.0, 1.0}, 1.008, false},      // H
    {10.93, {24.587, 54.418}, {1.0, 2.0, 1.0}, 4.003, false},    // He
    {8.43, {11.260, 24.383}, {9.3, 6.0, 1.0}, 12.011, false},    // C
    {7.83, {14.534, 29.601}, {4.1, 9.0, 6.0}, 14.007, false},    // N
    {8.69, {13.618, 35.121}, {8.8, 4.0, 9.0}, 15.999, true},     // O
    {6.24, {5.139, 47.286}, {2.1, 1.0, 6.0}, 22.990, false},     // Na
    {7.60, {7.646, 15.035}, {1.03, 2.0, 1.0}, 24.305, true},     // Mg
    {6.45, {5.986, 18.829}, {5.9, 1.0, 2.0}, 26.982, false},     // Al
    {7.51, {8.152, 16.346}, {9.5, 5.7, 1.0}, 28.085, true},      // Si
    {5.03, {4.341, 31.630}, {2.2, 1.0, 6.0}, 39.098, false},     // K
    {6.34, {6.113, 11.872}, {1.3, 2.3, 1.0}, 40.078, true},      // Ca
    {3.15, {6.561, 12.800}, {12.0, 23.0, 10.0}, 44.956, true},   // Sc
    {4.95, {6.828, 13.576}, {30.0, 56.0, 20.0}, 47.867, true},   // Ti
    {3.93, {6.746, 14.660}, {48.0, 43.0, 28.0}, 50.942, false},  // V
    {5.64, {6.767, 16.486}, {10.5, 7.3, 25.0}, 51.996, false},   // Cr
    {5.43, {7.434, 15.640}, {6.5, 7.8, 6.0}, 54.938, false},     // Mn
    {7.50, {7.902, 16.188}, {28.0, 43.0, 25.0}, 55.845, false},  // Fe
    {4.99, {7.881, 17.084}, {33.0, 30.0, 28.0}, 58.933, false},  // Co
    {6.22, {7.640, 18.169}, {31.0, 11.0, 21.0}, 58.693, false},  // Ni
    {4.56, {9.394, 17.964}, {1.0, 2.0, 1.0}, 65.380, false},     // Zn
    {2.87, {5.695, 11.030}, {1.3, 2.2, 1.0}, 87.620, false},     // Sr
    {2.21, {6.217, 12.240}, {12.0, 16.0, 10.0}, 88.906, false},  // Y
    {2.18, {5.212, 10.004}, {2.5, 4.2, 1.0}, 137.33, false},     // Ba
};

/// N(stage + 1) N(e) / N(stage), cm-3 (Saha).
double saha(double temperature, double ionisation, double partition_ratio) {
    return 4.8293e15 * temperature * std::sqrt(temperature) * partition_ratio *
           std::exp(-ionisation * electron_volt_k / temperature);
}

/// Fractions of an element in stages 0, 1, 2.
std::array<double, 3> ionisation_fractions(const ElementData& element, double temperature,
                                           double electrons) {
    const double first =
        saha(temperature, element.ionisation[0], element.partition[1] / element.partition[0]) /
        electrons;
    const double second =
        saha(temperature, element.ionisation[1], element.partition[2] / element.partition[1]) /
        electrons;
    const double sum = 1.0 + first * (1.0 + second);
    return {1.0 / sum, first / sum, first * second / sum};
}

/// N(H)^2 / N(H2), cm-3: fit of the equilibrium constant (Tsuji 1973) between 1500 and 6000 K.
double hydrogen_dissociation(double temperature) {
    const double theta = 5040.0 / temperature;
    const double log_pressure =
        12.739 + theta * (-5.1172 + theta * (0.12572 + theta * (-0.014149 + theta * 6.3021e-4)));
    return std::pow(10.0, log_pressure) / (boltzmann * temperature);
}

/// H- bound-free cross-section, cm4/dyn per neutral hydrogen atom; John 1988, A&A 193, 189, eq.
/// 3-5.
double negative_hydrogen_bound_free(double micron, double temperature) {
    constexpr double threshold = 1.6419;
    if (micron >= threshold) return 0.0;
    constexpr double c[6] = {152.519, 49.534, -118.858, 92.536, -34.194, 4.982};
    constexpr double alpha = 14390.0;
    const double x = 1.0 / std::max(micron, 0.125) - 1.0 / threshold;
    const double root = std::sqrt(x);
    double f = 0.0;
    for (int n = 5; n >= 0; --n) f = f * root + c[n];
    const double section = 1e-18 * micron * micron * micron * x * root * f;
    return 0.750 * std::pow(temperature, -2.5) * std::exp(alpha / (threshold * temperature)) *
           (1.0 - std::exp(-alpha / (micron * temperature))) * section;
}

/// H- free-free, same unit; John 1988, eq. 6.
double negative_hydrogen_free_free(double micron, double temperature) {
    constexpr double red[6][6] = {{0.0, 0.0, 0.0, 0.0, 0.0, 0.0},
                                  {2483.346, 285.827, -2054.291, 2827.776, -1341.537, 208.952},
                                  {-3449.889, -1158.382, 8746.523, -11485.632, 5303.609, -812.939},
                                  {2200.040, 2427.719, -13651.105, 16755.524, -7510.494, 1132.738},
                                  {-696.271, -1841.400, 8624.970, -10051.530, 4400.067, -655.020},
                                  {88.283, 444.517, -1863.864, 2095.288, -901.788, 132.985}};
    constexpr double blue[6][6] = {{518.1021, -734.8666, 1021.1775, -479.0721, 93.1373, -6.4285},
                                   {473.2636, 1443.4137, -1977.3395, 922.3575, -178.9275, 12.3600},
                                   {-482.2089, -737.1616, 1096.8827, -521.1341, 101.7963, -7.0571},
                                   {115.5291, 169.6374, -245.6490, 114.2430, -21.9972, 1.5097},
                                   {0.0, 0.0, 0.0, 0.0, 0.0, 0.0},
                                   {0.0, 0.0, 0.0, 0.0, 0.0, 0.0}};
    const auto& table = micron > 0.3645 ? red : blue;
    const double theta = 5040.0 / temperature;
    const double inverse = 1.0 / std::max(micron, 0.1823);
    double sum = 0.0;
    for (int n = 0; n < 6; ++n) {
        const auto& t = table[n];
        const double value =
            micron * micron * t[0] + t[1] +
            inverse * (t[2] + inverse * (t[3] + inverse * (t[4] + inverse * t[5])));
        sum += std::pow(theta, 0.5 * (n + 2)) * value;
    }
    return std::max(0.0, 1e-29 * sum);
}

/// Bound-free opacity of hydrogen-like levels and free-free (Kramers), cm2 per neutral atom.
double hydrogen_opacity(double wavelength, double temperature, double balmer_edge) {
    double sum = 0.0;
    for (int n = 1; n <= 8; ++n) {
        const double n2 = n * n;
        const double edge = 911.75 * n2;
        // Dissolved upper levels carry the continuum past the edge, fading to where the lines end.
        const double end = edge * balmer_edge / 3647.0;
        if (wavelength > end) continue;
        const double bound = wavelength <= edge ? 1.0 : (end - wavelength) / (end - edge);
        const double excitation = 13.598 * (1.0 - 1.0 / n2);
        const double ratio = wavelength / edge;
        sum += n2 * std::exp(-excitation * electron_volt_k / temperature) * 7.91e-18 * n * ratio *
               ratio * ratio * bound;
    }
    // Levels above 8 as an integral, and free-free.
    const double cube = wavelength * wavelength * wavelength;
    const double chi = 13.598 * electron_volt_k / temperature;
    sum += 1.0449e-26 * cube / (2.0 * chi) *
               (std::exp(-13.598 * (1.0 - 1.0 / 81.0) * electron_volt_k / temperature) -
                std::exp(-chi)) +
           1.0449e-26 * cube / (2.0 * chi) * std::exp(-chi);
    return sum;
}

/// Neutral helium bound-free from its excited levels, cm2 per atom (hydrogenic).
double helium_opacity(double wavelength, double temperature) {
    struct Level {
        double excitation, weight, edge;
    };
    constexpr Level levels[] = {{19.820, 3.0, 2600.0},
                                {20.616, 1.0, 3122.0},
                                {20.964, 9.0, 3422.0},
                                {21.218, 3.0, 3680.0},
                                {22.9, 36.0, 7900.0}};
    double sum = 0.0;
    for (const Level& level : levels) {
        if (wavelength > level.edge) continue;
        const double ratio = wavelength / level.edge;
        sum += level.weight * std::exp(-level.excitation * electron_volt_k / temperature) *
               1.1e-17 * ratio * ratio * ratio;
    }
    return sum;
}

}  // namespace

double planck(double wavelength, double temperature) {
    const double x = 1.438777e8 / (wavelength * temperature);
    const double micron = wavelength * 1e-4;
    return 1.0 / (std::pow(micron, 5.0) * std::expm1(x));
}

double atomic_mass(Element element) {
    return elements[static_cast<std::size_t>(element)].mass;
}

Atmosphere::Atmosphere(const StellarParameters& parameters) : parameters_(parameters) {
    for (int i = 0; i < element_count; ++i) {
        const ElementData& element = elements[i];
        const bool metal = i > 1;
        const bool carbon = static_cast<Element>(i) == Element::C;
        const double shift = (metal ? parameters.feh : 0.0) +
                             (element.alpha ? parameters.alpha : 0.0) +
                             (carbon ? parameters.carbon : 0.0);
        abundance_[static_cast<std::size_t>(i)] = std::pow(10.0, element.solar - 12.0 + shift);
    }
    abundance_[1] = parameters.helium;
    if (parameters.logg < 3.5) {
        // First dredge-up: giants turned carbon into nitrogen.
        abundance_[static_cast<std::size_t>(Element::C)] *= 0.8;
        abundance_[static_cast<std::size_t>(Element::N)] *= 2.5;
    }

    constexpr double first = -5.0;
    constexpr double step = 0.25;
    constexpr int count = 28;
    const double gravity = std::pow(10.0, parameters.logg);
    double mass_per_nucleus = 0.0;
    for (int i = 0; i < element_count; ++i)
        mass_per_nucleus += abundance_[static_cast<std::size_t>(i)] * elements[i].mass;
    mass_per_nucleus *= hydrogen_mass;

    layers_.reserve(count);
    for (int i = 0; i < count; ++i) {
        Layer layer{};
        layer.tau = std::pow(10.0, first + step * i);
        // In A stars the mean (Rosseland) opacity exceeds that at 5000 A.
        const double distance = (std::log10(parameters.teff) - 3.94) / 0.07;
        const double mean = layer.tau * (1.0 + 0.8 * std::exp(-distance * distance));
        const double hopf = 0.7104 - 0.1331 * std::exp(-3.4488 * mean);
        layer.temperature = parameters.teff * std::pow(0.75 * (mean + hopf), 0.25);
        // Lines cool the outermost layers below the grey value.
        const double height = std::clamp((-0.5 - std::log10(layer.tau)) / 3.0, 0.0, 1.0);
        layer.temperature *= 1.0 - 0.09 * height;
        if (i == 0) {
            layer.pressure = 1.0;
            for (int iteration = 0; iteration < 8; ++iteration) {
                solve_state(layer);
                const double needed =
                    gravity * layer.tau * layer.nuclei * mass_per_nucleus / layer.opacity;
                layer.pressure = std::sqrt(layer.pressure * std::clamp(needed, 1e-6, 1e8));
            }
            solve_state(layer);
        } else {
            const Layer& above = layers_.back();
            const auto slope = [&](const Layer& at) {
                // Radiation carries part of the weight in hot stars.
                const double flux = 5.67e-5 * std::pow(parameters.teff, 4.0) / 2.998e10;
                const double density = at.nuclei * mass_per_nucleus;
                const double lift = flux * at.opacity / density;
                return std::max(gravity - lift, 0.1 * gravity) * density / at.opacity;
            };
            const double upper = slope(above);
            layer.pressure = above.pressure + upper * (layer.tau - above.tau);
            for (int iteration = 0; iteration < 2; ++iteration) {
                solve_state(layer);
                layer.pressure =
                    above.pressure + 0.5 * (upper + slope(layer)) * (layer.tau - above.tau);
            }
            solve_state(layer);
        }
        layers_.push_back(layer);
    }
    const Layer& photosphere = layers_[20];
    last_bound_level_ = std::clamp(
        1.2 * std::pow(10.0, (23.26 - std::log10(photosphere.electrons)) / 7.5), 8.5, 24.0);
}

void Atmosphere::solve_state(Layer& layer) const {
    const double particles = layer.pressure / (boltzmann * layer.temperature);
    double per_nucleus = 0.0;
    for (double a : abundance_) per_nucleus += a;
    // Constants of the Saha equation do not depend on the electrons: once per element.
    std::array<double, element_count> first{};
    std::array<double, element_count> second{};
    for (std::size_t i = 0; i < element_count; ++i) {
        const ElementData& e = elements[i];
        first[i] = saha(layer.temperature, e.ionisation[0], e.partition[1] / e.partition[0]);
        second[i] = saha(layer.temperature, e.ionisation[1], e.partition[2] / e.partition[1]);
    }
    const double dissociation =
        layer.temperature < 7000.0 ? hydrogen_dissociation(layer.temperature) : 1e99;
    double nuclei = particles / per_nucleus;
    double molecules = 0.0;  // H2 per hydrogen nucleus
    double low = std::log(particles * 1e-14);
    double high = std::log(particles * 0.55);
    for (int iteration = 0; iteration < 36; ++iteration) {
        const double middle = 0.5 * (low + high);
        const double electrons = std::exp(middle);
        nuclei = (particles - electrons) / (per_nucleus - molecules);
        const double quarter = dissociation / 4.0;
        const double free_fraction =
            0.5 * dissociation /
            (std::sqrt(quarter * quarter + 0.5 * nuclei * dissociation) + quarter);
        molecules = 0.5 * (1.0 - std::min(1.0, free_fraction));
        double released = 0.0;
        for (std::size_t i = 0; i < element_count; ++i) {
            const double a = first[i] / electrons;
            const double b = second[i] / electrons;
            const double charge = a * (1.0 + 2.0 * b) / (1.0 + a * (1.0 + b));
            released += abundance_[i] * charge * (i == 0 ? 1.0 - 2.0 * molecules : 1.0);
        }
        (released * nuclei > electrons ? low : high) = middle;
    }
    layer.electrons = std::exp(0.5 * (low + high));
    layer.nuclei = nuclei;
    layer.neutral_hydrogen = nuclei * (1.0 - 2.0 * molecules) / (1.0 + first[0] / layer.electrons);
    layer.opacity = continuous_opacity(layer, 5000.0);
}

double Atmosphere::continuous_opacity(const Layer& layer, double wavelength) const {
    const double micron = wavelength * 1e-4;
    const double electron_pressure = layer.electrons * boltzmann * layer.temperature;
    const double stimulated = 1.0 - std::exp(-1.438777e8 / (wavelength * layer.temperature));
    const double level = last_bound_level_;
    const double balmer_edge = 3647.0 / (1.0 - 4.0 / (level * level));
    double opacity = 0.0;
    if (layer.temperature < 16000.0)
        opacity += layer.neutral_hydrogen * electron_pressure *
                   (negative_hydrogen_bound_free(micron, layer.temperature) +
                    negative_hydrogen_free_free(micron, layer.temperature));
    opacity += layer.neutral_hydrogen *
               hydrogen_opacity(wavelength, layer.temperature, balmer_edge) * stimulated;
    if (layer.temperature > 9000.0)
        opacity += density(layer, Element::He, 0) * helium_opacity(wavelength, layer.temperature) *
                   stimulated;
    opacity += layer.electrons * thomson;
    const double ratio = 1026.0 / std::max(wavelength, 1400.0);
    const double ratio2 = ratio * ratio;
    opacity +=
        layer.neutral_hydrogen * 5.8e-25 * 0.7 * ratio2 * ratio2 * (1.0 + 2.4 * ratio2) * 1.15;
    return opacity;
}

double Atmosphere::density(const Layer& layer, Element element, int stage) const {
    const auto i = static_cast<std::size_t>(element);
    const auto fractions = ionisation_fractions(elements[i], layer.temperature, layer.electrons);
    return layer.nuclei * abundance_[i] * fractions[static_cast<std::size_t>(stage)];
}

double Atmosphere::density_per_state(const Layer& layer, Element element, int stage) const {
    return density(layer, element, stage) /
           elements[static_cast<std::size_t>(element)].partition[stage];
}

}  // namespace balmer::data::simulation
