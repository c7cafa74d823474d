#include "engine.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "../mind.hpp"
#include "../task.hpp"

namespace hexapod {

#define HEXAPOD_DECLARE(name)    \
    inline namespace name {      \
    extern const Kernel kKernel; \
    }
#define HEXAPOD_EACH_KERNEL_DECLARE
#include "kernels.inc"
#undef HEXAPOD_EACH_KERNEL_DECLARE

namespace {

const Kernel* const kAll[] = {
#define HEXAPOD_EACH_KERNEL_LIST
#include "kernels.inc"
#undef HEXAPOD_EACH_KERNEL_LIST
};

struct Seat {
    std::size_t episode = 0;
    const float* theta = nullptr;
    std::optional<Task> task;  // none while the seat is empty
    State state;
    bool sane = true;  // whether the last action made sense
};

// Plays episodes from the shared queue until none are left.
Ticks work(const Kernel& kernel, const Constants& k, const Model& model, const Episodes& episodes,
           lanes::Queue& queue) {
    const lanes::GroupMemory memory(kernel);
    void* const group = memory.get();
    std::vector<Seat> seats(static_cast<std::size_t>(kernel.lanes));
    std::size_t busy = 0;
    Ticks spent{};

    const auto seat_next = [&](int lane) {
        Seat& seat = seats[static_cast<std::size_t>(lane)];
        seat.task.reset();
        seat.episode = queue.fetch_add(1);
        if (seat.episode >= episodes.count) {
            kernel.retire(group, lane);
            return;
        }
        ++busy;
        const Field& field = *episodes.fields[static_cast<std::size_t>(episodes.places[seat.episode])];
        seat.theta = episodes.thetas + seat.episode * kParameters;
        seat.task.emplace(k, field.heights(), field.course().hidden, episodes.tripod, episodes.limit);
        set_down(kernel, group, lane, k, field.course(), episodes.starts + 3 * seat.episode);
        kernel.read(group, model, lane, seat.state.data());
        seat.task->start(seat.state[kPosition]);
    };
    for (int lane = 0; lane < kernel.lanes; ++lane) seat_next(lane);
    kernel.pose(group, model);

    while (busy > 0) {
        float seen[kObservations], action[kJoints];
        for (int lane = 0; lane < kernel.lanes; ++lane) {
            Seat& seat = seats[static_cast<std::size_t>(lane)];
            if (!seat.task) continue;
            const std::uint64_t before = kernel.ticks();
            seat.task->observe(seat.state, seen);
            const std::uint64_t between = kernel.ticks();
            kernel.think(seat.theta, seen, action);
            seat.sane = std::all_of(action, action + kJoints, [](float each) { return std::isfinite(each); });
            const std::uint64_t after = kernel.ticks();
            kernel.aim(group, lane, seat.sane ? seat.task->targets(action).data() : k.stance.data());
            spent.tasks += between - before;
            spent.minds += after - between;
        }
        kernel.drive(group, model, spent);
        bool seated = false;
        const std::uint64_t before = kernel.ticks();
        for (int lane = 0; lane < kernel.lanes; ++lane) {
            Seat& seat = seats[static_cast<std::size_t>(lane)];
            if (!seat.task) continue;
            kernel.read(group, model, lane, seat.state.data());
            if (!seat.sane) seat.state.fill(std::numeric_limits<double>::quiet_NaN());
            const Outcome outcome = seat.task->judge(seat.state);
            if (outcome == kNone) continue;
            episodes.returns[seat.episode] = seat.task->so_far.earned;
            episodes.lengths[seat.episode] = static_cast<std::int32_t>(seat.task->so_far.steps);
            episodes.outcomes[seat.episode] = static_cast<std::int8_t>(outcome);
            --busy;
            seat_next(lane);
            seated = true;
        }
        if (seated) kernel.pose(group, model);
        spent.tasks += kernel.ticks() - before;
    }
    return spent;
}

}  // namespace

std::span<const Kernel* const> kernels() { return kAll; }

const Kernel& find_kernel(const std::string& name) { return lanes::find_kernel(kernels(), name); }

void set_down(const Kernel& kernel, void* group, int lane, const Constants& k, const Course& course,
              const double* start) {
    const double position[3] = {0.0, start[0], k.start_height}, turn[4] = {0.0, 0.0, start[1], start[2]};
    kernel.place(group, lane, course, position, turn, k.stance.data());
}

// The order of operations is btHeightfieldTerrainShape's, and the triangles' as btConvexConcaveCollisionAlgorithm gets
// them. Bullet has heights in single precision, but puts the field where those in double have their middle.
Field::Field(const Constants& k, const double* heights, const Hidden& hidden)
    : heights_(heights, heights + static_cast<std::size_t>(k.rows) * static_cast<std::size_t>(k.columns)) {
    const int rows = k.rows, columns = k.columns;
    const auto size = heights_.size();
    field_.resize(size);
    for (int i = 0; i < rows; ++i)
        for (int j = 0; j < columns; ++j)
            field_[static_cast<std::size_t>(j * rows + i)] =
                static_cast<float>(heights_[static_cast<std::size_t>(i * columns + j)]);
    const auto [low, high] = std::minmax_element(field_.begin(), field_.end());
    const double lowest = *low, highest = *high, middle = 0.5 * (lowest + highest);
    for (double& each : field_) each -= middle;
    for (int i = 0; i < rows; ++i) x_.push_back((-static_cast<double>(rows - 1) / 2.0 + i) * k.cell);
    for (int j = 0; j < columns; ++j) y_.push_back((-static_cast<double>(columns - 1) / 2.0 + j) * k.cell);

    using Corner = std::array<double, 3>;
    const auto corner = [&](int i, int j) {
        return Corner{x_[static_cast<std::size_t>(i)], y_[static_cast<std::size_t>(j)],
                      field_[static_cast<std::size_t>(j * rows + i)]};
    };
    const auto normal_of = [&](const Corner& p, const Corner& q, const Corner& r) {
        const double a[3] = {q[0] - p[0], q[1] - p[1], q[2] - p[2]}, b[3] = {r[0] - p[0], r[1] - p[1], r[2] - p[2]};
        const double n[3] = {a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]};
        const double inverse = 1.0 / std::sqrt(n[0] * n[0] + n[1] * n[1] + n[2] * n[2]);
        for (double each : n) normals_.push_back(each * inverse);
    };
    normals_.reserve(6 * size);
    for (int j = 0; j + 1 < columns; ++j) {
        for (int i = 0; i + 1 < rows; ++i) {
            normal_of(corner(i + 1, j), corner(i, j + 1), corner(i, j));
            normal_of(corner(i + 1, j + 1), corner(i, j + 1), corner(i + 1, j));
        }
    }
    const auto [deep, tall] = std::minmax_element(heights_.begin(), heights_.end());
    course_ = {rows,
               columns,
               field_.data(),
               normals_.data(),
               x_.data(),
               y_.data(),
               {(k.ground_start + k.ground_end) / 2, 0.0, (*deep + *tall) / 2},
               {(rows - 1) * k.cell * 0.5, (columns - 1) * k.cell * 0.5, (highest - lowest) * 0.5},
               {1.0 / k.cell, 1.0 / k.cell},
               hidden};
}

