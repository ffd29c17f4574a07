#include "kernels/simt/stack_pool.h"

#include <sys/mman.h>

#include "kernels/core/error.h"

namespace balmer::simt {

void StackPool::reserve(std::size_t count) {
    if (count <= count_) return;
    release();
    const std::size_t bytes = count * slot_bytes;
    void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        throw OutOfMemoryError("out of memory on simt: no stacks for a block", bytes, 0);
    }
    memory_ = static_cast<char*>(memory);
    count_ = count;
    for (std::size_t i = 0; i < count; ++i) {
        if (mprotect(memory_ + i * slot_bytes, page_bytes, PROT_NONE) != 0) {
            release();
            throw OutOfMemoryError("out of memory on simt: no guard pages for a block", bytes, 0);
        }
    }
}

void StackPool::release() {
    if (memory_ == nullptr) return;
    // Memory mapped here later must not inherit forbidden bytes.
    sanitizer::allow(memory_, count_ * slot_bytes);
    munmap(memory_, count_ * slot_bytes);
    memory_ = nullptr;
    count_ = 0;
}

}  // namespace balmer::simt
