#pragma once
// What a warp's 32 lanes do together on a GPU's tensor cores and load units, carried out on the
// host with the register layouts of the PTX ISA ("mma.m16n8k16", "ldmatrix").

#include <cstdint>

#include "kernels/simt/executor.h"

namespace balmer::simt {

/// d (16 x 8, f32) += a (16 x 16, bf16, row-major) * b (16 x 8, bf16, column-major). Products are
/// exact, sums in f32 in the order of k.
void mma_bf16_m16n8k16(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2],
                       const Site& site);

/// Loads four 8 x 8 matrices of 16-bit elements; lane i gives the address of row i % 8 of matrix
/// i / 8 (16-byte aligned, in shared memory). Transposed where `is_transposed`.
void load_matrices(std::uint32_t (&registers)[4], const void* row, bool is_transposed,
                   const Site& site);

}  // namespace balmer::simt
