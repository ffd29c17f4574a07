#include "render/patch_rows/patch_rows_cpu.h"

#include <algorithm>
#include <vector>

#include "kernels/core/parallel.h"
#include "render/host_rows.h"
#include "render/patch_rows/patch_layout.h"
#include "render/spectral_channels/spectral_channels.h"

namespace balmer::render {
namespace {

/// Means of `group` successive pixels.
void average(std::span<const Pixel> pixels, std::int64_t group, std::vector<Pixel>& means) {
    const auto count = static_cast<std::int64_t>(pixels.size());
    means.resize(divided_up(count, group));
    for (std::int64_t i = 0; i < count; i += group) {
        const std::int64_t members = std::min(group, count - i);
        for (int c = 0; c < 3; ++c) {
            std::int64_t sum = 0;
            for (std::int64_t j = i; j < i + members; ++j) sum += pixels[j][c];
            means[i / group][c] = static_cast<std::uint8_t>((sum + members / 2) / members);
        }
    }
}

void draw_patches(const ImageOptions& options, std::span<const Pixel> pixels, std::int64_t index,
                  std::vector<Pixel>& line, PixelRows& output) {
    const std::int64_t side = options.image_size;
    const std::int64_t patch = options.patch_size;
    const auto count = static_cast<std::int64_t>(pixels.size());
    const PatchLayout layout(side, patch, count);
    const std::int64_t width = patch / layout.columns;
    output.begin(index);
    for (std::int64_t patch_row = 0; patch_row < layout.patches; ++patch_row) {
        const bool is_reversed =
            options.fill_order == FillOrder::boustrophedon && patch_row % 2 == 1;
        for (std::int64_t row = 0; row < layout.rows; ++row) {
            line.assign(side / width, Pixel{});
            for (std::int64_t i = 0; i < layout.patches; ++i) {
                const std::int64_t start = (patch_row * layout.patches + i) * layout.per_patch;
                const std::int64_t end = std::min(start + layout.per_patch, count);
                const std::int64_t patch_column = is_reversed ? layout.patches - 1 - i : i;
                for (std::int64_t j = 0; j < layout.columns; ++j) {
                    const std::int64_t pixel = start + row * layout.columns + j;
                    if (pixel >= end) break;
                    const std::int64_t column = row % 2 == 1 ? layout.columns - 1 - j : j;
                    line[patch_column * layout.columns + column] = pixels[pixel];
                }
            }
            const std::int64_t top = row * patch / layout.rows;
            const std::int64_t bottom = (row + 1) * patch / layout.rows;
            output.add(bottom - top, width, line);
        }
    }
}

}  // namespace

void patch_rows_plain(const Context& context, const ImageRequest& request) {
    const ImageOptions& options = request.options;
    const std::int64_t batch = request.batch.flux.shape[0];
    const std::int64_t area = std::int64_t{options.image_size} * options.image_size;
    parallel_turns(context, batch, [&](const auto& next) {
        PixelRows output(options, request.output);
        SpectralChannels channels;
        std::vector<Pixel> line;
        std::vector<Pixel> means;
        for (std::int64_t index = next(); index < batch; index = next()) {
            auto pixels =
                channels.pixels(spectrum_row(request.batch, index, options.use_mask), options);
            const auto group = divided_up(static_cast<std::int64_t>(pixels.size()), area);
            if (group > 1) {
                average(pixels, group, means);
                pixels = means;
            }
            draw_patches(options, pixels, index, line, output);
        }
    });
}

}  // namespace balmer::render
