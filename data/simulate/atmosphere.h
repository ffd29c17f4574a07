#pragma once
// A plane-parallel stellar atmosphere in hydrostatic and local thermodynamic equilibrium: enough
// physics that line strengths, the Balmer jump and molecular bands follow Teff, log g and [Fe/H] by
// themselves. Grey temperature run (Hopf function), ionisation by Saha, opacity of H-, H I, He I,
// electrons and Rayleigh scattering. Mihalas 1978, "Stellar Atmospheres"; Gray 2005, chapters 8-9.

#include <array>
#include <cstdint>
#include <vector>

namespace balmer::data::simulation {

enum class Element : std::uint8_t {
    H,
    He,
    C,
    N,
    O,
    Na,
    Mg,
    Al,
    Si,
    K,
    Ca,
    Sc,
    Ti,
    V,
    Cr,
    Mn,
    Fe,
    Co,
    Ni,
    Zn,
    Sr,
    Y,
    Ba,
};
inline constexpr int element_count = 23;

struct StellarParameters {
    double teff = 5777.0;          ///< K
    double logg = 4.44;            ///< dex, cgs
    double feh = 0.0;              ///< [Fe/H]
    double alpha = 0.0;            ///< [alpha/Fe]
    double carbon = 0.0;           ///< [C/Fe]
    double helium = 0.085;         ///< N(He) / N(H)
    double microturbulence = 1.5;  ///< km/s
};

/// One depth. Densities per cm3.
struct Layer {
    double tau;          ///< optical depth at 5000 A
    double temperature;  ///< K
    double pressure;     ///< gas, dyn/cm2
    double electrons;
    double nuclei;  ///< hydrogen nuclei
    double neutral_hydrogen;
    double opacity;  ///< continuous, at 5000 A, 1/cm
};

class Atmosphere {
  public:
    explicit Atmosphere(const StellarParameters& parameters);

    const StellarParameters& parameters() const { return parameters_; }
    const std::vector<Layer>& layers() const { return layers_; }

    /// Continuous opacity (1/cm) of a layer at a wavelength (A), stimulated emission included.
    double continuous_opacity(const Layer& layer, double wavelength) const;
    /// Number density (1/cm3) of an ionisation stage (0 neutral, 1, 2).
    double density(const Layer& layer, Element element, int stage) const;
    /// density / partition function.
    double density_per_state(const Layer& layer, Element element, int stage) const;
    /// N(element) / N(H).
    double abundance(Element element) const {
        return abundance_[static_cast<std::size_t>(element)];
    }
    /// The last hydrogen level that its neighbours leave bound (Inglis and Teller 1939), at tau
    /// ~ 1.
    double last_bound_level() const { return last_bound_level_; }

  private:
    void solve_state(Layer& layer) const;

    StellarParameters parameters_;
    std::array<double, element_count> abundance_{};
    double last_bound_level_ = 20.0;
    std::vector<Layer> layers_;
};

/// Planck function per unit wavelength, arbitrary but fixed scale; wavelength in A.
double planck(double wavelength, double temperature);

/// Mass of an element in atomic units.
double atomic_mass(Element element);

}  // namespace balmer::data::simulation
