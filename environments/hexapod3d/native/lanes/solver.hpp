// Bullet's solver of contacts and joint limits for a multibody (btMultiBodyConstraintSolver.cpp): rows in its order,
// friction within a cone, an early end when nothing changes any more.
#pragma once

#include "motion.hpp"

namespace hexapod {
inline namespace HEXAPOD_KERNEL {

constexpr double kSlop = 0.00001;        // m, m_linearSlop
constexpr double kEnough = 1e-7;         // of a squared change of speed, m_leastSquaresResidualThreshold
constexpr double kMostImpulse = 1e10f;   // of a contact
constexpr double kLimitImpulse = 100.0;  // of a joint's limit
constexpr double kJointErp = 0.2;        // m_erp
constexpr double kDeep = -.04f;          // rad, beyond which a limit's error is left alone, m_splitImpulsePenetrationThreshold

// The order of the joints' limits: what Bullet's quicksort makes of 36 equal keys, the limits' and then the motors'.
struct LimitOrder {
    int joint[kJoints];

    constexpr LimitOrder() : joint{} {
        int all[2 * kJoints] = {};
        for (int i = 0; i < 2 * kJoints; ++i) all[i] = i;
        sort(all, 0, 2 * kJoints - 1);
        int count = 0;
        for (int each : all)
            if (each < kJoints) joint[count++] = each;
    }
    static constexpr void sort(int* all, int low, int high) {
        int i = low, j = high;
        do {
            if (i <= j) {
                const int kept = all[i];
                all[i++] = all[j];
                all[j--] = kept;
            }
        } while (i <= j);
        if (low < j) sort(all, low, j);
        if (i < high) sort(all, i, high);
    }
};
constexpr LimitOrder kLimitOrder;

// The point where a row acts, in the frames of a leg's links and of the trunk.
struct Arms {
    V3 world, coxa, femur, tibia;
};

HEXAPOD_INLINE Arms arms_of(const Group& g, const Chain& leg, V3 place) {
    Arms a;
    a.world = place - g.position;
    a.coxa = about_z(leg.turn[0]) * (g.trunk * a.world) - leg.coxa_arm;
    a.femur = about_y(leg.turn[1]) * a.coxa - leg.femur_arm;
    a.tibia = about_y(leg.turn[2]) * a.femur - leg.tibia_arm;
    return a;
}

template <class A>
HEXAPOD_INLINE D along(V3 direction, A axis, V3 arm) {
    return dot(direction, cross(axis.top, arm) + axis.bottom);
}

// The three degrees of freedom of the leg that each lane means.
HEXAPOD_INLINE void of_leg(const D* degrees, M leg, D* found) {
    for (int k = 0; k < 3; ++k) found[k] = degrees[6 + k];
    for (int i = 1; i < kLegs; ++i) {
        const M here = leg == i;
        for (int k = 0; k < 3; ++k) found[k] = select(here, degrees[6 + 3 * i + k], found[k]);
    }
}

// Sets up a row along a direction at a foot: its Jacobian, the answer of all speeds, and what it meets already.
HEXAPOD_INLINE D prepare(const Group& g, const Chain& leg, M which, const D* leg_speed, const Arms& arms, V3 direction,
                         Row& row) {
    const V3 turning = cross(arms.world, direction);
    D* jacobian = row.jacobian;
    jacobian[0] = turning.x;
    jacobian[1] = turning.y;
    jacobian[2] = turning.z;
    jacobian[3] = direction.x;
    jacobian[4] = direction.y;
    jacobian[5] = direction.z;
    const V3 trunk = g.trunk * direction;
    const V3 coxa = about_z(leg.turn[0]) * trunk;
    const V3 femur = about_y(leg.turn[1]) * coxa;
    const V3 tibia = about_y(leg.turn[2]) * femur;
    jacobian[6] = along(coxa, leg.coxa_axis, arms.coxa);
    jacobian[7] = along(femur, leg.femur_axis, arms.femur);
    jacobian[8] = along(tibia, leg.tibia_axis, arms.tibia);
    const S6 force{-trunk, -(g.trunk * turning)};
    answer_impulse(g, leg, which, &force, jacobian + 6, row.change);
    D resistance{}, speed{}, bent[3] = {};
    for (int k = 0; k < 6; ++k) {
        resistance += jacobian[k] * row.change[k];
        speed += g.speed[k] * jacobian[k];
    }
    of_leg(row.change, which, bent);
    for (int k = 0; k < 3; ++k) {
        resistance += jacobian[6 + k] * bent[k];
        speed += leg_speed[k] * jacobian[6 + k];
    }
    row.inverse = select(resistance > kEpsilon, 1.0 / resistance, D{});
    row.impulse = D{};
    return speed;
}

HEXAPOD_INLINE V3 unit(V3 v) { return v * (1.0 / sqrt(dot(v, v))); }

// btPlaneSpace1: two directions along a plane.
HEXAPOD_INLINE void along_plane(V3 n, V3& first, V3& second) {
    constexpr double kDiagonal = 0.7071067811865475244008443621048490;
    const M steep = absolute(n.z) > kDiagonal;
    const D a = select(steep, n.y * n.y + n.z * n.z, n.x * n.x + n.y * n.y), k = 1.0 / sqrt(a);
    const D zero{};
    first = {select(steep, zero, -n.y * k), select(steep, -n.z * k, n.x * k), select(steep, n.y * k, zero)};
    second = {select(steep, a * k, -n.z * first.y), select(steep, -n.x * first.z, n.z * first.x),
              select(steep, n.x * first.y, a * k)};
    first = unit(first);
    second = unit(second);
}

inline void prepare_slot(const Group& g, const Model& m, Slot& slot) {
    const double dt = m.time_step;
    Chain leg;
    each_row(leg, g.legs[0].chain, [&](D& to, const D& from) {
        // From the same row of the leg that each lane means.
        const char* first = reinterpret_cast<const char*>(&from);
        for (int lane = 0; lane < W; ++lane)
            to[lane] = reinterpret_cast<const double*>(first + slot.leg[lane] * sizeof(Leg))[lane];
    });
    D leg_speed[3] = {};
    of_leg(g.speed, slot.leg, leg_speed);
    const Arms arms = arms_of(g, leg, slot.place);
    V3 directions[3];
    directions[0] = slot.normal;
    along_plane(slot.normal, directions[1], directions[2]);
    for (int which = 0; which < 3; ++which) {
        Row& row = slot.rows[which];
        const D speed = prepare(g, leg, slot.leg, leg_speed, arms, directions[which], row);
        if (which == 0) {
            const D distance = slot.distance + kSlop;
            const M apart = distance > 0.0;
            const D depth = select(apart, D{}, -distance * m.contact_erp / dt);
            const D error = select(apart, -speed - distance / dt, -speed);
            row.rhs = depth * row.inverse + error * row.inverse;
        } else {
            row.rhs = -speed * row.inverse;
        }
        row.rhs = select(slot.active, row.rhs, D{});
        row.inverse = select(slot.active, row.inverse, D{});
    }
}

inline void prepare_limits(Group& g, const Model& m) {
    g.limits = 0;
    for (const int j : kLimitOrder.joint) {
        const D below = g.angle[j] - m.low[j], above = m.high[j] - g.angle[j];
        const M low = below <= 0.0, high = above <= 0.0;
        const M active = (low | high) & ~g.idle;
        if (!any(active)) continue;
        Limit& limit = g.limit[g.limits++];
        limit.joint = j;
        limit.active = active;
        limit.side = select(active, select(low, splat(1.0), splat(-1.0)), D{});
        D pushes[3] = {};
        pushes[j % 3] = limit.side;
        answer_impulse(g, g.legs[j / 3].chain, M{} + j / 3, nullptr, pushes, limit.change);
        const D resistance = limit.side * limit.change[6 + j];
        limit.inverse = select(resistance > kEpsilon, 1.0 / resistance, D{});
        const D depth = select(low, below, above), speed = limit.side * g.speed[6 + j];
        const M shallow = depth > kDeep;
        const D share = -depth * kJointErp / m.time_step;
        const D push = -speed * limit.inverse;
        limit.rhs = select(active, select(shallow, share * limit.inverse + push, push), D{});
        limit.impulse = D{};
    }
}

HEXAPOD_INLINE D felt(const Row& row, const D* change, const D* leg_change) {
    D sum{};
    for (int k = 0; k < 6; ++k) sum += row.jacobian[k] * change[k];
    for (int k = 0; k < 3; ++k) sum += row.jacobian[6 + k] * leg_change[k];
    return sum;
}

HEXAPOD_INLINE void spread(D* change, const D* by, D impulse) {
    for (int k = 0; k < kDegrees; ++k) change[k] += by[k] * impulse;
}

// A bounded impulse's change; `still` are lanes that are done.
HEXAPOD_INLINE D bounded(D& impulse, D wanted, D low, D high, M still) {
    const D sum = impulse + wanted;
    const M under = sum < low, over = sum > high;
    const D most = select(under, low, select(over, high, sum));
    const D change = select(under | over, most - impulse, wanted);
    impulse = select(still, impulse, most);
    return select(still, D{}, change);
}

// Cuts both impulses of friction back to the cone, in the lanes that leave it.
inline void cut_to_cone(M out, D limit, D first, D second, D& most_first, D& most_second) {
    for (int lane = 0; lane < W; ++lane) {
        if (!out[lane]) continue;
        double a = 0.0, b = 0.0;
        if (limit[lane] != 0.0) {
            const double angle = __builtin_atan2(first[lane], second[lane]);
            a = __builtin_fabs(limit[lane] * __builtin_sin(angle));
            b = __builtin_fabs(limit[lane] * __builtin_cos(angle));
        }
        most_first[lane] = a;
        most_second[lane] = b;
    }
}

// Solves what touches and what is at its limit; gives speeds their changes.
inline void solve(Group& g, const Model& m) {
    prepare_limits(g, m);
    M busy = M{};
    for (int i = 0; i < g.limits; ++i) busy |= g.limit[i].active;
    for (int n = 0; n < g.slots; ++n) {
        prepare_slot(g, m, g.slot[n]);
        busy |= g.slot[n].active;
    }
    if (!any(busy)) return;
    const D friction = m.friction * g.friction_rate;
    D change[kDegrees] = {};
    M still = ~busy;
    for (int iteration = 0; iteration < m.iterations; ++iteration) {
        // How much the iteration changes, until it is plain that no world is done; the last asks no more.
        D residual{};
        bool open = iteration + 1 < m.iterations;
        const auto note = [&](M active, auto step) {
            if (!open) return;
            const D change = step();
            residual = max(residual, select(active, change * change, D{}));
            open = any((residual <= kEnough) & ~still);
        };
        for (int n = 0; n < g.limits; ++n) {
            Limit& limit = g.limit[iteration & 1 ? n : g.limits - 1 - n];
            const D speed = limit.side * change[6 + limit.joint];
            const D step = bounded(limit.impulse, limit.rhs - speed * limit.inverse, D{}, splat(kLimitImpulse), still);
            spread(change, limit.change, step);
            note(limit.active, [&] { return step / limit.inverse; });
        }
        for (int n = 0; n < g.slots; ++n) {
            Slot& slot = g.slot[n];
            Row& row = slot.rows[0];
            D leg_change[3] = {};
            of_leg(change, slot.leg, leg_change);
            const D wanted = row.rhs - felt(row, change, leg_change) * row.inverse;
            const D step = bounded(row.impulse, wanted, D{}, splat(kMostImpulse), still);
            spread(change, row.change, step);
            note(slot.active, [&] { return step / row.inverse; });
        }
        for (int n = 0; n < g.slots; ++n) {
            Slot& slot = g.slot[n];
            Row &a = slot.rows[1], &b = slot.rows[2];
            const D limit = friction * slot.rows[0].impulse;
            D leg_change[3] = {};
            of_leg(change, slot.leg, leg_change);
            D step_a = a.rhs - felt(a, change, leg_change) * a.inverse;
            D step_b = b.rhs - felt(b, change, leg_change) * b.inverse;
            const D sum_a = a.impulse + step_a, sum_b = b.impulse + step_b;
            const M out = sum_a * sum_a + sum_b * sum_b >= limit * limit;
            D most_a = splat(__builtin_inf()), most_b = most_a;
            cut_to_cone(out & slot.active & ~still, limit, sum_a, sum_b, most_a, most_b);
            step_a = bounded(a.impulse, step_a, -most_a, most_a, still);
            step_b = bounded(b.impulse, step_b, -most_b, most_b, still);
            spread(change, a.change, step_a);
            spread(change, b.change, step_b);
            note(slot.active, [&] { return step_a / a.inverse + step_b / b.inverse; });
        }
        still |= residual <= kEnough;
        if (!any(~still)) break;
    }
    for (int k = 0; k < kDegrees; ++k) g.speed[k] = clamped(g.speed[k] + change[k], kMostSpeed);
}

}  // namespace HEXAPOD_KERNEL
}  // namespace hexapod
