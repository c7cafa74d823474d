// Vectors, matrices, quaternions and spatial algebra whose every entry has a type of its own: a number, or one that is
// known to be nought or one.
//
// A leg bends in a plane and its links lie along an axis, so that most entries of what Bullet multiplies are nought
// always. Written with these types, Bullet's own formulas skip them, and the order of what remains is Bullet's
// (btVector3.h, btMatrix3x3.h, btQuaternion.h, btSpatialAlgebra.h). Adding nought changes no number but -0, which
// nothing here can tell from 0.
#pragma once

#include "rows.hpp"

namespace hexapod {
inline namespace HEXAPOD_KERNEL {

struct Nought {};
struct One {};

template <class T> constexpr bool kPlain = false;
template <> constexpr bool kPlain<D> = true;
template <> constexpr bool kPlain<double> = true;
template <class T> concept Number = kPlain<T>;
template <class T> constexpr bool kKnown = false;
template <> constexpr bool kKnown<Nought> = true;
template <> constexpr bool kKnown<One> = true;
template <class T> concept Entry = kPlain<T> || kKnown<T>;

template <Entry T> HEXAPOD_INLINE Nought operator*(Nought, T) { return {}; }
template <Number T> HEXAPOD_INLINE Nought operator*(T, Nought) { return {}; }
HEXAPOD_INLINE Nought operator*(One, Nought) { return {}; }
HEXAPOD_INLINE One operator*(One, One) { return {}; }
template <Number T> HEXAPOD_INLINE T operator*(One, T x) { return x; }
template <Number T> HEXAPOD_INLINE T operator*(T x, One) { return x; }
template <Entry T> HEXAPOD_INLINE T operator+(Nought, T x) { return x; }
template <Number T> HEXAPOD_INLINE T operator+(T x, Nought) { return x; }
HEXAPOD_INLINE One operator+(One, Nought) { return {}; }
template <Number T> HEXAPOD_INLINE T operator-(Nought, T x) { return -x; }
template <Number T> HEXAPOD_INLINE T operator-(T x, Nought) { return x; }
HEXAPOD_INLINE Nought operator-(Nought, Nought) { return {}; }
HEXAPOD_INLINE Nought operator-(Nought) { return {}; }
HEXAPOD_INLINE One operator-(One, Nought) { return {}; }

template <class X, class Y, class Z>
struct Vec {
    X x;
    Y y;
    Z z;
};
template <class X, class Y, class Z> Vec(X, Y, Z) -> Vec<X, Y, Z>;
using V3 = Vec<D, D, D>;

#define HEXAPOD_VECTORS class X, class Y, class Z, class U, class V, class T
template <HEXAPOD_VECTORS> HEXAPOD_INLINE auto operator+(Vec<X, Y, Z> a, Vec<U, V, T> b) {
    return Vec{a.x + b.x, a.y + b.y, a.z + b.z};
}
template <HEXAPOD_VECTORS> HEXAPOD_INLINE auto operator-(Vec<X, Y, Z> a, Vec<U, V, T> b) {
    return Vec{a.x - b.x, a.y - b.y, a.z - b.z};
}
template <class X, class Y, class Z> HEXAPOD_INLINE auto operator-(Vec<X, Y, Z> a) { return Vec{-a.x, -a.y, -a.z}; }
template <class X, class Y, class Z, Entry S> HEXAPOD_INLINE auto operator*(Vec<X, Y, Z> a, S s) {
    return Vec{a.x * s, a.y * s, a.z * s};
}
template <HEXAPOD_VECTORS> HEXAPOD_INLINE auto dot(Vec<X, Y, Z> a, Vec<U, V, T> b) {
    return a.x * b.x + a.y * b.y + a.z * b.z;
}
template <HEXAPOD_VECTORS> HEXAPOD_INLINE auto cross(Vec<X, Y, Z> a, Vec<U, V, T> b) {
    return Vec{a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x};
}

// Three rows.
template <class P, class Q, class R>
struct Mat {
    P p;
    Q q;
    R r;
};
template <class P, class Q, class R> Mat(P, Q, R) -> Mat<P, Q, R>;
using M3 = Mat<V3, V3, V3>;

#define HEXAPOD_MATRICES class P, class Q, class R, class S, class U, class V
template <class P, class Q, class R> HEXAPOD_INLINE auto transposed(Mat<P, Q, R> m) {
    return Mat{Vec{m.p.x, m.q.x, m.r.x}, Vec{m.p.y, m.q.y, m.r.y}, Vec{m.p.z, m.q.z, m.r.z}};
}
template <class P, class Q, class R, class X, class Y, class Z>
HEXAPOD_INLINE auto operator*(Mat<P, Q, R> m, Vec<X, Y, Z> v) {
    return Vec{dot(m.p, v), dot(m.q, v), dot(m.r, v)};
}
template <HEXAPOD_MATRICES> HEXAPOD_INLINE auto operator*(Mat<P, Q, R> a, Mat<S, U, V> b) {
    const auto t = transposed(b);
    return Mat{t * a.p, t * a.q, t * a.r};
}
template <HEXAPOD_MATRICES> HEXAPOD_INLINE auto operator+(Mat<P, Q, R> a, Mat<S, U, V> b) {
    return Mat{a.p + b.p, a.q + b.q, a.r + b.r};
}
template <HEXAPOD_MATRICES> HEXAPOD_INLINE auto operator-(Mat<P, Q, R> a, Mat<S, U, V> b) {
    return Mat{a.p - b.p, a.q - b.q, a.r - b.r};
}
template <HEXAPOD_VECTORS> HEXAPOD_INLINE auto outer(Vec<X, Y, Z> a, Vec<U, V, T> b) {
    return Mat{Vec{a.x * b.x, a.x * b.y, a.x * b.z}, Vec{a.y * b.x, a.y * b.y, a.y * b.z},
               Vec{a.z * b.x, a.z * b.y, a.z * b.z}};
}
HEXAPOD_INLINE D cofactor(D a, D d, D b, D c) { return a * d - b * c; }
HEXAPOD_INLINE M3 inverse(const M3& m) {
    const V3 co{cofactor(m.q.y, m.r.z, m.q.z, m.r.y), cofactor(m.q.z, m.r.x, m.q.x, m.r.z),
                cofactor(m.q.x, m.r.y, m.q.y, m.r.x)};
    const D s = 1.0 / dot(m.p, co);
    return {{co.x * s, cofactor(m.p.z, m.r.y, m.p.y, m.r.z) * s, cofactor(m.p.y, m.q.z, m.p.z, m.q.y) * s},
            {co.y * s, cofactor(m.p.x, m.r.z, m.p.z, m.r.x) * s, cofactor(m.p.z, m.q.x, m.p.x, m.q.z) * s},
            {co.z * s, cofactor(m.p.y, m.r.x, m.p.x, m.r.y) * s, cofactor(m.p.x, m.q.y, m.p.y, m.q.x) * s}};
}

template <class X, class Y, class Z>
struct Quat {
    X x;
    Y y;
    Z z;
    D w;
};
template <class X, class Y, class Z> Quat(X, Y, Z, D) -> Quat<X, Y, Z>;
using Q4 = Quat<D, D, D>;

template <class X, class Y, class Z> HEXAPOD_INLINE auto conjugate(Quat<X, Y, Z> q) {
    return Quat{-q.x, -q.y, -q.z, q.w};
}
template <HEXAPOD_VECTORS> HEXAPOD_INLINE auto operator*(Quat<X, Y, Z> a, Quat<U, V, T> b) {
    return Quat{a.w * b.x + a.x * b.w + a.y * b.z - a.z * b.y, a.w * b.y + a.y * b.w + a.z * b.x - a.x * b.z,
                a.w * b.z + a.z * b.w + a.x * b.y - a.y * b.x, a.w * b.w - a.x * b.x - a.y * b.y - a.z * b.z};
}
template <HEXAPOD_VECTORS> HEXAPOD_INLINE auto rotated(Quat<X, Y, Z> q, Vec<U, V, T> v) {
    // What Bullet has as a quaternion of the vector; its w may be nought.
    const auto x = q.w * v.x + q.y * v.z - q.z * v.y;
    const auto y = q.w * v.y + q.z * v.x - q.x * v.z;
    const auto z = q.w * v.z + q.x * v.y - q.y * v.x;
    const auto w = -q.x * v.x - q.y * v.y - q.z * v.z;
    const auto i = conjugate(q);
    return Vec{w * i.x + x * i.w + y * i.z - z * i.y, w * i.y + y * i.w + z * i.x - x * i.z,
               w * i.z + z * i.w + x * i.y - y * i.x};
}
HEXAPOD_INLINE M3 matrix(const Q4& q) {
    const D s = 2.0 / (q.x * q.x + q.y * q.y + q.z * q.z + q.w * q.w);
    const D xs = q.x * s, ys = q.y * s, zs = q.z * s;
    const D wx = q.w * xs, wy = q.w * ys, wz = q.w * zs;
    const D xx = q.x * xs, xy = q.x * ys, xz = q.x * zs, yy = q.y * ys, yz = q.y * zs, zz = q.z * zs;
    return {{1.0 - (yy + zz), xy - wz, xz + wy}, {xy + wz, 1.0 - (xx + zz), yz - wx}, {xz - wy, yz + wx, 1.0 - (xx + yy)}};
}
HEXAPOD_INLINE auto matrix(const Quat<Nought, D, Nought>& q) {
    const D s = 2.0 / (q.y * q.y + q.w * q.w), ys = q.y * s, wy = q.w * ys, c = 1.0 - q.y * ys;
    return Mat{Vec{c, Nought{}, wy}, Vec{Nought{}, One{}, Nought{}}, Vec{-wy, Nought{}, c}};
}
HEXAPOD_INLINE auto matrix(const Quat<Nought, Nought, D>& q) {
    const D s = 2.0 / (q.z * q.z + q.w * q.w), zs = q.z * s, wz = q.w * zs, c = 1.0 - q.z * zs;
    return Mat{Vec{c, -wz, Nought{}}, Vec{wz, c, Nought{}}, Vec{Nought{}, Nought{}, One{}}};
}

// Bullet's spatial vectors: of a motion, top is angular and bottom linear; of a force the other way about.
template <class T, class B>
struct Spatial {
    T top;
    B bottom;
};
template <class T, class B> Spatial(T, B) -> Spatial<T, B>;
using S6 = Spatial<V3, V3>;

template <class T, class B, class U, class V> HEXAPOD_INLINE auto operator+(Spatial<T, B> a, Spatial<U, V> b) {
    return Spatial{a.top + b.top, a.bottom + b.bottom};
}
template <class T, class B, Entry S> HEXAPOD_INLINE auto operator*(Spatial<T, B> a, S s) {
    return Spatial{a.top * s, a.bottom * s};
}
// A motion with a force.
template <class T, class B, class U, class V> HEXAPOD_INLINE auto dot(Spatial<T, B> a, Spatial<U, V> b) {
    return dot(a.bottom, b.top) + dot(a.top, b.bottom);
}
// From the parent's frame into the child's.
template <class R, class O, class T, class B> HEXAPOD_INLINE auto inwards(R turn, O arm, Spatial<T, B> v) {
    const auto top = turn * v.top;
    return Spatial{top, turn * v.bottom - cross(arm, top)};
}
// From the child's frame into the parent's.
template <class R, class O, class T, class B> HEXAPOD_INLINE auto outwards(R turn, O arm, Spatial<T, B> v) {
    const auto back = transposed(turn);
    return Spatial{back * v.top, back * (v.bottom + cross(arm, v.top))};
}

// An articulated inertia.
template <class A, class B, class C>
struct Dyad {
    A top_left;
    B top_right;
    C bottom_left;
};
template <class A, class B, class C> Dyad(A, B, C) -> Dyad<A, B, C>;

template <class A, class B, class C, class T, class U> HEXAPOD_INLINE auto operator*(Dyad<A, B, C> i, Spatial<T, U> v) {
    return Spatial{i.top_left * v.top + i.top_right * v.bottom,
                   i.bottom_left * v.top + transposed(i.top_left) * v.bottom};
}
template <class A, class B, class C, class R, class X, class Y, class Z>
HEXAPOD_INLINE auto outwards(R turn, Vec<X, Y, Z> arm, Dyad<A, B, C> i) {
    const auto back = transposed(turn);
    const Mat across{Vec{Nought{}, -arm.z, arm.y}, Vec{arm.z, Nought{}, -arm.x}, Vec{-arm.y, arm.x, Nought{}}};
    const auto moved = i.top_left - i.top_right * across;
    return Dyad{back * moved * turn, back * i.top_right * turn,
                back * (across * moved + i.bottom_left - transposed(i.top_left) * across) * turn};
}

}  // namespace HEXAPOD_KERNEL
}  // namespace hexapod
