#pragma once
// The backend C API behind cudnn.h: the functions of the loaded library, and descriptors that
// destroy themselves. Only the sources of bench/cudnn include this.

#include <cudnn.h>

#include <memory>
#include <string>
#include <vector>

#include "bench/cudnn/cudnn.h"

namespace balmer::bench::cudnn {

/// The functions of libcudnn.so.9 that are used here.
class Library {
  public:
    /// Throws DeviceError where the library cannot be loaded.
    Library();

    decltype(&cudnnCreate) create = nullptr;
    decltype(&cudnnDestroy) destroy = nullptr;
    decltype(&cudnnSetStream) set_stream = nullptr;
    decltype(&cudnnGetVersion) get_version = nullptr;
    decltype(&cudnnGetErrorString) error_string = nullptr;
    decltype(&cudnnGetLastErrorString) last_error_string = nullptr;
    decltype(&cudnnBackendCreateDescriptor) create_descriptor = nullptr;
    decltype(&cudnnBackendDestroyDescriptor) destroy_descriptor = nullptr;
    decltype(&cudnnBackendSetAttribute) set_attribute = nullptr;
    decltype(&cudnnBackendGetAttribute) get_attribute = nullptr;
    decltype(&cudnnBackendFinalize) finalize = nullptr;
    decltype(&cudnnBackendExecute) execute = nullptr;

    /// "plan: CUDNN_STATUS_NOT_SUPPORTED: the library's own words".
    std::string describe(const char* what, cudnnStatus_t status) const;
    /// Throws DeviceError unless the status is success.
    void expect(const char* what, cudnnStatus_t status) const;
    /// What dlopen gave, for cudnn-frontend.
    void* handle() const { return handle_; }

  private:
    void* handle_ = nullptr;  ///< never closed: the library's threads and caches outlive its users
};

/// A handle of one descriptor of the backend API. It keeps the descriptors that were set in it
/// alive, as nothing says that the library copies them.
class Descriptor {
  public:
    Descriptor(const Library& library, cudnnBackendDescriptorType_t type);

    Descriptor& set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                    std::int64_t count, const void* values);
    Descriptor& set(cudnnBackendAttributeName_t name, const Descriptor& value);
    Descriptor& set(cudnnBackendAttributeName_t name, const std::vector<std::int64_t>& values);
    Descriptor& set(cudnnBackendAttributeName_t name, cudnnDataType_t value);
    /// Throws DeviceError where the library refuses.
    Descriptor& finalize(const char* what);

    cudnnBackendDescriptor_t get() const { return state_->descriptor; }

  private:
    struct State {
        State(const Library& library, cudnnBackendDescriptor_t descriptor)
            : library(library), descriptor(descriptor) {}
        ~State() { library.destroy_descriptor(descriptor); }
        State(const State&) = delete;
        State& operator=(const State&) = delete;

        const Library& library;
        cudnnBackendDescriptor_t descriptor;
        std::vector<std::shared_ptr<State>> kept = {};
    };
    std::shared_ptr<State> state_;
};

/// What plans are made for: a handle on a GPU, or a description of one.
struct Target {
    const Library& library;
    cudnnHandle_t handle = nullptr;
    const Descriptor* properties = nullptr;
    std::string properties_json = {};
};

/// An operation in, candidates out: the heuristic's engines, where it has none the fallback's.
/// Throws DeviceError where the operation makes no graph.
Candidates build_plans(const Target& target, const Descriptor& operation);

/// attention_backward.cpp.
Candidates build_attention_backward(const Target& target, const AttentionShape& shape);

}  // namespace balmer::bench::cudnn
