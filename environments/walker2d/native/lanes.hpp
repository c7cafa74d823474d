// A row of numbers, one world a lane, and the few operations the solver needs.
//
// GCC and Clang vector extensions, so the same text compiles for any
// instruction set; WALKER_LANES fixes the width of this translation unit.
// Every operation acts on each lane by itself and is exactly rounded: the
// width and the instruction set cannot change a result. Fused multiply-add is
// switched off by the build (-ffp-contract=off).
#pragma once

#include <cstdint>

#include "scalar.hpp"

namespace walker {
inline namespace WALKER_KERNEL {

constexpr int W = WALKER_LANES;

typedef float F __attribute__((vector_size(W * 4)));
typedef std::int32_t I __attribute__((vector_size(W * 4)));  // also masks: 0 or -1

using F2 = Vec2<F>;

inline F splat(float x) { return x - F{}; }
inline I splat_mask(bool x) { return (x ? -1 : 0) - I{}; }
inline F select(I mask, F a, F b) { return mask ? a : b; }
inline I select(I mask, I a, I b) { return mask ? a : b; }
inline F min(F a, F b) { return a < b ? a : b; }
inline F max(F a, F b) { return a > b ? a : b; }
inline F abs(F a) { return a > 0.0f ? a : -a; }

inline bool any(I mask) {
    std::int32_t found = 0;
    for (int i = 0; i < W; ++i) found |= mask[i];
    return found != 0;
}

inline F sqrt(F a) {
    F root;
    for (int i = 0; i < W; ++i) root[i] = __builtin_sqrtf(a[i]);
    return root;
}

inline Rot<F> rotation(F angle) {
    float in[W], s[W], c[W];
    __builtin_memcpy(in, &angle, sizeof in);
    for (int i = 0; i < W; ++i) sine_cosine(in[i], s[i], c[i]);
    Rot<F> q;
    __builtin_memcpy(&q.s, s, sizeof s);
    __builtin_memcpy(&q.c, c, sizeof c);
    return q;
}

// Hyperbolic tangent to about 1 ulp. Below 5/8 an odd polynomial; above it
// 1 - 2 / (exp(2x) + 1), with exp by Cody and Waite's reduction. NaN stays NaN.
inline F hyperbolic_tangent(F x) {
    const F size = x < 0.0f ? -x : x;
    const F x2 = x * x;
    // A fit of (tanh(x) / x - 1) / x² on (0, 0.625).
    F p = -5.70498872745e-3f * x2 + 2.06390887954e-2f;
    p = p * x2 + -5.37397155531e-2f;
    p = p * x2 + 1.33314422036e-1f;
    p = p * x2 + -3.33332819422e-1f;
    const F small = x + x * x2 * p;
    // exp(2 size); past 10 the quotient no longer changes the result. (A comparison with NaN picks 10.)
    const F twice = 2.0f * (size < 10.0f ? size : splat(10.0f));
    const I n = __builtin_convertvector(twice * 1.44269504088896341f + 0.5f, I);
    const F count = __builtin_convertvector(n, F);
    const F r = (twice - count * 0.693359375f) - count * -2.12194440e-4f;
    F e = 1.9875691500e-4f * r + 1.3981999507e-3f;
    e = e * r + 8.3334519073e-3f;
    e = e * r + 4.1665795894e-2f;
    e = e * r + 1.6666665459e-1f;
    e = e * r + 5.0000001201e-1f;
    e = (e * (r * r) + r) + 1.0f;
    const F power = reinterpret_cast<F>((n + 127) << 23);
    const F large = 1.0f - 2.0f / (e * power + 1.0f);
    const F tangent = size < 0.625f ? small : (x < 0.0f ? -large : large);
    return x == x ? tangent : x;
}

}  // namespace WALKER_KERNEL
}  // namespace walker
