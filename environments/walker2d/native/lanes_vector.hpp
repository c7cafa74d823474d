// Rows as wide as a register: GCC's and Clang's vector extensions, so that the same text compiles for any
// instruction set.
#pragma once

#include "scalar.hpp"

namespace walker {
inline namespace WALKER_KERNEL {

typedef float V __attribute__((vector_size(WALKER_NATIVE * 4)));
typedef std::int32_t VI __attribute__((vector_size(WALKER_NATIVE * 4)));  // also masks: 0 or -1

WALKER_INLINE V select(VI mask, V a, V b) { return mask ? a : b; }
WALKER_INLINE VI select(VI mask, VI a, VI b) { return mask ? a : b; }
WALKER_INLINE VI truncated(V a) { return __builtin_convertvector(a, VI); }
WALKER_INLINE V converted(VI a) { return __builtin_convertvector(a, V); }
WALKER_INLINE V power_of_two(VI n) { return reinterpret_cast<V>((n + 127) << 23); }

inline bool any(VI mask) {
    std::int32_t found = 0;
    for (int i = 0; i < WALKER_NATIVE; ++i) found |= mask[i];
    return found != 0;
}

inline V sqrt(V a) {
    V root;
    for (int i = 0; i < WALKER_NATIVE; ++i) root[i] = square_root(a[i]);
    return root;
}

}  // namespace WALKER_KERNEL
}  // namespace walker
