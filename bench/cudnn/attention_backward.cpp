// The backward pass of attention is a graph of 18 operations, which cudnn-frontend composes: the
// one file that includes it, as it takes long to compile.

#include "bench/cudnn/backend.h"
#include "kernels/core/error.h"

#ifdef BALMER_HAS_CUDNN_FRONTEND
#include <cudnn_frontend.h>

#include <unordered_map>

/// Where the dynamically loading build of cudnn-frontend looks for the library's functions.
namespace cudnn_frontend {
void* cudnn_dlhandle = nullptr;
}

namespace balmer::bench::cudnn {

namespace {

namespace fe = cudnn_frontend;
using Graph = fe::graph::Graph;

void expect(const char* what, fe::error_t error) {
    if (error.is_bad()) {
        throw DeviceError("cuDNN: " + std::string(what) + ": " + error.get_message());
    }
}

class FrontendPlan : public Plan {
  public:
    FrontendPlan(cudnnHandle_t handle, std::shared_ptr<Graph> graph)
        : handle_(handle), graph_(std::move(graph)) {
        expect("workspace", graph_->get_workspace_size(bytes_));
    }

    std::size_t workspace_bytes() const override { return static_cast<std::size_t>(bytes_); }

    void run(std::span<const Binding> bindings, void* workspace) const override {
        std::unordered_map<std::int64_t, void*> pointers;
        for (const Binding& binding : bindings) {
            pointers.emplace(static_cast<std::int64_t>(binding.id), binding.data);
        }
        expect("execute", graph_->execute(handle_, pointers, workspace));
    }

  private:
    cudnnHandle_t handle_;
    std::shared_ptr<Graph> graph_;
    std::int64_t bytes_ = 0;
};

/// The frontend asks the GPU for its generation unless it is told before operations are added.
std::shared_ptr<Graph> make_graph(const AttentionShape& s, bool is_described) {
    auto graph = std::make_shared<Graph>();
    if (is_described) graph->set_sm_version(90);
    graph->set_io_data_type(fe::DataType_t::BFLOAT16)
        .set_intermediate_data_type(fe::DataType_t::FLOAT)
        .set_compute_data_type(fe::DataType_t::FLOAT);
    using Sizes = std::vector<std::int64_t>;
    const Sizes sizes = {s.batch, s.heads, s.tokens, s.depth};
    const std::int64_t row = s.heads * s.depth;
    const Sizes packed = {3 * s.tokens * row, s.depth, 3 * row, 1};
    const Sizes plain = {s.tokens * row, s.depth, row, 1};
    const auto tensor = [&](const char* name, Id id, const Sizes& strides) {
        return graph->tensor(fe::graph::Tensor_attributes()
                                 .set_name(name)
                                 .set_uid(static_cast<std::int64_t>(id))
                                 .set_dim(sizes)
                                 .set_stride(strides));
    };
    const auto query = tensor("query", Id::query, packed);
    const auto key = tensor("key", Id::key, packed);
    const auto value = tensor("value", Id::value, packed);
    const auto out = tensor("out", Id::out, plain);
    const auto out_gradient = tensor("out_gradient", Id::out_gradient, plain);
    const auto statistics = graph->tensor(fe::graph::Tensor_attributes()
                                              .set_name("log_sum_exp")
                                              .set_uid(static_cast<std::int64_t>(Id::log_sum_exp))
                                              .set_dim({s.batch, s.heads, s.tokens, 1})
                                              .set_stride({s.heads * s.tokens, s.tokens, 1, 1})
                                              .set_data_type(fe::DataType_t::FLOAT));
    const auto scale = graph->tensor(fe::graph::Tensor_attributes()
                                         .set_name("scale")
                                         .set_uid(static_cast<std::int64_t>(Id::scale))
                                         .set_dim({1, 1, 1, 1})
                                         .set_stride({1, 1, 1, 1})
                                         .set_is_pass_by_value(true)
                                         .set_data_type(fe::DataType_t::FLOAT));
    const auto gradients = graph->sdpa_backward(
        query, key, value, out, out_gradient, statistics,
        fe::graph::SDPA_backward_attributes().set_name("attention").set_attn_scale(scale));
    const Id ids[] = {Id::query_gradient, Id::key_gradient, Id::value_gradient};
    for (std::size_t i = 0; i < 3; ++i) {
        gradients[i]
            ->set_output(true)
            .set_uid(static_cast<std::int64_t>(ids[i]))
            .set_dim(sizes)
            .set_stride(packed);
    }
    return graph;
}

}  // namespace

bool Cudnn::has_attention_backward() {
    return true;
}

Candidates build_attention_backward(const Target& target, const AttentionShape& shape) {
    fe::cudnn_dlhandle = target.library.handle();
    const std::shared_ptr<Graph> graph = make_graph(shape, target.handle == nullptr);
    if (target.handle == nullptr) {
        auto properties = std::make_shared<fe::DeviceProperties>();
        expect("device properties",
               properties->deserialize(std::vector<std::uint8_t>(target.properties_json.begin(),
                                                                 target.properties_json.end())));
        graph->set_device_properties(properties);
    }
    expect("graph", graph->validate());
    if (target.handle != nullptr) {
        expect("operation graph", graph->build_operation_graph(target.handle));
    } else {
        expect("operation graph", graph->build_operation_graph());
    }
    Candidates candidates;
    expect("plans", graph->create_execution_plans({fe::HeurMode_t::A}));
    if (target.handle == nullptr) {
        for (std::int64_t index = 0; index < graph->get_execution_plan_count(); ++index) {
            const std::string refusal = graph->build_plan_at_index(index).get_message();
            if (refusal.find("EXECUTION_FAILED_CUDA_DRIVER") != std::string::npos) {
                ++candidates.compiled_only;
            } else {
                candidates.refusals.push_back(refusal);
            }
        }
        return candidates;
    }
    fe::error_t built = graph->build_plans();
    if (built.is_good()) {
        candidates.plans.push_back(std::make_unique<FrontendPlan>(target.handle, graph));
    } else {
        candidates.refusals.push_back(built.get_message());
    }
    return candidates;
}

}  // namespace balmer::bench::cudnn

#else

namespace balmer::bench::cudnn {

bool Cudnn::has_attention_backward() {
    return false;
}

Candidates build_attention_backward(const Target&, const AttentionShape&) {
    throw DeviceError("cuDNN's attention backward: this build did not find cudnn_frontend.h");
}

}  // namespace balmer::bench::cudnn

#endif
