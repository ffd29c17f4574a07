// Sums over dimensions on the device, in two stages of fixed order: blocks add up chunks of the
// summed positions, then the chunks are added in order. The number of chunks depends on the shapes
// alone: about eight blocks on each of an H100's 132 multiprocessors, with at least 32 rows or 8192
// elements each. Every element is read once, in accesses of 16 bytes where the memory allows it,
// four of which a thread has under way; partial sums (f32) are some thousandth of that.
//
// Columns (bias gradients): a lane adds up neighbouring columns over the rows of its warp, and the
// eight warps of a block are added in order through shared memory. Runs: a warp or a block adds up
// neighbours, by lanes and then across them.

#include <algorithm>

#include "kernels/core/buffer.h"
#include "kernels/core/choice.h"
#include "kernels/core/device_code.cuh"
#include "kernels/core/device_rows.cuh"
#include "kernels/reduce/dimensions.h"
#include "kernels/reduce/reduce_cuda.h"

namespace balmer::kernels {
namespace {

constexpr int threads = 256;
constexpr int warps = threads / lanes_per_warp;
constexpr int finish_threads = 1024;
constexpr std::int64_t wanted_blocks = 132 * 8;
constexpr std::int64_t most_chunks = 256;

/// Where sums go: `scale` times each to `out`, or the sums of a chunk to `partial` [chunks, sums].
struct Destination {
    void* out;
    float* partial;  ///< null where there is one chunk only
    std::int64_t sums;
    float scale;
    bool is_bf16;

