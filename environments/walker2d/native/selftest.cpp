// Exercises the core without Python, for builds with sanitisers: `make sanitize`.
//
// Checks what needs no reference: that every kernel agrees bit for bit, that
// sick worlds harm no other, that a state put back goes on as before, and that
// absurd states and courses end in order. Exit status 1 names what failed.

#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>
#include <stdexcept>

#include "engine.hpp"

namespace {

using namespace walker;

int failures = 0;

void expect(bool holds, const char* what) {
    if (holds) return;
    std::printf("FAILED: %s\n", what);
    ++failures;
}

// A small generator of its own: the same numbers everywhere.
struct Numbers {
    std::uint64_t state;

    double next() {  // in [0, 1)
        state = state * 6364136223846793005ULL + 1442695040888963407ULL;
        return static_cast<double>(state >> 11) / 9007199254740992.0;
    }
    double between(double low, double high) { return low + (high - low) * next(); }
};

struct Plan {
    std::vector<double> ground, boxes;

    std::shared_ptr<const Course> build() const {
        return std::make_shared<const Course>(ground.data(), static_cast<int>(ground.size() / 2), boxes.data(),
                                              static_cast<int>(boxes.size() / 8));
    }
};

Plan plan(std::uint64_t seed, double roughness, double obstacle) {
    Numbers numbers{seed};
    Plan made;
    double height = 10.0 / 3.0;
    for (int i = 0; i < 200; ++i) {
        const double x = i * 14.0 / 30.0;
        if (i > 20) height += roughness * numbers.between(-0.1, 0.1);
        made.ground.insert(made.ground.end(), {x, height});
        if (obstacle > 0.0 && i > 20 && i % 7 == 0) {
            const double right = x + 14.0 / 30.0, top = height + obstacle * numbers.between(0.01, 1.0);
            made.boxes.insert(made.boxes.end(), {x, height, right, height, right, top, x, top});
        }
    }
    return made;
}

struct Played {
    std::vector<double> returns;
    std::vector<std::int32_t> lengths;
    std::vector<std::int8_t> outcomes;

    bool operator==(const Played& other) const {
        return std::memcmp(returns.data(), other.returns.data(), returns.size() * sizeof(double)) == 0 &&
               lengths == other.lengths && outcomes == other.outcomes;
    }
};

Played play(const Kernel& kernel, const Course& course, const std::vector<float>& thetas, int threads = 1,
            bool published_lidar = false) {
    const std::size_t n = thetas.size() / 2804;
    Played played{std::vector<double>(n), std::vector<std::int32_t>(n), std::vector<std::int8_t>(n)};
    std::vector<double> pushes(n);
    for (std::size_t i = 0; i < n; ++i) pushes[i] = 10.0 * static_cast<double>(i) / static_cast<double>(n) - 5.0;
    const CourseView seen = view(course);
    const std::vector<std::int32_t> places(n, 0);
    rollout(kernel,
            {std::span(&seen, 1), places.data(), thetas.data(), pushes.data(), n, 150, published_lidar,
             played.returns.data(), played.lengths.data(), played.outcomes.data()},
            threads);
    return played;
}

std::vector<float> controllers(std::size_t n) {
    Numbers numbers{42};
    std::vector<float> thetas(n * 2804);
    for (std::size_t i = 0; i < thetas.size(); ++i) {
        const double scale = 0.1 + 0.2 * static_cast<double>(i / 2804 % 4);
        thetas[i] = static_cast<float>(scale * (numbers.next() + numbers.next() + numbers.next() - 1.5) * 2.0);
    }
    return thetas;
}

void kernels_agree() {
    const auto thetas = controllers(40);
    for (const Plan& made : {plan(1, 0.0, 0.0), plan(2, 2.0, 0.0), plan(3, 0.5, 1.0), plan(4, 0.0, 2.5)}) {
        const auto course = made.build();
        const Played expected = play(find_kernel("plain-4"), *course, thetas);
        for (const Kernel* kernel : kernels()) {
            if (kernel->supported()) expect(play(*kernel, *course, thetas) == expected, kernel->name);
        }
        expect(play(find_kernel(""), *course, thetas, 2) == expected, "two threads");
        const Played published = play(find_kernel("plain-4"), *course, thetas, 1, true);
        for (const Kernel* kernel : kernels()) {
            if (kernel->supported()) expect(play(*kernel, *course, thetas, 1, true) == published, "published lidar");
        }
    }
}

void sick_controllers_harm_nobody() {
    const auto course = plan(5, 1.0, 0.5).build();
    auto thetas = controllers(20);
    const Played healthy = play(find_kernel(""), *course, thetas);
    for (std::size_t i = 0; i < 2804; ++i) {
        thetas[3 * 2804 + i] = std::numeric_limits<float>::quiet_NaN();
        thetas[7 * 2804 + i] = std::numeric_limits<float>::infinity();
    }
    const Played sick = play(find_kernel(""), *course, thetas);
    for (std::size_t i = 0; i < 20; ++i) {
        const bool ill = i == 3 || i == 7;
        expect(ill ? sick.outcomes[i] == 3 && sick.returns[i] == -100.0 : sick.returns[i] == healthy.returns[i],
               "sick controllers");
    }
}

struct Stepped {
    Worlds worlds;
    std::vector<float> observations, actions;
    std::vector<double> rewards, pushes;
    std::vector<std::int8_t> outcomes;
    std::unique_ptr<bool[]> resets;