Ticks rollout(const Kernel& kernel, const Constants& constants, const Model& model, const Episodes& episodes,
              int threads) {
    return lanes::work_together(
        threads, [&](lanes::Queue& queue) { return work(kernel, constants, model, episodes, queue); });
}

Ticks follow(const Kernel& kernel, const Constants& constants, const Model& model, const Walks& walks) {
    const lanes::GroupMemory memory(kernel);
    const auto lanes = static_cast<std::size_t>(kernel.lanes);
    Ticks spent{};
    for (std::size_t first = 0; first < walks.count; first += lanes) {
        const std::size_t seated = std::min(lanes, walks.count - first);
        kernel.clear(memory.get());
        for (std::size_t lane = 0; lane < seated; ++lane)
            set_down(kernel, memory.get(), static_cast<int>(lane), constants, walks.field->course(),
                     walks.starts + 3 * (first + lane));
        kernel.pose(memory.get(), model);
        for (std::size_t step = 0; step < walks.steps; ++step) {
            for (std::size_t lane = 0; lane < seated; ++lane)
                kernel.aim(memory.get(), static_cast<int>(lane),
                           walks.targets + ((first + lane) * walks.steps + step) * kJoints);
            kernel.drive(memory.get(), model, spent);
            if (!walks.states) continue;
            for (std::size_t lane = 0; lane < seated; ++lane)
                kernel.read(memory.get(), model, static_cast<int>(lane),
                            walks.states + ((first + lane) * walks.steps + step) * kStateSize);
        }
    }
    return spent;
}

}  // namespace hexapod
