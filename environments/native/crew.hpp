// A few threads that stay, and share a step's groups with whoever asks for the step.
//
// The asker works too, and waits for what others took, not for the others: a thread
// that wakes late, or that a fork left behind, delays nothing.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

namespace lanes {

class Crew {
   public:
    // So many threads together, the asker among them; below 2 there are no others.
    explicit Crew(int threads);
    ~Crew();
    Crew(const Crew&) = delete;
    Crew& operator=(const Crew&) = delete;

    int threads() const { return static_cast<int>(others_.size()) + 1; }
    // Does every task in [0, tasks) once, on whichever thread; `task` must not throw. One caller at a time.
    void run(std::int64_t tasks, const std::function<void(std::int64_t)>& task);

   private:
    void attend();
    void take_tasks();

    const std::function<void(std::int64_t)>* task_ = nullptr;
    std::atomic<std::int64_t> left_{0};     // tasks to be taken; a late thread may take it below 0, and then has none
    std::atomic<std::int64_t> undone_{0};   // tasks to be finished
    std::atomic<std::uint32_t> calls_{0};
    std::atomic<bool> over_{false};
    int process_;  // that the others live in
    std::vector<std::thread> others_;
};

}  // namespace lanes
