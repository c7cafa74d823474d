// How the robot moves: Featherstone's algorithm as btMultiBody has it, the answers to impulses, and the integrator.
#pragma once

#include "group.hpp"

namespace hexapod {
inline namespace HEXAPOD_KERNEL {

constexpr Mat<Vec<Nought, Nought, Nought>, Vec<Nought, Nought, Nought>, Vec<Nought, Nought, Nought>> kNothing{};

HEXAPOD_INLINE auto diagonal(D x, D y, D z) {
    return Mat{Vec{x, Nought{}, Nought{}}, Vec{Nought{}, y, Nought{}}, Vec{Nought{}, Nought{}, z}};
}
HEXAPOD_INLINE auto own_inertia(D mass, D x, D y, D z) {
    return Dyad{kNothing, diagonal(mass, mass, mass), diagonal(x, y, z)};
}
HEXAPOD_INLINE auto own_inertia(double mass, const double* inertia) {
    return own_inertia(splat(mass), splat(inertia[0]), splat(inertia[1]), splat(inertia[2]));
}

// The force that keeps a body from accelerating: gravity's and the spin's. `up` is the world's z axis in its frame;
// mass and inertia are one number each, or one for every lane.
template <class T, class B, class N>
HEXAPOD_INLINE S6 resting_force(Spatial<T, B> motion, V3 up, N mass, const N* inertia, double gravity) {
    const auto turned = Vec{motion.top.x * inertia[0], motion.top.y * inertia[1], motion.top.z * inertia[2]};
    const N weight = -gravity * mass;
    return {-(up * weight) + cross(motion.top, motion.bottom) * mass, cross(motion.top, turned)};
}

// One link: its motion, and what the link asks of its parent.
struct Link {
    S6 motion, resting, coriolis;
    V3 up;
};

template <class R, class O, class A>
HEXAPOD_INLINE Link ride(R turn, O arm, A axis, D speed, S6 parent, V3 up, double mass, const double* inertia,
                         double gravity) {
    Link link;
    const auto joint = axis * speed;
    const auto carried = inwards(turn, arm, parent);
    link.motion = {carried.top + joint.top, carried.bottom + joint.bottom};
    link.coriolis = S6{};
    const auto top = cross(link.motion.top, joint.top);
    const auto bottom = cross(link.motion.bottom, joint.top) + cross(link.motion.top, joint.bottom);
    const auto put = [](D& to, auto from) {
        if constexpr (!kKnown<decltype(from)>) to = from;
    };
    put(link.coriolis.top.x, top.x);
    put(link.coriolis.top.y, top.y);
    put(link.coriolis.top.z, top.z);
    put(link.coriolis.bottom.x, bottom.x);
    put(link.coriolis.bottom.y, bottom.y);
    put(link.coriolis.bottom.z, bottom.z);
    link.up = turn * up;
    link.resting = resting_force(link.motion, link.up, mass, inertia, gravity);
    return link;
}

// Folds a link into its parent: gives the inertia and the force that the parent feels.
template <class R, class O, class A, class I, class F>
HEXAPOD_INLINE auto fold(R turn, O arm, A axis, const I& inertia, const Link& link, D torque, F& force, D& inverse,
                         D& excess) {
    const auto answer = inertia * axis;
    force = answer;
    excess = torque - dot(axis, link.resting) - dot(link.coriolis, force);
    const D resistance = dot(axis, force);
    inverse = select(resistance >= kEpsilon, 1.0 / resistance, D{});
    const auto scaled = force * inverse;
    const Dyad rest{inertia.top_left - outer(force.top, scaled.bottom), inertia.top_right - outer(force.top, scaled.top),
                    inertia.bottom_left - outer(force.bottom, scaled.bottom)};
    const auto bias = link.resting + inertia * link.coriolis + force * (inverse * excess);
    struct {
        decltype(outwards(turn, arm, rest)) inertia;
        S6 force;
    } felt{outwards(turn, arm, rest), outwards(turn, arm, bias)};
    return felt;
}

template <class A, class B, class C, class S, class U, class V>
HEXAPOD_INLINE auto operator+(Dyad<A, B, C> a, Dyad<S, U, V> b) {
    return Dyad{a.top_left + b.top_left, a.top_right + b.top_right, a.bottom_left + b.bottom_left};
}

HEXAPOD_INLINE S6 answered(const Answer& a, const S6& force) {
    const V3 top = a.upper_left * force.top + a.upper_right * force.bottom;
    const V3 bottom = a.lower_left * force.top + a.lower_right * force.bottom;
    return {-top, -bottom};
}

HEXAPOD_INLINE void set_answer(Answer& a, const M3& top_left, const M3& top_right, const M3& lower_left) {
    M3 flipped = inverse(top_right);
    for (V3* row : {&flipped.p, &flipped.q, &flipped.r}) *row = *row * -1.0;
    const M3 lower_right = transposed(top_left);
    a.upper_right = inverse(lower_right * flipped * top_left + lower_left);
    a.upper_left = a.upper_right * lower_right * flipped;
    a.lower_right = transposed(a.upper_left);
    M3 rest = top_left * a.upper_left;
    rest.p.x -= 1.0;
    rest.q.y -= 1.0;
    rest.r.z -= 1.0;
    a.lower_left = flipped * rest;
}

// Forward dynamics: speeds after the drives', gravity's and the spins' forces, and what impulses need.
inline void accelerate(Group& g, const Model& m) {
    g.trunk = matrix(g.turn);
    const M3& trunk = g.trunk;
    const S6 motion{trunk * V3{g.speed[0], g.speed[1], g.speed[2]}, trunk * V3{g.speed[3], g.speed[4], g.speed[5]}};
    const V3 up{trunk.p.z, trunk.q.z, trunk.r.z};
    const D mass = m.mass * g.load;
    const D inertia[3] = {m.inertia[0] * g.load, m.inertia[1] * g.load, m.inertia[2] * g.load};
    S6 resting = resting_force(motion, up, mass, inertia, m.gravity);
    const auto own = own_inertia(mass, inertia[0], inertia[1], inertia[2]);
    M3 top_left{}, top_right{}, bottom_left{};
    top_right.p.x = own.top_right.p.x;
    top_right.q.y = own.top_right.q.y;
    top_right.r.z = own.top_right.r.z;
    bottom_left.p.x = own.bottom_left.p.x;
    bottom_left.q.y = own.bottom_left.q.y;
    bottom_left.r.z = own.bottom_left.r.z;

    D excess[kLegs][3];
    Link links[kLegs][3];
    for (int i = kLegs - 1; i >= 0; --i) {
        Chain& leg = g.legs[i].chain;
        const int j = 3 * i;
        const auto coxa = about_z(leg.turn[0]);
        const auto femur = about_y(leg.turn[1]), tibia = about_y(leg.turn[2]);
        Link& c = links[i][0] = ride(coxa, leg.coxa_arm, leg.coxa_axis, g.speed[6 + j], motion, up, m.link_mass[j],
                                     m.link_inertia[j], m.gravity);
        Link& f = links[i][1] = ride(femur, leg.femur_arm, leg.femur_axis, g.speed[7 + j], c.motion, c.up,
                                     m.link_mass[j + 1], m.link_inertia[j + 1], m.gravity);
        Link& t = links[i][2] = ride(tibia, leg.tibia_arm, leg.tibia_axis, g.speed[8 + j], f.motion, f.up,
                                     m.link_mass[j + 2], m.link_inertia[j + 2], m.gravity);
        const auto of_tibia = fold(tibia, leg.tibia_arm, leg.tibia_axis,
                                   own_inertia(m.link_mass[j + 2], m.link_inertia[j + 2]), t, g.torque[j + 2],
                                   leg.tibia_force, leg.inverse[2], excess[i][2]);
        f.resting = f.resting + of_tibia.force;
        const auto of_femur = fold(femur, leg.femur_arm, leg.femur_axis,
                                   own_inertia(m.link_mass[j + 1], m.link_inertia[j + 1]) + of_tibia.inertia, f,
                                   g.torque[j + 1], leg.femur_force, leg.inverse[1], excess[i][1]);
        c.resting = c.resting + of_femur.force;
        const auto of_coxa = fold(coxa, leg.coxa_arm, leg.coxa_axis,
                                  own_inertia(m.link_mass[j], m.link_inertia[j]) + of_femur.inertia, c, g.torque[j],
                                  leg.coxa_force, leg.inverse[0], excess[i][0]);
        resting = resting + of_coxa.force;
        top_left = top_left + of_coxa.inertia.top_left;
        top_right = top_right + of_coxa.inertia.top_right;
        bottom_left = bottom_left + of_coxa.inertia.bottom_left;
    }
    set_answer(g.answer, top_left, top_right, bottom_left);
    const S6 start = answered(g.answer, resting);
    const auto gain = [&](int degree, D acceleration) {
        g.speed[degree] = clamped(g.speed[degree] + acceleration * m.time_step, kMostSpeed);
    };
    for (int i = 0; i < kLegs; ++i) {
        const Chain& leg = g.legs[i].chain;
        const int j = 3 * i;
        const auto bend = [&](int part, auto turn, auto arm, auto axis, auto force, const S6& parent) {
            const S6 carried = inwards(turn, arm, parent);
            const D bent = leg.inverse[part] * (excess[i][part] - dot(carried, force));
            gain(6 + j + part, bent);
            const S6 moved = carried + links[i][part].coriolis;
            const auto joint = axis * bent;
            return S6{moved.top + joint.top, moved.bottom + joint.bottom};
        };
        const S6 c = bend(0, about_z(leg.turn[0]), leg.coxa_arm, leg.coxa_axis, leg.coxa_force, start);
        const S6 f = bend(1, about_y(leg.turn[1]), leg.femur_arm, leg.femur_axis, leg.femur_force, c);
        bend(2, about_y(leg.turn[2]), leg.tibia_arm, leg.tibia_axis, leg.tibia_force, f);
    }
    const auto back = transposed(trunk);
    const V3 spin = back * start.top, velocity = back * (start.bottom + cross(motion.top, motion.bottom));
    gain(0, spin.x);
    gain(1, spin.y);
    gain(2, spin.z);
    gain(3, velocity.x);
    gain(4, velocity.y);
    gain(5, velocity.z);
}

// The change of all speeds by impulses on one leg's joints and, in its frame, on the trunk. `which` is the number of
// that leg in each lane, and `pushed` what is known of it.
inline void answer_impulse(const Group& g, const Chain& pushed, M which, const S6* trunk_force, const D* pushes,
                           D* change) {
    D excess[3];
    excess[2] = pushes[2];
    const auto t = outwards(about_y(pushed.turn[2]), pushed.tibia_arm,
                            pushed.tibia_force * (pushed.inverse[2] * excess[2]));
    excess[1] = pushes[1] - dot(pushed.femur_axis, t);
    const auto f = outwards(about_y(pushed.turn[1]), pushed.femur_arm,
                            t + pushed.femur_force * (pushed.inverse[1] * excess[1]));
    excess[0] = pushes[0] - dot(pushed.coxa_axis, f);
    const auto c = outwards(about_z(pushed.turn[0]), pushed.coxa_arm,
                            f + pushed.coxa_force * (pushed.inverse[0] * excess[0]));
    const S6 start = answered(g.answer, trunk_force ? *trunk_force + c : S6{c.top, c.bottom});
    for (int i = 0; i < kLegs; ++i) {
        const Chain& leg = g.legs[i].chain;
        const M here = which == i;
        const auto bend = [&](int part, auto turn, auto arm, auto axis, auto force, const S6& parent) {
            const S6 carried = inwards(turn, arm, parent);
            const D bent = leg.inverse[part] * (select(here, excess[part], D{}) - dot(carried, force));
            change[6 + 3 * i + part] = bent;
            const auto joint = axis * bent;
            return S6{carried.top + joint.top, carried.bottom + joint.bottom};
        };
        const S6 c = bend(0, about_z(leg.turn[0]), leg.coxa_arm, leg.coxa_axis, leg.coxa_force, start);
        const S6 f = bend(1, about_y(leg.turn[1]), leg.femur_arm, leg.femur_axis, leg.femur_force, c);
        bend(2, about_y(leg.turn[2]), leg.tibia_arm, leg.tibia_axis, leg.tibia_force, f);
    }
    const auto back = transposed(g.trunk);
    const V3 spin = back * start.top, velocity = back * start.bottom;
    change[0] = spin.x;
    change[1] = spin.y;
    change[2] = spin.z;
    change[3] = velocity.x;
    change[4] = velocity.y;
    change[5] = velocity.z;
}

// The C library's sine and cosine, as Bullet calls them.
HEXAPOD_INLINE void sine_cosine(D angle, D& sine, D& cosine) {
    double sines[W], cosines[W];
    for (int i = 0; i < W; ++i) {
        sines[i] = __builtin_sin(angle[i]);
        cosines[i] = __builtin_cos(angle[i]);
    }
    __builtin_memcpy(&sine, sines, sizeof sine);
    __builtin_memcpy(&cosine, cosines, sizeof cosine);
}

// Places links and feet by position, turn and angles.
inline void pose(Group& g, const Model& m) {
    for (int i = 0; i < kLegs; ++i) {
        Leg& leg = g.legs[i];
        Chain& chain = leg.chain;
        const int j = 3 * i;
        D s[3], c[3];
        for (int part = 0; part < 3; ++part) {
            sine_cosine(-g.angle[j + part] * 0.5, s[part], c[part]);
            s[part] = s[part] * m.sign[j + part];
        }
        chain.coxa_axis = {{{}, {}, splat(m.sign[j])}, {{}, splat(m.sign[j] * m.middle[j]), {}}};
        const auto lower = [&](int k) {
            return AxisY{{{}, splat(m.sign[k]), {}}, {{}, {}, splat(-(m.sign[k] * m.middle[k]))}};
        };
        chain.femur_axis = lower(j + 1);
        chain.tibia_axis = lower(j + 2);
        const AboutZ coxa{{}, {}, c[0] * m.hip_turn_z[i] + s[0] * m.hip_turn_w[i],
                          c[0] * m.hip_turn_w[i] - s[0] * m.hip_turn_z[i]};
        const AboutY femur{{}, s[1], {}, c[1]}, tibia{{}, s[2], {}, c[2]};
        chain.turn[0] = turn_of(coxa);
        chain.turn[1] = turn_of(femur);
        chain.turn[2] = turn_of(tibia);
        const auto hip = rotated(coxa, Vec{splat(m.hip_x[i]), splat(m.hip_y[i]), Nought{}});
        chain.coxa_arm = {m.middle[j] + hip.x, hip.y, {}};
        const auto knee = rotated(femur, Vec{splat(m.reach[j + 1]), Nought{}, Nought{}});
        chain.femur_arm = {m.middle[j + 1] + knee.x, {}, knee.z};
        const auto ankle = rotated(tibia, Vec{splat(m.reach[j + 2]), Nought{}, Nought{}});
        chain.tibia_arm = {m.middle[j + 2] + ankle.x, {}, ankle.z};
        const Q4 hip_turn = coxa * g.turn, knee_turn = femur * hip_turn, ankle_turn = tibia * knee_turn;
        leg.origin = g.position + rotated(conjugate(hip_turn), chain.coxa_arm);
        leg.origin = leg.origin + rotated(conjugate(knee_turn), chain.femur_arm);
        leg.origin = leg.origin + rotated(conjugate(ankle_turn), chain.tibia_arm);
        leg.basis = matrix(conjugate(ankle_turn));
    }
}

// A step of positions by the speeds.
inline void drift(Group& g, const Model& m) {
    const double dt = m.time_step;
    g.position.x += dt * g.speed[3];
    g.position.y += dt * g.speed[4];
    g.position.z += dt * g.speed[5];
    const V3 spin{g.speed[0], g.speed[1], g.speed[2]};
    constexpr double kHalfPi = 3.1415926535897932384626433832795029 * 0.5;
    D size = sqrt(dot(spin, spin));
    size = select(size * dt > 0.5 * kHalfPi, splat(0.5 * kHalfPi / dt), size);
    D sine, cosine, spare;
    sine_cosine(0.5 * size * dt, sine, spare);
    sine_cosine(size * dt * 0.5, spare, cosine);
    const D share = select(size < 0.001, 0.5 * dt - (dt * dt * dt) * 0.020833333333 * size * size, sine / size);
    const V3 axis = spin * share;
    const Q4 turned = g.turn * Q4{-axis.x, -axis.y, -axis.z, cosine};
    const D inverse =
        1.0 / sqrt(turned.x * turned.x + turned.y * turned.y + turned.z * turned.z + turned.w * turned.w);
    g.turn = {turned.x * inverse, turned.y * inverse, turned.z * inverse, turned.w * inverse};
    for (int j = 0; j < kJoints; ++j) g.angle[j] += dt * g.speed[6 + j];
}

}  // namespace HEXAPOD_KERNEL
}  // namespace hexapod
