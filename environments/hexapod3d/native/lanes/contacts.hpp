// Where a foot's sphere touches the ground: one world at a time, as Bullet's sphere-triangle detector and persistent
// manifold have it (SphereTriangleDetector.cpp, btPersistentManifold.cpp, btHeightfieldTerrainShape.cpp).
#pragma once

#include "group.hpp"

namespace hexapod {
inline namespace HEXAPOD_KERNEL {

struct P3 {
    double x, y, z;
};
HEXAPOD_INLINE P3 operator+(P3 a, P3 b) { return {a.x + b.x, a.y + b.y, a.z + b.z}; }
HEXAPOD_INLINE P3 operator-(P3 a, P3 b) { return {a.x - b.x, a.y - b.y, a.z - b.z}; }
HEXAPOD_INLINE P3 operator*(P3 a, double s) { return {a.x * s, a.y * s, a.z * s}; }
HEXAPOD_INLINE double dot(P3 a, P3 b) { return a.x * b.x + a.y * b.y + a.z * b.z; }
HEXAPOD_INLINE P3 cross(P3 a, P3 b) {
    return {a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x};
}
HEXAPOD_INLINE P3 p3(const double* from) { return {from[0], from[1], from[2]}; }
HEXAPOD_INLINE void put(double* to, P3 from) {
    to[0] = from.x;
    to[1] = from.y;
    to[2] = from.z;
}

struct Frame {
    P3 p, q, r;  // rows
    P3 origin;

    HEXAPOD_INLINE P3 out(P3 v) const { return P3{dot(v, p), dot(v, q), dot(v, r)} + origin; }
    HEXAPOD_INLINE P3 in(P3 v) const {
        const P3 d = v - origin;
        return {p.x * d.x + q.x * d.y + r.x * d.z, p.y * d.x + q.y * d.y + r.y * d.z, p.z * d.x + q.z * d.y + r.z * d.z};
    }
};

// Moves the points with the foot and drops those that came off.
inline void refresh(Contacts& contacts, const Frame& foot, P3 middle, double breaking) {
    for (int i = contacts.count - 1; i >= 0; --i) {
        Point& p = contacts.points[i];
        const P3 at = foot.out(p3(p.on_foot)), ground = p3(p.on_ground) + middle;
        put(p.foot, at);
        put(p.ground, ground);
        p.distance = dot(at - ground, p3(p.normal));
    }
    for (int i = contacts.count - 1; i >= 0; --i) {
        const Point& p = contacts.points[i];
        bool keep = p.distance <= breaking;
        if (keep) {
            const P3 aside = p3(p.ground) - (p3(p.foot) - p3(p.normal) * p.distance);
            keep = !(dot(aside, aside) > breaking * breaking);
        }
        if (!keep) contacts.points[i] = contacts.points[--contacts.count];
    }
}

// Which of four points a fifth replaces: never the deepest, and so that the rest span much.
inline int least_needed(const Contacts& contacts, const Point& extra) {
    int deepest = -1;
    double depth = extra.distance;
    for (int i = 0; i < kMaxPoints; ++i) {
        if (contacts.points[i].distance < depth) {
            deepest = i;
            depth = contacts.points[i].distance;
        }
    }
    const auto on = [&](int i) { return p3(contacts.points[i].on_foot); };
    const P3 at = p3(extra.on_foot);
    double most = -1e18;
    int found = -1;
    const auto weigh = [&](int without, int first, int from, int to) {
        double area = 0.0;
        if (deepest != without) {
            const P3 across = cross(at - on(first), on(to) - on(from));
            area = dot(across, across);
        }
        if (area > most) {
            most = area;
            found = without;
        }
    };
    weigh(0, 1, 2, 3);
    weigh(1, 0, 2, 3);
    weigh(2, 0, 1, 3);
    weigh(3, 0, 1, 2);
    return found < 0 ? 0 : found;
}

inline void add_point(Contacts& contacts, P3 normal, P3 at, double depth, const Frame& foot, P3 middle,
                      double breaking) {
    if (depth > breaking) return;
    Point extra;
    const P3 on_foot = foot.in(at + normal * depth);
    put(extra.on_foot, on_foot);
    put(extra.on_ground, at - middle);
    put(extra.normal, normal);
    extra.distance = depth;
    double nearest = breaking * breaking;
    int place = -1;
    for (int i = 0; i < contacts.count; ++i) {
        const P3 apart = p3(contacts.points[i].on_foot) - on_foot;
        const double square = dot(apart, apart);
        if (square < nearest) {
            nearest = square;
            place = i;
        }
    }
    if (place < 0) place = contacts.count < kMaxPoints ? contacts.count++ : least_needed(contacts, extra);
    contacts.points[place] = extra;
}

// The square of a point's distance from an edge, and the nearest point of it.
HEXAPOD_INLINE double from_edge(P3 from, P3 to, P3 at, P3& nearest) {
    P3 apart = at - from;
    const P3 along = to - from;
    double t = dot(along, apart);
    if (t > 0) {
        const double length = dot(along, along);
        if (t < length) {
            t /= length;
            apart = apart - along * t;
        } else {
            t = 1;
            apart = apart - along;
        }
    } else {
        t = 0;
    }
    nearest = from + along * t;
    return dot(apart, apart);
}

// Whether a place lies over a triangle: on the same side of all edges.
HEXAPOD_INLINE bool over_triangle(const P3* v, P3 normal, P3 at) {
    const bool side = dot(cross(v[1] - v[0], normal), at - v[0]) > 0;
    return (dot(cross(v[2] - v[1], normal), at - v[1]) > 0) == side &&
           (dot(cross(v[0] - v[2], normal), at - v[2]) > 0) == side;
}

// Meets one triangle, given in the field's frame as the sphere's middle is.
inline void meet(Contacts& contacts, const P3* v, P3 normal, P3 at, const Frame& foot, P3 middle, const Model& m) {
    const double near = m.foot_radius + m.breaking;
    double off = dot(at - v[0], normal);
    if (off < 0.0) {
        off *= -1.0;
        normal = normal * -1.0;
    }
    if (!(off < near)) return;
    P3 touch{};
    bool found = false;
    if (over_triangle(v, normal, at)) {
        found = true;
        touch = at - normal * off;
    } else {
        double least = near * near;
        for (int i = 0; i < 3; ++i) {
            P3 nearest;
            const double square = from_edge(v[i], v[(i + 1) % 3], at, nearest);
            if (square < least) {
                least = square;
                found = true;
                touch = nearest;
            }
        }
    }
    if (!found) return;
    const P3 apart = at - touch;
    const double square = dot(apart, apart);
    if (!(square < near * near)) return;
    if (square > kEpsilon) {
        const double distance = __builtin_sqrt(square);
        add_point(contacts, apart * (1.0 / distance), touch + middle, -(m.foot_radius - distance), foot, middle,
                  m.breaking);
    } else {
        add_point(contacts, normal, touch + middle, -m.foot_radius, foot, middle, m.breaking);
    }
}

// The grid line nearest to a place within the field.
HEXAPOD_INLINE int grid_line(double place, double most) {
    place = place < 0.0 ? 0.0 : place;
    place = most < place ? most : place;
    return static_cast<int>(place + 0.5);
}

// Whether the field's box, in the tibia's frame, meets the sphere's: what Bullet's tree in a compound shape asks first.
inline bool in_reach(const Course& course, const Frame& foot, const Model& m) {
    const P3 half = p3(course.half);
    const P3 away = p3(course.middle);
    const auto size = [](double x) { return __builtin_fabs(x); };
    // inverse(foot) * ground: its basis is foot's transposed, its origin that of the inverse moved.
    const auto turned = [&](double a, double b, double c) {
        return a * away.x + b * away.y + c * away.z - (a * foot.origin.x + b * foot.origin.y + c * foot.origin.z);
    };
    const P3 origin{turned(foot.p.x, foot.q.x, foot.r.x), turned(foot.p.y, foot.q.y, foot.r.y),
                    turned(foot.p.z, foot.q.z, foot.r.z)};
    const P3 extent{half.x * size(foot.p.x) + half.y * size(foot.q.x) + half.z * size(foot.r.x),
                    half.x * size(foot.p.y) + half.y * size(foot.q.y) + half.z * size(foot.r.y),
                    half.x * size(foot.p.z) + half.y * size(foot.q.z) + half.z * size(foot.r.z)};
    const P3 low = origin - extent, high = origin + extent;
    const double r = m.foot_radius;
    return low.x <= m.foot_along + r && high.x >= m.foot_along - r && low.y <= r && high.y >= -r && low.z <= r &&
           high.z >= -r;
}

// All of a foot's contacts in a step: those kept, then those with the triangles about it.
inline void find_contacts(Contacts& contacts, const Course& course, const Frame& foot, const Model& m) {
    const P3 middle = p3(course.middle), half = p3(course.half);
    if (contacts.count) refresh(contacts, foot, middle, m.breaking);
    const double r = m.foot_radius;
    const P3 sphere = P3{m.foot_along * foot.p.x, m.foot_along * foot.q.x, m.foot_along * foot.r.x} + foot.origin;
    // A comparison with NaN is false.
    const bool meets = middle.x - half.x <= sphere.x + r && middle.x + half.x >= sphere.x - r &&
                       middle.y - half.y <= sphere.y + r && middle.y + half.y >= sphere.y - r &&
                       middle.z - half.z <= sphere.z + r && middle.z + half.z >= sphere.z - r;
    if (!meets) {
        contacts.count = 0;
        return;
    }
    const P3 at = sphere - middle;
    // A point of the box that is nearer than the radius meets the sphere's box however that is turned.
    const double inner = 0.99 * r;
    const bool sure = __builtin_fabs(at.x) <= half.x && __builtin_fabs(at.y) <= half.y &&
                      __builtin_fabs(at.z) <= half.z + inner;
    if (!sure && !in_reach(course, foot, m)) return;
    const P3 low{at.x - r, at.y - r, at.z - r}, high{at.x + r, at.y + r, at.z + r};
    const double most_x = course.rows - 1, most_y = course.columns - 1;
    const auto first = [](int line) { return line > 1 ? line - 1 : 0; };
    const auto last = [](int line, int most) { return line + 1 < most ? line + 1 : most; };
    const int x0 = first(grid_line(low.x * course.scale[0] + 0.5 * most_x, most_x));
    const int x1 = last(grid_line(high.x * course.scale[0] + 0.5 * most_x, most_x), course.rows - 1);
    const int y0 = first(grid_line(low.y * course.scale[1] + 0.5 * most_y, most_y));
    const int y1 = last(grid_line(high.y * course.scale[1] + 0.5 * most_y, most_y), course.columns - 1);
    // How far a place lies outside of a span.
    const auto outside = [](double place, double least, double most) {
        return place < least ? least - place : place > most ? place - most : 0.0;
    };
    // A triangle whose own box is further away than this, of rounding's size too far, meets nothing.
    const double reach = (r + m.breaking) * (r + m.breaking) * (1 + 1e-9);
    for (int j = y0; j < y1; ++j) {
        if (course.y[j] > high.y || course.y[j + 1] < low.y) continue;
        const double* near = course.heights + static_cast<std::size_t>(j) * course.rows;
        const double* far = near + course.rows;
        const double beside = outside(at.y, course.y[j], course.y[j + 1]);
        for (int i = x0; i < x1; ++i) {
            if (course.x[i] > high.x || course.x[i + 1] < low.x) continue;
            const double ahead = outside(at.x, course.x[i], course.x[i + 1]);
            const double off = ahead * ahead + beside * beside;
            const double a = near[i], b = far[i], c = near[i + 1], d = far[i + 1];
            const double* normals = course.normals + 6 * (static_cast<std::size_t>(j) * (course.rows - 1) + i);
            const P3 corner_b{course.x[i], course.y[j + 1], b}, corner_c{course.x[i + 1], course.y[j], c};
            // Whether the box of a triangle, b and c and one more corner, meets the sphere's.
            const auto near_enough = [&](double corner) {
                const double least = b < c ? (corner < b ? corner : b) : (corner < c ? corner : c);
                const double most = b > c ? (corner > b ? corner : b) : (corner > c ? corner : c);
                const double rise = outside(at.z, least, most);
                return least <= high.z && most >= low.z && off + rise * rise <= reach;
            };
            if (near_enough(a)) {
                const P3 v[3] = {corner_c, corner_b, {course.x[i], course.y[j], a}};
                meet(contacts, v, p3(normals), at, foot, middle, m);
            }
            if (near_enough(d)) {
                const P3 v[3] = {{course.x[i + 1], course.y[j + 1], d}, corner_b, corner_c};
                meet(contacts, v, p3(normals + 3), at, foot, middle, m);
            }
        }
    }
    if (contacts.count) refresh(contacts, foot, middle, m.breaking);
}

}  // namespace HEXAPOD_KERNEL
}  // namespace hexapod
