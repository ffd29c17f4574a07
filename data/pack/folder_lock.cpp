#include "data/pack/folder_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "kernels/core/error.h"

namespace balmer::data {

FolderLock::FolderLock(const std::string& folder, LockMode mode) {
    const std::string path = folder + "/.lock";
    descriptor_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (descriptor_ < 0 && mode == LockMode::shared) {
        const bool is_read_only = errno == EROFS || errno == EACCES;
        descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (descriptor_ < 0 && is_read_only) return;
    }
    if (descriptor_ < 0) throw IoError(path, std::strerror(errno));
    const int operation = mode == LockMode::shared ? LOCK_SH : LOCK_EX;
    if (::flock(descriptor_, operation | LOCK_NB) == 0) return;
    const int error = errno;
    ::close(std::exchange(descriptor_, -1));
    if (error != EWOULDBLOCK) throw IoError(path, std::strerror(error));
    throw IoError(folder, mode == LockMode::shared ? "is being written by another program"
                                                   : "is in use by another program");
}

FolderLock::~FolderLock() {
    if (descriptor_ >= 0) ::close(descriptor_);
}

FolderLock::FolderLock(FolderLock&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)) {}

FolderLock& FolderLock::operator=(FolderLock&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
}

}  // namespace balmer::data
