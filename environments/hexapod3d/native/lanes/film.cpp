#include "film.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <new>

#include "../mind.hpp"

namespace hexapod {

namespace {

constexpr std::align_val_t kAlignment{64};

}  // namespace

void Film::Free::operator()(void* memory) const { ::operator delete(memory, kAlignment); }

Film::Film(const Kernel& kernel, const Constants& constants, const Model& model, std::shared_ptr<const Field> field,
           const float* thetas, const double* starts, std::size_t count, long limit, bool tripod)
    : kernel_(kernel),
      k_(constants),
      model_(model),
      field_(std::move(field)),
      thetas_(thetas, thetas + count * kParameters),
      actors_(count) {
    const auto lanes = static_cast<std::size_t>(kernel.lanes);
    for (std::size_t first = 0; first < count; first += lanes) {
        void* group = groups_.emplace_back(::operator new(kernel.bytes, kAlignment)).get();
        kernel.clear(group);
        for (std::size_t row = first; row < std::min(first + lanes, count); ++row) {
            const double* start = starts + 3 * row;
            const double position[3] = {0.0, start[0], k_.start_height}, turn[4] = {0.0, 0.0, start[1], start[2]};
            const int lane = static_cast<int>(row - first);
            Actor& actor = actors_[row];
            actor.theta = thetas_.data() + row * kParameters;
            actor.task.emplace(k_, field_->heights(), tripod, limit);
            kernel.place(group, lane, field_->course(), position, turn, k_.stance.data());
            kernel.read(group, model_, lane, actor.state.data());
            actor.task->start(actor.state[kPosition]);
        }
        kernel.pose(group, model_);
    }
}

void Film::advance(int steps) {
    const auto lanes = static_cast<std::size_t>(kernel_.lanes);
    std::vector<char> sane(lanes);
    Ticks spent{};
    for (std::size_t number = 0; number < groups_.size(); ++number) {
        void* const group = groups_[number].get();
        const std::size_t first = number * lanes, seated = std::min(lanes, actors_.size() - first);
        const auto on = [&](std::size_t lane) { return actors_[first + lane].outcome == kNone; };
        for (int step = 0; step < steps; ++step) {
            bool going = false;
            float seen[kObservations], action[kJoints];
            for (std::size_t lane = 0; lane < seated; ++lane) {
                if (!on(lane)) continue;
                going = true;
                const Actor& actor = actors_[first + lane];
                actor.task->observe(actor.state, seen);
                kernel_.think(actor.theta, seen, action);
                sane[lane] = std::all_of(action, action + kJoints, [](float each) { return std::isfinite(each); });
                kernel_.aim(group, static_cast<int>(lane),
                            sane[lane] ? actor.task->targets(action).data() : k_.stance.data());
            }
            if (!going) break;
            kernel_.drive(group, model_, spent);
            for (std::size_t lane = 0; lane < seated; ++lane) {
                if (!on(lane)) continue;
                Actor& actor = actors_[first + lane];
                State state;
                kernel_.read(group, model_, static_cast<int>(lane), state.data());
                if (!sane[lane]) state.fill(std::numeric_limits<double>::quiet_NaN());
                actor.outcome = actor.task->judge(state);
                if (actor.outcome != kDiverged) actor.state = state;
                if (actor.outcome != kNone) kernel_.retire(group, static_cast<int>(lane));
            }
        }
    }
}

}  // namespace hexapod
