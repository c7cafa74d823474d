// Products of matrices of some dozens of rows and columns, which is what a policy is.
//
// Every element is summed over k in order, from the first to the last, whatever the width of a row: blocks only keep
// sums in registers.
#pragma once

#include <cstddef>

#include "lanes.hpp"

namespace proximal {
inline namespace PROXIMAL_KERNEL {

constexpr int kRowsAtOnce = W == 16 ? 8 : 4;  // with two registers a row: as many as stay in registers
constexpr std::size_t kAlign = 16;            // floats; strides are the same for every kernel

constexpr std::size_t padded(std::size_t n) { return (n + kAlign - 1) / kAlign * kAlign; }

// Element (i, q) stands at at[i * row + q * column].
struct Left {
    const float* at;
    std::size_t row, column;
};

template <bool Add, int Rows, int Columns>
PROXIMAL_INLINE void block(Left a, const float* b, std::size_t b_row, std::size_t k, float* c, std::size_t c_row) {
    V sum[Rows][Columns];
    for (int r = 0; r < Rows; ++r) {
        for (int j = 0; j < Columns; ++j) sum[r][j] = Add ? load(c + r * c_row + j * W) : V{};
    }
    for (std::size_t q = 0; q < k; ++q) {
        V right[Columns];
        for (int j = 0; j < Columns; ++j) right[j] = load(b + q * b_row + j * W);
        for (int r = 0; r < Rows; ++r) {
            const V left = splat(a.at[r * a.row + q * a.column]);
            for (int j = 0; j < Columns; ++j) sum[r][j] = fused(left, right[j], sum[r][j]);
        }
    }
    for (int r = 0; r < Rows; ++r) {
        for (int j = 0; j < Columns; ++j) store(c + r * c_row + j * W, sum[r][j]);
    }
}

template <bool Add, int Rows, int Columns>
PROXIMAL_INLINE void rest(std::size_t rows, Left a, const float* b, std::size_t b_row, std::size_t k, float* c,
                          std::size_t c_row) {
    if constexpr (Rows > 0) {
        if (rows == Rows) return block<Add, Rows, Columns>(a, b, b_row, k, c, c_row);
        rest<Add, Rows - 1, Columns>(rows, a, b, b_row, k, c, c_row);
    }
}

template <bool Add, int Columns>
[[gnu::noinline]] void panel(std::size_t m, std::size_t k, Left a, const float* b, std::size_t b_row, float* c,
                             std::size_t c_row) {
    for (; m >= kRowsAtOnce; m -= kRowsAtOnce) {
        block<Add, kRowsAtOnce, Columns>(a, b, b_row, k, c, c_row);
        a.at += kRowsAtOnce * a.row;
        c += kRowsAtOnce * c_row;
    }
    rest<Add, kRowsAtOnce - 1, Columns>(m, a, b, b_row, k, c, c_row);
}

// c (m, n) = a (m, k) b (k, n), or with `Add` that much more; n is a multiple of `kAlign`.
template <bool Add>
inline void multiply(std::size_t m, std::size_t k, std::size_t n, Left a, const float* b, std::size_t b_row, float* c,
                     std::size_t c_row) {
    std::size_t at = 0;
    for (; at + 2 * W <= n; at += 2 * W) panel<Add, 2>(m, k, a, b + at, b_row, c + at, c_row);
    for (; at < n; at += W) panel<Add, 1>(m, k, a, b + at, b_row, c + at, c_row);
}

}  // namespace PROXIMAL_KERNEL
}  // namespace proximal
