#pragma once
// What stands behind a Tensor handle, and the graph of operations that made it. Only tensor/ and
// its tests include this.

#include <cstdint>
#include <memory>
#include <vector>

#include "kernels/core/buffer.h"
#include "tensor/tensor.h"

namespace balmer {

struct Storage {
    Buffer buffer;
    std::uint64_t version = 0;  ///< counts in-place writes that were announced
};

/// One operation of the graph: how the gradient of its result becomes those of its inputs.
struct Node {
    const char* operation;
    std::vector<Tensor> inputs;
    BackwardFunction backward;
    bool is_freed = false;
};

struct TensorImpl {
    std::shared_ptr<Storage> storage;
    Shape shape;
    Strides strides;
    std::int64_t offset = 0;
    DType dtype = DType::f32;

    bool requires_grad = false;
    Tensor grad;
    std::shared_ptr<Node> node;  ///< null for leaves

    std::shared_ptr<TensorImpl> low_precision;
    std::uint64_t low_precision_version = 0;

    static TensorImpl& of(const Tensor& tensor) { return *tensor.impl_; }
};

}  // namespace balmer
