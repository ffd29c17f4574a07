#pragma once
// How device kernels walk over the elements of several views of one shape and any strides: a thread
// takes a group of `width` neighbours along the innermost dimension of the output.

#include "kernels/core/device_code.cuh"
#include "kernels/core/strided_loop.h"

namespace balmer::kernels {
#if defined(__CUDACC__)
inline namespace cuda_build {
#else
inline namespace simt_build {
#endif

inline constexpr int elementwise_threads = 256;

/// The dimensions of a StridedLoop over N views, and how many groups they make.
template <std::size_t N>
struct Lattice {
    int outer_rank;  ///< dimensions without the innermost
    std::int64_t row;
    std::int64_t groups_in_row;
    std::int64_t groups;
    std::int64_t sizes[Shape::max_rank];
    std::int64_t strides[N][Shape::max_rank];
};

template <std::size_t N>
Lattice<N> lattice_of(const StridedLoop<N>& loop, int width) {
    Lattice<N> lattice{};
    lattice.outer_rank = loop.rank() - 1;
    lattice.row = loop.size(lattice.outer_rank);
    lattice.groups_in_row = (lattice.row + width - 1) / width;
    lattice.groups = lattice.row == 0 ? 0 : loop.numel() / lattice.row * lattice.groups_in_row;
    for (int i = 0; i < loop.rank(); ++i) {
        lattice.sizes[i] = loop.size(i);
        for (std::size_t v = 0; v < N; ++v) lattice.strides[v][i] = loop.strides(i)[v];
    }
    return lattice;
}

/// True where groups of `width` elements of every view are one aligned access, or one element
/// repeated (of inputs; views[0] is the output).
template <std::size_t N>
bool has_groups(const StridedLoop<N>& loop, const std::array<View, N>& views, int width) {
    const int inner = loop.rank() - 1;
    if (loop.size(inner) < width) return false;
    for (std::size_t v = 0; v < N; ++v) {
        const std::int64_t step = loop.strides(inner)[v];
        if (step == 0 && v > 0) continue;
        const auto address = reinterpret_cast<std::uintptr_t>(views[v].data);
        if (step != 1 || address % (size_of(views[v].dtype) * width) != 0) return false;
        for (int i = 0; i < inner; ++i) {
            if (loop.strides(i)[v] % width != 0) return false;
        }
    }
    return true;
}

template <std::size_t N>
LaunchShape shape_of(const Lattice<N>& lattice) {
    const std::int64_t blocks = (lattice.groups + elementwise_threads - 1) / elementwise_threads;
    return {{static_cast<unsigned>(std::min<std::int64_t>(blocks, 16384))}, elementwise_threads};
}

/// Where a group begins in each view, and how many of its elements exist.
template <std::size_t N>
struct Place {
    std::int64_t offsets[N];
    int count;
};

template <int width, std::size_t N>
__device__ __forceinline__ Place<N> place_of(const Lattice<N>& lattice, std::int64_t group) {
    const int inner = lattice.outer_rank;
    std::int64_t rest = inner == 0 ? 0 : group / lattice.groups_in_row;
    const std::int64_t column = (group - rest * lattice.groups_in_row) * width;
    Place<N> place;
    place.count = width == 1 || lattice.row - column >= width
                      ? width
                      : static_cast<int>(lattice.row - column);
    BALMER_UNROLL
    for (std::size_t v = 0; v < N; ++v) place.offsets[v] = column * lattice.strides[v][inner];
    for (int i = inner - 1; i >= 0; --i) {
        const std::int64_t outer = i == 0 ? 0 : rest / lattice.sizes[i];
        const std::int64_t at = rest - outer * lattice.sizes[i];
        rest = outer;
        BALMER_UNROLL
        for (std::size_t v = 0; v < N; ++v) place.offsets[v] += at * lattice.strides[v][i];
    }
    return place;
}

template <int width, class T>
__device__ __forceinline__ Group<T, width> load_group(const T* x, std::int64_t stride, int count) {
    if constexpr (width == 1) {
        return Group<T, 1>{*x};
    } else {
        if (stride == 1 && count == width) return *reinterpret_cast<const Group<T, width>*>(x);
        Group<T, width> group;
        BALMER_UNROLL
        for (int k = 0; k < width; ++k) group.values[k] = x[k < count ? k * stride : 0];
        return group;
    }
}

template <int width, class T>
__device__ __forceinline__ void store_group(T* x, const Group<T, width>& group, int count) {
    if (count == width) {
        *reinterpret_cast<Group<T, width>*>(x) = group;
        return;
    }
    BALMER_UNROLL
    for (int k = 0; k < width; ++k) {
        if (k < count) x[k] = group.values[k];
    }
}

}  // namespace cuda_build / simt_build
}  // namespace balmer::kernels
