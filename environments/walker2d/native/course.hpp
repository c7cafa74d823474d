// The course as static shapes with an index by x, and the walker's own shapes and masses.
//
// Built once for each terrain in course.cpp; kernels only read it.
#pragma once

#include <memory>
#include <vector>

#include "shapes.hpp"

namespace walker {

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
    std::size_t nodes() const { return tree_.size(); }

   private:
    void index();
    void plant();

    std::vector<Shape> shapes_;
    std::vector<std::int32_t> starts_, items_;  // the shapes above each cell, ascending
    std::vector<TreeNode> tree_;  // of the shapes, with room for a walker's bodies
    int cells_ = 1;
    float origin_ = 0.0f, inverse_cell_ = 1.0f;
};

inline CourseView view(const Course& course) {
    return {course.shapes(), course.starts(), course.items(),  course.tree(),
            course.size(),   course.cells(),  course.origin(), course.inverse_cell()};
}

// The walker of env.py, with Box2D's mass computations.
const WalkerModel& walker_model();

}  // namespace walker
