#include "data/fits/file_bytes.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <system_error>
#include <utility>

#include "data/spectrum.h"

namespace balmer::data {
namespace {

class FileDescriptor {
  public:
    explicit FileDescriptor(int descriptor) : descriptor_(descriptor) {}
    ~FileDescriptor() {
        if (descriptor_ >= 0) ::close(descriptor_);
    }
    FileDescriptor(FileDescriptor&& other) noexcept
        : descriptor_(std::exchange(other.descriptor_, -1)) {}
    FileDescriptor(const FileDescriptor&) = delete;
    FileDescriptor& operator=(const FileDescriptor&) = delete;
    int get() const { return descriptor_; }

  private:
    int descriptor_;
};

std::string error_text(int number) {
    return std::generic_category().message(number);
}

const char* kind_of(mode_t mode) {
    if (S_ISDIR(mode)) return "a directory";
    if (S_ISFIFO(mode)) return "a FIFO";
    if (S_ISSOCK(mode)) return "a socket";
    return "a device";
}

void require_regular(const std::string& path, const struct stat& status) {
    if (!S_ISREG(status.st_mode)) {
        throw SpectrumError(path, Status::not_a_file,
                            fmt::format("is {}, not a file", kind_of(status.st_mode)));
    }
}

FileDescriptor open_regular_file(const std::string& path, struct stat& status) {
    // Looked at before it is opened, since opening some devices already does something; and again
    // afterwards, since the name may have changed its meaning in between.
    if (::stat(path.c_str(), &status) != 0) {
        throw SpectrumError(path, Status::not_a_file, error_text(errno));
    }
    require_regular(path, status);
    FileDescriptor file(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    if (file.get() < 0 || ::fstat(file.get(), &status) != 0) {
        throw SpectrumError(path, Status::not_a_file, error_text(errno));
    }
    require_regular(path, status);
    return file;
}

/// Fills `bytes` from the start of the file and cuts it to what there was.
void read_into(const std::string& path, const FileDescriptor& file, std::vector<char>& bytes) {
    std::size_t done = 0;
    while (done < bytes.size()) {
        const ssize_t got = ::read(file.get(), bytes.data() + done, bytes.size() - done);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) throw SpectrumError(path, Status::not_a_file, error_text(errno));
        if (got == 0) break;  // cut while it was being read
        done += static_cast<std::size_t>(got);
    }
    bytes.resize(done);
}

std::vector<char> read_regular_file(const std::string& path, std::int64_t byte_limit) {
    struct stat status {};
    const FileDescriptor file = open_regular_file(path, status);
    if (status.st_size > byte_limit) {
        throw SpectrumError(
            path, Status::bad_structure,
            fmt::format("{} bytes, above the limit of {}", status.st_size, byte_limit));
    }
    std::vector<char> bytes(static_cast<std::size_t>(status.st_size));
    read_into(path, file, bytes);
    return bytes;
}

bool is_gzip(const char* bytes, std::size_t size) {
    return size >= 2 && bytes[0] == '\x1f' && bytes[1] == '\x8b';
}

class InflateStream {
  public:
    InflateStream() {
        constexpr int gzip_window = 15 + 16;
        if (inflateInit2(&stream_, gzip_window) != Z_OK) throw std::bad_alloc();
    }
    ~InflateStream() { inflateEnd(&stream_); }
    InflateStream(const InflateStream&) = delete;
    InflateStream& operator=(const InflateStream&) = delete;
    z_stream& get() { return stream_; }

  private:
    z_stream stream_{};
};

/// Inflates all members, growing the output step by step so that a bomb costs at most the limit.
std::vector<char> gunzip(const std::string& path, std::vector<char>& packed,
                         std::int64_t byte_limit) {
    InflateStream owner;
    z_stream& stream = owner.get();
    const auto limit = static_cast<std::size_t>(byte_limit);
    std::vector<char> bytes(std::min(limit, std::max<std::size_t>(packed.size() * 4, 1U << 16)));
    std::size_t consumed = 0;
    std::size_t produced = 0;
    constexpr std::size_t step = std::numeric_limits<uInt>::max();
    for (;;) {
        if (produced == bytes.size()) {
            // One byte past the limit tells a stream that ends there from one that goes on.
            bytes.resize(std::min(limit + 1, std::max<std::size_t>(bytes.size() * 2, 1)));
        }
        const std::size_t input = std::min(step, packed.size() - consumed);
        const std::size_t output = std::min(step, bytes.size() - produced);
        stream.next_in = reinterpret_cast<Bytef*>(packed.data() + consumed);
        stream.avail_in = static_cast<uInt>(input);
        stream.next_out = reinterpret_cast<Bytef*>(bytes.data() + produced);
        stream.avail_out = static_cast<uInt>(output);
        const int result = inflate(&stream, Z_NO_FLUSH);
        consumed += input - stream.avail_in;
        produced += output - stream.avail_out;
        if (produced > limit) {
            throw SpectrumError(path, Status::bad_gzip,
                                fmt::format("gzip of {} bytes expands beyond the limit of {}",
                                            packed.size(), byte_limit));
        }
        if (result == Z_STREAM_END) {
            if (!is_gzip(packed.data() + consumed, packed.size() - consumed)) break;
            inflateReset(&stream);
        } else if (result != Z_OK && result != Z_BUF_ERROR) {
            throw SpectrumError(path, Status::bad_gzip,
                                fmt::format("corrupt gzip: {} (after {} of {} bytes)",
                                            stream.msg != nullptr ? stream.msg : "no detail",
                                            consumed, packed.size()));
        } else if (consumed == packed.size() && stream.avail_out > 0) {
            throw SpectrumError(
                path, Status::truncated,
                fmt::format("gzip stream ends early: {} bytes hold only {} bytes of content",
                            packed.size(), produced));
        }
    }
    bytes.resize(produced);
    return bytes;
}

}  // namespace

std::vector<char> read_file_bytes(const std::string& path, std::int64_t byte_limit) {
    std::vector<char> bytes = read_regular_file(path, byte_limit);
    if (is_gzip(bytes.data(), bytes.size())) return gunzip(path, bytes, byte_limit);
    return bytes;
}

std::string read_file_start(const std::string& path, std::int64_t size) {
    struct stat status {};
    std::vector<char> bytes(static_cast<std::size_t>(size));
    read_into(path, open_regular_file(path, status), bytes);
    if (!is_gzip(bytes.data(), bytes.size())) return {bytes.begin(), bytes.end()};
    InflateStream owner;
    z_stream& stream = owner.get();
    std::string text(static_cast<std::size_t>(size), '\0');
    stream.next_in = reinterpret_cast<Bytef*>(bytes.data());
    stream.avail_in = static_cast<uInt>(bytes.size());
    stream.next_out = reinterpret_cast<Bytef*>(text.data());
    stream.avail_out = static_cast<uInt>(text.size());
    inflate(&stream, Z_NO_FLUSH);  // what is wrong with the rest shows when all of it is read
    text.resize(text.size() - stream.avail_out);
    return text;
}

}  // namespace balmer::data
