// Line plots on the device, bit for bit as line_plot_cpu.cpp: the same operations in f64 without
// contraction, and sums of integers, whose order does not matter.
//
// Four launches for a group of spectra, so many that every multiprocessor has some:
//   place     a block a spectrum: limits of the axes, vertices in pixels of the image
//   simplify  a block a line: a thread finds the run from each vertex, as if one began there; one
//             thread follows the chain of those that do, in shared memory; their vertices are
//             written out in order
//   stroke    a thread a vertex that is left: its corners, and the edges from there to the next
//             vertex, into the cells by integer atomics
//   colour    a warp a row of the image: sums of cover by shuffles, blending, the output's layout
//
// By arithmetic, at 224 px and 4691 pixels, noise the worst case: 56 KB of flux and wavelength read
// and 301 KB of bf16 written; 401 KB of cells for each line, cleared, added to and read: 1.6 MB in
// all, 0.4 us at 4.3 TB/s where nothing stays in the L2 cache. Simplify makes 64 x 20 operations in
// f64 a pixel at most (6 MFLOP, 0.2 us at 34 TFLOP/s), mostly a tenth of that; its chain is serial,
// some 2000 steps of 30 cycles, 35 us that all lines of the group share. 60,000 to 270,000 atomics,
// each mostly on its own cell, are 0.4 to 1.7 us at one a cycle and slice of L2.

#include "render/line_plot/line_plot_cuda.h"

#include "kernels/core/buffer.h"
#include "kernels/core/transfer.h"
#include "render/device_image.cuh"
#include "render/line_plot/cells.h"
#include "render/line_plot/line_simplifier.cuh"
#include "render/line_plot/stroke.h"

namespace balmer::render {
namespace {

using namespace line_plot;

constexpr int stroke_threads = 128;
constexpr int stroke_blocks = 8;  // a line
constexpr int colour_warps = 4;
constexpr PackedPixel white = 0xFFFFFF;
constexpr std::int64_t group_bytes = 128LL << 20U;  // of scratch memory: 250 spectra

/// Scratch memory of a group of spectra.
struct Scratch {
    Point* vertices;      // [images, width] in pixels of the image; x NaN: no vertex
    std::int64_t* kept;   // [images, width]: 2 * vertex, + 1 where a subpath starts, by line
    std::int64_t* count;  // [images, parts] of them
    CellSum* cells;       // [images, parts, side, side]
    std::int64_t first;   // the group's first spectrum
    std::int64_t width;
    int parts;
    int side;

