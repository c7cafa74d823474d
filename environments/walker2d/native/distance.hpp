// The least distance between two convex shapes: GJK as in b2Distance.cpp.
//
// The simplex cache carries over between calls of one time-of-impact search,
// and so its state decides results: it is kept exactly as Box2D keeps it.
#pragma once

#include "constants.hpp"
#include "shapes.hpp"
#include "scalar.hpp"

namespace walker {
inline namespace WALKER_KERNEL {

struct Proxy {
    const Point* vertex;
    int count;

    V2 at(int i) const { return {vertex[i].x, vertex[i].y}; }

    int support(V2 direction) const {
        int best = 0;
        float most = dot(at(0), direction);
        for (int i = 1; i < count; ++i) {
            const float value = dot(at(i), direction);
            if (value > most) {
                best = i;
                most = value;
            }
        }
        return best;
    }
};

struct SimplexCache {
    float metric;
    int count;
    int index_a[3], index_b[3];
};

struct SimplexVertex {
    V2 a, b;         // support points
    V2 w;            // b - a
    float weight;    // barycentric
    int index_a, index_b;
};

struct Simplex {
    SimplexVertex v[3];
    int count;

    float metric() const {
        if (count == 2) return length(v[0].w - v[1].w);
        if (count == 3) return cross(v[1].w - v[0].w, v[2].w - v[0].w);
        return 0.0f;
    }

    void place(int i, int index_a, int index_b, const Proxy& a, const Transform& at_a, const Proxy& b,
               const Transform& at_b) {
        v[i].index_a = index_a;
        v[i].index_b = index_b;
        v[i].a = mul(at_a, a.at(index_a));
        v[i].b = mul(at_b, b.at(index_b));
        v[i].w = v[i].b - v[i].a;
    }

    void solve2() {
        const V2 w1 = v[0].w, w2 = v[1].w, e12 = w2 - w1;
        const float d2 = -dot(w1, e12);
        if (d2 <= 0.0f) {
            v[0].weight = 1.0f;
            count = 1;
            return;
        }
        const float d1 = dot(w2, e12);
        if (d1 <= 0.0f) {
            v[1].weight = 1.0f;
            count = 1;
            v[0] = v[1];
            return;
        }
        weigh(0, d1, 1, d2);
    }

    void solve3() {
        const V2 w1 = v[0].w, w2 = v[1].w, w3 = v[2].w;
        const V2 e12 = w2 - w1, e13 = w3 - w1, e23 = w3 - w2;
        const float d12_1 = dot(w2, e12), d12_2 = -dot(w1, e12);
        const float d13_1 = dot(w3, e13), d13_2 = -dot(w1, e13);
        const float d23_1 = dot(w3, e23), d23_2 = -dot(w2, e23);
        const float n123 = cross(e12, e13);
        const float d123_1 = n123 * cross(w2, w3), d123_2 = n123 * cross(w3, w1), d123_3 = n123 * cross(w1, w2);
        if (d12_2 <= 0.0f && d13_2 <= 0.0f) {
            v[0].weight = 1.0f;
            count = 1;
        } else if (d12_1 > 0.0f && d12_2 > 0.0f && d123_3 <= 0.0f) {
            weigh(0, d12_1, 1, d12_2);
        } else if (d13_1 > 0.0f && d13_2 > 0.0f && d123_2 <= 0.0f) {
            weigh(0, d13_1, 2, d13_2);
            v[1] = v[2];
        } else if (d12_1 <= 0.0f && d23_2 <= 0.0f) {
            v[1].weight = 1.0f;
            count = 1;
            v[0] = v[1];
        } else if (d13_1 <= 0.0f && d23_1 <= 0.0f) {
            v[2].weight = 1.0f;
            count = 1;
            v[0] = v[2];
        } else if (d23_1 > 0.0f && d23_2 > 0.0f && d123_1 <= 0.0f) {
            weigh(1, d23_1, 2, d23_2);
            v[0] = v[2];
        } else {
            const float inverse = 1.0f / (d123_1 + d123_2 + d123_3);
            v[0].weight = d123_1 * inverse;
            v[1].weight = d123_2 * inverse;
            v[2].weight = d123_3 * inverse;
            count = 3;
        }
    }

   private:
    void weigh(int i, float di, int j, float dj) {
        const float inverse = 1.0f / (di + dj);
        v[i].weight = di * inverse;
        v[j].weight = dj * inverse;
        count = 2;
    }
};

inline float distance(SimplexCache& cache, const Proxy& a, const Transform& at_a, const Proxy& b,
                      const Transform& at_b) {
    Simplex simplex;
    simplex.count = cache.count;
    for (int i = 0; i < simplex.count; ++i) {
        simplex.place(i, cache.index_a[i], cache.index_b[i], a, at_a, b, at_b);
        simplex.v[i].weight = 0.0f;
    }
    if (simplex.count > 1) {
        const float now = simplex.metric();
        if (now < 0.5f * cache.metric || 2.0f * cache.metric < now || now < kEpsilon) simplex.count = 0;
    }
    if (simplex.count == 0) {
        simplex.place(0, 0, 0, a, at_a, b, at_b);
        simplex.v[0].weight = 1.0f;
        simplex.count = 1;
    }

    for (int iteration = 0; iteration < 20; ++iteration) {
        const int saved = simplex.count;
        int saved_a[3], saved_b[3];
        for (int i = 0; i < saved; ++i) {
            saved_a[i] = simplex.v[i].index_a;
            saved_b[i] = simplex.v[i].index_b;
        }
        if (simplex.count == 2) simplex.solve2();
        if (saved == 3) simplex.solve3();
        if (simplex.count == 3) break;  // the origin lies inside: overlap

        V2 direction = -simplex.v[0].w;
        if (simplex.count == 2) {
            const V2 e12 = simplex.v[1].w - simplex.v[0].w;
            direction = cross(e12, -simplex.v[0].w) > 0.0f ? V2{-1.0f * e12.y, 1.0f * e12.x} : clockwise(e12);
        }
        if (dot(direction, direction) < kEpsilon * kEpsilon) break;

        const int index_a = a.support(mul_t(at_a.q, -direction));
        const int index_b = b.support(mul_t(at_b.q, direction));
        simplex.place(simplex.count, index_a, index_b, a, at_a, b, at_b);
        bool duplicate = false;
        for (int i = 0; i < saved; ++i) duplicate = duplicate || (index_a == saved_a[i] && index_b == saved_b[i]);
        if (duplicate) break;
        ++simplex.count;
    }

    V2 on_a, on_b;
    const SimplexVertex* v = simplex.v;
    if (simplex.count == 1) {
        on_a = v[0].a;
        on_b = v[0].b;
    } else if (simplex.count == 2) {
        on_a = v[0].weight * v[0].a + v[1].weight * v[1].a;
        on_b = v[0].weight * v[0].b + v[1].weight * v[1].b;
    } else {
        on_a = v[0].weight * v[0].a + v[1].weight * v[1].a + v[2].weight * v[2].a;
        on_b = on_a;
    }
    cache.metric = simplex.metric();
    cache.count = simplex.count;
    for (int i = 0; i < simplex.count; ++i) {
        cache.index_a[i] = v[i].index_a;
        cache.index_b[i] = v[i].index_b;
    }
    return length(on_a - on_b);
}

}  // namespace WALKER_KERNEL
}  // namespace walker
