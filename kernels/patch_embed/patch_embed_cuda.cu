// Patch embedding on the device.
//
// Forward: one pass. Patches are read from the image where they lie, multiplied
// (patch_product.cuh), and bias, position and the first tokens are added on the way out, so that a
// bf16 224 x 224 image costs 301 KB in and 303 KB out, and no patch rows or sums in between. 0.23
// GFLOP for these 0.6 MB: the product is what takes time.
//
// Backward: position_gradient sums out_gradient over the batch; its first row is cls_gradient, and
// the sum of its others bias_gradient, so that the gradient is read once for all three. The weight
// gradient, few tiles but many patches, is split along the patches until the tiles of all splits
// fill the device twice over; a second pass adds the splits in order. Nothing depends on the device
// or on the order of blocks.

#include "kernels/core/buffer.h"
#include "kernels/core/choice.h"
#include "kernels/patch_embed/patch_embed_cuda.h"
#include "kernels/patch_embed/patch_product_fma.cuh"
#include "kernels/patch_embed/patch_product_mma.cuh"

namespace balmer::kernels {
namespace {

constexpr int threads = 256;
constexpr int warps = threads / lanes_per_warp;
constexpr std::int64_t most_rows = std::int64_t{1} << 30;

/// out[j] = sum over i of x [rows, columns]; the first `first_columns` also go to `first`. A block
/// sums 32 * width columns, each warp every 8th row.
template <class T, int width>
__global__ void __launch_bounds__(threads)
    column_sum_kernel(float* out, float* first, std::int64_t first_columns, const T* x,
                      std::int64_t rows, std::int64_t columns) {
    constexpr int block_columns = lanes_per_warp * width;
    SharedMemory memory;
    float* partial = memory.array<float>(warps * block_columns);  // [warp][column]
    const int warp = static_cast<int>(threadIdx.x) / lanes_per_warp;
    const int lane = static_cast<int>(threadIdx.x) % lanes_per_warp;
    const std::int64_t begin = std::int64_t{blockIdx.x} * block_columns;
    const std::int64_t column = begin + lane * width;
    float sums[width] = {};
    if (column < columns) {
        for (std::int64_t row = warp; row < rows; row += warps) {
            const auto group =
                *reinterpret_cast<const Group<T, width>*>(x + row * columns + column);
            BALMER_UNROLL
            for (int k = 0; k < width; ++k) sums[k] += to_float(group.values[k]);
        }
    }
    BALMER_UNROLL
    for (int k = 0; k < width; ++k) partial[warp * block_columns + lane * width + k] = sums[k];
    __syncthreads();
    for (int i = static_cast<int>(threadIdx.x); i < block_columns && begin + i < columns;
         i += threads) {
        float sum = partial[i];
        BALMER_UNROLL
        for (int w = 1; w < warps; ++w) sum += partial[w * block_columns + i];
        out[begin + i] = sum;
        if (begin + i < first_columns) first[begin + i] = sum;
    }
}

template <class T, int width>
__global__ void __launch_bounds__(threads)
    extract_kernel(T* out, Matrix image, std::int64_t groups, unsigned groups_in_row) {
    const T* data = static_cast<const T*>(image.data);
    const std::int64_t stride = std::int64_t{gridDim.x} * threads;
    for (std::int64_t i = std::int64_t{blockIdx.x} * threads + threadIdx.x; i < groups;
         i += stride) {
        const std::int64_t row = i / groups_in_row;
        const auto column = static_cast<unsigned>(i - row * groups_in_row) * width;
        const std::int64_t offset = Cursor(image.rows, static_cast<unsigned>(row)).offset() +
                                    Cursor(image.columns, column).offset();
        reinterpret_cast<Group<T, width>*>(out)[i] =
            *reinterpret_cast<const Group<T, width>*>(data + offset);
    }
}

struct Sizes {
    std::int64_t batch;
    std::int64_t patches;  ///< of one image
    std::int64_t length;   ///< elements of a patch
};

Sizes sizes_of(const View& image, std::int64_t patch) {
    const Shape& shape = image.shape;
    if (shape.rank() == 3) return {shape[0], shape[1], shape[2]};
    return {shape[0], shape[2] / patch * (shape[3] / patch), shape[1] * patch * patch};
}

unsigned size_for_device(std::int64_t size) {
    return static_cast<unsigned>(std::max<std::int64_t>(size, 1));
}

Axis plain_axis(std::int64_t size, std::int64_t stride) {
    return {.inner_size = size_for_device(size), .inner_stride = stride};
}

/// The patches of an image, or patch rows.
Matrix patch_matrix(const View& image, std::int64_t patch) {
    const Sizes sizes = sizes_of(image, patch);
    if (image.shape.rank() == 3) {
        return {image.data, plain_axis(sizes.batch * sizes.patches, sizes.length),
                plain_axis(sizes.length, 1)};
    }
    const std::int64_t height = image.shape[2];
    const std::int64_t width = image.shape[3];
    return {image.data,
            {.inner_size = size_for_device(width / patch),
             .middle_size = size_for_device(height / patch),
             .inner_stride = patch,
             .middle_stride = patch * width,
             .outer_stride = image.shape[1] * height * width},
            {.inner_size = size_for_device(patch),
             .middle_size = size_for_device(patch),
             .inner_stride = 1,
             .middle_stride = width,
             .outer_stride = height * width}};
}

/// The tokens [B, 1 + N, C] without the first ones.
Matrix token_matrix(const View& tokens) {
    const std::int64_t width = tokens.shape[2];
    return {static_cast<char*>(tokens.data) + width * size_of(tokens.dtype),
            {.inner_size = size_for_device(tokens.shape[1] - 1),
             .inner_stride = width,
             .outer_stride = tokens.shape[1] * width},
            plain_axis(width, 1)};
}

Matrix weight_matrix(const View& weight) {
    return {weight.data, plain_axis(weight.shape[0], weight.shape[1]),
            plain_axis(weight.shape[1], 1)};
}

template <ProductKind kind, class T, bool is_mma>
void run_product(const char* name, const Context& context, const Product& product, int splits) {
    constexpr unsigned tile = is_mma ? mma_tile : fma_tile;
    LaunchShape shape;
    shape.grid = {(product.m + tile - 1) / tile * ((product.n + tile - 1) / tile),
                  static_cast<unsigned>(splits)};
    shape.threads = product_threads;
    if constexpr (is_mma) {
        shape.shared_bytes = shared_bytes_of(mma_shared_elements * sizeof(bfloat16));
        launch(name, context, product_mma_kernel<kind>, shape, product);
    } else {
        shape.shared_bytes = 2 * shared_bytes_of(fma_elements * sizeof(float));
        launch(name, context, product_fma_kernel<kind, T>, shape, product);
    }
}

bool is_aligned(const View& view) {
    return reinterpret_cast<std::uintptr_t>(view.data) % 16 == 0;
}

/// out [columns] = the sums of x [rows, columns].
template <class T>
void column_sum(const char* name, const Context& context, float* out, float* first,
                std::int64_t first_columns, const T* x, std::int64_t rows, std::int64_t columns) {
    constexpr int vector = 16 / sizeof(T);
    const bool fits = columns % vector == 0 && reinterpret_cast<std::uintptr_t>(x) % 16 == 0;
    const int block_columns = lanes_per_warp * (fits ? vector : 1);
    const LaunchShape shape{{static_cast<unsigned>((columns + block_columns - 1) / block_columns)},
                            threads,
                            shared_bytes_of(sizeof(float) * warps * block_columns)};
    launch(name, context, fits ? column_sum_kernel<T, vector> : column_sum_kernel<T, 1>, shape, out,
           first, first_columns, x, rows, columns);
}

template <class T, bool is_mma>
void forward(const Context& context, const PatchEmbedForward& arguments) {
    const Sizes sizes = sizes_of(arguments.image, arguments.patch_size);
    Product product;
    product.a = patch_matrix(arguments.image, arguments.patch_size);
    product.b = weight_matrix(arguments.weight);
    product.d = token_matrix(arguments.out);
    product.m = static_cast<unsigned>(sizes.batch * sizes.patches);
    product.n = static_cast<unsigned>(arguments.weight.shape[0]);
    product.k = static_cast<unsigned>(sizes.length);
    product.k_of_split = product.k;
    product.patches = static_cast<unsigned>(sizes.patches);
    product.bias = arguments.bias.as<float>();
    product.cls = arguments.cls.as<float>();
    product.position = arguments.position.as<float>();
    run_product<ProductKind::forward, T, is_mma>("patch_embed", context, product, 1);
}

template <class T, bool is_mma>
void weight_gradient(const Context& context, const PatchEmbedBackward& arguments) {
    constexpr const char* name = "patch_embed_backward: weight";
    constexpr std::int64_t tile = is_mma ? mma_tile : fma_tile;
    constexpr std::int64_t wanted_blocks = 264;  // two for each of an H100's 132 multiprocessors
    constexpr std::int64_t least_rows = 256;
    const Sizes sizes = sizes_of(arguments.image, arguments.patch_size);
    const std::int64_t width = arguments.weight.shape[0];
    const std::int64_t rows = sizes.batch * sizes.patches;
    const std::int64_t tiles = (width + tile - 1) / tile * ((sizes.length + tile - 1) / tile);
    const std::int64_t wanted = wanted_blocks / std::max<std::int64_t>(tiles, 1) + 1;
    const std::int64_t share =
        std::max(least_rows, (rows + wanted - 1) / wanted + mma_step - 1) / mma_step * mma_step;
    const std::int64_t splits = std::max<std::int64_t>(1, (rows + share - 1) / share);
    Buffer partial;
    if (splits > 1) {
        partial = Buffer(context,
                         sizeof(float) * static_cast<std::size_t>(splits * width * sizes.length));
    }
    float* target = arguments.weight_gradient.as<float>();
    Product product;
    product.a = token_matrix(arguments.out_gradient);
    product.b = patch_matrix(arguments.image, arguments.patch_size);
    product.m = static_cast<unsigned>(width);
    product.n = static_cast<unsigned>(sizes.length);
    product.k = static_cast<unsigned>(rows);
    product.k_of_split = static_cast<unsigned>(share);
    product.partial = splits > 1 ? static_cast<float*>(partial.data()) : target;
    run_product<ProductKind::weight_gradient, T, is_mma>(name, context, product,
                                                         static_cast<int>(splits));
    if (splits > 1) {
        column_sum<float>(name, context, target, nullptr, 0, product.partial, splits,
                          width * sizes.length);
    }
}

template <class T, bool is_mma>
void backward(const Context& context, const PatchEmbedBackward& arguments) {
    const Sizes sizes = sizes_of(arguments.image, arguments.patch_size);
    const std::int64_t width = arguments.weight.shape[0];
    float* position = arguments.position_gradient.as<float>();
    column_sum<T>("patch_embed_backward: position", context, position,
                  arguments.cls_gradient.as<float>(), width, arguments.out_gradient.as<T>(),
                  sizes.batch, (1 + sizes.patches) * width);
    column_sum<float>("patch_embed_backward: bias", context, arguments.bias_gradient.as<float>(),
                      nullptr, 0, position + width, sizes.patches, width);
    weight_gradient<T, is_mma>(context, arguments);
    if (!arguments.image_gradient) return;
    Product product;
    product.a = token_matrix(arguments.out_gradient);
    product.b = weight_matrix(arguments.weight);
    product.d = patch_matrix(arguments.image_gradient, arguments.patch_size);
    product.m = static_cast<unsigned>(sizes.batch * sizes.patches);
    product.n = static_cast<unsigned>(sizes.length);
    product.k = static_cast<unsigned>(width);
    product.k_of_split = product.k;
    run_product<ProductKind::image_gradient, T, is_mma>("patch_embed_backward: image", context,
                                                        product, 1);
}

std::string accepts_sizes(const View& image, std::int64_t patch, const View& weight) {
    const Sizes sizes = sizes_of(image, patch);
    if (sizes.patches == 0) return "needs at least one patch";
    if (sizes.batch * sizes.patches > most_rows || sizes.length > most_rows ||
        weight.shape[0] > most_rows) {
        return "takes at most 2^30 patches";
    }
    return "";
}

std::string accepts_mma(const View& image, std::int64_t patch, const View& weight) {
    if (image.dtype != DType::bf16) return "takes bf16 only";
    const bool fits = (image.shape.rank() == 3 || patch % 8 == 0) && weight.shape[0] % 8 == 0 &&
                      weight.shape[1] % 8 == 0;
    if (!fits) return "needs patches and widths that are multiples of 8";
    return is_aligned(image) && is_aligned(weight) ? "" : "needs operands aligned to 16 bytes";
}

std::string first_of(std::string reason, const std::string& next) {
    return reason.empty() ? next : reason;
}

template <class T, int width>
void extract(const Context& context, const ExtractPatches& arguments, const Sizes& sizes) {
    const std::int64_t groups = arguments.rows.numel() / width;
    const LaunchShape shape{
        {static_cast<unsigned>(std::min<std::int64_t>((groups + threads - 1) / threads, 16384))},
        threads};
    launch("extract_patches", context, extract_kernel<T, width>, shape, arguments.rows.as<T>(),
           patch_matrix(arguments.image, arguments.patch_size), groups,
           size_for_device(sizes.length / width));
}

}  // namespace

template <DeviceType device>
std::string accepts_patch_embed_device(const Context& context, const PatchEmbedForward& arguments) {
    return first_of(accepts_on(device, context, arguments.image.dtype),
                    accepts_sizes(arguments.image, arguments.patch_size, arguments.weight));
}
template <DeviceType device>
void patch_embed_device(const Context& context, const PatchEmbedForward& arguments) {
    if (arguments.image.dtype == DType::bf16) {
        forward<bfloat16, false>(context, arguments);
    } else {
        forward<float, false>(context, arguments);
    }
}

template <DeviceType device>
std::string accepts_patch_embed_mma(const Context& context, const PatchEmbedForward& arguments) {
    const bool aligned = is_aligned(arguments.bias) && is_aligned(arguments.cls) &&
                         is_aligned(arguments.position) && is_aligned(arguments.out);
    return first_of(accepts_patch_embed_device<device>(context, arguments),
                    first_of(accepts_mma(arguments.image, arguments.patch_size, arguments.weight),
                             aligned ? "" : "needs operands aligned to 16 bytes"));
}
template <DeviceType device>
void patch_embed_mma(const Context& context, const PatchEmbedForward& arguments) {
    forward<bfloat16, true>(context, arguments);
}

template <DeviceType device>
std::string accepts_patch_embed_backward_device(const Context& context,
                                                const PatchEmbedBackward& arguments) {
    return first_of(accepts_on(device, context, arguments.image.dtype),
                    accepts_sizes(arguments.image, arguments.patch_size, arguments.weight));
}
template <DeviceType device>
void patch_embed_backward_device(const Context& context, const PatchEmbedBackward& arguments) {
    if (arguments.image.dtype == DType::bf16) {
        backward<bfloat16, false>(context, arguments);
    } else {
        backward<float, false>(context, arguments);
    }
}

template <DeviceType device>
std::string accepts_patch_embed_backward_mma(const Context& context,
                                             const PatchEmbedBackward& arguments) {
    const bool aligned = is_aligned(arguments.out_gradient) &&
                         is_aligned(arguments.weight_gradient) &&
                         is_aligned(arguments.image_gradient);
    return first_of(accepts_patch_embed_backward_device<device>(context, arguments),
                    first_of(accepts_mma(arguments.image, arguments.patch_size, arguments.weight),
                             aligned ? "" : "needs operands aligned to 16 bytes"));
}
template <DeviceType device>
void patch_embed_backward_mma(const Context& context, const PatchEmbedBackward& arguments) {
    backward<bfloat16, true>(context, arguments);
}

template <DeviceType device>
std::string accepts_extract_patches_device(const Context& context,
                                           const ExtractPatches& arguments) {
    return first_of(
        accepts_on(device, context, arguments.image.dtype),
        arguments.rows.numel() > 0 &&
                sizes_of(arguments.image, arguments.patch_size).batch * arguments.rows.shape[1] >
                    most_rows
            ? "takes at most 2^30 patches"
            : "");
}
template <DeviceType device>
void extract_patches_device(const Context& context, const ExtractPatches& arguments) {
    const Sizes sizes = sizes_of(arguments.image, arguments.patch_size);
    const auto run = [&](auto tag) {
        using T = typename decltype(tag)::type;
        constexpr int vector = 16 / sizeof(T);
        const bool fits = arguments.patch_size % vector == 0 && is_aligned(arguments.image) &&
                          is_aligned(arguments.rows);
        fits ? extract<T, vector>(context, arguments, sizes)
             : extract<T, 1>(context, arguments, sizes);
    };
    if (arguments.image.dtype == DType::bf16) {
        run(type_tag<bfloat16>{});
    } else {
        run(type_tag<float>{});
    }
}

template std::string accepts_patch_embed_device<this_device>(const Context&,
                                                             const PatchEmbedForward&);
template void patch_embed_device<this_device>(const Context&, const PatchEmbedForward&);
template std::string accepts_patch_embed_mma<this_device>(const Context&, const PatchEmbedForward&);
template void patch_embed_mma<this_device>(const Context&, const PatchEmbedForward&);
template std::string accepts_patch_embed_backward_device<this_device>(const Context&,
                                                                      const PatchEmbedBackward&);
template void patch_embed_backward_device<this_device>(const Context&, const PatchEmbedBackward&);
template std::string accepts_patch_embed_backward_mma<this_device>(const Context&,
                                                                   const PatchEmbedBackward&);
template void patch_embed_backward_mma<this_device>(const Context&, const PatchEmbedBackward&);
template std::string accepts_extract_patches_device<this_device>(const Context&,
                                                                 const ExtractPatches&);
template void extract_patches_device<this_device>(const Context&, const ExtractPatches&);

}  // namespace balmer::kernels
