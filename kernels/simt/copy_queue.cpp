#include "kernels/simt/copy_queue.h"

#include <numeric>

namespace balmer::simt {

void CopyQueue::commit() {
    group_sizes_.push_back(copies_.size() - committed_);
    committed_ = copies_.size();
}

std::vector<CopyQueue::Copy> CopyQueue::wait(std::size_t pending) {
    if (group_sizes_.size() <= pending) return {};
    const auto last = group_sizes_.end() - static_cast<std::ptrdiff_t>(pending);
    const std::size_t count = std::accumulate(group_sizes_.begin(), last, std::size_t{0});
    const auto end = copies_.begin() + static_cast<std::ptrdiff_t>(count);
    std::vector<Copy> finished(copies_.begin(), end);
    copies_.erase(copies_.begin(), end);
    group_sizes_.erase(group_sizes_.begin(), last);
    committed_ -= count;
    return finished;
}

void CopyQueue::clear() {
    copies_.clear();
    group_sizes_.clear();
    committed_ = 0;
}

}  // namespace balmer::simt
