#pragma once
// cuBLASLt, loaded at the first matrix product on a GPU: linked, it would cost every start of every
// program 50-270 ms and 213 MB of memory, and keep them from starting where it is missing.

#include <cublasLt.h>

#include <memory>
#include <string>

namespace balmer::kernels {

/// The functions of the library that Balmer calls.
struct CublasLt {
    decltype(&cublasLtCreate) create;
    decltype(&cublasLtGetStatusString) status_string;
    decltype(&cublasLtMatmul) matmul;
    decltype(&cublasLtMatmulAlgoGetHeuristic) get_heuristic;
    decltype(&cublasLtMatmulDescCreate) create_description;
    decltype(&cublasLtMatmulDescDestroy) destroy_description;
    decltype(&cublasLtMatmulDescSetAttribute) set_description;
    decltype(&cublasLtMatrixLayoutCreate) create_layout;
    decltype(&cublasLtMatrixLayoutDestroy) destroy_layout;
    decltype(&cublasLtMatrixLayoutSetAttribute) set_layout;
    decltype(&cublasLtMatmulPreferenceCreate) create_preference;
    decltype(&cublasLtMatmulPreferenceDestroy) destroy_preference;
    decltype(&cublasLtMatmulPreferenceSetAttribute) set_preference;

    /// DeviceError naming `what` unless `status` is success.
    void check(cublasStatus_t status, const std::string& what) const;
};

/// The library; DeviceError with the loader's reason if it cannot be loaded.
const CublasLt& cublaslt();

/// The library's handle of a device, which any thread may use. The device must be current.
cublasLtHandle_t cublaslt_handle(int index);

/// Calls the library's destructor of a description.
template <auto destroy>
struct CublasLtDelete {
    template <class T>
    void operator()(T* description) const {
        (cublaslt().*destroy)(description);
    }
};
using MatmulDescription =
    std::unique_ptr<cublasLtMatmulDescOpaque_t, CublasLtDelete<&CublasLt::destroy_description>>;
using MatrixLayout =
    std::unique_ptr<cublasLtMatrixLayoutOpaque_t, CublasLtDelete<&CublasLt::destroy_layout>>;
using MatmulPreference = std::unique_ptr<cublasLtMatmulPreferenceOpaque_t,
                                         CublasLtDelete<&CublasLt::destroy_preference>>;

}  // namespace balmer::kernels
