#pragma once
// cuDNN's side of a comparison: plans by key, the fastest of its engines, one workspace.

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "bench/cudnn/cudnn.h"
#include "bench/device.h"
#include "kernels/core/buffer.h"

namespace balmer::bench {

class Peers {
  public:
    /// Throws DeviceError where cuDNN is missing.
    explicit Peers(BenchDevice& device);

    std::string name() const { return "cuDNN " + cudnn_->version(); }

    using Build = std::function<cudnn::Candidates(const cudnn::Cudnn&)>;

    /// A call of the graph `build` makes. Graphs are built once a `key`; the engine is the fastest
    /// of the heuristic's candidates on the first bindings. Null, with why in missing(), where
    /// cuDNN has no engine.
    std::function<void()> call(const std::string& key, const Build& build,
                               std::vector<cudnn::Binding> bindings);

    /// Why the last call() gave nothing; "" where it gave something, and before the first one of a
    /// new case.
    const std::string& missing() const { return missing_; }
    void begin_case() { missing_.clear(); }

    /// A host scalar that lives as long as this object.
    void* scalar(float value);

  private:
    struct Chosen {
        cudnn::Candidates candidates;
        const cudnn::Plan* plan = nullptr;
        std::string missing;
    };
    Chosen choose(const Build& build, const std::vector<cudnn::Binding>& bindings);
    void reserve(std::size_t bytes);

    BenchDevice& device_;
    std::unique_ptr<cudnn::Cudnn> cudnn_;
    std::map<std::string, Chosen> chosen_;
    std::vector<std::unique_ptr<float>> scalars_;
    Buffer workspace_;
    std::string missing_;
};

}  // namespace balmer::bench
