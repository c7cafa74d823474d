#include "crew.hpp"

#include <unistd.h>

namespace lanes {

Crew::Crew(int threads) : process_(getpid()) {
    for (int i = 1; i < threads; ++i) others_.emplace_back([this] { attend(); });
}

Crew::~Crew() {
    if (process_ != getpid()) {
        // After a fork there is nobody to join, and a std::thread must not be destroyed before it is joined.
        new std::vector<std::thread>(std::move(others_));
        return;
    }
    over_ = true;
    ++calls_;
    calls_.notify_all();
    for (std::thread& other : others_) other.join();
}

void Crew::attend() {
    for (;;) {
        const std::uint32_t seen = calls_.load();
        if (over_) return;
        take_tasks();
        calls_.wait(seen);
    }
}

void Crew::take_tasks() {
    for (std::int64_t task = left_.fetch_sub(1); task > 0; task = left_.fetch_sub(1)) {
        (*task_)(task - 1);
        if (undone_.fetch_sub(1) == 1) undone_.notify_all();
    }
}

void Crew::run(std::int64_t tasks, const std::function<void(std::int64_t)>& task) {
    if (tasks < 2 || others_.empty()) {
        for (std::int64_t i = 0; i < tasks; ++i) task(i);
        return;
    }
    task_ = &task;
    undone_ = tasks;
    left_ = tasks;  // from here on they may be taken
    ++calls_;
    calls_.notify_all();
    take_tasks();
    for (std::int64_t undone = undone_.load(); undone > 0; undone = undone_.load()) undone_.wait(undone);
}

}  // namespace lanes
