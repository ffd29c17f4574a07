#pragma once
// Names for stretches of work, shown by Nsight Systems.

namespace balmer {

/// While it lives, the work that this thread starts stands under `name` in a profile (NVTX). Ranges
/// nest. Without CUDA, and outside a profiler, it does nothing.
class ProfileRange {
  public:
    explicit ProfileRange(const char* name);
    ~ProfileRange();
    ProfileRange(const ProfileRange&) = delete;
    ProfileRange& operator=(const ProfileRange&) = delete;
};

}  // namespace balmer
