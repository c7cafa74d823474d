// One control step of a group: motors, physics, observation, reward, outcome, as env.py has them.
#pragma once

#if defined(__x86_64__) && !defined(__CUDACC_RTC__)
#include <x86intrin.h>
#endif

#include "continuous.hpp"
#include "kernel.hpp"
#include "lidar.hpp"
#include "solver.hpp"

namespace walker {
inline namespace WALKER_KERNEL {

// Double arithmetic, left to right as Python evaluates it.
inline double potential_of(const Group& g, int lane) {
    const double x = static_cast<double>(g.origin_x[0][lane]), angle = static_cast<double>(g.angle[0][lane]);
    return 130.0 * x / 30.0 - 5.0 * (angle < 0.0 ? -angle : angle);
}

inline bool finite(float x) { return x - x == 0.0f; }

// What the motors get of the actions where these come late, or the motors are weak; it takes the actions' place.
inline void pass_through(Group& g, const WalkerModel& model, int lane) {
    for (int j = 0; j < kActions; ++j) {
        float drive = g.action[j][lane];
        if (!finite(drive)) continue;  // which ends the episode at once
        if (model.delay > 0) {
            const float given = drive;
            drive = g.waiting[0][j][lane];
            for (int i = 0; i + 1 < model.delay; ++i) g.waiting[i][j][lane] = g.waiting[i + 1][j][lane];
            g.waiting[model.delay - 1][j][lane] = given;
        }
        g.action[j][lane] = model.strength[j] * clampf(drive, -1.0f, 1.0f);
    }
}

inline void set_motors(Group& g) {
    for (int lane = 0; lane < W; ++lane) {
        const bool driven = g.mode[lane] == Mode::kRunning;
        if (driven && !g.course[lane].model->direct) pass_through(g, *g.course[lane].model, lane);
        for (int j = 0; j < kJoints; ++j) {
            const float drive = driven ? g.action[j][lane] : 0.0f;
            if (!finite(drive)) {
                g.flags[lane].broken = true;
                g.motor_speed[j][lane] = g.max_torque[j][lane] = 0.0f;
                continue;
            }
            const float size = absf(drive), speed = j % 2 == 0 ? 4.0f : 6.0f;
            g.motor_speed[j][lane] = drive > 0.0f ? speed : drive < 0.0f ? -speed : 0.0f;
            g.max_torque[j][lane] = 80.0f * (size < 1.0f ? size : 1.0f);
        }
    }
}

inline bool sound(const Group& g, int lane) {
    if (g.flags[lane].broken || g.contacts[lane].overflow) return false;
    for (int b = 0; b < kBodies; ++b) {
        // A comparison with NaN is false.
        if (!(absf(g.x[b][lane]) < kRunawayPosition && absf(g.y[b][lane]) < kRunawayPosition &&
              absf(g.angle[b][lane]) < kRunawayAngle && finite(g.vx[b][lane]) && finite(g.vy[b][lane]) &&
              finite(g.spin[b][lane]))) {
            return false;
        }
    }
    return true;
}

// b2Fixture::Synchronize for all bodies of all worlds: a bit for each body whose fat box it left.
inline void swept_boxes(const Group& g, const WalkerModel& model, F box[kBodies][4], I left[kBodies]) {
    for (int b = 0; b < kBodies; ++b) {
        F x0 = g.old_corner_x[b][0], x1 = x0, y0 = g.old_corner_y[b][0], y1 = y0;
        for (int i = 0; i < model.segment[b].corners; ++i) {
            x0 = min(min(x0, g.old_corner_x[b][i]), g.corner_x[b][i]);
            x1 = max(max(x1, g.old_corner_x[b][i]), g.corner_x[b][i]);
            y0 = min(min(y0, g.old_corner_y[b][i]), g.corner_y[b][i]);
            y1 = max(max(y1, g.old_corner_y[b][i]), g.corner_y[b][i]);
        }
        box[b][0] = x0 - kPolygonRadius;
        box[b][1] = y0 - kPolygonRadius;
        box[b][2] = x1 + kPolygonRadius;
        box[b][3] = y1 + kPolygonRadius;
        left[b] = ~((g.fat_left[b] <= box[b][0]) & (g.fat_bottom[b] <= box[b][1]) & (box[b][2] <= g.fat_right[b]) &
                    (box[b][3] <= g.fat_top[b]));
    }
}

inline void update_pairs(Group& g, int lane, const F box[kBodies][4], const I left[kBodies]) {
    unsigned moved = 0;
    for (int b = kBodies - 1; b >= 0; --b) {  // Box2D's list of bodies begins with the newest
        if (!left[b][lane]) continue;
        const Aabb swept{{box[b][0][lane], box[b][1][lane]}, {box[b][2][lane], box[b][3][lane]}};
        const V2 displacement{g.origin_x[b][lane] - g.old_origin_x[b][lane],
                              g.origin_y[b][lane] - g.old_origin_y[b][lane]};
        if (move_box(g, lane, b, swept, displacement)) moved |= 1u << b;
    }
    if (moved) find_new_contacts(g, lane, moved);
}

inline void observe(Group& g, const WalkerModel& model, int lane, const float* rays) {
    const auto at = [lane](F row) { return static_cast<double>(row[lane]); };
    int i = 0;
    const auto put = [&](double value) { g.observation[i++][lane] = static_cast<float>(value); };
    put(at(g.angle[0]));
    put(2.0 * at(g.spin[0]) / 50);
    put(0.3 * at(g.vx[0]) * (600 / 30.0) / 50);
    put(0.3 * at(g.vy[0]) * (400 / 30.0) / 50);
    for (int leg = 0; leg < 2; ++leg) {
        const int thigh = 1 + 2 * leg, shin = 2 + 2 * leg;
        put(static_cast<double>(g.angle[thigh][lane] - g.angle[0][lane] - model.joint[2 * leg].reference));
        put(static_cast<double>(g.spin[thigh][lane] - g.spin[0][lane]) / 4.0);
        put(static_cast<double>(g.angle[shin][lane] - g.angle[thigh][lane] - model.joint[2 * leg + 1].reference) + 1.0);
        put(static_cast<double>(g.spin[shin][lane] - g.spin[thigh][lane]) / 6.0);
        put(g.flags[lane].standing[leg] ? 1.0 : 0.0);
    }
    for (int ray = 0; ray < kRays; ++ray) put(static_cast<double>(rays[ray]));
}

inline StepResult judge(Group& g, int lane) {
    const double potential = potential_of(g, lane);
    if (g.mode[lane] == Mode::kFresh) {
        g.mode[lane] = Mode::kRunning;
        g.potential[lane] = potential;
        return {0.0, Outcome::kRunning};
    }
    double cost = 0.0;
    for (int j = 0; j < kActions; ++j) {
        const double size = static_cast<double>(absf(g.action[j][lane]));
        cost += 0.00035 * 80.0 * (size < 1.0 ? size : 1.0);
    }
    const double reward = potential - g.potential[lane] - cost;
    g.potential[lane] = potential;
    const double x = static_cast<double>(g.origin_x[0][lane]);
    if (g.flags[lane].hull_touched || x < 0.0) return {-100.0, Outcome::kFell};
    if (x > (200 - 10) * (14 / 30.0)) return {reward, Outcome::kFinished};
    return {reward, Outcome::kRunning};
}

inline std::uint64_t ticks() {
#if defined(__CUDACC_RTC__) && defined(WALKER_CLOCK)
    return clock64();
#elif defined(__x86_64__) && !defined(__CUDACC_RTC__)
    return __rdtsc();
#else
    return 0;
#endif
}

// Bodies that differ go through rows of their numbers: apart, so that this costs the others nothing.
WALKER_APART inline void solve_unlike(Group& g, const WalkerModel& somebody, ContactRows& rows) {
    ModelRows<F> bodies;
    gather_bodies(g, somebody, bodies);
    solve(g, bodies, rows);
}

inline void step(Group& g, ContactRows& rows, StepResult* results, StageTimes& times) {
    bool alike;
    const WalkerModel* const somebody = body_of_any(g, alike);
    if (!somebody) {
        for (int lane = 0; lane < W; ++lane) results[lane] = {0.0, Outcome::kRunning};
        return;
    }
    std::uint64_t last = ticks();
    const auto lap = [&last](std::uint64_t& stage) {
        const std::uint64_t now = ticks();
        stage += now - last;
        last = now;
    };
    set_motors(g);
    lap(times.other);
    for (int lane = 0; lane < W; ++lane) {
        if (g.mode[lane] != Mode::kIdle) collide_world(g, *g.course[lane].model, lane);
    }
    lap(times.collision);
    if (W == 1 || alike) {
        solve(g, *somebody, rows);
    } else {
        if constexpr (W > 1) solve_unlike(g, *somebody, rows);
    }
    lap(times.solver);

    F box[kBodies][4];
    I left[kBodies];
    bool runs[W];
    swept_boxes(g, *somebody, box, left);
    for (int lane = 0; lane < W; ++lane) {
        runs[lane] = g.mode[lane] != Mode::kIdle && sound(g, lane);
        if (runs[lane]) update_pairs(g, lane, box, left);
    }
    lap(times.broadphase);
    for (int lane = 0; lane < W; ++lane) {
        if (runs[lane] && !g.asleep[lane]) solve_impacts(g, *g.course[lane].model, lane);
    }
    lap(times.continuous);
    float rays[W][kRays];
    for (int lane = 0; lane < W; ++lane) {
        runs[lane] = runs[lane] && sound(g, lane);
        if (!runs[lane]) continue;
        const WalkerModel& model = *g.course[lane].model;
        const V2 hull{g.origin_x[0][lane], g.origin_y[0][lane]};
        if (!model.lidar) {
            for (float& ray : rays[lane]) ray = kNoReport;
        } else if (g.tree[lane]) {
            cast_published_rays(g.course[lane], g.tree[lane], model, hull, rays[lane]);
        } else {
            cast_rays(g.course[lane], model, hull, rays[lane]);
        }
    }
    lap(times.lidar);
    for (int lane = 0; lane < W; ++lane) {
        if (g.mode[lane] == Mode::kIdle) {
            results[lane] = {0.0, Outcome::kRunning};
        } else if (runs[lane]) {
            observe(g, *g.course[lane].model, lane, rays[lane]);
            results[lane] = judge(g, lane);
        } else {
            for (F& row : g.observation) row[lane] = 0.0f;
            results[lane] = {-100.0, Outcome::kDiverged};
        }
        g.push[lane] = 0.0f;
        g.dt_ratio[lane] = kInvDt * kDt;
    }
    lap(times.other);
}

}  // namespace WALKER_KERNEL
}  // namespace walker
