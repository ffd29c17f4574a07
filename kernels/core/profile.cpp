#include "kernels/core/profile.h"

#if defined(BALMER_HAS_CUDA) && __has_include(<nvtx3/nvToolsExt.h>)
#include <nvtx3/nvToolsExt.h>

namespace balmer {

ProfileRange::ProfileRange(const char* name) {
    nvtxRangePushA(name);
}

ProfileRange::~ProfileRange() {
    nvtxRangePop();
}

}  // namespace balmer

#else

namespace balmer {

ProfileRange::ProfileRange(const char*) {}

ProfileRange::~ProfileRange() {}

}  // namespace balmer

#endif
