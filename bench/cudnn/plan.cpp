// From operations to something that runs: graph, heuristic, engines, execution plans.

#include <fmt/format.h>

#include "bench/cudnn/backend.h"
#include "kernels/core/error.h"

namespace balmer::bench::cudnn {

namespace {

/// Among which the fastest is chosen. Without a GPU there is nothing to choose by.
constexpr std::size_t most_candidates = 4;

class BackendPlan : public Plan {
  public:
    BackendPlan(const Target& target, const Descriptor& plan)
        : library_(target.library), handle_(target.handle), plan_(plan) {
        std::int64_t bytes = 0;
        std::int64_t count = 0;
        library_.expect("workspace", library_.get_attribute(
                                         plan_.get(), CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE,
                                         CUDNN_TYPE_INT64, 1, &count, &bytes));
        workspace_bytes_ = static_cast<std::size_t>(bytes);
    }

    std::size_t workspace_bytes() const override { return workspace_bytes_; }

    void run(std::span<const Binding> bindings, void* workspace) const override {
        std::vector<std::int64_t> ids;
        std::vector<void*> pointers;
        for (const Binding& binding : bindings) {
            ids.push_back(static_cast<std::int64_t>(binding.id));
            pointers.push_back(binding.data);
        }
        Descriptor pack(library_, CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
        pack.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, ids)
            .set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR,
                 static_cast<std::int64_t>(pointers.size()), pointers.data())
            .set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, &workspace)
            .finalize("variant pack");
        library_.expect("execute", library_.execute(handle_, plan_.get(), pack.get()));
    }

  private:
    const Library& library_;
    cudnnHandle_t handle_;
    Descriptor plan_;
    std::size_t workspace_bytes_ = 0;
};

Descriptor make_graph(const Target& target, const Descriptor& operation) {
    Descriptor graph(target.library, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
    graph.set(CUDNN_ATTR_OPERATIONGRAPH_OPS, operation);
    if (target.handle != nullptr) {
        graph.set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1, &target.handle);
    }
    return graph.finalize("operation graph");
}

/// The engine configurations that a heuristic proposes, best first; its refusal as a line.
std::vector<Descriptor> propose(const Target& target, const Descriptor& graph,
                                cudnnBackendHeurMode_t mode, Candidates& candidates) {
    const Library& library = target.library;
    Descriptor heuristic(library, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
    heuristic.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph)
        .set(CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode);
    if (target.properties != nullptr) {
        heuristic.set(CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, *target.properties);
    }
    const cudnnStatus_t status = library.finalize(heuristic.get());
    if (status != CUDNN_STATUS_SUCCESS) {
        candidates.refusals.push_back(library.describe("heuristic", status));
        return {};
    }
    std::int64_t count = 0;
    library.expect("engine count",
                   library.get_attribute(heuristic.get(), CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                         CUDNN_TYPE_BACKEND_DESCRIPTOR, 0, &count, nullptr));
    std::vector<Descriptor> configurations;
    std::vector<cudnnBackendDescriptor_t> inner;
    for (std::int64_t i = 0; i < count; ++i) {
        configurations.emplace_back(library, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
        inner.push_back(configurations.back().get());
    }
    std::int64_t usable = 0;
    if (count > 0) {
        library.expect("engines", library.get_attribute(
                                      heuristic.get(), CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                      CUDNN_TYPE_BACKEND_DESCRIPTOR, count, &usable, inner.data()));
    }
    while (configurations.size() > static_cast<std::size_t>(usable)) configurations.pop_back();
    return configurations;
}

}  // namespace

Candidates build_plans(const Target& target, const Descriptor& operation) {
    const Library& library = target.library;
    const Descriptor graph = make_graph(target, operation);
    Candidates candidates;
    const std::size_t wanted = target.handle != nullptr ? most_candidates : 1;
    const auto found = [&] {
        return candidates.plans.size() + static_cast<std::size_t>(candidates.compiled_only);
    };
    for (const auto mode : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK}) {
        if (found() > 0) break;
        for (const Descriptor& configuration : propose(target, graph, mode, candidates)) {
            if (found() == wanted) break;
            Descriptor plan(library, CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
            plan.set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, configuration);
            if (target.handle != nullptr) {
                plan.set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1, &target.handle);
            }
            const cudnnStatus_t status = library.finalize(plan.get());
            if (status == CUDNN_STATUS_SUCCESS) {
                candidates.plans.push_back(std::make_unique<BackendPlan>(target, plan));
            } else if (status == CUDNN_STATUS_EXECUTION_FAILED_CUDA_DRIVER &&
                       target.handle == nullptr) {
                ++candidates.compiled_only;
            } else {
                candidates.refusals.push_back(library.describe("plan", status));
            }
        }
    }
    return candidates;
}

}  // namespace balmer::bench::cudnn
