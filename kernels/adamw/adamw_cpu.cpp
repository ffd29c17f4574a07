// AdamW on the CPU: all parameters cut into pieces of a fixed length, shared out over the threads.

#include "kernels/adamw/adamw_cpu.h"

#include <cmath>
#include <vector>

#include "kernels/core/parallel.h"

namespace balmer::kernels {
namespace {

struct Piece {
    const AdamWParameter* parameter;
    std::int64_t begin;
    std::int64_t end;
};

std::vector<Piece> cut(std::span<const AdamWParameter> parameters) {
    constexpr std::int64_t length = 16384;
    std::vector<Piece> pieces;
    for (const AdamWParameter& parameter : parameters) {
        const std::int64_t n = parameter.parameter.numel();
        for (std::int64_t begin = 0; begin < n; begin += length) {
            pieces.push_back({&parameter, begin, std::min(n, begin + length)});
        }
    }
    return pieces;
}

/// With what lies on the device in its place.
AdamWArguments with_device_scalars(AdamWArguments arguments) {
    const AdamWDeviceScalars& device = arguments.on_device;
    if (device.learning_rate) arguments.learning_rate = *device.learning_rate.as<double>();
    if (device.step) arguments.step = *device.step.as<std::int64_t>();
    if (device.gradient_scale) arguments.gradient_scale *= *device.gradient_scale.as<double>();
    return arguments;
}

/// In the form that rounds as PyTorch's does: lr / (1 - b1^t) and sqrt(1 - b2^t) are formed in f64.
template <class T>
void update(const AdamWArguments& arguments, const Piece& piece) {
    const auto step = static_cast<double>(arguments.step);
    const double correction1 = 1.0 - std::pow(arguments.beta1, step);
    const double correction2 = 1.0 - std::pow(arguments.beta2, step);
    const T scale = static_cast<T>(arguments.gradient_scale);
    const T beta1 = static_cast<T>(arguments.beta1);
    const T beta2 = static_cast<T>(arguments.beta2);
    const T rest1 = static_cast<T>(1.0 - arguments.beta1);
    const T rest2 = static_cast<T>(1.0 - arguments.beta2);
    const T keep = static_cast<T>(1.0 - arguments.learning_rate * piece.parameter->weight_decay);
    const T step_size = static_cast<T>(arguments.learning_rate / correction1);
    const T root_correction = static_cast<T>(std::sqrt(correction2));
    const T epsilon = static_cast<T>(arguments.epsilon);
    T* parameter = piece.parameter->parameter.as<T>();
    const T* gradient = piece.parameter->gradient.as<T>();
    T* first = piece.parameter->first_moment.as<T>();
    T* second = piece.parameter->second_moment.as<T>();
#pragma GCC ivdep
    for (std::int64_t i = piece.begin; i < piece.end; ++i) {
        const T g = gradient[i] * scale;
        const T m = beta1 * first[i] + rest1 * g;
        const T v = beta2 * second[i] + rest2 * g * g;
        first[i] = m;
        second[i] = v;
        parameter[i] =
            keep * parameter[i] - step_size * m / (std::sqrt(v) / root_correction + epsilon);
    }
    if (piece.parameter->low_precision) {
        bfloat16* low = piece.parameter->low_precision.as<bfloat16>();
#pragma GCC ivdep
        for (std::int64_t i = piece.begin; i < piece.end; ++i) low[i] = bfloat16(parameter[i]);
    }
}

}  // namespace

void adamw_plain(const Context& context, const AdamWArguments& given) {
    const View& is_skipped = given.on_device.is_skipped;
    if (is_skipped && *is_skipped.as<std::int32_t>() != 0) return;
    const AdamWArguments arguments = with_device_scalars(given);
    const std::vector<Piece> pieces = cut(arguments.parameters);
    parallel_for(context, static_cast<std::int64_t>(pieces.size()), 1, [&](std::int64_t i) {
        if (pieces[i].parameter->parameter.dtype == DType::f64) {
            update<double>(arguments, pieces[i]);
        } else {
            update<float>(arguments, pieces[i]);
        }
    });
}

void prepare_adamw_plain(const Context&, const AdamWPreparation& arguments) {
    const double norm = *arguments.norm.as<double>();
    const double factor = arguments.limit > 0.0 ? arguments.limit / (norm + 1e-6) : 1.0;
    *arguments.gradient_scale.as<double>() = factor < 1.0 ? factor : 1.0;
    *arguments.is_skipped.as<std::int32_t>() = std::isfinite(norm) ? 0 : 1;
    if (arguments.step && std::isfinite(norm)) ++*arguments.step.as<std::int64_t>();
}

}  // namespace balmer::kernels
