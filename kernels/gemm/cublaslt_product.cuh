#pragma once
// One product as cuBLASLt is told of it.

#include <array>
#include <cstdint>
#include <optional>

#include "kernels/core/context.h"
#include "kernels/gemm/cublaslt_library.cuh"
#include "kernels/gemm/gemm_plan.h"

namespace balmer::kernels {

/// The largest powers of two, up to 256, that divide the addresses of a, b, c, d, vector and
/// auxiliary.
using Alignments = std::array<std::uint32_t, 6>;
Alignments alignments_of(const ProductOperands& operands);

class CublasLtProduct {
  public:
    /// Describes the product to the library; needs the library, but no GPU. DeviceError if it
    /// refuses.
    CublasLtProduct(const ColumnMajorProduct& product, const ProductOperands& operands);

    /// Asks the library's heuristics, for a device that is current.
    void choose_algorithm(int device, bool is_deterministic, const Alignments& alignments);
    bool has_algorithm() const { return algorithm_.has_value(); }

    /// Puts the product on the context's stream; the workspace is a buffer of that stream.
    void run(const Context& context, const ProductOperands& operands);

  private:
    void describe_epilogue();
    void point_to(const ProductOperands& operands);

    ColumnMajorProduct product_;
    bool has_vector_ = false;
    bool has_auxiliary_ = false;
    MatmulDescription description_;
    MatrixLayout a_;
    MatrixLayout b_;
    MatrixLayout d_;
    std::optional<cublasLtMatmulHeuristicResult_t> algorithm_;
};

}  // namespace balmer::kernels
