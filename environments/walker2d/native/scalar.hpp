// Plane vectors, rotations and the sine and cosine that every part of the engine shares.
//
// Nothing here calls the C library's mathematics: only +, -, *, / and square
// root, all of which IEEE 754 rounds exactly, so results are equal on every
// machine. Operation order follows Box2D's b2Math.h.
#pragma once

#include "target.hpp"

namespace walker {
inline namespace WALKER_KERNEL {

// One pair of coordinates; T is float, or a vector of lanes.
template <class T>
struct Vec2 {
    T x, y;
};

template <class T> inline Vec2<T> operator+(Vec2<T> a, Vec2<T> b) { return {a.x + b.x, a.y + b.y}; }
template <class T> inline Vec2<T> operator-(Vec2<T> a, Vec2<T> b) { return {a.x - b.x, a.y - b.y}; }
template <class T> inline Vec2<T> operator-(Vec2<T> a) { return {-a.x, -a.y}; }
template <class T> inline Vec2<T> operator*(T s, Vec2<T> a) { return {s * a.x, s * a.y}; }
template <class T> inline T dot(Vec2<T> a, Vec2<T> b) { return a.x * b.x + a.y * b.y; }
template <class T> inline T cross(Vec2<T> a, Vec2<T> b) { return a.x * b.y - a.y * b.x; }
template <class T> inline Vec2<T> cross(T s, Vec2<T> a) { return {-s * a.y, s * a.x}; }

template <class T>
struct Rot {
    T s, c;
};

template <class T> inline Vec2<T> mul(Rot<T> q, Vec2<T> v) { return {q.c * v.x - q.s * v.y, q.s * v.x + q.c * v.y}; }
template <class T> inline Vec2<T> mul_t(Rot<T> q, Vec2<T> v) { return {q.c * v.x + q.s * v.y, -q.s * v.x + q.c * v.y}; }

using V2 = Vec2<float>;

// b2Cross(a, 1.0f): a turned clockwise by a right angle.
inline V2 clockwise(V2 a) { return {a.y, -a.x}; }
inline float length(V2 a) { return square_root(a.x * a.x + a.y * a.y); }

struct Transform {
    V2 p;
    Rot<float> q;
};

inline V2 mul(const Transform& t, V2 v) {
    return {(t.q.c * v.x - t.q.s * v.y) + t.p.x, (t.q.s * v.x + t.q.c * v.y) + t.p.y};
}
inline V2 mul_t(const Transform& t, V2 v) { return mul_t(t.q, v - t.p); }

inline float minf(float a, float b) { return a < b ? a : b; }
inline float maxf(float a, float b) { return a > b ? a : b; }
inline float clampf(float a, float low, float high) { return maxf(low, minf(a, high)); }
inline float absf(float a) { return a > 0.0f ? a : -a; }

// b2Vec2::Normalize: gives the length, and leaves a vector without one alone.
inline float normalize(V2& a) {
    const float size = length(a);
    if (size < 1.1920928955078125e-7f) return 0.0f;
    const float inverse = 1.0f / size;
    a.x *= inverse;
    a.y *= inverse;
    return size;
}

// Sine and cosine to 0.56 ulp, with the reduction and the polynomials of the
// Arm Optimized Routines (MIT licence) that glibc's sinf and cosf use too:
// evaluated in double without fused operations, rounded once. Written without
// a branch so that a loop over lanes vectorises. Angles are cut at ±110 rad,
// beyond which a world has ended as diverged (and NaN becomes -110).
inline void sine_cosine(float angle, float& sine, float& cosine) {
    double x = static_cast<double>(angle);
    x = x > -110.0 ? x : -110.0;
    x = x < 110.0 ? x : 110.0;
    const std::int32_t quadrant = (static_cast<std::int32_t>(x * 0x1.45F306DC9C883p+23) + 0x800000) >> 24;
    const double y = x - static_cast<double>(quadrant) * 0x1.921FB54442D18p0;
    const double y2 = y * y;
    const double y3 = y * y2, y7 = y3 * y2;
    const double s = (y + y3 * -0x1.555545995a603p-3) + y7 * (0x1.1107605230bc4p-7 + y2 * -0x1.994eb3774cf24p-13);
    const double y4 = y2 * y2, y6 = y4 * y2;
    const double c = ((1.0 + y2 * -0x1.ffffffd0c621cp-2) + y4 * 0x1.55553e1068f19p-5) +
                     y6 * (-0x1.6c087e89a359dp-10 + y2 * 0x1.99343027bf8c3p-16);
    const double odd_sine = (quadrant & 1) ? c : s;
    const double odd_cosine = (quadrant & 1) ? s : c;
    sine = static_cast<float>((quadrant & 2) ? -odd_sine : odd_sine);
    cosine = static_cast<float>(((quadrant + 1) & 2) ? -odd_cosine : odd_cosine);
}

inline Rot<float> rotation(float angle) {
    Rot<float> q;
    sine_cosine(angle, q.s, q.c);
    return q;
}

}  // namespace WALKER_KERNEL
}  // namespace walker
