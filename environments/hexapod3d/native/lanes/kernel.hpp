// What a kernel offers the engine: one group of worlds, for one width of rows and one instruction set.
//
// The engine owns the memory; a kernel allocates nothing.
#pragma once

#include <cstddef>
#include <cstdint>

#include "model.hpp"

namespace hexapod {

// Time spent in each stage, in ticks of the processor's clock; the engine adds those of minds and tasks.
struct Ticks {
    std::uint64_t contacts, forward, solver, integration, minds, tasks;

    Ticks& operator+=(const Ticks& part) {
        contacts += part.contacts;
        forward += part.forward;
        solver += part.solver;
        integration += part.integration;
        minds += part.minds;
        tasks += part.tasks;
        return *this;
    }
};

struct Kernel {
    const char* name;
    int lanes;
    std::size_t group_bytes, alignment;
    bool (*supported)();
    void (*clear)(void* group);
    // Sets a robot down at rest; `pose` must follow before the next step. q is the trunk's turn: x, y, z, w.
    void (*place)(void* group, int lane, const Course& course, const double* position, const double* q,
                  const double* angles);
    void (*retire)(void* group, int lane);
    // Puts a world back as it was; `pose` must follow here too.
    void (*restore)(void* group, int lane, const Course& course, const LaneState& state);
    LaneState (*state)(const void* group, int lane);
    void (*pose)(void* group, const Model& model);
    void (*aim)(void* group, int lane, const double* targets);
    // A control step of all lanes towards the angles that were aimed at.
    void (*drive)(void* group, const Model& model, Ticks& spent);
    void (*read)(const void* group, const Model& model, int lane, double* state);
    void (*think)(const float* theta, const float* observation, float* action);
    std::uint64_t (*ticks)();
};

}  // namespace hexapod
