#include "tensor/tensor.h"

#include "kernels/core/transfer.h"
#include "kernels/elementwise/elementwise.h"
#include "tensor/autograd.h"

namespace balmer {
namespace {

const TensorImpl& checked(const std::shared_ptr<TensorImpl>& impl) {
    if (impl == nullptr) throw Error("an undefined tensor was used");
    return *impl;
}

}  // namespace

Tensor Tensor::empty(const Shape& shape, DType dtype, const Context& context) {
    auto impl = std::make_shared<TensorImpl>();
    const auto bytes = static_cast<std::size_t>(shape.numel()) * size_of(dtype);
    impl->storage = std::make_shared<Storage>(Storage{Buffer(context, bytes), 0});
    impl->shape = shape;
    impl->strides = contiguous_strides(shape);
    impl->dtype = dtype;
    return Tensor(std::move(impl));
}

Tensor Tensor::zeros(const Shape& shape, DType dtype, const Context& context) {
    return full(shape, 0.0, dtype, context);
}

Tensor Tensor::full(const Shape& shape, double value, DType dtype, const Context& context) {
    Tensor tensor = empty(shape, dtype, context);
    kernels::fill(context, tensor.view(), value);
    return tensor;
}

template <class T>
Tensor Tensor::from(std::span<const T> values, const Shape& shape, const Context& context) {
    if (static_cast<std::int64_t>(values.size()) != shape.numel()) {
        throw ShapeError("Tensor::from: " + std::to_string(values.size()) +
                         " values for the shape " + to_string(shape));
    }
    Tensor tensor = empty(shape, dtype_of_v<T>, context);
    copy_bytes(context, tensor.view().data, context.device, values.data(), Device{},
               values.size_bytes());
    return tensor;
}

template <class T>
std::vector<T> Tensor::to_vector() const {
    const Tensor source = is_contiguous() ? *this : clone();
    std::vector<T> values(static_cast<std::size_t>(numel()));
    copy_bytes(context(), values.data(), Device{}, source.view().as<T>(), context().device,
               values.size() * sizeof(T));
    return values;
}

template Tensor Tensor::from(std::span<const float>, const Shape&, const Context&);
template Tensor Tensor::from(std::span<const double>, const Shape&, const Context&);
template Tensor Tensor::from(std::span<const bfloat16>, const Shape&, const Context&);
template Tensor Tensor::from(std::span<const std::int32_t>, const Shape&, const Context&);
template Tensor Tensor::from(std::span<const std::int64_t>, const Shape&, const Context&);
template Tensor Tensor::from(std::span<const std::uint8_t>, const Shape&, const Context&);
template std::vector<float> Tensor::to_vector() const;
template std::vector<double> Tensor::to_vector() const;
template std::vector<bfloat16> Tensor::to_vector() const;
template std::vector<std::int32_t> Tensor::to_vector() const;
template std::vector<std::int64_t> Tensor::to_vector() const;
template std::vector<std::uint8_t> Tensor::to_vector() const;

const Shape& Tensor::shape() const {
    return checked(impl_).shape;
}
const Strides& Tensor::strides() const {
    return checked(impl_).strides;
}
DType Tensor::dtype() const {
    return checked(impl_).dtype;
}
const Context& Tensor::context() const {
    return checked(impl_).storage->buffer.context();
}
bool Tensor::is_contiguous() const {
    return view().is_contiguous();
}

View Tensor::view() const {
    const TensorImpl& impl = checked(impl_);
    View view;
    view.data = static_cast<std::byte*>(impl.storage->buffer.data()) +
                impl.offset * static_cast<std::int64_t>(size_of(impl.dtype));
    view.dtype = impl.dtype;
    view.shape = impl.shape;
    view.strides = impl.strides;
    view.device = impl.storage->buffer.context().device;
    return view;
}

double Tensor::item() const {
    if (numel() != 1) {
        throw ShapeError("item: expected one element, got " + balmer::to_string(shape()));
    }
    return dispatch_all(dtype(), [this](auto tag) {
        typename decltype(tag)::type value{};
        copy_bytes(context(), &value, Device{}, view().data, context().device, sizeof(value));
        return static_cast<double>(value);
    });
}

Tensor Tensor::clone() const {
    Tensor copy = empty(shape(), dtype(), context());
    kernels::copy(context(), {view(), copy.view()});
    return copy;
}

Tensor Tensor::to(const Context& target) const {
    if (target.device == context().device) return is_contiguous() ? detach() : clone();
    const Tensor copy = empty(shape(), dtype(), target);
    copy.copy_from(*this);
    return copy;
}

void Tensor::copy_from(const Tensor& source) const {
    if (!(source.shape() == shape()) || source.dtype() != dtype()) {
        throw_shape_error("copy_from", {*this, source}, "shape and dtype must be equal");
    }
    if (source.context().device == context().device) {
        kernels::copy(context(), {source.view(), view()});
        return;
    }
    const Tensor from = source.is_contiguous() ? source : source.clone();
    const Tensor target = is_contiguous() ? *this : empty(shape(), dtype(), context());
    // Ordered on the stream of the side that has one.
    const bool is_upload = from.context().device.type == DeviceType::cpu;
    copy_bytes(is_upload ? context() : from.context(), target.view().data, context().device,
               from.view().data, from.context().device,
               static_cast<std::size_t>(numel()) * size_of(dtype()));
    if (!is_contiguous()) kernels::copy(context(), {target.view(), view()});
}

void Tensor::expect_on_cpu() const {
    if (context().device.type == DeviceType::cpu) return;
    throw DeviceError("data: " + balmer::to_string(*this) + " lies on " +
                      name_of(context().device) + "; to({}) brings it to the CPU");
}

Tensor Tensor::detach() const {
    return make_view(*this, shape(), strides());
}

Tensor make_view(const Tensor& tensor, const Shape& shape, const Strides& strides,
                 std::int64_t offset) {
    const TensorImpl& source = checked(tensor.impl_);
    auto impl = std::make_shared<TensorImpl>();
    impl->storage = source.storage;
    impl->shape = shape;
    impl->strides = strides;
    impl->offset = source.offset + offset;
    impl->dtype = source.dtype;
    return Tensor(std::move(impl));
}

Tensor Tensor::low_precision(DType dtype) const {
    const TensorImpl& impl = checked(impl_);
    if (impl.dtype == dtype) return detach();
    const Tensor cached = cached_low_precision();
    const bool usable = cached.defined() && cached.dtype() == dtype;
    if (usable && impl.low_precision_version == impl.storage->version) return cached;
    const Tensor copy = usable ? cached : empty(impl.shape, dtype, context());
    kernels::copy(context(), {view(), copy.view()});
    impl_->low_precision = copy.impl_;
    impl_->low_precision_version = impl.storage->version;
    return copy;
}

Tensor Tensor::cached_low_precision() const {
    return Tensor(checked(impl_).low_precision);
}

void Tensor::mark_changed(bool low_precision_is_current) const {
    const std::uint64_t version = ++checked(impl_).storage->version;
    if (low_precision_is_current) impl_->low_precision_version = version;
}

std::string to_string(const Tensor& tensor) {
    return tensor.defined() ? to_string(tensor.view()) : "undefined";
}

namespace {

std::string list_of(std::initializer_list<Tensor> inputs) {
    std::string text;
    for (const Tensor& input : inputs) {
        text += (text.empty() ? "" : " and ") + to_string(input);
    }
    return text;
}

}  // namespace

void throw_shape_error(const char* operation, std::initializer_list<Tensor> inputs,
                       const std::string& reason) {
    throw ShapeError(std::string(operation) + ": " + list_of(inputs) + ": " + reason);
}

void expect_same_dtype(const char* operation, std::initializer_list<Tensor> inputs) {
    const Tensor& first = *inputs.begin();
    for (const Tensor& input : inputs) {
        if (!input.defined()) continue;
        if (input.dtype() != first.dtype()) {
            throw DTypeError(std::string(operation) + ": " + list_of(inputs) +
                             ": dtypes must be equal");
        }
        if (!(input.context().device == first.context().device)) {
            throw DeviceError(std::string(operation) + ": inputs on " +
                              name_of(first.context().device) + " and " +
                              name_of(input.context().device));
        }
    }
}

}  // namespace balmer
