#include "weights/checksum.h"

#include <fmt/core.h>
#include <xxhash.h>

#include <algorithm>
#include <new>
#include <vector>

#include "weights/file.h"

namespace balmer::weights {

struct Checksum::State {
    struct Free {
        void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
    };
    std::unique_ptr<XXH3_state_t, Free> xxh3{XXH3_createState()};
};

Checksum::Checksum() : state_(std::make_unique<State>()) {
    if (state_->xxh3 == nullptr) throw std::bad_alloc();
    XXH3_64bits_reset(state_->xxh3.get());
}

Checksum::~Checksum() = default;
Checksum::Checksum(Checksum&& other) noexcept = default;
Checksum& Checksum::operator=(Checksum&& other) noexcept = default;

void Checksum::update(const void* data, std::size_t bytes) {
    XXH3_64bits_update(state_->xxh3.get(), data, bytes);
}

std::string Checksum::hex() const {
    return fmt::format("{:016x}", XXH3_64bits_digest(state_->xxh3.get()));
}

std::string checksum_of(const void* data, std::size_t bytes) {
    return fmt::format("{:016x}", XXH3_64bits(data, bytes));
}

std::string checksum_of(const File& file, std::uint64_t begin, std::uint64_t end) {
    constexpr std::uint64_t piece = 1 << 20;
    std::vector<char> buffer(std::min(piece, end - begin));
    Checksum checksum;
    for (std::uint64_t position = begin; position < end;) {
        const std::size_t bytes = std::min<std::uint64_t>(buffer.size(), end - position);
        file.read(position, buffer.data(), bytes, "its checksum");
        checksum.update(buffer.data(), bytes);
        position += bytes;
    }
    return checksum.hex();
}

std::string checksum_of_file(const std::string& path) {
    const File file(path);
    return checksum_of(file, 0, file.size());
}

}  // namespace balmer::weights
