#pragma once
// One writer or many readers of a folder: flock on its `.lock` file, released with the process.

#include <string>

namespace balmer::data {

enum class LockMode { shared, exclusive };

/// Holds the lock of a folder for as long as it lives (FAULTS 43, 50).
class FolderLock {
  public:
    FolderLock() = default;
    /// IoError naming the folder at once if another program holds a lock that excludes this one, or
    /// if `.lock` cannot be created for an exclusive lock. A shared lock of a folder that has none
    /// and cannot be written to (read-only media) holds nothing: nobody can write there.
    FolderLock(const std::string& folder, LockMode mode);
    ~FolderLock();
    FolderLock(FolderLock&& other) noexcept;
    FolderLock& operator=(FolderLock&& other) noexcept;
    FolderLock(const FolderLock&) = delete;
    FolderLock& operator=(const FolderLock&) = delete;

  private:
    int descriptor_ = -1;
};

}  // namespace balmer::data
