#pragma once
// What the address sanitizer must be told of fibres and of guarded memory; nothing in other builds.

#include <cstddef>

namespace balmer::simt::sanitizer {

#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool is_active = true;
#else
inline constexpr bool is_active = false;
#endif

/// Every access to these bytes is an error from now on, or no longer.
void forbid(const void* begin, std::size_t bytes);
void allow(const void* begin, std::size_t bytes);

/// Before a jump to the stack that starts at `bottom`; `fake_stack` keeps the sanitizer's own data
/// on the stack that is left, null where that one ends.
void start_switch(void** fake_stack, const void* bottom, std::size_t bytes);
/// After a jump: what start_switch kept for this stack, and where the jump came from.
void finish_switch(void* fake_stack, const void** bottom, std::size_t* bytes);

}  // namespace balmer::simt::sanitizer
