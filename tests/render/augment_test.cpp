// Augmentation: what each part does to a spectrum, and that nothing but seed, epoch and row
// decides.

#include "render/augment/augment.h"

#include <gtest/gtest.h>

#include <cmath>

#include "kernels/core/random.h"
#include "kernels/resample/resample.h"
#include "render/augment/augment_pixel.h"
#include "tests/render/spectra.h"

namespace balmer::render {
namespace {

constexpr std::int64_t length = kernels::common_grid_pixels;

/// Spectra on the common grid, each a slope with its own level, deviation 0.5, every 97th pixel
/// masked.
struct Spectra {
    std::vector<float> flux;
    std::vector<float> inverse_variance;
    std::vector<std::uint8_t> mask;
    std::vector<std::uint8_t> known;
    std::vector<double> wavelength;
    std::vector<std::int64_t> rows;
    std::vector<double> log_stretch;

    explicit Spectra(std::vector<std::int64_t> row_numbers) : rows(std::move(row_numbers)) {
        for (std::int64_t i = 0; i < length; ++i) {
            wavelength.push_back(kernels::common_grid_wavelength(i));
        }
        for (const std::int64_t row : rows) {
            for (std::int64_t i = 0; i < length; ++i) {
                const bool is_bad = i % 97 == 0;
                flux.push_back(static_cast<float>(10.0 + static_cast<double>(row) +
                                                  1e-3 * static_cast<double>(i)));
                inverse_variance.push_back(is_bad ? 0.0F : 4.0F);
                mask.push_back(is_bad ? 1 : 0);
            }
        }
        known.assign(rows.size(), 1);
        log_stretch.assign(rows.size(), -1.0);
    }

    SpectrumBatch batch() {
        const auto count = static_cast<std::int64_t>(rows.size());
        SpectrumBatch batch;
        batch.flux = View(flux.data(), DType::f32, {count, length});
        batch.inverse_variance = View(inverse_variance.data(), DType::f32, {count, length});
        batch.mask = View(mask.data(), DType::u8, {count, length});
        batch.inverse_variance_known = View(known.data(), DType::u8, {count});
        batch.wavelength = View(wavelength.data(), DType::f64, {length});
        return batch;
    }

    void augment(const std::string& parts, std::uint64_t seed = 5, std::uint64_t epoch = 2,
                 int threads = 1) {
        Context context;
        context.threads = threads;
        const auto draws = draw(parts, seed, epoch);
        render::augment(context, {.batch = batch(), .draws = view_of(draws)});
    }

    std::vector<AugmentDraw> draw(const std::string& parts, std::uint64_t seed = 5,
                                  std::uint64_t epoch = 2) {
        const AugmentOptions options = augment_options_from(parts);
        std::vector<AugmentDraw> draws;
        for (std::size_t b = 0; b < rows.size(); ++b) {
            draws.push_back(
                draw_augmentation(options, seed, epoch, static_cast<std::uint64_t>(rows[b])));
            log_stretch[b] = render::log_stretch(draws.back());
        }
        return draws;
    }

    /// Augmented on a device and brought back.
    void augment_on(const Context& context, const std::vector<AugmentDraw>& draws) {
        const UploadedSpectra uploaded(context, batch());
        const View host_draws = view_of(draws);
        const auto bytes = static_cast<std::size_t>(host_draws.numel());
        const Buffer buffer(context, bytes);
        copy_bytes(context, buffer.data(), context.device, host_draws.data, {}, bytes);
        render::augment(
            context, {.batch = uploaded.batch,
                      .draws = View(buffer.data(), DType::u8, host_draws.shape, context.device)});
        const auto download = [&](auto& values, const View& view) {
            copy_bytes(context, values.data(), {}, view.data, context.device,
                       values.size() * sizeof(values[0]));
        };
        download(flux, uploaded.batch.flux);
        download(inverse_variance, uploaded.batch.inverse_variance);
        download(mask, uploaded.batch.mask);
        synchronize(context);
    }

