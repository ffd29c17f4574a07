#include "vit/position_embedding.h"

#include <gtest/gtest.h>

#include "kernels/core/error.h"
#include "tests/vit/golden.h"

namespace balmer::vit {
namespace {

using testing::golden;
using testing::stored_tensor;

TEST(PositionEmbedding, InterpolatesUpAndDownAsTorchDoes) {
    const std::string file = golden("positions.safetensors");
    const Tensor stored = stored_tensor(file, "from");
    const Tensor from = reshape(stored, {stored.size(1), stored.size(2)});
    for (const Grid to : {Grid{7, 7}, Grid{3, 3}, Grid{2, 9}, Grid{1, 1}}) {
        const std::string name = std::to_string(to.rows) + "x" + std::to_string(to.columns);
        const Tensor expected = stored_tensor(file, name);
        const Tensor actual = interpolate_position(from, {4, 4}, to);
        ASSERT_EQ(actual.numel(), expected.numel()) << name;
        const auto a = actual.to_vector<float>();
        const auto b = expected.to_vector<float>();
        for (std::size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 2e-6) << name;
    }
}

TEST(PositionEmbedding, TheSameGridIsLeftAlone) {
    const Tensor position = Tensor::full({5, 2}, 3.0);
    EXPECT_EQ(interpolate_position(position, {2, 2}, {2, 2}).id(), position.id());
    EXPECT_THROW(interpolate_position(position, {3, 3}, {2, 2}), ShapeError);
}

TEST(PositionEmbedding, GradientsFlowBackThroughInterpolation) {
    Tensor position = Tensor::full({5, 2}, 1.0);
    position.set_requires_grad();
    sum(interpolate_position(position, {2, 2}, {4, 4})).backward();
    const auto gradient = position.grad().to_vector<float>();
    EXPECT_FLOAT_EQ(gradient[0], 1.0F);  // the class token's row is kept
    // Each of the 16 new patches spreads a weight of one over the four old ones, by symmetry alike.
    for (std::size_t i = 2; i < gradient.size(); ++i) EXPECT_NEAR(gradient[i], 4.0F, 1e-5);
}

TEST(SinusoidalPositions, AreTheFormulaOfVaswani) {
    const auto table = sinusoidal_positions(3, 4).to_vector<float>();
    const double slow = 1.0 / 100.0;  // 10000^(-2/4)
    const std::vector<double> expected = {0,
                                          1,
                                          0,
                                          1,
                                          std::sin(1.0),
                                          std::cos(1.0),
                                          std::sin(slow),
                                          std::cos(slow),
                                          std::sin(2.0),
                                          std::cos(2.0),
                                          std::sin(2 * slow),
                                          std::cos(2 * slow)};
    for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(table[i], expected[i], 1e-7);
}

}  // namespace
}  // namespace balmer::vit
