#pragma once
// The shared memory of a block: every block starts with arrays of 0xFF bytes, a NaN in every
// floating type, and has guarded gaps before, between and after them.

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace balmer::simt {

class SharedArena {
  public:
    /// For launches that ask for this many bytes.
    explicit SharedArena(std::size_t launch_bytes);
    ~SharedArena();
    SharedArena(const SharedArena&) = delete;
    SharedArena& operator=(const SharedArena&) = delete;

    void start_block();

    /// The `number`-th array of the block, aligned to 128 bytes; DeviceError if that is not what
    /// another thread took, or if the arrays exceed the bytes of the launch.
    void* array(int number, std::size_t bytes);

    /// The address as an offset into the arena, if it lies there.
    std::optional<std::size_t> offset_of(const void* address) const;
    /// The place at this offset: "byte 12 of shared array 0", "4 bytes after the end of shared
    /// array 1".
    std::string describe(std::size_t offset) const;

    /// The offset of the first byte between the arrays that was written. The address sanitizer
    /// reports such a write itself, when it happens.
    std::optional<std::size_t> first_overrun() const;

    std::size_t bytes() const { return bytes_; }

  private:
    struct Array {
        std::size_t offset;
        std::size_t bytes;
    };

    std::size_t launch_bytes_;
    std::size_t bytes_;
    std::unique_ptr<char[]> storage_;
    char* memory_;
    std::vector<Array> arrays_;
};

}  // namespace balmer::simt
