#pragma once
// What a `*_cuda.cu` file includes. The same source is compiled by nvcc for the GPU and by the host
// compiler for the simt device, in which `this_device` says what it is compiled for. Device code
// keeps to this common language:
//   * __global__, __device__, __launch_bounds__, threadIdx.x, blockIdx, blockDim.x, gridDim; blocks
//     are one-dimensional and of whole warps;
//   * __syncthreads (also _count and _or), __syncwarp, shuffles and votes with `full_warp`;
//   * shared memory through one SharedMemory object, never __shared__; its bytes are the sum of
//     `shared_bytes_of` over its arrays;
//   * mma_bf16, ldmatrix_x4, ldmatrix_x4_transposed, copy_async_16/_commit/_wait, exp2_approximate,
//     reciprocal_square_root, pack_bf16 and their kind instead of inline PTX;
//   * BALMER_UNROLL before loops whose registers are indexed;
//   * `launch(name, context, kernel<...>, shape, arguments...)` instead of <<<>>>;
//   * integer atomics only, so that results repeat bit for bit.
// An entry of a choice table is a template over the device, explicitly instantiated at the end of
// the file: `template void gelu_device<this_device>(const Context&, const GeluForward&);`

#include "kernels/core/context.h"
#include "kernels/core/dtype.h"
#include "kernels/core/launch_shape.h"

#if defined(__CUDACC__)
#include "kernels/core/device_cuda.cuh"
#else
#include "kernels/simt/dialect.cuh"
#endif

namespace balmer {
#if defined(__CUDACC__)
using namespace cuda_device;
#else
using namespace simt_device;
#endif
}  // namespace balmer

#include "kernels/core/device_math.cuh"
