#include "data/pack/pixel_store.h"

#include <Eigen/Core>
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>

#include "kernels/core/dtype.h"
#include "kernels/core/error.h"

namespace balmer::data {
namespace {

constexpr std::array<const char*, 3> names = {"f32", "f16", "bf16"};

template <class Stored>
void convert(const char* data, std::size_t begin, std::size_t count, float scale,
             std::vector<float>& values) {
    const auto* stored = reinterpret_cast<const Stored*>(data) + begin;
    values.resize(count);
    for (std::size_t i = 0; i < count; ++i) values[i] = scale * static_cast<float>(stored[i]);
}

}  // namespace

const char* name_of(PixelStore store) {
    return names[static_cast<std::size_t>(store)];
}

PixelStore pixel_store_named(const std::string& name) {
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (name == names[i]) return static_cast<PixelStore>(i);
    }
    throw UsageError("store '" + name + "' is none of f32, f16, bf16");
}

std::int64_t bytes_per_pixel(PixelStore store) {
    return store == PixelStore::f32 ? 17 : 13;
}

std::int32_t flux_exponent(std::span<const float> flux) {
    float largest = 0.0F;
    for (const float value : flux) largest = std::max(largest, std::abs(value));
    if (largest == 0.0F) return 0;
    // largest < 2^(ilogb + 1); the scale 2^exponent itself has to be a normal f32.
    return std::clamp(std::ilogb(largest) + 1 - 15, -126, 127);
}

float within_bfloat16(float inverse_variance) {
    constexpr float smallest = std::numeric_limits<float>::min();
    const float largest = bfloat16(std::bit_cast<float>(0x7f7f0000U));
    return inverse_variance > 0.0F ? std::clamp(inverse_variance, smallest, largest) : 0.0F;
}

std::span<const float> StoredPixels::values(std::size_t begin, std::size_t count,
                                            std::int32_t exponent,
                                            std::vector<float>& scratch) const {
    switch (type) {
        case PixelStore::f32:
            return {reinterpret_cast<const float*>(data) + begin, count};
        case PixelStore::bf16:
            convert<bfloat16>(data, begin, count, std::ldexp(1.0F, exponent), scratch);
            break;
        case PixelStore::f16:
            convert<Eigen::half>(data, begin, count, std::ldexp(1.0F, exponent), scratch);
            break;
    }
    return scratch;
}

}  // namespace balmer::data
