#pragma once
// What is measured: one call of a room on operands of a stated shape, with its work counted, and
// the peer's call on the same operands.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "bench/operands.h"
#include "bench/peers.h"

namespace balmer::bench {

/// The arithmetic a call cannot avoid, and the bytes: every input read once, every output written
/// once.
struct Work {
    double flops = 0.0;
    double bytes = 0.0;
};

/// A result to be compared. In every `period` elements the first `skip` are left out (0: none).
struct Output {
    std::string name;
    View view;
    bool leads_with_batch = true;  ///< a smaller batch gives the beginning of it
    std::int64_t period = 0;
    std::int64_t skip = 0;
};

struct Call {
    std::function<void()> run;
    std::vector<Output> outputs;
};

/// Balmer's call and the peer's, whose outputs stand in the same order (fewer may be compared).
struct Calls {
    Call own;
    std::optional<Call> peer;
};

struct BenchCase {
    std::string name;   ///< "attention_forward"
    std::string model;  ///< "vit-b16": whose shapes these are
    std::string shape;  ///< "B=256 T=197 H=12 D=64"
    std::int64_t batch = 1;
    DType dtype = DType::bf16;
    Work work;
    /// Makes operands and calls; `batch` may be smaller than the case's for a check. Peers may be
    /// null.
    std::function<Calls(Operands&, Peers*, std::int64_t batch)> make;
    /// Largest ||difference|| / ||reference|| of an output: against f32 on the CPU, and against the
    /// peer.
    double tolerance = 0.0;

    std::string full_name() const {
        return name + "/" + model + "/" + std::to_string(batch) + "/" + std::string(name_of(dtype));
    }
};

/// Rounding of the result to its dtype, twice over for the peer's own.
inline double tolerance_of(DType dtype) {
    return dtype == DType::bf16 ? 1e-2 : 2e-5;
}

/// The shapes of one model, and which batches of it are measured.
struct Workload {
    std::string model;
    std::int64_t tokens = 197;
    std::int64_t heads = 12;
    std::int64_t width = 768;
    std::int64_t mlp_width = 3072;
    std::int64_t layers = 12;
    std::int64_t image_size = 0;  ///< 0: no images
    std::int64_t patch_size = 16;
    std::int64_t spectrum_pixels = 0;
    std::string spectra;  ///< a packed set whose spectra are drawn; empty: random ones
    std::vector<std::int64_t> batches;
    DType dtype = DType::bf16;

    std::int64_t depth() const { return width / heads; }
};

// One function a room: its cases for a workload (<room>_bench.cpp).
std::vector<BenchCase> gemm_cases(const Workload& workload);
std::vector<BenchCase> attention_cases(const Workload& workload);
std::vector<BenchCase> layer_norm_cases(const Workload& workload);
std::vector<BenchCase> gelu_cases(const Workload& workload);
std::vector<BenchCase> patch_embed_cases(const Workload& workload);
std::vector<BenchCase> loss_cases(const Workload& workload);
std::vector<BenchCase> adamw_cases(const Workload& workload);
std::vector<BenchCase> reduce_cases(const Workload& workload);
std::vector<BenchCase> elementwise_cases(const Workload& workload);
std::vector<BenchCase> render_cases(const Workload& workload);

}  // namespace balmer::bench
