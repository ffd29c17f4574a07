// kernels/resample against tests/kernels/golden/make_resample.py, an independent f64 computation.

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "kernels/resample/resample.h"
#include "tests/kernels/kernel_testing.h"
#include "weights/safetensors.h"

namespace balmer::kernels {
namespace {

class ResampleReference : public ::testing::TestWithParam<const char*> {
  protected:
    template <class T>
    std::vector<T> golden(const std::string& column) const {
        return file_.read<T>(std::string(GetParam()) + "." + column);
    }

    /// The case on the common grid, as `way` computes it, in f64.
    struct OnGrid {
        std::vector<double> flux, inverse_variance, mask;
    };
    OnGrid resampled(const testing::Way& way) const {
        const auto operand = [](DType dtype, const auto& values) {
            const std::vector<double> all(values.begin(), values.end());
            return testing::Operand(dtype, {static_cast<std::int64_t>(all.size())}).set(all);
        };
        const auto wavelengths = golden<double>("wavelength");
        const testing::Operand wavelength = operand(DType::f64, wavelengths);
        const testing::Operand flux = operand(DType::f32, golden<float>("flux"));
        const testing::Operand inverse_variance =
            operand(DType::f32, golden<float>("inverse_variance"));
        const testing::Operand mask = operand(DType::u8, golden<std::uint8_t>("mask"));
        const testing::Operand offsets =
            operand(DType::i64, std::vector<double>{0.0, static_cast<double>(wavelengths.size())});
        const testing::Operand out_flux(DType::f32, {1, common_grid_pixels});
        const testing::Operand out_inverse_variance(DType::f32, {1, common_grid_pixels});
        const testing::Operand out_mask(DType::u8, {1, common_grid_pixels});
        EXPECT_TRUE(testing::run_way(way, "*", [&](const Context& context) {
            resample_to_common_grid(
                context,
                {wavelength.view(context), flux.view(context), inverse_variance.view(context),
                 mask.view(context), offsets.view(context), View(), out_flux.view(context),
                 out_inverse_variance.view(context), out_mask.view(context)});
        }));
        return {out_flux.values(), out_inverse_variance.values(), out_mask.values()};
    }

    weights::SafetensorsFile file_{std::string(BALMER_TEST_DATA) + "/resample.safetensors"};
};

TEST_P(ResampleReference, AgreesToOnePartInAMillionAndConservesFlux) {
    const auto first = static_cast<std::size_t>(golden<std::int64_t>("first").at(0));
    const auto flux = golden<double>("out_flux");
    const auto inverse_variance = golden<double>("out_inverse_variance");
    const auto mask = golden<std::uint8_t>("out_mask");
    const auto runs = golden<double>("runs");
    ASSERT_GE(runs.size(), 6U);
    for (const auto& way : testing::ways_of({"plain"}, {"device"})) {
        const OnGrid actual = resampled(way);
        const std::string what = testing::rerun(way, "*");
        for (std::size_t j = 0; j < actual.flux.size(); ++j) {
            const bool is_inside = j >= first && j - first < flux.size();
            const bool is_masked = !is_inside || mask[j - first] != 0;
            ASSERT_EQ(actual.mask[j], is_masked ? 1.0 : 0.0) << j << what;
            const double f = is_masked ? 0.0 : flux[j - first];
            const double v = is_masked ? 0.0 : inverse_variance[j - first];
            ASSERT_LE(std::abs(actual.flux[j] - f), 1e-6 * std::abs(f)) << j << what;
            ASSERT_LE(std::abs(actual.inverse_variance[j] - v), 1e-6 * v) << j << what;
        }
        for (std::size_t run = 0; run < runs.size(); run += 3) {
            double sum = 0.0;
            for (auto j = static_cast<std::int64_t>(runs[run]);
                 j < static_cast<std::int64_t>(runs[run + 1]); ++j) {
                const double width =
                    0.5 * (common_grid_wavelength(j + 1) - common_grid_wavelength(j - 1));
                sum += actual.flux[static_cast<std::size_t>(j)] * width;
            }
            EXPECT_NEAR(sum / runs[run + 2], 1.0, 1e-6) << runs[run] << what;
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Grids, ResampleReference,
                         ::testing::Values("desi", "desi_red", "lamost", "library"),
                         [](const auto& tested) { return std::string(tested.param); });

}  // namespace
}  // namespace balmer::kernels
