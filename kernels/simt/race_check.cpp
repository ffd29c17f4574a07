#include "kernels/simt/race_check.h"

#include <algorithm>

namespace balmer::simt {

void RaceCheck::start_block(std::size_t bytes) {
    cells_.assign(bytes, Cell{});
    first_race_.reset();
}

bool RaceCheck::Accesses::come_before(const Accessor& by) const {
    if (thread < 0 || block_epoch != by.block_epoch) return true;
    if (by_many_warps || thread / warp_size != by.thread / warp_size) return false;
    if (warp_epoch != by.warp_epoch) return true;
    return !by_many_lanes && thread == by.thread;
}

void RaceCheck::Accesses::add(const Accessor& by) {
    const bool same_epoch = thread >= 0 && block_epoch == by.block_epoch;
    const bool same_warp = same_epoch && thread / warp_size == by.thread / warp_size;
    const bool same_stretch = same_warp && warp_epoch == by.warp_epoch;
    by_many_warps = same_epoch && (by_many_warps || !same_warp);
    by_many_lanes = same_stretch && (by_many_lanes || thread != by.thread);
    thread = static_cast<std::int16_t>(by.thread);
    block_epoch = by.block_epoch;
    warp_epoch = by.warp_epoch;
}

/// What is wrong with this access, null if nothing; `other` is the thread it collides with.
const char* RaceCheck::conflict(const Cell& cell, const Accessor& by, AccessKind kind,
                                int& other) const {
    const bool is_read = kind == AccessKind::read;
    if (cell.copier >= 0) {
        other = cell.copier;
        return is_read ? "read under an unfinished asynchronous copy"
                       : "write under an unfinished asynchronous copy";
    }
    const bool are_both_atomic = kind == AccessKind::atomic && cell.writes_are_atomic;
    if (!are_both_atomic && !cell.writes.come_before(by)) {
        other = cell.writes.thread;
        return is_read ? "read after write" : "write after write";
    }
    if (!is_read && !cell.reads.come_before(by)) {
        other = cell.reads.thread;
        return "write after read";
    }
    other = -1;
    return kind != AccessKind::write && !cell.is_written ? "read before any write" : nullptr;
}

void RaceCheck::access(const Accessor& by, std::size_t offset, std::size_t bytes, AccessKind kind) {
    const std::size_t end = std::min(offset + bytes, cells_.size());
    for (std::size_t i = offset; i < end; ++i) {
        Cell& cell = cells_[i];
        int other = -1;
        if (const char* what = conflict(cell, by, kind, other)) {
            if (!first_race_) first_race_ = Race{what, i, other};
            return;
        }
        if (kind == AccessKind::read) {
            cell.reads.add(by);
            continue;
        }
        const bool is_atomic = kind == AccessKind::atomic;
        if (!is_atomic || !cell.writes_are_atomic) cell.writes = Accesses{};
        cell.writes.add(by);
        cell.writes_are_atomic = is_atomic;
        cell.reads = Accesses{};
        cell.is_written = true;
    }
}

void RaceCheck::copy_begins(const Accessor& by, std::size_t offset, std::size_t bytes) {
    access(by, offset, bytes, AccessKind::write);
    const std::size_t end = std::min(offset + bytes, cells_.size());
    for (std::size_t i = offset; i < end; ++i) {
        cells_[i].copier = static_cast<std::int16_t>(by.thread);
    }
}

void RaceCheck::copy_ends(const Accessor& by, std::size_t offset, std::size_t bytes) {
    const std::size_t end = std::min(offset + bytes, cells_.size());
    for (std::size_t i = offset; i < end; ++i) {
        Cell& cell = cells_[i];
        cell.copier = -1;
        cell.writes = Accesses{};
        cell.writes.add(by);
        cell.is_written = true;
    }
}

}  // namespace balmer::simt