    __device__ bool is_overlap() const { return parts > 1; }
    __device__ Point* row(std::int64_t image) const { return vertices + image * width; }
};

/// Calls body(part, abscissa, i) for every pixel i of the row, the block's threads side by side.
template <class Body>
__device__ void for_each_pixel(const DeviceRow& row, const Scratch& scratch, const Body& body) {
    for (int index = 0; index < scratch.parts; ++index) {
        const Part part = split(row.pixels, scratch.parts, index);
        const PartAbscissa abscissa(row.wavelength, part, scratch.is_overlap());
        for (std::int64_t i = part.begin + threadIdx.x; i < part.end; i += threads) {
            body(abscissa, i);
        }
    }
}

__global__ void __launch_bounds__(threads) place_kernel(DeviceBatch batch, Scratch scratch) {
    SharedMemory shared;
    double* choices = shared.array<double>(warps);
    const DeviceRow row = batch.row(scratch.first + blockIdx.x);
    Point* vertices = scratch.row(blockIdx.x);
    const auto is_good = [&](double x, std::int64_t i) {
        return !row.is_masked(i) && is_finite(row.flux[i]) && is_real(x);
    };
    Limits x_limits;
    Limits y_limits;
    for_each_pixel(row, scratch, [&](const PartAbscissa& abscissa, std::int64_t i) {
        const double x = abscissa(i);
        if (!is_good(x, i)) return;
        x_limits.include(x);
        y_limits.include(row.flux[i]);
    });
    x_limits.low = block_choice(x_limits.low, choices, Lower{});
    x_limits.high = block_choice(x_limits.high, choices, Higher{});
    y_limits.low = block_choice(y_limits.low, choices, Lower{});
    y_limits.high = block_choice(y_limits.high, choices, Higher{});
    const Axis x_axis = horizontal_axis(x_limits, scratch.side);
    const Axis y_axis = vertical_axis(y_limits, scratch.side);
    const double nan = NAN;
    for_each_pixel(row, scratch, [&](const PartAbscissa& abscissa, std::int64_t i) {
        const double x = abscissa(i);
        vertices[i] = is_good(x, i) ? Point{x_axis(x), y_axis(row.flux[i])} : Point{nan, nan};
    });
    for (int index = 0; index < scratch.parts; ++index) {
        const Part part = split(row.pixels, scratch.parts, index);
        if (part.pixels() > most_snapped_pixels) continue;
        __syncthreads();
        int is_free = 0;
        for (std::int64_t i = part.begin + 1 + threadIdx.x; i < part.end; i += threads) {
            const Point a = vertices[i - 1];
            const Point b = vertices[i];
            if (is_vertex(a) && is_vertex(b) && !is_rectilinear(a, b)) is_free = 1;
        }
        if (__syncthreads_or(is_free) != 0) continue;
        for (std::int64_t i = part.begin + threadIdx.x; i < part.end; i += threads) {
            const Point point = vertices[i];
            if (is_vertex(point)) vertices[i] = {snapped(point.x), snapped(point.y)};
        }
    }
}

__global__ void __launch_bounds__(threads) simplify_kernel(DeviceBatch batch, Scratch scratch) {
    SharedMemory memory;
    const Simplifier::Shared shared(memory);
    const std::int64_t image = blockIdx.x / scratch.parts;
    const int index = static_cast<int>(blockIdx.x % scratch.parts);
    const Part part = split(batch.pixels(scratch.first + image), scratch.parts, index);
    Simplifier simplifier(scratch.row(image), part, shared);
    const std::int64_t count = simplifier.write(scratch.kept + image * scratch.width + part.begin);
    if (threadIdx.x == 0) scratch.count[blockIdx.x] = count;
}

struct AtomicSink {
    CellSum* cells;
    int side;
    // Called from constexpr functions, which nvcc compiles for the host too.
#ifdef __CUDACC__
#pragma nv_exec_check_disable
#endif
    __host__ __device__ void add(int row, int column, CellSum sum) const {
        atomicAdd(cells + row * side + column, sum);
    }
};

/// The polygon around the vertices of a block: the left side forwards and the right side backwards,
/// up to four points each. At an end of a subpath the left side is the cap. Point i of thread t
/// lies at i * stroke_threads + t.
struct Outlines {
    GridPoint* left;
    GridPoint* right;
    int* right_counts;  // by thread

    __device__ explicit Outlines(SharedMemory& memory)
        : left(memory.array<GridPoint>(4 * stroke_threads)),
          right(memory.array<GridPoint>(4 * stroke_threads)),
          right_counts(memory.array<int>(stroke_threads)) {}
    static std::size_t bytes() {
        return 2 * shared_bytes_of(4 * stroke_threads * sizeof(GridPoint)) +
               shared_bytes_of(stroke_threads * sizeof(int));
    }

    __device__ static int take(GridPoint* points, const Corner& corner) {
        BALMER_UNROLL
        for (int i = 0; i < 4; ++i) {
            if (i < corner.count) {
                points[i * stroke_threads + threadIdx.x] = to_grid(corner.points[i]);
            }
        }
        return corner.count;
    }
};

/// What a thread knows of its vertex: how many points lie left and right of it; none: nothing is
/// drawn of it.
struct VertexOutline {
    int left = 0;
    int right = 0;
    bool is_end = true;  // of its subpath