    __device__ __forceinline__ void write(std::int64_t offset, float total) const {
        if (is_bf16) {
            static_cast<bfloat16*>(out)[offset] = from_float<bfloat16>(total * scale);
        } else {
            static_cast<float*>(out)[offset] = total * scale;
        }
    }
};

struct Problem {
    Dimensions kept;
    Dimensions summed;
    Destination to;
};

/// Adds x[offset(p)] for p = first, first + step, ... below end; `width` neighbours at a time.
template <int width, class T, class Offset>
__device__ __forceinline__ void add_positions(float (&total)[width], const T* x, std::int64_t first,
                                              std::int64_t end, std::int64_t step,
                                              const Offset& offset) {
    constexpr int under_way = 4;
    std::int64_t p = first;
    for (; p + (under_way - 1) * step < end; p += under_way * step) {
        Group<T, width> groups[under_way];
        BALMER_UNROLL
        for (int i = 0; i < under_way; ++i) groups[i] = load_group<width>(x + offset(p + i * step));
        BALMER_UNROLL
        for (int i = 0; i < under_way; ++i) {
            BALMER_UNROLL
            for (int k = 0; k < width; ++k) total[k] += to_float(groups[i].values[k]);
        }
    }
    for (; p < end; p += step) {
        const auto group = load_group<width>(x + offset(p));
        BALMER_UNROLL
        for (int k = 0; k < width; ++k) total[k] += to_float(group.values[k]);
    }
}

/// Sums whose innermost dimension, `columns`, is kept; block (tile + tiles * outer, chunk).
template <class T, int width>
__global__ void __launch_bounds__(threads)
    sum_columns(Problem problem, const T* x, Dimension columns, std::int64_t tiles) {
    constexpr int tile_columns = lanes_per_warp * width;
    SharedMemory memory;
    float* scratch = memory.array<float>(threads * width);
    const int thread = static_cast<int>(threadIdx.x);
    const int warp = thread / lanes_per_warp;
    const int own = thread % lanes_per_warp * width;
    const std::int64_t outer = blockIdx.x / tiles;
    const std::int64_t tile = blockIdx.x % tiles * tile_columns;
    const std::int64_t positions = problem.summed.numel();
    const std::int64_t begin = positions * blockIdx.y / gridDim.y;
    const std::int64_t end = positions * (blockIdx.y + 1) / gridDim.y;

    float total[width] = {};
    if (tile + own < columns.size) {
        const T* from = x + problem.kept.offset(outer) + (tile + own) * columns.stride;
        add_positions(total, from, begin + warp, end, warps,
                      [&](std::int64_t p) { return problem.summed.offset(p); });
    }
    BALMER_UNROLL
    for (int k = 0; k < width; ++k) scratch[warp * tile_columns + own + k] = total[k];
    __syncthreads();
    const std::int64_t column = tile + thread;
    if (thread >= tile_columns || column >= columns.size) return;
    float sum = scratch[thread];
    BALMER_UNROLL
    for (int i = 1; i < warps; ++i) sum += scratch[i * tile_columns + thread];
    if (problem.to.partial != nullptr) {
        const std::int64_t row = blockIdx.y * problem.to.sums + outer * columns.size;
        problem.to.partial[row + column] = sum;
    } else {
        problem.to.write(problem.kept.out_offset(outer) + column * columns.out_stride, sum);
    }
}

/// Sums of runs by a team of threads, a warp or a block, each; block (sum / teams, chunk). The
/// summed dimensions count groups of `width`.
template <class T, int width, int team>
__global__ void __launch_bounds__(threads) sum_runs(Problem problem, const T* x) {
    constexpr int teams = threads / team;
    SharedMemory memory;
    float* scratch = team > lanes_per_warp ? memory.array<float>(32) : nullptr;
    const int thread = static_cast<int>(threadIdx.x);
    const std::int64_t kept = std::int64_t{blockIdx.x} * teams + thread / team;
    if (kept >= problem.to.sums) return;
    const std::int64_t positions = problem.summed.numel();
    const std::int64_t begin = positions * blockIdx.y / gridDim.y;
    const std::int64_t end = positions * (blockIdx.y + 1) / gridDim.y;
    float total[width] = {};
    add_positions(total, x + problem.kept.offset(kept), begin + thread % team, end, team,
                  [&](std::int64_t p) { return problem.summed.offset(p); });
    BALMER_UNROLL
    for (int k = 1; k < width; ++k) total[0] += total[k];
    const float sum = team_sum<team>(total[0], scratch);
    if (thread % team != 0) return;
    if (problem.to.partial != nullptr) {
        problem.to.partial[blockIdx.y * problem.to.sums + kept] = sum;
    } else {
        problem.to.write(problem.kept.out_offset(kept), sum);
    }
}

/// Adds the chunks. The kept dimensions are all in `kept`.
__global__ void __launch_bounds__(finish_threads)
    finish_sums(Dimensions kept, Destination to, std::int64_t chunks) {
    SharedMemory memory;
    float* scratch = memory.array<float>(finish_threads);
    const std::int64_t i = std::int64_t{blockIdx.x} * lanes_per_warp + threadIdx.x % lanes_per_warp;
    const bool is_inside = i < to.sums;
    const float total =
        column_total(is_inside ? to.partial + i : nullptr, chunks, to.sums, scratch);
    if (threadIdx.x < lanes_per_warp && is_inside) to.write(kept.out_offset(i), total);
}

std::int64_t ceil_divide(std::int64_t a, std::int64_t b) {
    return (a + b - 1) / b;
}

template <class T>
class Summation {
  public:
    Summation(const Context& context, const Sum& arguments)
        : context_(context), x_(arguments.x.as<T>()), dimensions_(arguments) {
        to_ = {arguments.out.data, nullptr, dimensions_.kept.numel(),
               static_cast<float>(arguments.scale), arguments.out.dtype == DType::bf16};
    }

    void run() {
        if (to_.sums == 0) return;
        if (dimensions_.has_columns_inside()) {
            if (is_vector(dimensions_.kept.inner())) {
                run_columns<vector_width<T>>();
            } else {
                run_columns<1>();
            }
        } else if (!dimensions_.summed.empty() && is_vector(dimensions_.summed.inner())) {
            run_runs<vector_width<T>>();
        } else {
            run_runs<1>();
        }
    }

