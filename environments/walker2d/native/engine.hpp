// Runs kernels: queues of episodes for evolution, and stepped worlds for learners.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "../../native/crew.hpp"
#include "../../native/kernels.hpp"
#include "course.hpp"
#include "kernel.hpp"

namespace walker {

// All kernels built in; the first supported one is the fastest.
std::span<const Kernel* const> kernels();

// The kernel called `name`, or the fastest when it is empty. Throws std::invalid_argument.
const Kernel& find_kernel(const std::string& name);

struct Episodes {
    std::span<const CourseView> courses;  // all there are
    const std::int32_t* places;           // (count,) the course of each episode among these
    const float* thetas;   // (count, 2804)
    const double* pushes;  // (count,) N
    std::size_t count;
    int limit;             // control steps
    bool published_lidar;  // rather than the nearest ground
    double* returns;
    std::int32_t* lengths;
    std::int8_t* outcomes;
};

// Runs every episode on its course, with the controllers in the loop, on `threads` threads.
StageTimes rollout(const Kernel& kernel, const Episodes& episodes, int threads);

// Worlds that a learner steps, each on a course of its own.
class Worlds {
   public:
    // Groups of worlds are spread over so many threads; no result depends on how many.
    Worlds(const Kernel& kernel, std::size_t count, bool published_lidar, int threads = 1);
    Worlds(const Worlds&) = delete;
    Worlds& operator=(const Worlds&) = delete;

    std::size_t count() const { return courses_.size(); }
    void set_course(std::size_t world, std::shared_ptr<const Course> course);
    // Starts the chosen worlds and takes the step that belongs to a reset; the others stand still.
    void reset(const bool* chosen, const double* pushes, float* observations);
    // actions (count, 4); where `resets` is set the world starts anew with its push and its action is unused.
    void step(const float* actions, const bool* resets, const double* pushes, float* observations, double* rewards,
              std::int8_t* outcomes);
    // The state goes without the tree of a published lidar, which `tree_of` shows.
    void get_state(std::size_t world, WorldState& state) const;
    void set_state(std::size_t world, const WorldState& state);
    std::span<TreeNode> tree_of(std::size_t world);

   private:
    CourseView course_of(std::size_t world) const;
    void require_courses(const bool* worlds) const;
    void reset_between(std::size_t first, std::size_t end, const bool* chosen, const double* pushes,
                       float* observations);
    void step_group(std::size_t first, const float* actions, const bool* resets, const double* pushes,
                    float* observations, double* rewards, std::int8_t* outcomes);

    const Kernel& kernel_;
    const bool published_lidar_;
    lanes::Groups groups_;
    std::vector<std::vector<TreeNode>> trees_;  // empty but for a published lidar
    std::vector<std::shared_ptr<const Course>> courses_;
    lanes::Crew crew_;
};

}  // namespace walker
