// kernels/adamw against Loshchilov & Hutter's algorithm 2 in f64.

#include "kernels/adamw/adamw.h"

#include "tests/kernels/kernel_testing.h"

namespace balmer::kernels {
namespace {

using namespace testing;

/// A parameter of the test and its exact twin.
struct Parameter {
    Operand parameter, gradient, first, second, low;
    std::vector<double> exact_parameter, exact_first, exact_second;
    double weight_decay;

    Parameter(DType dtype, const Shape& shape, double decay, bool has_low, Random& random,
              Layout layout = Layout::contiguous)
        : parameter(Operand(dtype, shape, layout).randomise(random)),
          gradient(dtype, shape, layout),
          first(Operand(dtype, shape, layout).set(std::vector<double>(shape.numel(), 0.0))),
          second(first),
          exact_parameter(parameter.values()),
          exact_first(shape.numel(), 0.0),
          exact_second(shape.numel(), 0.0),
          weight_decay(decay) {
        if (has_low) low = Operand(DType::bf16, shape, layout);
    }

    AdamWParameter views(const Context& context) const {
        return {parameter.view(context), gradient.view(context),           first.view(context),
                second.view(context),    low ? low.view(context) : View(), weight_decay};
    }

    void advance(const AdamWArguments& arguments) {
        const auto gradients = gradient.values();
        for (std::size_t i = 0; i < exact_parameter.size(); ++i) {
            const double g = gradients[i] * arguments.gradient_scale;
            double& m = exact_first[i];
            double& v = exact_second[i];
            double& p = exact_parameter[i];
            m = arguments.beta1 * m + (1.0 - arguments.beta1) * g;
            v = arguments.beta2 * v + (1.0 - arguments.beta2) * g * g;
            const auto t = static_cast<double>(arguments.step);
            const double mean = m / (1.0 - std::pow(arguments.beta1, t));
            const double square = v / (1.0 - std::pow(arguments.beta2, t));
            p -= arguments.learning_rate * weight_decay * p +
                 arguments.learning_rate * mean / (std::sqrt(square) + arguments.epsilon);
        }
    }
};

TEST(AdamW, FollowsTheAlgorithmOverTenStepsOnEveryParameter) {
    for (const DType dtype : {DType::f32, DType::f64}) {
        SameBits same_bits;
        for (const Way& way : ways_of({"plain"}, {"device"})) {
            if (dtype == DType::f64 && way.choice == "device") continue;
            Random random(30);
            std::vector<Parameter> parameters;
            parameters.emplace_back(dtype, Shape{7, 5}, 0.1, true, random);
            parameters.emplace_back(dtype, Shape{1}, 0.0, false, random);
            parameters.emplace_back(dtype, Shape{17001}, 0.01, true, random);
            parameters.emplace_back(dtype, Shape{9, 911}, 0.01, true, random, Layout::aligned);
            parameters.emplace_back(dtype, Shape{0}, 0.01, false, random);
            for (std::int64_t step = 1; step <= 10; ++step) {
                std::vector<AdamWParameter> views;
                for (Parameter& item : parameters) item.gradient.randomise(random, 0.1);
                for (Parameter& item : parameters) views.push_back(item.views(way.context));
                const AdamWArguments arguments{.parameters = views,
                                               .learning_rate = 1e-2,
                                               .beta1 = 0.9,
                                               .beta2 = 0.95,
                                               .epsilon = 1e-8,
                                               .step = step,
                                               .gradient_scale = 0.5};
                run_way(way, "adamw", [&](const Context& context) { adamw(context, arguments); });
                for (Parameter& item : parameters) item.advance(arguments);
            }
            const std::string what = std::string(name_of(dtype)) + rerun(way, "adamw");
            for (const Parameter& item : parameters) {
                const std::string name = std::to_string(item.parameter.numel());
                same_bits.expect(way, "parameter " + name, item.parameter);
                same_bits.expect(way, "low precision " + name, item.low);
                expect_close(item.parameter.values(), item.exact_parameter,
                             10.0 * ulp_of(dtype) * (0.1 + scale_of(item.exact_parameter)),
                             "parameter " + what);
                expect_close(item.first.values(), item.exact_first, 10.0 * ulp_of(dtype) * 0.1,
                             "first moment " + what);
                expect_close(item.second.values(), item.exact_second, 10.0 * ulp_of(dtype) * 0.01,
                             "second moment " + what);
                if (item.low) {
                    const Operand rounded =
                        Operand(DType::bf16, item.low.shape()).set(item.parameter.values());
                    expect_close(item.low.values(), rounded.values(), 0.0, "bf16 " + what);
                }
                for (const Operand* operand :
                     {&item.parameter, &item.first, &item.second, &item.low, &item.gradient}) {
                    EXPECT_TRUE(operand->guards_are_intact()) << what;
                }
            }
        }
    }
}

TEST(AdamW, ANanGradientSpoilsItsElementOnly) {
    for (const Way& way : ways_of({"plain"}, {"device"})) {
        Random random(31);
        const Parameter item(DType::f32, {20}, 0.0, false, random);
        Operand gradient = item.gradient;
        std::vector<double> values(20, 0.5);
        values[7] = nan;
        gradient.set(values);
        AdamWParameter views = item.views(way.context);
        views.gradient = gradient.view(way.context);
        const AdamWParameter all[] = {views};
        adamw(way.context, {.parameters = all});
        const auto result = item.parameter.values();
        for (std::size_t i = 0; i < 20; ++i) EXPECT_EQ(std::isnan(result[i]), i == 7) << i;
    }
}

/// Both tables of a launch are full: 515 parameters.
TEST(AdamW, UpdatesEveryOneOfManyParameters) {
    auto ways = ways_of({"plain"}, {"device"});
    if (ways.size() > 2) ways.resize(2);  // slow on simt
    for (const Way& way : ways) {
        Random random(33);
        std::vector<Parameter> parameters;
        std::vector<AdamWParameter> views;
        for (int i = 0; i < 515; ++i) {
            parameters.emplace_back(DType::f32, Shape{1 + i % 5}, 0.1, i % 2 == 0, random);
            parameters.back().gradient.randomise(random);
        }
        for (const Parameter& item : parameters) views.push_back(item.views(way.context));
        const AdamWArguments arguments{.parameters = views, .learning_rate = 1e-2};
        adamw(way.context, arguments);
        for (std::size_t i = 0; i < parameters.size(); ++i) {
            Parameter& item = parameters[i];
            item.advance(arguments);
            expect_close(item.parameter.values(), item.exact_parameter,
                         4.0 * ulp_of(DType::f32) * (0.1 + scale_of(item.exact_parameter)),
                         "parameter " + std::to_string(i) + rerun(way, "adamw"));
        }
    }
}

/// The scalars of an update, prepared from the norm and left where they are.
struct DeviceScalars {
    Operand norm, learning_rate, gradient_scale, is_skipped, step;

