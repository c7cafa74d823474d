#include "film.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "../mind.hpp"

namespace hexapod {

Film::Film(const Kernel& kernel, const Constants& constants, const Model& model, std::shared_ptr<const Field> field,
           const float* thetas, const double* starts, std::size_t count, long limit, bool tripod)
    : kernel_(kernel),
      k_(constants),
      model_(model),
      field_(std::move(field)),
      thetas_(thetas, thetas + count * kParameters),
      groups_(kernel, count),
      actors_(count) {
    for (std::size_t first = 0; first < count; first += groups_.lanes()) {
        void* const group = groups_.of(first);
        for (std::size_t row = first; row < std::min(first + groups_.lanes(), count); ++row) {
            const int lane = groups_.lane_of(row);
            Actor& actor = actors_[row];
            actor.theta = thetas_.data() + row * kParameters;
            actor.task.emplace(k_, field_->heights(), field_->course().hidden, tripod, limit);
            set_down(kernel, group, lane, k_, field_->course(), starts + 3 * row);
            kernel.read(group, model_, lane, actor.state.data());
            actor.task->start(actor.state[kPosition]);
        }
        kernel.pose(group, model_);
    }
}

void Film::advance(int steps) {
    std::vector<char> sane(groups_.lanes());
    Ticks spent{};
    for (std::size_t first = 0; first < size(); first += groups_.lanes()) {
        void* const group = groups_.of(first);
        const std::size_t seated = std::min(groups_.lanes(), size() - first);
        const auto on = [&](std::size_t lane) { return actors_[first + lane].outcome == kNone; };
        for (int step = 0; step < steps; ++step) {
            bool going = false;
            float seen[kObservations], action[kJoints];
            for (std::size_t lane = 0; lane < seated; ++lane) {
                if (!on(lane)) continue;
                going = true;
                Actor& actor = actors_[first + lane];
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
