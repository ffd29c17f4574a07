#pragma once
// Tests on files, and the message of what a call throws.

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <string>

#include "tests/temporary_folder.h"

namespace balmer::weights {

/// A test with a folder of its own.
class FileTest : public testing::Test {
  protected:
    std::string path(const std::string& name) const { return folder_ / name; }
    std::string write(const std::string& name, const std::string& content) const {
        return folder_.write(name, content);
    }
    std::string read(const std::string& name) const { return folder_.read(name); }

    TemporaryFolder folder_;
};

/// What `call` says when it throws an `Exception`; any other outcome is a failure.
template <class Exception, class Call>
std::string message_of(const Call& call) {
    try {
        call();
    } catch (const Exception& exception) {
        return exception.what();
    } catch (const std::exception& exception) {
        ADD_FAILURE() << "another exception: " << exception.what();
        return "";
    }
    ADD_FAILURE() << "nothing was thrown";
    return "";
}

/// A safetensors file in memory: length, header, data.
inline std::string safetensors_bytes(const std::string& header, const std::string& data = "") {
    const std::uint64_t length = header.size();
    std::string bytes(sizeof length, '\0');
    std::memcpy(bytes.data(), &length, sizeof length);
    return bytes + header + data;
}

}  // namespace balmer::weights
