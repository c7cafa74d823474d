// The course as static shapes with an index by x, and the walker's own shapes and masses.
//
// Built once for each terrain in course.cpp; kernels only read it.
#pragma once

#include <memory>
#include <vector>

#include "shapes.hpp"

namespace walker {

// What may differ from one walker to the next: the fields of `Physics` in physics.py, which says what they may be.
struct Physics {
    double strength[kJoints] = {1.0, 1.0, 1.0, 1.0};
    int delay = 0;           // control steps
    bool lidar = true;
    double gravity = 10.0;   // m/s²
    double friction = 2.5;   // of the ground
    double load = 1.0;       // of the hull's density
    double legs = 1.0;       // of the legs' length
};

// The walker of env.py, with Box2D's mass computations. Throws std::invalid_argument for numbers that make no body.
class Body {
   public:
    explicit Body(const Physics& physics);
    const WalkerModel& model() const { return model_; }

   private:
    WalkerModel model_;
};

// The ordinary walker.
const WalkerModel& walker_model();

// Static shapes in Box2D's order of creation: boxes, then the ground's edges.
class Course {
   public:
    // ground: (points, 2); boxes: (count, 4, 2); body: of who walks it, the ordinary when null.
    // Throws std::invalid_argument for what Box2D would refuse.
    Course(const double* ground, int points, const double* boxes, int count,
           std::shared_ptr<const Body> body = nullptr);

    const Shape* shapes() const { return shapes_.data(); }
    int size() const { return static_cast<int>(shapes_.size()); }
    int cells() const { return cells_; }
    float origin() const { return origin_; }
    float inverse_cell() const { return inverse_cell_; }
    const std::int32_t* starts() const { return starts_.data(); }
    const std::int32_t* items() const { return items_.data(); }
    const TreeNode* tree() const { return tree_.data(); }
    std::size_t nodes() const { return tree_.size(); }
    const WalkerModel& model() const { return body_ ? body_->model() : walker_model(); }

   private:
    void index();
    void plant();

    std::shared_ptr<const Body> body_;
    std::vector<Shape> shapes_;
    std::vector<std::int32_t> starts_, items_;  // the shapes above each cell, ascending
    std::vector<TreeNode> tree_;  // of the shapes, with room for a walker's bodies
    int cells_ = 1;
    float origin_ = 0.0f, inverse_cell_ = 1.0f;
};

inline CourseView view(const Course& course) {
    return {course.shapes(), course.starts(), course.items(),  course.tree(),         &course.model(),
            course.size(),   course.cells(),  course.origin(), course.inverse_cell()};
}

}  // namespace walker
