#pragma once
// The dimensions of a sum, on the host and in device code.

#include <algorithm>
#include <array>
#include <cstdint>

#include "kernels/reduce/reduce.h"

namespace balmer::kernels {

struct Dimension {
    std::int64_t size = 1;
    std::int64_t stride = 1;
    std::int64_t out_stride = 1;
};

/// A list of dimensions, walked as one flat index.
class Dimensions {
  public:
    void push_back(Dimension dimension) { list_[rank_++] = dimension; }

    /// Orders them by stride, largest first, and joins neighbours that are one dimension in memory.
    void sort_and_merge() {
        std::stable_sort(
            list_.begin(), list_.begin() + rank_,
            [](const auto& left, const auto& right) { return left.stride > right.stride; });
        int merged = 0;
        for (int i = 0; i < rank_; ++i) {
            const Dimension inner = list_[i];
            Dimension* outer = merged > 0 ? &list_[merged - 1] : nullptr;
            const bool can_merge = outer != nullptr && outer->stride == inner.stride * inner.size &&
                                   outer->out_stride == inner.out_stride * inner.size;
            if (can_merge) {
                *outer = {outer->size * inner.size, inner.stride, inner.out_stride};
            } else {
                list_[merged++] = inner;
            }
        }
        rank_ = merged;
    }

    constexpr std::int64_t numel() const {
        std::int64_t product = 1;
        for (int i = 0; i < rank_; ++i) product *= list_[i].size;
        return product;
    }

    bool empty() const { return rank_ == 0; }
    int rank() const { return rank_; }

    /// Takes the innermost dimension out; {1, 1, 1} if there is none.
    Dimension pop_inner() { return rank_ == 0 ? Dimension{} : list_[--rank_]; }
    const Dimension& inner() const { return list_[rank_ - 1]; }

    /// Elements from the first to the one at a flat position below numel(), in the input and in the
    /// output.
    constexpr std::int64_t offset(std::int64_t position) const {
        std::int64_t result = 0;
        for (int i = rank_ - 1; i > 0; --i) {
            result += position % list_[i].size * list_[i].stride;
            position /= list_[i].size;
        }
        return rank_ > 0 ? result + position * list_[0].stride : 0;
    }
    constexpr std::int64_t out_offset(std::int64_t position) const {
        std::int64_t result = 0;
        for (int i = rank_ - 1; i > 0; --i) {
            result += position % list_[i].size * list_[i].out_stride;
            position /= list_[i].size;
        }
        return rank_ > 0 ? result + position * list_[0].out_stride : 0;
    }

  private:
    std::array<Dimension, Shape::max_rank> list_{};
    int rank_ = 0;
};

/// The dimensions that a sum keeps and those that it sums, each in the order of memory.
struct SumDimensions {
    Dimensions kept;
    Dimensions summed;

    explicit SumDimensions(const Sum& arguments) {
        const View& x = arguments.x;
        const View& out = arguments.out;
        for (int i = 0; i < x.shape.rank(); ++i) {
            if (x.shape[i] == 1) continue;
            const bool is_kept = out.shape[i] != 1;
            (is_kept ? kept : summed)
                .push_back({x.shape[i], x.strides[i], is_kept ? out.strides[i] : 0});
        }
        kept.sort_and_merge();
        summed.sort_and_merge();
    }

    /// True where neighbours in memory belong to different sums: whole rows are added up. Else a
    /// run of neighbours collapses to one number.
    bool has_columns_inside() const {
        return !kept.empty() && (summed.empty() || kept.inner().stride <= summed.inner().stride);
    }
};

}  // namespace balmer::kernels
