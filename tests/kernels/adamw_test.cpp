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

    Parameter(DType dtype, const Shape& shape, double decay, bool has_low, Random& random)
        : parameter(Operand(dtype, shape).randomise(random)),
          gradient(dtype, shape),
          first(Operand(dtype, shape).set(std::vector<double>(shape.numel(), 0.0))),
          second(first),
          exact_parameter(parameter.values()),
          exact_first(shape.numel(), 0.0),
          exact_second(shape.numel(), 0.0),
          weight_decay(decay) {
        if (has_low) low = Operand(DType::bf16, shape);
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
        for (const Way& way : ways_of({"plain"})) {
            Random random(30);
            std::vector<Parameter> parameters;
            parameters.emplace_back(dtype, Shape{7, 5}, 0.1, true, random);
            parameters.emplace_back(dtype, Shape{1}, 0.0, false, random);
            parameters.emplace_back(dtype, Shape{40001}, 0.01, true, random);
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
    Random random(31);
    const Parameter item(DType::f32, {20}, 0.0, false, random);
    Operand gradient = item.gradient;
    std::vector<double> values(20, 0.5);
    values[7] = nan;
    gradient.set(values);
    AdamWParameter views = item.views({});
    views.gradient = gradient.view();
    const AdamWParameter all[] = {views};
    adamw({}, {.parameters = all});
    const auto result = item.parameter.values();
    for (std::size_t i = 0; i < 20; ++i) EXPECT_EQ(std::isnan(result[i]), i == 7) << i;
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
}

}  // namespace
}  // namespace balmer::kernels
