// The graphs, operation by operation.

#include "bench/cudnn/cudnn.h"

#include <fmt/format.h>

#include "bench/cudnn/backend.h"
#include "kernels/core/error.h"

namespace balmer::bench::cudnn {

namespace {

using Sizes = std::vector<std::int64_t>;

constexpr cudnnDataType_t bf16 = CUDNN_DATA_BFLOAT16;
constexpr cudnnDataType_t f32 = CUDNN_DATA_FLOAT;

Descriptor tensor(const Library& library, Id id, cudnnDataType_t type, const Sizes& sizes,
                  const Sizes& strides) {
    return Descriptor(library, CUDNN_BACKEND_TENSOR_DESCRIPTOR)
        .set(CUDNN_ATTR_TENSOR_UNIQUE_ID, {static_cast<std::int64_t>(id)})
        .set(CUDNN_ATTR_TENSOR_DATA_TYPE, type)
        .set(CUDNN_ATTR_TENSOR_DIMENSIONS, sizes)
        .set(CUDNN_ATTR_TENSOR_STRIDES, strides)
        .set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, {16})
        .finalize("tensor");
}

/// One f32 that stays on the host.
Descriptor scalar(const Library& library, Id id, const Sizes& sizes) {
    const bool is_by_value = true;
    return Descriptor(library, CUDNN_BACKEND_TENSOR_DESCRIPTOR)
        .set(CUDNN_ATTR_TENSOR_UNIQUE_ID, {static_cast<std::int64_t>(id)})
        .set(CUDNN_ATTR_TENSOR_DATA_TYPE, f32)
        .set(CUDNN_ATTR_TENSOR_DIMENSIONS, sizes)
        .set(CUDNN_ATTR_TENSOR_STRIDES, sizes)
        .set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, {4})
        .set(CUDNN_ATTR_TENSOR_IS_BY_VALUE, CUDNN_TYPE_BOOLEAN, 1, &is_by_value)
        .finalize("scalar");
}

/// The tensors of a LayerNorm: [R, C, 1, 1] with the normalised dimension second.
struct RowTensors {
    const Library& library;
    RowShape shape;

    Descriptor rows(Id id) const {
        const std::int64_t c = shape.columns;
        return tensor(library, id, bf16, {shape.rows, c, 1, 1}, {c, 1, c, c});
    }
    Descriptor columns(Id id) const {
        const std::int64_t c = shape.columns;
        return tensor(library, id, f32, {1, c, 1, 1}, {c, 1, c, c});
    }
    Descriptor statistics(Id id) const {
        return tensor(library, id, f32, {shape.rows, 1, 1, 1}, {1, 1, 1, 1});
    }
    /// [1, R, C], as element-wise operations take it.
    Descriptor flat(Id id) const {
        return tensor(library, id, bf16, {1, shape.rows, shape.columns},
                      {shape.rows * shape.columns, shape.columns, 1});
    }
};

Descriptor finalized_pointwise(const Library& library, cudnnPointwiseMode_t mode) {
    return Descriptor(library, CUDNN_BACKEND_POINTWISE_DESCRIPTOR)
        .set(CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, 1, &mode)
        .set(CUDNN_ATTR_POINTWISE_MATH_PREC, f32)
        .finalize("pointwise");
}

