// What stands still and what moves, as plain numbers that every target shares: shapes, trees, segments, joints.
#pragma once

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

// A walker's body and what it walks in. Numbers of corners and angles of joints are the same for all there are.
struct WalkerModel {
    using Number = float;

    Segment segment[kBodies];
    Joint joint[kJoints];
    Point start[kBodies];   // position of the origins at reset
    float start_angle[kBodies];
    double ray_offset[kRays][2];  // m
    float gravity;             // m/s², below 0
    float strength[kJoints];   // of the motors, as a share of their torque
    std::int32_t delay;        // control steps, kMostDelay at most
    std::int32_t direct;       // whether actions reach the motors at once and whole
    std::int32_t lidar;        // whether its rays report
};

// A course and the body that walks it, as plain pointers. Kernels compiled for wider instruction sets must not
// instantiate shared inline functions, which the linker might hand to the baseline.
struct CourseView {
    const Shape* shapes;
    const std::int32_t* starts;
    const std::int32_t* items;
    const TreeNode* tree;
    const WalkerModel* model;
    std::int32_t size, cells;
    float origin, inverse_cell;
};

// A GPU reads these as the host has laid them out.
#define WALKER_AT(type, field, offset) static_assert(__builtin_offsetof(type, field) == offset)
static_assert(sizeof(Shape) == 120 && sizeof(TreeNode) == 32 && sizeof(CourseView) == 56);
static_assert(sizeof(Segment) == 116 && sizeof(Joint) == 36 && sizeof(WalkerModel) == 976);
WALKER_AT(Shape, vertex, 8);
WALKER_AT(Shape, first_cell, 116);
WALKER_AT(TreeNode, height, 28);
WALKER_AT(CourseView, size, 40);
WALKER_AT(CourseView, inverse_cell, 52);
WALKER_AT(WalkerModel, joint, 580);
WALKER_AT(WalkerModel, start, 724);
WALKER_AT(WalkerModel, ray_offset, 784);
WALKER_AT(WalkerModel, lidar, 972);

}  // namespace walker
