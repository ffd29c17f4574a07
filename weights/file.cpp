#include "weights/file.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "kernels/core/error.h"

namespace balmer::weights {

File::File(const std::string& path) : path_(path) {
    // O_NONBLOCK: opening a FIFO that nobody writes to must not wait.
    descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor_ < 0) {
        throw IoError(path, "cannot open: " + std::generic_category().message(errno));
    }
    struct stat status {};
    std::string refusal;
    if (::fstat(descriptor_, &status) != 0) {
        refusal = "cannot stat: " + std::generic_category().message(errno);
    } else if (S_ISDIR(status.st_mode)) {
        refusal = "is a directory, not a file";
    } else if (!S_ISREG(status.st_mode)) {
        refusal = "is not a regular file";
    }
    if (!refusal.empty()) {
        ::close(descriptor_);
        throw IoError(path, refusal);
    }
    size_ = static_cast<std::uint64_t>(status.st_size);
}

File::~File() {
    if (descriptor_ >= 0) ::close(descriptor_);
}

File::File(File&& other) noexcept
    : path_(std::move(other.path_)),
      size_(other.size_),
      descriptor_(std::exchange(other.descriptor_, -1)) {}

File& File::operator=(File&& other) noexcept {
    std::swap(path_, other.path_);
    std::swap(size_, other.size_);
    std::swap(descriptor_, other.descriptor_);
    return *this;
}

void File::read(std::uint64_t position, void* destination, std::size_t bytes,
                const std::string& what) const {
    constexpr std::size_t largest_read = std::size_t{1} << 30;  // the kernel stops at 2^31 - 4096
    auto* target = static_cast<char*>(destination);
    std::size_t done = 0;
    while (done < bytes) {
        const ssize_t got =
            ::pread(descriptor_, target + done, std::min(bytes - done, largest_read),
                    static_cast<off_t>(position + done));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) {
            throw IoError(path_, fmt::format("cannot read {}: {}", what,
                                             std::generic_category().message(errno)));
        }
        if (got == 0) {
            throw IoError(path_, fmt::format("file was cut while being read: {} needs bytes {} to "
                                             "{}, the file ends at {}",
                                             what, position, position + bytes, position + done));
        }
        done += static_cast<std::size_t>(got);
    }
}

std::string read_text_file(const std::string& path, std::uint64_t limit) {
    const File file(path);
    if (file.size() > limit) {
        throw FormatError(
            path, fmt::format("file of {} bytes is above the limit of {}", file.size(), limit));
    }
    std::string text(file.size(), '\0');
    file.read(0, text.data(), text.size(), "the text");
    return text;
}

}  // namespace balmer::weights
