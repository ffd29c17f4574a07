#pragma once
// PNG files of images.

#include <string>

#include "kernels/core/view.h"

namespace balmer::render {

/// Writes `pixels`, u8 [H, W, 3] (red green blue, contiguous, on the CPU), as an 8-bit RGB PNG.
/// The file appears whole or not at all: it is written beside `path` and renamed. Throws IoError
/// naming `path`, ShapeError, DTypeError.
void write_png(const std::string& path, const View& pixels);

}  // namespace balmer::render