class LoadedCudnn : public Cudnn {
  public:
    explicit LoadedCudnn(const Context& context) : target_{.library = library_} {
        library_.expect("handle", library_.create(&target_.handle));
        library_.expect("stream", library_.set_stream(target_.handle,
                                                      static_cast<cudaStream_t>(context.stream)));
    }
    explicit LoadedCudnn(const std::string& json)
        : target_{.library = library_, .properties_json = json} {
        properties_ = std::make_unique<Descriptor>(library_, CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
        properties_
            ->set(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR,
                  static_cast<std::int64_t>(json.size()), json.data())
            .finalize("device properties");
        target_.properties = properties_.get();
    }
    ~LoadedCudnn() override {
        if (target_.handle != nullptr) library_.destroy(target_.handle);
    }

    std::string version() const override {
        const std::size_t number = library_.get_version();
        return fmt::format("{}.{}.{}", number / 10000, number / 100 % 100, number % 100);
    }

    Candidates attention_forward(const AttentionShape& s) const override {
        const Sizes sizes = {s.batch, s.heads, s.tokens, s.depth};
        const std::int64_t row = s.heads * s.depth;
        const Sizes packed = {3 * s.tokens * row, s.depth, 3 * row, 1};
        const Sizes plain = {s.tokens * row, s.depth, row, 1};
        const auto query = tensor(library_, Id::query, bf16, sizes, packed);
        const auto key = tensor(library_, Id::key, bf16, sizes, packed);
        const auto value = tensor(library_, Id::value, bf16, sizes, packed);
        const auto out = tensor(library_, Id::out, bf16, sizes, plain);
        const auto statistics =
            tensor(library_, Id::log_sum_exp, f32, {s.batch, s.heads, s.tokens, 1},
                   {s.heads * s.tokens, s.tokens, 1, 1});
        const auto scale = scalar(library_, Id::scale, {1, 1, 1, 1});
        Descriptor operation(library_, CUDNN_BACKEND_OPERATION_SDPA_FWD_DESCRIPTOR);
        operation.set(CUDNN_ATTR_OPERATION_SDPA_FWD_QDESC, query)
            .set(CUDNN_ATTR_OPERATION_SDPA_FWD_KDESC, key)
            .set(CUDNN_ATTR_OPERATION_SDPA_FWD_VDESC, value)
            .set(CUDNN_ATTR_OPERATION_SDPA_FWD_ODESC, out)
            .set(CUDNN_ATTR_OPERATION_SDPA_FWD_STATSDESC, statistics)
            .set(CUDNN_ATTR_OPERATION_SDPA_FWD_SCALEDESC, scale);
        return build_plans(target_, operation.finalize("operation"));
    }

    Candidates attention_backward(const AttentionShape& shape) const override {
        return build_attention_backward(target_, shape);
    }

    Candidates layer_norm_forward(const RowShape& shape) const override {
        const RowTensors tensors{library_, shape};
        const auto mode = CUDNN_LAYER_NORM;
        const auto phase = CUDNN_NORM_FWD_TRAINING;
        Descriptor operation(library_, CUDNN_BACKEND_OPERATION_NORM_FORWARD_DESCRIPTOR);
        operation.set(CUDNN_ATTR_OPERATION_NORM_FWD_MODE, CUDNN_TYPE_NORM_MODE, 1, &mode)
            .set(CUDNN_ATTR_OPERATION_NORM_FWD_PHASE, CUDNN_TYPE_NORM_FWD_PHASE, 1, &phase)
            .set(CUDNN_ATTR_OPERATION_NORM_FWD_XDESC, tensors.rows(Id::x))
            .set(CUDNN_ATTR_OPERATION_NORM_FWD_MEAN_DESC, tensors.statistics(Id::mean))
            .set(CUDNN_ATTR_OPERATION_NORM_FWD_INV_VARIANCE_DESC,
                 tensors.statistics(Id::reciprocal_deviation))
            .set(CUDNN_ATTR_OPERATION_NORM_FWD_SCALE_DESC, tensors.columns(Id::weight))
            .set(CUDNN_ATTR_OPERATION_NORM_FWD_BIAS_DESC, tensors.columns(Id::bias))
            .set(CUDNN_ATTR_OPERATION_NORM_FWD_EPSILON_DESC,
                 scalar(library_, Id::epsilon, {1, 1, 1, 1}))
            .set(CUDNN_ATTR_OPERATION_NORM_FWD_YDESC, tensors.rows(Id::y));
        return build_plans(target_, operation.finalize("operation"));
    }

    Candidates layer_norm_backward(const RowShape& shape) const override {
        const RowTensors tensors{library_, shape};
        const auto mode = CUDNN_LAYER_NORM;
        Descriptor operation(library_, CUDNN_BACKEND_OPERATION_NORM_BACKWARD_DESCRIPTOR);
        operation.set(CUDNN_ATTR_OPERATION_NORM_BWD_MODE, CUDNN_TYPE_NORM_MODE, 1, &mode)
            .set(CUDNN_ATTR_OPERATION_NORM_BWD_XDESC, tensors.rows(Id::x))
            .set(CUDNN_ATTR_OPERATION_NORM_BWD_MEAN_DESC, tensors.statistics(Id::mean))
            .set(CUDNN_ATTR_OPERATION_NORM_BWD_INV_VARIANCE_DESC,
                 tensors.statistics(Id::reciprocal_deviation))
            .set(CUDNN_ATTR_OPERATION_NORM_BWD_DYDESC, tensors.rows(Id::dy))
            .set(CUDNN_ATTR_OPERATION_NORM_BWD_SCALE_DESC, tensors.columns(Id::weight))
            .set(CUDNN_ATTR_OPERATION_NORM_BWD_DSCALE_DESC, tensors.columns(Id::weight_gradient))
            .set(CUDNN_ATTR_OPERATION_NORM_BWD_DBIAS_DESC, tensors.columns(Id::bias_gradient))
            .set(CUDNN_ATTR_OPERATION_NORM_BWD_DXDESC, tensors.rows(Id::dx));
        return build_plans(target_, operation.finalize("operation"));
    }

    Candidates gelu_forward(const RowShape& shape) const override {
        const RowTensors tensors{library_, shape};
        Descriptor operation(library_, CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
        operation
            .set(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR,
                 finalized_pointwise(library_, CUDNN_POINTWISE_GELU_FWD))
            .set(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, tensors.flat(Id::x))
            .set(CUDNN_ATTR_OPERATION_POINTWISE_YDESC, tensors.flat(Id::y));
        return build_plans(target_, operation.finalize("operation"));
    }

    Candidates gelu_backward(const RowShape& shape) const override {
        const RowTensors tensors{library_, shape};
        Descriptor operation(library_, CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
        operation
            .set(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR,
                 finalized_pointwise(library_, CUDNN_POINTWISE_GELU_BWD))
            .set(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, tensors.flat(Id::x))
            .set(CUDNN_ATTR_OPERATION_POINTWISE_DYDESC, tensors.flat(Id::dy))
            .set(CUDNN_ATTR_OPERATION_POINTWISE_DXDESC, tensors.flat(Id::dx));
        return build_plans(target_, operation.finalize("operation"));
    }

    Candidates patch_convolution(const PatchShape& s) const override {
        const std::int64_t side = s.image_size / s.patch_size;
        const std::int64_t c = s.channels;
        const auto image = tensor(library_, Id::x, bf16, {s.batch, c, s.image_size, s.image_size},
                                  {c * s.image_size * s.image_size, 1, c * s.image_size, c});
        const auto weight =
            tensor(library_, Id::weight, bf16, {s.width, c, s.patch_size, s.patch_size},
                   {c * s.patch_size * s.patch_size, 1, c * s.patch_size, c});
        const auto rows = tensor(library_, Id::y, bf16, {s.batch, s.width, side, side},
                                 {s.width * (1 + side * side), 1, s.width * side, s.width});
        const std::int64_t spatial = 2;
        const auto mode = CUDNN_CROSS_CORRELATION;
        Descriptor convolution(library_, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
        convolution.set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, f32)
            .set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode)
            .set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, 1, &spatial)
            .set(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, {0, 0})
            .set(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, {0, 0})
            .set(CUDNN_ATTR_CONVOLUTION_DILATIONS, {1, 1})
            .set(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, {s.patch_size, s.patch_size})
            .finalize("convolution");
        const float one = 1.0F;
        const float zero = 0.0F;
        Descriptor operation(library_, CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR);
        operation.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, convolution)
            .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, image)
            .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, weight)
            .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, rows)
            .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, CUDNN_TYPE_FLOAT, 1, &one)
            .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, CUDNN_TYPE_FLOAT, 1, &zero);
        return build_plans(target_, operation.finalize("operation"));
    }

  private:
    Library library_;
    std::unique_ptr<Descriptor> properties_;
    Target target_;
};

}  // namespace

std::unique_ptr<Cudnn> Cudnn::on_device(const Context& context) {
    return std::make_unique<LoadedCudnn>(context);
}

std::unique_ptr<Cudnn> Cudnn::for_described_device(const std::string& properties_json) {
    return std::make_unique<LoadedCudnn>(properties_json);
}

}  // namespace balmer::bench::cudnn
