// Exercises the hexapod's lanes without Python and Bullet, for builds with sanitisers: `make sanitize`.
//
// Checks what needs no reference: that every kernel agrees bit for bit, that sick worlds harm no other, that a state put
// back goes on as before, and that absurd states end in order. Exit status 1 names what failed. The robot here is about
// the hexapod of body.py, which is Python's to describe; no number need be equal.

#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>
#include <memory>
#include <numbers>

#include "../mind.hpp"
#include "worlds.hpp"

namespace {

using namespace hexapod;

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

Constants constants() {
    Constants k{};
    k.time_step = 0.01, k.gravity = 9.81, k.friction = 1.0, k.margin = 0.03, k.contact_erp = 0.2, k.aloft = 1000.0;
    k.substeps = 2, k.iterations = 4;
    k.stiffness = 100.0, k.damping = 3.0, k.lead = 0.2, k.torque = 20.0;
    k.rows = 109, k.columns = 49, k.cell = 0.1, k.ground_start = -1.2, k.ground_end = 9.6, k.half_width = 2.4;
    k.height = 0.29, k.speed = 6.5, k.start_height = 0.295;
    k.segments = {0.07, 0.22, 0.32};
    const double low[] = {-0.7, -0.7, 0.4}, high[] = {0.7, 1.3, 2.6}, stance[] = {0.0, 0.35, 1.75};
    for (std::size_t leg = 0; leg < kLegs; ++leg) {
        const double side = leg < kLegs / 2 ? 1.0 : -1.0;
        k.hip_x[leg] = 0.28 * (1.0 - static_cast<double>(leg % (kLegs / 2)));
        k.hip_y[leg] = 0.14 * side;
        k.side[leg] = side;
        k.yaw[leg] = side * std::numbers::pi / 2;
        k.beat[leg] = leg % 2 ? 1.0 : 0.0;
        for (std::size_t part = 0; part < 3; ++part) {
            k.low[3 * leg + part] = low[part];
            k.high[3 * leg + part] = high[part];
            k.stance[3 * leg + part] = stance[part];
        }
    }
    double term = 1.0;
    for (int n = 1; n < 23; n += 2) {
        k.sine.push_back(term);
        term /= -(n + 1.0) * (n + 2.0);
    }
    for (int step = 0; step < 30; ++step) {
        k.clock.push_back(std::sin(step * std::numbers::pi / 15));
        k.clock.push_back(std::cos(step * std::numbers::pi / 15));
    }
    k.stroke = 0.24, k.stroke_range = 0.5, k.shift_range = 0.3, k.lift = 0.5, k.tuck = 0.6, k.hold_range = 0.8;
    for (std::size_t i = 0; i < kScan; ++i) {
        k.scan[2 * i] = 0.3 * static_cast<double>(i / 3);
        k.scan[2 * i + 1] = 0.35 * (1.0 - static_cast<double>(i % 3));
    }
    for (std::size_t i = 0; i < kUnderside; ++i) {
        k.underside[3 * i] = 0.14 * (static_cast<double>(i / 3) - 2.0);
        k.underside[3 * i + 1] = 0.14 * (static_cast<double>(i % 3) - 1.0);
        k.underside[3 * i + 2] = -0.05;
    }
    k.most_motion = {16, 16, 16, 1.1, 1.1, 1.1, 1.1, 20, 20, 20, 100, 100, 100};
    k.scan_range = 0.5, k.speed_range = 2.0, k.spin_range = 5.0, k.most = 2.0;
    k.side_limit = 1.6, k.back_limit = -0.6, k.finish = 8.0, k.metre_reward = 37.5, k.most_headway = 0.04;
    k.effort_cost = 0.0075, k.fall_reward = -100.0, k.upright = 0.2, k.headway = 0.1, k.deepest = 0.05;
    k.under = 10, k.patience = 200;
    return k;
}

Model model_of(const Constants& k) {
    Model m{};
    m.mass = 8.0;
    const double inertia[] = {0.059, 0.216, 0.261}, masses[] = {0.6, 0.9, 0.4}, middles[] = {0.035, 0.11, 0.16};
    const double links[3][3] = {{0.0405, 0.0005, 0.0405}, {0.0005, 0.044, 0.044}, {0.0001, 0.0435, 0.0435}};
    std::copy(inertia, inertia + 3, m.inertia);
    for (int leg = 0; leg < kLegs; ++leg) {
        const auto i = static_cast<std::size_t>(leg);
        m.hip_x[leg] = k.hip_x[i];
        m.hip_y[leg] = k.hip_y[i];
        m.hip_turn_z[leg] = std::sin(-k.yaw[i] / 2);
        m.hip_turn_w[leg] = std::cos(-k.yaw[i] / 2);
        for (int part = 0; part < 3; ++part) {
            const int j = 3 * leg + part;
            m.link_mass[j] = masses[part];
            std::copy(links[part], links[part] + 3, m.link_inertia[j]);
            m.sign[j] = part == 2 ? 1.0 : part == 1 ? -1.0 : -k.side[i];
            m.middle[j] = middles[part];
            m.reach[j] = part == 0 ? k.hip_x[i] : middles[part - 1];
            m.low[j] = k.low[static_cast<std::size_t>(j)];
            m.high[j] = k.high[static_cast<std::size_t>(j)];
        }
    }
    m.foot_radius = 0.05, m.foot_along = 0.16, m.breaking = 0.00745, m.friction = 0.5;
    m.gravity = k.gravity, m.time_step = k.time_step, m.contact_erp = k.contact_erp;
    m.iterations = k.iterations, m.substeps = k.substeps;
    m.stiffness = k.stiffness, m.damping = k.damping, m.lead = k.lead, m.torque = k.torque;
    return m;
}

const Constants kConstants = constants();
const Model kModel = model_of(kConstants);

std::shared_ptr<const Field> field(std::uint64_t seed, double roughness, const Hidden& hidden = {}) {
    Numbers numbers{seed};
    std::vector<double> heights(static_cast<std::size_t>(kConstants.rows * kConstants.columns));
    for (double& each : heights) each = roughness * numbers.between(-1.0, 1.0);
    return std::make_shared<const Field>(kConstants, heights.data(), hidden);
}

// A robot with everything about it out of the ordinary.
Hidden strange() {
    Hidden hidden;
    for (double& each : hidden.gains) each = 0.7;
    std::fill_n(hidden.gains.begin(), 3, 0.0);
    hidden.friction_rate = 0.4, hidden.load = 1.6, hidden.delay = 2;
    return hidden;
}

std::vector<float> minds(std::size_t count) {
    Numbers numbers{7};
    std::vector<float> thetas(count * kParameters);
    for (float& each : thetas) each = static_cast<float>(0.2 * numbers.between(-1.0, 1.0));
    return thetas;
}

std::vector<double> starts(std::size_t count) {
    std::vector<double> all;
    for (std::size_t i = 0; i < count; ++i) {
        const double half = 0.01 * static_cast<double>(i % 5);
        all.insert(all.end(), {0.05 * static_cast<double>(i % 3), std::sin(half), std::cos(half)});
    }
    return all;
}

struct Played {
    std::vector<double> returns;
    std::vector<std::int32_t> lengths;
    std::vector<std::int8_t> outcomes;

