// Matrix products on the CPU by Eigen: the rows of each product are cut into blocks that threads
// share, each block is one single-threaded product into f32 (f64) sums, and every row of it gets
// the epilogue while it is still in the cache.

#include <Eigen/Core>
#include <algorithm>
#include <type_traits>
#include <vector>

#include "kernels/core/parallel.h"
#include "kernels/gemm/gemm_cpu.h"

namespace balmer::kernels {
namespace {

template <class T>
using Matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
template <class T>
using Block = Eigen::Map<const Matrix<T>, 0, Eigen::OuterStride<>>;

/// `rows` x `columns` elements at `x`, row-major with leading dimension `leading`, in the type that
/// Eigen multiplies: as they are, or converted into `scratch` (bf16).
template <class In, class Value>
Block<Value> operand(const In* x, std::int64_t rows, std::int64_t columns, std::int64_t leading,
                     std::vector<Value>& scratch) {
    if constexpr (std::is_same_v<In, Value>) {
        return Block<Value>(x, rows, columns, Eigen::OuterStride<>(leading));
    } else {
        scratch.resize(rows * columns);
        for (std::int64_t i = 0; i < rows; ++i) {
            const In* row = x + i * leading;
            Value* converted = scratch.data() + i * columns;
#pragma GCC ivdep
            for (std::int64_t j = 0; j < columns; ++j) converted[j] = Value(row[j]);
        }
        return Block<Value>(scratch.data(), rows, columns, Eigen::OuterStride<>(columns));
    }
}

/// All rows of `block` of one product of the batch: product, then epilogue.
template <class In, class Value>
void multiply_block(const GemmArguments& arguments, std::int64_t batch, std::int64_t first,
                    std::int64_t rows, const Block<Value>& b, std::vector<Value>& scratch,
                    Matrix<Value>& sums) {
    const GemmSpec& spec = arguments.spec;
    const In* a = static_cast<const In*>(arguments.a) + batch * spec.stride_a;
    sums.resize(rows, spec.n);
    if (spec.k == 0) {
        sums.setZero();
    } else if (spec.transpose_a) {
        const auto block = operand<In, Value>(a + first, spec.k, rows, spec.lda, scratch);
        if (spec.transpose_b) {
            sums.noalias() = block.transpose() * b.transpose();
        } else {
            sums.noalias() = block.transpose() * b;
        }
    } else {
        const auto block =
            operand<In, Value>(a + first * spec.lda, rows, spec.k, spec.lda, scratch);
        if (spec.transpose_b) {
            sums.noalias() = block * b.transpose();
        } else {
            sums.noalias() = block * b;
        }
    }
    for (std::int64_t i = 0; i < rows; ++i) {
        finish_row(arguments, batch, first + i,
                   std::span<Value>(sums.data() + i * spec.n, static_cast<std::size_t>(spec.n)));
    }
}

template <class In>
void product(const Context& context, const GemmArguments& arguments) {
    using Value = accumulator_t<In>;
    constexpr std::int64_t block_rows = 192;
    const GemmSpec& spec = arguments.spec;
    if (spec.m == 0 || spec.n == 0) return;
    const std::int64_t blocks = (spec.m + block_rows - 1) / block_rows;
    const auto run = [&](std::int64_t begin, std::int64_t end) {
        std::vector<Value> a_scratch;
        std::vector<Value> b_scratch;
        Matrix<Value> sums;
        while (begin < end) {
            const std::int64_t batch = begin / blocks;
            const std::int64_t last = std::min(end, (batch + 1) * blocks);
            const In* b = static_cast<const In*>(arguments.b) + batch * spec.stride_b;
            const auto right =
                operand<In, Value>(b, spec.transpose_b ? spec.n : spec.k,
                                   spec.transpose_b ? spec.k : spec.n, spec.ldb, b_scratch);
            for (; begin < last; ++begin) {
                const std::int64_t first = begin % blocks * block_rows;
                multiply_block<In, Value>(arguments, batch, first,
                                          std::min(block_rows, spec.m - first), right, a_scratch,
                                          sums);
            }
        }
    };
    const bool is_small = spec.m * spec.n * spec.k * spec.batch < 32768;
    parallel_ranges(context, blocks * spec.batch, is_small ? blocks * spec.batch : 1, run);
}

}  // namespace

void gemm_eigen(const Context& context, const GemmArguments& arguments) {
    dispatch_floating(arguments.spec.input, "gemm",
                      [&](auto tag) { product<typename decltype(tag)::type>(context, arguments); });
    finish_bias_gradient(context, arguments);
}

}  // namespace balmer::kernels
