// When a moving segment first touches a static shape: b2TimeOfImpact.cpp.
#pragma once

#include "collide.hpp"
#include "constants.hpp"
#include "distance.hpp"
#include "scalar.hpp"

namespace walker {
inline namespace WALKER_KERNEL {

// b2Sweep: the motion of a centre of mass between two moments of a step.
struct Sweep {
    V2 local_center, c0, c;
    float a0, a, alpha0;

    Transform at(float beta) const {
        Transform t;
        t.p = (1.0f - beta) * c0 + beta * c;
        t.q = rotation((1.0f - beta) * a0 + beta * a);
        t.p = t.p - mul(t.q, local_center);
        return t;
    }

    void advance(float alpha) {
        const float beta = (alpha - alpha0) / (1.0f - alpha0);
        c0 = (1.0f - beta) * c0 + beta * c;
        a0 = (1.0f - beta) * a0 + beta * a;
        alpha0 = alpha;
    }

    void normalize_angle() {
        const float turn = 2.0f * kPi;
        const float turns = a0 / turn;
        float whole = static_cast<float>(static_cast<std::int32_t>(turns));
        if (whole > turns) whole -= 1.0f;
        const float d = turn * whole;
        a0 -= d;
        a -= d;
    }
};

// b2SeparationFunction, with the static shape as A.
struct Separation {
    enum Kind { kPoints, kFaceA, kFaceB };

    const Proxy& a;
    const Proxy& b;
    const Sweep& sweep;
    Kind kind;
    V2 local_point, axis;

    Separation(const SimplexCache& cache, const Proxy& proxy_a, const Proxy& proxy_b, const Sweep& sweep_b, float t)
        : a(proxy_a), b(proxy_b), sweep(sweep_b), local_point{0.0f, 0.0f} {
        const Transform at_b = sweep.at(t);
        if (cache.count == 1) {
            kind = kPoints;
            axis = mul(at_b, b.at(cache.index_b[0])) - a.at(cache.index_a[0]);
            normalize(axis);
        } else if (cache.index_a[0] == cache.index_a[1]) {
            kind = kFaceB;
            const V2 b1 = b.at(cache.index_b[0]), b2 = b.at(cache.index_b[1]);
            axis = clockwise(b2 - b1);
            normalize(axis);
            local_point = 0.5f * (b1 + b2);
            const V2 on_a = a.at(cache.index_a[0]);
            if (dot(on_a - mul(at_b, local_point), mul(at_b.q, axis)) < 0.0f) axis = -axis;
        } else {
            kind = kFaceA;
            const V2 a1 = a.at(cache.index_a[0]), a2 = a.at(cache.index_a[1]);
            axis = clockwise(a2 - a1);
            normalize(axis);
            local_point = 0.5f * (a1 + a2);
            const V2 on_b = mul(at_b, b.at(cache.index_b[0]));
            if (dot(on_b - local_point, axis) < 0.0f) axis = -axis;
        }
    }

    float find_least(int& index_a, int& index_b, float t) const {
        const Transform at_b = sweep.at(t);
        switch (kind) {
            case kPoints:
                index_a = a.support(axis);
                index_b = b.support(mul_t(at_b.q, -axis));
                break;
            case kFaceA:
                index_a = -1;
                index_b = b.support(mul_t(at_b.q, -axis));
                break;
            case kFaceB:
                index_a = a.support(-mul(at_b.q, axis));
                index_b = -1;
                break;
        }
        return evaluate(index_a, index_b, at_b);
    }

    float evaluate(int index_a, int index_b, float t) const { return evaluate(index_a, index_b, sweep.at(t)); }

   private:
    float evaluate(int index_a, int index_b, const Transform& at_b) const {
        switch (kind) {
            case kPoints:
                return dot(mul(at_b, b.at(index_b)) - a.at(index_a), axis);
            case kFaceA:
                return dot(mul(at_b, b.at(index_b)) - local_point, axis);
            default:
                return dot(a.at(index_a) - mul(at_b, local_point), mul(at_b.q, axis));
        }
    }
};

constexpr float kToiTarget = kTotalRadius - 3.0f * kLinearSlop > kLinearSlop ? kTotalRadius - 3.0f * kLinearSlop
                                                                             : kLinearSlop;
constexpr float kToiTolerance = 0.25f * kLinearSlop;

// True with the fraction of the rest of the step when the shapes come to touch; false when Box2D
// would say separated, overlapping or failed, which it treats alike.
inline bool time_of_impact(float& impact, const Shape& shape, const Segment& body, Sweep sweep) {
    const Proxy a{shape.vertex, shape.corners}, b{body.vertex, body.corners};
    const Transform still{{0.0f, 0.0f}, {0.0f, 1.0f}};
    sweep.normalize_angle();
    SimplexCache cache{};
    float t1 = 0.0f;
    for (int iteration = 0; iteration < 20; ++iteration) {
        const float gap = distance(cache, a, still, b, sweep.at(t1));
        if (gap <= 0.0f) return false;
        if (gap < kToiTarget + kToiTolerance) {
            impact = t1;
            return true;
        }
        if (cache.count < 1 || cache.count > 2) return false;  // Box2D asserts; only broken numbers come here
        const Separation separation(cache, a, b, sweep, t1);
        float t2 = 1.0f;
        for (int push_back = 0; push_back < kMaxPolygonVertices; ++push_back) {
            int index_a, index_b;
            float s2 = separation.find_least(index_a, index_b, t2);
            if (s2 > kToiTarget + kToiTolerance) return false;
            if (s2 > kToiTarget - kToiTolerance) {
                t1 = t2;
                break;
            }
            float s1 = separation.evaluate(index_a, index_b, t1);
            if (s1 < kToiTarget - kToiTolerance) return false;
            if (s1 <= kToiTarget + kToiTolerance) {
                impact = t1;
                return true;
            }
            float a1 = t1, a2 = t2;
            for (int root = 0; root < 50; ++root) {
                const float t = (root & 1) ? a1 + (kToiTarget - s1) * (a2 - a1) / (s2 - s1) : 0.5f * (a1 + a2);
                const float s = separation.evaluate(index_a, index_b, t);
                if (absf(s - kToiTarget) < kToiTolerance) {
                    t2 = t;
                    break;
                }
                if (s > kToiTarget) {
                    a1 = t;
                    s1 = s;
                } else {
                    a2 = t;
                    s2 = s;
                }
            }
        }
    }
    return false;
}

}  // namespace WALKER_KERNEL
}  // namespace walker
