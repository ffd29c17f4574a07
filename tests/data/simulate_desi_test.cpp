// Simulated DESI spectra: files in the survey's layout that its reader gives back bit by bit.

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "data/object_id.h"
#include "data/readers/reader.h"
#include "data/simulate/survey_files.h"
#include "tests/temporary_folder.h"

namespace balmer::data {
namespace {

SimulationOptions desi_options() {
    SimulationOptions options;
    options.survey = "desi";
    options.classes = {"STAR"};
    return options;
}

const Simulator& desi() {
    static const Simulator simulator(desi_options());
    return simulator;
}

TEST(SimulatedDesi, NoiseIsWhatTheInverseVarianceSays) {
    const SimulatedSpectrum target = desi().simulate(3);
    ASSERT_EQ(target.arms.size(), 3U);
    EXPECT_EQ(target.spectrum.pixels(), 7781);
    EXPECT_DOUBLE_EQ(target.spectrum.wavelength.front(), 3600.0);
    EXPECT_NEAR(target.spectrum.wavelength.back(), 9824.0, 1e-9);
    // Differences of neighbours in the overlap of two arms: the same light, noise of their own.
    const auto& blue = target.arms[0];
    const auto& red = target.arms[1];
    double sum = 0.0;
    int count = 0;
    for (std::size_t i = 0; i < 51; ++i) {
        const std::size_t b = 2700 + i;
        EXPECT_EQ(blue.wavelength(b), red.wavelength(i));
        if (blue.mask[b] != 0 || red.mask[i] != 0) continue;
        const double difference = blue.flux[b] - red.flux[i];
        sum += difference * difference /
               (1.0 / blue.inverse_variance[b] + 1.0 / red.inverse_variance[i]);
        ++count;
    }
    EXPECT_NEAR(sum / count, 1.0, 5.0 * std::sqrt(2.0 / count));
}

TEST(SimulatedDesi, MedianSignalToNoiseIsThatOfTheSample) {
    std::vector<double> ratios;
    for (std::int64_t i = 0; i < 20; ++i) {
        ratios.push_back(*desi().simulate(i).spectrum.survey_snr);
        EXPECT_GT(ratios.back(), 0.3);
        EXPECT_LT(ratios.back(), 150.0);
    }
    EXPECT_GT(std::set<double>(ratios.begin(), ratios.end()).size(), 15U);
}

TEST(SimulatedDesi, FilesReadBackBitByBitWithTheirLabels) {
    const TemporaryFolder folder;
    SimulationOptions options = desi_options();
    options.count = 52;
    simulate_survey(folder.path(), options, {});
    std::int64_t index = 0;
    for (const char* const name : {"coadd-sim-dark-00000.fits", "coadd-sim-dark-00001.fits"}) {
        const ReadResult result = read_spectra(folder / name);
        EXPECT_TRUE(result.skipped.empty());
        for (const Spectrum& read : result.spectra) {
            const SimulatedSpectrum made = desi().simulate(index++);
            EXPECT_EQ(survey_file_name(made), name);
            EXPECT_EQ(read.row, made.spectrum.row);
            EXPECT_EQ(read.object_id, made.spectrum.object_id);
            EXPECT_EQ(read.wavelength, made.spectrum.wavelength);
            EXPECT_EQ(read.flux, made.spectrum.flux);
            EXPECT_EQ(read.mask, made.spectrum.mask);
            EXPECT_EQ(read.inverse_variance, made.spectrum.inverse_variance);
            EXPECT_EQ(read.ra, made.spectrum.ra);
            EXPECT_EQ(read.dec, made.spectrum.dec);
            EXPECT_EQ(read.labels.object_class, "STAR");
            EXPECT_EQ(read.labels.subclass, made.spectrum.labels.subclass);
            EXPECT_EQ(read.labels.z, made.spectrum.labels.z);
            EXPECT_EQ(read.labels.z_err, made.spectrum.labels.z_err);
            EXPECT_EQ(read.labels.zwarn, 0);
        }
    }
    EXPECT_EQ(index, 52);
    for (const char* const name : {"redrock-sim-dark-00000.fits", "redrock-sim-dark-00001.fits"}) {
        try {
            read_spectra(folder / name);
            ADD_FAILURE() << name << " was read";
        } catch (const SpectrumError& error) {
            EXPECT_EQ(error.status, Status::label_table);
        }
    }
}

TEST(SimulatedSdss, PlatesFitIntoTheirBitsOfTheObjectIdAndAreNobodysElse) {
    SimulationOptions options;
    options.classes = {"STAR"};
    options.count = 100'000'000;
    const Simulator simulator(options);
    std::set<std::int64_t> ids;
    for (const std::int64_t index : {0, 1, 639, 640, 999'999, 1'000'000, 2'345'678, 99'999'999}) {
        const SimulatedSpectrum s = simulator.simulate(index);
        EXPECT_GE(s.plate, 13000);
        EXPECT_LT(s.plate, 15000);
        EXPECT_LT(s.mjd, 50000 + (1 << 14));
        const auto id = static_cast<std::uint64_t>(s.spectrum.object_id);
        EXPECT_EQ(static_cast<std::int64_t>(id >> 50U), s.plate);
        EXPECT_EQ(static_cast<std::int64_t>(id >> 38U & 0xFFFU), s.fibre);
        EXPECT_EQ(static_cast<std::int64_t>(id >> 24U & 0x3FFFU), s.mjd - 50000);
        ids.insert(s.spectrum.object_id);
    }
    EXPECT_EQ(ids.size(), 8U);
}

TEST(SimulatedSdss, TheReaderGivesTheObjectIdBack) {
    const TemporaryFolder folder;
    SimulationOptions options;
    options.classes = {"STAR"};
    options.count = 2;
    simulate_survey(folder.path(), options, {});
    const SimulatedSpectrum made = Simulator(options).simulate(1);
    const ReadResult result = read_spectra(folder / survey_file_name(made));
    ASSERT_EQ(result.spectra.size(), 1U);
    EXPECT_EQ(result.spectra[0].object_id, made.spectrum.object_id);
    EXPECT_LT(made.spectrum.object_id, 0) << "unsigned ids above 2^63 keep their bits";
    EXPECT_NE(catalog_row(made).find(",sdss," + id_text("sdss", made.spectrum.object_id) + ","),
              std::string::npos);
}

}  // namespace
}  // namespace balmer::data
