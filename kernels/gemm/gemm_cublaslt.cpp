// Matrix products on the GPU by cuBLASLt: the plan of gemm_plan.h, told to the library one to one.
// Heuristics cost about as much as a small product, so each thread keeps what they answered, with
// the library's descriptions. Split-K products (small weight gradients over many rows) come out of
// the heuristics too; sums of their parts are kept in f32, in a workspace, in a fixed order.

#include "kernels/gemm/gemm_cublaslt.h"

#include <bit>
#include <optional>
#include <unordered_map>
#include <utility>

#include "kernels/core/choice.h"
#include "kernels/core/cuda_call.cuh"
#include "kernels/gemm/cublaslt_product.cuh"
#include "kernels/gemm/gemm_plan.h"

namespace balmer::kernels {
namespace {

/// Everything that decides which algorithm is taken.
struct Key {
    ColumnMajorProduct product;
    int device = 0;
    bool is_deterministic = true;
    Alignments alignments{};

    bool operator==(const Key&) const = default;
};

Key key_of(const Context& context, const ColumnMajorProduct& product,
           const ProductOperands& operands) {
    return {.product = product,
            .device = context.device.index,
            .is_deterministic = context.deterministic,
            .alignments = alignments_of(operands)};
}

struct KeyHash {
    std::size_t operator()(const Key& key) const {
        const ColumnMajorProduct& p = key.product;
        std::size_t hash = 0;
        const auto mix = [&hash](std::size_t value) { hash = (hash ^ value) * 0x100000001b3ULL; };
        for (const ColumnMajorMatrix* matrix : {&p.a, &p.b, &p.d}) {
            mix(matrix->rows);
            mix(matrix->columns);
            mix(matrix->leading);
            mix(matrix->stride);
            mix(static_cast<std::size_t>(matrix->dtype));
        }
        mix(p.batch);
        mix(std::bit_cast<std::size_t>(p.alpha));
        mix(std::bit_cast<std::size_t>(p.beta));
        mix(static_cast<std::size_t>(p.epilogue) * 64 + static_cast<std::size_t>(p.vector_dtype));
        mix((p.transpose_a ? 1 : 0) + (p.transpose_b ? 2 : 0) + (key.is_deterministic ? 4 : 0) +
            8 * static_cast<std::size_t>(key.device));
        for (const std::uint32_t alignment : key.alignments) mix(alignment);
        return hash;
    }
};

/// The product for `key`, described at its first use in this thread.
CublasLtProduct& product_for(const Key& key, const ProductOperands& operands) {
    constexpr std::size_t most = 1024;
    thread_local std::unordered_map<Key, CublasLtProduct, KeyHash> products;
    const auto found = products.find(key);
    if (found != products.end()) return found->second;
    if (products.size() >= most) products.clear();
    CublasLtProduct product(key.product, operands);
    product.choose_algorithm(key.device, key.is_deterministic, key.alignments);
    return products.emplace(key, std::move(product)).first->second;
}

std::string describe(const GemmSpec& spec) {
    return std::to_string(spec.m) + " x " + std::to_string(spec.n) + " x " +
           std::to_string(spec.k) + ", " + std::string(name_of(spec.input)) + " to " +
           std::string(name_of(spec.output));
}

}  // namespace

std::string accepts_cublaslt(const Context& context, const GemmArguments& arguments) {
    return accepts_on(DeviceType::cuda, context, arguments.spec.input);
}

void gemm_cublaslt(const Context& context, const GemmArguments& arguments) {
    use_cuda_device(context.device.index);
    const auto multiply = [&context](const ColumnMajorProduct& product,
                                     const ProductOperands& operands) {
        CublasLtProduct& described = product_for(key_of(context, product, operands), operands);
        if (!described.has_algorithm()) return false;
        described.run(context, operands);
        return true;
    };
    std::optional<GemmPlan> refused;
    for (const Fusion fusion : {Fusion::full, Fusion::narrow_vectors, Fusion::product_only}) {
        const GemmPlan plan = plan_of(arguments, fusion);
        if (plan == refused) continue;
        if (run_plan<DeviceType::cuda>(context, arguments, plan, multiply)) return;
        refused = plan;
    }
    throw DeviceError("gemm: cuBLASLt has no algorithm for a product of " +
                      describe(arguments.spec));
}

}  // namespace balmer::kernels
