#pragma once
// Tensors: shared storage seen through shape and strides, with reverse-mode gradients.

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "kernels/core/view.h"

namespace balmer {

struct TensorImpl;
class Tensor;

/// Maps the gradient of an operation's result to the gradients of its inputs, in their order. An
/// undefined tensor means "no gradient" and is right for inputs that do not require one.
using BackwardFunction = std::function<std::vector<Tensor>(const Tensor& gradient)>;

/// A handle: copies share data, gradient and history. A default-constructed tensor is undefined.
class Tensor {
  public:
    Tensor() = default;

    /// New tensors. `empty` is uninitialised.
    static Tensor empty(const Shape& shape, DType dtype = DType::f32, const Context& context = {});
    static Tensor zeros(const Shape& shape, DType dtype = DType::f32, const Context& context = {});
    static Tensor full(const Shape& shape, double value, DType dtype = DType::f32,
                       const Context& context = {});
    /// Copies `values` (row-major); ShapeError if their number is not the shape's.
    template <class T>
    static Tensor from(std::span<const T> values, const Shape& shape, const Context& context = {});
    template <class T>
    static Tensor from(const std::vector<T>& values, const Shape& shape,
                       const Context& context = {}) {
        return from(std::span<const T>(values), shape, context);
    }

    bool defined() const { return impl_ != nullptr; }
    const Shape& shape() const;
    const Strides& strides() const;
    int rank() const { return shape().rank(); }
    std::int64_t size(int dimension) const { return shape()[dimension]; }
    std::int64_t numel() const { return shape().numel(); }
    DType dtype() const;
    const Context& context() const;
    bool is_contiguous() const;
    /// What kernels get. Valid while this tensor's storage lives.
    View view() const;

    /// Pointer to the first element; DTypeError for another type than the tensor's, DeviceError
    /// unless it lies on the CPU.
    template <class T>
    T* data() const {
        expect_on_cpu();
        return view().as<T>();
    }
    /// The elements in row-major order; DTypeError for another type than the tensor's.
    template <class T>
    std::vector<T> to_vector() const;
    /// The value of a tensor of one element, as f64.
    double item() const;

    /// A contiguous copy without history.
    Tensor clone() const;
    /// A contiguous copy without history on the device of `context`; the tensor itself, detached,
    /// if it lies there and is contiguous.
    Tensor to(const Context& context) const;
    /// Copies `source`'s elements, of the same shape and dtype, from any device.
    void copy_from(const Tensor& source) const;
    /// The same data without history; does not require a gradient.
    Tensor detach() const;

    bool requires_grad() const;
    /// Only for leaves (tensors that no operation made).
    Tensor& set_requires_grad(bool value = true);
    /// The accumulated gradient, undefined before the first backward pass.
    Tensor grad() const;
    void clear_grad() const;
    /// Adds to the accumulated gradient; ShapeError or DTypeError if it does not match.
    void accumulate_grad(const Tensor& gradient) const;

    /// Computes the gradients of this tensor by all leaves that require one and adds them to
    /// theirs. `seed` is the gradient of this tensor itself: by default 1, for which it must have
    /// one element. The graph is freed on the way unless `retain_graph`; a second pass through a
    /// freed graph is an Error.
    void backward(const Tensor& seed = {}, bool retain_graph = false) const;

    /// The copy of this tensor in a lower precision that mixed-precision products read: made at the
    /// first call and again after `mark_changed`. Returns the tensor itself if it has that dtype.
    Tensor low_precision(DType dtype) const;
    /// The cached copy, undefined if there is none: an optimiser that writes both calls
    /// `mark_changed(true)` afterwards.
    Tensor cached_low_precision() const;
    /// Says that the elements were written in place.
    void mark_changed(bool low_precision_is_current = false) const;

    /// Identity of the handle's target, e.g. as a map key.
    const void* id() const { return impl_.get(); }
    /// How many handles share the target.
    long handles() const { return impl_.use_count(); }

  private:
    friend struct TensorImpl;
    friend Tensor make_view(const Tensor&, const Shape&, const Strides&, std::int64_t);
    friend Tensor differentiable(const char*, Tensor, std::vector<Tensor>, BackwardFunction);
    explicit Tensor(std::shared_ptr<TensorImpl> impl) : impl_(std::move(impl)) {}
    void expect_on_cpu() const;

    std::shared_ptr<TensorImpl> impl_;
};

/// Another window on `tensor`'s storage, starting `offset` elements after its first; no history.
Tensor make_view(const Tensor& tensor, const Shape& shape, const Strides& strides,
                 std::int64_t offset = 0);

/// Makes `value` the result of a differentiable operation. If gradients are on and any input
/// requires one, the result does too and remembers `inputs` and `backward`; otherwise both are
/// dropped. `backward` must not hold `value` itself (a cycle), but may hold `value.detach()`.
Tensor differentiable(const char* operation, Tensor value, std::vector<Tensor> inputs,
                      BackwardFunction backward);

/// True where operations record history: gradients are on and an input requires one.
bool records_history(std::initializer_list<Tensor> inputs);

/// While one lives, operations of this thread record no history.
class NoGrad {
  public:
    NoGrad();
    ~NoGrad();
    NoGrad(const NoGrad&) = delete;
    NoGrad& operator=(const NoGrad&) = delete;

  private:
    bool previous_;
};

/// "f32 [2, 3]", or "undefined".
std::string to_string(const Tensor& tensor);

/// Errors of differentiable operations, all in one form: "add: f32 [2, 3] and f32 [4]: reason".
[[noreturn]] void throw_shape_error(const char* operation, std::initializer_list<Tensor> inputs,
                                    const std::string& reason);
/// DTypeError unless all defined inputs have the first one's dtype and device.
void expect_same_dtype(const char* operation, std::initializer_list<Tensor> inputs);

}  // namespace balmer
