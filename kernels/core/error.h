#pragma once
// The exceptions Balmer throws. The library never prints, exits or aborts: it throws one of these,
// and only the programs turn them into messages and exit codes.

#include <stdexcept>
#include <string>

namespace balmer {

/// Base of every exception the library throws on purpose; `what()` is one line fit for a user.
class Error : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// An argument has a shape the operation cannot take; names operation, expected and actual shape.
class ShapeError : public Error {
  public:
    using Error::Error;
};

/// An argument has a dtype the operation cannot take; names operation, expected and actual dtype.
class DTypeError : public Error {
  public:
    using Error::Error;
};

/// A device is missing, unsuitable or failed; names what was needed and what was found.
class DeviceError : public Error {
  public:
    using Error::Error;
};

/// An allocation failed; carries the bytes asked for, in use by Balmer, and free on the device (0
/// where that is unknown).
class OutOfMemoryError : public Error {
  public:
    OutOfMemoryError(const std::string& message, std::size_t asked, std::size_t used,
                     std::size_t free = 0)
        : Error(message), asked_bytes(asked), used_bytes(used), free_bytes(free) {}
    std::size_t asked_bytes;
    std::size_t used_bytes;
    std::size_t free_bytes;
};

/// The operating system refused a file operation; `what()` names the file and the reason.
class IoError : public Error {
  public:
    IoError(const std::string& path, const std::string& reason)
        : Error(path + ": " + reason), path(path), reason(reason) {}
    std::string path;
    std::string reason;
};

/// A file was read but its content is not acceptable; `what()` names the file and the reason.
class FormatError : public Error {
  public:
    FormatError(const std::string& path, const std::string& reason)
        : Error(path + ": " + reason), path(path), reason(reason) {}
    std::string path;
    std::string reason;
};

/// An option, configuration key or argument value that makes no sense; the programs answer with
/// exit code 2.
class UsageError : public Error {
  public:
    using Error::Error;
};

/// A computation produced NaN or infinity where a finite number is needed.
class NumericalError : public Error {
  public:
    using Error::Error;
};

}  // namespace balmer
