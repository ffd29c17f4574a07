#pragma once
// One loop over the elements of several views of the same shape and any strides.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "kernels/core/parallel.h"
#include "kernels/core/view.h"

namespace balmer {

/// The dimensions of N views of one shape, without those of size 1, ordered by the first view's
/// strides (largest first) and merged where all views allow it. Contiguous views end as one
/// dimension; a row vector added to a matrix as two.
template <std::size_t N>
class StridedLoop {
  public:
    using Offsets = std::array<std::int64_t, N>;

    explicit StridedLoop(const std::array<View, N>& views) : numel_(views[0].numel()) {
        for (int i = 0; i < views[0].shape.rank(); ++i) {
            if (views[0].shape[i] == 1) continue;
            Dimension dimension{views[0].shape[i], {}};
            for (std::size_t v = 0; v < N; ++v) dimension.strides[v] = views[v].strides[i];
            dimensions_[rank_++] = dimension;
        }
        std::stable_sort(dimensions_.begin(), dimensions_.begin() + rank_,
                         [](const Dimension& left, const Dimension& right) {
                             return left.strides[0] > right.strides[0];
                         });
        merge();
        if (rank_ == 0) dimensions_[rank_++] = Dimension{1, {}};
    }

    std::int64_t numel() const { return numel_; }
    int rank() const { return rank_; }
    std::int64_t size(int dimension) const { return dimensions_[dimension].size; }
    const Offsets& strides(int dimension) const { return dimensions_[dimension].strides; }

    /// Calls body(offsets, strides, count) for runs of `count` elements along the innermost
    /// dimension, in parallel where there are more than `grain` elements. Offsets and strides
    /// count elements of each view.
    template <class Body>
    void run(const Context& context, std::int64_t grain, const Body& body) const {
        parallel_ranges(context, numel_, grain,
                        [&](std::int64_t begin, std::int64_t end) { run_range(begin, end, body); });
    }

  private:
    struct Dimension {
        std::int64_t size = 1;
        Offsets strides{};
    };

    void merge() {
        int last = 0;
        for (int i = 1; i < rank_; ++i) {
            const Dimension& inner = dimensions_[i];
            Dimension& outer = dimensions_[last];
            bool can_merge = true;
            for (std::size_t v = 0; v < N; ++v) {
                can_merge = can_merge && outer.strides[v] == inner.strides[v] * inner.size;
            }
            if (can_merge) {
                outer = Dimension{outer.size * inner.size, inner.strides};
            } else {
                dimensions_[++last] = inner;
            }
        }
        rank_ = rank_ == 0 ? 0 : last + 1;
    }

    template <class Body>
    void run_range(std::int64_t begin, std::int64_t end, const Body& body) const {
        std::array<std::int64_t, Shape::max_rank> index{};
        Offsets offsets{};
        std::int64_t rest = begin;
        for (int i = rank_ - 1; i >= 0; --i) {
            index[i] = rest % dimensions_[i].size;
            rest /= dimensions_[i].size;
            for (std::size_t v = 0; v < N; ++v) offsets[v] += index[i] * dimensions_[i].strides[v];
        }
        const Dimension& inner = dimensions_[rank_ - 1];
        for (std::int64_t position = begin; position < end;) {
            const auto count = std::min(inner.size - index[rank_ - 1], end - position);
            body(static_cast<const Offsets&>(offsets), inner.strides, count);
            position += count;
            advance(index, offsets, count);
        }
    }

    void advance(std::array<std::int64_t, Shape::max_rank>& index, Offsets& offsets,
                 std::int64_t count) const {
        for (int i = rank_ - 1; i >= 0; --i) {
            const Dimension& dimension = dimensions_[i];
            index[i] += count;
            for (std::size_t v = 0; v < N; ++v) offsets[v] += count * dimension.strides[v];
            if (index[i] < dimension.size) return;
            for (std::size_t v = 0; v < N; ++v) offsets[v] -= index[i] * dimension.strides[v];
            index[i] = 0;
            count = 1;
        }
    }

    std::int64_t numel_;
    int rank_ = 0;
    std::array<Dimension, Shape::max_rank> dimensions_{};
};

/// For copies, views {out, x}: the dimension along which x is contiguous, where out is along
/// another one, the innermost; -1 if there is none.
inline int transposed_dimension(const StridedLoop<2>& loop) {
    const int inner = loop.rank() - 1;
    if (loop.strides(inner)[0] != 1 || loop.strides(inner)[1] == 1) return -1;
    for (int i = 0; i < inner; ++i) {
        if (loop.strides(i)[1] == 1) return i;
    }
    return -1;
}

}  // namespace balmer
