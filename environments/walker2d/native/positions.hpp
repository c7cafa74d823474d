// Position correction of one step: contacts and joints pushed back to where they belong.
//
// After b2ContactSolver::SolvePositionConstraints,
// b2RevoluteJoint::SolvePositionConstraints and the loop in b2Island::Solve.
// Worlds leave the loop one by one; when the rest fit into one register they
// move into it. A rotation is computed anew only where an angle has changed.
#pragma once

#include "bodies.hpp"

namespace walker {
inline namespace WALKER_KERNEL {

constexpr int kJointOrder[kJoints] = {3, 2, 0, 1};
constexpr int kBodyOrder[kBodies] = {4, 3, 0, 1, 2};

template <class T>
struct Positions {
    T x[kBodies], y[kBodies], a[kBodies];
    Rot<T> q[kBodies];
    bool known[kBodies] = {};  // q is the rotation by a

    const Rot<T>& rotation_of(int b) {
        if (!known[b]) q[b] = rotation(a[b]);
        known[b] = true;
        return q[b];
    }

    void turn(int b, T angle) {
        if (any(angle != a[b])) known[b] = false;
        a[b] = angle;
    }
};

// Corrects one contact, and lowers `least` to its separation.
template <class T, class Body>
inline void correct_contact(const Body& body, int b, Positions<T>& p, const ManifoldRow<T>& row, MaskOf<T> active,
                            T& least) {
    for (int j = 0; j < 2; ++j) {
        const MaskOf<T> present = (row.count > j) & active;
        if (!any(present)) return;
        const Rot<T> q = p.rotation_of(b);
        const Vec2<T> center{p.x[b], p.y[b]};
        const Vec2<T> origin = center - mul(q, as_row<T>(body.local_center));
        const Vec2<T> face = select(row.on_segment, mul(q, row.local_normal), row.local_normal);
        const Vec2<T> plane = select(row.on_segment, mul(q, row.local_point) + origin, row.local_point);
        const Vec2<T> clip = select(row.on_segment, row.local[j], mul(q, row.local[j]) + origin);
        const T separation = dot(clip - plane, face) - kPolygonRadius - kPolygonRadius;
        const Vec2<T> normal = select(row.on_segment, -face, face);
        const Vec2<T> r = clip - center;
        least = select(present, min(least, separation), least);
        const T error = max(splat<T>(-kMaxLinearCorrection), min(kBaumgarte * (separation + kLinearSlop), T{}));
        const T arm = cross(r, normal);
        const T k = body.inverse_mass + body.inverse_inertia * arm * arm;
        const T size = select(present & (k > 0.0f), -error / k, T{});
        const Vec2<T> impulse = size * normal;
        p.x[b] = select(present, p.x[b] + body.inverse_mass * impulse.x, p.x[b]);
        p.y[b] = select(present, p.y[b] + body.inverse_mass * impulse.y, p.y[b]);
        p.turn(b, select(present, p.a[b] + body.inverse_inertia * cross(r, impulse), p.a[b]));
    }
}

// Corrects one joint; gives the lanes whose errors were small.
template <class T, class Model>
inline MaskOf<T> correct_joint(const Model& model, int j, Positions<T>& p, MaskOf<T> active,
                               MaskOf<T> limit_state) {
    const auto& joint = model.joint[j];
    const auto m = masses(model, j);
    const auto motor_mass = 1.0f / m.sum();
    const int a = joint.a, b = joint.b;
    T angular_error{};
    if (any(limit_state != 0)) {
        const T angle = p.a[b] - p.a[a] - joint.reference;
        const T below = angle - joint.lower, above = angle - joint.upper;
        const T pushed_up = max(splat<T>(-kMaxAngularCorrection), min(below + kAngularSlop, T{}));
        const T pushed_down = max(T{}, min(above - kAngularSlop, splat<T>(kMaxAngularCorrection)));
        const MaskOf<T> lower = limit_state < 0, upper = limit_state > 0;
        T impulse = select(lower, -motor_mass * pushed_up, select(upper, -motor_mass * pushed_down, T{}));
        impulse = select(active, impulse, T{});
        angular_error = select(lower, -below, select(upper, above, T{}));
        p.turn(a, p.a[a] - m.ia * impulse);
        p.turn(b, p.a[b] + m.ib * impulse);
    }
    const Vec2<T> ra = mul(p.rotation_of(a), as_row<T>(joint.anchor_a));
    const Vec2<T> rb = mul(p.rotation_of(b), as_row<T>(joint.anchor_b));
    const Vec2<T> error{p.x[b] + rb.x - p.x[a] - ra.x, p.y[b] + rb.y - p.y[a] - ra.y};
    const T size = sqrt(error.x * error.x + error.y * error.y);
    const T k11 = (m.ma + m.mb) + m.ia * ra.y * ra.y + m.ib * rb.y * rb.y;
    const T k12 = -m.ia * ra.x * ra.y - m.ib * rb.x * rb.y;
    const T k22 = (m.ma + m.mb) + m.ia * ra.x * ra.x + m.ib * rb.x * rb.x;
    const T determinant = k11 * k22 - k12 * k12;
    const T inverse = select(determinant != 0.0f, 1.0f / determinant, determinant);
    const Vec2<T> impulse{-(inverse * (k22 * error.x - k12 * error.y)), -(inverse * (k11 * error.y - k12 * error.x))};
    p.x[a] = select(active, p.x[a] - m.ma * impulse.x, p.x[a]);
    p.y[a] = select(active, p.y[a] - m.ma * impulse.y, p.y[a]);
    p.turn(a, select(active, p.a[a] - m.ia * cross(ra, impulse), p.a[a]));
    p.x[b] = select(active, p.x[b] + m.mb * impulse.x, p.x[b]);
    p.y[b] = select(active, p.y[b] + m.mb * impulse.y, p.y[b]);
    p.turn(b, select(active, p.a[b] + m.ib * cross(rb, impulse), p.a[b]));
    return (size <= kLinearSlop) & (angular_error <= kAngularSlop);
}

// The constraints of as many worlds as T has lanes.
template <class T>
struct PositionRows {
    int count[kBodies];
    ManifoldRow<T> row[kBodies][kMaxSlotsPerBody];
    MaskOf<T> limit_state[kJoints];
};

template <class T>
inline int population(MaskOf<T> mask) {
    int count = 0;
    for (std::size_t i = 0; i < sizeof(T) / 4; ++i) count -= mask[static_cast<int>(i)];
    return count;
}

// Iterates until all lanes are done or, once no more than `few` are left, leaves the rest to the caller.
//
// A world pressed against its limits may creep for all of Box2D's iterations: a quarter of a
// walker's steps do.
template <class T, class Model>
inline void correct(const Model& model, const PositionRows<T>& rows, Positions<T>& p, int& iteration,
                    MaskOf<T>& done, MaskOf<T>& solved, int few) {
    while (iteration < kPositionIterations) {
        const MaskOf<T> active = ~done;
        T least{};
        for (int b : kBodyOrder) {
            for (int k = 0; k < rows.count[b]; ++k) {
                correct_contact(model.segment[b], b, p, rows.row[b][k], active, least);
            }
        }
        MaskOf<T> okay = least >= -3.0f * kLinearSlop;
        for (int j : kJointOrder) okay &= correct_joint(model, j, p, active, rows.limit_state[j]);
        ++iteration;
        solved |= okay & active;
        done |= okay;
        if (!any(~done) || population<T>(~done) <= few) return;
    }
}

// Moves lane `from` of one row type to lane `to` of another.
template <class A, class B>
inline void move_lane(const A& from, int i, B& to, int k) {
    to[k] = from[i];
}

template <class A, class B>
inline void move_lane(const Vec2<A>& from, int i, Vec2<B>& to, int k) {
    to.x[k] = from.x[i];
    to.y[k] = from.y[i];
}

template <class A, class B>
inline void move_world(const Positions<A>& from, int i, Positions<B>& to, int k) {
    for (int b = 0; b < kBodies; ++b) {
        to.x[b][k] = from.x[b][i];
        to.y[b][k] = from.y[b][i];
        to.a[b][k] = from.a[b][i];
    }
}

template <class A, class B>
inline void move_world(const PositionRows<A>& from, int i, PositionRows<B>& to, int k) {
    for (int b = 0; b < kBodies; ++b) {
        for (int r = 0; r < from.count[b]; ++r) {
            const ManifoldRow<A>& source = from.row[b][r];
            ManifoldRow<B>& target = to.row[b][r];
            move_lane(source.local_normal, i, target.local_normal, k);
            move_lane(source.local_point, i, target.local_point, k);
            for (int j = 0; j < 2; ++j) move_lane(source.local[j], i, target.local[j], k);
            move_lane(source.on_segment, i, target.on_segment, k);
            move_lane(source.count, i, target.count, k);
        }
    }
    for (int j = 0; j < kJoints; ++j) move_lane(from.limit_state[j], i, to.limit_state[j], k);
}

// Goes on with the last few worlds, side by side in one register.
template <class Model>
inline void correct_the_rest(const Model& model, const PositionRows<F>& rows, Positions<F>& p, int iteration,
                             I done, I& solved) {
    Positions<V> few = {};
    PositionRows<V> their;
    for (int b = 0; b < kBodies; ++b) {
        their.count[b] = rows.count[b];
        for (int r = 0; r < rows.count[b]; ++r) their.row[b][r] = ManifoldRow<V>{};
    }
    for (VI& state : their.limit_state) state = VI{};
    VI free = ~VI{}, few_solved{};
    int lane_of[kNative];
    int size = 0;
    for (int i = 0; i < W; ++i) {
        if (done[i]) continue;
        move_world(p, i, few, size);
        move_world(rows, i, their, size);
        free[size] = 0;
        lane_of[size++] = i;
    }
    correct<V>(bodies_of(model, lane_of, size), their, few, iteration, free, few_solved, 0);
    for (int k = 0; k < size; ++k) {
        move_world(few, k, p, lane_of[k]);
        solved[lane_of[k]] = few_solved[k];
    }
}

// Corrects the positions of all worlds but the idle ones; gives the lanes whose errors became small.
template <class Model>
inline I correct_positions(const Model& model, const PositionRows<F>& rows, Positions<F>& p, I idle) {
    I done = idle, solved{};
    int iteration = 0;
    constexpr bool kNarrows = W > kNative;
    correct<F>(model, rows, p, iteration, done, solved, kNarrows ? kNative : 0);
    if constexpr (kNarrows) {
        if (any(~done) && iteration < kPositionIterations) {
            correct_the_rest(model, rows, p, iteration, done, solved);
        }
    }
    return solved;
}

}  // namespace WALKER_KERNEL
}  // namespace walker