    /// Draws vertex k into `outlines`.
    __device__ VertexOutline(const Outlines& outlines, const Point* vertices,
                             const std::int64_t* kept, std::int64_t count, std::int64_t k) {
        if (k >= count) return;
        const bool is_start = kept[k] % 2 != 0;
        is_end = k + 1 == count || kept[k + 1] % 2 != 0;
        if (is_start && is_end) return;
        const Point here = vertices[kept[k] / 2];
        const Point before = is_start ? here : vertices[kept[k - 1] / 2];
        const Point after = is_end ? here : vertices[kept[k + 1] / 2];
        const unsigned t = threadIdx.x;
        if (is_start || is_end) {
            const Segment out = is_start ? Segment(here, after) : Segment(before, here).reversed();
            left = outlines.take(outlines.left, cap_of(here, out));
            right = 1;
            outlines.right[t] = outlines.left[is_start ? t : stroke_threads + t];
        } else {
            const Segment in(before, here);
            const Segment out(here, after);
            left = outlines.take(outlines.left, corner_of(before, here, after, in, out));
            right = outlines.take(outlines.right,
                                  corner_of(after, here, before, out.reversed(), in.reversed()));
        }
        outlines.right_counts[t] = right;
    }
};

/// Thread t of a block draws the t-th vertex of a stretch and the edges to the next one, of which
/// thread t + 1 knows the outline; the last thread draws nothing.
__global__ void __launch_bounds__(stroke_threads)
    stroke_kernel(DeviceBatch batch, Scratch scratch) {
    SharedMemory memory;
    const Outlines outlines(memory);
    const std::int64_t line = blockIdx.x / stroke_blocks;
    const std::int64_t image = line / scratch.parts;
    const Part part = split(batch.pixels(scratch.first + image), scratch.parts,
                            static_cast<int>(line % scratch.parts));
    const Point* vertices = scratch.row(image);
    const std::int64_t* kept = scratch.kept + image * scratch.width + part.begin;
    const std::int64_t count = scratch.count[line];
    const std::int64_t cells = std::int64_t{scratch.side} * scratch.side;
    const CellGrid<AtomicSink> grid{{scratch.cells + line * cells, scratch.side}, scratch.side};
    constexpr int stretch = stroke_threads - 1;
    const int t = static_cast<int>(threadIdx.x);
    for (std::int64_t begin = blockIdx.x % stroke_blocks * stretch; begin < count;
         begin += stroke_blocks * stretch) {
        const VertexOutline own(outlines, vertices, kept, count, begin + t);
        __syncthreads();
        const bool is_drawn = t < stretch && own.left > 0;
        // The two long edges first, so that the threads of a warp draw them together; then up to
        // three around the vertex on each side.
        for (int edge = 0; is_drawn && edge < 8; ++edge) {
            if (edge < 2) {
                if (own.is_end) continue;
                const int right_of_next = outlines.right_counts[t + 1] - 1;
                const GridPoint from = edge == 0
                                           ? outlines.left[(own.left - 1) * stroke_threads + t]
                                           : outlines.right[right_of_next * stroke_threads + t + 1];
                add_edge(grid, from, edge == 0 ? outlines.left[t + 1] : outlines.right[t]);
                continue;
            }
            const bool is_left = edge < 5;
            const int i = (edge - 2) % 3;
            if (i + 1 >= (is_left ? own.left : own.right)) continue;
            const GridPoint* from =
                (is_left ? outlines.left : outlines.right) + i * stroke_threads + t;
            add_edge(grid, from[0], from[stroke_threads]);
        }
        __syncthreads();
    }
}

/// What lies on the white figure, from below.
struct Inks {
    Ink inks[overlap_parts];
};

template <class T>
__global__ void __launch_bounds__(colour_warps* lanes_per_warp)
    colour_kernel(DeviceImage<T> output, Scratch scratch, Inks inks) {
    SharedMemory memory;
    T* lines = memory.array<T>(colour_warps * 3 * output.side);
    const int side = scratch.side;
    const int blocks_per_image = (side + colour_warps - 1) / colour_warps;
    const std::int64_t image = blockIdx.x / blocks_per_image;
    const int top = static_cast<int>(blockIdx.x % blocks_per_image) * colour_warps;
    const int lane = static_cast<int>(threadIdx.x) % lanes_per_warp;
    const int warp = static_cast<int>(threadIdx.x) / lanes_per_warp;
    const int y = top + warp;
    T* line = lines + warp * 3 * side;
    std::uint32_t covers[overlap_parts] = {};
    for (int begin = 0; begin < side && y < side; begin += lanes_per_warp) {
        const int x = begin + lane;
        PackedPixel pixel = white;
        BALMER_UNROLL
        for (int part = 0; part < overlap_parts; ++part) {
            if (part >= scratch.parts) break;
            const CellSum* row = scratch.cells + ((image * scratch.parts + part) * side + y) * side;
            const CellSum sum = x < side ? row[x] : 0;
            std::uint32_t cover = cover_of(sum);
            BALMER_UNROLL
            for (int distance = 1; distance < lanes_per_warp; distance *= 2) {
                const std::uint32_t before = __shfl_up_sync(full_warp, cover, distance);
                if (lane >= distance) cover += before;
            }
            cover += covers[part];
            covers[part] = __shfl_sync(full_warp, cover, lanes_per_warp - 1);
            const std::uint32_t covered = coverage(cover, area_of(sum));
            if (covered == 0) continue;
            const Ink& ink = inks.inks[part];
            PackedPixel result = 0;
            BALMER_UNROLL
            for (int c = 0; c < 3; ++c) {
                const PackedPixel under = pixel >> (8 * c) & 0xFFU;
                result |= blended(under, ink.levels[c], ink.opacity, covered) << (8 * c);
            }
            pixel = result;
        }
        if (x < side) output.put(line, x, pixel);
    }
    __syncthreads();
    for (int row = 0; row < colour_warps && top + row < side; ++row) {
        output.write(scratch.first + image, top + row, 1, lines + row * 3 * side);
    }
}

unsigned blocks(std::int64_t count) {
    return static_cast<unsigned>(count);
}

void draw(const char* name, const Context& context, const ImageRequest& request, int parts,
          const Inks& inks) {
    const std::int64_t images = request.batch.flux.shape[0];
    const std::int64_t width = request.batch.flux.shape[1];
    const int side = request.options.image_size;
    const std::int64_t cells = std::int64_t{parts} * side * side;
    const std::int64_t image_bytes =
        width * static_cast<std::int64_t>(sizeof(Point) + sizeof(std::int64_t)) +
        cells * static_cast<std::int64_t>(sizeof(CellSum));
    const std::int64_t group =
        std::min(images, std::max<std::int64_t>(1, group_bytes / image_bytes));
    const auto bytes = [&](std::int64_t count, std::size_t size) {
        return static_cast<std::size_t>(group * count) * size;
    };
    const Buffer vertices(context, bytes(width, sizeof(Point)));
    const Buffer kept(context, bytes(width, sizeof(std::int64_t)));
    const Buffer counts(context, bytes(parts, sizeof(std::int64_t)));
    const Buffer sums(context, bytes(cells, sizeof(CellSum)));
    const DeviceBatch batch = device_batch(request);
    Scratch scratch{static_cast<Point*>(vertices.data()),
                    static_cast<std::int64_t*>(kept.data()),
                    static_cast<std::int64_t*>(counts.data()),
                    static_cast<CellSum*>(sums.data()),
                    0,
                    width,
                    parts,
                    side};
    for (; scratch.first < images; scratch.first += group) {
        const std::int64_t count = std::min(group, images - scratch.first);
        fill_bytes(context, sums.data(), 0,
                   static_cast<std::size_t>(count * cells) * sizeof(CellSum));
        launch(name, context, place_kernel,
               {{blocks(count)}, threads, shared_bytes_of(warps * sizeof(double))}, batch, scratch);
        launch(name, context, simplify_kernel,
               {{blocks(count * parts)}, threads, Simplifier::Shared::bytes()}, batch, scratch);
        launch(name, context, stroke_kernel,
               {{blocks(count * parts * stroke_blocks)}, stroke_threads, Outlines::bytes()}, batch,
               scratch);
        dispatch_output(request, [&](auto tag) {
            using T = typename decltype(tag)::type;
            launch(name, context, colour_kernel<T>,
                   {{blocks(count * ((side + colour_warps - 1) / colour_warps))},
                    colour_warps * lanes_per_warp,
                    shared_bytes_of(std::size_t{colour_warps} * 3 * side * sizeof(T))},
                   device_image<T>(request), scratch, inks);
        });
    }
}

}  // namespace

template <DeviceType device>
std::string accepts_line_plot_device(const Context& context, const ImageRequest&) {
    return accepts_on(device, context, DType::f32);
}

template <DeviceType device>
void simple_device(const Context& context, const ImageRequest& request) {
    draw("simple", context, request, 1, {{simple_ink}});
}

template <DeviceType device>
void overlap_device(const Context& context, const ImageRequest& request) {
    draw("overlap", context, request, overlap_parts,
         {{overlap_inks[0], overlap_inks[1], overlap_inks[2]}});
}

template std::string accepts_line_plot_device<this_device>(const Context&, const ImageRequest&);
template void simple_device<this_device>(const Context&, const ImageRequest&);
template void overlap_device<this_device>(const Context&, const ImageRequest&);

}  // namespace balmer::render
