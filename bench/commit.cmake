# Writes OUTPUT, a source that defines balmer::bench::commit, and leaves it alone if it says so
# already. Run at every build: cmake -DSOURCE=... -DOUTPUT=... -P commit.cmake
execute_process(COMMAND git describe --always --dirty --abbrev=12 --exclude=*
                WORKING_DIRECTORY ${SOURCE} OUTPUT_VARIABLE commit ERROR_QUIET
                OUTPUT_STRIP_TRAILING_WHITESPACE)
if(NOT commit)
    set(commit unknown)
endif()
file(CONFIGURE OUTPUT ${OUTPUT} CONTENT [[
#include "bench/commit.h"

namespace balmer::bench {

const char* const commit = "@commit@";

}  // namespace balmer::bench
]] @ONLY)
