#include "kernels/simt/sanitizer.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace balmer::simt::sanitizer {

#if defined(__SANITIZE_ADDRESS__)

void forbid(const void* begin, std::size_t bytes) {
    __asan_poison_memory_region(begin, bytes);
}
void allow(const void* begin, std::size_t bytes) {
    __asan_unpoison_memory_region(begin, bytes);
}
void start_switch(void** fake_stack, const void* bottom, std::size_t bytes) {
    __sanitizer_start_switch_fiber(fake_stack, bottom, bytes);
}
void finish_switch(void* fake_stack, const void** bottom, std::size_t* bytes) {
    __sanitizer_finish_switch_fiber(fake_stack, bottom, bytes);
}

#else

void forbid(const void*, std::size_t) {}
void allow(const void*, std::size_t) {}
void start_switch(void**, const void*, std::size_t) {}
void finish_switch(void*, const void**, std::size_t*) {}

#endif

}  // namespace balmer::simt::sanitizer
