// Runs kernels: a queue of episodes on courses of their own, and robots that follow given targets.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "../../../native/kernels.hpp"
#include "kernel.hpp"

namespace hexapod {

// All kernels built in; the first supported one is the fastest.
std::span<const Kernel* const> kernels();

// The kernel called `name`, or the fastest when it is empty. Throws std::invalid_argument.
const Kernel& find_kernel(const std::string& name);

// A course in both of its forms: what the task reads, and what the feet meet; and what is hidden of who walks it.
class Field {
    std::vector<double> heights_, field_, normals_, x_, y_;
    Course course_;

   public:
    // Heights as rows along x, as many as the constants say.
    Field(const Constants& constants, const double* heights, const Hidden& hidden);
    Field(const Field&) = delete;
    Field& operator=(const Field&) = delete;

    const double* heights() const { return heights_.data(); }
    const Course& course() const { return course_; }
};

// Sets a robot down where an episode starts, which is y, and z and w of the trunk's quaternion.
void set_down(const Kernel& kernel, void* group, int lane, const Constants& k, const Course& course,
              const double* start);

struct Episodes {
    std::span<const Field* const> fields;
    const std::int32_t* places;  // (count,) the course of each episode among these
    const float* thetas;         // (count, kParameters)
    const double* starts;        // (count, 3)
    std::size_t count;
    long limit;  // control steps
    bool tripod;
    double* returns;
    std::int32_t* lengths;
    std::int8_t* outcomes;
};

// Runs every episode, with the controllers in the loop, on `threads` threads.
Ticks rollout(const Kernel& kernel, const Constants& constants, const Model& model, const Episodes& episodes,
              int threads);

// Robots that follow joint targets from a start on, whatever comes of it.
struct Walks {
    const Field* field;
    const double* starts;   // (count, 3)
    const double* targets;  // (count, steps, kJoints)
    std::size_t count, steps;
    double* states;  // (count, steps, kStateSize); null where nobody asks
};

Ticks follow(const Kernel& kernel, const Constants& constants, const Model& model, const Walks& walks);

}  // namespace hexapod
