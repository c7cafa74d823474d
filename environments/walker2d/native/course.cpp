// Builds static shapes and the walker's masses in Box2D's order of float operations.
//
// After b2PolygonShape::Set (gift wrapping), ComputeCentroid and ComputeMass,
// b2EdgeShape::ComputeAABB and b2Body::ResetMassData.

#include "course.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>
#include <utility>

#include "tree.hpp"

namespace walker {
namespace {

constexpr double kScale = 30.0;  // pixels a metre
constexpr double kStep = 14.0 / kScale;

// (sin, -cos)(0.15 i) 160/30 m, as env.py has them; written out so that no C library has a say.
constexpr double kRayOffsets[kRays][2] = {
    {0x0.0p+0, -0x1.5555555555555p+2},
    {0x1.9810d37d53c2dp-1, -0x1.5180229949b7ap+2},
    {0x1.937bcc7a3a2eep+0, -0x1.46169381f5bd1p+2},
    {0x1.28efbc950d96ep+1, -0x1.335a44b5d7f73p+2},
    {0x1.81766ca31ac76p+1, -0x1.19b6ed2dae763p+2},
    {0x1.d15501e54bebcp+1, -0x1.f37fe5dc6d6d4p+1},
    {0x1.0b6026593c580p+2, -0x1.a85a3736e82d0p+1},
    {0x1.281499179f72bp+2, -0x1.53acd7db04617p+1},
    {0x1.3e22d16bc392dp+2, -0x1.eebd3704f4d1ap+0},
    {0x1.4d0c020a6967ep+2, -0x1.2b0462a392a98p+0}};

V2 v2(Point p) { return {p.x, p.y}; }
Point point(V2 v) { return {v.x, v.y}; }
Point to_float(double x, double y) { return {static_cast<float>(x), static_cast<float>(y)}; }

// Convex hull counter-clockwise from the right-most corner; gives the number of corners.
int wrap(const Point* in, int n, Point* out) {
    int start = 0;
    for (int i = 1; i < n; ++i) {
        if (in[i].x > in[start].x || (in[i].x == in[start].x && in[i].y < in[start].y)) start = i;
    }
    int count = 0;
    int here = start;
    do {
        if (count == n) throw std::invalid_argument("a box's corners do not make a convex polygon");
        out[count++] = in[here];
        int next = 0;
        for (int j = 1; j < n; ++j) {
            if (next == here) {
                next = j;
                continue;
            }
            const V2 r = v2(in[next]) - v2(in[here]);
            const V2 v = v2(in[j]) - v2(in[here]);
            const float turn = cross(r, v);
            if (turn < 0.0f || (turn == 0.0f && dot(v, v) > dot(r, r))) next = j;
        }
        here = next;
    } while (here != start);
    return count;
}

void face_normals(const Point* vertex, int n, Point* normal) {
    for (int i = 0; i < n; ++i) {
        V2 edge = v2(vertex[i + 1 < n ? i + 1 : 0]) - v2(vertex[i]);
        if (!(dot(edge, edge) > kEpsilon * kEpsilon)) {
            throw std::invalid_argument("a box has two corners in one place");
        }
        V2 outward = clockwise(edge);
        normalize(outward);
        normal[i] = point(outward);
    }
}

Point polygon_centroid(const Point* vertex, int n) {
    V2 sum{0.0f, 0.0f};
    float area = 0.0f;
    const float third = 1.0f / 3.0f;
    for (int i = 0; i < n; ++i) {
        const V2 p1{0.0f, 0.0f}, p2 = v2(vertex[i]), p3 = v2(vertex[i + 1 < n ? i + 1 : 0]);
        const float triangle = 0.5f * cross(p2 - p1, p3 - p1);
        area += triangle;
        sum = sum + (triangle * third) * (p1 + p2 + p3);
    }
    if (!(area > kEpsilon)) throw std::invalid_argument("a box has no area");
    return point((1.0f / area) * sum);
}

Aabb bounds(const Point* vertex, int n, float radius) {
    Point lower = vertex[0], upper = vertex[0];
    for (int i = 1; i < n; ++i) {
        lower = {minf(lower.x, vertex[i].x), minf(lower.y, vertex[i].y)};
        upper = {maxf(upper.x, vertex[i].x), maxf(upper.y, vertex[i].y)};
    }
    return {{lower.x - radius, lower.y - radius}, {upper.x + radius, upper.y + radius}};
}

void set_bounds(Shape& shape) {
    shape.tight = bounds(shape.vertex, shape.corners, kPolygonRadius);
    shape.fat = {{shape.tight.lower.x - kAabbExtension, shape.tight.lower.y - kAabbExtension},
                 {shape.tight.upper.x + kAabbExtension, shape.tight.upper.y + kAabbExtension}};
}

Shape make_box(const double* corners) {
    Point in[4];
    for (int i = 0; i < 4; ++i) in[i] = to_float(corners[2 * i], corners[2 * i + 1]);
    Shape shape{};
    shape.corners = wrap(in, 4, shape.vertex);
    if (shape.corners < 3) throw std::invalid_argument("a box has no area");
    face_normals(shape.vertex, shape.corners, shape.normal);
    shape.centroid = polygon_centroid(shape.vertex, shape.corners);
    shape.axis_aligned = true;
    for (int i = 0; i < shape.corners; ++i) {
        if (shape.normal[i].x != 0.0f && shape.normal[i].y != 0.0f) shape.axis_aligned = false;
    }
    set_bounds(shape);
    return shape;
}

Shape make_edge(const double* from, const double* to) {
    Shape shape{};
    shape.corners = 2;
    shape.vertex[0] = to_float(from[0], from[1]);
    shape.vertex[1] = to_float(to[0], to[1]);
    V2 along = v2(shape.vertex[1]) - v2(shape.vertex[0]);
    shape.length2 = dot(along, along);
    normalize(along);
    shape.normal[0] = point(clockwise(along));
    set_bounds(shape);
    return shape;
}

// b2PolygonShape::ComputeMass and b2Body::ResetMassData for a body of one fixture.
void set_mass(Segment& body, float density) {
    V2 reference{0.0f, 0.0f};
    for (int i = 0; i < body.corners; ++i) reference = reference + v2(body.vertex[i]);
    reference = (1.0f / static_cast<float>(body.corners)) * reference;
    const float third = 1.0f / 3.0f;
    V2 center{0.0f, 0.0f};
    float area = 0.0f, inertia = 0.0f;
    for (int i = 0; i < body.corners; ++i) {
        const V2 e1 = v2(body.vertex[i]) - reference;
        const V2 e2 = v2(body.vertex[i + 1 < body.corners ? i + 1 : 0]) - reference;
        const float d = cross(e1, e2);
        const float triangle = 0.5f * d;
        area += triangle;
        center = center + (triangle * third) * (e1 + e2);
        const float x2 = e1.x * e1.x + e2.x * e1.x + e2.x * e2.x;
        const float y2 = e1.y * e1.y + e2.y * e1.y + e2.y * e2.y;
        inertia += (0.25f * third * d) * (x2 + y2);
    }
    float mass = density * area;
    center = (1.0f / area) * center;
    const V2 shape_center = center + reference;
    inertia = density * inertia;
    inertia += mass * (dot(shape_center, shape_center) - dot(center, center));
    const float inverse_mass = 1.0f / mass;
    const V2 local_center = inverse_mass * (V2{0.0f, 0.0f} + mass * shape_center);
    inertia -= mass * dot(local_center, local_center);
    body.local_center = point(local_center);
    body.inverse_mass = inverse_mass;
    body.inverse_inertia = 1.0f / inertia;
    body.reach = 0.0f;
    for (int i = 0; i < body.corners; ++i) {
        body.reach = maxf(body.reach, 1.001f * length(v2(body.vertex[i]) - local_center));
    }
}

float mixed_friction(float ground, float body) { return std::sqrt(ground * body); }

Segment make_hull(float density, float ground) {
    const double pixels[kCorners][2] = {{-30, 9}, {6, 9}, {34, 1}, {34, -8}, {-30, -8}};
    Point in[kCorners];
    for (int i = 0; i < kCorners; ++i) in[i] = to_float(pixels[i][0] / kScale, pixels[i][1] / kScale);
    Segment hull{};
    hull.corners = wrap(in, kCorners, hull.vertex);
    face_normals(hull.vertex, hull.corners, hull.normal);
    hull.centroid = polygon_centroid(hull.vertex, hull.corners);
    set_mass(hull, density);
    hull.friction = mixed_friction(ground, 0.1f);
    return hull;
}

// b2PolygonShape::SetAsBox with density 1 and Box2D's default friction of 0.2.
Segment make_leg(double width, double height, float ground) {
    const float x = static_cast<float>(width / 2), y = static_cast<float>(height / 2);
    Segment leg{};
    leg.corners = 4;
    const Point vertex[4] = {{-x, -y}, {x, -y}, {x, y}, {-x, y}};
    const Point normal[4] = {{0, -1}, {1, 0}, {0, 1}, {-1, 0}};
    for (int i = 0; i < 4; ++i) {
        leg.vertex[i] = vertex[i];
        leg.normal[i] = normal[i];
    }
    set_mass(leg, 1.0f);
    leg.friction = mixed_friction(ground, 0.2f);
    return leg;
}

void check_physics(const Physics& physics) {
    const auto check = [](double value, double low, double high, const char* what) {
        if (value >= low && value <= high) return;
        throw std::invalid_argument(std::string(what) + " is " + std::to_string(value) + "; it must lie in [" +
                                    std::to_string(low) + ", " + std::to_string(high) + "]");
    };
    for (double each : physics.strength) check(each, 0.0, 1.0, "the strength of a motor");
    check(physics.delay, 0, kMostDelay, "the delay");
    check(physics.gravity, 0.0, 100.0, "gravity");
    check(physics.friction, 0.0, 100.0, "friction");
    check(physics.load, 0.01, 100.0, "the load");
    check(physics.legs, 0.1, 10.0, "the length of the legs");
}

WalkerModel make_walker(const Physics& physics) {
    const double leg_down = -8 / kScale, leg_width = 8 / kScale, leg_height = 34 / kScale * physics.legs;
    const float ground = static_cast<float>(physics.friction);
    const double x = kStep * 20 / 2, y = 400 / kScale / 4 + 2 * leg_height;
    WalkerModel model{};
    model.segment[0] = make_hull(static_cast<float>(5.0 * physics.load), ground);
    model.start[0] = to_float(x, y);
    for (int leg = 0; leg < 2; ++leg) {
        const int thigh = 1 + 2 * leg, shin = 2 + 2 * leg;
        model.segment[thigh] = make_leg(leg_width, leg_height, ground);
        model.segment[shin] = make_leg(0.8 * leg_width, leg_height, ground);
        model.start[thigh] = to_float(x, y - leg_height / 2 - leg_down);
        model.start[shin] = to_float(x, y - leg_height * 3 / 2 - leg_down);
        model.start_angle[thigh] = model.start_angle[shin] = static_cast<float>((leg == 0 ? -1 : 1) * 0.05);
        // pybox2d takes the angle between the bodies at the joint's creation for its zero.
        model.joint[2 * leg] = {0, thigh, to_float(0, leg_down), to_float(0, leg_height / 2),
                                model.start_angle[thigh], static_cast<float>(-0.8), static_cast<float>(1.1)};
        model.joint[2 * leg + 1] = {thigh, shin, to_float(0, -leg_height / 2), to_float(0, leg_height / 2),
                                    0.0f, static_cast<float>(-1.6), static_cast<float>(-0.1)};
    }
    for (Joint& joint : model.joint) {
        joint.anchor_a = point(v2(joint.anchor_a) - v2(model.segment[joint.a].local_center));
        joint.anchor_b = point(v2(joint.anchor_b) - v2(model.segment[joint.b].local_center));
    }
    for (int i = 0; i < kRays; ++i) {
        model.ray_offset[i][0] = kRayOffsets[i][0];
        model.ray_offset[i][1] = kRayOffsets[i][1];
    }
    model.gravity = static_cast<float>(-physics.gravity);
    model.delay = physics.delay;
    model.direct = physics.delay == 0;
    model.lidar = physics.lidar;
    for (int j = 0; j < kJoints; ++j) {
        model.strength[j] = static_cast<float>(physics.strength[j]);
        model.direct &= physics.strength[j] == 1.0;
    }
    return model;
}

void check_finite(const double* values, int count, const char* what) {
    for (int i = 0; i < count; ++i) {
        if (!(std::fabs(values[i]) < 1.0e6)) {
            throw std::invalid_argument(std::string(what) + " has the coordinate " + std::to_string(values[i]) +
                                        "; it must be finite and within ±1e6 m");
        }
    }
}

}  // namespace

Body::Body(const Physics& physics) {
    check_physics(physics);
    model_ = make_walker(physics);
}

Course::Course(const double* ground, int points, const double* boxes, int count, std::shared_ptr<const Body> body)
    : body_(std::move(body)) {
    check_finite(ground, 2 * points, "the ground");
    check_finite(boxes, 8 * count, "a box");
    if (points + count > 30000) throw std::invalid_argument("a course may hold at most 30000 shapes");
    for (int i = 0; i < count; ++i) shapes_.push_back(make_box(boxes + 8 * i));
    for (int i = 0; i + 1 < points; ++i) shapes_.push_back(make_edge(ground + 2 * i, ground + 2 * i + 2));
    if (shapes_.empty()) throw std::invalid_argument("a course needs ground: at least two points");
    index();
    plant();
}

void Course::plant() {
    const int n = size();
    tree_.assign(static_cast<std::size_t>(tree_size(n)), TreeNode{});
    for (int i = 0; i < n; ++i) {
        tree_[static_cast<std::size_t>(leaf_of_shape(i))].box = shapes_[static_cast<std::size_t>(i)].fat;
        insert_leaf(tree_.data(), leaf_of_shape(i), first_inner(n) + i - 1);
    }
}

void Course::index() {
    float left = shapes_[0].fat.lower.x, right = shapes_[0].fat.upper.x;
    for (const Shape& shape : shapes_) {
        left = std::min(left, shape.fat.lower.x);
        right = std::max(right, shape.fat.upper.x);
    }
    origin_ = left;
    cells_ = std::clamp(static_cast<int>((right - left) / static_cast<float>(kStep)) + 1, 1, 4096);
    inverse_cell_ = static_cast<float>(cells_) / (right - left);
    const auto cell = [this](float x) {
        return std::clamp(static_cast<int>((x - origin_) * inverse_cell_), 0, cells_ - 1);
    };
    std::vector<std::vector<std::int32_t>> above(static_cast<std::size_t>(cells_));
    for (std::size_t i = 0; i < shapes_.size(); ++i) {
        shapes_[i].first_cell = cell(shapes_[i].fat.lower.x);
        for (int c = shapes_[i].first_cell; c <= cell(shapes_[i].fat.upper.x); ++c) {
            above[static_cast<std::size_t>(c)].push_back(static_cast<std::int32_t>(i));
        }
    }
    for (const auto& column : above) {
        starts_.push_back(static_cast<std::int32_t>(items_.size()));
        items_.insert(items_.end(), column.begin(), column.end());
    }
    starts_.push_back(static_cast<std::int32_t>(items_.size()));
}

const WalkerModel& walker_model() {
    static const WalkerModel model = make_walker({});
    return model;
}

}  // namespace walker
