// Contact manifolds between a static shape and a segment of the walker.
//
// After b2CollideEdge.cpp (b2EPCollider, edges without neighbours) and
// b2CollidePolygon.cpp, for a static body at the origin without rotation,
// where multiplying by its transform changes nothing and is left out.
#pragma once

#include "constants.hpp"
#include "shapes.hpp"
#include "scalar.hpp"

namespace walker {
inline namespace WALKER_KERNEL {

inline V2 vec(Point p) { return {p.x, p.y}; }

// Where a segment is: the transform of its origin, and its corners in the world.
struct Pose {
    Transform at;
    V2 corner[kCorners];
};

inline Pose pose_of(const Segment& body, V2 center, float angle) {
    Pose pose;
    pose.at.q = rotation(angle);
    pose.at.p = center - mul(pose.at.q, vec(body.local_center));
    for (int i = 0; i < body.corners; ++i) pose.corner[i] = mul(pose.at, vec(body.vertex[i]));
    return pose;
}

struct ManifoldPoint {
    V2 local;
    float normal_impulse, tangent_impulse;
    std::uint32_t id;  // index A, index B, type A, type B: a byte each
};

struct Manifold {
    bool on_segment;  // Box2D's e_faceB: the reference face belongs to the segment
    std::int32_t count;
    V2 normal, point;
    ManifoldPoint points[2];
};

struct ClipVertex {
    V2 v;
    std::uint32_t id;
};

constexpr std::uint32_t kVertexFeature = 0, kFaceFeature = 1;

inline std::uint32_t contact_id(int index_a, int index_b, std::uint32_t type_a, std::uint32_t type_b) {
    return static_cast<std::uint32_t>(index_a) | static_cast<std::uint32_t>(index_b) << 8 | type_a << 16 | type_b << 24;
}

inline std::uint32_t swapped(std::uint32_t id) {
    return (id & 0xff) << 8 | (id >> 8 & 0xff) | (id >> 16 & 0xff) << 24 | (id >> 24) << 16;
}

// b2ClipSegmentToLine: gives the number of points kept.
inline int clip(ClipVertex out[2], const ClipVertex in[2], V2 normal, float offset, int index_a) {
    int count = 0;
    const float distance0 = dot(normal, in[0].v) - offset;
    const float distance1 = dot(normal, in[1].v) - offset;
    if (distance0 <= 0.0f) out[count++] = in[0];
    if (distance1 <= 0.0f) out[count++] = in[1];
    if (distance0 * distance1 < 0.0f) {
        const float fraction = distance0 / (distance0 - distance1);
        out[count].v = in[0].v + fraction * (in[1].v - in[0].v);
        out[count].id = contact_id(index_a, static_cast<int>(in[0].id >> 8 & 0xff), kVertexFeature, kFaceFeature);
        ++count;
    }
    return count;
}

inline void collide_edge(Manifold& manifold, const Shape& edge, const Segment& body, const Pose& pose) {
    manifold.count = 0;
    const V2 v1 = vec(edge.vertex[0]), v2 = vec(edge.vertex[1]), normal1 = vec(edge.normal[0]);
    const V2 centroid = mul(pose.at, vec(body.centroid));
    const bool front = dot(normal1, centroid - v1) >= 0.0f;
    const V2 normal = front ? normal1 : -normal1;

    float edge_separation = kMaxFloat;
    for (int i = 0; i < body.corners; ++i) {
        const float s = dot(normal, pose.corner[i] - v1);
        if (s < edge_separation) edge_separation = s;
    }
    if (edge_separation > kTotalRadius) return;

    V2 normals[kCorners];
    for (int i = 0; i < body.corners; ++i) normals[i] = mul(pose.at.q, vec(body.normal[i]));
    int best = -1;
    float body_separation = -kMaxFloat;
    for (int i = 0; i < body.corners; ++i) {
        const V2 n = -normals[i];
        const float s = minf(dot(n, pose.corner[i] - v1), dot(n, pose.corner[i] - v2));
        if (s > kTotalRadius) return;
        // Without neighbouring edges both limits of the normal are the edge's back.
        if (dot(n + normal, normal) < -kAngularSlop) continue;
        if (s > body_separation) {
            best = i;
            body_separation = s;
        }
    }

    // Prefers the edge's face, so that the choice does not jitter.
    manifold.on_segment = best >= 0 && body_separation > 0.98f * edge_separation + 0.001f;
    ClipVertex incident[2], clipped1[2], clipped2[2];
    int i1, i2;
    V2 face1, face2, face_normal;
    if (!manifold.on_segment) {
        int opposite = 0;
        float least = dot(normal, normals[0]);
        for (int i = 1; i < body.corners; ++i) {
            const float value = dot(normal, normals[i]);
            if (value < least) {
                least = value;
                opposite = i;
            }
        }
        const int next = opposite + 1 < body.corners ? opposite + 1 : 0;
        incident[0] = {pose.corner[opposite], contact_id(0, opposite, kFaceFeature, kVertexFeature)};
        incident[1] = {pose.corner[next], contact_id(0, next, kFaceFeature, kVertexFeature)};
        i1 = front ? 0 : 1;
        i2 = front ? 1 : 0;
        face1 = front ? v1 : v2;
        face2 = front ? v2 : v1;
        face_normal = normal;
    } else {
        incident[0] = {v1, contact_id(0, best, kVertexFeature, kFaceFeature)};
        incident[1] = {v2, contact_id(0, best, kVertexFeature, kFaceFeature)};
        i1 = best;
        i2 = best + 1 < body.corners ? best + 1 : 0;
        face1 = pose.corner[i1];
        face2 = pose.corner[i2];
        face_normal = normals[i1];
    }
    const V2 side = clockwise(face_normal);
    if (clip(clipped1, incident, side, dot(side, face1), i1) < 2) return;
    if (clip(clipped2, clipped1, -side, dot(-side, face2), i2) < 2) return;

    manifold.normal = manifold.on_segment ? vec(body.normal[i1]) : face_normal;
    manifold.point = manifold.on_segment ? vec(body.vertex[i1]) : face1;
    for (const ClipVertex& vertex : clipped2) {
        if (dot(face_normal, vertex.v - face1) <= kTotalRadius) {
            ManifoldPoint& point = manifold.points[manifold.count++];
            point.local = manifold.on_segment ? vertex.v : mul_t(pose.at, vertex.v);
            point.id = manifold.on_segment ? swapped(vertex.id) : vertex.id;
        }
    }
}

// A convex polygon in place; the static one stands without a transform.
struct Placed {
    int corners;
    const Point* vertex;
    const Point* normal;
    V2 centroid;
    Transform at;
};

// b2EdgeSeparation
inline float face_separation(const Placed& one, int face, const Placed& two) {
    const V2 world_normal = mul(one.at.q, vec(one.normal[face]));
    const V2 normal = mul_t(two.at.q, world_normal);
    int support = 0;
    float least = kMaxFloat;
    for (int i = 0; i < two.corners; ++i) {
        const float value = dot(vec(two.vertex[i]), normal);
        if (value < least) {
            least = value;
            support = i;
        }
    }
    return dot(mul(two.at, vec(two.vertex[support])) - mul(one.at, vec(one.vertex[face])), world_normal);
}

// b2FindMaxSeparation: climbs from the face that looks towards the other centroid.
inline float max_separation(int& best, const Placed& one, const Placed& two) {
    const V2 direction = mul_t(one.at.q, mul(two.at, two.centroid) - mul(one.at, one.centroid));
    int face = 0;
    float most = -kMaxFloat;
    for (int i = 0; i < one.corners; ++i) {
        const float value = dot(vec(one.normal[i]), direction);
        if (value > most) {
            most = value;
            face = i;
        }
    }
    const auto before = [&](int i) { return i - 1 >= 0 ? i - 1 : one.corners - 1; };
    const auto after = [&](int i) { return i + 1 < one.corners ? i + 1 : 0; };
    const float here = face_separation(one, face, two);
    const float previous = face_separation(one, before(face), two);
    const float next = face_separation(one, after(face), two);
    float separation;
    bool backwards;
    if (previous > here && previous > next) {
        backwards = true;
        best = before(face);
        separation = previous;
    } else if (next > here) {
        backwards = false;
        best = after(face);
        separation = next;
    } else {
        best = face;
        return here;
    }
    for (int i = 0; i < one.corners; ++i) {
        face = backwards ? before(best) : after(best);
        const float s = face_separation(one, face, two);
        if (!(s > separation)) break;
        best = face;
        separation = s;
    }
    return separation;
}

inline void collide_polygon(Manifold& manifold, const Shape& box, const Segment& body, const Pose& pose) {
    manifold.count = 0;
    const Placed a{box.corners, box.vertex, box.normal, vec(box.centroid), {{0.0f, 0.0f}, {0.0f, 1.0f}}};
    const Placed b{body.corners, body.vertex, body.normal, vec(body.centroid), pose.at};
    int face_a = 0, face_b = 0;
    const float separation_a = max_separation(face_a, a, b);
    if (separation_a > kTotalRadius) return;
    const float separation_b = max_separation(face_b, b, a);
    if (separation_b > kTotalRadius) return;

    manifold.on_segment = separation_b > 0.98f * separation_a + 0.001f;
    const Placed& one = manifold.on_segment ? b : a;
    const Placed& two = manifold.on_segment ? a : b;
    const int face = manifold.on_segment ? face_b : face_a;

    // b2FindIncidentEdge
    const V2 facing = mul_t(two.at.q, mul(one.at.q, vec(one.normal[face])));
    int i1 = 0;
    float least = kMaxFloat;
    for (int i = 0; i < two.corners; ++i) {
        const float value = dot(facing, vec(two.normal[i]));
        if (value < least) {
            least = value;
            i1 = i;
        }
    }
    const int i2 = i1 + 1 < two.corners ? i1 + 1 : 0;
    const ClipVertex incident[2] = {
        {mul(two.at, vec(two.vertex[i1])), contact_id(face, i1, kFaceFeature, kVertexFeature)},
        {mul(two.at, vec(two.vertex[i2])), contact_id(face, i2, kFaceFeature, kVertexFeature)}};

    const int next = face + 1 < one.corners ? face + 1 : 0;
    const V2 local1 = vec(one.vertex[face]), local2 = vec(one.vertex[next]);
    V2 local_tangent = local2 - local1;
    normalize(local_tangent);
    const V2 tangent = mul(one.at.q, local_tangent);
    const V2 normal = clockwise(tangent);
    const V2 v1 = mul(one.at, local1), v2 = mul(one.at, local2);
    const float front = dot(normal, v1);
    const float side1 = -dot(tangent, v1) + kTotalRadius;
    const float side2 = dot(tangent, v2) + kTotalRadius;
    ClipVertex clipped1[2], clipped2[2];
    if (clip(clipped1, incident, -tangent, side1, face) < 2) return;
    if (clip(clipped2, clipped1, tangent, side2, next) < 2) return;

    manifold.normal = clockwise(local_tangent);
    manifold.point = 0.5f * (local1 + local2);
    for (const ClipVertex& vertex : clipped2) {
        if (dot(normal, vertex.v) - front <= kTotalRadius) {
            ManifoldPoint& point = manifold.points[manifold.count++];
            point.local = mul_t(two.at, vertex.v);
            point.id = manifold.on_segment ? swapped(vertex.id) : vertex.id;
        }
    }
}

inline void collide(Manifold& manifold, const Shape& shape, const Segment& body, const Pose& pose) {
    if (shape.corners == 2) {
        collide_edge(manifold, shape, body, pose);
    } else {
        collide_polygon(manifold, shape, body, pose);
    }
}

}  // namespace WALKER_KERNEL
}  // namespace walker
