#pragma once
// Simulated survey spectra: physics, instrument, labels.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "data/simulate/desi_instrument.h"
#include "data/simulate/instrument.h"
#include "data/spectrum.h"

namespace balmer::data {

/// What to simulate. Spectrum i depends on `seed`, `survey`, `classes` and i alone: not on `count`
/// nor on threads.
struct SimulationOptions {
    std::int64_t count = 1000;
    std::uint64_t seed = 1;
    std::string survey = "sdss";                                   ///< "sdss", "lamost" or "desi"
    std::vector<std::string> classes = {"STAR", "GALAXY", "QSO"};  ///< drawn equally
    double repeat_share = 0.03;  ///< share of spectra that observe an earlier object again
    bool overwrite = false;      ///< survey files only: allow a folder that is not empty
    int threads = 0;             ///< 0: one per core
};

/// A spectrum with what only its maker knows.
struct SimulatedSpectrum {
    Spectrum spectrum;              ///< as a reader of the survey's file returns it
    simulation::Exposure exposure;  ///< pixels as they stand in the survey's file (not DESI)
    std::vector<simulation::DesiArm> arms;  ///< the same, DESI only: B, R and Z
    std::int64_t object = 0;  ///< index of the spectrum that first observed this object
    std::int64_t plate = 0;   ///< SDSS plate, LAMOST plan number or number of the DESI file
    std::int64_t mjd = 0;
    std::int64_t fibre = 0;         ///< DESI: row of the file
    std::int64_t spectrograph = 0;  ///< LAMOST only, 1-16
    bool boss = false;              ///< SDSS only: BOSS spectrograph
};

/// Spectra i, i + 1, ... of one DESI file: the first is a multiple of this.
inline constexpr std::int64_t targets_per_desi_file = 50;

/// Makes spectra one by one. Immutable after construction: `simulate` may be called from many
/// threads.
class Simulator {
  public:
    /// Throws UsageError for an unknown survey or class or a negative count. Takes about a second
    /// when galaxies or quasars are asked for (stellar populations are synthesised).
    explicit Simulator(const SimulationOptions& options);
    ~Simulator();
    Simulator(Simulator&&) noexcept;
    Simulator& operator=(Simulator&&) noexcept;

    SimulatedSpectrum simulate(std::int64_t index) const;
    const SimulationOptions& options() const { return options_; }

  private:
    struct Libraries;
    SimulationOptions options_;
    std::unique_ptr<Libraries> libraries_;
};

}  // namespace balmer::data
