// Worlds that a learner steps on a GPU: a thread a world, in the same arithmetic as a lane of the host's kernels.
//
// Compiled at run time by NVRTC, twice. The build that holds few contacts steps every world in its thread's own
// memory; a world that gets more of them is left as it was, and the build that holds them all, whose threads work in
// global memory, steps it right after. So no world's result depends on the build, and the host need not know.
//
// Between steps a world stands in words, the worlds side by side: threads that read the same word read neighbours.

#include "seeds.hpp"
#include "step.hpp"
#include "world.hpp"

namespace walker {

constexpr bool kRoomy = kMaxContacts == kMostContacts;

// Where a thread works.
struct Desk {
    Group group;
    ContactRows rows;
};

// What stays from step to step. `environments/walker2d/device/worlds.py` lays it out.
struct Worlds {
    const CourseView* courses;   // by slot
    const std::int32_t* next;    // (count,) slot of the course of each world's next episode
    std::int32_t* playing;       // (count,) slot of the course being played
    std::uint32_t* words;        // (words, count)
    TreeNode* trees;             // (count, nodes) where the lidar is the published one, else null
    std::uint64_t* generators;   // (4, count) state and increment, the high half of each first
    std::int64_t* steps;         // (count,) of the episode so far
    bool* over;                  // (count,) whose next step begins an episode
    bool* spilt;                 // (count,) left by the build of few contacts to the other
    Desk* desks;                 // (threads,) of the roomy build
    std::int64_t count, limit, nodes;
};

// What one call gives and takes; all (count, ...).
struct Turn {
    const float* actions;           // (count, 4), or null where worlds only begin
    const bool* begin;              // worlds that begin anew; those whose episode is over when null
    const bool* seeded;             // of those that begin, the ones with a seed in `seeds`; all when null
    const std::uint64_t* seeds;     // of the episodes that begin; null where each world draws its own
    float* observations;            // (count, 24)
    double* rewards;
    bool *terminated, *truncated;
    std::int64_t* outcomes;
};

struct Span {
    std::size_t from, words;
};
constexpr std::size_t kList = __builtin_offsetof(Group, contacts) + __builtin_offsetof(Contacts, list);
constexpr std::size_t kRest = __builtin_offsetof(Group, course);
constexpr Span kHead{0, kList / 4}, kTail{kRest, (sizeof(Group) - kRest) / 4};
constexpr std::size_t kSeen = __builtin_offsetof(Group, observation) / 4;
constexpr std::size_t kContactWords = sizeof(Contact) / 4;
constexpr std::size_t kWords = kHead.words + kTail.words + kMostContacts * kContactWords;
static_assert(sizeof(Worlds) == 104 && __builtin_offsetof(Worlds, desks) == 72 && __builtin_offsetof(Worlds, nodes) == 96);
static_assert(kWords == 5154 && (!kRoomy || sizeof(Desk) == 28800));
static_assert(kList % 4 == 0 && kTail.from % 4 == 0 && sizeof(Group) % 4 == 0 && sizeof(Contact) % 4 == 0);

struct Column {
    std::uint32_t* word;
    std::size_t stride;

