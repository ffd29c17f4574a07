// The engine: accumulation, freeing, detaching, views, errors.

#include "gradcheck.h"
#include "kernels/core/buffer.h"

namespace balmer {
namespace {

using testing::random_leaf;

TEST(Autograd, AccumulatesOverUsesAndOverPasses) {
    const Tensor x = random_leaf({3}, 1);
    sum(x + x * 2.0).backward();
    EXPECT_EQ(x.grad().to_vector<double>(), (std::vector<double>{3, 3, 3}));
    sum(x).backward();
    EXPECT_EQ(x.grad().to_vector<double>(), (std::vector<double>{4, 4, 4}));
    x.clear_grad();
    EXPECT_FALSE(x.grad().defined());
}

TEST(Autograd, SharedGradientsAreNotOverwritten) {
    const Tensor a = random_leaf({2}, 1);
    const Tensor b = random_leaf({2}, 2);
    const Tensor s = a + b;  // both get the same gradient tensor
    sum(s + s + a).backward();
    EXPECT_EQ(a.grad().to_vector<double>(), (std::vector<double>{3, 3}));
    EXPECT_EQ(b.grad().to_vector<double>(), (std::vector<double>{2, 2}));
    sum(a).backward();
    EXPECT_EQ(a.grad().to_vector<double>(), (std::vector<double>{4, 4}));
    EXPECT_EQ(b.grad().to_vector<double>(), (std::vector<double>{2, 2}));
}

TEST(Autograd, DiamondsAreVisitedOnce) {
    const Tensor x = random_leaf({1}, 3);
    Tensor y = x;
    for (int i = 0; i < 40; ++i) y = y + y;  // 2^40 paths
    y.backward(Tensor::full({1}, 1.0, DType::f64));
    EXPECT_EQ(x.grad().item(), std::ldexp(1.0, 40));
}

TEST(Autograd, ChainsOfAnyLengthWork) {
    const Tensor x = random_leaf({1}, 3);
    Tensor y = x;
    for (int i = 0; i < 20000; ++i) y = y + 1.0;
    y.backward(Tensor::full({1}, 1.0, DType::f64));
    EXPECT_EQ(x.grad().item(), 1.0);
}

TEST(Autograd, NoGradAndDetachRecordNothing) {
    const Tensor x = random_leaf({2}, 4);
    {
        const NoGrad no_grad;
        EXPECT_FALSE((x * 2.0).requires_grad());
    }
    EXPECT_TRUE((x * 2.0).requires_grad());
    const Tensor constant = x.detach();
    EXPECT_FALSE(constant.requires_grad());
    sum(constant * x).backward();
    EXPECT_EQ(x.grad().to_vector<double>(), x.to_vector<double>());
}

TEST(Autograd, ASecondPassThroughAFreedGraphIsAnError) {
    const Tensor x = random_leaf({2}, 5);
    const Tensor y = sum(x * x);
    y.backward({}, true);
    y.backward();
    EXPECT_NEAR(x.grad().to_vector<double>()[0], 4.0 * x.to_vector<double>()[0], 1e-15);
    try {
        y.backward();
        FAIL();
    } catch (const Error& error) {
        EXPECT_STREQ(error.what(),
                     "backward: the graph of reshape was freed by an earlier backward pass");
    }
}

TEST(Autograd, SavedTensorsAreFreedOnTheWay) {
    const Tensor x = random_leaf({1 << 16}, 6);
    const auto before = memory_statistics({}).active;
    const Tensor y = sum(square(sine(square(x))));
    const auto held = memory_statistics({}).active;
    EXPECT_GE(held - before, std::size_t{2} << 19);
    y.backward();
    // What is left is x's gradient.
    EXPECT_LE(memory_statistics({}).active - before, (std::size_t{1} << 19) + 4096);
}

TEST(Autograd, OnlyTensorsWithHistoryGoBackward) {
    EXPECT_THROW(Tensor::zeros({1}).backward(), Error);
    const Tensor x = random_leaf({2}, 7);
    try {
        (x * 2.0).backward();
        FAIL();
    } catch (const ShapeError& error) {
        EXPECT_STREQ(error.what(), "backward: f64 [2] needs a seed gradient");
    }
    Tensor result = x * 2.0;
    EXPECT_THROW(result.set_requires_grad(false), Error);
    EXPECT_THROW(Tensor::zeros({2}, DType::i64).set_requires_grad(), DTypeError);
}

TEST(Autograd, GradientsOfTheWrongShapeAreRefused) {
    const Tensor x = random_leaf({2}, 8);
    try {
        x.accumulate_grad(Tensor::zeros({3}, DType::f64));
        FAIL();
    } catch (const ShapeError& error) {
        EXPECT_STREQ(error.what(), "accumulate_grad: the gradient of f64 [2] is f64 [3]");
    }
}

TEST(Tensor, ErrorsNameOperationShapesAndDtypes) {
    const Tensor a = Tensor::zeros({2, 3});
    const auto message = [](const auto& body) -> std::string {
        try {
            body();
        } catch (const Error& error) {
            return error.what();
        }
        return "no error";
    };
    EXPECT_EQ(message([&] {
                  add(a, Tensor::zeros({2, 3}, DType::f64));
              }),
              "add: f32 [2, 3] and f64 [2, 3]: dtypes must be equal");
    EXPECT_EQ(message([&] { add(a, Tensor::zeros({4})); }),
              "add: shapes [2, 3] and [4] do not broadcast");
    EXPECT_EQ(message([&] { matmul(a, a); }),
              "matmul: f32 [2, 3] and f32 [2, 3]: expected [..., m, k] and [..., k, n]");
    EXPECT_EQ(message([&] {
                  linear(a, Tensor::zeros({5, 4}));
              }),
              "linear: f32 [2, 3] and f32 [5, 4]: expected [..., in] and [out, in]");
    EXPECT_EQ(message([&] { reshape(a, {4}); }), "reshape: f32 [2, 3]: cannot become [4]");
    EXPECT_EQ(message([&] { Tensor().shape(); }), "an undefined tensor was used");
    EXPECT_EQ(message([&] { a.item(); }), "item: expected one element, got [2, 3]");
}

TEST(Tensor, LowPrecisionCopiesFollowTheirSource) {
    const Tensor weight = Tensor::full({3}, 1.0);
    const Tensor copy = weight.low_precision(DType::bf16);
    EXPECT_EQ(weight.low_precision(DType::bf16).id(), copy.id());
    weight.data<float>()[1] = 2.0F;
    weight.mark_changed();
    EXPECT_EQ(float{weight.low_precision(DType::bf16).to_vector<bfloat16>()[1]}, 2.0F);
    weight.data<float>()[1] = 3.0F;
    weight.mark_changed(true);  // the writer kept the copy up to date by itself
    EXPECT_EQ(float{weight.low_precision(DType::bf16).to_vector<bfloat16>()[1]}, 2.0F);
}

}  // namespace
}  // namespace balmer
