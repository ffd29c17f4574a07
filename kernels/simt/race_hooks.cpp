// What g++ -fsanitize=thread calls at every load and store, answered by the race check of the simt
// device instead of the thread sanitizer's own runtime. Linked into the race check's test programs
// alone.

#include <cstddef>
#include <cstdint>

#include "kernels/simt/executor.h"

using balmer::simt::AccessKind;
using balmer::simt::shared_access;

extern "C" {

void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_vptr_update(void*, void*) {}
void __tsan_vptr_read(void*) {}

void __tsan_read1(void* address) {
    shared_access(address, 1, AccessKind::read);
}
void __tsan_read2(void* address) {
    shared_access(address, 2, AccessKind::read);
}
void __tsan_read4(void* address) {
    shared_access(address, 4, AccessKind::read);
}
void __tsan_read8(void* address) {
    shared_access(address, 8, AccessKind::read);
}
void __tsan_read16(void* address) {
    shared_access(address, 16, AccessKind::read);
}
void __tsan_write1(void* address) {
    shared_access(address, 1, AccessKind::write);
}
void __tsan_write2(void* address) {
    shared_access(address, 2, AccessKind::write);
}
void __tsan_write4(void* address) {
    shared_access(address, 4, AccessKind::write);
}
void __tsan_write8(void* address) {
    shared_access(address, 8, AccessKind::write);
}
void __tsan_write16(void* address) {
    shared_access(address, 16, AccessKind::write);
}
void __tsan_unaligned_read2(void* address) {
    shared_access(address, 2, AccessKind::read);
}
void __tsan_unaligned_read4(void* address) {
    shared_access(address, 4, AccessKind::read);
}
void __tsan_unaligned_read8(void* address) {
    shared_access(address, 8, AccessKind::read);
}
void __tsan_unaligned_read16(void* address) {
    shared_access(address, 16, AccessKind::read);
}
void __tsan_unaligned_write2(void* address) {
    shared_access(address, 2, AccessKind::write);
}
void __tsan_unaligned_write4(void* address) {
    shared_access(address, 4, AccessKind::write);
}
void __tsan_unaligned_write8(void* address) {
    shared_access(address, 8, AccessKind::write);
}
void __tsan_unaligned_write16(void* address) {
    shared_access(address, 16, AccessKind::write);
}
void __tsan_read_range(void* address, std::size_t bytes) {
    shared_access(address, bytes, AccessKind::read);
}
void __tsan_write_range(void* address, std::size_t bytes) {
    shared_access(address, bytes, AccessKind::write);
}

/// Static objects in functions ask whether they are made.
std::uint8_t __tsan_atomic8_load(const volatile std::uint8_t* address, int) {
    return __atomic_load_n(address, __ATOMIC_ACQUIRE);
}

}  // extern "C"
