#include "kernels/core/view.h"

namespace balmer {

bool View::is_contiguous() const {
    std::int64_t step = 1;
    for (int i = shape.rank() - 1; i >= 0; --i) {
        if (shape[i] != 1 && strides[i] != step) return false;
        step *= shape[i];
    }
    return true;
}

bool View::has_unit_stride() const {
    return shape.rank() == 0 || shape.back() <= 1 || strides.back() == 1;
}

View View::expanded_to(const Shape& target, const char* operation) const {
    if (!(broadcast_shape(shape, target, operation) == target)) {
        throw ShapeError(std::string(operation) + ": " + to_string(shape) +
                         " does not broadcast to " + to_string(target));
    }
    View result = *this;
    result.shape = target;
    result.strides = target;
    for (int i = 1; i <= target.rank(); ++i) {
        const bool own = i <= shape.rank() && shape[-i] == target[-i];
        result.strides[-i] = own ? strides[-i] : 0;
    }
    return result;
}

void View::throw_wrong_type(DType asked) const {
    throw DTypeError("expected " + std::string(name_of(asked)) + ", got " +
                     std::string(name_of(dtype)));
}

std::string to_string(const View& view) {
    return std::string(name_of(view.dtype)) + " " + to_string(view.shape);
}

void expect_shape(const View& view, const Shape& shape, const char* operation,
                  const char* argument) {
    if (!(view.shape == shape)) {
        throw ShapeError(std::string(operation) + ": " + argument + " must be " + to_string(shape) +
                         ", got " + to_string(view.shape));
    }
}

void expect_dtype(const View& view, DType dtype, const char* operation, const char* argument) {
    if (view.dtype != dtype) {
        throw DTypeError(std::string(operation) + ": " + argument + " must be " +
                         std::string(name_of(dtype)) + ", got " + std::string(name_of(view.dtype)));
    }
}

void expect_contiguous(const View& view, const char* operation, const char* argument) {
    if (!view.is_contiguous()) {
        throw ShapeError(std::string(operation) + ": " + argument + " " + to_string(view.shape) +
                         " must be contiguous, its strides are " + to_string(view.strides));
    }
}

}  // namespace balmer
