#pragma once
// The stacks of a block's fibres.

#include <cstddef>

#include "kernels/simt/sanitizer.h"

namespace balmer::simt {

/// Stacks with a guard page below each, kept between launches.
class StackPool {
  public:
    /// Code under the address sanitizer has larger frames.
    static constexpr std::size_t stack_bytes = std::size_t{sanitizer::is_active ? 256U : 64U} << 10;

    StackPool() = default;
    ~StackPool() { release(); }
    StackPool(const StackPool&) = delete;
    StackPool& operator=(const StackPool&) = delete;

    /// At least `count` stacks; those handed out before are void if there were fewer.
    /// OutOfMemoryError.
    void reserve(std::size_t count);

    char* bottom(std::size_t i) const { return memory_ + i * slot_bytes + page_bytes; }
    char* top(std::size_t i) const { return bottom(i) + stack_bytes; }

    /// Forgets what the address sanitizer knows of the frames of a fibre that never returned.
    void clean(std::size_t i) const { sanitizer::allow(bottom(i), stack_bytes); }
    /// As clean, where the fibre's own function had returned.
    void clean_top(std::size_t i) const { sanitizer::allow(top(i) - page_bytes, page_bytes); }

  private:
    static constexpr std::size_t page_bytes = 4096;
    static constexpr std::size_t slot_bytes = stack_bytes + page_bytes;

    void release();

    char* memory_ = nullptr;
    std::size_t count_ = 0;
};

}  // namespace balmer::simt