    explicit DeviceScalars(double norm_value)
        : norm(Operand(DType::f64, {1}).set({norm_value})),
          learning_rate(Operand(DType::f64, {1}).set({1e-2})),
          gradient_scale(DType::f64, {1}),
          is_skipped(DType::i32, {1}),
          step(Operand(DType::i64, {1}).set({4})) {}

    AdamWPreparation preparation(const Context& context, double limit) const {
        return {norm.view(context), limit, gradient_scale.view(context), is_skipped.view(context),
                step.view(context)};
    }
    AdamWDeviceScalars views(const Context& context) const {
        return {learning_rate.view(context), step.view(context), gradient_scale.view(context),
                is_skipped.view(context)};
    }
};

TEST(AdamW, TakesItsScalarsFromTheDevice) {
    for (const Way& way : ways_of({"plain"}, {"device"})) {
        Random random(34);
        Parameter given(DType::f32, {37}, 0.1, true, random);
        given.gradient.randomise(random);
        const Parameter on_device = given;
        const DeviceScalars scalars(8.0);
        prepare_adamw(way.context, scalars.preparation(way.context, 2.0));
        EXPECT_NEAR(scalars.gradient_scale.values()[0], 0.25, 1e-7);
        EXPECT_EQ(scalars.is_skipped.values()[0], 0.0);
        EXPECT_EQ(scalars.step.values()[0], 5.0);

        const AdamWParameter expected[] = {given.views(way.context)};
        adamw(way.context, {.parameters = expected,
                            .learning_rate = 1e-2,
                            .step = 5,
                            .gradient_scale = 0.5 * scalars.gradient_scale.values()[0]});
        const AdamWParameter actual[] = {on_device.views(way.context)};
        adamw(way.context, {.parameters = actual,
                            .learning_rate = 7.0,
                            .step = 1,
                            .gradient_scale = 0.5,
                            .on_device = scalars.views(way.context)});
        EXPECT_EQ(on_device.parameter.bytes(), given.parameter.bytes()) << rerun(way, "adamw");
        EXPECT_EQ(on_device.second.bytes(), given.second.bytes()) << rerun(way, "adamw");
        EXPECT_EQ(on_device.low.bytes(), given.low.bytes()) << rerun(way, "adamw");
    }
}

TEST(AdamW, ChangesNothingWhereTheNormIsNotFinite) {
    for (const Way& way : ways_of({"plain"}, {"device"})) {
        for (const double norm : {nan, infinity}) {
            Random random(35);
            Parameter item(DType::f32, {37}, 0.1, true, random);
            item.gradient.randomise(random);
            const Parameter before = item;
            const DeviceScalars scalars(norm);
            prepare_adamw(way.context, scalars.preparation(way.context, 1.0));
            EXPECT_EQ(scalars.is_skipped.values()[0], 1.0);
            EXPECT_EQ(scalars.step.values()[0], 4.0);
            const AdamWParameter all[] = {item.views(way.context)};
            adamw(way.context, {.parameters = all, .on_device = scalars.views(way.context)});
            EXPECT_EQ(item.parameter.bytes(), before.parameter.bytes()) << rerun(way, "adamw");
            EXPECT_EQ(item.first.bytes(), before.first.bytes()) << rerun(way, "adamw");
            EXPECT_EQ(item.second.bytes(), before.second.bytes()) << rerun(way, "adamw");
            EXPECT_EQ(item.low.bytes(), before.low.bytes()) << rerun(way, "adamw");
        }
    }
}

TEST(AdamW, ClipsOnlyNormsAboveTheLimit) {
    struct Case {
        double norm;
        double limit;
        double scale;
    };
    for (const Way& way : ways_of({"plain"}, {"device"})) {
        for (const Case item : {Case{0.5, 1.0, 1.0}, Case{10.0, 1.0, 0.1}, Case{10.0, 0.0, 1.0},
                                Case{0.0, 1.0, 1.0}}) {
            const DeviceScalars scalars(item.norm);
            auto preparation = scalars.preparation(way.context, item.limit);
            preparation.step = {};
            prepare_adamw(way.context, preparation);
            EXPECT_NEAR(scalars.gradient_scale.values()[0], item.scale, 1e-6) << item.norm;
            EXPECT_EQ(scalars.step.values()[0], 4.0);
        }
    }
}

TEST(AdamWErrors, NameTheArgumentTheExpectedAndTheActual) {
    Random random(32);
    const Parameter item(DType::f32, {4}, 0.0, false, random);
    const auto expect = [&]<class E>(type_tag<E>, const auto& change, const char* message) {
        AdamWParameter all[] = {item.views({})};
        AdamWArguments arguments{.parameters = all};
        change(all[0], arguments);
        expect_error<E>([&] { adamw({}, arguments); }, message);
    };
    expect(
        type_tag<ShapeError>{},
        [](auto& parameter, auto&) { parameter.gradient = Operand(DType::f32, {3}).view(); },
        "adamw: gradient must be [4], got [3]");
    expect(
        type_tag<DTypeError>{},
        [](auto& parameter, auto&) { parameter.first_moment.dtype = DType::bf16; },
        "adamw: first_moment must be f32, got bf16");
    expect(
        type_tag<DTypeError>{},
        [](auto& parameter, auto&) { parameter.parameter.dtype = DType::bf16; },
        "adamw: parameter must be f32, got bf16");
    expect(
        type_tag<UsageError>{}, [](auto&, auto& arguments) { arguments.step = 0; },
        "adamw: step must be at least 1, got 0");
    const Operand scalar(DType::f32, {1});
    expect(
        type_tag<DTypeError>{},
        [&](auto&, auto& arguments) { arguments.on_device.learning_rate = scalar.view(); },
        "adamw: on_device.learning_rate must be f64, got f32");
    AdamWPreparation preparation;
    const Operand norm(DType::f64, {1});
    preparation.norm = norm.view();
    expect_error<UsageError>([&] { prepare_adamw({}, preparation); },
                             "prepare_adamw: gradient_scale is missing");
}

}  // namespace
}  // namespace balmer::kernels
