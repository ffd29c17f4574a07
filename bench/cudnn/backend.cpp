#include "bench/cudnn/backend.h"

#include <dlfcn.h>

#include <array>
#include <cstdlib>
#include <filesystem>

#include <fmt/format.h>

#include "kernels/core/error.h"

namespace balmer::bench::cudnn {

namespace {

constexpr const char* library_name = "libcudnn.so.9";

std::string library_path() {
    const char* named = std::getenv("BALMER_CUDNN");
    if (named == nullptr || *named == '\0') return library_name;
    const std::filesystem::path path(named);
    return std::filesystem::is_directory(path) ? (path / library_name).string() : path.string();
}

template <class Function>
void bind(void* library, Function& function, const char* name) {
    function = reinterpret_cast<Function>(dlsym(library, name));
    if (function == nullptr) {
        throw DeviceError(fmt::format("{} has no {}: cuDNN 9 is needed", library_name, name));
    }
}

}  // namespace

Library::Library() {
    const std::string path = library_path();
    handle_ = dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL);
    if (handle_ == nullptr) {
        throw DeviceError(fmt::format(
            "cuDNN is not there ({}); BALMER_CUDNN names its library or folder", dlerror()));
    }
    void* library = handle_;
    bind(library, create, "cudnnCreate");
    bind(library, destroy, "cudnnDestroy");
    bind(library, set_stream, "cudnnSetStream");
    bind(library, get_version, "cudnnGetVersion");
    bind(library, error_string, "cudnnGetErrorString");
    bind(library, last_error_string, "cudnnGetLastErrorString");
    bind(library, create_descriptor, "cudnnBackendCreateDescriptor");
    bind(library, destroy_descriptor, "cudnnBackendDestroyDescriptor");
    bind(library, set_attribute, "cudnnBackendSetAttribute");
    bind(library, get_attribute, "cudnnBackendGetAttribute");
    bind(library, finalize, "cudnnBackendFinalize");
    bind(library, execute, "cudnnBackendExecute");
}

std::string Library::describe(const char* what, cudnnStatus_t status) const {
    std::array<char, 512> message{};
    last_error_string(message.data(), message.size());
    return fmt::format("{}: {}: {}", what, error_string(status), message.data());
}

void Library::expect(const char* what, cudnnStatus_t status) const {
    if (status != CUDNN_STATUS_SUCCESS) throw DeviceError("cuDNN: " + describe(what, status));
}

Descriptor::Descriptor(const Library& library, cudnnBackendDescriptorType_t type) {
    cudnnBackendDescriptor_t made = nullptr;
    library.expect("descriptor", library.create_descriptor(type, &made));
    state_ = std::make_shared<State>(library, made);
}

Descriptor& Descriptor::set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                            std::int64_t count, const void* values) {
    const Library& library = state_->library;
    const cudnnStatus_t status = library.set_attribute(get(), name, type, count, values);
    if (status != CUDNN_STATUS_SUCCESS) {
        library.expect(fmt::format("attribute {}", static_cast<int>(name)).c_str(), status);
    }
    return *this;
}

Descriptor& Descriptor::set(cudnnBackendAttributeName_t name, const Descriptor& value) {
    state_->kept.push_back(value.state_);
    cudnnBackendDescriptor_t inner = value.get();
    return set(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &inner);
}

Descriptor& Descriptor::set(cudnnBackendAttributeName_t name,
                            const std::vector<std::int64_t>& values) {
    return set(name, CUDNN_TYPE_INT64, static_cast<std::int64_t>(values.size()), values.data());
}

Descriptor& Descriptor::set(cudnnBackendAttributeName_t name, cudnnDataType_t value) {
    return set(name, CUDNN_TYPE_DATA_TYPE, 1, &value);
}

Descriptor& Descriptor::finalize(const char* what) {
    state_->library.expect(what, state_->library.finalize(get()));
    return *this;
}

}  // namespace balmer::bench::cudnn
