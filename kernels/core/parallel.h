#pragma once
// Threads for CPU kernels: one loop, split evenly, exceptions carried to the caller.

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>

#include "kernels/core/context.h"

namespace balmer {

/// Calls `body(begin, end)` on disjoint ranges that cover [0, count). Ranges are the same for the
/// same count and thread number, so results that depend on them repeat. One range (the whole) when
/// count <= grain or when called from inside another parallel loop. Rethrows what `body` throws.
void parallel_ranges(const Context& context, std::int64_t count, std::int64_t grain,
                     const std::function<void(std::int64_t begin, std::int64_t end)>& body);

/// Calls `body(i)` for every i in [0, count).
template <class Body>
void parallel_for(const Context& context, std::int64_t count, std::int64_t grain,
                  const Body& body) {
    parallel_ranges(context, count, grain, [&body](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) body(i);
    });
}

/// Calls `body(next)` once for every thread, which is to see to i = next(), next(), ... until that
/// is `count`: every i in [0, count) comes up once, in whichever thread is free. For costs that
/// differ, and results that do not depend on the thread. Otherwise as parallel_ranges.
template <class Body>
void parallel_turns(const Context& context, std::int64_t count, const Body& body) {
    const std::int64_t threads = std::min<std::int64_t>(count, thread_count(context));
    std::atomic<std::int64_t> turn = 0;
    const auto next = [&] { return std::min(turn.fetch_add(1), count); };
    parallel_for(context, threads, 1, [&](std::int64_t) { body(next); });
}

}  // namespace balmer
