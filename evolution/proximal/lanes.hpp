// Rows of numbers as wide as a register, and the functions of them that networks need.
//
// A fused product is asked for by name, and nothing is contracted otherwise: every kernel with fused products does the
// same operations in the same order on every number, and so gives the same bits. (On ARM that is meant, and was not run.)
#pragma once

#include <cstdint>
#include <cstring>

#if defined(__AVX512F__) || defined(__FMA__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#define PROXIMAL_INLINE [[gnu::always_inline]] inline

namespace proximal {
inline namespace PROXIMAL_KERNEL {

constexpr int W = PROXIMAL_LANES;
typedef float V __attribute__((vector_size(W * 4)));
typedef std::int32_t VI __attribute__((vector_size(W * 4)));  // also masks: 0 or -1

PROXIMAL_INLINE V splat(float a) { return V{} + a; }
PROXIMAL_INLINE V load(const float* from) {
    V row;
    std::memcpy(&row, from, sizeof row);
    return row;
}
PROXIMAL_INLINE void store(float* to, V row) { std::memcpy(to, &row, sizeof row); }
PROXIMAL_INLINE V select(VI mask, V a, V b) { return mask ? a : b; }

// a b + c, rounded once where the instruction set can.
PROXIMAL_INLINE V fused(V a, V b, V c) {
#if PROXIMAL_LANES == 16
    return reinterpret_cast<V>(_mm512_fmadd_ps(reinterpret_cast<__m512>(a), reinterpret_cast<__m512>(b),
                                               reinterpret_cast<__m512>(c)));
#elif PROXIMAL_LANES == 8
    return reinterpret_cast<V>(_mm256_fmadd_ps(reinterpret_cast<__m256>(a), reinterpret_cast<__m256>(b),
                                               reinterpret_cast<__m256>(c)));
#elif defined(__aarch64__)
    return reinterpret_cast<V>(vfmaq_f32(reinterpret_cast<float32x4_t>(c), reinterpret_cast<float32x4_t>(a),
                                         reinterpret_cast<float32x4_t>(b)));
#else
    return a * b + c;
#endif
}

PROXIMAL_INLINE V power_of_two(VI n) { return reinterpret_cast<V>((n + 127) << 23); }

// exp(x) to about an ulp: exp(-87) below that, infinite above 88.3. NaN stays.
PROXIMAL_INLINE V exponential(V x) {
    const V bounded = select(x < 88.3f, select(x > -87.0f, x, splat(-87.0f)), splat(88.3f));
    const V half = select(bounded < 0.0f, splat(-0.5f), splat(0.5f));
    const VI n = __builtin_convertvector(fused(bounded, splat(1.44269504088896341f), half), VI);
    const V count = __builtin_convertvector(n, V);
    const V r = fused(count, splat(2.12194440e-4f), fused(count, splat(-0.693359375f), bounded));
    V e = fused(splat(1.9875691500e-4f), r, splat(1.3981999507e-3f));
    e = fused(e, r, splat(8.3334519073e-3f));
    e = fused(e, r, splat(4.1665795894e-2f));
    e = fused(e, r, splat(1.6666665459e-1f));
    e = fused(e, r, splat(5.0000001201e-1f));
    e = fused(e, r * r, r) + 1.0f;
    const V found = select(x > 88.3f, splat(__builtin_inff()), e * power_of_two(n));
    return select(x == x, found, x);
}

// tanh(x) to about an ulp: a polynomial near zero, beyond it 1 - 2 / (exp(2 x) + 1). NaN stays.
PROXIMAL_INLINE V hyperbolic_tangent(V x) {
    const V size = select(x < 0.0f, -x, x);
    const V x2 = x * x;
    V p = fused(splat(-5.70498872745e-3f), x2, splat(2.06390887954e-2f));
    p = fused(p, x2, splat(-5.37397155531e-2f));
    p = fused(p, x2, splat(1.33314422036e-1f));
    p = fused(p, x2, splat(-3.33332819422e-1f));
    const V small = fused(x * x2, p, x);
    const V large = 1.0f - 2.0f / (exponential(2.0f * select(size < 10.0f, size, splat(10.0f))) + 1.0f);
    return select(x == x, select(size < 0.625f, small, select(x < 0.0f, -large, large)), x);
}

}  // namespace PROXIMAL_KERNEL
}  // namespace proximal
