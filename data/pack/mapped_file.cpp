#include "data/pack/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "kernels/core/error.h"

namespace balmer::data {

MappedFile::MappedFile(const std::string& path) {
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0) throw IoError(path, std::strerror(errno));
    struct stat status {};
    std::string reason;
    if (::fstat(descriptor, &status) != 0) {
        reason = std::strerror(errno);
    } else if (!S_ISREG(status.st_mode)) {
        reason = "not a regular file";
    } else if (status.st_size > 0) {
        size_ = static_cast<std::size_t>(status.st_size);
        void* data = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, descriptor, 0);
        if (data == MAP_FAILED) {
            reason = std::strerror(errno);
        } else {
            data_ = {data, [size = size_](void* begin) { ::munmap(begin, size); }};
        }
    }
    ::close(descriptor);
    if (!reason.empty()) throw IoError(path, reason);
}

}  // namespace balmer::data
