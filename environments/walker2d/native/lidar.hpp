// Ten rays from the hull to the ground: b2EdgeShape::RayCast and b2PolygonShape::RayCast.
//
// All rays of one world meet one shape at a time, as vectors: here a lane is a
// ray. Gymnasium's rays end at the nearest hit, which is the same in whatever
// order one looks. Those of POET's published code end at the first shape that
// b2DynamicTree::RayCast visits.
#pragma once

#include "broadphase.hpp"

namespace walker {
inline namespace WALKER_KERNEL {

// Some of the rays of one world.
struct RayBundle {
    float x, y;     // common origin
    F dx, dy;       // to the end points
    F fraction;     // of the nearest hit so far
};

// The rays that hit an edge before their end so far, and where.
inline I meet_edge(const RayBundle& rays, const Shape& edge, F& at) {
    const V2 v1 = vec(edge.vertex[0]), normal = vec(edge.normal[0]), along = vec(edge.vertex[1]) - v1;
    const float numerator = normal.x * (v1.x - rays.x) + normal.y * (v1.y - rays.y);
    const F denominator = normal.x * rays.dx + normal.y * rays.dy;
    const F t = numerator / denominator;
    const F qx = (rays.x + t * rays.dx) - v1.x, qy = (rays.y + t * rays.dy) - v1.y;
    const F s = qx * along.x + qy * along.y;
    // s lies within [0, length²] just when Box2D's quotient lies within [0, 1].
    const I hit = (denominator != 0.0f) & (t >= 0.0f) & (t <= rays.fraction) & (s >= 0.0f) & (s <= edge.length2);
    at = t;
    return hit;
}

inline I meet_box(const RayBundle& rays, const Shape& box, F& at) {
    F lower{}, upper = rays.fraction;
    I alive = splat_mask(true), entered{};
    for (int i = 0; i < box.corners; ++i) {
        const V2 normal = vec(box.normal[i]);
        const float numerator = normal.x * (box.vertex[i].x - rays.x) + normal.y * (box.vertex[i].y - rays.y);
        const F denominator = normal.x * rays.dx + normal.y * rays.dy;
        alive &= ~((denominator == 0.0f) & splat_mask(numerator < 0.0f));
        const F t = numerator / denominator;
        const I enters = (denominator < 0.0f) & (numerator < lower * denominator);
        const I leaves = (denominator > 0.0f) & (numerator < upper * denominator);
        lower = select(enters, t, lower);
        upper = select(leaves, t, upper);
        entered |= enters;
        alive &= ~(upper < lower);
    }
    at = lower;
    return alive & entered;
}

inline I meet(const RayBundle& rays, const Shape& shape, F& at) {
    return shape.corners == 2 ? meet_edge(rays, shape, at) : meet_box(rays, shape, at);
}

constexpr int kBundles = (kRays + W - 1) / W;

struct Rays {
    RayBundle bundle[kBundles];

    Rays(const WalkerModel& model, V2 from) {
        for (int k = 0; k < kBundles; ++k) {
            bundle[k] = RayBundle{from.x, from.y, F{}, F{}, splat(1.0f)};
            for (int i = 0; i < W; ++i) {
                const double* offset = model.ray_offset[k * W + i < kRays ? k * W + i : 0];
                bundle[k].dx[i] = static_cast<float>(static_cast<double>(from.x) + offset[0]) - from.x;
                bundle[k].dy[i] = static_cast<float>(static_cast<double>(from.y) + offset[1]) - from.y;
            }
        }
    }

    void give(float* fractions) const {
        for (int i = 0; i < kRays; ++i) fractions[i] = bundle[i / W].fraction[i % W];
    }
};

inline void cast_rays(const CourseView& course, const WalkerModel& model, V2 from, float* fractions) {
    Rays rays(model, from);
    constexpr float kRange = 5.34f;  // m, a little over the rays' length
    const Aabb reach{{from.x - 0.01f, from.y - kRange}, {from.x + kRange, from.y + 0.01f}};
    for_shapes_between(course, reach.lower.x, reach.upper.x, [&](std::int32_t i) {
        const Shape& shape = course.shapes[i];
        if (!overlap(reach, shape.tight)) return;
        for (RayBundle& bundle : rays.bundle) {
            F at;
            const I hit = meet(bundle, shape, at);
            bundle.fraction = select(hit, at, bundle.fraction);
        }
    });
    rays.give(fractions);
}

// The rays that may meet something in a box, by the bounds of each ray and the axis across it.
inline I may_meet(const RayBundle& rays, const Aabb& box) {
    // Rays point right and down. A hit lies 0.1 m inside the box at least, so that rounding decides nothing.
    const I within = (box.lower.x <= rays.x + rays.dx) & (rays.y + rays.dy <= box.upper.y) &
                     splat_mask(rays.x <= box.upper.x && box.lower.y <= rays.y);
    const float cx = 0.5f * (box.lower.x + box.upper.x) - rays.x, cy = 0.5f * (box.lower.y + box.upper.y) - rays.y;
    const float hx = 0.5f * (box.upper.x - box.lower.x), hy = 0.5f * (box.upper.y - box.lower.y);
    const F across = rays.dx * cy - rays.dy * cx, reach = rays.dx * hy - rays.dy * hx;
    return within & (across <= reach) & (-across <= reach);
}

inline void cast_published_rays(const CourseView& course, const TreeNode* tree, const WalkerModel& model, V2 from,
                                float* fractions) {
    Rays rays(model, from);
    I pending[kBundles];
    for (I& mask : pending) mask = splat_mask(true);
    std::int32_t stack[kMaxTreeDepth];
    int count = 0;
    stack[count++] = tree[0].child[0];
    while (count > 0) {
        const std::int32_t number = stack[--count];
        const TreeNode& node = tree[number];
        I near[kBundles];
        bool nobody = true;
        for (int k = 0; k < kBundles; ++k) {
            near[k] = pending[k] & may_meet(rays.bundle[k], node.box);
            nobody = nobody && !any(near[k]);
        }
        if (nobody) continue;
        if (node.height > 0) {
            stack[count++] = node.child[0];
            stack[count++] = node.child[1];
        } else if (number <= course.size) {
            for (int k = 0; k < kBundles; ++k) {
                F at;
                const I hit = pending[k] & meet(rays.bundle[k], course.shapes[number - 1], at);
                rays.bundle[k].fraction = select(hit, at, rays.bundle[k].fraction);
                pending[k] &= ~hit;
            }
        }
    }
    rays.give(fractions);
}

}  // namespace WALKER_KERNEL
}  // namespace walker
