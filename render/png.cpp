#include "render/png.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <limits>
#include <vector>

#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STB_IMAGE_WRITE_STATIC
#define STBI_WRITE_NO_STDIO
#include <stb/stb_image_write.h>

namespace balmer::render {
namespace {

/// A file being written beside its final place; removed unless it is kept.
class TemporaryFile {
  public:
    explicit TemporaryFile(const std::string& target) : target_(target) {
        for (int attempt = 0; descriptor_ < 0; ++attempt) {
            path_ = target + ".tmp-" + std::to_string(getpid()) + "-" + std::to_string(attempt);
            descriptor_ = open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
            if (descriptor_ < 0 && errno != EEXIST) fail();
        }
    }
    ~TemporaryFile() {
        if (descriptor_ >= 0) close(descriptor_);
        if (!is_kept_) unlink(path_.c_str());
    }
    TemporaryFile(const TemporaryFile&) = delete;
    TemporaryFile& operator=(const TemporaryFile&) = delete;

    void write(const std::vector<std::uint8_t>& bytes) {
        for (std::size_t done = 0; done < bytes.size();) {
            const auto count = ::write(descriptor_, bytes.data() + done, bytes.size() - done);
            if (count < 0 && errno == EINTR) continue;
            if (count < 0) fail();
            done += static_cast<std::size_t>(count);
        }
    }

    void keep() {
        const int descriptor = descriptor_;
        descriptor_ = -1;
        if (close(descriptor) != 0) fail();
        if (std::rename(path_.c_str(), target_.c_str()) != 0) fail();
        is_kept_ = true;
    }

  private:
    [[noreturn]] void fail() const { throw IoError(target_, std::strerror(errno)); }

    std::string target_;
    std::string path_;
    int descriptor_ = -1;
    bool is_kept_ = false;
};

void append(void* bytes, void* data, int size) {
    const auto* first = static_cast<const std::uint8_t*>(data);
    auto& all = *static_cast<std::vector<std::uint8_t>*>(bytes);
    all.insert(all.end(), first, first + size);
}

}  // namespace

void write_png(const std::string& path, const View& pixels) {
    constexpr std::int64_t largest = 1 << 15;
    const Shape& shape = pixels.shape;
    if (shape.rank() != 3 || shape[2] != 3 || shape[0] < 1 || shape[1] < 1 || shape[0] > largest ||
        shape[1] > largest) {
        throw ShapeError("write_png: pixels must be [H, W, 3] with sides of 1 to 32768, got " +
                         to_string(shape));
    }
    expect_dtype(pixels, DType::u8, "write_png", "pixels");
    expect_contiguous(pixels, "write_png", "pixels");
    const auto height = static_cast<int>(shape[0]);
    const auto width = static_cast<int>(shape[1]);
    std::vector<std::uint8_t> bytes;
    if (std::int64_t{height} * width * 3 > std::numeric_limits<int>::max() / 2 ||
        stbi_write_png_to_func(append, &bytes, width, height, 3, pixels.as<std::uint8_t>(),
                               width * 3) == 0) {
        throw IoError(path, "the image could not be encoded");
    }
    TemporaryFile file(path);
    file.write(bytes);
    file.keep();
}

}  // namespace balmer::render
