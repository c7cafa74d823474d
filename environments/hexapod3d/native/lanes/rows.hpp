// A row of numbers in double precision, one world a lane: GCC's and Clang's vector extensions, so that the same text
// compiles for any instruction set.
//
// Every operation acts on each lane by itself and is exactly rounded: neither width nor instruction set can change a
// result. Fused multiply-add is switched off by the build.
#pragma once

#include <cstddef>
#include <cstdint>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define HEXAPOD_INLINE [[gnu::always_inline]] inline

namespace hexapod {
inline namespace HEXAPOD_KERNEL {

constexpr int W = HEXAPOD_LANES;

typedef double D __attribute__((vector_size(W * 8)));
typedef std::int64_t M __attribute__((vector_size(W * 8)));  // masks: 0 or -1

HEXAPOD_INLINE D splat(double x) { return x - D{}; }
HEXAPOD_INLINE D select(M mask, D a, D b) { return mask ? a : b; }
HEXAPOD_INLINE D max(D a, D b) { return select(a > b, a, b); }

HEXAPOD_INLINE D absolute(D a) {
    constexpr std::int64_t kAllButSign = 0x7fffffffffffffff;
    return reinterpret_cast<D>(reinterpret_cast<M>(a) & kAllButSign);
}

HEXAPOD_INLINE bool any(M mask) {
    std::int64_t found = 0;
    for (int i = 0; i < W; ++i) found |= mask[i];
    return found != 0;
}

HEXAPOD_INLINE D sqrt(D a) {
#if HEXAPOD_LANES == 8 && defined(__AVX512F__)
    return reinterpret_cast<D>(_mm512_maskz_sqrt_pd(0xff, reinterpret_cast<__m512d>(a)));
#elif HEXAPOD_LANES == 4 && defined(__AVX__)
    return reinterpret_cast<D>(_mm256_sqrt_pd(reinterpret_cast<__m256d>(a)));
#elif HEXAPOD_LANES == 2 && defined(__SSE2__)
    return reinterpret_cast<D>(_mm_sqrt_pd(reinterpret_cast<__m128d>(a)));
#else
    D root;
    for (int i = 0; i < W; ++i) root[i] = __builtin_sqrt(a[i]);
    return root;
#endif
}

}  // namespace HEXAPOD_KERNEL
}  // namespace hexapod
