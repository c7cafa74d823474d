// A row of numbers, one world a lane, and the few operations the solver needs.
//
// GCC and Clang vector extensions, so the same text compiles for any
// instruction set. WALKER_NATIVE is the width of the machine's registers in
// floats; WALKER_LANES, a multiple by a power of two, the width of a row. Every
// operation acts on each lane by itself and is exactly rounded: neither width
// nor instruction set can change a result. Fused multiply-add is switched off
// by the build (-ffp-contract=off).
#pragma once

#include <cstdint>

#include "scalar.hpp"

namespace walker {
inline namespace WALKER_KERNEL {

constexpr int W = WALKER_LANES;
constexpr int kNative = WALKER_NATIVE;

#define WALKER_INLINE [[gnu::always_inline]] inline

typedef float V __attribute__((vector_size(kNative * 4)));
typedef std::int32_t VI __attribute__((vector_size(kNative * 4)));  // also masks: 0 or -1

// Two rows as one: wider than a register, so that one half computes while the other waits.
template <class T>
struct Twice;
template <class T> struct ElementOf;
template <> struct ElementOf<V> { using Type = float; };
template <> struct ElementOf<VI> { using Type = std::int32_t; };
template <class T> struct ElementOf<Twice<T>> : ElementOf<T> {};
template <class T> using Element = typename ElementOf<T>::Type;

template <class T>
struct Twice {
    T lo, hi;

    // Compilers let a vector and its elements share memory.
    Element<T>& operator[](int i) { return reinterpret_cast<Element<T>*>(this)[i]; }
    Element<T> operator[](int i) const { return reinterpret_cast<const Element<T>*>(this)[i]; }
};

#define WALKER_BINARY(op)                                                                                        \
    template <class T> WALKER_INLINE auto operator op(Twice<T> a, Twice<T> b) {                                  \
        return Twice<decltype(a.lo op b.lo)>{a.lo op b.lo, a.hi op b.hi};                                        \
    }                                                                                                            \
    template <class T> WALKER_INLINE auto operator op(Twice<T> a, Element<T> b) {                                \
        return Twice<decltype(a.lo op b)>{a.lo op b, a.hi op b};                                                 \
    }                                                                                                            \
    template <class T> WALKER_INLINE auto operator op(Element<T> a, Twice<T> b) {                                \
        return Twice<decltype(a op b.lo)>{a op b.lo, a op b.hi};                                                 \
    }
WALKER_BINARY(+)
WALKER_BINARY(-)
WALKER_BINARY(*)
WALKER_BINARY(/)
WALKER_BINARY(<)
WALKER_BINARY(<=)
WALKER_BINARY(>)
WALKER_BINARY(>=)
WALKER_BINARY(==)
WALKER_BINARY(!=)
WALKER_BINARY(&)
WALKER_BINARY(|)
#undef WALKER_BINARY
template <class T> WALKER_INLINE Twice<T> operator-(Twice<T> a) { return {-a.lo, -a.hi}; }
template <class T> WALKER_INLINE Twice<T> operator~(Twice<T> a) { return {~a.lo, ~a.hi}; }
template <class T> WALKER_INLINE Twice<T>& operator+=(Twice<T>& a, Twice<T> b) { return a = a + b; }
template <class T> WALKER_INLINE Twice<T>& operator-=(Twice<T>& a, Twice<T> b) { return a = a - b; }
template <class T> WALKER_INLINE Twice<T>& operator&=(Twice<T>& a, Twice<T> b) { return a = a & b; }
template <class T> WALKER_INLINE Twice<T>& operator|=(Twice<T>& a, Twice<T> b) { return a = a | b; }

template <class T, int Times> struct Row { using Type = Twice<typename Row<T, Times / 2>::Type>; };
template <class T> struct Row<T, 1> { using Type = T; };

using F = typename Row<V, W / kNative>::Type;
using I = typename Row<VI, W / kNative>::Type;
using F2 = Vec2<F>;

template <class T> struct MaskType;
template <> struct MaskType<V> { using Type = VI; };
template <class T> struct MaskType<Twice<T>> { using Type = Twice<typename MaskType<T>::Type>; };
template <class T> using MaskOf = typename MaskType<T>::Type;

template <class T = F> WALKER_INLINE T splat(float x) { return x - T{}; }
WALKER_INLINE I splat_mask(bool x) { return (x ? -1 : 0) - I{}; }
WALKER_INLINE V select(VI mask, V a, V b) { return mask ? a : b; }
WALKER_INLINE VI select(VI mask, VI a, VI b) { return mask ? a : b; }
template <class M, class T> WALKER_INLINE Twice<T> select(Twice<M> mask, Twice<T> a, Twice<T> b) {
    return {select(mask.lo, a.lo, b.lo), select(mask.hi, a.hi, b.hi)};
}
template <class T> WALKER_INLINE T min(T a, T b) { return select(a < b, a, b); }
template <class T> WALKER_INLINE T max(T a, T b) { return select(a > b, a, b); }
template <class T> WALKER_INLINE T abs(T a) { return select(a > 0.0f, a, -a); }

inline bool any(VI mask) {
    std::int32_t found = 0;
    for (int i = 0; i < kNative; ++i) found |= mask[i];
    return found != 0;
}
template <class T> inline bool any(Twice<T> mask) { return any(mask.lo | mask.hi); }

inline V sqrt(V a) {
    V root;
    for (int i = 0; i < kNative; ++i) root[i] = __builtin_sqrtf(a[i]);
    return root;
}
template <class T> inline Twice<T> sqrt(Twice<T> a) { return {sqrt(a.lo), sqrt(a.hi)}; }

inline Rot<V> rotation(V angle) {
    float in[kNative], s[kNative], c[kNative];
    __builtin_memcpy(in, &angle, sizeof in);
    for (int i = 0; i < kNative; ++i) sine_cosine(in[i], s[i], c[i]);
    Rot<V> q;
    __builtin_memcpy(&q.s, s, sizeof s);
    __builtin_memcpy(&q.c, c, sizeof c);
    return q;
}
template <class T> inline Rot<Twice<T>> rotation(Twice<T> angle) {
    const Rot<T> lo = rotation(angle.lo), hi = rotation(angle.hi);
    return {{lo.s, hi.s}, {lo.c, hi.c}};
}

// Hyperbolic tangent to about 1 ulp. Below 5/8 an odd polynomial; above it
// 1 - 2 / (exp(2x) + 1), with exp by Cody and Waite's reduction. NaN stays NaN.
inline V hyperbolic_tangent(V x) {
    const V size = x < 0.0f ? -x : x;
    const V x2 = x * x;
    // A fit of (tanh(x) / x - 1) / x² on (0, 0.625).
    V p = -5.70498872745e-3f * x2 + 2.06390887954e-2f;
    p = p * x2 + -5.37397155531e-2f;
    p = p * x2 + 1.33314422036e-1f;
    p = p * x2 + -3.33332819422e-1f;
    const V small = x + x * x2 * p;
    // exp(2 size); past 10 the quotient no longer changes the result. (A comparison with NaN picks 10.)
    const V twice = 2.0f * (size < 10.0f ? size : 10.0f - V{});
    const VI n = __builtin_convertvector(twice * 1.44269504088896341f + 0.5f, VI);
    const V count = __builtin_convertvector(n, V);
    const V r = (twice - count * 0.693359375f) - count * -2.12194440e-4f;
    V e = 1.9875691500e-4f * r + 1.3981999507e-3f;
    e = e * r + 8.3334519073e-3f;
    e = e * r + 4.1665795894e-2f;
    e = e * r + 1.6666665459e-1f;
    e = e * r + 5.0000001201e-1f;
    e = (e * (r * r) + r) + 1.0f;
    const V power = reinterpret_cast<V>((n + 127) << 23);
    const V large = 1.0f - 2.0f / (e * power + 1.0f);
    const V tangent = size < 0.625f ? small : (x < 0.0f ? -large : large);
    return x == x ? tangent : x;
}
template <class T> inline Twice<T> hyperbolic_tangent(Twice<T> x) {
    return {hyperbolic_tangent(x.lo), hyperbolic_tangent(x.hi)};
}

}  // namespace WALKER_KERNEL
}  // namespace walker
