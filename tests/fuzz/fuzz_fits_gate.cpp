// libFuzzer target: a file of these bytes from a user, opened (inflated where it is gzip), checked
// by the gate, opened by CFITSIO and read by the readers.

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "data/fits/file_bytes.h"
#include "data/readers/reader.h"
#include "kernels/core/error.h"

namespace {

using namespace balmer::data;  // NOLINT(google-build-using-namespace)

constexpr std::int64_t byte_limit = std::int64_t{1} << 22;

/// A file in memory, so that opening and inflating are tested without a disk.
class MemoryFile {
  public:
    MemoryFile(const std::uint8_t* data, std::size_t size) : descriptor_(memfd_create("fuzz", 0)) {
        if (descriptor_ < 0) __builtin_trap();
        while (size > 0) {
            const ssize_t written = ::write(descriptor_, data, size);
            if (written <= 0) __builtin_trap();
            data += written;
            size -= static_cast<std::size_t>(written);
        }
    }
    ~MemoryFile() { ::close(descriptor_); }
    MemoryFile(const MemoryFile&) = delete;
    MemoryFile& operator=(const MemoryFile&) = delete;

    std::string path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

  private:
    int descriptor_;
};

void require_contract(const Spectrum& spectrum) {
    const std::size_t pixels = spectrum.flux.size();
    const bool same_length = spectrum.wavelength.size() == pixels &&
                             spectrum.inverse_variance.size() == pixels &&
                             spectrum.mask.size() == pixels;
    if (!same_length || pixels == 0) __builtin_trap();
    for (std::size_t i = 1; i < pixels; ++i) {
        if (!(spectrum.wavelength[i] > spectrum.wavelength[i - 1])) __builtin_trap();
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    try {
        const MemoryFile file(data, size);
        GateOptions gate;
        gate.byte_limit = byte_limit;
        // The name of a folder without side tables, whatever the working folder holds.
        GatedFits checked = check_fits("fuzz.fits", read_file_bytes(file.path(), byte_limit), gate);
        ReadOptions options;
        options.minimum_good_pixels = 1;
        const ReadResult result =
            read_spectra(SourceFile(FitsFile("fuzz.fits", std::move(checked))), options);
        for (const Spectrum& spectrum : result.spectra) require_contract(spectrum);
    } catch (const balmer::Error& error) {
        if (error.what()[0] == '\0') __builtin_trap();
    }
    return 0;
}
