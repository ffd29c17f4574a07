#include "kernels/simt/shared_arena.h"

#include <cstdint>
#include <cstring>

#include "kernels/core/launch_shape.h"
#include "kernels/simt/executor.h"
#include "kernels/simt/sanitizer.h"

namespace balmer::simt {
namespace {

constexpr std::size_t alignment = 128;
constexpr std::size_t gap_bytes = 128;
constexpr std::size_t most_arrays = 32;

/// The bytes of the gaps: a NaN in every floating type, as the 0xFF of the arrays, and other than
/// that, so that the overrun of a copied NaN shows too.
char gap_byte(std::size_t offset) {
    return static_cast<char>(offset % 2 == 0 ? 0xF7 : 0xFF);
}

}  // namespace

SharedArena::SharedArena(std::size_t launch_bytes)
    : launch_bytes_(launch_bytes),
      bytes_(shared_bytes_of(launch_bytes) + gap_bytes * (most_arrays + 1)),
      storage_(std::make_unique<char[]>(bytes_ + alignment)) {
    const auto address = reinterpret_cast<std::uintptr_t>(storage_.get());
    memory_ = storage_.get() + (alignment - address % alignment) % alignment;
}

SharedArena::~SharedArena() {
    sanitizer::allow(memory_, bytes_);
}

void SharedArena::start_block() {
    arrays_.clear();
    sanitizer::allow(memory_, bytes_);
    for (std::size_t i = 0; i < bytes_; ++i) memory_[i] = gap_byte(i);
    sanitizer::forbid(memory_, bytes_);
}

void* SharedArena::array(int number, std::size_t bytes) {
    const auto index = static_cast<std::size_t>(number);
    if (index < arrays_.size()) {
        if (arrays_[index].bytes != bytes) {
            fail("shared array " + std::to_string(number) + " has " + std::to_string(bytes) +
                 " bytes, another thread took " + std::to_string(arrays_[index].bytes));
        }
        return memory_ + arrays_[index].offset;
    }
    if (index >= most_arrays) {
        fail("more than " + std::to_string(most_arrays) + " shared arrays");
    }
    if (bytes > most_shared_bytes) {
        fail("shared array " + std::to_string(number) + " of " + std::to_string(bytes) +
             " bytes is larger than shared memory");
    }
    std::size_t offset = gap_bytes;
    std::size_t total = shared_bytes_of(bytes);
    for (const Array& earlier : arrays_) {
        offset += shared_bytes_of(earlier.bytes) + gap_bytes;
        total += shared_bytes_of(earlier.bytes);
    }
    if (total > launch_bytes_) {
        fail("shared arrays take " + std::to_string(total) + " bytes, the launch asked for " +
             std::to_string(launch_bytes_));
    }
    arrays_.push_back({offset, bytes});
    sanitizer::allow(memory_ + offset, bytes);
    std::memset(memory_ + offset, 0xFF, bytes);
    return memory_ + offset;
}

std::optional<std::size_t> SharedArena::offset_of(const void* address) const {
    const auto at = reinterpret_cast<std::uintptr_t>(address);
    const auto begin = reinterpret_cast<std::uintptr_t>(memory_);
    if (at < begin || at >= begin + bytes_) return {};
    return at - begin;
}

std::string SharedArena::describe(std::size_t offset) const {
    for (std::size_t i = arrays_.size(); i-- > 0;) {
        const Array& array = arrays_[i];
        if (offset < array.offset) continue;
        const std::size_t within = offset - array.offset;
        if (within < array.bytes) {
            return "byte " + std::to_string(within) + " of shared array " + std::to_string(i);
        }
        return std::to_string(within - array.bytes) + " bytes after the end of shared array " +
               std::to_string(i);
    }
    return "before shared array 0";
}

std::optional<std::size_t> SharedArena::first_overrun() const {
    if (sanitizer::is_active) return {};
    std::size_t at = 0;
    for (std::size_t i = 0; i <= arrays_.size(); ++i) {
        const std::size_t end = i < arrays_.size() ? arrays_[i].offset : bytes_;
        for (; at < end; ++at) {
            if (memory_[at] != gap_byte(at)) return at;
        }
        if (i < arrays_.size()) at = end + arrays_[i].bytes;
    }
    return {};
}

}  // namespace balmer::simt
