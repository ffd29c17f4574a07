#include "kernels/simt/warp_operations.h"

#include <bit>
#include <cstring>

namespace balmer::simt {
namespace {

struct MmaLane {
    float* d;
    const std::uint32_t* a;
    const std::uint32_t* b;
};

struct LoadLane {
    const std::uint16_t* row;
    std::uint32_t* registers;
    bool is_transposed;
};

float low_half(std::uint32_t pair) {
    return std::bit_cast<float>(pair << 16);
}
float high_half(std::uint32_t pair) {
    return std::bit_cast<float>(pair & 0xFFFF0000U);
}

void multiply(void* const (&lanes)[warp_size]) {
    float a[16][16];
    float b[8][16];  // [column][k]
    for (int lane = 0; lane < warp_size; ++lane) {
        const auto& own = *static_cast<const MmaLane*>(lanes[lane]);
        const int group = lane / 4;
        const int pair = 2 * (lane % 4);
        for (int i = 0; i < 4; ++i) {
            const int row = group + (i & 1) * 8;
            const int k = pair + (i >> 1) * 8;
            a[row][k] = low_half(own.a[i]);
            a[row][k + 1] = high_half(own.a[i]);
        }
        for (int i = 0; i < 2; ++i) {
            b[group][pair + i * 8] = low_half(own.b[i]);
            b[group][pair + i * 8 + 1] = high_half(own.b[i]);
        }
    }
    for (int lane = 0; lane < warp_size; ++lane) {
        const auto& own = *static_cast<const MmaLane*>(lanes[lane]);
        for (int i = 0; i < 4; ++i) {
            const int row = lane / 4 + (i >> 1) * 8;
            const int column = 2 * (lane % 4) + (i & 1);
            float sum = 0.0F;
            for (int k = 0; k < 16; ++k) sum += a[row][k] * b[column][k];
            own.d[i] += sum;
        }
    }
}

void load(void* const (&lanes)[warp_size]) {
    const auto row_of = [&](int matrix, int row) {
        return static_cast<const LoadLane*>(lanes[matrix * 8 + row])->row;
    };
    for (int lane = 0; lane < warp_size; ++lane) {
        const auto& own = *static_cast<const LoadLane*>(lanes[lane]);
        const int group = lane / 4;
        const int pair = 2 * (lane % 4);
        for (int i = 0; i < 4; ++i) {
            const std::uint32_t low =
                own.is_transposed ? row_of(i, pair)[group] : row_of(i, group)[pair];
            const std::uint32_t high =
                own.is_transposed ? row_of(i, pair + 1)[group] : row_of(i, group)[pair + 1];
            own.registers[i] = low | high << 16;
        }
    }
}

}  // namespace

void mma_bf16_m16n8k16(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2],
                       const Site& site) {
    MmaLane lane{d, a, b};
    warp_collective("mma_bf16", site, &lane, multiply);
}

void load_matrices(std::uint32_t (&registers)[4], const void* row, bool is_transposed,
                   const Site& site) {
    if (reinterpret_cast<std::uintptr_t>(row) % 16 != 0) fail("ldmatrix: a row is misaligned");
    shared_access(row, 16, AccessKind::read);
    LoadLane lane{static_cast<const std::uint16_t*>(row), registers, is_transposed};
    warp_collective("ldmatrix", site, &lane, load);
}

}  // namespace balmer::simt
