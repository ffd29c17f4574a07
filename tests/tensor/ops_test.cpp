// Every differentiable operation against finite differences in double precision, on odd shapes,
// views and broadcasts; values against hand-written loops where a gradient could be right for the
// wrong function.

#include "gradcheck.h"

namespace balmer {
namespace {

using testing::expect_gradients_match;
using testing::random_leaf;
using Inputs = std::vector<Tensor>;

struct BinaryCase {
    Shape a;
    Shape b;
};
const BinaryCase binary_cases[] = {{{3, 5}, {3, 5}}, {{3, 5}, {5}},       {{3, 1}, {1, 5}},
                                   {{}, {2, 3}},     {{2, 1, 7}, {4, 1}}, {{1}, {1}}};

TEST(Arithmetic, BroadcastGradientsMatchFiniteDifferences) {
    for (const auto& [a, b] : binary_cases) {
        const Inputs inputs = {random_leaf(a, 1), random_leaf(b, 2)};
        expect_gradients_match([](const Inputs& x) { return x[0] + x[1]; }, inputs);
        expect_gradients_match([](const Inputs& x) { return x[0] - x[1]; }, inputs);
        expect_gradients_match([](const Inputs& x) { return x[0] * x[1]; }, inputs);
        // Kept away from zero, where the quotient's third derivative outgrows the differences.
        expect_gradients_match([](const Inputs& x) { return x[0] / (square(x[1]) + 1.0); }, inputs);
    }
}

TEST(Arithmetic, UnaryGradientsMatchFiniteDifferences) {
    const Inputs x = {random_leaf({3, 7}, 3)};
    const auto positive = [](const Tensor& t) { return square(t) + 0.5; };
    expect_gradients_match([](const Inputs& i) { return negative(i[0]); }, x);
    expect_gradients_match([](const Inputs& i) { return exponential(i[0]); }, x);
    expect_gradients_match([&](const Inputs& i) { return logarithm(positive(i[0])); }, x);
    expect_gradients_match([&](const Inputs& i) { return square_root(positive(i[0])); }, x);
    expect_gradients_match([](const Inputs& i) { return tanh(i[0]); }, x);
    expect_gradients_match([](const Inputs& i) { return relu(i[0]); }, x);
    expect_gradients_match([](const Inputs& i) { return sigmoid(i[0]); }, x);
    expect_gradients_match([](const Inputs& i) { return sine(i[0]); }, x);
    expect_gradients_match([](const Inputs& i) { return cosine(i[0]); }, x);
    expect_gradients_match([](const Inputs& i) { return affine(i[0], -1.5, 2.0); }, x);
    expect_gradients_match([](const Inputs& i) { return gelu(i[0]); }, x);
    expect_gradients_match([](const Inputs& i) { return gelu(i[0], i[1]); },
                           {random_leaf({2, 3, 5}, 4), random_leaf({5}, 5)});
}

TEST(Dropout, GradientsMatchFiniteDifferencesOfTheSameDraws) {
    const std::vector<Tensor> inputs = {random_leaf({3, 7, 2}, 1), random_leaf({7, 3, 2}, 2)};
    const auto with_residual = [](const Inputs& x) {
        Random random(4);
        return drop_path(transpose(x[0], 0, 1), 0.4, random, x[1]);
    };
    expect_gradients_match(with_residual, inputs);
    const auto elements = [](const Inputs& x) {
        Random random(4);
        random.seek(9);
        return dropout(transpose(x[0], 0, 1), 0.4, random);
    };
    expect_gradients_match(elements, {random_leaf({3, 7, 2}, 1)});
}

TEST(Dropout, MovesTheStreamByWhatItDraws) {
    Random random(4);
    const Tensor x = Tensor::full({6, 3}, 1.0);
    drop_path(x, 0.5, random);
    EXPECT_EQ(random.position(), 6U);
    dropout(x, 0.5, random);
    EXPECT_EQ(random.position(), 6U + 5U);
    EXPECT_EQ(dropout(x, 0.0, random).id(), x.id());
    EXPECT_EQ(drop_path(x, 0.0, random, x).to_vector<float>(), std::vector<float>(18, 2.0F));
    EXPECT_EQ(random.position(), 6U + 5U);
    EXPECT_THROW(drop_path(x, 0.5, random, Tensor::full({6, 2}, 1.0)), ShapeError);
}

TEST(Arithmetic, WorksOnTransposedViews) {
    expect_gradients_match(
        [](const Inputs& x) { return exponential(transpose(x[0], 0, 1)) * x[1]; },
        {random_leaf({3, 4}, 1), random_leaf({4, 3}, 2)});
}

TEST(Arithmetic, ValuesAreThoseOfTheFunctions) {
    const Tensor x = Tensor::from(std::vector<double>{-1.5, 0.0, 2.0}, {3});
    for (const std::size_t i : {0U, 1U, 2U}) {
        const double v = x.to_vector<double>()[i];
        EXPECT_NEAR(gelu(x).to_vector<double>()[i], v * 0.5 * std::erfc(-v / std::sqrt(2.0)),
                    1e-15);
        EXPECT_DOUBLE_EQ(sigmoid(x).to_vector<double>()[i], 1.0 / (1.0 + std::exp(-v)));
        EXPECT_DOUBLE_EQ(affine(x, 3.0, 1.0).to_vector<double>()[i], 3.0 * v + 1.0);
        EXPECT_DOUBLE_EQ(tanh(x).to_vector<double>()[i], std::tanh(v));
    }
}

TEST(Shape, GradientsOfMovesMatchFiniteDifferences) {
    const Inputs x = {random_leaf({2, 3, 5}, 1)};
    // Squares make the gradient depend on the place, so that a wrong permutation shows.
    expect_gradients_match([](const Inputs& i) { return square(reshape(i[0], {5, -1})); }, x);
    expect_gradients_match([](const Inputs& i) { return square(permute(i[0], {2, 0, 1})); }, x);
    expect_gradients_match([](const Inputs& i) { return square(transpose(i[0], 0, -1)); }, x);
    expect_gradients_match([](const Inputs& i) { return square(slice(i[0], 1, 1, 2)); }, x);
    expect_gradients_match([](const Inputs& i) { return square(select(i[0], -1, 3)); }, x);
    expect_gradients_match(
        [](const Inputs& i) {
            return square(reshape(transpose(i[0], 0, 1), {6, 5}));
        },
        x);
    expect_gradients_match(
        [](const Inputs& i) {
            return square(contiguous(permute(i[0], {1, 2, 0})));
        },
        x);
    expect_gradients_match(
        [](const Inputs& i) {
            return square(expand(i[0], {4, 3, 2}));
        },
        {random_leaf({3, 1}, 2)});
    expect_gradients_match(
        [](const Inputs& i) {
            return square(concatenate({i[0], transpose(i[1], 0, 1), i[0]}, 1));
        },
        {random_leaf({2, 3}, 3), random_leaf({4, 2}, 4)});
}

TEST(Shape, PermuteMovesElements) {
    const Tensor x = Tensor::from(std::vector<float>{0, 1, 2, 3, 4, 5}, {1, 2, 3});
    EXPECT_EQ(permute(x, {2, 0, 1}).to_vector<float>(), (std::vector<float>{0, 3, 1, 4, 2, 5}));
    EXPECT_THROW(permute(x, {0, 0, 1}), ShapeError);
    EXPECT_THROW(slice(x, 2, 2, 2), ShapeError);
}

TEST(Shape, CastConvertsTheGradientBack) {
    const Tensor x = random_leaf({3}, 1, DType::f32);
    sum(cast(x, DType::f64) * 2.0).backward();
    EXPECT_EQ(x.grad().to_vector<float>(), (std::vector<float>{2, 2, 2}));
    EXPECT_THROW(cast(x, DType::i64), DTypeError);
}

TEST(Reduce, GradientsMatchFiniteDifferences) {
    const Inputs x = {random_leaf({2, 3, 5}, 1)};
    expect_gradients_match([](const Inputs& i) { return sum(square(i[0])); }, x);
    expect_gradients_match([](const Inputs& i) { return sum(square(i[0]), {1}); }, x);
    expect_gradients_match([](const Inputs& i) { return mean(square(i[0]), {0, -1}); }, x);
    expect_gradients_match([](const Inputs& i) { return sum(transpose(square(i[0]), 0, 2), {0}); },
                           x);
    const Tensor mask = Tensor::from(std::vector<std::uint8_t>{1, 0, 1, 0, 0, 0}, {2, 3});
    expect_gradients_match([=](const Inputs& i) { return masked_mean(square(i[0]), mask); }, x);
}

TEST(Reduce, MaskedMeanLeavesOutInvalidTokens) {
    const Tensor x = Tensor::from(std::vector<float>{1, 2, 3, 4, 5, 6}, {2, 3, 1});
    const Tensor mask = Tensor::from(std::vector<std::uint8_t>{1, 0, 1, 0, 0, 0}, {2, 3});
    EXPECT_EQ(masked_mean(x, mask).to_vector<float>(), (std::vector<float>{2, 0}));
}

TEST(Linear, GradientsMatchFiniteDifferences) {
    const Inputs x = {random_leaf({2, 3, 5}, 1), random_leaf({7, 5}, 2), random_leaf({7}, 3),
                      random_leaf({2, 3, 7}, 4)};
    expect_gradients_match([](const Inputs& i) { return linear(i[0], i[1]); }, {x[0], x[1]});
    expect_gradients_match([](const Inputs& i) { return linear(i[0], i[1], i[2]); },
                           {x[0], x[1], x[2]});
    expect_gradients_match([](const Inputs& i) { return linear(i[0], i[1], i[2], i[3]); }, x);
    expect_gradients_match([](const Inputs& i) { return linear(i[0], i[1], {}, i[2]); },
                           {x[0], x[1], x[3]});
    expect_gradients_match(
        [](const Inputs& i) { return linear(transpose(i[0], 0, 1), i[1], i[2]); },
        {x[0], x[1], x[2]});
}

TEST(Linear, AFrozenWeightStillGivesTheBiasItsGradient) {
    const Tensor x = random_leaf({3, 5}, 1);
    const Tensor weight = random_leaf({2, 5}, 2).detach();
    expect_gradients_match([=](const Inputs& i) { return linear(i[0], weight, i[1]); },
                           {x, random_leaf({2}, 3)});
}

TEST(Linear, MlpGradientsMatchFiniteDifferences) {
    const Inputs x = {random_leaf({2, 3, 5}, 1), random_leaf({7, 5}, 2), random_leaf({7}, 3),
                      random_leaf({4, 7}, 4),    random_leaf({4}, 5),    random_leaf({2, 3, 4}, 6)};
    expect_gradients_match([](const Inputs& i) { return mlp(i[0], i[1], i[2], i[3], i[4], i[5]); },
                           x);
    expect_gradients_match([](const Inputs& i) { return mlp(i[0], i[1], i[2], i[3], i[4]); },
                           {x[0], x[1], x[2], x[3], x[4]});
}

TEST(Linear, MlpIsTwoLinearsAndAGelu) {
    const Inputs x = {random_leaf({3, 5}, 1), random_leaf({7, 5}, 2), random_leaf({7}, 3),
                      random_leaf({4, 7}, 4), random_leaf({4}, 5)};
    const auto fused = mlp(x[0], x[1], x[2], x[3], x[4]).to_vector<double>();
    const auto apart = linear(gelu(linear(x[0], x[1], x[2])), x[3], x[4]).to_vector<double>();
    for (std::size_t i = 0; i < fused.size(); ++i) EXPECT_NEAR(fused[i], apart[i], 1e-13);
}

TEST(Linear, MixedPrecisionKeepsParametersAndTheirGradientsInF32) {
    const Tensor x = random_leaf({6, 16}, 1, DType::bf16);
    const Tensor weight = random_leaf({8, 16}, 2, DType::f32);
    const Tensor bias = random_leaf({8}, 3, DType::f32);
    const Tensor y = linear(x, weight, bias);
    EXPECT_EQ(y.dtype(), DType::bf16);
    sum(cast(y, DType::f32)).backward();
    EXPECT_EQ(weight.grad().dtype(), DType::f32);
    EXPECT_EQ(x.grad().dtype(), DType::bf16);
    EXPECT_EQ(bias.grad().to_vector<float>(), std::vector<float>(8, 6.0F));
    EXPECT_THROW(linear(x, random_leaf({8, 16}, 2, DType::bf16)), DTypeError);
}

TEST(Matmul, GradientsMatchFiniteDifferences) {
    expect_gradients_match([](const Inputs& i) { return matmul(i[0], i[1]); },
                           {random_leaf({3, 5}, 1), random_leaf({5, 2}, 2)});
    expect_gradients_match([](const Inputs& i) { return matmul(i[0], i[1]); },
                           {random_leaf({2, 3, 5}, 1), random_leaf({2, 5, 4}, 2)});
    expect_gradients_match([](const Inputs& i) { return matmul(i[0], i[1]); },
                           {random_leaf({2, 3, 5}, 1), random_leaf({5, 4}, 2)});
    expect_gradients_match([](const Inputs& i) { return matmul(i[0], transpose(i[1], -1, -2)); },
                           {random_leaf({2, 3, 5}, 1), random_leaf({2, 4, 5}, 2)});
}

TEST(LayerNorm, GradientsMatchFiniteDifferences) {
    const Inputs x = {random_leaf({2, 3, 9}, 1), random_leaf({9}, 2), random_leaf({9}, 3)};
    expect_gradients_match([](const Inputs& i) { return layer_norm(i[0], i[1], i[2], 1e-6); }, x);
    expect_gradients_match(
        [](const Inputs& i) { return layer_norm(transpose(i[0], 0, 1), i[1], i[2], 1e-6); }, x);
}

TEST(Attention, GradientsMatchFiniteDifferences) {
    const Tensor mask =
        Tensor::from(std::vector<std::uint8_t>{1, 0, 1, 1, 0, 1, 1, 1, 0, 0}, {2, 5});
    const Inputs x = {random_leaf({2, 3, 2, 4}, 1), random_leaf({2, 5, 2, 4}, 2),
                      random_leaf({2, 5, 2, 4}, 3)};
    expect_gradients_match([](const Inputs& i) { return attention(i[0], i[1], i[2], {}, 0.5); }, x);
    expect_gradients_match([=](const Inputs& i) { return attention(i[0], i[1], i[2], mask, 0.5); },
                           x);
    expect_gradients_match([](const Inputs& i) { return packed_attention(i[0], {}, 0.5); },
                           {random_leaf({2, 5, 3, 2, 4}, 4)});
    expect_gradients_match([=](const Inputs& i) { return packed_attention(i[0], mask, 0.5); },
                           {random_leaf({2, 5, 3, 2, 4}, 5)});
}

TEST(Attention, IsWhatItsPartsCompose) {
    const Tensor q = random_leaf({1, 3, 1, 4}, 1);
    const Tensor k = random_leaf({1, 5, 1, 4}, 2);
    const Tensor v = random_leaf({1, 5, 1, 4}, 3);
    const auto matrix = [](const Tensor& x) { return reshape(x, {x.size(1), 4}); };
    const Tensor weights = exponential(matmul(matrix(q), transpose(matrix(k), 0, 1)) * 0.5);
    const Tensor total = reshape(sum(weights, {1}), {3, 1});
    const auto expected = matmul(weights / total, matrix(v)).to_vector<double>();
    const auto actual = attention(q, k, v, {}, 0.5).to_vector<double>();
    for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(actual[i], expected[i], 1e-12);
}

TEST(PatchEmbed, GradientsMatchFiniteDifferences) {
    const Inputs x = {random_leaf({2, 3, 4, 6}, 1), random_leaf({5, 12}, 2), random_leaf({5}, 3),
                      random_leaf({5}, 4), random_leaf({7, 5}, 5)};
    expect_gradients_match(
        [](const Inputs& i) { return patch_embed(i[0], i[1], i[2], i[3], i[4], 2); }, x);
    expect_gradients_match(
        [](const Inputs& i) { return patch_embed(i[0], i[1], i[2], i[3], i[4], 2); },
        {random_leaf({2, 6, 12}, 6), x[1], x[2], x[3], x[4]});
}

TEST(Losses, CrossEntropyGradientsMatchFiniteDifferences) {
    const Tensor target = Tensor::from(std::vector<std::int64_t>{2, -1, 0, 1}, {4});
    const Tensor weight = Tensor::from(std::vector<float>{1.0F, 1.0F, 0.5F, 2.0F}, {4});
    const Inputs x = {random_leaf({4, 3}, 1)};
    expect_gradients_match([=](const Inputs& i) { return cross_entropy(i[0], target, 3.0); }, x);
    expect_gradients_match(
        [=](const Inputs& i) { return cross_entropy(i[0], target, 3.5, weight); }, x);
    cross_entropy(x[0], target, 3.0).backward();
    EXPECT_EQ(x[0].grad().defined(), true);
}

TEST(Losses, RowsWithoutATargetGetNoGradient) {
    const Tensor x = random_leaf({2, 3}, 1);
    cross_entropy(x, Tensor::from(std::vector<std::int64_t>{-1, 1}, {2}), 1.0).backward();
    const auto gradient = x.grad().to_vector<double>();
    EXPECT_EQ(gradient[0], 0.0);
    EXPECT_EQ(gradient[1], 0.0);
    EXPECT_EQ(gradient[2], 0.0);
    EXPECT_NE(gradient[3], 0.0);
}

TEST(Losses, SquaredErrorGradientsMatchFiniteDifferences) {
    const double nan = std::nan("");
    const Tensor target = Tensor::from(std::vector<double>{0.3, nan, -2.0, 1.0, 9.0, 0.0}, {3, 2});
    const Tensor weight = Tensor::from(std::vector<float>{1, 0, 1, 0.5, 2, 1}, {3, 2});
    const Inputs x = {random_leaf({3, 2}, 1)};
    expect_gradients_match([=](const Inputs& i) { return mse(i[0], target, 5.0, weight); }, x);
    expect_gradients_match([=](const Inputs& i) { return mse(i[0], target, 5.0, weight, 1.0); }, x);
}

}  // namespace
}  // namespace balmer
