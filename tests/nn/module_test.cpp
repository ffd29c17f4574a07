#include "nn/module.h"

#include <gtest/gtest.h>

#include <cmath>

#include "kernels/core/error.h"
#include "nn/initialise.h"
#include "nn/layers.h"
#include "tensor/ops.h"

namespace balmer::nn {
namespace {

TransformerBlock::Options small_block() {
    TransformerBlock::Options options;
    options.width = 8;
    options.heads = 2;
    options.mlp_width = 16;
    return options;
}

void fill_randomly(Module& module, std::uint64_t seed) {
    std::uint64_t stream = 0;
    for (const auto& [name, tensor] : module.parameters()) {
        fill_uniform(tensor, 0.5, seed, stream++);
    }
}

Tensor numbers(const Shape& shape, std::uint64_t seed) {
    const Tensor tensor = Tensor::empty(shape);
    fill_uniform(tensor, 1.0, seed, 99);
    return tensor;
}

TEST(Module, NamesFollowTheTreeInOrderOfRegistration) {
    const TransformerBlock block(small_block());
    std::vector<std::string> names;
    for (const auto& [name, tensor] : block.parameters()) {
        names.push_back(name);
        EXPECT_TRUE(tensor.requires_grad()) << name;
        EXPECT_EQ(tensor.dtype(), DType::f32) << name;
        EXPECT_EQ(block.parameter(name).id(), tensor.id());
    }
    EXPECT_EQ(names, (std::vector<std::string>{"norm1.weight", "norm1.bias", "attention.qkv.weight",
                                               "attention.qkv.bias", "attention.projection.weight",
                                               "attention.projection.bias", "norm2.weight",
                                               "norm2.bias", "mlp.fc1.weight", "mlp.fc1.bias",
                                               "mlp.fc2.weight", "mlp.fc2.bias"}));
    EXPECT_EQ(block.parameter_count(), 4 * 8 + 3 * 8 * 8 + 3 * 8 + 8 * 8 + 8 + 2 * 8 * 16 + 16 + 8);
    EXPECT_THROW(block.parameter("norm3.weight"), UsageError);
}

TEST(Module, NamesAreUniqueAndWithoutDots) {
    struct Bad : Module {
        explicit Bad(const std::string& second) {
            register_parameter("weight", Tensor::zeros({1}));
            register_parameter(second, Tensor::zeros({1}));
        }
    };
    EXPECT_NO_THROW(Bad("bias"));
    for (const char* name : {"weight", "", "a.b"}) EXPECT_THROW(Bad{name}, UsageError) << name;
}

TEST(Module, AFrozenModuleGetsNoGradients) {
    Linear layer(3, 2);
    layer.set_requires_grad(false);
    EXPECT_FALSE(layer.forward(Tensor::full({1, 3}, 1.0)).requires_grad());
    layer.set_requires_grad(true);
    sum(layer.forward(Tensor::full({1, 3}, 1.0))).backward();
    EXPECT_EQ(layer.weight.grad().to_vector<float>(), std::vector<float>(6, 1.0F));
}

TEST(MultiHeadAttention, HeadsMustDivideTheWidth) {
    EXPECT_THROW(MultiHeadAttention(8, 3, true), UsageError);
    EXPECT_THROW(MultiHeadAttention(8, 0, true), UsageError);
    const MultiHeadAttention attention(8, 2, false);
    EXPECT_FALSE(attention.qkv.bias.defined());
    EXPECT_TRUE(attention.projection.bias.defined());
}

TEST(MultiHeadAttention, ResidualIsAdded) {
    MultiHeadAttention attention(8, 2, true);
    fill_randomly(attention, 3);
    const Tensor x = numbers({2, 5, 8}, 4);
    const auto fused = attention.forward(x, {}, x).to_vector<float>();
    const auto apart = (attention.forward(x) + x).to_vector<float>();
    for (std::size_t i = 0; i < fused.size(); ++i) EXPECT_NEAR(fused[i], apart[i], 1e-6);
}

TEST(DropPath, DropsSamplesAndScalesTheRest) {
    Random random(1);
    const std::int64_t B = 4000;
    const auto dropped = drop_path(Tensor::full({B, 2, 3}, 3.0), 0.25, random);
    EXPECT_EQ(random.position(), static_cast<std::uint64_t>(B));
    const auto values = dropped.to_vector<float>();
    std::int64_t kept = 0;
    for (std::int64_t b = 0; b < B; ++b) {
        const float first = values[static_cast<std::size_t>(6 * b)];
        EXPECT_TRUE(first == 0.0F || first == 4.0F);  // 3 / 0.75
        for (int i = 1; i < 6; ++i) {
            EXPECT_EQ(values[static_cast<std::size_t>(6 * b + i)], first) << "within a sample";
        }
        kept += first > 0.0F ? 1 : 0;
    }
    const double deviation = std::sqrt(0.25 * 0.75 / static_cast<double>(B));
    EXPECT_NEAR(static_cast<double>(kept) / static_cast<double>(B), 0.75, 5 * deviation);
}

TEST(DropPath, ProbabilityIsChecked) {
    Random random(1);
    const Tensor x = Tensor::full({2, 2}, 1.0);
    EXPECT_EQ(drop_path(x, 0.0, random).id(), x.id());
    for (const double bad : {1.0, -0.1, std::nan("")}) {
        EXPECT_THROW(drop_path(x, bad, random), UsageError);
    }
}

TEST(TransformerBlock, DropPathActsInTrainingOnly) {
    auto options = small_block();
    options.drop_path = 0.999999;
    TransformerBlock block(options);
    fill_randomly(block, 5);
    const Tensor x = numbers({2, 3, 8}, 6);
    ForwardOptions training;
    training.training = true;
    EXPECT_THROW(block.forward(x, {}, training), UsageError);
    Random random(1);
    training.random = &random;
    EXPECT_EQ(block.forward(x, {}, training).to_vector<float>(), x.to_vector<float>());
    EXPECT_NE(block.forward(x).to_vector<float>(), x.to_vector<float>());
}

TEST(TransformerBlock, KeptBranchesAreTheFusedOnesScaled) {
    auto options = small_block();
    options.drop_path = 1e-9;
    TransformerBlock block(options);
    fill_randomly(block, 5);
    const Tensor x = numbers({2, 3, 8}, 6);
    Random random(1);
    ForwardOptions training;
    training.training = true;
    training.random = &random;
    const auto apart = block.forward(x, {}, training).to_vector<float>();
    const auto fused = block.forward(x).to_vector<float>();
    for (std::size_t i = 0; i < fused.size(); ++i) EXPECT_NEAR(apart[i], fused[i], 2e-6);
}

TEST(TransformerBlock, TheFirstTokenAloneIsTheFirstOfAll) {
    auto options = small_block();
    options.drop_path = 0.5;
    TransformerBlock block(options);
    fill_randomly(block, 5);
    const Tensor mask = Tensor::from(std::vector<std::uint8_t>{1, 0, 1, 1, 1, 1}, {2, 3});
    for (const bool training : {false, true}) {
        std::vector<std::vector<float>> results[2];
        for (const bool first_only : {false, true}) {
            Random random(7);
            ForwardOptions forward;
            forward.training = training;
            forward.random = &random;
            Tensor x = numbers({2, 3, 8}, 6);
            x.set_requires_grad();
            for (const auto& parameter : block.parameters()) parameter.tensor.clear_grad();
            const Tensor first = first_only ? block.forward_first(x, mask, forward)
                                            : slice(block.forward(x, mask, forward), 1, 0, 1);
            EXPECT_EQ(first.shape(), (Shape{2, 1, 8}));
            sum(first * numbers({2, 1, 8}, 8)).backward();
            auto& result = results[first_only ? 1 : 0];
            result.push_back(contiguous(first).to_vector<float>());
            result.push_back(x.grad().to_vector<float>());
            for (const auto& parameter : block.parameters()) {
                result.push_back(parameter.tensor.grad().to_vector<float>());
            }
        }
        for (std::size_t n = 0; n < results[0].size(); ++n) {
            for (std::size_t i = 0; i < results[0][n].size(); ++i) {
                EXPECT_NEAR(results[0][n][i], results[1][n][i], 2e-6) << n << " " << i;
            }
        }
    }
}

TEST(Initialise, TruncatedNormalHasItsMomentsAndCut) {
    const Tensor tensor = Tensor::empty({200, 500});
    fill_truncated_normal(tensor, 0.02, 11, 3);
    double sum = 0.0;
    double squares = 0.0;
    double largest = 0.0;
    const auto values = tensor.to_vector<float>();
    for (const float value : values) {
        sum += value;
        squares += double{value} * value;
        largest = std::max(largest, std::abs(double{value}));
    }
    const auto n = static_cast<double>(values.size());
    // A normal cut at two deviations has 0.8796 of its deviation.
    EXPECT_NEAR(sum / n, 0.0, 5 * 0.0176 / std::sqrt(n));
    EXPECT_NEAR(std::sqrt(squares / n), 0.8796 * 0.02, 1e-4);
    EXPECT_LE(largest, 0.04);
    EXPECT_GT(largest, 0.039);
}

TEST(Initialise, StreamsDifferAndRepeat) {
    const auto draw = [](std::uint64_t seed, std::uint64_t stream, int threads) {
        Context context;
        context.threads = threads;
        const Tensor tensor = Tensor::empty({9000}, DType::f32, context);
        fill_truncated_normal(tensor, 1.0, seed, stream);
        return tensor.to_vector<float>();
    };
    EXPECT_EQ(draw(1, 2, 1), draw(1, 2, 2));
    EXPECT_NE(draw(1, 2, 1), draw(1, 3, 1));
    EXPECT_NE(draw(1, 2, 1), draw(2, 2, 1));
}

TEST(Initialise, AssignChecksTheNumberOfValuesAndRefreshesLowPrecision) {
    const Tensor tensor = Tensor::zeros({2});
    EXPECT_EQ(float{tensor.low_precision(DType::bf16).data<bfloat16>()[1]}, 0.0F);
    assign(tensor, std::vector<float>{1.0F, 2.0F});
    EXPECT_EQ(float{tensor.low_precision(DType::bf16).data<bfloat16>()[1]}, 2.0F);
    EXPECT_THROW(assign(tensor, std::vector<float>{1.0F}), ShapeError);
}

}  // namespace
}  // namespace balmer::nn