    std::vector<float> flux_of(std::size_t b) const {
        return {flux.begin() + static_cast<std::ptrdiff_t>(b) * length,
                flux.begin() + static_cast<std::ptrdiff_t>(b + 1) * length};
    }
};

TEST(Augment, EveryPartIsAFunctionOfSeedEpochAndRowAlone) {
    const std::string parts = "noise,shift,mask,scale";
    Spectra together({3, 8, 4});
    together.augment(parts);
    Spectra threaded({3, 8, 4});
    threaded.augment(parts, 5, 2, 3);
    EXPECT_EQ(threaded.flux, together.flux);
    EXPECT_EQ(threaded.mask, together.mask);
    EXPECT_EQ(threaded.inverse_variance, together.inverse_variance);
    EXPECT_EQ(threaded.log_stretch, together.log_stretch);

    Spectra alone({4});
    alone.augment(parts);
    EXPECT_EQ(alone.flux_of(0), together.flux_of(2));
    EXPECT_EQ(alone.log_stretch[0], together.log_stretch[2]);

    Spectra other_seed({4});
    other_seed.augment(parts, 6, 2);
    Spectra other_epoch({4});
    other_epoch.augment(parts, 5, 3);
    EXPECT_NE(other_seed.flux, alone.flux);
    EXPECT_NE(other_epoch.flux, alone.flux);
}

TEST(Augment, NothingIsDoneWithoutParts) {
    const Spectra before({1, 2});
    Spectra after({1, 2});
    after.augment("");
    EXPECT_EQ(after.flux, before.flux);
    EXPECT_EQ(after.mask, before.mask);
    EXPECT_EQ(after.inverse_variance, before.inverse_variance);
    EXPECT_EQ(after.log_stretch, (std::vector<double>{0.0, 0.0}));
}

TEST(Augment, NoiseHasThePixelsDeviationsAndVariancesFollow) {
    std::vector<std::int64_t> rows;
    for (std::int64_t row = 0; row < 40; ++row) rows.push_back(row);
    const Spectra before(rows);
    Spectra after(rows);
    after.augment("noise=2");
    double largest = 0.0;
    for (std::size_t b = 0; b < rows.size(); ++b) {
        double squares = 0.0;
        double sum = 0.0;
        double count = 0.0;
        double share = 0.0;
        for (std::int64_t i = 0; i < length; ++i) {
            const std::size_t at =
                b * static_cast<std::size_t>(length) + static_cast<std::size_t>(i);
            if (before.mask[at] != 0) {
                ASSERT_EQ(after.flux[at], before.flux[at]);
                ASSERT_EQ(after.inverse_variance[at], 0.0F);
                continue;
            }
            const double difference = (after.flux[at] - before.flux[at]) / 0.5;
            squares += difference * difference;
            sum += difference;
            count += 1.0;
            share = after.inverse_variance[at] / before.inverse_variance[at];
        }
        const double amount = std::sqrt(1.0 / share - 1.0);
        EXPECT_NEAR(std::sqrt(squares / count), amount, 0.05 * amount + 1e-4);
        EXPECT_NEAR(sum / count, 0.0, 5.0 * amount / std::sqrt(count));
        EXPECT_LE(amount, 2.0 + 1e-6);
        largest = std::max(largest, amount);
    }
    EXPECT_GT(largest, 1.5);  // the amounts fill 0..2
}

TEST(Augment, NoiseLeavesSpectraOfUnknownVarianceAlone) {
    const Spectra before({1});
    Spectra after({1});
    after.known[0] = 0;
    after.augment("noise");
    EXPECT_EQ(after.flux, before.flux);
    EXPECT_EQ(after.inverse_variance, before.inverse_variance);
}

TEST(Augment, ShiftMovesWholePixelsAndSaysByHowMuch) {
    std::vector<std::int64_t> rows;
    for (std::int64_t row = 0; row < 300; ++row) rows.push_back(row);
    const Spectra before(rows);
    Spectra after(rows);
    after.augment("shift=3");
    std::array<int, 7> seen{};
    for (std::size_t b = 0; b < rows.size(); ++b) {
        const auto shift = std::llround(after.log_stretch[b] / std::log(10.0) / 1e-4);
        ASSERT_LE(std::abs(shift), 3);
        ++seen[static_cast<std::size_t>(shift + 3)];
        // A feature of wavelength w is found at w exp(log_stretch).
        EXPECT_NEAR(before.wavelength[1000] * std::exp(after.log_stretch[b]),
                    before.wavelength[static_cast<std::size_t>(1000 + shift)], 1e-8);
        const std::size_t start = b * static_cast<std::size_t>(length);
        for (std::int64_t i = 0; i < length; ++i) {
            const std::size_t at = start + static_cast<std::size_t>(i);
            const std::int64_t from = i - shift;
            if (from < 0 || from >= length) {
                ASSERT_EQ(after.mask[at], 1);
                ASSERT_EQ(after.inverse_variance[at], 0.0F);
                ASSERT_EQ(after.flux[at], 0.0F);
                continue;
            }
            const std::size_t origin = start + static_cast<std::size_t>(from);
            ASSERT_EQ(after.flux[at], before.flux[origin]);
            ASSERT_EQ(after.mask[at], before.mask[origin]);
            ASSERT_EQ(after.inverse_variance[at], before.inverse_variance[origin]);
        }
    }
    for (const int count : seen) EXPECT_GT(count, 20);
}

TEST(Augment, MaskTakesWholeSkyRegionsWithTheProbabilityAsked) {
    std::vector<std::int64_t> rows;
    for (std::int64_t row = 0; row < 200; ++row) rows.push_back(row);
    const Spectra before(rows);
    Spectra after(rows);
    after.augment("mask=0.3");
    EXPECT_EQ(after.flux, before.flux);  // masked pixels keep their flux
    int regions = 0;
    for (std::size_t b = 0; b < rows.size(); ++b) {
        for (const SkyRegion& region : sky_regions) {
            int good = 0;
            int bad = 0;
            for (std::int64_t i = 0; i < length; ++i) {
                const std::size_t at =
                    b * static_cast<std::size_t>(length) + static_cast<std::size_t>(i);
                const double wavelength = before.wavelength[static_cast<std::size_t>(i)];
                if (before.mask[at] != 0 || wavelength < region.begin || wavelength > region.end) {
                    continue;
                }
                ++(after.mask[at] == 0 ? good : bad);
                if (after.mask[at] != 0) {
                    ASSERT_EQ(after.inverse_variance[at], 0.0F);
                }
            }
            ASSERT_TRUE(good == 0 || bad == 0) << region.begin;
            regions += bad > 0 ? 1 : 0;
        }
        // Away from the sky nothing is masked: 5000 A.
        const auto blue = static_cast<std::size_t>(1504);
        ASSERT_EQ(after.mask[b * static_cast<std::size_t>(length) + blue],
                  before.mask[b * static_cast<std::size_t>(length) + blue]);
    }
    const double share = regions / (200.0 * static_cast<double>(sky_regions.size()));
    EXPECT_NEAR(share, 0.3, 0.04);
}

TEST(Augment, ScaleIsAPowerLawAndKeepsSignalToNoise) {
    const Spectra before({7, 9});
    Spectra after({7, 9});
    after.augment("scale=0.2");
    for (std::size_t b = 0; b < 2; ++b) {
        const std::size_t start = b * static_cast<std::size_t>(length);
        const auto log_factor = [&](std::size_t i) {
            return std::log(static_cast<double>(after.flux[start + i]) / before.flux[start + i]);
        };
        const double slope = (log_factor(4001) - log_factor(1)) /
                             std::log(before.wavelength[4001] / before.wavelength[1]);
        EXPECT_NE(slope, 0.0);
        EXPECT_LT(std::abs(slope), 1.0);
        for (std::size_t i = 1; i < static_cast<std::size_t>(length); i += 50) {
            EXPECT_NEAR(
                log_factor(i),
                log_factor(1) + slope * std::log(before.wavelength[i] / before.wavelength[1]),
                1e-5);
            const auto ratio = [&](const Spectra& spectra) {
                return spectra.flux[start + i] * std::sqrt(spectra.inverse_variance[start + i]);
            };
            EXPECT_NEAR(ratio(after), ratio(before), 1e-4 * ratio(before) + 1e-12);
        }
    }
}

TEST(Augment, PartsAreReadWithAndWithoutStrengths) {
    const AugmentOptions options = augment_options_from("noise,shift=12,mask=0.5");
    EXPECT_EQ(options.noise, 1.0);
    EXPECT_EQ(options.shift, 12);
    EXPECT_EQ(options.mask, 0.5);
    EXPECT_EQ(options.scale, 0.0);
    EXPECT_EQ(augment_options_from(to_string(options)), options);
    EXPECT_FALSE(augment_options_from("").is_on());
    for (const char* wrong : {"nois", "noise,noise", "shift=1.5", "shift=-1", "mask=2", "noise=x",
                              "noise=nan", "noise,", "scale="}) {
        EXPECT_THROW(augment_options_from(wrong), UsageError) << wrong;
    }
}

TEST(Augment, EveryDeviceChangesTheSameBits) {
    for (const char* parts :
         {"noise,shift=40,mask,scale", "shift=1000", "noise=2", "mask=0.9", "scale=0.3"}) {
        Spectra expected({3, 8, 4, 11});
        expected.known[2] = 0;
        const std::vector<AugmentDraw> draws = expected.draw(parts);
        Spectra start = expected;
        render::augment({}, {.batch = expected.batch(), .draws = view_of(draws)});
        for (const Context& context : device_contexts()) {
            Spectra actual = start;
            actual.augment_on(context, draws);
            EXPECT_EQ(actual.flux, expected.flux) << parts;
            EXPECT_EQ(actual.inverse_variance, expected.inverse_variance) << parts;
            EXPECT_EQ(actual.mask, expected.mask) << parts;
        }
    }
}

TEST(Augment, SpectraOnOtherGridsAreNotShifted) {
    Spectra spectra({1});
    const Spectra before = spectra;
    SpectrumBatch batch = spectra.batch();
    batch.wavelength = View(spectra.wavelength.data(), DType::f64, {1, length});
    AugmentDraw draw;
    draw.shift = 3;
    render::augment({}, {.batch = batch, .draws = view_of(std::span(&draw, 1))});
    EXPECT_EQ(spectra.flux, before.flux);
}

TEST(PortableMath, FollowsTheLibraryToAFewLastBits) {
    Random random(3);
    for (int i = 0; i < 20000; ++i) {
        const double x = std::exp(random.uniform(-40.0, 40.0));
        EXPECT_NEAR(portable_log(x), std::log(x), 4e-16 * std::max(1.0, std::abs(std::log(x))));
        const double y = random.uniform(-600.0, 600.0);
        EXPECT_NEAR(portable_exp(y) / std::exp(y), 1.0, 1e-15) << y;
        const double turns = random.uniform();
        EXPECT_NEAR(portable_cosine_of_turns(turns), std::cos(2.0 * std::numbers::pi * turns),
                    1e-15);
    }
    EXPECT_EQ(portable_log(1.0), 0.0);
    EXPECT_EQ(portable_exp(0.0), 1.0);
    EXPECT_EQ(portable_exp(-1e4), 0.0);
    EXPECT_TRUE(std::isnan(portable_exp(std::nan(""))));
    EXPECT_EQ(portable_cosine_of_turns(0.0), 1.0);
    EXPECT_EQ(portable_cosine_of_turns(0.5), -1.0);
    EXPECT_NEAR(portable_log(1.0 - 1e-10), std::log(1.0 - 1e-10), 1e-24);
}

}  // namespace
}  // namespace balmer::render
