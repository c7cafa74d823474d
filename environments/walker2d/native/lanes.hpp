// A row of numbers, one world a lane, and the few operations the solver needs.
//
// WALKER_NATIVE is the width of the machine's registers in floats; WALKER_LANES, a
// multiple by a power of two, the width of a row. Every operation acts on each lane by
// itself and is exactly rounded: neither width nor instruction set can change a result.
// Fused multiply-add is switched off by the build.
#pragma once

#if WALKER_NATIVE == 1
#include "lanes_one.hpp"
#else
#include "lanes_vector.hpp"
#endif

namespace walker {
inline namespace WALKER_KERNEL {

constexpr int W = WALKER_LANES;
constexpr int kNative = WALKER_NATIVE;

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
template <class M, class T> WALKER_INLINE Twice<T> select(Twice<M> mask, Twice<T> a, Twice<T> b) {
    return {select(mask.lo, a.lo, b.lo), select(mask.hi, a.hi, b.hi)};
}
template <class T> WALKER_INLINE T min(T a, T b) { return select(a < b, a, b); }
template <class T> WALKER_INLINE T max(T a, T b) { return select(a > b, a, b); }
template <class T> WALKER_INLINE T abs(T a) { return select(a > 0.0f, a, -a); }

template <class T> inline bool any(Twice<T> mask) { return any(mask.lo | mask.hi); }

template <class T> inline Twice<T> sqrt(Twice<T> a) { return {sqrt(a.lo), sqrt(a.hi)}; }

inline Rot<V> rotation(V angle) {
    Rot<V> q;
    for (int i = 0; i < kNative; ++i) {
        float s, c;
        sine_cosine(angle[i], s, c);
        q.s[i] = s;
        q.c[i] = c;
    }
    return q;
}
template <class T> inline Rot<Twice<T>> rotation(Twice<T> angle) {
    const Rot<T> lo = rotation(angle.lo), hi = rotation(angle.hi);
    return {{lo.s, hi.s}, {lo.c, hi.c}};
}

// Hyperbolic tangent to about 1 ulp. Below 5/8 an odd polynomial; above it
// 1 - 2 / (exp(2x) + 1), with exp by Cody and Waite's reduction. NaN stays NaN.
inline V hyperbolic_tangent(V x) {
    const V size = select(x < 0.0f, -x, x);
    const V x2 = x * x;
    // A fit of (tanh(x) / x - 1) / x² on (0, 0.625).
    V p = -5.70498872745e-3f * x2 + 2.06390887954e-2f;
    p = p * x2 + -5.37397155531e-2f;
    p = p * x2 + 1.33314422036e-1f;
    p = p * x2 + -3.33332819422e-1f;
    const V small = x + x * x2 * p;
    // exp(2 size); past 10 the quotient no longer changes the result. (A comparison with NaN picks 10.)
    const V twice = 2.0f * select(size < 10.0f, size, splat<V>(10.0f));
    const VI n = truncated(twice * 1.44269504088896341f + 0.5f);
    const V count = converted(n);
    const V r = (twice - count * 0.693359375f) - count * -2.12194440e-4f;
    V e = 1.9875691500e-4f * r + 1.3981999507e-3f;
    e = e * r + 8.3334519073e-3f;
    e = e * r + 4.1665795894e-2f;
    e = e * r + 1.6666665459e-1f;
    e = e * r + 5.0000001201e-1f;
    e = (e * (r * r) + r) + 1.0f;
    const V large = 1.0f - 2.0f / (e * power_of_two(n) + 1.0f);
    return select(x == x, select(size < 0.625f, small, select(x < 0.0f, -large, large)), x);
}
template <class T> inline Twice<T> hyperbolic_tangent(Twice<T> x) {
    return {hyperbolic_tangent(x.lo), hyperbolic_tangent(x.hi)};
}

}  // namespace WALKER_KERNEL
}  // namespace walker
