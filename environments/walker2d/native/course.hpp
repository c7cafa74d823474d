// What stands still: the course as static shapes with an index by x, and the walker's own shapes and masses.
//
// Built once for each terrain in course.cpp; kernels only read it.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "constants.hpp"

namespace walker {

struct Point {
    float x, y;
};

struct Aabb {
    Point lower, upper;
};

// A static edge (two corners) or polygon (three or four).
struct Shape {
    int corners;
    bool axis_aligned;  // all faces along an axis: a cheap test may prove it far away
    Point vertex[4];
    Point normal[4];    // of a polygon's faces; of an edge, [0] is its right-hand normal
    Point centroid;
    float length2;      // of an edge
    Aabb tight;         // with the polygon skin
    Aabb fat;           // what the broad phase compares
    std::int32_t first_cell;
};

// A node of the tree of bounding boxes (tree.hpp).
struct TreeNode {
    Aabb box;
    std::int32_t parent, child[2];  // a leaf's children are 0
    std::int32_t height;
};

// Static shapes in Box2D's order of creation: boxes, then the ground's edges.
class Course {
   public:
    // ground: (points, 2); boxes: (count, 4, 2). Throws std::invalid_argument for what Box2D would refuse.
    Course(const double* ground, int points, const double* boxes, int count);

    const Shape* shapes() const { return shapes_.data(); }
    int size() const { return static_cast<int>(shapes_.size()); }
    int cells() const { return cells_; }
    float origin() const { return origin_; }
    float inverse_cell() const { return inverse_cell_; }
    const std::int32_t* starts() const { return starts_.data(); }
    const std::int32_t* items() const { return items_.data(); }
    const TreeNode* tree() const { return tree_.data(); }

   private:
    void index();
    void plant();

    std::vector<Shape> shapes_;
    std::vector<std::int32_t> starts_, items_;  // the shapes above each cell, ascending
    std::vector<TreeNode> tree_;  // of the shapes, with room for a walker's bodies
    int cells_ = 1;
    float origin_ = 0.0f, inverse_cell_ = 1.0f;
};

// The same as plain pointers. Kernels compiled for wider instruction sets must not
// instantiate shared inline functions, which the linker might hand to the baseline.
struct CourseView {
    const Shape* shapes;
    const std::int32_t* starts;
    const std::int32_t* items;
    const TreeNode* tree;
    std::int32_t size, cells;
    float origin, inverse_cell;
};

inline CourseView view(const Course& course) {
    return {course.shapes(), course.starts(), course.items(),  course.tree(),
            course.size(),   course.cells(),  course.origin(), course.inverse_cell()};
}

// One moving body: a convex polygon about its own origin.
struct Segment {
    int corners;
    Point vertex[kCorners];
    Point normal[kCorners];
    Point centroid;      // of the shape
    Point local_center;  // of mass
    float inverse_mass, inverse_inertia;
    float friction;      // mixed with the ground's
    float reach;         // m, from the centre of mass to the farthest corner
};

struct Joint {
    int a, b;                // bodies
    Point anchor_a, anchor_b;  // relative to the centres of mass
    float reference;         // rad between the bodies where the joint's angle is zero
    float lower, upper;      // rad
};

struct WalkerModel {
    Segment segment[kBodies];
    Joint joint[kJoints];
    Point start[kBodies];   // position of the origins at reset
    float start_angle[kBodies];
    double ray_offset[kRays][2];  // m
};

// The walker of env.py, with Box2D's mass computations.
const WalkerModel& walker_model();

}  // namespace walker
