#pragma once
// A fixed piece of work, captured once and replayed with one launch: a training step of hundreds of
// kernels costs the host as little as one of them.

#include <functional>

#include "kernels/core/context.h"

namespace balmer {

/// Calls `work` once on CUDA, during construction, and records what it puts on the context's stream
/// instead of running it; `replay` runs that again and again, with the same addresses. What changes
/// from replay to replay (learning rate, step, random offset) must therefore be read from device
/// memory, and everything `work` reads and writes must live as long as the graph. Its temporaries
/// come from a pool that the graph keeps to itself, filled with what the stream has cached: run the
/// same work on the stream once or twice before. `work` may not wait for the device, copy pageable
/// memory or take memory on other streams.
///
/// On cpu and simt the work itself is kept: construction does not run it, each replay does.
class Graph {
  public:
    /// DeviceError with the driver's reason if the work cannot be captured, or asks for memory that
    /// the pool does not have; rethrows what `work` throws.
    Graph(const Context& context, std::function<void()> work);
    ~Graph();
    Graph(Graph&& other) noexcept;
    Graph& operator=(Graph&& other) noexcept;
    Graph(const Graph&) = delete;
    Graph& operator=(const Graph&) = delete;

    /// Puts the work on a stream of the same device. Replays must not overlap: they share memory.
    void replay(const Context& context) const;

  private:
    Device device_;
    std::function<void()> work_;
    void* handle_ = nullptr;
    int pool_ = 0;
};

}  // namespace balmer
