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
using AxisZ = Spatial<Vec<Nought, Nought, double>, Vec<Nought, double, Nought>>;
using AxisY = Spatial<Vec<Nought, double, Nought>, Vec<Nought, Nought, double>>;

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

struct Leg {
    // Where its links stand; the arms reach from the parent's centre of mass to the link's, in the link's frame.
    AboutZ coxa;
    AboutY femur, tibia;
    Turn turn[3];
    Vec<D, D, Nought> coxa_arm;
    Vec<D, Nought, D> femur_arm, tibia_arm;
    // What the forward dynamics leave for the answers to impulses.
    ForceZ coxa_force;
    ForceY femur_force;
    ForceTip tibia_force;
    D inverse[3];
    // The frame of the tibia, which carries the foot.
    M3 basis;
    V3 origin;
};

// Answers the trunk's acceleration to a force: an inverse of its articulated inertia.
struct Answer {
    M3 upper_left, upper_right, lower_left, lower_right;
};

struct Point {
    double on_foot[3], on_ground[3];  // in the tibia's and the field's frame
    double foot[3], ground[3], normal[3], distance;  // in the world
};

struct Contacts {
    int count;
    Point points[kMaxPoints];
    double impulse[kMaxPoints];  // of the last step
};

struct Row {
    D jacobian[9];  // of the trunk's six degrees of freedom and the leg's three
    D change[kDegrees];  // of speed by a unit of impulse
    D inverse, rhs, impulse;
};

struct Slot {
    V3 place, normal;
    D distance;
    M active;
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

    M3 trunk;  // the matrix of turn
    Leg legs[kLegs];
    Answer answer;

    int limits;
    Limit limit[kJoints];
    int slots[kLegs];
    Slot slot[kLegs][kMaxPoints];
    M idle;  // lanes that nobody watches

    Contacts contacts[W][kLegs];
    const Course* course[W];
};

HEXAPOD_INLINE AxisZ coxa_axis(const Model& m, int leg) {
    const double sign = m.sign[3 * leg];
    return {{{}, {}, sign}, {{}, sign * m.middle[3 * leg], {}}};
}
HEXAPOD_INLINE AxisY lower_axis(const Model& m, int joint) {
    const double sign = m.sign[joint];
    return {{{}, sign, {}}, {{}, {}, -(sign * m.middle[joint])}};
}

HEXAPOD_INLINE D clamped(D x, double most) {
    const D least = splat(-most), highest = splat(most);
    return select(x < least, least, select(highest < x, highest, x));
}

constexpr double kMostSpeed = 100.0;  // of every degree of freedom: m_maxCoordinateVelocity
constexpr double kEpsilon = 2.2204460492503131e-16;

}  // namespace HEXAPOD_KERNEL
}  // namespace hexapod
