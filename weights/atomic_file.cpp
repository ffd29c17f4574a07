#include "weights/atomic_file.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <ctime>
#include <filesystem>
#include <system_error>

#include "kernels/core/error.h"

namespace balmer::weights {
namespace {

constexpr std::size_t buffer_bytes = std::size_t{1} << 20;
constexpr std::string_view temporary_mark = ".tmp-";

std::string reason_of(int error) {
    return std::generic_category().message(error);
}

std::string folder_of(const std::string& path) {
    const auto folder = std::filesystem::path(path).parent_path().string();
    return folder.empty() ? "." : folder;
}

/// Closes a descriptor at the end of a scope.
class Descriptor {
  public:
    explicit Descriptor(int value) : value_(value) {}
    ~Descriptor() {
        if (value_ >= 0) ::close(value_);
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    int get() const { return value_; }

  private:
    int value_;
};

/// A write past RLIMIT_FSIZE raises SIGXFSZ, which by default kills the process before write() can
/// answer EFBIG. The signal goes to the writing thread, so blocking it there is enough.
class FileSizeSignalBlock {
  public:
    FileSizeSignalBlock() {
        ::sigemptyset(&signal_);
        ::sigaddset(&signal_, SIGXFSZ);
        ::pthread_sigmask(SIG_BLOCK, &signal_, &previous_);
    }
    ~FileSizeSignalBlock() { ::pthread_sigmask(SIG_SETMASK, &previous_, nullptr); }
    FileSizeSignalBlock(const FileSizeSignalBlock&) = delete;
    FileSizeSignalBlock& operator=(const FileSizeSignalBlock&) = delete;

    /// Takes back the signal that a failed write left pending.
    void consume() const {
        if (::sigismember(&previous_, SIGXFSZ) == 1) return;
        const timespec no_wait{};
        ::sigtimedwait(&signal_, nullptr, &no_wait);
    }

  private:
    sigset_t signal_{};
    sigset_t previous_{};
};

void sync_folder(const std::string& path) {
    const std::string folder = folder_of(path);
    const Descriptor descriptor(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (descriptor.get() < 0) {
        throw IoError(path, "cannot open its folder: " + reason_of(errno));
    }
    // Some network file systems have no fsync for folders and answer EINVAL.
    if (::fsync(descriptor.get()) != 0 && errno != EINVAL && errno != ENOTSUP) {
        throw IoError(path, "cannot fsync its folder: " + reason_of(errno));
    }
}

bool same_file(const struct stat& a, const struct stat& b) {
    return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/// True if `path` was a temporary file without a living writer; it is deleted then.
bool remove_if_stale(const std::string& path) {
    const Descriptor file(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    if (file.get() < 0 || ::flock(file.get(), LOCK_EX | LOCK_NB) != 0) return false;
    // The writer may have renamed its file between the two calls above.
    struct stat opened {};
    struct stat named {};
    if (::fstat(file.get(), &opened) != 0 || ::lstat(path.c_str(), &named) != 0) return false;
    return S_ISREG(opened.st_mode) && same_file(opened, named) && ::unlink(path.c_str()) == 0;
}

}  // namespace

AtomicFile::AtomicFile(const std::string& path) : path_(path) {
    if (std::filesystem::path(path).filename().empty()) throw IoError(path, "names no file");
    buffer_.reserve(buffer_bytes);
    open_temporary();
}

AtomicFile::~AtomicFile() {
    discard();
}

void AtomicFile::open_temporary() {
    const std::string folder = folder_of(path_);
    const std::string name = std::filesystem::path(path_).filename().string();
    for (int number = 0;; ++number) {
        temporary_ = fmt::format("{}/.{}{}{}-{}", folder, name, temporary_mark, ::getpid(), number);
        descriptor_ =
            ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
        if (descriptor_ < 0 && errno == EEXIST) continue;  // another thread's, or left behind
        if (descriptor_ < 0) fail("cannot create a temporary file in its folder", errno);
        // A file system without locks leaves the file unlocked, and there no one gets a lock to
        // call it stale.
        while (::flock(descriptor_, LOCK_EX) != 0 && errno == EINTR) continue;
        struct stat status {};
        if (::fstat(descriptor_, &status) != 0) fail("cannot stat the temporary file", errno);
        if (status.st_nlink > 0) return;
        ::close(descriptor_);  // taken for stale between open and flock
    }
}

void AtomicFile::expect_open() const {
    if (descriptor_ < 0) throw IoError(path_, "written to after commit or failure");
}

void AtomicFile::write(const void* data, std::size_t bytes) {
    expect_open();
    const auto* begin = static_cast<const char*>(data);
    if (buffer_.size() + bytes > buffer_bytes) flush();
    if (bytes >= buffer_bytes) {
        write_through(begin, bytes);
    } else {
        buffer_.append(begin, bytes);
    }
    bytes_written_ += bytes;
}

void AtomicFile::flush() {
    write_through(buffer_.data(), buffer_.size());
    buffer_.clear();
}

void AtomicFile::write_through(const char* data, std::size_t bytes) {
    const FileSizeSignalBlock block;
    constexpr std::size_t largest_write = std::size_t{1} << 30;
    while (bytes > 0) {
        const ssize_t put = ::write(descriptor_, data, std::min(bytes, largest_write));
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) {
            const int error = errno;
            if (error == EFBIG) block.consume();
            fail("cannot write", error);
        }
        data += put;
        bytes -= static_cast<std::size_t>(put);
    }
}

void AtomicFile::commit() {
    expect_open();
    flush();
    if (::fsync(descriptor_) != 0) fail("cannot fsync", errno);
    if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail("cannot rename into place", errno);
    temporary_.clear();
    discard();
    sync_folder(path_);
}

void AtomicFile::fail(const char* action, int error) {
    discard();
    throw IoError(path_, std::string(action) + ": " + reason_of(error));
}

void AtomicFile::discard() noexcept {
    if (descriptor_ < 0) return;
    if (!temporary_.empty()) ::unlink(temporary_.c_str());
    ::close(descriptor_);
    descriptor_ = -1;
}

void write_file_atomically(const std::string& path, std::string_view content) {
    AtomicFile file(path);
    file.write(content);
    file.commit();
}

bool is_temporary_name(std::string_view name) {
    const auto mark = name.rfind(temporary_mark);
    if (!name.starts_with('.') || mark == std::string_view::npos || mark < 2) return false;
    const auto number = name.substr(mark + temporary_mark.size());
    return number.find_first_of("0123456789") == 0 &&
           number.find_first_not_of("0123456789-") == std::string_view::npos;
}

std::vector<std::string> remove_stale_temporaries(const std::string& folder) {
    std::error_code error;
    std::vector<std::string> removed;
    std::filesystem::directory_iterator entries(folder, error);
    while (!error && entries != std::filesystem::directory_iterator()) {
        const std::string path = entries->path().string();
        if (is_temporary_name(entries->path().filename().string()) && remove_if_stale(path)) {
            removed.push_back(path);
        }
        entries.increment(error);
    }
    if (error) throw IoError(folder, "cannot list the folder: " + error.message());
    std::sort(removed.begin(), removed.end());
    return removed;
}

void expect_writable_folder(const std::string& folder) {
    const AtomicFile probe(folder + "/write-test");
}

}  // namespace balmer::weights
