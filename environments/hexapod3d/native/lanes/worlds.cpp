#include "worlds.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

namespace hexapod {

namespace {

constexpr long kEndless = std::numeric_limits<long>::max();

}  // namespace

Worlds::Worlds(const Kernel& kernel, const Constants& constants, const Model& model, bool tripod, std::size_t count,
               int threads)
    : kernel_(kernel), constants_(constants), model_(model), tripod_(tripod), groups_(kernel, count), seats_(count),
      crew_(threads) {
    for (std::size_t first = 0; first < count; first += groups_.lanes()) kernel_.pose(groups_.of(first), model_);
}

void Worlds::require_courses(const bool* worlds) const {
    for (std::size_t world = 0; world < count(); ++world)
        if (worlds[world] && !seats_[world].field) throw std::logic_error("a world has no course");
}

void Worlds::set_course(std::size_t world, std::shared_ptr<const Field> field) {
    if (!field) throw std::invalid_argument("a course is None");
    Seat& seat = seats_.at(world);
    // The old course may be gone: its world must not step before a reset.
    kernel_.retire(groups_.of(world), groups_.lane_of(world));
    seat.task.reset();
    seat.field = std::move(field);
}

void Worlds::each_group(const std::function<void(std::size_t first, std::size_t end)>& work) {
    crew_.run(static_cast<std::int64_t>(groups_.count()), [&](std::int64_t group) {
        const std::size_t first = static_cast<std::size_t>(group) * groups_.lanes();
        work(first, std::min(first + groups_.lanes(), count()));
    });
}

// Before the links are posed.
void Worlds::begin(std::size_t world, const double* start) {
    Seat& seat = seats_[world];
    set_down(kernel_, groups_.of(world), groups_.lane_of(world), constants_, seat.field->course(), start);
    kernel_.read(groups_.of(world), model_, groups_.lane_of(world), seat.seen.data());
    seat.task.emplace(constants_, seat.field->heights(), seat.field->course().hidden, tripod_, kEndless);
    seat.task->start(seat.seen[kPosition]);
}

void Worlds::observe(std::size_t world, float* observations) const {
    seats_[world].task->observe(seats_[world].seen, observations + world * kObservations);
}

void Worlds::reset(const bool* chosen, const double* starts, float* observations) {
    require_courses(chosen);
    each_group([&](std::size_t first, std::size_t end) {
        if (std::none_of(chosen + first, chosen + end, [](bool each) { return each; })) return;
        for (std::size_t world = first; world < end; ++world) {
            if (!chosen[world]) continue;
            begin(world, starts + 3 * world);
            observe(world, observations);
        }
        kernel_.pose(groups_.of(first), model_);
    });
}

void Worlds::step(const float* actions, const bool* resets, const double* starts, float* observations, double* rewards,
                  std::int8_t* outcomes) {
    require_courses(resets);
    each_group([&](std::size_t first, std::size_t end) {
        void* const group = groups_.of(first);
        bool begins = false, goes_on = false;
        for (std::size_t world = first; world < end; ++world) {
            Seat& seat = seats_[world];
            begins |= resets[world];
            if (resets[world] || !seat.task) continue;
            goes_on = true;
            const float* action = actions + world * kJoints;
            seat.sane = std::all_of(action, action + kJoints, [](float each) { return std::isfinite(each); });
            kernel_.aim(group, groups_.lane_of(world),
                        seat.sane ? seat.task->targets(action).data() : constants_.stance.data());
        }
        // Robots that are about to be set down move with the others; nobody looks.
        Ticks spent{};
        if (goes_on) kernel_.drive(group, model_, spent);
        for (std::size_t world = first; world < end; ++world) {
            Seat& seat = seats_[world];
            rewards[world] = 0.0;
            outcomes[world] = static_cast<std::int8_t>(kNone);
            if (resets[world]) {
                begin(world, starts + 3 * world);
            } else if (seat.task) {
                kernel_.read(group, model_, groups_.lane_of(world), seat.seen.data());
                if (!seat.sane) seat.seen.fill(std::numeric_limits<double>::quiet_NaN());
                outcomes[world] = static_cast<std::int8_t>(seat.task->judge(seat.seen));
                rewards[world] = seat.task->so_far.reward;
            } else {
                continue;
            }
            observe(world, observations);
        }
        if (begins) kernel_.pose(group, model_);
    });
}

WorldState Worlds::state(std::size_t world) const {
    const Seat& seat = seats_.at(world);
    if (!seat.task) throw std::logic_error("a world has no episode yet");
    return {kernel_.state(groups_.of(world), groups_.lane_of(world)), seat.task->so_far, seat.seen};
}

void Worlds::restore(std::size_t world, const WorldState& state) {
    Seat& seat = seats_.at(world);
    if (!seat.field) throw std::logic_error("a world has no course");
    kernel_.restore(groups_.of(world), groups_.lane_of(world), seat.field->course(), state.lane);
    kernel_.pose(groups_.of(world), model_);
    seat.seen = state.seen;
    seat.task.emplace(constants_, seat.field->heights(), seat.field->course().hidden, tripod_, kEndless);
    seat.task->so_far = state.progress;
}

}  // namespace hexapod
