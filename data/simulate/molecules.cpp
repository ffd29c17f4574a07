#include "data/simulate/molecules.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace balmer::data::simulation {
namespace {

enum class Molecule : std::uint8_t { TiO, VO, CaH, MgH, CH, CN, C2, CaOH };
constexpr int molecule_count = 8;

/// A band: the head (air, A), the e-folding length of the tail (A, negative: to the blue), and the
/// peak absorption (cm2 a molecule, smeared over the band's lines). Heads after Gray & Corbally
/// 2009, "Stellar Spectral Classification", and Pearse & Gaydon 1976; strengths are effective ones.
struct Band {
    Molecule molecule;
    double head;
    double tail;
    double strength;
};

constexpr Band bands[] = {
    {Molecule::TiO, 4421.0, 35.0, 0.036},   {Molecule::TiO, 4584.0, 45.0, 0.073},
    {Molecule::TiO, 4761.0, 60.0, 0.12},    {Molecule::TiO, 4804.0, 40.0, 0.052},
    {Molecule::TiO, 4954.5, 65.0, 0.23},    {Molecule::TiO, 4999.0, 40.0, 0.062},
    {Molecule::TiO, 5167.0, 80.0, 0.24},    {Molecule::TiO, 5240.0, 40.0, 0.042},
    {Molecule::TiO, 5448.0, 70.0, 0.16},    {Molecule::TiO, 5497.0, 40.0, 0.052},
    {Molecule::TiO, 5597.0, 35.0, 0.052},   {Molecule::TiO, 5629.0, 35.0, 0.042},
    {Molecule::TiO, 5759.0, 70.0, 0.094},   {Molecule::TiO, 5810.0, 35.0, 0.062},
    {Molecule::TiO, 5847.0, 60.0, 0.15},    {Molecule::TiO, 5955.0, 45.0, 0.062},
    {Molecule::TiO, 6158.0, 50.0, 0.19},    {Molecule::TiO, 6187.0, 60.0, 0.12},
    {Molecule::TiO, 6215.0, 60.0, 0.083},   {Molecule::TiO, 6358.0, 50.0, 0.031},
    {Molecule::TiO, 6569.0, 40.0, 0.036},   {Molecule::TiO, 6629.0, 30.0, 0.11},
    {Molecule::TiO, 6651.0, 40.0, 0.34},    {Molecule::TiO, 6681.0, 45.0, 0.34},
    {Molecule::TiO, 6714.0, 65.0, 0.34},    {Molecule::TiO, 6815.0, 45.0, 0.11},
    {Molecule::TiO, 7054.0, 50.0, 0.35},    {Molecule::TiO, 7087.0, 50.0, 0.32},
    {Molecule::TiO, 7125.0, 90.0, 0.32},    {Molecule::TiO, 7197.0, 60.0, 0.088},
    {Molecule::TiO, 7589.0, 50.0, 0.099},   {Molecule::TiO, 7628.0, 50.0, 0.087},
    {Molecule::TiO, 7666.0, 80.0, 0.099},   {Molecule::TiO, 7743.0, 60.0, 0.037},
    {Molecule::TiO, 7820.0, 60.0, 0.037},   {Molecule::TiO, 8206.0, 60.0, 0.043},
    {Molecule::TiO, 8250.0, 70.0, 0.037},   {Molecule::TiO, 8302.0, 50.0, 0.031},
    {Molecule::TiO, 8432.0, 60.0, 0.2},     {Molecule::TiO, 8513.0, 60.0, 0.05},
    {Molecule::TiO, 8569.0, 50.0, 0.037},   {Molecule::TiO, 8859.0, 70.0, 0.17},
    {Molecule::TiO, 8937.0, 60.0, 0.062},   {Molecule::TiO, 9209.0, 90.0, 0.099},
    {Molecule::TiO, 9728.0, 90.0, 0.05},    {Molecule::VO, 5736.0, 60.0, 0.4},
    {Molecule::VO, 7334.0, 70.0, 0.5},      {Molecule::VO, 7393.0, 80.0, 0.5},
    {Molecule::VO, 7851.0, 60.0, 0.45},     {Molecule::VO, 7896.0, 60.0, 0.45},
    {Molecule::VO, 7939.0, 70.0, 0.4},      {Molecule::VO, 8521.0, 60.0, 0.3},
    {Molecule::VO, 8605.0, 60.0, 0.3},      {Molecule::VO, 9540.0, 120.0, 0.3},
    {Molecule::CaH, 6382.0, 35.0, 0.105},   {Molecule::CaH, 6750.0, 60.0, 0.23},
    {Molecule::CaH, 6830.0, 60.0, 0.38},    {Molecule::CaH, 6903.0, 21.0, 0.14},
    {Molecule::CaH, 6946.0, 28.0, 0.16},    {Molecule::CaOH, 5530.0, 35.0, 0.12},
    {Molecule::CaOH, 6230.0, 25.0, 0.048},  {Molecule::MgH, 5211.0, -80.0, 0.242},
    {Molecule::MgH, 5211.0, -230.0, 0.132}, {Molecule::MgH, 4845.0, -60.0, 0.066},
    {Molecule::MgH, 5567.0, -60.0, 0.066},  {Molecule::CH, 4314.5, -16.0, 0.15},
    {Molecule::CH, 4303.0, -12.0, 0.0816},  {Molecule::CH, 4324.0, -10.0, 0.068},
    {Molecule::CH, 3890.0, -15.0, 0.068},   {Molecule::CN, 3883.4, -32.0, 2.4},
    {Molecule::CN, 3871.0, -22.0, 1.2},     {Molecule::CN, 3590.0, -30.0, 1.8},
    {Molecule::CN, 4216.0, -38.0, 1},       {Molecule::CN, 4197.0, -25.0, 0.6},
    {Molecule::CN, 4606.0, -35.0, 0.024},   {Molecule::CN, 6926.0, 70.0, 0.024},
    {Molecule::CN, 7088.0, 70.0, 0.03},     {Molecule::CN, 7259.0, 70.0, 0.03},
    {Molecule::CN, 7876.0, 90.0, 0.044},    {Molecule::CN, 8067.0, 90.0, 0.05},
    {Molecule::CN, 8270.0, 90.0, 0.04},     {Molecule::CN, 9141.0, 130.0, 0.09},
    {Molecule::CN, 9393.0, 130.0, 0.08},    {Molecule::C2, 4382.0, -30.0, 0.0014},
    {Molecule::C2, 4737.0, -45.0, 0.0053},  {Molecule::C2, 4715.0, -40.0, 0.0024},
    {Molecule::C2, 5165.2, -50.0, 0.0072},  {Molecule::C2, 5129.0, -45.0, 0.0029},
    {Molecule::C2, 5635.5, -55.0, 0.0043},  {Molecule::C2, 5585.0, -45.0, 0.0024},
    {Molecule::C2, 6191.0, -45.0, 0.0012},  {Molecule::C2, 6122.0, -45.0, 0.00096},
};

/// Dissociation energy (eV, Huber & Herzberg 1979) and log10 of the partition part of
/// N(A) N(B) / N(AB) at 3000 K, cm-3.
struct MoleculeData {
    Element first, second;
    double dissociation;
    double log_constant;
};
constexpr MoleculeData molecules[molecule_count] = {
    {Element::Ti, Element::O, 6.87, 23.3}, {Element::V, Element::O, 6.44, 23.3},
    {Element::Ca, Element::H, 1.70, 22.2}, {Element::Mg, Element::H, 1.34, 22.2},
    {Element::C, Element::H, 3.47, 22.7},  {Element::C, Element::N, 7.72, 23.6},
    {Element::C, Element::C, 6.21, 23.6},  {Element::Ca, Element::O, 4.9, 23.2},
};

/// Strength of the unresolved lines: cm2 per neutral iron atom at 4000 A, per TiO molecule in units
/// of the bands; and how many times the continuous opacity bands
/// and haze can reach.
constexpr double iron_haze = 0.75e-19;
constexpr double titanium_oxide_haze = 0.33;
constexpr float band_saturation = 7.0F;
constexpr float haze_saturation = 3.6F;

double equilibrium(double temperature, double dissociation, double log_constant) {
    return std::pow(10.0, log_constant + 0.5 * std::log10(temperature / 3000.0) -
                              5040.0 * dissociation / temperature);
}

/// Free atoms of one kind when `partner` and it form a molecule with constant `k`:
/// a + a b / k = total, b + a b / k = partner.
double free_atoms(double total, double partner, double k) {
    const double b = k + partner - total;
    const double root = std::sqrt(b * b + 4.0 * k * total);
    // The form without cancellation.
    return b > 0.0 ? 2.0 * k * total / (root + b) : 0.5 * (root - b);
}

std::array<double, molecule_count> molecular_densities(const Atmosphere& atmosphere,
                                                       const Layer& layer) {
    const double t = layer.temperature;
    const double carbon = atmosphere.density(layer, Element::C, 0);
    const double oxygen = atmosphere.density(layer, Element::O, 0);
    const double nitrogen = atmosphere.density(layer, Element::N, 0);
    // CO binds what there is less of, carbon or oxygen; N2 most of the nitrogen.
    const double co = equilibrium(t, 11.09, 23.4);
    const double free_carbon = free_atoms(carbon, oxygen, co);
    const double free_oxygen = free_atoms(oxygen, carbon, co);
    const double n2 = equilibrium(t, 9.76, 23.3);
    const double free_nitrogen = 0.25 * n2 * (std::sqrt(1.0 + 8.0 * nitrogen / n2) - 1.0);
    const auto atoms = [&](Element element) {
        switch (element) {
            case Element::C:
                return free_carbon;
            case Element::O:
                return free_oxygen;
            case Element::N:
                return n2 > 1e4 * nitrogen ? nitrogen : free_nitrogen;
            case Element::H:
                return layer.neutral_hydrogen;
            default:
                return atmosphere.density(layer, element, 0);
        }
    };
    std::array<double, molecule_count> result{};
    for (std::size_t i = 0; i < molecule_count; ++i) {
        const MoleculeData& m = molecules[i];
        const double k = equilibrium(t, m.dissociation, m.log_constant);
        const double a = atoms(m.first);
        const double b = atoms(m.second);
        // Metals are the scarce partner and can be used up.
        result[i] = a * b / (k + std::max(a, b));
    }
    // Convection keeps the bands of dwarfs weaker than a grey atmosphere's.
    const double gravity = std::pow(10.0, -0.09 * (atmosphere.parameters().logg - 1.0));
    result[static_cast<std::size_t>(Molecule::TiO)] *= gravity;
    return result;
}

}  // namespace

