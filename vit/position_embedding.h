#pragma once
// Position embeddings for images of another size, and the fixed ones of sequences.

#include "tensor/tensor.h"

namespace balmer::vit {

/// Rows and columns of a grid of patches.
struct Grid {
    std::int64_t rows = 0;
    std::int64_t columns = 0;

    std::int64_t size() const { return rows * columns; }
    bool operator==(const Grid&) const = default;
};

/// position [1 + from.size(), C], the class token's first, -> [1 + to.size(), C], as transformers
/// does it: torch's bicubic interpolation (Keys 1981 with A = -0.75), half-pixel centres, no
/// antialiasing, edges repeated; the class token's row is kept. A matrix product, so that gradients
/// flow back. ShapeError if position does not belong to `from`.
Tensor interpolate_position(const Tensor& position, Grid from, Grid to);

/// Sines (even channels) and cosines (odd) of `length` positions, f32 [length, width]: channel pair
/// i has the angular frequency 10000^(-2 i / width). Vaswani et al. 2017, arXiv:1706.03762, section
/// 3.5.
Tensor sinusoidal_positions(std::int64_t length, std::int64_t width, const Context& context = {});

}  // namespace balmer::vit
