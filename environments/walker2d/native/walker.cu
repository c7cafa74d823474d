// The walker on a GPU: a thread a world, in the same arithmetic as a lane of the host's kernels.
//
// Compiled at run time by NVRTC. Threads are persistent: each takes episodes from one
// queue until none are left, so that a short episode leaves no thread idle. The state
// of a world is the thread's own; weights stand parameter by parameter with the
// threads side by side, as the lanes of a host's kernel do.

#include "controller.hpp"
#include "step.hpp"
#include "world.hpp"

namespace walker {

// A row of parameters, one thread a column.
struct Column {
    const float* base;
    std::int32_t stride;

    WALKER_INLINE F operator[](int i) const { return {base[static_cast<std::size_t>(i) * stride]}; }
    WALKER_INLINE Column operator+(int i) const { return {base + static_cast<std::size_t>(i) * stride, stride}; }
    WALKER_INLINE Column& operator+=(int i) { return *this = *this + i; }
};

// What all threads of a launch share.
struct Launch {
    const WalkerModel* model;
    const CourseView* courses;      // by number
    const std::int32_t* course_of;  // (episodes,)
    const std::int32_t* order;      // (episodes,) as they are played: alike side by side
    const float* thetas;            // (episodes, 2804)
    const float* pushes;            // (episodes,) N
    float* columns;                 // (2804, threads)
    TreeNode* trees;                // (threads, nodes) where the lidar is the published one, else null
    double* returns;                // (episodes,)
    std::int32_t* lengths;
    std::int8_t* outcomes;
    std::uint32_t* taken;           // episodes handed out
    std::int32_t episodes, limit, threads, nodes;
};

constexpr std::int8_t kTooManyContacts = 4;  // more than this build holds: to be played by one that holds more

WALKER_INLINE void play(const Launch& launch, std::int32_t thread, std::int32_t episode, Group& g, ContactRows& rows) {
    const float* theta = launch.thetas + static_cast<std::size_t>(episode) * kParameters;
    for (int i = 0; i < kParameters; ++i) {
        launch.columns[static_cast<std::size_t>(i) * launch.threads + thread] = theta[i];
    }
    TreeNode* tree = launch.trees ? launch.trees + static_cast<std::size_t>(thread) * launch.nodes : nullptr;
    reset_lane(g, *launch.model, 0, launch.courses[launch.course_of[episode]], launch.pushes[episode], tree);
    const Column column{launch.columns + thread, launch.threads};
    StageTimes times{};
    StepResult result;
    double total = 0.0;
    std::int32_t steps = -1;  // before the reset's own
    do {
        act(column, g);
        step(g, rows, *launch.model, &result, times);
        ++steps;
        total += result.reward;
    } while (result.outcome == Outcome::kRunning && (steps < launch.limit || steps == 0));
    const bool spilt = g.contacts[0].overflow && kMaxContacts < kMostContacts;
    launch.returns[episode] = total;
    launch.lengths[episode] = steps;
    launch.outcomes[episode] = spilt                                  ? kTooManyContacts
                               : result.outcome == Outcome::kRunning ? static_cast<std::int8_t>(Outcome::kTimedOut)
                                                                     : static_cast<std::int8_t>(result.outcome);
}

}  // namespace walker

extern "C" __global__ void __launch_bounds__(WALKER_BLOCK) play_episodes(const walker::Launch launch) {
    const std::int32_t thread = static_cast<std::int32_t>(blockIdx.x * blockDim.x + threadIdx.x);
    if (thread >= launch.threads) return;
    walker::Group g;
    walker::ContactRows rows;
    for (;;) {
        const std::uint32_t place = atomicAdd(launch.taken, 1u);
        if (place >= static_cast<std::uint32_t>(launch.episodes)) return;
        walker::play(launch, thread, launch.order[place], g, rows);
    }
}
