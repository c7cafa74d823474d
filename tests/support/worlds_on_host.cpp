// Runs the kernel of worlds on the host: the same text, one after another what a GPU does side by side.

#define __global__
#define __launch_bounds__(n)

struct Index {
    unsigned x;
};
static thread_local Index blockIdx{0}, threadIdx{0};
static const Index blockDim{1u << 16};

#include "worlds.cu"

extern "C" void launch_step(std::int64_t threads, const walker::Worlds* worlds, const float* actions, const bool* begin,
                            const bool* seeded, const std::uint64_t* seeds, float* observations, double* rewards,
                            bool* terminated, bool* truncated, std::int64_t* outcomes) {
    for (std::int64_t thread = 0; thread < threads; ++thread) {
        blockIdx.x = static_cast<unsigned>(thread >> 16);
        threadIdx.x = static_cast<unsigned>(thread & 0xffff);
        step_worlds(worlds, actions, begin, seeded, seeds, observations, rewards, terminated, truncated, outcomes,
                    threads);
    }
}