void add_molecular_opacity(const Atmosphere& atmosphere, const LogGrid& grid,
                           std::vector<float>& opacity) {
    constexpr double unit = 1e-17;  // cm2
    constexpr double reach = 4.0;   // of a tail, in e-folding lengths
    const auto& layers = atmosphere.layers();
    const auto depth = static_cast<std::int64_t>(layers.size());
    if (atmosphere.parameters().teff > 9000.0) return;
    std::vector<float> bands_and_haze(opacity.size());
    std::vector<std::array<double, molecule_count>> densities;
    for (const Layer& layer : layers) densities.push_back(molecular_densities(atmosphere, layer));
    const Layer& middle = layers[18];
    const Layer& high = layers[8];
    for (const Band& band : bands) {
        const auto kind = static_cast<std::size_t>(band.molecule);
        // A band that is transparent where the continuum and where line cores form is skipped.
        if (densities[18][kind] * unit * band.strength < 1e-3 * middle.opacity &&
            densities[8][kind] * unit * band.strength < 1e-2 * high.opacity)
            continue;
        const double head = air_to_vacuum(band.head);
        const double length = std::abs(band.tail);
        const double direction = band.tail > 0.0 ? 1.0 : -1.0;
        const double far = head + direction * reach * length;
        const auto begin =
            static_cast<std::int64_t>(std::floor(grid.position(std::min(head, far))));
        const auto end = static_cast<std::int64_t>(std::ceil(grid.position(std::max(head, far))));
        for (std::int64_t i = std::max<std::int64_t>(begin, 0); i < std::min(end, grid.size); ++i) {
            const double distance = direction * (grid.wavelength(i) - head) / length;
            if (distance < 0.0 || distance > reach) continue;
            const double profile =
                std::exp(-distance) * (1.0 - distance / reach) * unit * band.strength;
            float* row = bands_and_haze.data() + i * depth;
            for (std::int64_t l = 0; l < depth; ++l)
                row[l] +=
                    static_cast<float>(profile * densities[static_cast<std::size_t>(l)][kind]);
        }
    }

    // Lines too many to list: iron group, rising to the blue (they make the 4000 A break), and TiO.
    const double dwarf = std::pow(10.0, 0.1 * (atmosphere.parameters().logg - 4.4));
    std::vector<float> iron(layers.size());
    std::vector<float> titanium_oxide(layers.size());
    for (std::size_t l = 0; l < layers.size(); ++l) {
        iron[l] =
            static_cast<float>(iron_haze * dwarf * atmosphere.density(layers[l], Element::Fe, 0) *
                               std::exp(-0.6 * 11604.5 / layers[l].temperature));
        titanium_oxide[l] = static_cast<float>(
            titanium_oxide_haze * unit * densities[l][static_cast<std::size_t>(Molecule::TiO)]);
    }
    for (std::int64_t i = 0; i < grid.size; ++i) {
        const double wavelength = grid.wavelength(i);
        const auto blue = static_cast<float>(std::exp(-(wavelength - 4000.0) / 380.0));
        const auto red = static_cast<float>(1.0 / (1.0 + std::exp((wavelength - 6600.0) / 350.0)));
        float* row = opacity.data() + i * depth;
        const float* extra = bands_and_haze.data() + i * depth;
        for (std::int64_t l = 0; l < depth; ++l) {
            const auto k = static_cast<std::size_t>(l);
            // Between the lines the continuum shines through: the mean opacity saturates.
            const float continuum = row[l];
            const float bands_here = extra[l];
            const float haze = blue * iron[k] + red * titanium_oxide[k];
            row[l] += bands_here / (1.0F + bands_here / (band_saturation * continuum)) +
                      haze / (1.0F + haze / (haze_saturation * continuum));
        }
    }
}

}  // namespace balmer::data::simulation
