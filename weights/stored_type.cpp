#include "weights/stored_type.h"

#include <array>

namespace balmer::weights {
namespace {

struct Row {
    StoredType type;
    std::string_view name;
    std::size_t bytes;
    std::optional<DType> dtype;
};

/// Row i describes the type of value i.
constexpr std::array<Row, 17> rows = {{
    {StoredType::boolean, "BOOL", 1, DType::u8},
    {StoredType::u8, "U8", 1, DType::u8},
    {StoredType::i8, "I8", 1, std::nullopt},
    {StoredType::f8_e5m2, "F8_E5M2", 1, std::nullopt},
    {StoredType::f8_e4m3, "F8_E4M3", 1, std::nullopt},
    {StoredType::f8_e8m0, "F8_E8M0", 1, std::nullopt},
    {StoredType::i16, "I16", 2, std::nullopt},
    {StoredType::u16, "U16", 2, std::nullopt},
    {StoredType::f16, "F16", 2, std::nullopt},
    {StoredType::bf16, "BF16", 2, DType::bf16},
    {StoredType::i32, "I32", 4, DType::i32},
    {StoredType::u32, "U32", 4, std::nullopt},
    {StoredType::f32, "F32", 4, DType::f32},
    {StoredType::c64, "C64", 8, std::nullopt},
    {StoredType::f64, "F64", 8, DType::f64},
    {StoredType::i64, "I64", 8, DType::i64},
    {StoredType::u64, "U64", 8, std::nullopt},
}};

const Row& row_of(StoredType type) {
    return rows.at(static_cast<std::size_t>(type));
}

}  // namespace

std::size_t size_of(StoredType type) {
    return row_of(type).bytes;
}

std::string_view name_of(StoredType type) {
    return row_of(type).name;
}

std::optional<StoredType> stored_type(std::string_view name) {
    for (const auto& row : rows) {
        if (row.name == name) return row.type;
    }
    return std::nullopt;
}

StoredType stored_type(DType dtype) {
    switch (dtype) {
        case DType::f64:
            return StoredType::f64;
        case DType::bf16:
            return StoredType::bf16;
        case DType::i32:
            return StoredType::i32;
        case DType::i64:
            return StoredType::i64;
        case DType::u8:
            return StoredType::u8;
        case DType::f32:
            break;
    }
    return StoredType::f32;
}

std::optional<DType> dtype_of_stored(StoredType type) {
    return row_of(type).dtype;
}

}  // namespace balmer::weights
