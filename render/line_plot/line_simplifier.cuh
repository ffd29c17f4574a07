#pragma once
// The simplification of lines on the device (simplify.h), a block a line: every thread finds the
// run from a vertex as if one began there, one thread follows the chain of those that do, and their
// vertices are written out in order. Runs longer than a thread looks at by itself are found by the
// whole block once the chain reaches them. Bit for bit the vertices that line_plot_cpu.cpp keeps.

#include "render/device_image.cuh"
#include "render/line_plot/simplify.h"

namespace balmer::render::line_plot {
#if defined(__CUDACC__)
inline namespace cuda_build {
#else
inline namespace simt_build {
#endif

inline constexpr int threads = 256;
inline constexpr int warps = threads / lanes_per_warp;

/// Whether there is a vertex at this place: x NaN says no.
__device__ __forceinline__ bool is_vertex(Point point) {
    return point.x == point.x;
}

struct Lower {
    template <class T>
    __device__ T operator()(T a, T b) const {
        return b < a ? b : a;
    }
};
struct Higher {
    template <class T>
    __device__ T operator()(T a, T b) const {
        return a < b ? b : a;
    }
};

/// One value of the block, the same for every order of threads.
template <class T, class Choose>
__device__ T block_choice(T own, T* scratch, const Choose& choose) {
    BALMER_UNROLL
    for (int distance = lanes_per_warp / 2; distance > 0; distance /= 2) {
        own = choose(own, __shfl_xor_sync(full_warp, own, distance));
    }
    const int thread = static_cast<int>(threadIdx.x);
    __syncthreads();
    if (thread % lanes_per_warp == 0) scratch[thread / lanes_per_warp] = own;
    __syncthreads();
    for (int warp = 0; warp < warps; ++warp) own = choose(own, scratch[warp]);
    return own;
}

/// The sum of the threads' counts before this one; `total` gets that of all.
__device__ __forceinline__ int block_offset(int count, int* scratch, int& total) {
    const int thread = static_cast<int>(threadIdx.x);
    const int lane = thread % lanes_per_warp;
    int sum = count;
    BALMER_UNROLL
    for (int distance = 1; distance < lanes_per_warp; distance *= 2) {
        const int before = __shfl_up_sync(full_warp, sum, distance);
        if (lane >= distance) sum += before;
    }
    __syncthreads();
    if (lane == lanes_per_warp - 1) scratch[thread / lanes_per_warp] = sum;
    __syncthreads();
    total = 0;
    int offset = sum - count;
    for (int warp = 0; warp < warps; ++warp) {
        if (warp < thread / lanes_per_warp) offset += scratch[warp];
        total += scratch[warp];
    }
    return offset;
}

/// Simplifies one line, the whole block.
class Simplifier {
  public:
    static constexpr int tile = 4 * threads;
    static constexpr int longest_lone_run = 64;  // vertices that a thread looks at by itself
    static constexpr int most_long_runs = tile / longest_lone_run + 1;
    static constexpr int is_long = -1;  // where a run ends: not found yet

    struct Farthest {
        double distance;
        std::int64_t index;
    };
    struct Shared {
        double* choices;
        std::int64_t* indices;
        int* counts;
        int* next;      // of each vertex of a tile: the one at which the chain goes on
        int* reached;   // by the chain: 0 no, 1 yes, 2 + n: it is the n-th long run
        int* progress;  // of the chain: where it is, how many long runs
        Run* long_runs;

        __device__ explicit Shared(SharedMemory& memory)
            : choices(memory.array<double>(warps)),
              indices(memory.array<std::int64_t>(warps)),
              counts(memory.array<int>(warps)),
              next(memory.array<int>(tile)),
              reached(memory.array<int>(tile)),
              progress(memory.array<int>(2)),
              long_runs(memory.array<Run>(most_long_runs)) {}
        static std::size_t bytes() {
            return 2 * shared_bytes_of(warps * sizeof(double)) +
                   shared_bytes_of(warps * sizeof(int)) + 2 * shared_bytes_of(tile * sizeof(int)) +
                   shared_bytes_of(2 * sizeof(int)) + shared_bytes_of(most_long_runs * sizeof(Run));
        }
    };

    __device__ Simplifier(const Point* vertices, Part part, const Shared& shared)
        : vertices_(vertices),
          part_(part),
          shared_(shared),
          is_simplified_(part.pixels() >= fewest_simplified_pixels) {
        std::int64_t last = -1;
        for (std::int64_t i = part.begin + threadIdx.x; i < part.end; i += threads) {
            if (is_vertex(vertices[i])) last = i;
        }
        last_vertex_ = block_choice(last, shared.indices, Higher{});
    }

    /// Writes what is kept; how many.
    __device__ std::int64_t write(std::int64_t* kept) {
        std::int64_t count = 0;
        for (std::int64_t begin = part_.begin; begin <= last_vertex_;) {
            const auto rest = last_vertex_ + 1 - begin;
            const int size = rest < tile ? static_cast<int>(rest) : tile;
            const std::int64_t end = follow_chain(begin, size);
            for (int i = static_cast<int>(threadIdx.x); i < tile; i += threads) {
                Kept own = i < size ? kept_at(begin + i, shared_.reached[i]) : Kept{};
                int total = 0;
                const int offset = block_offset(own.count, shared_.counts, total);
                for (int k = 0; k < own.count; ++k) kept[count + offset + k] = own.entries[k];
                count += total;
            }
            begin = end;
        }
        return count;
    }

  private:
    struct Kept {
        std::int64_t entries[3] = {};
        int count = 0;
    };

    __device__ bool is_start(std::int64_t i) const {
        return i == part_.begin || !is_vertex(vertices_[i - 1]);
    }
    /// Whether a run may begin with the segment that ends at vertex i.
    __device__ bool is_seed(std::int64_t i) const {
        return is_simplified_ && is_vertex(vertices_[i]) && !is_start(i) &&
               vertices_[i] != vertices_[i - 1];
    }

    /// The end of what a thread looks at of the run from `seed`.
    __device__ std::int64_t lone_end(std::int64_t seed) const {
        return min(seed + longest_lone_run, last_vertex_ + 1);
    }
    /// The run from `seed` up to there; `next` is the first vertex after it.
    __device__ Run lone_run(std::int64_t seed, std::int64_t& next) const {
        const std::int64_t end = lone_end(seed);
        RunBuilder builder(vertices_[seed - 1], vertices_[seed], seed);
        next = seed + 1;
        while (next < end && builder.add(vertices_[next], next)) ++next;  // NaN is never added
        return builder.run();
    }

    /// Marks what the chain reaches of the vertices from `begin`; where it leaves them.
    __device__ std::int64_t follow_chain(std::int64_t begin, int size) {
        __syncthreads();
        for (int i = static_cast<int>(threadIdx.x); i < size; i += threads) {
            const std::int64_t vertex = begin + i;
            std::int64_t next = vertex + 1;
            if (is_seed(vertex)) {
                lone_run(vertex, next);
                const bool is_open = next == lone_end(vertex) && next <= last_vertex_;
                if (is_open) next = begin + is_long;
            }
            shared_.next[i] = static_cast<int>(next - begin);
            shared_.reached[i] = 0;
        }
        if (threadIdx.x == 0) {
            shared_.progress[0] = 0;
            shared_.progress[1] = 0;
        }
        for (;;) {
            __syncthreads();
            if (threadIdx.x == 0) {
                int i = shared_.progress[0];
                while (i < size && shared_.next[i] != is_long) {
                    shared_.reached[i] = 1;
                    i = shared_.next[i];
                }
                shared_.progress[0] = i;
            }
            __syncthreads();
            const int i = shared_.progress[0];
            if (i >= size) return begin + i;
            const Run run = long_run(begin + i);
            __syncthreads();
            if (threadIdx.x == 0) {
                const int number = shared_.progress[1];
                shared_.long_runs[number] = run;
                shared_.reached[i] = 2 + number;
                shared_.progress[0] = static_cast<int>(run.last + 1 - begin);
                shared_.progress[1] = number + 1;
            }
        }
    }

    /// The run from `seed` by all threads side by side.
    __device__ Run long_run(std::int64_t seed) {
        const RunLine line(vertices_[seed - 1], vertices_[seed]);
        Farthest forward{line.seed_distance(), seed};
        Farthest backward{0, -1};
        const std::int64_t end = last_vertex_ + 1;
        std::int64_t next = seed + 1;
        for (std::int64_t begin = seed + 1; next == begin; begin += threads) {
            const std::int64_t i = begin + threadIdx.x;
            RunLine<double>::Place place{simplify_threshold_squared, 0, 0};
            if (i < end) place = line.place(vertices_[i]);
            const bool is_within = place.across < simplify_threshold_squared;
            const std::int64_t own_next = is_within ? begin + threads : i;
            next = block_choice(own_next, shared_.indices, Lower{});
            if (i >= next) continue;
            Farthest& farthest = place.dot > 0 ? forward : backward;
            if (place.distance > farthest.distance) farthest = {place.distance, i};
        }
        return {first_of(forward), first_of(backward), next - 1};
    }

    /// The lowest index among the farthest of all threads.
    __device__ std::int64_t first_of(const Farthest& own) {
        const double distance = block_choice(own.distance, shared_.choices, Higher{});
        const std::int64_t none = last_vertex_ + 1;
        const bool is_candidate = own.distance == distance && own.index >= 0;
        const std::int64_t index =
            block_choice(is_candidate ? own.index : none, shared_.indices, Lower{});
        return index == none ? -1 : index;
    }

    __device__ Kept kept_at(std::int64_t i, int reached) const {
        Kept kept;
        if (reached == 0 || !is_vertex(vertices_[i])) return kept;
        if (is_start(i)) {
            kept.entries[kept.count++] = 2 * i + 1;
            return kept;
        }
        if (!is_simplified_) {
            if (vertices_[i] != vertices_[i - 1]) kept.entries[kept.count++] = 2 * i;
            return kept;
        }
        if (!is_seed(i)) return kept;
        std::int64_t next = 0;
        const Run run = reached > 1 ? shared_.long_runs[reached - 2] : lone_run(i, next);
        std::int64_t drawn[3];
        int count = run.vertices(run.last == last_vertex_, drawn);
        if (count > 1 && vertices_[drawn[count - 1]] == vertices_[drawn[count - 2]]) --count;
        for (int k = 0; k < count; ++k) kept.entries[kept.count++] = 2 * drawn[k];
        return kept;
    }

    const Point* vertices_;
    Part part_;
    Shared shared_;
    bool is_simplified_;
    std::int64_t last_vertex_;
};

}  // namespace cuda_build / simt_build
}  // namespace balmer::render::line_plot
