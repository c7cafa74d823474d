// Worlds that a learner steps, one a lane, each on a course of its own.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "../../../native/crew.hpp"
#include "../task.hpp"
#include "engine.hpp"

namespace hexapod {

// One world as plain numbers, all but its course; no two builds need agree on them.
struct WorldState {
    LaneState lane;
    Progress progress;
    State seen;
};

class Worlds {
   public:
    // Groups of worlds are spread over so many threads; no result depends on how many.
    Worlds(const Kernel& kernel, const Constants& constants, const Model& model, bool tripod, std::size_t count,
           int threads);
    Worlds(const Worlds&) = delete;
    Worlds& operator=(const Worlds&) = delete;

    std::size_t count() const { return seats_.size(); }
    void set_course(std::size_t world, std::shared_ptr<const Field> field);
    // Sets the robots of the chosen worlds down; the others stand still. starts (count, 3) are as episodes have them.
    void reset(const bool* chosen, const double* starts, float* observations);
    // actions (count, kJoints); where `resets` is set a robot is set down anew and its action is unused. Outcomes are
    // kNone while an episode goes on; how many steps it may take is the caller's to count.
    void step(const float* actions, const bool* resets, const double* starts, float* observations, double* rewards,
              std::int8_t* outcomes);
    // What the robot of a world was last seen to do.
    const State& seen(std::size_t world) const { return seats_.at(world).seen; }
    WorldState state(std::size_t world) const;
    void restore(std::size_t world, const WorldState& state);

   private:
    struct Seat {
        std::shared_ptr<const Field> field;
        std::optional<Task> task;  // none before the first reset on this course
        State seen{};
        bool sane = true;  // whether the last action made sense
    };

    void require_courses(const bool* worlds) const;
    void each_group(const std::function<void(std::size_t first, std::size_t end)>& work);
    void begin(std::size_t world, const double* start);
    void observe(std::size_t world, float* observations) const;

    const Kernel& kernel_;
    const Constants constants_;
    const Model model_;
    const bool tripod_;
    lanes::Groups groups_;
    std::vector<Seat> seats_;
    lanes::Crew crew_;
};

}  // namespace hexapod
