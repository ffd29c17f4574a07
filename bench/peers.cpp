#include "bench/peers.h"

#include <limits>

#include "kernels/core/error.h"

namespace balmer::bench {

Peers::Peers(BenchDevice& device)
    : device_(device), cudnn_(cudnn::Cudnn::on_device(device.context())) {}

void* Peers::scalar(float value) {
    scalars_.push_back(std::make_unique<float>(value));
    return scalars_.back().get();
}

void Peers::reserve(std::size_t bytes) {
    if (bytes <= workspace_.bytes()) return;
    device_.synchronize();
    workspace_ = Buffer(device_.context(), bytes);
}

Peers::Chosen Peers::choose(const Build& build, const std::vector<cudnn::Binding>& bindings) {
    Chosen chosen;
    try {
        chosen.candidates = build(*cudnn_);
    } catch (const DeviceError& error) {
        chosen.missing = error.what();
        return chosen;
    }
    double best = std::numeric_limits<double>::infinity();
    for (const auto& plan : chosen.candidates.plans) {
        try {
            reserve(plan->workspace_bytes());
            const auto run = [&] { plan->run(bindings, workspace_.data()); };
            device_.seconds_of(run);
            const double seconds = device_.seconds_of([&] {
                for (int i = 0; i < 5; ++i) run();
            });
            if (seconds < best) {
                best = seconds;
                chosen.plan = plan.get();
            }
        } catch (const Error& error) {
            chosen.missing = error.what();
        }
    }
    if (chosen.plan == nullptr && chosen.missing.empty()) {
        chosen.missing =
            chosen.candidates.refusals.empty() ? "no engine" : chosen.candidates.refusals.front();
    }
    return chosen;
}

std::function<void()> Peers::call(const std::string& key, const Build& build,
                                  std::vector<cudnn::Binding> bindings) {
    auto found = chosen_.find(key);
    if (found == chosen_.end()) found = chosen_.emplace(key, choose(build, bindings)).first;
    const cudnn::Plan* plan = found->second.plan;
    missing_ = plan == nullptr ? found->second.missing : "";
    if (plan == nullptr) return nullptr;
    return [this, plan, bindings = std::move(bindings)] { plan->run(bindings, workspace_.data()); };
}

}  // namespace balmer::bench
