// As many worlds as a row has lanes: what a step changes, and what its stages leave for each other.
#pragma once

#include "algebra.hpp"
#include "model.hpp"

namespace hexapod {
inline namespace HEXAPOD_KERNEL {

using AboutZ = Quat<Nought, Nought, D>;
using AboutY = Quat<Nought, D, Nought>;
// Forces for a unit of acceleration of a joint about z or y.
using ForceZ = Spatial<Vec<Nought, D, Nought>, Vec<D, Nought, D>>;
using ForceY = Spatial<Vec<D, Nought, D>, Vec<Nought, D, Nought>>;
using ForceTip = Spatial<Vec<Nought, Nought, D>, Vec<Nought, D, Nought>>;  // of a last link, which bears no other
// Joint axes.
using AxisZ = Spatial<Vec<Nought, Nought, D>, Vec<Nought, D, Nought>>;
using AxisY = Spatial<Vec<Nought, D, Nought>, Vec<Nought, Nought, D>>;

struct Turn {
    D cosine, sine;
};
HEXAPOD_INLINE Turn turn_of(const AboutZ& q) {
    const auto m = matrix(q);
    return {m.p.x, m.q.x};
}
HEXAPOD_INLINE Turn turn_of(const AboutY& q) {
    const auto m = matrix(q);
    return {m.p.x, m.p.z};
}
HEXAPOD_INLINE auto about_z(Turn t) {
    return Mat{Vec{t.cosine, -t.sine, Nought{}}, Vec{t.sine, t.cosine, Nought{}}, Vec{Nought{}, Nought{}, One{}}};
}
HEXAPOD_INLINE auto about_y(Turn t) {
    return Mat{Vec{t.cosine, Nought{}, t.sine}, Vec{Nought{}, One{}, Nought{}}, Vec{-t.sine, Nought{}, t.cosine}};
}

// What impulses on a leg need to know of it.
struct Chain {
    AxisZ coxa_axis;
    AxisY femur_axis, tibia_axis;
    Turn turn[3];
    Vec<D, D, Nought> coxa_arm;  // from the parent's centre of mass to the link's, in the link's frame
    Vec<D, Nought, D> femur_arm, tibia_arm;
    // What the forward dynamics leave.
    ForceZ coxa_force;
    ForceY femur_force;
    ForceTip tibia_force;
    D inverse[3];
};

// Gives all rows of a chain, one after another, with those of another beside them.
template <class F>
HEXAPOD_INLINE void each_row(Chain& a, const Chain& b, F give) {
#define HEXAPOD_ROW(name) give(a.name, b.name)
    HEXAPOD_ROW(coxa_axis.top.z); HEXAPOD_ROW(coxa_axis.bottom.y);
    HEXAPOD_ROW(femur_axis.top.y); HEXAPOD_ROW(femur_axis.bottom.z);
    HEXAPOD_ROW(tibia_axis.top.y); HEXAPOD_ROW(tibia_axis.bottom.z);
    HEXAPOD_ROW(turn[0].cosine); HEXAPOD_ROW(turn[0].sine); HEXAPOD_ROW(turn[1].cosine); HEXAPOD_ROW(turn[1].sine);
    HEXAPOD_ROW(turn[2].cosine); HEXAPOD_ROW(turn[2].sine);
    HEXAPOD_ROW(coxa_arm.x); HEXAPOD_ROW(coxa_arm.y);
    HEXAPOD_ROW(femur_arm.x); HEXAPOD_ROW(femur_arm.z);
    HEXAPOD_ROW(tibia_arm.x); HEXAPOD_ROW(tibia_arm.z);
    HEXAPOD_ROW(coxa_force.top.y); HEXAPOD_ROW(coxa_force.bottom.x); HEXAPOD_ROW(coxa_force.bottom.z);
    HEXAPOD_ROW(femur_force.top.x); HEXAPOD_ROW(femur_force.top.z); HEXAPOD_ROW(femur_force.bottom.y);
    HEXAPOD_ROW(tibia_force.top.z); HEXAPOD_ROW(tibia_force.bottom.y);
    HEXAPOD_ROW(inverse[0]); HEXAPOD_ROW(inverse[1]); HEXAPOD_ROW(inverse[2]);
#undef HEXAPOD_ROW
}

struct Leg {
    Chain chain;
    // The frame of the tibia, which carries the foot.
    M3 basis;
    V3 origin;
};

// Answers the trunk's acceleration to a force: an inverse of its articulated inertia.
struct Answer {
    M3 upper_left, upper_right, lower_left, lower_right;
};

struct Row {
    D jacobian[9];  // of the trunk's six degrees of freedom and the leg's three
    D change[kDegrees];  // of speed by a unit of impulse
    D inverse, rhs, impulse;
};

// The nth contact of every world: of whichever leg it is there.
struct Slot {
    V3 place, normal;
    D distance;
    M active, leg;
    Row rows[3];  // the normal's and two of friction
};

struct Limit {
    int joint;
    D side;  // 1 below the lowest angle, -1 above the highest, 0 in a lane within
    M active;
    D change[kDegrees];
    D inverse, rhs, impulse;
};

struct Group {
    V3 position;
    Q4 turn;  // from the world's frame to the trunk's
    D speed[kDegrees];
    D angle[kJoints];
    D torque[kJoints];
    // What is hidden of the robots: as `Hidden` has it.
    D gains[kJoints], friction_rate, load;

    M3 trunk;  // the matrix of turn
    Leg legs[kLegs];
    Answer answer;

    int limits;
    Limit limit[kJoints];
    int slots;
    Slot slot[kLegs * kMaxPoints];
    M idle;  // lanes that nobody watches

    Contacts contacts[W][kLegs];
    const Course* course[W];
};

HEXAPOD_INLINE D clamped(D x, double most) {
    const D least = splat(-most), highest = splat(most);
    return select(x < least, least, select(highest < x, highest, x));
}

constexpr double kMostSpeed = 100.0;  // of every degree of freedom: m_maxCoordinateVelocity
constexpr double kEpsilon = 2.2204460492503131e-16;

}  // namespace HEXAPOD_KERNEL
}  // namespace hexapod
