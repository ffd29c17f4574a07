// kernels/dropout against the random numbers of kernels/core/random.h, drawn one by one.

#include "kernels/dropout/dropout.h"

#include <ostream>

#include "kernels/core/random.h"
#include "tests/kernels/kernel_testing.h"

namespace balmer::kernels {
namespace {

using namespace testing;

constexpr std::uint64_t seed = 11;
constexpr std::uint64_t stream = 3;
constexpr std::uint64_t position = (std::uint64_t{1} << 33) - 2;  // crosses a 32-bit boundary

struct DropoutCase {
    const char* name;
    std::int64_t rows;
    std::int64_t columns;
    double probability;
    Alignment alignment = Alignment::element;
};

const DropoutCase cases[] = {
    {"OneElement", 1, 1, 0.5},
    {"Odd", 7, 37, 0.3},
    {"OneColumn", 61, 1, 0.4},
    {"Aligned", 9, 40, 0.3, Alignment::vector},
    {"AlignedOdd", 5, 33, 0.3, Alignment::vector},
    {"AlignedLong", 3, 8320, 0.6, Alignment::vector},  // samples of several blocks
    {"NothingIsLeftOut", 4, 24, 0.0, Alignment::vector},
    {"AlmostAllIsLeftOut", 4, 24, 0.999999999, Alignment::vector},
    {"Empty", 0, 8, 0.5},
};

std::ostream& operator<<(std::ostream& stream_, const DropoutCase& item) {
    return stream_ << item.name;
}

class DropoutRoom : public ::testing::TestWithParam<DropoutCase> {
  protected:
    /// What is kept is a multiple of x: one rounding of the factor and one of the product.
    static double unit_of(DType dtype) {
        return dtype == DType::bf16 ? 0.51 * ulp_of(dtype) : 1.01 * ulp_of(dtype);
    }
};

TEST_P(DropoutRoom, DropoutFollowsTheWordsOfTheStream) {
    const DropoutCase& item = GetParam();
    const Shape shape = {item.rows, item.columns};
    for (const DType dtype : {DType::f32, DType::f64, DType::bf16}) {
        SameBits same_bits;
        for (const Way& way : ways_of({"plain"}, {"device"})) {
            Random random(21);
            const Operand x =
                Operand(dtype, shape, Layout::contiguous, item.alignment).randomise(random);
            const Operand y(dtype, shape, Layout::contiguous, item.alignment);
            const Operand advance = Operand(DType::i64, {1}).set({5.0});
            if (!run_way(way, "dropout", [&](const Context& context) {
                    dropout(context, {x.view(context),
                                      item.probability,
                                      {seed, stream, position, advance.view(context)},
                                      y.view(context)});
                })) {
                EXPECT_EQ(dtype, DType::f64);
                continue;
            }
            std::vector<double> expected = x.values();
            std::vector<double> tolerance;
            for (std::size_t i = 0; i < expected.size(); ++i) {
                const auto word = philox(seed, stream, position + 5 + i / 4)[i % 4];
                const bool is_kept = word * 0x1p-32 >= item.probability;
                expected[i] *= is_kept ? 1.0 / (1.0 - item.probability) : 0.0;
                tolerance.push_back(unit_of(dtype) * std::abs(expected[i]));
            }
            const std::string what = std::string(name_of(dtype)) + rerun(way, "dropout");
            expect_close(y.values(), expected, tolerance, what);
            EXPECT_TRUE(y.guards_are_intact()) << what;
            same_bits.expect(way, "y", y);
        }
    }
}

TEST_P(DropoutRoom, DropPathDrawsOneUniformNumberASample) {
    const DropoutCase& item = GetParam();
    const Shape shape = {item.rows, item.columns};
    for (const DType dtype : {DType::f32, DType::f64, DType::bf16}) {
        for (const bool has_residual : {false, true}) {
            SameBits same_bits;
            std::vector<double> on_cpu;
            for (const Way& way : ways_of({"plain"}, {"device"})) {
                Random random(22);
                const auto operand = [&] {
                    return Operand(dtype, shape, Layout::contiguous, item.alignment);
                };
                const Operand x = operand().randomise(random);
                const Operand residual = operand().randomise(random);
                const Operand y = operand();
                if (!run_way(way, "drop_path", [&](const Context& context) {
                        drop_path(context, {x.view(context),
                                            has_residual ? residual.view(context) : View(),
                                            item.probability,
                                            {seed, stream, position, {}},
                                            y.view(context)});
                    })) {
                    EXPECT_EQ(dtype, DType::f64);
                    continue;
                }
                Random draws(seed, stream);
                draws.seek(position);
                std::vector<double> expected = x.values();
                std::vector<double> tolerance;
                const auto added = residual.values();
                for (std::int64_t b = 0; b < item.rows; ++b) {
                    const double factor =
                        draws.uniform() < item.probability ? 0.0 : 1.0 / (1.0 - item.probability);
                    for (std::int64_t c = 0; c < item.columns; ++c) {
                        const std::size_t i = b * item.columns + c;
                        const double product = factor * expected[i];
                        expected[i] = product + (has_residual ? added[i] : 0.0);
                        // The factor's rounding stays where the sum cancels.
                        tolerance.push_back(factor == 0.0 ? 0.0
                                                          : unit_of(dtype) * std::abs(expected[i]) +
                                                                ulp_of(statistics_dtype(dtype)) *
                                                                    std::abs(product));
                    }
                }
                const std::string what = std::string(name_of(dtype)) + rerun(way, "drop_path");
                expect_close(y.values(), expected, tolerance, what);
                EXPECT_TRUE(y.guards_are_intact()) << what;
                same_bits.expect(way, "y", y);
                if (way.choice == "plain") on_cpu = y.values();
                expect_close(y.values(), on_cpu, 0.0, "as on the CPU, bit for bit: " + what);
            }
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Cases, DropoutRoom, ::testing::ValuesIn(cases),
                         [](const auto& item) { return item.param.name; });

TEST(DropPathKernel, WorksInPlaceAndTakesNoNanFromSamplesLeftOut) {
    for (const Way& way : ways_of({"plain"}, {"device"})) {
        for (const bool into_residual : {false, true}) {
            const std::int64_t B = 24;
            Random draws(seed, stream);
            std::vector<double> values;
            std::vector<double> expected;
            for (std::int64_t b = 0; b < B; ++b) {
                const bool is_dropped = draws.uniform() < 0.5;
                for (int i = 0; i < 8; ++i) {
                    values.push_back(is_dropped ? nan : 1.0 + i);
                    expected.push_back(is_dropped ? 10.0 : 10.0 + 2.0 * (1.0 + i));
                }
            }
            const Operand x =
                Operand(DType::f32, {B, 8}, Layout::contiguous, Alignment::vector).set(values);
            const Operand residual =
                Operand(DType::f32, {B, 8}).set(std::vector<double>(values.size(), 10.0));
            const Operand& y = into_residual ? residual : x;
            run_way(way, "drop_path", [&](const Context& context) {
                drop_path(context, {x.view(context),
                                    residual.view(context),
                                    0.5,
                                    {seed, stream, 0, {}},
                                    y.view(context)});
            });
            expect_close(y.values(), expected, 0.0, "y" + rerun(way, "drop_path"));
        }
    }
}

TEST(DropoutErrors, NameTheArgumentTheExpectedAndTheActual) {
    const Operand x(DType::f32, {3, 4});
    const Operand half(DType::bf16, {3, 4});
    const Operand step(DType::i32, {1});
    expect_error<UsageError>(
        [&] {
            dropout({}, {x.view(), 1.0, {}, x.view()});
        },
        "dropout: expected a probability in [0, 1), got 1.000000");
    expect_error<DTypeError>(
        [&] {
            dropout({}, {x.view(), 0.5, {.advance = step.view()}, x.view()});
        },
        "dropout: advance must be i64, got i32");
    expect_error<DTypeError>(
        [&] {
            drop_path({}, {x.view(), half.view(), 0.5, {}, x.view()});
        },
        "drop_path: residual must be f32, got bf16");
    expect_error<UsageError>(
        [&] {
            drop_path({}, {x.view(), {}, nan, {}, x.view()});
        },
        "drop_path: expected a probability in [0, 1), got nan");
}

}  // namespace
}  // namespace balmer::kernels
