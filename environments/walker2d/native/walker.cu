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

// What all threads of a launch share. `environments/walker2d/device/episodes.py` lays it out.
struct Launch {
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
static_assert(sizeof(Launch) == 104 && kParameters == 2804);
WALKER_AT(Launch, taken, 80);
WALKER_AT(Launch, nodes, 100);

constexpr std::int8_t kTooManyContacts = 4;  // more than this build holds: to be played by one that holds more

// What a thread is at.
struct Turn {
    std::int32_t episode = -1, steps = 0;
    double total = 0.0;
};

// Takes the next episode; gives false where none is left.
WALKER_INLINE bool begin(const Launch& launch, std::int32_t thread, Turn& turn, Group& g) {
    const std::uint32_t place = atomicAdd(launch.taken, 1u);
    if (place >= static_cast<std::uint32_t>(launch.episodes)) return false;
    turn = {launch.order[place], -1, 0.0};  // a step before the first: the reset's own
    const float* theta = launch.thetas + static_cast<std::size_t>(turn.episode) * kParameters;
    for (int i = 0; i < kParameters; ++i) {
        launch.columns[static_cast<std::size_t>(i) * launch.threads + thread] = theta[i];
    }
    TreeNode* tree = launch.trees ? launch.trees + static_cast<std::size_t>(thread) * launch.nodes : nullptr;
    reset_lane(g, 0, launch.courses[launch.course_of[turn.episode]], launch.pushes[turn.episode], tree);
    return true;
}

WALKER_INLINE void finish(const Launch& launch, Turn& turn, const Group& g, Outcome outcome) {
    const bool spilt = g.contacts[0].overflow && kMaxContacts < kMostContacts;
    launch.returns[turn.episode] = turn.total;
    launch.lengths[turn.episode] = turn.steps;
    launch.outcomes[turn.episode] = spilt ? kTooManyContacts : static_cast<std::int8_t>(outcome);
    turn.episode = -1;
}

}  // namespace walker

extern "C" __global__ void __launch_bounds__(WALKER_BLOCK) play_episodes(const walker::Launch launch) {
    const std::int32_t thread = static_cast<std::int32_t>(blockIdx.x * blockDim.x + threadIdx.x);
    if (thread >= launch.threads) return;
    walker::Group g;
    walker::ContactRows rows;
    walker::Turn turn;
    walker::StageTimes times{};
    walker::StepResult result;
    const walker::Column column{launch.columns + thread, launch.threads};
    // One loop over steps, not one over episodes around it: there a warp's threads would wait for its longest episode.
    for (;;) {
        if (turn.episode < 0 && !walker::begin(launch, thread, turn, g)) return;
        walker::act(column, g);
        walker::step(g, rows, &result, times);
        ++turn.steps;
        turn.total += result.reward;
        walker::Outcome outcome = result.outcome;
        if (outcome == walker::Outcome::kRunning && turn.steps >= launch.limit && turn.steps > 0) {
            outcome = walker::Outcome::kTimedOut;
        }
        if (outcome != walker::Outcome::kRunning) walker::finish(launch, turn, g, outcome);
    }
}
