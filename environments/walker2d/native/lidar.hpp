// Ten rays from the hull to the nearest ground: b2EdgeShape::RayCast and b2PolygonShape::RayCast.
//
// All rays of one world meet one shape at a time, as a vector. Box2D shortens
// a ray at each hit; the nearest hit is the same in whatever order it looks.
#pragma once

#include "broadphase.hpp"

namespace walker {
inline namespace WALKER_KERNEL {

constexpr int kRayLanes = 16;  // ten rays, padded to a power of two
typedef float Rays __attribute__((vector_size(kRayLanes * 4)));
typedef std::int32_t RayMask __attribute__((vector_size(kRayLanes * 4)));

struct RayBundle {
    float x, y;         // common origin
    Rays dx, dy;        // to the end points
    Rays fraction;      // of the nearest hit so far
};

inline void cast_at_edge(RayBundle& rays, const Shape& edge) {
    const V2 v1 = vec(edge.vertex[0]), normal = vec(edge.normal[0]), along = vec(edge.vertex[1]) - v1;
    const float numerator = normal.x * (v1.x - rays.x) + normal.y * (v1.y - rays.y);
    const Rays denominator = normal.x * rays.dx + normal.y * rays.dy;
    const Rays t = numerator / denominator;
    const Rays qx = (rays.x + t * rays.dx) - v1.x, qy = (rays.y + t * rays.dy) - v1.y;
    const Rays s = qx * along.x + qy * along.y;
    // s lies within [0, length²] just when Box2D's quotient lies within [0, 1].
    const RayMask hit = (denominator != 0.0f) & (t >= 0.0f) & (t <= rays.fraction) & (s >= 0.0f) & (s <= edge.length2);
    rays.fraction = hit ? t : rays.fraction;
}

inline void cast_at_box(RayBundle& rays, const Shape& box) {
    Rays lower{}, upper = rays.fraction;
    RayMask alive = ~RayMask{}, entered{};
    for (int i = 0; i < box.corners; ++i) {
        const V2 normal = vec(box.normal[i]);
        const float numerator = normal.x * (box.vertex[i].x - rays.x) + normal.y * (box.vertex[i].y - rays.y);
        const Rays denominator = normal.x * rays.dx + normal.y * rays.dy;
        const RayMask parallel = denominator == 0.0f;
        const RayMask outside = numerator < 0.0f ? ~RayMask{} : RayMask{};
        alive &= ~(parallel & outside);
        const Rays t = numerator / denominator;
        const RayMask enters = (denominator < 0.0f) & (numerator < lower * denominator);
        const RayMask leaves = (denominator > 0.0f) & (numerator < upper * denominator);
        lower = enters ? t : lower;
        upper = leaves ? t : upper;
        entered |= enters;
        alive &= ~(upper < lower);
    }
    rays.fraction = (alive & entered) ? lower : rays.fraction;
}

inline void cast_rays(const CourseView& course, const WalkerModel& model, V2 from, float* fractions) {
    RayBundle rays{from.x, from.y, {}, {}, 1.0f - Rays{}};
    for (int i = 0; i < kRayLanes; ++i) {
        const int ray = i < kRays ? i : 0;
        const float end_x = static_cast<float>(static_cast<double>(from.x) + model.ray_offset[ray][0]);
        const float end_y = static_cast<float>(static_cast<double>(from.y) + model.ray_offset[ray][1]);
        rays.dx[i] = end_x - from.x;
        rays.dy[i] = end_y - from.y;
    }
    constexpr float kRange = 5.34f;  // m, a little over the rays' length
    const Aabb reach{{from.x - 0.01f, from.y - kRange}, {from.x + kRange, from.y + 0.01f}};
    for_shapes_between(course, reach.lower.x, reach.upper.x, [&](std::int32_t i) {
        const Shape& shape = course.shapes[i];
        if (!overlap(reach, shape.tight)) return;
        if (shape.corners == 2) {
            cast_at_edge(rays, shape);
        } else {
            cast_at_box(rays, shape);
        }
    });
    for (int i = 0; i < kRays; ++i) fractions[i] = rays.fraction[i];
}

}  // namespace WALKER_KERNEL
}  // namespace walker
