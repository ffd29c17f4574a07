#include "data/catalogue/byte_stream.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <system_error>

#include "kernels/core/error.h"

namespace balmer::data {
namespace {

struct CloseGzip {
    void operator()(gzFile_s* file) const { gzclose_r(file); }
};

/// Looked at before it is opened, since opening some devices already does something.
void require_regular_file(const std::string& path) {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) {
        throw IoError(path, std::generic_category().message(errno));
    }
    if (S_ISREG(status.st_mode)) return;
    throw IoError(path, S_ISDIR(status.st_mode) ? "is a folder, not a file" : "is not a file");
}

}  // namespace

ByteStream open_byte_stream(const std::string& path) {
    require_regular_file(path);
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (descriptor < 0) throw IoError(path, std::generic_category().message(errno));
    gzFile_s* const opened = gzdopen(descriptor, "rb");
    if (opened == nullptr) {
        ::close(descriptor);
        throw IoError(path, "out of memory");
    }
    const std::shared_ptr<gzFile_s> file(opened, CloseGzip{});
    gzbuffer(opened, 1U << 17);
    return [path, file](char* buffer, std::size_t size) -> std::size_t {
        constexpr std::size_t longest = 1U << 30;
        const int got = gzread(file.get(), buffer, static_cast<unsigned>(std::min(size, longest)));
        int error = Z_OK;
        const std::string message = gzerror(file.get(), &error);
        if (error == Z_ERRNO) throw IoError(path, std::generic_category().message(errno));
        // zlib answers Z_BUF_ERROR, with what it has, where a gzip stream ends early.
        if (got < 0 || error != Z_OK) throw FormatError(path, "corrupt gzip: " + message);
        return static_cast<std::size_t>(got);
    };
}

ByteStream memory_stream(std::string bytes) {
    return
        [bytes = std::move(bytes), done = std::size_t{0}](char* buffer, std::size_t size) mutable {
            const std::size_t count = bytes.copy(buffer, size, done);
            done += count;
            return count;
        };
}

}  // namespace balmer::data
