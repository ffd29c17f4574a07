#pragma once
// The GPU's entry in the choice table of gemm.

#include <string>

#include "kernels/gemm/gemm.h"

namespace balmer::kernels {

std::string accepts_cublaslt(const Context& context, const GemmArguments& arguments);

/// Loads cuBLASLt at the first product: BALMER_CUBLASLT names the library where it is not on the
/// loader's path. DeviceError if it is missing, of another major version, or has no algorithm.
void gemm_cublaslt(const Context& context, const GemmArguments& arguments);

}  // namespace balmer::kernels
