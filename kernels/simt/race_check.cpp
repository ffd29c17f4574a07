#include "kernels/simt/race_check.h"

#include <algorithm>

namespace balmer::simt {

void RaceCheck::start_block(std::size_t bytes) {
    cells_.assign(bytes, Cell{});
    first_race_.clear();
}

bool RaceCheck::is_ordered(const Accessor& by, const Access& earlier) {
    if (earlier.thread < 0 || earlier.thread == by.thread) return true;
    if (earlier.block_epoch != by.block_epoch) return true;
    return earlier.thread / 32 == by.thread / 32 && earlier.warp_epoch != by.warp_epoch;
}

void RaceCheck::report(const char* what, std::size_t offset, int other, const Accessor& by) {
    if (!first_race_.empty()) return;
    first_race_ = std::string(what) + " of shared byte " + std::to_string(offset);
    if (other >= 0) first_race_ += ", with thread " + std::to_string(other);
    first_race_ += ", by thread " + std::to_string(by.thread);
}

void RaceCheck::access(const Accessor& by, std::size_t offset, std::size_t bytes, bool is_write) {
    const std::size_t end = std::min(offset + bytes, cells_.size());
    const Access own{static_cast<std::int16_t>(by.thread), by.block_epoch, by.warp_epoch};
    for (std::size_t i = offset; i < end; ++i) {
        Cell& cell = cells_[i];
        if (cell.copier >= 0) {
            return report(is_write ? "write under an unfinished asynchronous copy"
                                   : "read under an unfinished asynchronous copy",
                          i, cell.copier, by);
        }
        if (!is_ordered(by, cell.write)) {
            return report(is_write ? "write after write" : "read after write", i, cell.write.thread,
                          by);
        }
        if (is_write) {
            const bool in_epoch = cell.read.block_epoch == by.block_epoch;
            const bool other_warps_read = in_epoch && cell.is_read_by_many_warps;
            const bool other_lanes_read =
                in_epoch && cell.is_read_by_many_lanes && cell.read.warp_epoch == by.warp_epoch;
            if (other_warps_read || other_lanes_read || !is_ordered(by, cell.read)) {
                return report("write after read", i, cell.read.thread, by);
            }
            cell.write = own;
            cell.read = Access{};
            cell.is_read_by_many_warps = false;
            cell.is_read_by_many_lanes = false;
            cell.is_written = true;
        } else {
            if (!cell.is_written) return report("read before any write", i, -1, by);
            const Access& last = cell.read;
            const bool in_epoch = last.thread >= 0 && last.block_epoch == by.block_epoch;
            const bool same_warp = in_epoch && last.thread / 32 == by.thread / 32;
            const bool same_stretch = same_warp && last.warp_epoch == by.warp_epoch;
            cell.is_read_by_many_warps = in_epoch && (cell.is_read_by_many_warps || !same_warp);
            cell.is_read_by_many_lanes =
                same_stretch && (cell.is_read_by_many_lanes || last.thread != by.thread);
            cell.read = own;
        }
    }
}

void RaceCheck::copy_begins(const Accessor& by, std::size_t offset, std::size_t bytes) {
    access(by, offset, bytes, true);
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
        cell.write = {static_cast<std::int16_t>(by.thread), by.block_epoch, by.warp_epoch};
        cell.is_written = true;
    }
}

}  // namespace balmer::simt
