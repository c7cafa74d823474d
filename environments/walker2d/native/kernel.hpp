// What a kernel offers the engine: one group of worlds, for one lane width and instruction set.
//
// The engine owns the memory; a kernel allocates nothing.
#pragma once

#include "shapes.hpp"

namespace walker {

enum class Outcome : std::int8_t { kRunning = -1, kFinished = 0, kFell = 1, kTimedOut = 2, kDiverged = 3 };

// What one step gave in one lane.
struct StepResult {
    double reward;
    Outcome outcome;  // kTimedOut is the engine's to decide
};

// One world, as plain numbers: what tests copy into and out of the engine.
struct ContactState {
    std::int32_t shape, body, touching, on_segment, count;
    float normal[2], point[2];
    float local[2][2], normal_impulse[2], tangent_impulse[2];
    std::uint32_t id[2];
};

struct WorldState {
    float center[kBodies][2], angle[kBodies], velocity[kBodies][2], spin[kBodies];
    float sleep_time[kBodies];
    float fat[kBodies][4];  // left, bottom, right, top
    float joint_impulse[kJoints][4];  // point x, point y, limit, motor
    std::int32_t limit_state[kJoints];
    std::int32_t standing[2], hull_touched, contacts;
    float waiting[kMostDelay][kActions];
    double potential;
    ContactState contact[kMaxContacts];
};

// Time spent in each stage, in ticks of the processor's clock.
struct StageTimes {
    std::uint64_t controller, collision, solver, broadphase, continuous, lidar, other;
};

struct Kernel {
    const char* name;
    int lanes;
    std::size_t group_bytes, alignment;
    bool (*supported)();
    void (*clear)(void* group);
    // Puts the walker of one lane on the start pad; its next step is the one that Gymnasium's reset takes.
    // A `tree` of the course's size is planted and kept, and makes the lidar the published one; it may be null.
    void (*reset)(void* group, int lane, const CourseView& course, float push, TreeNode* tree);
    void (*retire)(void* group, int lane);
    void (*load)(void* group, int lane, const float* theta);
    void (*act)(void* group, StageTimes* times);
    void (*set_action)(void* group, int lane, const float* action);
    void (*step)(void* group, StepResult* results, StageTimes* times);
    void (*observe)(const void* group, int lane, float* observation);
    void (*get_state)(const void* group, int lane, WorldState& state);
    void (*set_state)(void* group, int lane, const WorldState& state);
    // For tests: the functions above the arithmetic, one lane group at a time.
    void (*functions)(const float* x, float* sine, float* cosine, float* tanh, std::size_t n);
};

}  // namespace walker
