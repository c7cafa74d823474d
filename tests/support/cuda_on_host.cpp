// Runs the GPU's kernel on the host, a thread of the system for each of its threads: the same text, its own queue.

#include <atomic>
#include <thread>
#include <vector>

#define __global__
#define __launch_bounds__(n)
#define atomicAdd(counter, n) __atomic_fetch_add(counter, n, __ATOMIC_RELAXED)

struct Index {
    unsigned x;
};
static thread_local Index blockIdx{0}, threadIdx{0};
static const Index blockDim{1u << 16};

#include "walker.cu"

#include "course.hpp"

extern "C" int play_on_host(const double* ground, int points, const double* boxes, int count, const float* thetas,
                            const float* pushes, int episodes, int limit, int threads, int published, double* returns,
                            std::int32_t* lengths, std::int8_t* outcomes) {
    const walker::Course course(ground, points, boxes, count);
    const walker::CourseView seen = view(course);
    std::vector<std::int32_t> course_of(static_cast<std::size_t>(episodes)), order(static_cast<std::size_t>(episodes));
    for (int i = 0; i < episodes; ++i) order[static_cast<std::size_t>(i)] = episodes - 1 - i;
    std::vector<float> columns(static_cast<std::size_t>(walker::kParameters) * static_cast<std::size_t>(threads));
    const int nodes = walker::tree_size(course.size());
    std::vector<walker::TreeNode> trees(static_cast<std::size_t>(published ? nodes * threads : 0));
    std::uint32_t taken = 0;
    const walker::Launch launch{&walker::walker_model(), &seen, course_of.data(), order.data(), thetas, pushes,
                                columns.data(), published ? trees.data() : nullptr, returns, lengths, outcomes, &taken,
                                episodes, limit, threads, nodes};
    std::vector<std::jthread> crew;
    for (int thread = 0; thread < threads; ++thread) {
        crew.emplace_back([&, thread] {
            threadIdx.x = static_cast<unsigned>(thread);
            play_episodes(launch);
        });
    }
    return walker::kMaxContacts;
}
