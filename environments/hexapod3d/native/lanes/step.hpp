// A step of physics for a group of worlds, and how worlds get in and out of it.
#pragma once

#include "contacts.hpp"
#include "kernel.hpp"
#include "solver.hpp"

namespace hexapod {
inline namespace HEXAPOD_KERNEL {

HEXAPOD_INLINE std::uint64_t ticks() {
#if defined(__x86_64__)
    return __rdtsc();
#else
    return 0;
#endif
}

// A robot at rest, with nothing left of what the lane did before; q is x, y, z and w of the trunk's turn in the world.
inline void place_lane(Group& g, int lane, const Course* course, const double* position, const double* q,
                       const double* angles) {
    g.position.x[lane] = position[0];
    g.position.y[lane] = position[1];
    g.position.z[lane] = position[2];
    g.turn.x[lane] = -q[0];
    g.turn.y[lane] = -q[1];
    g.turn.z[lane] = -q[2];
    g.turn.w[lane] = q[3];
    for (D& each : g.speed) each[lane] = 0.0;
    for (int j = 0; j < kJoints; ++j) g.angle[j][lane] = angles[j];
    for (Contacts& each : g.contacts[lane]) each.count = 0;
    const Hidden hidden = course ? course->hidden : Hidden{};
    for (int j = 0; j < kJoints; ++j) g.gains[j][lane] = hidden.gains[static_cast<std::size_t>(j)];
    g.friction_rate[lane] = hidden.friction_rate;
    g.load[lane] = hidden.load;
    g.course[lane] = course;
    g.idle[lane] = course ? 0 : -1;
}

inline LaneState state_of_lane(const Group& g, int lane) {
    LaneState s{{g.position.x[lane], g.position.y[lane], g.position.z[lane]},
                {g.turn.x[lane], g.turn.y[lane], g.turn.z[lane], g.turn.w[lane]},
                {},
                {},
                {}};
    for (int k = 0; k < kDegrees; ++k) s.speed[k] = g.speed[k][lane];
    for (int j = 0; j < kJoints; ++j) s.angle[j] = g.angle[j][lane];
    for (int i = 0; i < kLegs; ++i) s.contacts[i] = g.contacts[lane][i];
    return s;
}

inline void restore_lane(Group& g, int lane, const Course* course, const LaneState& s) {
    place_lane(g, lane, course, s.position, s.turn, s.angle);
    g.turn.x[lane] = s.turn[0];  // not turned about, as that of a robot that is set down
    g.turn.y[lane] = s.turn[1];
    g.turn.z[lane] = s.turn[2];
    for (int k = 0; k < kDegrees; ++k) g.speed[k][lane] = s.speed[k];
    for (int i = 0; i < kLegs; ++i) g.contacts[lane][i] = s.contacts[i];
}

inline void touch(Group& g, const Model& m) {
    int filled[W] = {};
    g.slots = 0;
    for (int lane = 0; lane < W; ++lane) {
        if (!g.course[lane]) continue;
        for (int i = 0; i < kLegs; ++i) {
            const Leg& leg = g.legs[i];
            const Frame foot{{leg.basis.p.x[lane], leg.basis.p.y[lane], leg.basis.p.z[lane]},
                             {leg.basis.q.x[lane], leg.basis.q.y[lane], leg.basis.q.z[lane]},
                             {leg.basis.r.x[lane], leg.basis.r.y[lane], leg.basis.r.z[lane]},
                             {leg.origin.x[lane], leg.origin.y[lane], leg.origin.z[lane]}};
            Contacts& contacts = g.contacts[lane][i];
            find_contacts(contacts, *g.course[lane], foot, m);
            for (int k = 0; k < contacts.count; ++k) {
                const Point& p = contacts.points[k];
                Slot& slot = g.slot[filled[lane]++];
                slot.active[lane] = -1;
                slot.leg[lane] = i;
                slot.place.x[lane] = p.foot[0];
                slot.place.y[lane] = p.foot[1];
                slot.place.z[lane] = p.foot[2];
                slot.normal.x[lane] = p.normal[0];
                slot.normal.y[lane] = p.normal[1];
                slot.normal.z[lane] = p.normal[2];
                slot.distance[lane] = p.distance;
            }
        }
        g.slots = filled[lane] > g.slots ? filled[lane] : g.slots;
    }
    // Lanes with fewer contacts than others stand on nothing, by a row that does nothing.
    for (int lane = 0; lane < W; ++lane) {
        for (int n = filled[lane]; n < g.slots; ++n) {
            Slot& slot = g.slot[n];
            slot.active[lane] = slot.leg[lane] = 0;
            slot.place.x[lane] = slot.place.y[lane] = slot.place.z[lane] = 0.0;
            slot.normal.x[lane] = slot.normal.y[lane] = slot.distance[lane] = 0.0;
            slot.normal.z[lane] = 1.0;
        }
    }
}

// Keeps the impulses of the contacts, by which feet are known to bear.
inline void keep_impulses(Group& g) {
    for (int lane = 0; lane < W; ++lane) {
        int n = 0;
        for (Contacts& contacts : g.contacts[lane])
            for (int k = 0; k < contacts.count; ++k) contacts.impulse[k] = g.slot[n++].rows[0].impulse[lane];
    }
}

// A step of physics under g.torque. The links must be posed, and are again when it returns.
inline void step(Group& g, const Model& m, Ticks& spent) {
    std::uint64_t then = ticks();
    const auto lap = [&](std::uint64_t& stage) {
        const std::uint64_t now = ticks();
        stage += now - then;
        then = now;
    };
    touch(g, m);
    lap(spent.contacts);
    accelerate(g, m);
    lap(spent.forward);
    solve(g, m);
    keep_impulses(g);
    lap(spent.solver);
    drift(g, m);
    pose(g, m);
    lap(spent.integration);
}

// A control step: drives pull the joints towards targets[j][lane]. `squares` gets the torques' squares, summed.
inline void drive(Group& g, const Model& m, const D* targets, D* squares, Ticks& spent) {
    for (int j = 0; j < kJoints; ++j) squares[j] = D{};
    const auto within = [](D x, double most) {
        const D risen = select(x < -most, splat(-most), x);
        return select(most < risen, splat(most), risen);
    };
    for (int substep = 0; substep < m.substeps; ++substep) {
        for (int j = 0; j < kJoints; ++j) {
            const D lead = within(targets[j] - g.angle[j], m.lead);
            g.torque[j] = within(m.stiffness * lead - m.damping * g.speed[6 + j], m.torque) * g.gains[j];
            squares[j] += g.torque[j] * g.torque[j];
        }
        step(g, m, spent);
    }
}

// Position, turn, velocity, spin, angles and speeds as Bullet tells them: the first 49 columns of a state; then the
// torques' root mean square, and which feet bear on the ground.
inline void read_lane(const Group& g, const Model& m, const D* squares, int lane, double* state) {
    *state++ = g.position.x[lane];
    *state++ = g.position.y[lane];
    *state++ = g.position.z[lane];
    // By way of a matrix, as Bullet does.
    const double x = -g.turn.x[lane], y = -g.turn.y[lane], z = -g.turn.z[lane], w = g.turn.w[lane];
    const double s = 2.0 / (x * x + y * y + z * z + w * w);
    const double xs = x * s, ys = y * s, zs = z * s;
    const double wx = w * xs, wy = w * ys, wz = w * zs, xx = x * xs, xy = x * ys, xz = x * zs, yy = y * ys,
                 yz = y * zs, zz = z * zs;
    const double e[3][3] = {{1.0 - (yy + zz), xy - wz, xz + wy}, {xy + wz, 1.0 - (xx + zz), yz - wx},
                            {xz - wy, yz + wx, 1.0 - (xx + yy)}};
    const double trace = e[0][0] + e[1][1] + e[2][2];
    double q[4];
    if (trace > 0.0) {
        double root = __builtin_sqrt(trace + 1.0);
        q[3] = root * 0.5;
        root = 0.5 / root;
        q[0] = (e[2][1] - e[1][2]) * root;
        q[1] = (e[0][2] - e[2][0]) * root;
        q[2] = (e[1][0] - e[0][1]) * root;
    } else {
        const int i = e[0][0] < e[1][1] ? (e[1][1] < e[2][2] ? 2 : 1) : (e[0][0] < e[2][2] ? 2 : 0);
        const int j = (i + 1) % 3, k = (i + 2) % 3;
        double root = __builtin_sqrt(e[i][i] - e[j][j] - e[k][k] + 1.0);
        q[i] = root * 0.5;
        root = 0.5 / root;
        q[3] = (e[k][j] - e[j][k]) * root;
        q[j] = (e[j][i] + e[i][j]) * root;
        q[k] = (e[k][i] + e[i][k]) * root;
    }
    for (double each : q) *state++ = each;
    for (int k = 3; k < 6; ++k) *state++ = g.speed[k][lane];
    for (int k = 0; k < 3; ++k) *state++ = g.speed[k][lane];
    for (int j = 0; j < kJoints; ++j) *state++ = g.angle[j][lane];
    for (int j = 0; j < kJoints; ++j) *state++ = g.speed[6 + j][lane];
    for (int j = 0; j < kJoints; ++j) *state++ = __builtin_sqrt(squares[j][lane] / m.substeps);
    for (const Contacts& foot : g.contacts[lane]) {
        double bears = 0.0;
        for (int k = 0; k < foot.count; ++k) bears = foot.impulse[k] / m.time_step > 0 ? 1.0 : bears;
        *state++ = bears;
    }
}

}  // namespace HEXAPOD_KERNEL
}  // namespace hexapod
