#pragma once
// The argument checks of one call of a room: every failure names the operation and the argument.

#include "kernels/core/view.h"

namespace balmer {

class Check {
  public:
    Check(const char* operation, const Context& context)
        : operation_(operation), context_(context) {}

    /// The view is given and lies on the context's device (UsageError, DeviceError).
    void present(const View& view, const char* argument) const;
    /// Present, and f32, f64 or bf16 (DTypeError).
    void floating(const View& view, const char* argument) const;
    /// Present, with as many dimensions as `layout`, such as "[R, C]", names (ShapeError).
    void rank(const View& view, const char* argument, int rank, const char* layout) const;
    /// Present, and of exactly this dtype and shape.
    void operand(const View& view, const char* argument, DType dtype, const Shape& shape) const;
    /// As operand, and contiguous.
    void contiguous_operand(const View& view, const char* argument, DType dtype,
                            const Shape& shape) const;
    /// The last dimension is contiguous (ShapeError).
    void unit_stride(const View& view, const char* argument) const;

  private:
    std::string subject(const char* argument) const;

    const char* operation_;
    const Context& context_;
};

}  // namespace balmer
