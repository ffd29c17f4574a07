#include <dlfcn.h>

#include <cstdlib>
#include <map>
#include <mutex>
#include <vector>

#include "kernels/core/error.h"
#include "kernels/gemm/cublaslt_library.cuh"

namespace balmer::kernels {
namespace {

void* open_library() {
    std::vector<std::string> names;
    if (const char* own = std::getenv("BALMER_CUBLASLT")) names.emplace_back(own);
    names.push_back("libcublasLt.so." + std::to_string(CUBLAS_VER_MAJOR));
    names.emplace_back("libcublasLt.so");
    std::string reasons;
    for (const std::string& name : names) {
        // Never closed: its descriptions live in the threads' caches.
        if (void* library = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL)) return library;
        const char* reason = dlerror();
        reasons += (reasons.empty() ? "" : "; ") + std::string(reason != nullptr ? reason : name);
    }
    throw DeviceError("gemm: matrix products on a GPU need cuBLASLt (" + reasons + ")");
}

template <class Function>
void find(void* library, const char* name, Function& function) {
    void* address = dlsym(library, name);
    if (address == nullptr) throw DeviceError(std::string("gemm: cuBLASLt has no ") + name);
    function = reinterpret_cast<Function>(address);
}

CublasLt load() {
    void* library = open_library();
    decltype(&cublasLtGetVersion) version = nullptr;
    find(library, "cublasLtGetVersion", version);
    constexpr std::size_t per_major = 10000;
    const std::size_t major = version() / per_major;
    if (major != CUBLAS_VER_MAJOR) {
        throw DeviceError("gemm: needs cuBLASLt " + std::to_string(CUBLAS_VER_MAJOR) + ", found " +
                          std::to_string(major));
    }
    CublasLt result{};
    find(library, "cublasLtCreate", result.create);
    find(library, "cublasLtGetStatusString", result.status_string);
    find(library, "cublasLtMatmul", result.matmul);
    find(library, "cublasLtMatmulAlgoGetHeuristic", result.get_heuristic);
    find(library, "cublasLtMatmulDescCreate", result.create_description);
    find(library, "cublasLtMatmulDescDestroy", result.destroy_description);
    find(library, "cublasLtMatmulDescSetAttribute", result.set_description);
    find(library, "cublasLtMatrixLayoutCreate", result.create_layout);
    find(library, "cublasLtMatrixLayoutDestroy", result.destroy_layout);
    find(library, "cublasLtMatrixLayoutSetAttribute", result.set_layout);
    find(library, "cublasLtMatmulPreferenceCreate", result.create_preference);
    find(library, "cublasLtMatmulPreferenceDestroy", result.destroy_preference);
    find(library, "cublasLtMatmulPreferenceSetAttribute", result.set_preference);
    return result;
}

}  // namespace

void CublasLt::check(cublasStatus_t status, const std::string& what) const {
    if (status == CUBLAS_STATUS_SUCCESS) return;
    throw DeviceError("gemm: cuBLASLt: " + what + ": " + status_string(status));
}

const CublasLt& cublaslt() {
    static const CublasLt library = load();
    return library;
}

cublasLtHandle_t cublaslt_handle(int index) {
    static std::mutex mutex;
    static std::map<int, cublasLtHandle_t> handles;
    const std::scoped_lock lock(mutex);
    cublasLtHandle_t& handle = handles[index];
    if (handle == nullptr) cublaslt().check(cublaslt().create(&handle), "cublasLtCreate");
    return handle;
}

}  // namespace balmer::kernels
