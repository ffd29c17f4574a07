#pragma once
// Element types of tensors, and the one place that turns a runtime dtype into a C++ type.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "kernels/core/error.h"

namespace balmer {

/// f64 exists for checking gradients and as the reference of tolerances; i32, i64 and u8 hold
/// labels, offsets and masks.
enum class DType : std::uint8_t { f32, f64, bf16, i32, i64, u8 };

/// The upper half of an IEEE f32; conversion rounds to nearest even and keeps NaN a NaN.
struct bfloat16 {
    std::uint16_t bits = 0;

    bfloat16() = default;
    explicit constexpr bfloat16(float value) {
        const auto word = std::bit_cast<std::uint32_t>(value);
        const bool is_nan = (word & 0x7fffffffU) > 0x7f800000U;
        bits = is_nan ? static_cast<std::uint16_t>((word >> 16) | 0x0040U)
                      : static_cast<std::uint16_t>((word + 0x7fffU + ((word >> 16) & 1U)) >> 16);
    }
    explicit constexpr bfloat16(double value) : bfloat16(static_cast<float>(value)) {}
    constexpr operator float() const { return std::bit_cast<float>(std::uint32_t{bits} << 16); }
};
static_assert(sizeof(bfloat16) == 2);

/// Bytes of one element.
constexpr std::size_t size_of(DType dtype) {
    switch (dtype) {
        case DType::f64:
        case DType::i64:
            return 8;
        case DType::f32:
        case DType::i32:
            return 4;
        case DType::bf16:
            return 2;
        case DType::u8:
            return 1;
    }
    return 0;
}

/// "f32", "bf16", ...
constexpr std::string_view name_of(DType dtype) {
    switch (dtype) {
        case DType::f32:
            return "f32";
        case DType::f64:
            return "f64";
        case DType::bf16:
            return "bf16";
        case DType::i32:
            return "i32";
        case DType::i64:
            return "i64";
        case DType::u8:
            return "u8";
    }
    return "?";
}

constexpr bool is_floating(DType dtype) {
    return dtype == DType::f32 || dtype == DType::f64 || dtype == DType::bf16;
}

template <class T>
struct dtype_of;
template <>
struct dtype_of<float> {
    static constexpr DType value = DType::f32;
};
template <>
struct dtype_of<double> {
    static constexpr DType value = DType::f64;
};
template <>
struct dtype_of<bfloat16> {
    static constexpr DType value = DType::bf16;
};
template <>
struct dtype_of<std::int32_t> {
    static constexpr DType value = DType::i32;
};
template <>
struct dtype_of<std::int64_t> {
    static constexpr DType value = DType::i64;
};
template <>
struct dtype_of<std::uint8_t> {
    static constexpr DType value = DType::u8;
};
template <class T>
inline constexpr DType dtype_of_v = dtype_of<T>::value;

/// The type in which sums over T are kept: f64 for f64, f32 for f32 and bf16.
template <class T>
struct accumulator_of {
    using type = float;
};
template <>
struct accumulator_of<double> {
    using type = double;
};
template <class T>
using accumulator_t = typename accumulator_of<T>::type;

/// The dtype of statistics (means, log-sum-exps, losses) kept beside data of `dtype`.
constexpr DType statistics_dtype(DType dtype) {
    return dtype == DType::f64 ? DType::f64 : DType::f32;
}

template <class T>
struct type_tag {
    using type = T;
};

/// Calls `body(type_tag<T>{})` with the C++ type of a floating dtype; other dtypes are a DTypeError
/// that names `operation`.
template <class Body>
decltype(auto) dispatch_floating(DType dtype, std::string_view operation, Body&& body) {
    switch (dtype) {
        case DType::f32:
            return body(type_tag<float>{});
        case DType::f64:
            return body(type_tag<double>{});
        case DType::bf16:
            return body(type_tag<bfloat16>{});
        default:
            throw DTypeError(std::string(operation) + ": expected f32, f64 or bf16, got " +
                             std::string(name_of(dtype)));
    }
}

/// As dispatch_floating, over every dtype.
template <class Body>
decltype(auto) dispatch_all(DType dtype, Body&& body) {
    switch (dtype) {
        case DType::f64:
            return body(type_tag<double>{});
        case DType::bf16:
            return body(type_tag<bfloat16>{});
        case DType::i32:
            return body(type_tag<std::int32_t>{});
        case DType::i64:
            return body(type_tag<std::int64_t>{});
        case DType::u8:
            return body(type_tag<std::uint8_t>{});
        case DType::f32:
            break;
    }
    return body(type_tag<float>{});
}

}  // namespace balmer
