// The peer's graphs, built, checked and compiled by cuDNN for an H200 that is not there.

#include "bench/cudnn/cudnn.h"

#include <dlfcn.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "kernels/core/error.h"

namespace balmer::bench::cudnn {
namespace {

std::string read_file(const char* path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
}

class CudnnGraph : public ::testing::Test {
  protected:
    void SetUp() override {
        // A machine without a driver has the toolkit's stub; its soname is the driver's.
        if (dlopen("libcuda.so.1", RTLD_NOW | RTLD_GLOBAL) == nullptr &&
            dlopen(BALMER_CUDA_STUB, RTLD_NOW | RTLD_GLOBAL) == nullptr) {
            GTEST_SKIP() << "neither a driver nor the toolkit's stub: " << BALMER_CUDA_STUB;
        }
        try {
            cudnn_ = Cudnn::for_described_device(read_file(BALMER_DEVICE_JSON));
        } catch (const DeviceError& error) {
            GTEST_SKIP() << error.what();
        }
    }

    /// At least one engine takes the graph and has code for it.
    static void expect_engine(const Candidates& candidates) {
        const auto engines = candidates.plans.size() +
                             static_cast<std::size_t>(std::max(0, candidates.compiled_only));
        EXPECT_GT(engines, 0U) << (candidates.refusals.empty() ? "no engine proposed"
                                                               : candidates.refusals.front());
    }

    std::unique_ptr<Cudnn> cudnn_;
};

constexpr AttentionShape vit{.batch = 256, .tokens = 197, .heads = 12, .depth = 64};
constexpr AttentionShape spectra{.batch = 16, .tokens = 4000, .heads = 8, .depth = 64};
constexpr RowShape rows{.rows = 256 * 197, .columns = 768};
constexpr RowShape hidden{.rows = 256 * 197, .columns = 3072};

TEST_F(CudnnGraph, VersionIsNine) {
    EXPECT_EQ(cudnn_->version().substr(0, 2), "9.");
}

TEST_F(CudnnGraph, AttentionForwardHasAnEngine) {
    expect_engine(cudnn_->attention_forward(vit));
    expect_engine(cudnn_->attention_forward(spectra));
}

TEST_F(CudnnGraph, LayerNormHasEnginesBothWays) {
    expect_engine(cudnn_->layer_norm_forward(rows));
    expect_engine(cudnn_->layer_norm_backward(rows));
}

TEST_F(CudnnGraph, GeluHasEnginesBothWays) {
    expect_engine(cudnn_->gelu_forward(hidden));
    expect_engine(cudnn_->gelu_backward(hidden));
}

TEST_F(CudnnGraph, PatchConvolutionHasAnEngine) {
    expect_engine(cudnn_->patch_convolution({.batch = 256}));
}

TEST_F(CudnnGraph, AttentionBackwardHasAnEngineWhereCudnnFrontendIsFound) {
    if (!Cudnn::has_attention_backward()) {
        EXPECT_THROW(cudnn_->attention_backward(vit), DeviceError);
        GTEST_SKIP() << "this build did not find cudnn_frontend.h";
    }
    expect_engine(cudnn_->attention_backward(vit));
    expect_engine(cudnn_->attention_backward(spectra));
}

TEST_F(CudnnGraph, AnImpossibleShapeIsRefusedNotBuilt) {
    const Candidates candidates =
        cudnn_->attention_forward({.tokens = 197, .heads = 1, .depth = 7});
    EXPECT_TRUE(candidates.plans.empty());
    EXPECT_EQ(candidates.compiled_only, 0);
}

}  // namespace
}  // namespace balmer::bench::cudnn