    WALKER_INLINE void load(void* group, Span span) {
        for (std::size_t i = 0; i < span.words; ++i, word += stride) {
            copy_bytes(static_cast<char*>(group) + span.from + 4 * i, word, 4);
        }
    }
    WALKER_INLINE void store(const void* group, Span span) {
        for (std::size_t i = 0; i < span.words; ++i, word += stride) {
            copy_bytes(word, static_cast<const char*>(group) + span.from + 4 * i, 4);
        }
    }
};

WALKER_INLINE Span contacts_of(const Group& g) {
    return {kList, static_cast<std::size_t>(g.contacts[0].count) * kContactWords};
}

WALKER_INLINE Generator generator_of(const Worlds& worlds, std::int64_t world) {
    const auto at = [&](int i) { return worlds.generators[i * worlds.count + world]; };
    return {{at(0), at(1)}, {at(2), at(3)}};
}

// Steps one world, or leaves it as it was, and gives false, if it gets more contacts than this build holds.
WALKER_INLINE bool take_turn(const Worlds& worlds, const Turn& turn, std::int64_t world, Desk& desk) {
    Group& g = desk.group;
    const bool begins = turn.begin ? turn.begin[world] : worlds.over[world];
    const auto stride = static_cast<std::size_t>(worlds.count);
    Column column{worlds.words + world, stride};
    if (!turn.actions && !begins) {
        float* seen = turn.observations + world * kObservations;
        for (std::size_t i = 0; i < kObservations; ++i) copy_bytes(seen + i, column.word + (kSeen + i) * stride, 4);
        return true;
    }
    Generator generator{};
    const bool draws = begins && !(turn.seeds && (!turn.seeded || turn.seeded[world]));
    const std::int32_t slot = begins ? worlds.next[world] : worlds.playing[world];
    TreeNode* const tree = worlds.trees ? worlds.trees + world * worlds.nodes : nullptr;
    if (begins) {
        if (draws) generator = generator_of(worlds, world);
        const std::uint64_t seed = draws ? generator.next() : turn.seeds[world];
        reset_lane(g, 0, worlds.courses[slot], push_of(seed), tree);
    } else {
        column.load(&g, kHead);
        column.load(&g, kTail);
        if (g.contacts[0].count > kMaxContacts) return false;
        column.load(&g, contacts_of(g));
        g.course[0] = worlds.courses[slot];  // they may lie elsewhere than at the step before
        g.tree[0] = tree;
    }
    for (int j = 0; j < kActions; ++j) g.action[j][0] = turn.actions ? turn.actions[world * kActions + j] : 0.0f;
    StepResult result;
    StageTimes times{};
    step(g, desk.rows, &result, times);
    if (!kRoomy && g.contacts[0].overflow) return false;

    column = {worlds.words + world, stride};
    column.store(&g, kHead);
    column.store(&g, kTail);
    column.store(&g, contacts_of(g));
    for (int i = 0; i < kObservations; ++i) turn.observations[world * kObservations + i] = g.observation[i][0];
    const std::int64_t steps = begins ? 0 : worlds.steps[world] + 1;
    worlds.steps[world] = steps;
    worlds.playing[world] = slot;
    if (draws) {
        worlds.generators[world] = generator.state.high;
        worlds.generators[worlds.count + world] = generator.state.low;
    }
    if (!turn.actions) {  // worlds that were asked to begin are under way, however they began
        worlds.over[world] = false;
        return true;
    }
    const bool terminated = result.outcome != Outcome::kRunning, truncated = !terminated && steps >= worlds.limit;
    turn.rewards[world] = result.reward;
    turn.terminated[world] = terminated;
    turn.truncated[world] = truncated;
    turn.outcomes[world] = static_cast<std::int64_t>(truncated ? Outcome::kTimedOut : result.outcome);
    worlds.over[world] = terminated || truncated;
    return true;
}

}  // namespace walker

extern "C" __global__ void __launch_bounds__(WALKER_BLOCK)
    step_worlds(const walker::Worlds* shared, const float* actions, const bool* begin, const bool* seeded,
                const std::uint64_t* seeds, float* observations, double* rewards, bool* terminated, bool* truncated,
                std::int64_t* outcomes, std::int64_t threads) {
    const std::int64_t thread = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (thread >= threads) return;
    const walker::Worlds& worlds = *shared;
    const walker::Turn turn{actions, begin,   seeded,     seeds,     observations,
                            rewards, terminated, truncated, outcomes};
    if constexpr (walker::kRoomy) {
        for (std::int64_t world = thread; world < worlds.count; world += threads) {
            if (!worlds.trees && !worlds.spilt[world]) continue;
            walker::take_turn(worlds, turn, world, worlds.desks[thread]);
            worlds.spilt[world] = false;
        }
    } else if (thread < worlds.count) {
        walker::Desk desk;
        worlds.spilt[thread] = !walker::take_turn(worlds, turn, thread, desk);
    }
}
