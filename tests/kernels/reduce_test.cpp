// kernels/reduce against sums in f64.

#include "kernels/reduce/reduce.h"

#include <ostream>

#include "tests/kernels/kernel_testing.h"

namespace balmer::kernels {
namespace {

using namespace testing;

struct SumCase {
    const char* name;
    Shape x;
    Shape out;
    Layout layout = Layout::contiguous;
    double scale = 1.0;
};

const SumCase cases[] = {
    {.name = "Scalar", .x = {}, .out = {}},
    {.name = "Nothing", .x = {5, 7}, .out = {5, 7}},
    {.name = "Rows", .x = {13, 37}, .out = {13, 1}},
    {.name = "Columns", .x = {13, 37}, .out = {1, 37}, .scale = 0.25},
    {.name = "All", .x = {13, 37}, .out = {1, 1}, .scale = 1.0 / (13 * 37)},
    {.name = "LongRow", .x = {1, 50001}, .out = {1, 1}},
    {.name = "ManyRows", .x = {5003, 17}, .out = {1, 17}},
    {.name = "ManyColumns", .x = {5, 9001}, .out = {1, 9001}},
    {.name = "OneColumn", .x = {501, 1}, .out = {1, 1}},
    {.name = "Middle", .x = {3, 41, 6}, .out = {3, 1, 6}},
    {.name = "Outside", .x = {3, 41, 6}, .out = {1, 41, 1}},
    {.name = "FirstAndLast", .x = {7, 1, 5, 9}, .out = {1, 1, 5, 1}},
    {.name = "PaddedRows", .x = {3, 11, 37}, .out = {3, 11, 1}, .layout = Layout::padded},
    {.name = "PaddedColumns", .x = {3, 300, 37}, .out = {1, 1, 37}, .layout = Layout::padded},
    {.name = "TransposedRows", .x = {130, 37}, .out = {130, 1}, .layout = Layout::transposed},
    {.name = "TransposedColumns", .x = {130, 37}, .out = {1, 37}, .layout = Layout::transposed},
    {.name = "ReversedMiddle", .x = {6, 5, 4, 3}, .out = {6, 1, 4, 1}, .layout = Layout::reversed},
    {.name = "Spread", .x = {6, 55}, .out = {6, 1}, .layout = Layout::spread},
    {.name = "VectorRows", .x = {21, 1000}, .out = {21, 1}, .layout = Layout::aligned},
    {.name = "VectorColumns", .x = {203, 264}, .out = {1, 264}, .layout = Layout::aligned},
    {.name = "VectorAll", .x = {40, 1000}, .out = {1, 1}, .layout = Layout::aligned, .scale = 0.5},
    {.name = "VectorMiddle", .x = {3, 70, 24}, .out = {3, 1, 24}, .layout = Layout::aligned_padded},
    {.name = "VectorRuns", .x = {5, 6, 24}, .out = {1, 6, 1}, .layout = Layout::aligned_padded},
    {.name = "EmptySummed", .x = {0, 5}, .out = {1, 5}},
    {.name = "EmptyKept", .x = {4, 0}, .out = {1, 0}},
};

std::ostream& operator<<(std::ostream& stream, const SumCase& item) {
    return stream << item.name;
}

class ReduceSum : public ::testing::TestWithParam<SumCase> {};

TEST_P(ReduceSum, MatchesTheSumInF64) {
    const SumCase& item = GetParam();
    struct Dtypes {
        DType x;
        DType out;
    };
    for (const Dtypes dtypes :
         {Dtypes{DType::f32, DType::f32}, Dtypes{DType::f64, DType::f64},
          Dtypes{DType::bf16, DType::bf16}, Dtypes{DType::bf16, DType::f32}}) {
        SameBits same_bits;
        for (const Way& way : ways_of({"plain"}, {"device"})) {
            Random random(13);
            const Operand x = Operand(dtypes.x, item.x, item.layout).randomise(random, 1.0, 0.3);
            const Operand out(dtypes.out, item.out);
            if (!run_way(way, "sum", [&](const Context& context) {
                    sum(context, {x.view(context), item.scale, out.view(context)});
                })) {
                continue;
            }
            std::vector<double> expected(item.out.numel(), 0.0);
            std::vector<double> magnitude = expected;
            const auto values = x.values();
            for (std::int64_t i = 0; i < item.x.numel(); ++i) {
                std::int64_t rest = i;
                std::int64_t at = 0;
                std::int64_t step = 1;
                for (int d = item.x.rank() - 1; d >= 0; --d) {
                    at += (item.out[d] == 1 ? 0 : rest % item.x[d]) * step;
                    rest /= item.x[d];
                    step *= item.out[d];
                }
                expected[at] += item.scale * values[i];
                magnitude[at] += std::abs(item.scale * values[i]);
            }
            std::vector<double> tolerance;
            for (std::size_t i = 0; i < expected.size(); ++i) {
                tolerance.push_back(8.0 * ulp_of(statistics_dtype(dtypes.x)) * magnitude[i] +
                                    0.501 * ulp_of(dtypes.out) * std::abs(expected[i]));
            }
            const std::string what = std::string(name_of(dtypes.x)) + " -> " +
                                     std::string(name_of(dtypes.out)) + rerun(way, "sum");
            expect_close(out.values(), expected, tolerance, what);
            EXPECT_TRUE(out.guards_are_intact()) << what;
            same_bits.expect(way, "out", out);
        }
    }
}

TEST_P(ReduceSum, GivesTheSameBitsWhateverTheNumberOfThreads) {
    const SumCase& item = GetParam();
    Random random(13);
    const Operand x = Operand(DType::f32, item.x, item.layout).randomise(random);
    const Operand reference(DType::f32, item.out);
    sum(with_threads(1), {x.view(), 1.0, reference.view()});
    for (const int threads : {2, 3, 7}) {
        const Operand out(DType::f32, item.out);
        sum(with_threads(threads), {x.view(), 1.0, out.view()});
        EXPECT_EQ(error_of(out.values(), reference.values()), 0.0) << threads;
    }
}

INSTANTIATE_TEST_SUITE_P(Cases, ReduceSum, ::testing::ValuesIn(cases),
                         [](const auto& item) { return item.param.name; });

TEST(ReduceValues, NanAndInfinityReachTheirSumOnly) {
    const Operand x = Operand(DType::f32, {3, 2}).set({1, 2, nan, 3, infinity, 4});
    for (const Way& way : ways_of({"plain"}, {"device"})) {
        const Operand out(DType::f32, {3, 1});
        sum(way.context, {x.view(way.context), 1.0, out.view(way.context)});
        expect_close(out.values(), {3.0, nan, infinity}, 0.0, "rows" + rerun(way, "sum"));
    }
}

/// 515 views are more than one table of a launch holds.
TEST(GlobalNorm, OfManyViewsOfF32AndBf16StaysOnTheDevice) {
    Random random(16);
    std::vector<Operand> operands;
    operands.push_back(Operand(DType::f32, {40001}, Layout::aligned).randomise(random));
    operands.push_back(Operand(DType::bf16, {5003}, Layout::aligned).randomise(random));
    operands.push_back(Operand(DType::bf16, {0}));
    while (operands.size() < 515) {
        operands.push_back(Operand(DType::f32, {3}).randomise(random));
    }
    for (const std::size_t count : {std::size_t{3}, operands.size()}) {
        double expected = 0.0;
        for (std::size_t i = 0; i < count; ++i) {
            for (const double value : operands[i].values()) expected += value * value;
        }
        expected = std::sqrt(expected);
        for (const DType dtype : {DType::f32, DType::f64}) {
            SameBits same_bits;
            auto ways = ways_of({"plain"}, {"device"});
            if (count > 100 && ways.size() > 2) ways.resize(2);  // slow on simt
            for (const Way& way : ways) {
                std::vector<View> views;
                for (std::size_t i = 0; i < count; ++i) {
                    views.push_back(operands[i].view(way.context));
                }
                const Operand out(dtype, {1});
                global_norm(way.context, views, out.view(way.context));
                const double unit = dtype == DType::f32 ? ulp_of(dtype) : 1e-13;
                expect_close(out.values(), {expected}, unit * expected,
                             "norm" + rerun(way, "global_norm"));
                EXPECT_TRUE(out.guards_are_intact());
                same_bits.expect(way, "norm", out);
                EXPECT_NEAR(global_norm(way.context, views), expected, 1e-13 * expected);
            }
        }
    }
}

TEST(GlobalNorm, IsTheEuclideanNormOfAllViewsTogether) {
    Random random(14);
    const Operand a = Operand(DType::f32, {70001}).randomise(random);
    const Operand b = Operand(DType::bf16, {13, 7}).randomise(random);
    const Operand c = Operand(DType::f64, {}).set({3.5});
    double expected = 0.0;
    for (const Operand* operand : {&a, &b, &c}) {
        for (const double value : operand->values()) expected += value * value;
    }
    const View views[] = {a.view(), b.view(), c.view()};
    EXPECT_NEAR(global_norm({}, views), std::sqrt(expected), 1e-12 * std::sqrt(expected));
    EXPECT_EQ(global_norm(with_threads(1), views), global_norm(with_threads(2), views));
    EXPECT_EQ(global_norm({}, {}), 0.0);
}

TEST(GlobalNorm, DoesNotOverflowInF32AndPassesNanOn) {
    const Operand large = Operand(DType::f32, {2}).set({3e38, 3e38});
    const Operand bad = Operand(DType::f32, {3}).set({1.0, nan, 1.0});
    for (const Way& way : ways_of({"plain"}, {"device"})) {
        const View views[] = {large.view(way.context)};
        EXPECT_NEAR(global_norm(way.context, views), 3e38 * std::sqrt(2.0), 1e32);
        const View bad_views[] = {bad.view(way.context)};
        EXPECT_TRUE(std::isnan(global_norm(way.context, bad_views)));
        EXPECT_EQ(global_norm(way.context, {}), 0.0);
    }
}

TEST(AllFinite, SeesOneBadElementAnywhere) {
    for (const Way& way : ways_of({"plain"}, {"device"})) {
        for (const DType dtype : {DType::f32, DType::f64, DType::bf16}) {
            if (dtype == DType::f64 && way.choice == "device") continue;
            for (const Layout layout :
                 {Layout::contiguous, Layout::aligned, Layout::padded, Layout::transposed}) {
                Random random(15);
                const Shape shape = {9, 64};
                Operand x = Operand(dtype, shape, layout).randomise(random);
                EXPECT_TRUE(all_finite(way.context, x.view(way.context)));
                for (const double bad : {nan, infinity, -infinity}) {
                    for (const std::size_t at : {0, 100, 9 * 64 - 1}) {
                        auto values = x.values();
                        values[at] = bad;
                        const Operand broken = Operand(dtype, shape, layout).set(values);
                        EXPECT_FALSE(all_finite(way.context, broken.view(way.context)))
                            << bad << " at " << at << rerun(way, "all_finite");
                    }
                }
            }
        }
        const Operand large = Operand(DType::f32, {1}).set({3.4e38});
        EXPECT_TRUE(all_finite(way.context, large.view(way.context)));
        const Operand flag = Operand(DType::i32, {1});
        all_finite(way.context, large.view(way.context), flag.view(way.context));
        EXPECT_EQ(flag.values()[0], 1.0);
        EXPECT_TRUE(flag.guards_are_intact());
        EXPECT_TRUE(all_finite(way.context, Operand(DType::f32, {0}).view(way.context)));
    }
}

TEST(ReduceErrors, NameTheArgumentTheExpectedAndTheActual) {
    const Operand x(DType::f32, {3, 4});
    expect_error<ShapeError>(
        [&] {
            sum({}, {x.view(), 1.0, Operand(DType::f32, {3, 2}).view()});
        },
        "sum: out must be [3, 4], got [3, 2]");
    expect_error<ShapeError>(
        [&] {
            sum({}, {x.view(), 1.0, Operand(DType::f32, {3}).view()});
        },
        "sum: out must be [3, 4], got [3]");
    expect_error<DTypeError>(
        [&] {
            sum({}, {x.view(), 1.0, Operand(DType::f64, {3, 1}).view()});
        },
        "sum: out must be f32, got f64");
    const View views[] = {Operand(DType::i64, {3}).view()};
    expect_error<DTypeError>([&] { global_norm({}, views); },
                             "global_norm: view must be f32, f64 or bf16, got i64");
    expect_error<DTypeError>([&] { global_norm({}, {}, Operand(DType::bf16, {1}).view()); },
                             "global_norm: out must be f64, got bf16");
    expect_error<ShapeError>([&] { all_finite({}, x.view(), Operand(DType::i32, {2}).view()); },
                             "all_finite: out must be [1], got [2]");
}

}  // namespace
}  // namespace balmer::kernels
