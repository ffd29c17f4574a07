// kernels/resample: the common grid, whole-pixel shifts and flux-conserving rebinning.

#include "kernels/resample/resample.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "kernels/core/error.h"
#include "kernels/core/random.h"
#include "tests/kernels/kernel_testing.h"

namespace balmer::kernels {
namespace {

struct Sample {
    std::vector<double> wavelength;
    std::vector<float> flux;
    std::vector<float> inverse_variance;
    std::vector<std::uint8_t> mask;

    SpectrumPixels pixels() const {
        return {wavelength, flux, inverse_variance, mask, grid_start(wavelength)};
    }
};

struct OnGrid {
    std::vector<float> flux = std::vector<float>(common_grid_pixels);
    std::vector<float> inverse_variance = std::vector<float>(common_grid_pixels);
    std::vector<std::uint8_t> mask = std::vector<std::uint8_t>(common_grid_pixels);
};

OnGrid resampled(const Sample& sample) {
    OnGrid output;
    resample_to_common_grid(sample.pixels(), {output.flux, output.inverse_variance, output.mask});
    return output;
}

Sample with_random_pixels(std::vector<double> wavelength, std::uint64_t seed) {
    Random random(seed);
    Sample sample;
    for (const double lambda : wavelength) {
        sample.flux.push_back(static_cast<float>(5.0 + std::sin(lambda / 37.0) + random.normal()));
        sample.inverse_variance.push_back(static_cast<float>(random.uniform(0.5, 4.0)));
        sample.mask.push_back(random.uniform() < 0.01 ? 1 : 0);
    }
    sample.wavelength = std::move(wavelength);
    return sample;
}

std::vector<double> linear(double first, double step, int count) {
    std::vector<double> values(count);
    for (int i = 0; i < count; ++i) values[i] = first + step * i;
    return values;
}

/// SDSS wavelengths: f32 log10, multiples of 1e-4.
std::vector<double> sdss_wavelength(int first_multiple, int count) {
    std::vector<double> values(count);
    for (int i = 0; i < count; ++i) {
        values[i] = std::pow(10.0, double{static_cast<float>(1e-4 * (first_multiple + i))});
    }
    return values;
}

double edge(const std::vector<double>& centres, std::size_t k) {  // k-th of size + 1 edges
    if (k == 0) return 1.5 * centres[0] - 0.5 * centres[1];
    if (k == centres.size()) return 1.5 * centres[k - 1] - 0.5 * centres[k - 2];
    return 0.5 * (centres[k - 1] + centres[k]);
}

TEST(CommonGrid, StartsAndEndsWhereThePaperCrops) {
    EXPECT_NEAR(std::log10(common_grid_wavelength(0)), 3.5486, 1e-12);
    EXPECT_GT(common_grid_wavelength(0), 3536.714);
    EXPECT_NEAR(common_grid_wavelength(common_grid_pixels - 1), 10413.58, 2.5);
}

TEST(GridStart, FindsSdssPixelsDespiteTheirF32Wavelengths) {
    EXPECT_EQ(grid_start(sdss_wavelength(35486, 4691)), 0);
    EXPECT_EQ(grid_start(sdss_wavelength(35800, 3800)), 314);
    EXPECT_EQ(grid_start(sdss_wavelength(35400, 100)), -86);
    EXPECT_EQ(grid_start(linear(3600.0, 0.8, 7781)), std::nullopt);
    EXPECT_EQ(grid_start({}), std::nullopt);
    auto shifted = sdss_wavelength(35486, 100);
    for (auto& lambda : shifted) lambda *= std::pow(10.0, 0.02e-4);
    EXPECT_EQ(grid_start(shifted), std::nullopt);
}

TEST(Resample, ShiftsOnGridSpectraBitForBit) {
    for (const int first : {35400, 35486, 35800, 39900}) {
        const Sample sample = with_random_pixels(sdss_wavelength(first, 3000), 1);
        const OnGrid output = resampled(sample);
        for (std::int64_t j = 0; j < common_grid_pixels; ++j) {
            const std::int64_t i = j - (first - 35486);
            if (i >= 0 && i < 3000) {
                ASSERT_EQ(output.flux[j], sample.flux[i]);
                ASSERT_EQ(output.inverse_variance[j], sample.inverse_variance[i]);
                ASSERT_EQ(output.mask[j], sample.mask[i]);
            } else {
                ASSERT_EQ(output.flux[j], 0.0F);
                ASSERT_EQ(output.inverse_variance[j], 0.0F);
                ASSERT_EQ(output.mask[j], 1);
            }
        }
    }
}

TEST(Resample, KeepsGapsOfOnGridSpectraWithoutTouchingTheirNeighbours) {
    auto wavelength = sdss_wavelength(35600, 1000);
    wavelength.erase(wavelength.begin() + 400, wavelength.begin() + 420);
    const Sample sample = with_random_pixels(wavelength, 2);
    ASSERT_EQ(sample.pixels().grid_start, std::nullopt);
    const OnGrid output = resampled(sample);
    const int start = 35600 - 35486;
    EXPECT_EQ(output.flux[start + 399], sample.flux[399]);
    for (int j = 400; j < 420; ++j) EXPECT_EQ(output.mask[start + j], 1);
    EXPECT_EQ(output.flux[start + 420], sample.flux[400]);
    EXPECT_EQ(output.inverse_variance[start + 999], sample.inverse_variance[979]);
}

TEST(Resample, MasksBinsInGapsOfOffGridSpectra) {
    auto wavelength = linear(5000.0, 0.8, 1000);
    wavelength.erase(wavelength.begin() + 500, wavelength.begin() + 520);  // 5400 to 5416 A
    Sample sample = with_random_pixels(wavelength, 3);
    std::fill(sample.mask.begin(), sample.mask.end(), std::uint8_t{0});
    const OnGrid output = resampled(sample);
    for (std::int64_t j = 0; j < common_grid_pixels; ++j) {
        const double centre = common_grid_wavelength(j);
        if (centre > 5399.1 && centre < 5416.1) {
            EXPECT_EQ(output.mask[j], 1) << centre;
        }
        if (centre > 5002.0 && centre < 5398.5) {
            EXPECT_EQ(output.mask[j], 0) << centre;
        }
        if (centre > 5417.0 && centre < 5797.0) {
            EXPECT_EQ(output.mask[j], 0) << centre;
        }
    }
}

TEST(Resample, AgreesWithAnIndependentDoublePrecisionComputation) {
    const std::vector<std::vector<double>> grids = {
        linear(3600.0, 0.8, 7781), linear(3500.0, 3.1, 2300), linear(4100.5, 0.2, 9000)};
    for (const auto& wavelength : grids) {
        const Sample sample = with_random_pixels(wavelength, 4);
        const OnGrid output = resampled(sample);
        std::vector<double> centres(common_grid_pixels);
        for (std::int64_t j = 0; j < common_grid_pixels; ++j) {
            centres[j] = std::pow(10.0, 3.5486 + 1e-4 * static_cast<double>(j));
        }
        int good = 0;
        for (std::int64_t j = 1; j + 1 < common_grid_pixels; ++j) {
            const double lower = edge(centres, j);
            const double upper = edge(centres, j + 1);
            double flux = 0.0;
            double variance = 0.0;
            bool is_masked =
                lower < edge(wavelength, 0) || upper > edge(wavelength, wavelength.size());
            for (std::size_t i = 0; i < wavelength.size(); ++i) {
                const double overlap =
                    std::min(upper, edge(wavelength, i + 1)) - std::max(lower, edge(wavelength, i));
                if (overlap <= 0.0) continue;
                is_masked = is_masked || sample.mask[i] != 0;
                const double weight = overlap / (upper - lower);
                flux += weight * sample.flux[i];
                variance += weight * weight / sample.inverse_variance[i];
            }
            ASSERT_EQ(output.mask[j], is_masked ? 1 : 0) << j;
            if (is_masked) continue;
            ++good;
            ASSERT_NEAR(output.flux[j], flux, 1e-5 * std::abs(flux));
            ASSERT_NEAR(output.inverse_variance[j], 1.0 / variance, 1e-5 / variance);
        }
        EXPECT_GT(good, 1000);
    }
}

TEST(Resample, ConservesFlux) {
    Sample sample = with_random_pixels(linear(3600.0, 0.8, 7781), 5);
    std::fill(sample.mask.begin(), sample.mask.end(), std::uint8_t{0});
    const OnGrid output = resampled(sample);
    double lower = 0.0;
    double upper = 0.0;
    double after = 0.0;
    for (std::int64_t j = 0; j < common_grid_pixels; ++j) {
        if (output.mask[j] != 0) continue;
        const double left = 0.5 * (common_grid_wavelength(j - 1) + common_grid_wavelength(j));
        const double right = 0.5 * (common_grid_wavelength(j) + common_grid_wavelength(j + 1));
        if (lower == 0.0) lower = left;
        upper = right;
        after += output.flux[j] * (right - left);
    }
    double before = 0.0;
    for (std::size_t i = 0; i < sample.wavelength.size(); ++i) {
        const double overlap = std::min(upper, sample.wavelength[i] + 0.4) -
                               std::max(lower, sample.wavelength[i] - 0.4);
        if (overlap > 0.0) before += overlap * sample.flux[i];
    }
    EXPECT_GT(upper - lower, 6200.0);
    EXPECT_NEAR(after / before, 1.0, 1e-6);
}

/// Rebins `trials` noisy copies of a spectrum and compares their scatter with its variance.
void expect_variance_of_noisy_copies(const std::vector<double>& wavelength) {
    Sample sample = with_random_pixels(wavelength, 6);
    std::fill(sample.mask.begin(), sample.mask.end(), std::uint8_t{0});
    const std::vector<float> truth = sample.flux;
    const OnGrid expected = resampled(sample);
    Random random(7);
    constexpr int trials = 2000;
    std::vector<double> squares(common_grid_pixels);
    for (int trial = 0; trial < trials; ++trial) {
        for (std::size_t i = 0; i < truth.size(); ++i) {
            sample.flux[i] = truth[i] + static_cast<float>(random.normal() /
                                                           std::sqrt(sample.inverse_variance[i]));
        }
        const OnGrid noisy = resampled(sample);
        for (std::int64_t j = 0; j < common_grid_pixels; ++j) {
            squares[j] += std::pow(double{noisy.flux[j]} - expected.flux[j], 2);
        }
    }
    double mean_ratio = 0.0;
    int bins = 0;
    for (std::int64_t j = 0; j < common_grid_pixels; ++j) {
        if (expected.mask[j] != 0) continue;
        const double ratio = squares[j] / trials * expected.inverse_variance[j];
        EXPECT_NEAR(ratio, 1.0, 6.0 * std::sqrt(2.0 / trials));
        mean_ratio += ratio;
        ++bins;
    }
    ASSERT_GT(bins, 300);
    EXPECT_NEAR(mean_ratio / bins, 1.0, 0.01);
}

TEST(Resample, VarianceMatchesMonteCarlo) {
    expect_variance_of_noisy_copies(linear(4000.0, 0.8, 400));  // DESI
    expect_variance_of_noisy_copies(linear(4000.0, 5.0, 100));  // libraries: a pixel is many bins
}

TEST(Resample, BatchEqualsSingleSpectra) {
    const std::vector<Sample> samples = {with_random_pixels(linear(3600.0, 0.8, 7781), 8),
                                         with_random_pixels(sdss_wavelength(35500, 4000), 9)};
    const std::vector<SpectrumPixels> pixels = {samples[0].pixels(), samples[1].pixels()};
    std::vector<float> flux(2 * common_grid_pixels);
    std::vector<float> inverse_variance(flux.size());
    std::vector<std::uint8_t> mask(flux.size());
    resample_to_common_grid(Context{}, pixels, flux, inverse_variance, mask);
    for (std::int64_t b = 0; b < 2; ++b) {
        const OnGrid single = resampled(samples[b]);
        for (std::int64_t j = 0; j < common_grid_pixels; ++j) {
            ASSERT_EQ(flux[b * common_grid_pixels + j], single.flux[j]);
            ASSERT_EQ(inverse_variance[b * common_grid_pixels + j], single.inverse_variance[j]);
            ASSERT_EQ(mask[b * common_grid_pixels + j], single.mask[j]);
        }
    }
}

/// Spectra one after the other, as a device gets them.
struct Packed {
    testing::Operand wavelength, flux, inverse_variance, mask, offsets, grid_start;

