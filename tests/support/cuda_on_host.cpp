// A GPU's kernel on the host, a thread of the system for each of its threads: the same text, for `fake_cuda.cpp`.

#include <thread>
#include <vector>

#define __global__
#define __launch_bounds__(n)
#define atomicAdd(counter, n) __atomic_fetch_add(counter, n, __ATOMIC_RELAXED)

struct Index {
    unsigned x;
};
static thread_local Index blockIdx{0}, threadIdx{0}, blockDim{0};

#include "walker.cu"

extern "C" void host_play_episodes(void** parameters, unsigned blocks, unsigned block) {
    std::vector<std::jthread> crew;
    for (unsigned i = 0; i < blocks * block; ++i) {
        crew.emplace_back([=] {
            blockDim.x = block;
            blockIdx.x = i / block;
            threadIdx.x = i % block;
            play_episodes(*static_cast<const walker::Launch*>(parameters[0]));
        });
    }
}
