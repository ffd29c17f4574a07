#pragma once
// The CPU's entries in the choice table of gemm, and what they share.

#include <span>
#include <string>

#include "kernels/gemm/gemm.h"

namespace balmer::kernels {

void gemm_plain(const Context& context, const GemmArguments& arguments);

/// f32 and f64, and bf16 by converting blocks to f32.
void gemm_eigen(const Context& context, const GemmArguments& arguments);

#ifdef BALMER_HAS_ONEDNN
std::string accepts_onednn(const Context& context, const GemmArguments& arguments);
void gemm_onednn(const Context& context, const GemmArguments& arguments);
#endif

/// Applies alpha, beta C and the epilogue to `row`, the sums of row `row_index` of one product of
/// the batch, and stores D (and auxiliary). `row` is overwritten.
void finish_row(const GemmArguments& arguments, std::int64_t batch_index, std::int64_t row_index,
                std::span<float> row);
void finish_row(const GemmArguments& arguments, std::int64_t batch_index, std::int64_t row_index,
                std::span<double> row);

/// Fills `bias_gradient` where the epilogue has one; runs after D is complete.
void finish_bias_gradient(const Context& context, const GemmArguments& arguments);

}  // namespace balmer::kernels