    explicit Packed(const std::vector<Sample>& samples) {
        std::vector<double> all[4];
        std::vector<double> ends = {0.0};
        std::vector<double> starts;
        for (const Sample& sample : samples) {
            all[0].insert(all[0].end(), sample.wavelength.begin(), sample.wavelength.end());
            all[1].insert(all[1].end(), sample.flux.begin(), sample.flux.end());
            all[2].insert(all[2].end(), sample.inverse_variance.begin(),
                          sample.inverse_variance.end());
            all[3].insert(all[3].end(), sample.mask.begin(), sample.mask.end());
            ends.push_back(static_cast<double>(all[0].size()));
            starts.push_back(
                static_cast<double>(sample.pixels().grid_start.value_or(no_grid_start)));
        }
        const auto operand = [](DType dtype, const std::vector<double>& values) {
            return testing::Operand(dtype, {static_cast<std::int64_t>(values.size())}).set(values);
        };
        wavelength = operand(DType::f64, all[0]);
        flux = operand(DType::f32, all[1]);
        inverse_variance = operand(DType::f32, all[2]);
        mask = operand(DType::u8, all[3]);
        offsets = operand(DType::i64, ends);
        grid_start = operand(DType::i64, starts);
    }
};

/// Spectra on the grid, on the grid with gaps, on other grids, with gaps and masks there, and the
/// smallest ones.
std::vector<Sample> samples_of_every_kind() {
    auto with_gaps = sdss_wavelength(35600, 700);
    with_gaps.erase(with_gaps.begin() + 400, with_gaps.begin() + 420);
    auto off_grid_with_gaps = linear(5000.0, 0.8, 900);
    off_grid_with_gaps.erase(off_grid_with_gaps.begin() + 500, off_grid_with_gaps.begin() + 520);
    std::vector<Sample> samples;
    std::uint64_t seed = 30;
    for (const auto& wavelength :
         {sdss_wavelength(35400, 1000), with_gaps, linear(4000.0, 3.1, 600), off_grid_with_gaps,
          linear(6000.0, 0.2, 2000), std::vector<double>{}, std::vector<double>{5000.3},
          sdss_wavelength(39990, 400), linear(300.0, 1.0, 20), linear(20000.0, 1.0, 20)}) {
        samples.push_back(with_random_pixels(wavelength, seed++));
    }
    samples[3].flux[100] = std::numeric_limits<float>::infinity();
    samples[3].flux[200] = std::numeric_limits<float>::quiet_NaN();
    samples[3].inverse_variance[300] = 0.0F;
    return samples;
}

TEST(ResampleBatch, GivesOnEveryDeviceWhatSingleSpectraGive) {
    const std::vector<Sample> samples = samples_of_every_kind();
    const Packed packed(samples);
    const Shape rows = {static_cast<std::int64_t>(samples.size()), common_grid_pixels};
    for (const bool has_starts : {false, true}) {
        testing::SameBits same_bits;
        for (const auto& way : testing::ways_of({"plain"}, {"device"})) {
            const testing::Operand flux(DType::f32, rows);
            const testing::Operand inverse_variance(DType::f32, rows);
            const testing::Operand mask(DType::u8, rows);
            const bool has_run = testing::run_way(way, "*", [&](const Context& context) {
                resample_to_common_grid(
                    context,
                    {packed.wavelength.view(context), packed.flux.view(context),
                     packed.inverse_variance.view(context), packed.mask.view(context),
                     packed.offsets.view(context),
                     has_starts ? packed.grid_start.view(context) : View(), flux.view(context),
                     inverse_variance.view(context), mask.view(context)});
            });
            EXPECT_TRUE(has_run);
            const auto fluxes = flux.values();
            const auto variances = inverse_variance.values();
            const auto masks = mask.values();
            const std::string what = testing::rerun(way, "*");
            for (std::size_t b = 0; b < samples.size(); ++b) {
                const OnGrid expected = resampled(samples[b]);
                for (std::size_t j = 0; j < expected.flux.size(); ++j) {
                    const std::size_t i = b * expected.flux.size() + j;
                    ASSERT_EQ(masks[i], expected.mask[j]) << b << " " << j << what;
                    // One rounding to f32; copies, of the first two kinds, are exact.
                    const double tolerance = b < 2 ? 0.0 : 1.01 * testing::ulp_of(DType::f32);
                    const double f = expected.flux[j];
                    const double v = expected.inverse_variance[j];
                    if (std::isfinite(f)) {
                        ASSERT_LE(std::abs(fluxes[i] - f), tolerance * std::abs(f))
                            << b << " " << j;
                    } else {
                        ASSERT_EQ(std::isnan(fluxes[i]), std::isnan(f)) << b << " " << j << what;
                    }
                    ASSERT_LE(std::abs(variances[i] - v), tolerance * v) << b << " " << j << what;
                }
            }
            EXPECT_TRUE(flux.guards_are_intact() && inverse_variance.guards_are_intact() &&
                        mask.guards_are_intact())
                << what;
            same_bits.expect(way, "flux", flux);
            same_bits.expect(way, "inverse_variance", inverse_variance);
            same_bits.expect(way, "mask", mask);
        }
    }
}

TEST(ResampleBatch, NamesTheArgumentTheExpectedAndTheActual) {
    const Packed packed({with_random_pixels(linear(4000.0, 1.0, 20), 1)});
    const testing::Operand flux(DType::f32, {1, common_grid_pixels});
    const testing::Operand mask(DType::u8, {1, common_grid_pixels});
    ResampleBatch batch{packed.wavelength.view(),
                        packed.flux.view(),
                        packed.inverse_variance.view(),
                        packed.mask.view(),
                        packed.offsets.view(),
                        {},
                        flux.view(),
                        flux.view(),
                        mask.view()};
    auto bad = batch;
    bad.out_mask = flux.view();
    testing::expect_error<DTypeError>([&] { resample_to_common_grid(Context{}, bad); },
                                      "resample_to_common_grid: out_mask must be u8, got f32");
    bad = batch;
    const testing::Operand offsets = testing::Operand(DType::i64, {2}).set({0.0, 21.0});
    bad.offsets = offsets.view();
    testing::expect_error<ShapeError>(
        [&] { resample_to_common_grid(Context{}, bad); },
        "resample_to_common_grid: spectrum 0 is pixels 0 to 21 of 20");
}

TEST(Resample, RefusesArraysOfDifferentLength) {
    Sample sample = with_random_pixels(linear(4000.0, 0.8, 400), 10);
    sample.flux.pop_back();
    EXPECT_THROW(resampled(sample), ShapeError);
}

}  // namespace
}  // namespace balmer::kernels