  private:
    /// True where the innermost dimension is of whole groups of 16 bytes and all others lead from
    /// one to another.
    bool is_vector(const Dimension& inner) const {
        constexpr int width = vector_width<T>;
        bool fits = reinterpret_cast<std::uintptr_t>(x_) % 16 == 0 && inner.stride == 1 &&
                    inner.size % width == 0;
        int misaligned = 0;
        for (const Dimensions* list : {&dimensions_.kept, &dimensions_.summed}) {
            for (Dimensions rest = *list; !rest.empty();) {
                if (rest.pop_inner().stride % width != 0) ++misaligned;
            }
        }
        fits = fits && misaligned == 1;
        return fits;
    }

    template <int width>
    void run_columns() {
        Problem problem{dimensions_.kept, dimensions_.summed, to_};
        const Dimension columns = problem.kept.pop_inner();
        const std::int64_t tiles = ceil_divide(columns.size, lanes_per_warp * width);
        const std::int64_t blocks = tiles * problem.kept.numel();
        const std::int64_t chunks = chunk_count(blocks, problem.summed.numel() / 32);
        const Buffer partial = reserve(problem, chunks);
        launch("sum", context_, sum_columns<T, width>,
               {{static_cast<unsigned>(blocks), static_cast<unsigned>(chunks)},
                threads,
                shared_bytes_of(threads * width * sizeof(float))},
               problem, x_, columns, tiles);
        finish(problem, chunks);
    }

    template <int width>
    void run_runs() {
        Problem problem{dimensions_.kept, dimensions_.summed, to_};
        if constexpr (width > 1) {
            const Dimension run = problem.summed.pop_inner();
            problem.summed.push_back({run.size / width, width, 0});
        }
        const std::int64_t positions = problem.summed.numel();
        if (positions <= 1024) {
            run_teams<width, lanes_per_warp>(problem, 1);
        } else {
            run_teams<width, threads>(problem, chunk_count(to_.sums, positions * width / 8192));
        }
    }

    template <int width, int team>
    void run_teams(Problem& problem, std::int64_t chunks) {
        const std::int64_t blocks = ceil_divide(to_.sums, threads / team);
        const Buffer partial = reserve(problem, chunks);
        const std::size_t shared = team > lanes_per_warp ? shared_bytes_of(32 * sizeof(float)) : 0;
        launch("sum", context_, sum_runs<T, width, team>,
               {{static_cast<unsigned>(blocks), static_cast<unsigned>(chunks)}, threads, shared},
               problem, x_);
        finish(problem, chunks);
    }

    static std::int64_t chunk_count(std::int64_t blocks, std::int64_t most) {
        return std::max<std::int64_t>(1, std::min({wanted_blocks / blocks, most, most_chunks}));
    }

    Buffer reserve(Problem& problem, std::int64_t chunks) const {
        if (chunks == 1) return {};
        Buffer partial(context_, chunks * to_.sums * sizeof(float));
        problem.to.partial = static_cast<float*>(partial.data());
        return partial;
    }

    void finish(const Problem& problem, std::int64_t chunks) const {
        if (chunks == 1) return;
        const auto blocks = static_cast<unsigned>(ceil_divide(to_.sums, lanes_per_warp));
        launch("sum", context_, finish_sums,
               {{blocks}, finish_threads, shared_bytes_of(finish_threads * sizeof(float))},
               dimensions_.kept, problem.to, chunks);
    }

    const Context& context_;
    const T* x_;
    SumDimensions dimensions_;
    Destination to_{};
};

}  // namespace

template <DeviceType device>
std::string accepts_sum_device(const Context& context, const Sum& arguments) {
    return accepts_on(device, context, arguments.x.dtype);
}
template <DeviceType device>
void sum_device(const Context& context, const Sum& arguments) {
    if (arguments.x.dtype == DType::bf16) {
        Summation<bfloat16>(context, arguments).run();
    } else {
        Summation<float>(context, arguments).run();
    }
}

template std::string accepts_sum_device<this_device>(const Context&, const Sum&);
template void sum_device<this_device>(const Context&, const Sum&);

}  // namespace balmer::kernels
