#pragma once

namespace balmer::bench {

/// The commit these sources were built from, with "-dirty" after it where they differ from it;
/// "unknown" outside a repository. Generated at build time.
extern const char* const commit;

}  // namespace balmer::bench
