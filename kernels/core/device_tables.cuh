#pragma once
// Many tensors in one launch. The table of them is an argument of the kernel, up to 32,764 bytes
// (CUDA 12.1 and later), so that no table has to be copied to the device or kept alive, and a CUDA
// graph holds it by itself. Included by `*_cuda.cu` files.

#include <algorithm>
#include <cstdint>
#include <span>

#include "kernels/core/device_code.cuh"

namespace balmer {
#if defined(__CUDACC__)
inline namespace cuda_build {
#else
inline namespace simt_build {
#endif

/// Tensors with the blocks of a launch shared out among them in order: tensor i has those from
/// first_block[i] to first_block[i + 1]. An Item has a member `count`, its elements.
template <class Item, int capacity>
struct TensorTable {
    unsigned first_block[capacity + 1];
    int size;
    Item items[capacity];

    /// The tensor that a block works on.
    __device__ __forceinline__ int find(unsigned block) const {
        int low = 0;
        int high = size - 1;
        while (low < high) {
            const int middle = (low + high + 1) / 2;
            if (first_block[middle] <= block) {
                low = middle;
            } else {
                high = middle - 1;
            }
        }
        return low;
    }
};

/// Calls run(table, blocks) for tables of at most `capacity` items at a time, leaving out empty
/// ones; a block has `chunk` elements of one item.
template <int capacity, class Item, class Run>
void for_each_table(std::span<const Item> items, std::int64_t chunk, const Run& run) {
    TensorTable<Item, capacity> table{};
    const auto flush = [&] {
        if (table.size > 0) run(table, table.first_block[table.size]);
        table.size = 0;
    };
    for (const Item& item : items) {
        if (item.count == 0) continue;
        if (table.size == capacity) flush();
        table.items[table.size] = item;
        const auto blocks = static_cast<unsigned>((item.count + chunk - 1) / chunk);
        table.first_block[table.size + 1] = table.first_block[table.size] + blocks;
        ++table.size;
    }
    flush();
}

}  // namespace cuda_build / simt_build
}  // namespace balmer
