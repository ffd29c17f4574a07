// The instrument's noise is what it says, spectra repeat bit by bit, files have the survey's
// layout.
#include <algorithm>
#include <bit>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <sstream>
#include <string>

#include <gtest/gtest.h>
#include <unistd.h>

#include "data/simulate/survey_files.h"
#include "tests/temporary_folder.h"

namespace balmer::data {
namespace {

namespace fs = std::filesystem;
using simulation::Exposure;
using simulation::Instrument;

std::string content(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

const Simulator& sdss() {
    static const Simulator simulator(SimulationOptions{});
    return simulator;
}

const Simulator& lamost() {
    static const Simulator simulator = [] {
        SimulationOptions options;
        options.survey = "lamost";
        return Simulator(options);
    }();
    return simulator;
}

TEST(SimulatedInstrument, InverseVarianceIsThatOfTheNoise) {
    for (const Instrument instrument :
         {Instrument::sdss_legacy, Instrument::boss, Instrument::lamost}) {
        double sum = 0.0;
        double count = 0.0;
        for (std::uint64_t k = 0; k < 12; ++k) {
            Random random(3, k);
            const std::vector<double> flat(static_cast<std::size_t>(simulation::observed_grid.size),
                                           1.0);
            const Exposure e = simulation::observe(random, flat, instrument, 8.0);
            constexpr std::int32_t flawed = (1 << simulation::combine_rejected) |
                                            (1 << simulation::bright_sky) |
                                            (1 << simulation::full_reject);
            for (std::size_t i = 0; i < e.flux.size(); ++i) {
                if (e.inverse_variance[i] <= 0.0F || (e.or_mask[i] & flawed) != 0) continue;
                const double pull = (e.flux[i] - e.truth[i]) * std::sqrt(e.inverse_variance[i]);
                sum += pull * pull;
                count += 1.0;
            }
        }
        EXPECT_NEAR(sum / count, 1.0, 0.05);
    }
}

TEST(SimulatedInstrument, MedianSignalToNoiseIsTheOneAskedFor) {
    for (const double wanted : {1.0, 5.0, 40.0}) {
        Random random(4, 0);
        const std::vector<double> flat(static_cast<std::size_t>(simulation::observed_grid.size),
                                       1.0);
        const Exposure e = simulation::observe(random, flat, Instrument::boss, wanted);
        std::vector<double> ratio;
        for (std::size_t i = 0; i < e.flux.size(); ++i)
            if (e.inverse_variance[i] > 0.0F)
                ratio.push_back(e.truth[i] * std::sqrt(e.inverse_variance[i]));
        std::nth_element(ratio.begin(),
                         ratio.begin() + static_cast<std::ptrdiff_t>(ratio.size() / 2),
                         ratio.end());
        EXPECT_NEAR(ratio[ratio.size() / 2] / wanted, 1.0, 0.05);
    }
}

TEST(SimulatedInstrument, EdgesAreNoisierThanTheMiddle) {
    Random random(9, 1);
    const std::vector<double> flat(static_cast<std::size_t>(simulation::observed_grid.size), 1.0);
    const Exposure e = simulation::observe(random, flat, Instrument::boss, 3.0);
    const auto noise = [&](std::size_t begin) {
        double sum = 0.0;
        for (std::size_t i = begin; i < begin + 40; ++i)
            sum += 1.0 / std::sqrt(std::max(e.inverse_variance[i], 1e-12F));
        return sum;
    };
    EXPECT_GT(noise(0), 4.0 * noise(2200));
    EXPECT_GT(noise(e.flux.size() - 41), 2.0 * noise(2200));
}

TEST(Simulator, SpectrumDependsOnSeedAndNumberAlone) {
    SimulationOptions many;
    many.count = 100000;
    many.threads = 1;
    const Simulator other(many);
    for (const std::int64_t index : {0, 7, 64}) {
        const SimulatedSpectrum a = sdss().simulate(index);
        const SimulatedSpectrum b = other.simulate(index);
        EXPECT_EQ(a.spectrum.flux, b.spectrum.flux);
        EXPECT_EQ(write_sdss(a), write_sdss(b));
    }
    SimulationOptions reseeded;
    reseeded.seed = 2;
    EXPECT_NE(Simulator(reseeded).simulate(0).spectrum.flux, sdss().simulate(0).spectrum.flux);
}

TEST(Simulator, LabelsAreInRange) {
    std::map<std::string, int> classes;
    for (const Simulator* simulator : {&sdss(), &lamost()}) {
        for (std::int64_t i = 0; i < 90; ++i) {
            const SimulatedSpectrum s = simulator->simulate(i);
            const Labels& labels = s.spectrum.labels;
            ++classes[labels.object_class];
            ASSERT_TRUE(labels.z && labels.z_err && labels.zwarn);
            EXPECT_EQ(*labels.zwarn, 0);
            EXPECT_GT(*labels.z_err, 0.0);
            if (labels.object_class == "STAR") {
                EXPECT_LT(std::abs(*labels.z), 0.004);
                if (labels.teff) {
                    EXPECT_GE(*labels.teff, 2700.0);
                    EXPECT_LE(*labels.teff, 40000.0);
                    EXPECT_GE(*labels.logg, 0.0);
                    EXPECT_LE(*labels.logg, 6.1);
                    EXPECT_GE(*labels.feh, -3.0);
                    EXPECT_LE(*labels.feh, 0.6);
                }
            } else {
                EXPECT_GT(*labels.z, 0.0);
                EXPECT_LT(*labels.z, 5.1);
                EXPECT_FALSE(labels.teff.has_value());
            }
            EXPECT_GE(*s.spectrum.dec, -90.0);
            EXPECT_LE(*s.spectrum.dec, 90.0);
            ASSERT_TRUE(s.spectrum.survey_snr.has_value());
            EXPECT_GT(good_pixels(s.spectrum), 3000);
            for (const float value : s.spectrum.flux) ASSERT_TRUE(std::isfinite(value));
        }
    }
    EXPECT_EQ(classes.size(), 3U);
    for (const auto& [name, count] : classes) EXPECT_GT(count, 35) << name;
}

TEST(Simulator, RepeatsShareTheObjectAndNotTheNoise) {
    SimulationOptions options;
    options.classes = {"STAR"};
    options.repeat_share = 0.2;
    const Simulator simulator(options);
    int repeats = 0;
    for (std::int64_t i = 0; i < 40; ++i) {
        const SimulatedSpectrum again = simulator.simulate(i);
        if (again.object == i) continue;
        ++repeats;
        const SimulatedSpectrum first = simulator.simulate(again.object);
        EXPECT_EQ(first.object, again.object);
        EXPECT_EQ(*first.spectrum.ra, *again.spectrum.ra);
        EXPECT_EQ(*first.spectrum.dec, *again.spectrum.dec);
        EXPECT_EQ(*first.spectrum.labels.z, *again.spectrum.labels.z);
        EXPECT_NE(first.spectrum.flux, again.spectrum.flux);
        EXPECT_NE(first.spectrum.object_id, again.spectrum.object_id);
    }
    EXPECT_GT(repeats, 2);
}

TEST(Simulator, RefusesWhatItCannotMake) {
    SimulationOptions options;
    options.survey = "gaia";
    EXPECT_THROW(Simulator{options}, UsageError);
    options = {};
    options.classes = {"PLANET"};
    EXPECT_THROW(Simulator{options}, UsageError);
    options.classes = {};
    EXPECT_THROW(Simulator{options}, UsageError);
    options = {};
    options.count = -1;
    EXPECT_THROW(Simulator{options}, UsageError);
}

TEST(SurveyFiles, SdssFileHasTheLiteLayout) {
    const std::vector<std::uint8_t> bytes = write_sdss(sdss().simulate(1));
    EXPECT_EQ(bytes.size() % 2880, 0U);
    const std::string text(bytes.begin(), bytes.end());
    EXPECT_TRUE(text.starts_with("SIMPLE  =                    T"));
    for (const char* name : {"'COADD   '", "'SPALL   '", "'SPZLINE '"})
        EXPECT_NE(text.find(name), std::string::npos) << name;
    for (const char* column :
         {"'flux    '", "'loglam  '",    "'ivar    '",    "'and_mask'",      "'or_mask '",
          "'wdisp   '", "'sky     '",    "'model   '",    "'CLASS   '",      "'SUBCLASS'",
          "'Z       '", "'Z_ERR   '",    "'ZWARNING'",    "'SN_MEDIAN_ALL'", "'PLUG_RA '",
          "'PLUG_DEC'", "'ELODIE_TEFF'", "'ELODIE_LOGG'", "'ELODIE_FEH'",    "'SPECOBJID'"})
        EXPECT_NE(text.find(column), std::string::npos) << column;
}

TEST(Simulator, EverySpectrumKeepsMostOfItsPixelsInTheFile) {
    // LAMOST masks hold no fibre-level bits: any value other than 0 loses the pixel.
    SimulationOptions options;
    options.survey = "lamost";
    options.classes = {"STAR"};
    const Simulator simulator(options);
    for (std::int64_t i = 0; i < 150; ++i) {
        const SimulatedSpectrum s = simulator.simulate(i);
        const auto masked = std::count_if(s.exposure.and_mask.begin(), s.exposure.and_mask.end(),
                                          [](std::int32_t bits) { return bits != 0; });
        EXPECT_LT(masked, 60) << "spectrum " << i;
    }
}

TEST(SurveyFiles, LamostFileIsAnImageOfFiveRows) {
    const SimulatedSpectrum simulated = lamost().simulate(2);
    const std::vector<std::uint8_t> bytes = write_lamost(simulated);
    EXPECT_EQ(bytes.size() % 2880, 0U);
    const std::string text(bytes.begin(), bytes.end());
    EXPECT_NE(text.find("NAXIS2  =                    5"), std::string::npos);
    for (const char* key :
         {"COEFF0  =", "COEFF1  =", "CLASS   =", "SUBCLASS=", "Z       =", "Z_ERR   =", "SNRU    =",
          "SNRZ    =", "OBSID   =", "RA      =", "DEC     =", "LMJD    ="})
        EXPECT_NE(text.find(key), std::string::npos) << key;
    // Big-endian floats of row 2 are the wavelengths.
    const std::size_t header = (text.find("END     ") / 2880 + 1) * 2880;
    const std::size_t pixels = simulated.exposure.flux.size();
    const std::size_t at = header + 2 * pixels * 4;
    std::uint32_t word = 0;
    for (std::size_t k = 0; k < 4; ++k) word = (word << 8) | bytes[at + k];
    EXPECT_NEAR(std::bit_cast<float>(word), simulated.spectrum.wavelength[0], 0.01);
}

TEST(SurveyFiles, FolderHoldsOneFileASpectrumAndACatalogue) {
    const TemporaryFolder folder;
    SimulationOptions options;
    options.count = 70;
    options.classes = {"STAR"};
    std::int64_t last = 0;
    simulate_survey(folder.path(), options, [&](std::int64_t done, std::int64_t total) {
        EXPECT_GT(done, last);
        EXPECT_EQ(total, 70);
        last = done;
    });
    EXPECT_EQ(last, 70);
    std::istringstream catalog(content(folder / "catalog.csv"));
    std::string row;
    std::getline(catalog, row);
    EXPECT_EQ(row, catalog_header());
    std::set<std::string> files;
    while (std::getline(catalog, row)) {
        EXPECT_EQ(std::count(row.begin(), row.end(), ','), 13);
        files.insert(row.substr(0, row.find(',')));
    }
    EXPECT_EQ(files.size(), 70U);
    std::size_t found = 0;
    for (const auto& entry : fs::directory_iterator(folder.path())) {
        EXPECT_NE(entry.path().extension(), ".tmp");
        found += files.count(entry.path().filename().string());
    }
    EXPECT_EQ(found, 70U);

    // The first file does not depend on how many follow it.
    const TemporaryFolder small;
    options.count = 1;
    simulate_survey(small.path(), options, {});
    const std::string name = survey_file_name(Simulator(options).simulate(0));
    EXPECT_EQ(content(folder / name), content(small / name));
}

TEST(SurveyFiles, Fault53RefusesAFolderThatIsNotEmpty) {
    const TemporaryFolder folder;
    folder.write("precious.txt", "keep");
    SimulationOptions options;
    options.count = 1;
    options.classes = {"STAR"};
    EXPECT_THROW(simulate_survey(folder.path(), options, {}), UsageError);
    EXPECT_EQ(content(folder / "precious.txt"), "keep");
    EXPECT_THROW(simulate_survey(folder / "precious.txt", options, {}), UsageError);
    options.overwrite = true;
    EXPECT_NO_THROW(simulate_survey(folder.path(), options, {}));
    EXPECT_EQ(content(folder / "precious.txt"), "keep");
}

}  // namespace
}  // namespace balmer::data
