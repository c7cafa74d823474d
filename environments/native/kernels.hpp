// What every engine does with its kernels, whatever they simulate.
//
// A `Kernel` is a table of functions for one instruction set and one width of rows; see a body's kernel.hpp. Its lanes
// are a pool of seats. Which seat an episode gets, and who sits beside it, depends on the queue; its result does not.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <new>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

namespace lanes {

// The kernel called `name`, or the first that runs here when it is empty. Throws std::invalid_argument.
template <class Kernel>
const Kernel& find_kernel(std::span<const Kernel* const> all, const std::string& name) {
    std::string names;
    for (const Kernel* kernel : all) {
        if ((name.empty() || name == kernel->name) && kernel->supported()) return *kernel;
        names += (names.empty() ? "" : ", ") + std::string(kernel->name) + (kernel->supported() ? "" : " (not here)");
    }
    throw std::invalid_argument("kernel is '" + name + "'; this build has " + names);
}

// Name, lanes, and whether it runs here, of every kernel.
template <class Kernel>
std::vector<std::tuple<std::string, int, bool>> describe(std::span<const Kernel* const> all) {
    std::vector<std::tuple<std::string, int, bool>> list;
    for (const Kernel* kernel : all) list.emplace_back(kernel->name, kernel->lanes, kernel->supported());
    return list;
}

// Memory of one group: as many worlds as a kernel has lanes.
class GroupMemory {
    static constexpr std::align_val_t kAlignment{64};
    struct Free {
        void operator()(void* memory) const { ::operator delete(memory, kAlignment); }
    };
    std::unique_ptr<void, Free> memory_;

   public:
    template <class Kernel>
    explicit GroupMemory(const Kernel& kernel) : memory_(::operator new(kernel.group_bytes, kAlignment)) {
        if (kernel.alignment > 64) throw std::logic_error("a kernel wants memory aligned beyond 64 bytes");
        kernel.clear(memory_.get());
    }
    void* get() const { return memory_.get(); }
};

// Next episode's number; whoever takes one plays it.
using Queue = std::atomic<std::size_t>;

// Lets so many threads `work` through a queue; gives the sum of the times that each says it spent.
template <class Work>
auto work_together(int threads, Work work) {
    Queue queue{0};
    if (threads <= 1) return work(queue);
    std::vector<decltype(work(queue))> parts(static_cast<std::size_t>(threads));
    {
        std::vector<std::jthread> crew;
        for (auto& part : parts) crew.emplace_back([&] { part = work(queue); });
    }
    decltype(work(queue)) sum{};
    for (const auto& part : parts) sum += part;
    return sum;
}

// The groups of worlds that a learner steps: world i is in lane i % lanes of group i / lanes.
class Groups {
    int lanes_;
    std::vector<GroupMemory> groups_;

   public:
    template <class Kernel>
    Groups(const Kernel& kernel, std::size_t worlds) : lanes_(kernel.lanes) {
        for (std::size_t i = 0; i < worlds; i += lanes()) groups_.emplace_back(kernel);
    }

    std::size_t lanes() const { return static_cast<std::size_t>(lanes_); }
    std::size_t count() const { return groups_.size(); }
    void* of(std::size_t world) const { return groups_.at(world / lanes()).get(); }
    int lane_of(std::size_t world) const { return static_cast<int>(world % lanes()); }
};

}  // namespace lanes