    bool operator==(const Played&) const = default;
};

Played play(const Kernel& kernel, const std::vector<float>& thetas, int threads) {
    const std::size_t count = thetas.size() / kParameters;
    const auto flat = field(1, 0.0), rough = field(2, 0.05), other = field(2, 0.05, strange());
    const Field* const fields[] = {flat.get(), rough.get(), other.get()};
    std::vector<std::int32_t> places;
    for (std::size_t i = 0; i < count; ++i) places.push_back(static_cast<std::int32_t>(i % 3));
    const auto begun = starts(count);
    Played found{std::vector<double>(count), std::vector<std::int32_t>(count), std::vector<std::int8_t>(count)};
    const Episodes episodes{fields, places.data(),        thetas.data(),        begun.data(),         count, 40,
                            true,   found.returns.data(), found.lengths.data(), found.outcomes.data()};
    rollout(kernel, kConstants, kModel, episodes, threads);
    return found;
}

void kernels_agree() {
    const auto thetas = minds(19);
    const Played expected = play(find_kernel("plain-2"), thetas, 1);
    for (const Kernel* kernel : kernels())
        if (kernel->supported()) expect(play(*kernel, thetas, 1) == expected, kernel->name);
    expect(play(find_kernel(""), thetas, 2) == expected, "two threads");
    expect(std::count(expected.outcomes.begin(), expected.outcomes.end(), kTimedOut) > 5, "robots that stand");
}

void sick_minds_harm_nobody() {
    auto thetas = minds(17);
    const Played healthy = play(find_kernel(""), thetas, 1);
    for (std::size_t i = 0; i < kParameters; ++i) thetas[5 * kParameters + i] = std::numeric_limits<float>::quiet_NaN();
    const Played sick = play(find_kernel(""), thetas, 1);
    for (std::size_t i = 0; i < 17; ++i)
        expect(i == 5 ? sick.outcomes[i] == kDiverged && sick.returns[i] == kConstants.fall_reward
                      : sick.returns[i] == healthy.returns[i],
               "sick minds");
}

struct Stepped {
    Worlds worlds;
    std::vector<float> observations, actions;
    std::vector<double> rewards, begun;
    std::vector<std::int8_t> outcomes;
    std::unique_ptr<bool[]> resets;

