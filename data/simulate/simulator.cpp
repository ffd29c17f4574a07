#include "data/simulate/simulator.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include <fmt/format.h>

#include "data/readers/arm_merger.h"
#include "data/simulate/source.h"

namespace balmer::data {

using namespace simulation;

struct Simulator::Libraries {
    std::optional<PopulationLibrary> populations;
};

namespace {

const std::vector<std::string> known_classes = {"STAR", "GALAXY", "QSO"};

/// Streams of random numbers: objects and exposures draw from different ones, so that a repeat
/// observation shares the object's and not the noise.
constexpr std::uint64_t object_stream = 0;
constexpr std::uint64_t exposure_stream = 1;
constexpr std::uint64_t choice_stream = 2;

Random stream(std::uint64_t seed, std::int64_t index, std::uint64_t kind) {
    return Random(seed, static_cast<std::uint64_t>(index) * 4 + kind);
}

/// The object that spectrum `index` observes: itself, or one of the 400 before it.
std::int64_t object_of(const SimulationOptions& options, std::int64_t index) {
    Random random = stream(options.seed, index, choice_stream);
    if (index == 0 || random.uniform() >= options.repeat_share) return index;
    const std::int64_t back =
        1 + static_cast<std::int64_t>(
                random.below(static_cast<std::uint64_t>(std::min<std::int64_t>(index, 400))));
    return object_of(options, index - back);
}

double draw_signal_to_noise(Random& random, const std::string& object_class, Sample sample,
                            double z) {
    if (sample == Sample::lamost)
        return object_class == "STAR" ? draw_lognormal(random, 35.0, 0.75, 5.0, 250.0)
                                      : draw_lognormal(random, 9.0, 0.6, 2.0, 40.0);
    if (object_class == "STAR") {
        if (sample == Sample::legacy) return draw_lognormal(random, 16.0, 0.9, 1.5, 80.0);
        return random.uniform() < 0.15 ? draw_lognormal(random, 35.0, 0.6, 8.0, 100.0)
                                       : draw_lognormal(random, 3.2, 0.8, 0.6, 30.0);
    }
    if (object_class == "GALAXY") {
        const double nearby = std::exp(-3.0 * z);
        if (sample == Sample::legacy)
            return draw_lognormal(random, 8.0 + 16.0 * nearby, 0.6, 3.0, 70.0);
        return draw_lognormal(random, 1.6 + 9.0 * nearby * nearby, 0.7, 0.5, 35.0);
    }
    if (sample == Sample::legacy) return draw_lognormal(random, 8.0, 0.7, 1.5, 40.0);
    return draw_lognormal(random, 3.5, 0.85, 0.4, 35.0);
}

/// Plate, MJD and fibre, or plan and spectrograph, and the id made of them.
void identify_exposure(std::int64_t index, bool lamost, SimulatedSpectrum& result) {
    const std::int64_t fibres = lamost ? 250 : result.boss ? 1000 : 640;
    result.fibre = index % fibres + 1;
    if (lamost) {
        const std::int64_t block = index / (fibres * 16);
        result.spectrograph = index / fibres % 16 + 1;
        result.plate = block + 1;
        result.mjd = 57000 + block % 2000;
        result.spectrum.object_id = 900000000 + index + 1;
        return;
    }
    // Plates no survey has used, within the 14 bits that SPECOBJID has for them: eBOSS and MaNGA
    // end below 13000, SDSS-V begins with 15000. Legacy plates 13000-13999, BOSS plates
    // 14000-14999; when a thousand are full the next night begins.
    constexpr std::int64_t plates = 1000;
    const std::int64_t block = index / fibres;
    result.plate = (result.boss ? 14000 : 13000) + block % plates;
    result.mjd = (result.boss ? 56000 : 53000) + block / plates;
    result.spectrum.object_id =
        static_cast<std::int64_t>(static_cast<std::uint64_t>(result.plate) << 50U |
                                  static_cast<std::uint64_t>(result.fibre) << 38U |
                                  static_cast<std::uint64_t>(result.mjd - 50000) << 24U);
}

/// The spectrum as a reader gives it.
void fill_from_exposure(SimulatedSpectrum& result) {
    const Exposure& e = result.exposure;
    Spectrum& spectrum = result.spectrum;
    const std::size_t pixels = e.flux.size();
    spectrum.wavelength.resize(pixels);
    spectrum.mask.resize(pixels);
    spectrum.flux = e.flux;
    spectrum.inverse_variance = e.inverse_variance;
    constexpr std::int32_t bad =
        (1 << full_reject) | (1 << no_sky) | (1 << bright_sky) | (1 << no_data);
    for (std::size_t i = 0; i < pixels; ++i) {
        spectrum.wavelength[i] = std::pow(10.0, e.log10_wavelength(static_cast<std::int64_t>(i)));
        if (e.inverse_variance[i] <= 0.0F || (e.and_mask[i] & bad) != 0) {
            spectrum.mask[i] = 1;
            spectrum.inverse_variance[i] = 0.0F;
        }
        if ((e.and_mask[i] & 0xFFFF) != 0) spectrum.flags |= fibre_flagged;
    }
}

void observe_with_desi(Random& random, const Source& source, double depth, std::int64_t index,
                       SimulatedSpectrum& result) {
    // The bit of TARGETID that marks mock targets: no observed one has it.
    constexpr std::int64_t mock = std::int64_t{1} << 58;
    result.plate = index / targets_per_desi_file;
    result.fibre = index % targets_per_desi_file;
    result.mjd = 59500 + result.plate % 1000;
    Spectrum& spectrum = result.spectrum;
    spectrum.row = result.fibre;
    spectrum.object_id = mock | result.object;
    std::vector<double> wavelength;
    for (DesiArm& arm : observe_desi(random, source.flux, depth)) {
        const std::vector<double> own = arm.wavelengths();
        wavelength.insert(wavelength.end(), own.begin(), own.end());
        spectrum.flux.insert(spectrum.flux.end(), arm.flux.begin(), arm.flux.end());
        spectrum.inverse_variance.insert(spectrum.inverse_variance.end(),
                                         arm.inverse_variance.begin(), arm.inverse_variance.end());
        for (const std::uint32_t bits : arm.mask) spectrum.mask.push_back(bits != 0 ? 1 : 0);
        result.arms.push_back(std::move(arm));
    }
    ArmMerger("simulated", wavelength, result.arms.size()).merge(spectrum);
}

/// The spectral classes of redrock's templates; galaxies and quasars have none.
std::string redrock_subtype(const Source& source) {
    if (source.object_class != "STAR") return "";
    for (const char* const two_letters : {"WD", "CV"}) {
        if (source.subclass.starts_with(two_letters)) return two_letters;
    }
    return source.subclass.substr(0, 1);
}

}  // namespace

Simulator::Simulator(const SimulationOptions& options)
    : options_(options), libraries_(std::make_unique<Libraries>()) {
    if (options_.survey != "sdss" && options_.survey != "lamost" && options_.survey != "desi")
        throw UsageError(
            fmt::format("survey '{}' cannot be simulated: sdss, lamost or desi", options_.survey));
    if (options_.count < 0) throw UsageError("the number of spectra is negative");
    if (options_.classes.empty()) throw UsageError("no class to simulate");
    for (const std::string& name : options_.classes)
        if (std::find(known_classes.begin(), known_classes.end(), name) == known_classes.end())
            throw UsageError(fmt::format("unknown class '{}': STAR, GALAXY or QSO", name));
    const bool extragalactic = std::any_of(options_.classes.begin(), options_.classes.end(),
                                           [](const std::string& name) { return name != "STAR"; });
    if (extragalactic) libraries_->populations.emplace(options_.threads);
}

Simulator::~Simulator() = default;
Simulator::Simulator(Simulator&&) noexcept = default;
Simulator& Simulator::operator=(Simulator&&) noexcept = default;

SimulatedSpectrum Simulator::simulate(std::int64_t index) const {
    if (index < 0) throw UsageError("the number of a spectrum is negative");
    SimulatedSpectrum result;
    result.object = object_of(options_, index);
    Random object = stream(options_.seed, result.object, object_stream);
    Random exposure = stream(options_.seed, index, exposure_stream);

    const std::string& object_class = options_.classes[object.below(options_.classes.size())];
    const bool lamost = options_.survey == "lamost";
    const bool desi = options_.survey == "desi";
    // Two spectra in three come from the newer spectrograph, or from DESI's dark time.
    const bool faint = object.uniform() < 0.67;
    const Sample sample = lamost ? Sample::lamost : faint ? Sample::boss : Sample::legacy;
    const Source source = object_class == "STAR" ? draw_star(object, sample)
                          : object_class == "GALAXY"
                              ? draw_galaxy(object, sample, *libraries_->populations)
                              : draw_quasar(object, sample, *libraries_->populations);
    const double depth = draw_signal_to_noise(object, object_class, sample, source.z);
    Spectrum& spectrum = result.spectrum;
    spectrum.survey = options_.survey;
    spectrum.ra = object.uniform(0.0, 360.0);
    spectrum.dec =
        std::asin(object.uniform(lamost ? -0.17 : -0.19, lamost ? 0.86 : 0.94)) * 57.29577951308232;

    if (desi) {
        observe_with_desi(exposure, source, depth, index, result);
    } else {
        result.boss = !lamost && faint;
        const Instrument instrument = lamost  ? Instrument::lamost
                                      : faint ? Instrument::boss
                                              : Instrument::sdss_legacy;
        result.exposure = observe(exposure, source.flux, instrument, depth);
        identify_exposure(index, lamost, result);
        fill_from_exposure(result);
    }
    spectrum.survey_snr = signal_to_noise(spectrum);

    Labels& labels = spectrum.labels;
    labels.object_class = source.object_class;
    labels.subclass = desi ? redrock_subtype(source) : source.subclass;
    labels.z = source.z;
    labels.zwarn = 0;
    labels.teff = source.teff;
    labels.logg = source.logg;
    labels.feh = source.feh;
    const double error = object_class == "QSO" ? 6e-4 : object_class == "GALAXY" ? 6e-5 : 1.5e-5;
    labels.z_err = error * (1.0 + 5.0 / std::max(depth, 0.3)) * (1.0 + source.z);
    return result;
}

}  // namespace balmer::data
