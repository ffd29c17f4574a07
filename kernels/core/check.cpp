#include "kernels/core/check.h"

namespace balmer {

std::string Check::subject(const char* argument) const {
    return std::string(operation_) + ": " + argument;
}

void Check::present(const View& view, const char* argument) const {
    if (!view) throw UsageError(subject(argument) + " is missing");
    if (!(view.device == context_.device)) {
        throw DeviceError(subject(argument) + " must be on " + name_of(context_.device) +
                          ", is on " + name_of(view.device));
    }
}

void Check::floating(const View& view, const char* argument) const {
    present(view, argument);
    if (!is_floating(view.dtype)) {
        throw DTypeError(subject(argument) + " must be f32, f64 or bf16, got " +
                         std::string(name_of(view.dtype)));
    }
}

void Check::rank(const View& view, const char* argument, int rank, const char* layout) const {
    present(view, argument);
    if (view.shape.rank() != rank) {
        throw ShapeError(subject(argument) + " must be " + layout + ", got " +
                         to_string(view.shape));
    }
}

void Check::operand(const View& view, const char* argument, DType dtype, const Shape& shape) const {
    present(view, argument);
    expect_dtype(view, dtype, operation_, argument);
    expect_shape(view, shape, operation_, argument);
}

void Check::contiguous_operand(const View& view, const char* argument, DType dtype,
                               const Shape& shape) const {
    operand(view, argument, dtype, shape);
    expect_contiguous(view, operation_, argument);
}

void Check::unit_stride(const View& view, const char* argument) const {
    if (!view.has_unit_stride()) {
        throw ShapeError(subject(argument) + " " + to_string(view.shape) +
                         " must have a contiguous last dimension, its strides are " +
                         to_string(view.strides));
    }
}

}  // namespace balmer