    Stepped(std::size_t n, const std::shared_ptr<const Field>& ground, int threads)
        : worlds(find_kernel(""), kConstants, kModel, false, n, threads), observations(n * kObservations),
          actions(n * kJoints), rewards(n), begun(starts(n)), outcomes(n), resets(new bool[n]()) {
        for (std::size_t i = 0; i < n; ++i) worlds.set_course(i, ground);
        restart();
    }

    void restart() {
        std::fill_n(resets.get(), worlds.count(), true);
        worlds.reset(resets.get(), begun.data(), observations.data());
        std::fill_n(resets.get(), worlds.count(), false);
    }

    void step() {
        worlds.step(actions.data(), resets.get(), begun.data(), observations.data(), rewards.data(), outcomes.data());
        for (std::size_t i = 0; i < worlds.count(); ++i) resets[i] = outcomes[i] != kNone;
    }
};

void a_state_put_back_goes_on_as_before() {
    const auto ground = field(6, 0.04, strange());
    Stepped one(11, ground, 2), other(11, ground, 1);
    Numbers numbers{9};
    for (int step = 0; step < 60; ++step) {
        for (float& action : one.actions) action = static_cast<float>(numbers.between(-1, 1));
        other.actions = one.actions;
        one.step();
        other.step();
        expect(one.observations == other.observations && one.rewards == other.rewards, "a state put back");
        for (std::size_t i = 0; i < 11; ++i) {
            expect(one.resets[i] == other.resets[i], "an end put back");
            other.worlds.restore(i, one.worlds.state(i));
        }
    }
}

void absurd_states_end_in_order() {
    const double absurd[] = {1e300, -1e300, 1e9, std::numeric_limits<double>::infinity(),
                             std::numeric_limits<double>::quiet_NaN(), 40.0};
    Stepped many(6, field(7, 0.05), 1);
    for (int part = 0; part < 6; ++part) {
        many.restart();
        for (std::size_t i = 0; i < 6; ++i) {
            WorldState state = many.worlds.state(i);
            double* const target[] = {&state.lane.position[2], &state.lane.speed[1], &state.lane.speed[4],
                                      &state.lane.angle[3],    &state.lane.speed[9], &state.lane.turn[1]};
            *target[part] = absurd[i];
            many.worlds.restore(i, state);
        }
        for (int step = 0; step < 5; ++step) many.step();
        for (float each : many.observations) expect(std::isfinite(each), "what absurd states show");
    }
    many.restart();
    many.actions[4] = std::numeric_limits<float>::infinity();
    many.step();
    expect(many.outcomes[0] == kDiverged && many.outcomes[1] == kNone, "an action that is not finite");
}

}  // namespace

int main() {
    kernels_agree();
    sick_minds_harm_nobody();
    a_state_put_back_goes_on_as_before();
    absurd_states_end_in_order();
    std::printf("%s\n", failures ? "the hexapod's lanes have failures" : "the hexapod's lanes are sound");
    return failures ? 1 : 0;
}
