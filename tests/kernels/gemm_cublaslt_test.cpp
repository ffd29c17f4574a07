// What cuBLASLt can be asked without a GPU: whether it takes the descriptions of our products.

#include "kernels/gemm/cublaslt_product.cuh"
#include "tests/kernels/gemm_problem.h"

namespace balmer::kernels {
namespace {

using namespace testing;

TEST(CublasLt, TakesTheDescriptionOfEveryProduct) {
    try {
        cublaslt();
    } catch (const DeviceError& error) {
        GTEST_SKIP() << error.what();
    }
    for (const GemmCase& item : gemm_cases) {
        for (const DType output : {DType::bf16, DType::f32}) {
            for (const Fusion fusion :
                 {Fusion::full, Fusion::narrow_vectors, Fusion::product_only}) {
                const GemmProblem problem(item, DType::bf16, output, Alignment::vector);
                const GemmPlan plan = plan_of(problem.arguments, fusion);
                const GemmSpec& spec = problem.arguments.spec;
                if (!plan.has_product || spec.m * spec.n * spec.batch == 0) continue;
                const ProductOperands operands = {.a = problem.b.data(),
                                                  .b = problem.a.data(),
                                                  .d = problem.d.data(),
                                                  .vector = problem.d.data(),
                                                  .auxiliary = problem.d.data()};
                EXPECT_NO_THROW(CublasLtProduct(plan.product, operands)) << item.name;
            }
        }
    }
}

TEST(CublasLt, SaysWhatIsWrongWithADescription) {
    try {
        cublaslt();
    } catch (const DeviceError& error) {
        GTEST_SKIP() << error.what();
    }
    expect_error<DeviceError>(
        [] { cublaslt().check(CUBLAS_STATUS_NOT_SUPPORTED, "a product"); },
        "gemm: cuBLASLt: a product: the requested functionality is not supported");
}

TEST(CublasLt, AlignmentsAreTheLargestPowersOfTwoUpTo256) {
    const auto at = [](std::uintptr_t address) { return reinterpret_cast<void*>(address); };
    const ProductOperands operands = {
        .a = at(2), .b = at(48), .c = at(256), .d = at(4096), .vector = nullptr};
    EXPECT_EQ(alignments_of(operands), (Alignments{2, 16, 256, 256, 256, 256}));
}

}  // namespace
}  // namespace balmer::kernels
