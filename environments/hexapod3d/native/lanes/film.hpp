// Episodes side by side that stop after any number of steps, to be looked at: one robot a lane, none takes another's seat.
// What comes of an episode is what `rollout` makes of it.
#pragma once

#include <memory>
#include <optional>

#include "../task.hpp"
#include "engine.hpp"

namespace hexapod {

class Film {
    struct Free {
        void operator()(void* memory) const;
    };
    struct Actor {
        const float* theta = nullptr;
        std::optional<Task> task;
        State state{};  // the last that made sense
        Outcome outcome = kNone;
    };

    const Kernel& kernel_;
    const Constants& k_;
    const Model& model_;
    std::shared_ptr<const Field> field_;
    std::vector<float> thetas_;
    std::vector<std::unique_ptr<void, Free>> groups_;
    std::vector<Actor> actors_;

   public:
    // thetas is (count, kParameters), starts (count, 3): y, and z and w of the trunk's quaternion. Constants and model
    // must outlive the film.
    Film(const Kernel& kernel, const Constants& constants, const Model& model, std::shared_ptr<const Field> field,
         const float* thetas, const double* starts, std::size_t count, long limit, bool tripod);

    Film(const Film&) = delete;
    Film& operator=(const Film&) = delete;

    // Goes on by so many control steps; who is over stays as it was.
    void advance(int steps);

    std::size_t size() const { return actors_.size(); }
    const State& state(std::size_t actor) const { return actors_[actor].state; }
    double earned(std::size_t actor) const { return actors_[actor].task->earned; }
    long length(std::size_t actor) const { return actors_[actor].task->steps; }
    Outcome outcome(std::size_t actor) const { return actors_[actor].outcome; }
};

}  // namespace hexapod