    Stepped(std::size_t n, const std::shared_ptr<const Course>& course)
        : worlds(find_kernel(""), n, false), observations(n * kObservations), actions(n * kActions), rewards(n), pushes(n),
          outcomes(n), resets(new bool[n]()) {
        for (std::size_t i = 0; i < n; ++i) worlds.set_course(i, course);
        restart();
    }

    void restart() {
        for (std::size_t i = 0; i < worlds.count(); ++i) resets[i] = true;
        worlds.reset(resets.get(), pushes.data(), observations.data());
        for (std::size_t i = 0; i < worlds.count(); ++i) resets[i] = false;
    }

    void step() {
        worlds.step(actions.data(), resets.get(), pushes.data(), observations.data(), rewards.data(), outcomes.data());
    }
};

void a_state_put_back_goes_on_as_before() {
    Stepped one(3, plan(6, 1.0, 0.3).build());
    Numbers numbers{9};
    const auto state = std::make_unique<WorldState>();
    for (int i = 0; i < 60; ++i) {
        for (float& action : one.actions) action = static_cast<float>(numbers.between(-1, 1));
        for (int k = 0; k < kActions; ++k) one.actions[4 + static_cast<std::size_t>(k)] = one.actions[static_cast<std::size_t>(k)];
        one.step();
        expect(std::memcmp(&one.observations[0], &one.observations[kObservations], kObservations * sizeof(float)) == 0,
               "a copied state");
        one.worlds.get_state(0, *state);
        one.worlds.set_state(1, *state);
    }
}

void absurd_states_end_in_order() {
    const float absurd[] = {1e38f, -1e38f, 1e9f, 90.0f, std::numeric_limits<float>::infinity(),
                            std::numeric_limits<float>::quiet_NaN()};
    Stepped many(6, plan(7, 0.5, 1.0).build());
    const auto state = std::make_unique<WorldState>();
    for (int field = 0; field < 5; ++field) {
        many.restart();
        for (std::size_t i = 0; i < 6; ++i) {
            many.worlds.get_state(i, *state);
            float* const target[] = {state->center[2], &state->angle[1], state->velocity[0], &state->spin[3],
                                     state->joint_impulse[1]};
            *target[field] = absurd[i];
            many.worlds.set_state(i, *state);
        }
        for (int step = 0; step < 5; ++step) many.step();
    }
    many.restart();
    for (std::size_t i = 0; i < 6; ++i) many.actions[i * kActions + i % kActions] = absurd[i];
    many.step();
    for (std::size_t i = 0; i < 6; ++i) expect((many.outcomes[i] == 3) == (i >= 4), "actions that are not finite");
}

void absurd_courses_are_refused() {
    const double nan = std::numeric_limits<double>::quiet_NaN();
    const std::vector<double> ground = {0, 0, 1, 0}, sick = {0, 0, nan, 0};
    const std::vector<std::vector<double>> boxes = {
        {0, 0, 0, 0, 0, 0, 0, 0}, {0, 0, 1, 0, 2, 0, 3, 0}, {0, 0, 1, 1, 1, 0, 0, 1e9}, {0, 0, 1, 0, 1, nan, 0, 1}};
    const auto refused = [](const std::vector<double>& land, const std::vector<double>& corners) {
        try {
            const Course course(land.data(), static_cast<int>(land.size() / 2), corners.data(),
                                static_cast<int>(corners.size() / 8));
        } catch (const std::invalid_argument&) {
            return true;
        }
        return false;
    };
    expect(refused(sick, {}), "ground that is not finite");
    for (const auto& box : boxes) expect(refused(ground, box), "a degenerate box");
    expect(refused({}, {}), "no ground");
}

}  // namespace

int main() {
    kernels_agree();
    sick_controllers_harm_nobody();
    a_state_put_back_goes_on_as_before();
    absurd_states_end_in_order();
    absurd_courses_are_refused();
    std::printf("%s\n", failures ? "the core has failures" : "the core is sound");
    return failures ? 1 : 0;
}
