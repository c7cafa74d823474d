#include "engine.hpp"

#include <algorithm>
#include <stdexcept>

#include "tree.hpp"

namespace walker {

#define WALKER_DECLARE(name)         \
    inline namespace name {          \
    extern const Kernel kKernel;     \
    }
#define WALKER_EACH_KERNEL_DECLARE
#include "kernels.inc"
#undef WALKER_EACH_KERNEL_DECLARE

namespace {

constexpr std::size_t kParameters = 2804;

const Kernel* const kAll[] = {
#define WALKER_EACH_KERNEL_LIST
#include "kernels.inc"
#undef WALKER_EACH_KERNEL_LIST
};

struct Seat {
    std::size_t episode;
    int steps;  // -1 before the reset's own step
    double total;
    bool taken;
};

// Plays episodes from the shared queue until none are left.
StageTimes work(const Kernel& kernel, const Episodes& episodes, lanes::Queue& queue) {
    const lanes::GroupMemory memory(kernel);
    void* const group = memory.get();
    std::vector<std::vector<TreeNode>> trees(static_cast<std::size_t>(kernel.lanes));
    if (episodes.published_lidar) {
        std::int32_t largest = 0;
        for (const CourseView& course : episodes.courses) largest = std::max(largest, tree_size(course.size));
        for (auto& tree : trees) tree.resize(static_cast<std::size_t>(largest));
    }
    const auto lanes = static_cast<std::size_t>(kernel.lanes);
    std::vector<Seat> seats(lanes, Seat{0, 0, 0.0, false});
    std::vector<StepResult> results(lanes);
    StageTimes times{};
    std::size_t busy = 0;

    const auto seat_next = [&](std::size_t lane) {
        const std::size_t episode = queue.fetch_add(1);
        const bool taken = episode < episodes.count;
        if (taken) {
            kernel.load(group, static_cast<int>(lane), episodes.thetas + episode * kParameters);
            kernel.reset(group, static_cast<int>(lane), episodes.courses[static_cast<std::size_t>(episodes.places[episode])],
                         static_cast<float>(episodes.pushes[episode]), trees[lane].data());
        } else {
            kernel.retire(group, static_cast<int>(lane));
        }
        busy += static_cast<std::size_t>(taken);
        seats[lane] = {episode, -1, 0.0, taken};
    };
    for (std::size_t lane = 0; lane < lanes; ++lane) seat_next(lane);

    while (busy > 0) {
        kernel.act(group, &times);
        kernel.step(group, results.data(), &times);
        for (std::size_t lane = 0; lane < lanes; ++lane) {
            Seat& seat = seats[lane];
            if (!seat.taken) continue;
            ++seat.steps;
            seat.total += results[lane].reward;
            Outcome outcome = results[lane].outcome;
            if (outcome == Outcome::kRunning && seat.steps >= episodes.limit && seat.steps > 0) {
                outcome = Outcome::kTimedOut;
            }
            if (outcome == Outcome::kRunning) continue;
            episodes.returns[seat.episode] = seat.total;
            episodes.lengths[seat.episode] = seat.steps;
            episodes.outcomes[seat.episode] = static_cast<std::int8_t>(outcome);
            --busy;
            seat_next(lane);
        }
    }
    return times;
}

}  // namespace

std::span<const Kernel* const> kernels() { return kAll; }

const Kernel& find_kernel(const std::string& name) { return lanes::find_kernel(kernels(), name); }

StageTimes rollout(const Kernel& kernel, const Episodes& episodes, int threads) {
    return lanes::work_together(threads, [&](lanes::Queue& queue) { return work(kernel, episodes, queue); });
}

Worlds::Worlds(const Kernel& kernel, std::size_t count, bool published_lidar, int threads)
    : kernel_(kernel), published_lidar_(published_lidar), groups_(kernel, count), trees_(count), courses_(count),
      crew_(threads) {}

CourseView Worlds::course_of(std::size_t world) const { return view(*courses_[world]); }

void Worlds::require_courses(const bool* worlds) const {
    for (std::size_t world = 0; world < count(); ++world) {
        if (worlds[world] && !courses_[world]) throw std::logic_error("a world has no course");
    }
}

void Worlds::set_course(std::size_t world, std::shared_ptr<const Course> course) {
    courses_.at(world) = std::move(course);
    if (published_lidar_) trees_[world].resize(static_cast<std::size_t>(tree_size(courses_[world]->size())));
    // The old course may be gone: its world must not step before a reset.
    kernel_.retire(groups_.of(world), groups_.lane_of(world));
}

void Worlds::reset(const bool* chosen, const double* pushes, float* observations) {
    require_courses(chosen);
    // Cut where groups end, so that no two threads write to one, and with about as many chosen worlds in each part:
    // they are stepped in groups of their own, and few are stepped best in one.
    std::size_t all = 0;
    for (std::size_t world = 0; world < count(); ++world) all += static_cast<std::size_t>(chosen[world]);
    const std::size_t parts =
        std::min((all + groups_.lanes() - 1) / groups_.lanes(), static_cast<std::size_t>(crew_.threads()));
    std::vector<std::size_t> cuts{0};
    std::size_t passed = 0;
    for (std::size_t world = 0; world < count(); ++world) {
        if (groups_.lane_of(world) == 0 && passed * parts >= all * cuts.size() && passed < all) cuts.push_back(world);
        passed += static_cast<std::size_t>(chosen[world]);
    }
    cuts.push_back(count());
    crew_.run(static_cast<std::int64_t>(cuts.size()) - 1, [&](std::int64_t part) {
        const auto i = static_cast<std::size_t>(part);
        reset_between(cuts[i], cuts[i + 1], chosen, pushes, observations);
    });
}

void Worlds::reset_between(std::size_t first, std::size_t end, const bool* chosen, const double* pushes,
                           float* observations) {
    const lanes::GroupMemory scratch(kernel_);
    std::vector<StepResult> results(groups_.lanes());
    StageTimes times{};
    const auto state = std::make_unique<WorldState>();
    std::vector<std::vector<TreeNode>> trees(groups_.lanes());
    std::vector<std::size_t> seated;
    const auto flush = [&] {
        kernel_.step(scratch.get(), results.data(), &times);
        for (std::size_t i = 0; i < seated.size(); ++i) {
            const std::size_t world = seated[i];
            const int lane = static_cast<int>(i);
            kernel_.get_state(scratch.get(), lane, *state);
            kernel_.observe(scratch.get(), lane, observations + world * kObservations);
            kernel_.reset(groups_.of(world), groups_.lane_of(world), course_of(world), 0.0f, trees_[world].data());
            kernel_.set_state(groups_.of(world), groups_.lane_of(world), *state);
            std::ranges::copy(trees[i], trees_[world].begin());
        }
        seated.clear();
    };
    for (std::size_t world = first; world < end; ++world) {
        if (!chosen[world]) continue;
        trees[seated.size()].resize(trees_[world].size());
        kernel_.reset(scratch.get(), static_cast<int>(seated.size()), course_of(world),
                      static_cast<float>(pushes[world]), trees[seated.size()].data());
        seated.push_back(world);
        if (seated.size() == groups_.lanes()) flush();
    }
    if (!seated.empty()) flush();
}

void Worlds::step(const float* actions, const bool* resets, const double* pushes, float* observations,
                  double* rewards, std::int8_t* outcomes) {
    require_courses(resets);
    crew_.run(static_cast<std::int64_t>(groups_.count()), [&](std::int64_t group) {
        step_group(static_cast<std::size_t>(group) * groups_.lanes(), actions, resets, pushes, observations, rewards,
                   outcomes);
    });
}

void Worlds::step_group(std::size_t first, const float* actions, const bool* resets, const double* pushes,
                        float* observations, double* rewards, std::int8_t* outcomes) {
    std::vector<StepResult> results(groups_.lanes());
    StageTimes times{};
    void* const group = groups_.of(first);
    const std::size_t end = std::min(first + groups_.lanes(), count());
    for (std::size_t world = first; world < end; ++world) {
        if (resets[world]) {
            kernel_.reset(group, groups_.lane_of(world), course_of(world), static_cast<float>(pushes[world]),
                          trees_[world].data());
        }
        kernel_.set_action(group, groups_.lane_of(world), actions + world * kActions);
    }
    kernel_.step(group, results.data(), &times);
    for (std::size_t world = first; world < end; ++world) {
        kernel_.observe(group, groups_.lane_of(world), observations + world * kObservations);
        rewards[world] = results[world - first].reward;
        outcomes[world] = static_cast<std::int8_t>(results[world - first].outcome);
    }
}

void Worlds::get_state(std::size_t world, WorldState& state) const {
    if (world >= count()) throw std::out_of_range("no such world");
    kernel_.get_state(groups_.of(world), groups_.lane_of(world), state);
}

void Worlds::set_state(std::size_t world, const WorldState& state) {
    if (world >= count()) throw std::out_of_range("no such world");
    kernel_.set_state(groups_.of(world), groups_.lane_of(world), state);
}

std::span<TreeNode> Worlds::tree_of(std::size_t world) {
    if (world >= count()) throw std::out_of_range("no such world");
    return trees_[world];
}

}  // namespace walker
