#pragma once
// A view: memory somebody else owns, with dtype, shape and strides. All that kernels see.

#include "kernels/core/context.h"
#include "kernels/core/dtype.h"
#include "kernels/core/shape.h"

namespace balmer {

struct View {
    void* data = nullptr;
    DType dtype = DType::f32;
    Shape shape;
    Strides strides;
    Device device;

    View() = default;
    /// A contiguous row-major view.
    View(void* data, DType dtype, const Shape& shape, Device device = {})
        : data(data),
          dtype(dtype),
          shape(shape),
          strides(contiguous_strides(shape)),
          device(device) {}

    /// False for a default-constructed view: an optional operand that is absent.
    explicit operator bool() const { return data != nullptr || shape.rank() > 0; }

    std::int64_t numel() const { return shape.numel(); }
    bool is_contiguous() const;
    /// True where the last dimension has stride 1 (or size <= 1).
    bool has_unit_stride() const;

    /// Typed pointer to the first element; DTypeError if T is not the view's dtype.
    template <class T>
    T* as() const {
        if (dtype_of_v<T> != dtype) throw_wrong_type(dtype_of_v<T>);
        return static_cast<T*>(data);
    }

    /// The view broadcast to `target` (stride 0 in the broadcast dimensions).
    View expanded_to(const Shape& target, const char* operation) const;

  private:
    [[noreturn]] void throw_wrong_type(DType asked) const;
};

/// "f32 [2, 197, 768]".
std::string to_string(const View& view);

/// Argument checks shared by the rooms; each names `operation` and `argument` in its message.
void expect_shape(const View& view, const Shape& shape, const char* operation,
                  const char* argument);
void expect_dtype(const View& view, DType dtype, const char* operation, const char* argument);
void expect_contiguous(const View& view, const char* operation, const char* argument);

}  // namespace balmer
