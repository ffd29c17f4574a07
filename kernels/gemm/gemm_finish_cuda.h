#pragma once
// The epilogue of a product as a kernel of its own, for what a library of products cannot do.

#include "kernels/gemm/gemm.h"

namespace balmer::kernels {

/// p = scale * input + bias over `batch` row-major matrices [rows, columns] of one layout;
///   epilogue gelu           D = gelu_erf(p); p goes to auxiliary where that is not null
///   epilogue gelu_gradient  D = gelu_erf'(auxiliary) * p
///   others                  D = p
/// f32 arithmetic; input may be D or auxiliary. A null input stands for zeros.
struct GemmFinish {
    std::int64_t rows = 0;
    std::int64_t columns = 0;
    std::int64_t batch = 1;
    std::int64_t leading = 0;
    std::int64_t stride = 0;
    Epilogue epilogue = Epilogue::none;
    double scale = 1.0;
    DType input_dtype = DType::f32;
    DType output_dtype = DType::f32;  ///< of D and auxiliary
    const void* input = nullptr;
    const void* bias = nullptr;  ///< f32 [columns], optional
    void* auxiliary = nullptr;
    void* d = nullptr;
};

template <DeviceType device>
void gemm_finish_device(const Context& context, const GemmFinish& arguments);

}  // namespace balmer::kernels
