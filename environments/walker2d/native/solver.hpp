// One discrete step of all worlds: b2Island::Solve in lanes.
//
// The order of constraints is that of b2World::Solve's search from the last
// created body: joints knee 2, hip 2, hip 1, knee 1, and contacts under the
// bodies shin 2, thigh 2, hull, thigh 1, shin 1. Contacts of different bodies
// share nothing, so only the order within a body matters.
#pragma once

#include "positions.hpp"

namespace walker {
inline namespace WALKER_KERNEL {

template <class Model>
inline void integrate_velocities(const Group& g, const Model& model, Velocity* v) {
    for (int b = 0; b < kBodies; ++b) {
        v[b] = {g.vx[b], g.vy[b] + kDt * model.gravity, g.spin[b]};
    }
    // The starting force acts on the hull alone, in the first step only.
    v[0].x += kDt * (model.segment[0].inverse_mass * g.push);
}

template <class Model>
struct VelocitySolver {
    JointMass<typename Model::Number> mass[kJoints];
    typename Model::Number motor_mass[kJoints];
    JointRow joint[kJoints];

    template <int J>
    WALKER_ALWAYS_INLINE void solve_joint_number(Velocity* v) {
        constexpr int a = J == 0 || J == 2 ? 0 : J, b = J + 1;
        solve_joint(mass[J], v[a], v[b], joint[J], motor_mass[J]);
    }

    template <int B>
    WALKER_ALWAYS_INLINE void solve_contacts_of(const Model& model, ContactRows& rows, Velocity* v) {
        const auto& body = model.segment[B];
        for (int k = 0; k < rows.count[B]; ++k) {
            solve_contact(body.inverse_mass, body.inverse_inertia, body.friction, v[B], rows.row[B][k]);
        }
    }

    void iterate(const Model& model, ContactRows& rows, Velocity* shared) {
        Velocity v[kBodies];
        for (int b = 0; b < kBodies; ++b) v[b] = shared[b];
        for (int i = 0; i < kVelocityIterations; ++i) {
            // Box2D solves all joints, then all contacts. A body's contacts may follow at once
            // when its last joint is done: they meet no other body, and chains of dependent
            // operations that do not wait for one another run side by side.
            solve_joint_number<3>(v);
            solve_contacts_of<4>(model, rows, v);
            solve_joint_number<2>(v);
            solve_contacts_of<3>(model, rows, v);
            solve_joint_number<0>(v);
            solve_contacts_of<0>(model, rows, v);
            solve_joint_number<1>(v);
            solve_contacts_of<1>(model, rows, v);
            solve_contacts_of<2>(model, rows, v);
        }
        for (int b = 0; b < kBodies; ++b) shared[b] = v[b];
    }
};

// Moves the bodies, with Box2D's limits on how far a step may reach.
inline void integrate_position(F& x, F& y, F& angle, Velocity& v) {
    const F dx = kDt * v.x, dy = kDt * v.y;
    const F far2 = dx * dx + dy * dy;
    const I too_far = far2 > kMaxTranslation * kMaxTranslation;
    if (any(too_far)) {
        const F ratio = kMaxTranslation / sqrt(far2);
        v.x = select(too_far, v.x * ratio, v.x);
        v.y = select(too_far, v.y * ratio, v.y);
    }
    const F turn = kDt * v.w;
    const I too_quick = turn * turn > kMaxRotation * kMaxRotation;
    if (any(too_quick)) v.w = select(too_quick, v.w * (kMaxRotation / abs(turn)), v.w);
    x += kDt * v.x;
    y += kDt * v.y;
    angle += kDt * v.w;
}

// A world whose every body has been slow for half a second stops dead for this step.
inline void fall_asleep(Group& g, I positions_solved) {
    F least = splat(kMaxFloat);
    for (int b = 0; b < kBodies; ++b) {
        const I quick = (g.spin[b] * g.spin[b] > kAngularSleepTolerance * kAngularSleepTolerance) |
                        (g.vx[b] * g.vx[b] + g.vy[b] * g.vy[b] > kLinearSleepTolerance * kLinearSleepTolerance);
        g.sleep_time[b] = select(quick, F{}, g.sleep_time[b] + kDt);
        least = min(least, g.sleep_time[b]);
    }
    g.asleep = (least >= kTimeToSleep) & positions_solved;
    if (!any(g.asleep)) return;
    for (int b = 0; b < kBodies; ++b) {
        g.vx[b] = select(g.asleep, F{}, g.vx[b]);
        g.vy[b] = select(g.asleep, F{}, g.vy[b]);
        g.spin[b] = select(g.asleep, F{}, g.spin[b]);
        g.sleep_time[b] = select(g.asleep, F{}, g.sleep_time[b]);
    }
}

// b2Body::SynchronizeTransform, and the corners that everything after needs.
template <class Model>
inline void synchronize(Group& g, const Model& model) {
    for (int b = 0; b < kBodies; ++b) {
        const auto& body = model.segment[b];
        const Rot<F> q = rotation(g.angle[b]);
        const F2 origin = F2{g.x[b], g.y[b]} - mul(q, as_row<F>(body.local_center));
        g.sine[b] = q.s;
        g.cosine[b] = q.c;
        g.origin_x[b] = origin.x;
        g.origin_y[b] = origin.y;
        for (int i = 0; i < body.corners; ++i) {
            const F2 turned = mul(q, as_row<F>(body.vertex[i]));
            g.corner_x[b][i] = turned.x + origin.x;
            g.corner_y[b][i] = turned.y + origin.y;
        }
    }
}

template <class Model>
inline void solve(Group& g, const Model& model, ContactRows& rows) {
    Velocity v[kBodies];
    integrate_velocities(g, model, v);
    gather_contacts(g, rows);
    for (int b : kBodyOrder) {
        for (int k = 0; k < rows.count[b]; ++k) {
            initialize_contact(g, model.segment[b], b, rows.row[b][k]);
            warm_start_contact(model.segment[b], v[b], rows.row[b][k]);
        }
    }
    VelocitySolver<Model> solver;
    for (int j : kJointOrder) {
        solver.mass[j] = masses(model, j);
        solver.motor_mass[j] = 1.0f / solver.mass[j].sum();
        initialize_joint(g, model, j, solver.joint[j], v);
    }
    solver.iterate(model, rows, v);
    for (int j = 0; j < kJoints; ++j) {
        g.impulse_x[j] = solver.joint[j].x;
        g.impulse_y[j] = solver.joint[j].y;
        g.limit_impulse[j] = solver.joint[j].z;
        g.motor_impulse[j] = solver.joint[j].motor;
    }
    Positions<F> p;
    PositionRows<F> position_rows;
    for (int b = 0; b < kBodies; ++b) {
        g.old_x[b] = p.x[b] = g.x[b];
        g.old_y[b] = p.y[b] = g.y[b];
        g.old_angle[b] = p.a[b] = g.angle[b];
        integrate_position(p.x[b], p.y[b], p.a[b], v[b]);
        position_rows.count[b] = rows.count[b];
        for (int k = 0; k < rows.count[b]; ++k) {
            store_impulses(g, rows.row[b][k]);
            position_rows.row[b][k] = rows.row[b][k].manifold;
        }
    }
    for (int j = 0; j < kJoints; ++j) position_rows.limit_state[j] = g.limit_state[j];
    I idle{};
    for (int lane = 0; lane < W; ++lane) idle[lane] = g.mode[lane] == Mode::kIdle ? -1 : 0;
    const I solved = correct_positions(model, position_rows, p, idle);
    for (int b = 0; b < kBodies; ++b) {
        g.x[b] = p.x[b];
        g.y[b] = p.y[b];
        g.angle[b] = p.a[b];
        g.vx[b] = v[b].x;
        g.vy[b] = v[b].y;
        g.spin[b] = v[b].w;
    }
    fall_asleep(g, solved);
    copy_bytes(g.old_origin_x, g.origin_x, sizeof g.origin_x);
    copy_bytes(g.old_origin_y, g.origin_y, sizeof g.origin_y);
    copy_bytes(g.old_corner_x, g.corner_x, sizeof g.corner_x);
    copy_bytes(g.old_corner_y, g.corner_y, sizeof g.corner_y);
    synchronize(g, model);
}

}  // namespace WALKER_KERNEL
}  // namespace walker
