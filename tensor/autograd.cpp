// Reverse-mode differentiation: a topological sort of the graph and a loop.

#include "tensor/autograd.h"

#include <unordered_map>
#include <unordered_set>

#include "kernels/elementwise/elementwise.h"

namespace balmer {
namespace {

thread_local bool gradients_are_on = true;

bool any_requires_grad(std::span<const Tensor> tensors) {
    for (const Tensor& tensor : tensors) {
        if (tensor.defined() && tensor.requires_grad()) return true;
    }
    return false;
}

/// Tensors with history reachable from `root`, every one before those it was made from.
std::vector<Tensor> topological_order(const Tensor& root) {
    struct Visit {
        Tensor tensor;
        std::size_t next_input = 0;
    };
    std::vector<Tensor> order;
    std::unordered_set<const void*> seen = {root.id()};
    std::vector<Visit> path = {{root}};
    while (!path.empty()) {
        Visit& visit = path.back();
        const auto& node = TensorImpl::of(visit.tensor).node;
        if (visit.next_input < node->inputs.size()) {
            const Tensor input = node->inputs[visit.next_input++];
            if (!input.defined() || TensorImpl::of(input).node == nullptr) continue;
            if (seen.insert(input.id()).second) path.push_back({input});
        } else {
            order.push_back(visit.tensor);
            path.pop_back();
        }
    }
    return {order.rbegin(), order.rend()};
}

void expect_gradient_of(const Tensor& tensor, const Tensor& gradient, const char* operation) {
    if (!(gradient.shape() == tensor.shape()) || gradient.dtype() != tensor.dtype()) {
        throw ShapeError(std::string(operation) + ": the gradient of " + to_string(tensor) +
                         " is " + to_string(gradient));
    }
}

/// True if nobody else can see the tensor's memory, so that it may be overwritten.
bool is_sole_owner(const Tensor& tensor) {
    return tensor.is_contiguous() && tensor.handles() == 1 &&
           TensorImpl::of(tensor).storage.use_count() == 1;
}

/// a + b, into a's memory where nobody else can see it.
Tensor sum_of(const Tensor& a, const Tensor& b, bool may_overwrite) {
    const Tensor out = may_overwrite ? a : Tensor::empty(a.shape(), a.dtype(), a.context());
    kernels::binary(a.context(), {kernels::BinaryOperation::add, a.view(), b.view(), out.view()});
    return out;
}

}  // namespace

NoGrad::NoGrad() : previous_(gradients_are_on) {
    gradients_are_on = false;
}
NoGrad::~NoGrad() {
    gradients_are_on = previous_;
}

bool records_history(std::initializer_list<Tensor> inputs) {
    return gradients_are_on && any_requires_grad(inputs);
}

Tensor differentiable(const char* operation, Tensor value, std::vector<Tensor> inputs,
                      BackwardFunction backward) {
    if (!gradients_are_on || !any_requires_grad(inputs)) return value;
    value.impl_->requires_grad = true;
    value.impl_->node =
        std::make_shared<Node>(Node{operation, std::move(inputs), std::move(backward), false});
    return value;
}

bool Tensor::requires_grad() const {
    return impl_ != nullptr && impl_->requires_grad;
}

Tensor& Tensor::set_requires_grad(bool value) {
    if (impl_ == nullptr || impl_->node != nullptr) {
        throw Error("set_requires_grad: only a leaf can be told whether it needs a gradient");
    }
    if (value && !is_floating(impl_->dtype)) {
        throw DTypeError("set_requires_grad: " + to_string(*this) + " is not floating");
    }
    impl_->requires_grad = value;
    return *this;
}

Tensor Tensor::grad() const {
    return impl_ == nullptr ? Tensor() : impl_->grad;
}

void Tensor::clear_grad() const {
    impl_->grad = Tensor();
}

void Tensor::accumulate_grad(const Tensor& gradient) const {
    expect_gradient_of(*this, gradient, "accumulate_grad");
    if (impl_->grad.defined()) {
        impl_->grad = sum_of(impl_->grad, gradient, true);
    } else {
        impl_->grad = is_sole_owner(gradient) ? gradient : gradient.clone();
    }
}

void Tensor::backward(const Tensor& seed, bool retain_graph) const {
    if (!requires_grad()) throw Error("backward: " + to_string(*this) + " has no history");
    if (!seed.defined() && numel() != 1) {
        throw ShapeError("backward: " + to_string(*this) + " needs a seed gradient");
    }
    const NoGrad no_grad;
    const Tensor first = seed.defined() ? seed : full(shape(), 1.0, dtype(), context());
    expect_gradient_of(*this, first, "backward");
    if (impl_->node == nullptr) return accumulate_grad(first);

    std::unordered_map<const void*, Tensor> gradients = {{id(), first}};
    for (const Tensor& tensor : topological_order(*this)) {
        auto entry = gradients.extract(tensor.id());
        if (entry.empty()) continue;
        Node& node = *TensorImpl::of(tensor).node;
        if (node.is_freed) {
            throw Error(std::string("backward: the graph of ") + node.operation +
                        " was freed by an earlier backward pass");
        }
        std::vector<Tensor> results = node.backward(entry.mapped());
        for (std::size_t i = 0; i < node.inputs.size(); ++i) {
            const Tensor& input = node.inputs[i];
            if (!input.requires_grad() || i >= results.size() || !results[i].defined()) continue;
            expect_gradient_of(input, results[i], node.operation);
            // Moved out, so that a gradient nobody else holds has one owner.
            const Tensor result = std::move(results[i]);
            if (TensorImpl::of(input).node == nullptr) {
                input.accumulate_grad(result);
                continue;
            }
            Tensor& sum = gradients[input.id()];
            sum = sum.defined() ? sum_of(sum, result, is_sole_owner(sum)) : result;
        }
        if (!retain_graph) {
            node.backward = nullptr;
            node.inputs.clear();
            node.is_freed = true;
        }
    }
}

}  // namespace balmer
