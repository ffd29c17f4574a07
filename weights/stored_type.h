#pragma once
// Element types as safetensors files name them; more than Balmer computes with.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "kernels/core/dtype.h"

namespace balmer::weights {

/// The types of whole bytes, in the order in which the reference library lays tensors out in a
/// file, last first.
enum class StoredType : std::uint8_t {
    boolean,
    u8,
    i8,
    f8_e5m2,
    f8_e4m3,
    f8_e8m0,
    i16,
    u16,
    f16,
    bf16,
    i32,
    u32,
    f32,
    c64,
    f64,
    i64,
    u64,
};

/// Bytes of one element.
std::size_t size_of(StoredType type);

/// "F32", "BF16", "BOOL", ...: the name in the file.
std::string_view name_of(StoredType type);

/// The type of that name; nothing if there is none.
std::optional<StoredType> stored_type(std::string_view name);

/// The type that holds exactly what `dtype` holds.
StoredType stored_type(DType dtype);

/// The dtype that holds exactly what `type` holds (booleans as u8); nothing if there is none.
std::optional<DType> dtype_of_stored(StoredType type);

}  // namespace balmer::weights
