// Copies, casts and fills on the device. Three ways to copy:
//   * the same inner dimension contiguous on both sides: 16 bytes a thread of the wider type; views
//     of one layout collapse to one long row;
//   * x contiguous along another dimension than out: tiles through shared memory, so that both
//     sides are read and written along their own rows (64 x 64 elements of 1 and 2 bytes, 32 x 32
//     of larger ones: at least 64 bytes a row); rows of the tile are padded by 4 bytes, which puts
//     a column in 32 different banks;
//   * anything else element by element.
// Copies without conversion are kernels of the element's size, not of its type.

#include <cstring>

#include "kernels/core/choice.h"
#include "kernels/elementwise/elementwise_cuda.h"
#include "kernels/elementwise/elementwise_device.cuh"

namespace balmer::kernels {
namespace {

constexpr int threads = elementwise_threads;

template <class To, class From>
__device__ __forceinline__ To converted(From x) {
    if constexpr (std::is_same_v<To, From>) {
        return x;
    } else if constexpr (std::is_same_v<To, bfloat16>) {
        return from_float<bfloat16>(static_cast<float>(x));
    } else {
        return static_cast<To>(x);
    }
}

template <class From, class To, int width>
__global__ void __launch_bounds__(threads) copy_kernel(To* out, const From* x, Lattice<2> lattice) {
    const std::int64_t stride = std::int64_t{gridDim.x} * threads;
    for (std::int64_t i = std::int64_t{blockIdx.x} * threads + threadIdx.x; i < lattice.groups;
         i += stride) {
        const auto place = place_of<width>(lattice, i);
        const auto group = load_group<width>(x + place.offsets[1],
                                             lattice.strides[1][lattice.outer_rank], place.count);
        Group<To, width> result;
        BALMER_UNROLL
        for (int k = 0; k < width; ++k) result.values[k] = converted<To>(group.values[k]);
        store_group(out + place.offsets[0], result, place.count);
    }
}

template <class T, int width>
__global__ void __launch_bounds__(threads) fill_kernel(T* out, T value, Lattice<1> lattice) {
    Group<T, width> group;
    BALMER_UNROLL
    for (int k = 0; k < width; ++k) group.values[k] = value;
    const std::int64_t stride = std::int64_t{gridDim.x} * threads;
    for (std::int64_t i = std::int64_t{blockIdx.x} * threads + threadIdx.x; i < lattice.groups;
         i += stride) {
        const auto place = place_of<width>(lattice, i);
        store_group(out + place.offsets[0], group, place.count);
    }
}

/// A transposition [rows, columns] -> [columns, rows] as x and out lie in memory, for every index
/// of the other dimensions.
struct Transposition {
    std::int64_t rows;     ///< x is contiguous along these
    std::int64_t columns;  ///< out is contiguous along these
    std::int64_t row_bands;
    std::int64_t column_bands;
    std::int64_t tiles;
    std::int64_t out_step;  ///< from one row to the next
    std::int64_t x_step;    ///< from one column to the next
    int outer_rank;
    std::int64_t sizes[Shape::max_rank];
    std::int64_t strides[2][Shape::max_rank];
};

template <class T>
constexpr int tile_size = sizeof(T) <= 2 ? 64 : 32;
template <class T>
constexpr int tile_stride = tile_size<T> + (sizeof(T) < 4 ? 4 / sizeof(T) : 1);

template <class From, class To>
__global__ void __launch_bounds__(threads, 4)
    transpose_kernel(To* out, const From* x, Transposition shape) {
    constexpr int tile = tile_size<To>;
    constexpr int stride = tile_stride<To>;
    SharedMemory memory;
    To* values = memory.array<To>(tile * stride);  // [row][column]
    constexpr int step = threads / tile;
    const int along = static_cast<int>(threadIdx.x) % tile;
    const int across = static_cast<int>(threadIdx.x) / tile;
    for (std::int64_t task = blockIdx.x; task < shape.tiles; task += gridDim.x) {
        std::int64_t rest = task / shape.column_bands;
        const std::int64_t column = (task - rest * shape.column_bands) * tile;
        const std::int64_t row = rest % shape.row_bands * tile;
        rest /= shape.row_bands;
        To* target = out;
        const From* source = x;
        for (int i = shape.outer_rank - 1; i >= 0; --i) {
            const std::int64_t at = rest % shape.sizes[i];
            rest /= shape.sizes[i];
            target += at * shape.strides[0][i];
            source += at * shape.strides[1][i];
        }
        const bool is_row = row + along < shape.rows;
        source += row + along + column * shape.x_step;
        for (int i = across; i < tile; i += step) {
            if (is_row && column + i < shape.columns) {
                values[along * stride + i] = converted<To>(source[i * shape.x_step]);
            }
        }
        __syncthreads();
        const bool is_column = column + along < shape.columns;
        target += column + along + row * shape.out_step;
        for (int i = across; i < tile; i += step) {
            if (is_column && row + i < shape.rows) {
                target[i * shape.out_step] = values[i * stride + along];
            }
        }
        __syncthreads();
    }
}

template <class From, class To>
void transpose(const Context& context, To* out, const From* x, const StridedLoop<2>& loop,
               int row) {
    constexpr int tile = tile_size<To>;
    const int inner = loop.rank() - 1;
    Transposition shape{};
    shape.rows = loop.size(row);
    shape.columns = loop.size(inner);
    shape.row_bands = (shape.rows + tile - 1) / tile;
    shape.column_bands = (shape.columns + tile - 1) / tile;
    shape.tiles = loop.numel() / shape.rows / shape.columns * shape.row_bands * shape.column_bands;
    shape.out_step = loop.strides(row)[0];
    shape.x_step = loop.strides(inner)[1];
    for (int i = 0; i < inner; ++i) {
        if (i == row) continue;
        shape.sizes[shape.outer_rank] = loop.size(i);
        for (std::size_t v = 0; v < 2; ++v) {
            shape.strides[v][shape.outer_rank] = loop.strides(i)[v];
        }
        ++shape.outer_rank;
    }
    const LaunchShape launch_shape{
        {static_cast<unsigned>(std::min<std::int64_t>(shape.tiles, 65536))},
        threads,
        shared_bytes_of(sizeof(To) * tile * tile_stride<To>)};
    launch("copy", context, transpose_kernel<From, To>, launch_shape, out, x, shape);
}

/// Transpositions that convert are kernels of their own between f32 and bf16 only; others go
/// element by element.
template <class From, class To>
constexpr bool has_transposition = false;
template <class T>
constexpr bool has_transposition<T, T> = true;
template <>
constexpr bool has_transposition<float, bfloat16> = true;
template <>
constexpr bool has_transposition<bfloat16, float> = true;

template <class From, class To>
void copy_as(const Context& context, const Copy& arguments) {
    To* out = static_cast<To*>(arguments.out.data);
    const From* x = static_cast<const From*>(arguments.x.data);
    const StridedLoop<2> loop({arguments.out, arguments.x});
    if (loop.numel() == 0) return;
    if constexpr (has_transposition<From, To>) {
        const int row = transposed_dimension(loop);
        if (row >= 0) return transpose(context, out, x, loop, row);
    }
    constexpr int vector = 16 / std::max(sizeof(From), sizeof(To));
    const bool fits = has_groups<2>(loop, {arguments.out, arguments.x}, vector);
    const auto lattice = lattice_of(loop, fits ? vector : 1);
    launch("copy", context, fits ? copy_kernel<From, To, vector> : copy_kernel<From, To, 1>,
           shape_of(lattice), out, x, lattice);
}

/// Calls `body` with the unsigned type of a dtype's size.
template <class Body>
void dispatch_size(DType dtype, const Body& body) {
    switch (size_of(dtype)) {
        case 1:
            return body(type_tag<std::uint8_t>{});
        case 2:
            return body(type_tag<std::uint16_t>{});
        case 4:
            return body(type_tag<std::uint32_t>{});
        default:
            return body(type_tag<std::uint64_t>{});
    }
}

}  // namespace

template <DeviceType device>
std::string accepts_copy_device(const Context& context, const Copy&) {
    return accepts_on(device, context, DType::f32);  // and every other dtype
}
template <DeviceType device>
void copy_device(const Context& context, const Copy& arguments) {
    if (arguments.x.dtype == arguments.out.dtype) {
        return dispatch_size(arguments.x.dtype, [&](auto tag) {
            using T = typename decltype(tag)::type;
            copy_as<T, T>(context, arguments);
        });
    }
    dispatch_all(arguments.x.dtype, [&](auto from) {
        dispatch_all(arguments.out.dtype, [&](auto to) {
            using From = typename decltype(from)::type;
            using To = typename decltype(to)::type;
            if constexpr (!std::is_same_v<From, To>) copy_as<From, To>(context, arguments);
        });
    });
}

template <DeviceType device>
std::string accepts_fill_device(const Context& context, const Fill&) {
    return accepts_on(device, context, DType::f32);  // and every other dtype
}
template <DeviceType device>
void fill_device(const Context& context, const Fill& arguments) {
    std::uint64_t bits = 0;
    dispatch_all(arguments.out.dtype, [&](auto tag) {
        const auto value = static_cast<typename decltype(tag)::type>(arguments.value);
        std::memcpy(&bits, &value, sizeof(value));
    });
    dispatch_size(arguments.out.dtype, [&](auto tag) {
        using T = typename decltype(tag)::type;
        constexpr int vector = 16 / sizeof(T);
        const StridedLoop<1> loop({arguments.out});
        const bool fits = has_groups<1>(loop, {arguments.out}, vector);
        const auto lattice = lattice_of(loop, fits ? vector : 1);
        launch("fill", context, fits ? fill_kernel<T, vector> : fill_kernel<T, 1>,
               shape_of(lattice), static_cast<T*>(arguments.out.data), static_cast<T>(bits),
               lattice);
    });
}

template std::string accepts_copy_device<this_device>(const Context&, const Copy&);
template void copy_device<this_device>(const Context&, const Copy&);
template std::string accepts_fill_device<this_device>(const Context&, const Fill&);
template void fill_device<this_device>(const Context&, const Fill&);

}  // namespace balmer::kernels
