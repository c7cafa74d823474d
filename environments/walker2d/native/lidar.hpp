// Ten rays from the hull to the nearest ground: b2EdgeShape::RayCast and b2PolygonShape::RayCast.
//
// All rays of one world meet one shape at a time, as vectors: here a lane is a
// ray. Box2D shortens a ray at each hit; the nearest hit is the same in
// whatever order it looks.
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

inline void cast_at_edge(RayBundle& rays, const Shape& edge) {
    const V2 v1 = vec(edge.vertex[0]), normal = vec(edge.normal[0]), along = vec(edge.vertex[1]) - v1;
    const float numerator = normal.x * (v1.x - rays.x) + normal.y * (v1.y - rays.y);
    const F denominator = normal.x * rays.dx + normal.y * rays.dy;
    const F t = numerator / denominator;
    const F qx = (rays.x + t * rays.dx) - v1.x, qy = (rays.y + t * rays.dy) - v1.y;
    const F s = qx * along.x + qy * along.y;
    // s lies within [0, length²] just when Box2D's quotient lies within [0, 1].
    const I hit = (denominator != 0.0f) & (t >= 0.0f) & (t <= rays.fraction) & (s >= 0.0f) & (s <= edge.length2);
    rays.fraction = select(hit, t, rays.fraction);
}

inline void cast_at_box(RayBundle& rays, const Shape& box) {
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
    rays.fraction = select(alive & entered, lower, rays.fraction);
}

inline void cast_rays(const CourseView& course, const WalkerModel& model, V2 from, float* fractions) {
    constexpr int kBundles = (kRays + W - 1) / W;
    RayBundle bundles[kBundles];
    for (int k = 0; k < kBundles; ++k) {
        bundles[k] = RayBundle{from.x, from.y, F{}, F{}, splat(1.0f)};
        for (int i = 0; i < W; ++i) {
            const double* offset = model.ray_offset[k * W + i < kRays ? k * W + i : 0];
            bundles[k].dx[i] = static_cast<float>(static_cast<double>(from.x) + offset[0]) - from.x;
            bundles[k].dy[i] = static_cast<float>(static_cast<double>(from.y) + offset[1]) - from.y;
        }
    }
    constexpr float kRange = 5.34f;  // m, a little over the rays' length
    const Aabb reach{{from.x - 0.01f, from.y - kRange}, {from.x + kRange, from.y + 0.01f}};
    for_shapes_between(course, reach.lower.x, reach.upper.x, [&](std::int32_t i) {
        const Shape& shape = course.shapes[i];
        if (!overlap(reach, shape.tight)) return;
        for (RayBundle& rays : bundles) {
            if (shape.corners == 2) {
                cast_at_edge(rays, shape);
            } else {
                cast_at_box(rays, shape);
            }
        }
    });
    for (int i = 0; i < kRays; ++i) fractions[i] = bundles[i / W].fraction[i % W];
}

}  // namespace WALKER_KERNEL
}  // namespace walker
