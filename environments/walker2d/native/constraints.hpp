// Contact and joint constraints of one step, in lanes.
//
// After b2ContactSolver.cpp and b2RevoluteJoint.cpp. The static side of a
// contact has no mass and does not move, so its terms, which are exact zeros,
// are left out; restitution is zero here and its bias likewise. What Box2D
// recomputes in each iteration from numbers that do not change (determinants
// and their inverses) is computed once: the rounding is the same.
#pragma once

#include "group.hpp"

namespace walker {
inline namespace WALKER_KERNEL {

template <class T> inline Vec2<T> select(MaskOf<T> mask, Vec2<T> a, Vec2<T> b) {
    return {select(mask, a.x, b.x), select(mask, a.y, b.y)};
}
template <class T = F> inline Vec2<T> splat(Point p) { return {splat<T>(p.x), splat<T>(p.y)}; }

// A number of the walkers' bodies as a row: the same in all lanes, or a row already.
template <class T> WALKER_INLINE T as_row(float x) { return splat<T>(x); }
template <class T> WALKER_INLINE T as_row(T x) { return x; }
template <class T> WALKER_INLINE Vec2<T> as_row(Point p) { return splat<T>(p); }
template <class T> WALKER_INLINE Vec2<T> as_row(Vec2<T> p) { return p; }

inline F2 clockwise(F2 a) { return {a.y, -a.x}; }

struct Velocity {
    F x, y, w;
};

// What a manifold is, in lanes; T is the row type, so that few worlds may go on in a narrower one.
template <class T>
struct ManifoldRow {
    Vec2<T> local_normal, local_point, local[2];
    MaskOf<T> on_segment, count;
};

// One contact of one body in each lane; lanes without one hold zeros, which change nothing.
struct ContactRow {
    ManifoldRow<F> manifold;
    F2 normal, tangent, r[2];
    F normal_mass[2], tangent_mass[2];
    F k11, k12, k22;        // of the block of two points
    F inverse11, inverse12, inverse22;
    I two;                  // lanes that solve both points as a block
    F normal_impulse[2], tangent_impulse[2];
    bool any_second;        // some lane has a second point
    std::int16_t index[W];  // in the world's contact list, or -1
};

struct ContactRows {
    int count[kBodies];
    ContactRow row[kBodies][kMaxSlotsPerBody];
};

// Sorts each world's touching contacts under their bodies, newest first as b2World::Solve finds them.
inline void gather_contacts(Group& g, ContactRows& rows) {
    int found[W][kBodies] = {};
    for (int b = 0; b < kBodies; ++b) rows.count[b] = 0;
    for (int lane = 0; lane < W; ++lane) {
        Contacts& contacts = g.contacts[lane];
        for (int i = 0; i < contacts.count; ++i) {
            if (!contacts.list[i].touching) continue;
            const int b = contacts.list[i].body;
            if (found[lane][b] == kMaxSlotsPerBody) {
                contacts.overflow = true;
                continue;
            }
            ++found[lane][b];
            if (found[lane][b] > rows.count[b]) rows.count[b] = found[lane][b];
        }
    }
    for (int b = 0; b < kBodies; ++b) {
        for (int k = 0; k < rows.count[b]; ++k) {
            ContactRow& row = rows.row[b][k];
            clear_bytes(&row, sizeof row);
            for (int lane = 0; lane < W; ++lane) row.index[lane] = -1;
        }
    }
    for (int lane = 0; lane < W; ++lane) {
        const Contacts& contacts = g.contacts[lane];
        int used[kBodies] = {};
        for (int i = contacts.count - 1; i >= 0; --i) {
            const Contact& contact = contacts.list[i];
            if (!contact.touching || used[contact.body] == kMaxSlotsPerBody) continue;
            ContactRow& row = rows.row[contact.body][used[contact.body]++];
            const Manifold& m = contact.manifold;
            row.index[lane] = static_cast<std::int16_t>(i);
            row.manifold.count[lane] = m.count;
            row.manifold.on_segment[lane] = m.on_segment ? -1 : 0;
            row.manifold.local_normal.x[lane] = m.normal.x;
            row.manifold.local_normal.y[lane] = m.normal.y;
            row.manifold.local_point.x[lane] = m.point.x;
            row.manifold.local_point.y[lane] = m.point.y;
            for (int j = 0; j < m.count; ++j) {
                row.manifold.local[j].x[lane] = m.points[j].local.x;
                row.manifold.local[j].y[lane] = m.points[j].local.y;
                row.normal_impulse[j][lane] = m.points[j].normal_impulse;
                row.tangent_impulse[j][lane] = m.points[j].tangent_impulse;
            }
        }
    }
}

// b2ContactSolver::InitializeVelocityConstraints with b2WorldManifold::Initialize.
template <class Body>
inline void initialize_contact(const Group& g, const Body& body, int b, ContactRow& row) {
    const auto m = body.inverse_mass, inertia = body.inverse_inertia;
    const Rot<F> q{g.sine[b], g.cosine[b]};
    const F2 origin{g.origin_x[b], g.origin_y[b]}, center{g.x[b], g.y[b]};
    const F2 face = select(row.manifold.on_segment, mul(q, row.manifold.local_normal), row.manifold.local_normal);
    const F2 plane = select(row.manifold.on_segment, mul(q, row.manifold.local_point) + origin, row.manifold.local_point);
    row.normal = select(row.manifold.on_segment, -face, face);
    row.tangent = clockwise(row.normal);
    F along[2];
    for (int j = 0; j < 2; ++j) {
        const I present = row.manifold.count > j;
        const F2 clip = select(row.manifold.on_segment, row.manifold.local[j], mul(q, row.manifold.local[j]) + origin);
        const F2 first = clip + (kPolygonRadius - dot(clip - plane, face)) * face;
        const F2 second = clip - splat(kPolygonRadius) * face;
        const F2 middle{0.5f * (first.x + second.x), 0.5f * (first.y + second.y)};
        row.r[j] = middle - center;
        along[j] = cross(row.r[j], row.normal);
        const F k_normal = m + inertia * along[j] * along[j];
        const F across = cross(row.r[j], row.tangent);
        const F k_tangent = m + inertia * across * across;
        row.normal_mass[j] = select(present, 1.0f / k_normal, F{});
        row.tangent_mass[j] = select(present, 1.0f / k_tangent, F{});
        row.normal_impulse[j] = g.dt_ratio * row.normal_impulse[j];
        row.tangent_impulse[j] = g.dt_ratio * row.tangent_impulse[j];
    }
    row.k11 = m + inertia * along[0] * along[0];
    row.k22 = m + inertia * along[1] * along[1];
    row.k12 = m + inertia * along[0] * along[1];
    // Two points nearly in one place make the block singular: Box2D then uses the first alone.
    row.two = (row.manifold.count == 2) & (row.k11 * row.k11 < 1000.0f * (row.k11 * row.k22 - row.k12 * row.k12));
    const F determinant = row.k11 * row.k22 - row.k12 * row.k12;
    const F inverse = select(determinant != 0.0f, 1.0f / determinant, determinant);
    row.inverse11 = inverse * row.k22;
    row.inverse12 = -inverse * row.k12;
    row.inverse22 = inverse * row.k11;
    row.tangent_mass[1] = select(row.two, row.tangent_mass[1], F{});
    row.normal_impulse[1] = select(row.two, row.normal_impulse[1], F{});
    row.tangent_impulse[1] = select(row.two, row.tangent_impulse[1], F{});
    row.any_second = any(row.two);
    row.normal = select(row.manifold.count > 0, row.normal, F2{});
    row.tangent = select(row.manifold.count > 0, row.tangent, F2{});
    for (int j = 0; j < 2; ++j) row.r[j] = select(row.manifold.count > j, row.r[j], F2{});
}

template <class N>
inline void push(Velocity& v, N m, N inertia, F2 impulse, F turn) {
    v.x += m * impulse.x;
    v.y += m * impulse.y;
    v.w += inertia * turn;
}

template <class Body>
inline void warm_start_contact(const Body& body, Velocity& v, const ContactRow& row) {
    for (int j = 0; j < (row.any_second ? 2 : 1); ++j) {
        const F2 impulse = row.normal_impulse[j] * row.normal + row.tangent_impulse[j] * row.tangent;
        push(v, body.inverse_mass, body.inverse_inertia, impulse, cross(row.r[j], impulse));
    }
}

// Here and below a - b stands for Box2D's a + -b, and -(a - b) for its -a - -b: equal but for the sign of zero.
inline F2 velocity_at(const Velocity& v, F2 r) { return {v.x - v.w * r.y, v.y + v.w * r.x}; }

// b2ContactSolver::SolveVelocityConstraints for one contact.
template <class N>
WALKER_INLINE void solve_contact(N m, N inertia, N friction, Velocity& v, ContactRow& row) {
    const F2 normal = row.normal, tangent = row.tangent;
    const bool second = row.any_second;
    for (int j = 0; j < 2; ++j) {
        if (j == 1 && !second) break;
        const F slip = dot(velocity_at(v, row.r[j]), tangent);
        const F limit = friction * row.normal_impulse[j];
        const F old = row.tangent_impulse[j];
        const F now = max(-limit, min(old - row.tangent_mass[j] * slip, limit));
        row.tangent_impulse[j] = now;
        const F2 impulse = (now - old) * tangent;
        push(v, m, inertia, impulse, cross(row.r[j], impulse));
    }
    const F approach1 = dot(velocity_at(v, row.r[0]), normal);
    const F old1 = row.normal_impulse[0];
    F x1 = max(old1 - row.normal_mass[0] * approach1, F{});
    if (!second) {
        row.normal_impulse[0] = x1;
        const F2 impulse = (x1 - old1) * normal;
        push(v, m, inertia, impulse, cross(row.r[0], impulse));
        return;
    }
    // The block of two: the first of the four cases that satisfies the complementarity conditions.
    const F approach2 = dot(velocity_at(v, row.r[1]), normal);
    const F old2 = row.normal_impulse[1];
    const F b1 = approach1 - (row.k11 * old1 + row.k12 * old2);
    const F b2 = approach2 - (row.k12 * old1 + row.k22 * old2);
    const F both1 = row.inverse11 * b1 + row.inverse12 * b2;  // the solutions with their signs turned
    const F both2 = row.inverse12 * b1 + row.inverse22 * b2;
    const I both = (both1 <= 0.0f) & (both2 <= 0.0f);
    const F only1 = row.normal_mass[0] * b1;
    const I first = (only1 <= 0.0f) & (b2 - row.k12 * only1 >= 0.0f);
    const F only2 = row.normal_mass[1] * b2;
    const I other = (only2 <= 0.0f) & (b1 - row.k12 * only2 >= 0.0f);
    const I none = (b1 >= 0.0f) & (b2 >= 0.0f);
    const F zero{};
    const F two1 = select(both, both1, select(first, only1, select(other | none, zero, -old1)));
    const F two2 = select(both, both2, select(first, zero, select(other, only2, select(none, zero, -old2))));
    x1 = select(row.two, -two1, x1);
    const F x2 = select(row.two, -two2, zero);
    row.normal_impulse[0] = x1;
    row.normal_impulse[1] = x2;
    const F2 impulse1 = (x1 - old1) * normal, impulse2 = (x2 - old2) * normal;
    push(v, m, inertia, impulse1 + impulse2, cross(row.r[0], impulse1) + cross(row.r[1], impulse2));
}

inline void store_impulses(Group& g, const ContactRow& row) {
    for (int lane = 0; lane < W; ++lane) {
        if (row.index[lane] < 0) continue;
        Manifold& m = g.contacts[lane].list[row.index[lane]].manifold;
        for (int j = 0; j < (row.two[lane] ? 2 : 1); ++j) {
            m.points[j].normal_impulse = row.normal_impulse[j][lane];
            m.points[j].tangent_impulse = row.tangent_impulse[j][lane];
        }
    }
}

// b2RevoluteJoint in lanes.
struct JointRow {
    F2 ra, rb;
    F k11, k12, k13, k22, k23;
    F inverse2;             // of the upper 2 x 2 block's determinant
    F inverse3;             // of the determinant
    F cx, cy, cz;           // cross(second column, third column)
    F speed, limit_motor;   // of the motor; the largest impulse
    F x, y, z, motor;       // impulses
    I lower, upper, limited;
    bool any_limited;
};

// Here and below N is float where all walkers of a group have the same body, else a row.
template <class N>
struct JointMass {
    N ma, mb, ia, ib;
    N sum() const { return ia + ib; }
};

template <class Model>
inline JointMass<typename Model::Number> masses(const Model& model, int j) {
    const auto &a = model.segment[model.joint[j].a], &b = model.segment[model.joint[j].b];
    return {a.inverse_mass, b.inverse_mass, a.inverse_inertia, b.inverse_inertia};
}

template <class N>
inline void pull(Velocity& a, Velocity& b, const JointMass<N>& m, F2 impulse, F turn_a, F turn_b) {
    a.x -= m.ma * impulse.x;
    a.y -= m.ma * impulse.y;
    a.w -= m.ia * turn_a;
    b.x += m.mb * impulse.x;
    b.y += m.mb * impulse.y;
    b.w += m.ib * turn_b;
}

// The same for an impulse with its sign turned.
template <class N>
inline void pull_back(Velocity& a, Velocity& b, const JointMass<N>& m, F2 impulse, F turn_a, F turn_b) {
    a.x += m.ma * impulse.x;
    a.y += m.ma * impulse.y;
    a.w += m.ia * turn_a;
    b.x -= m.mb * impulse.x;
    b.y -= m.mb * impulse.y;
    b.w -= m.ib * turn_b;
}

// b2RevoluteJoint::InitVelocityConstraints, with the warm start.
template <class Model>
inline void initialize_joint(Group& g, const Model& model, int j, JointRow& row, Velocity* v) {
    const auto& joint = model.joint[j];
    const auto m = masses(model, j);
    const auto ia = m.ia, ib = m.ib, mass = m.ma + m.mb;
    row.ra = mul(Rot<F>{g.sine[joint.a], g.cosine[joint.a]}, as_row<F>(joint.anchor_a));
    row.rb = mul(Rot<F>{g.sine[joint.b], g.cosine[joint.b]}, as_row<F>(joint.anchor_b));
    const F2 ra = row.ra, rb = row.rb;
    row.k11 = mass + ra.y * ra.y * ia + rb.y * rb.y * ib;
    row.k12 = -ra.y * ra.x * ia - rb.y * rb.x * ib;
    row.k13 = -ra.y * ia - rb.y * ib;
    row.k22 = mass + ra.x * ra.x * ia + rb.x * rb.x * ib;
    row.k23 = ra.x * ia + rb.x * ib;
    const F k33 = as_row<F>(ia + ib);
    const F det2 = row.k11 * row.k22 - row.k12 * row.k12;
    row.inverse2 = select(det2 != 0.0f, 1.0f / det2, det2);
    row.cx = row.k22 * k33 - row.k23 * row.k23;
    row.cy = row.k23 * row.k13 - row.k12 * k33;
    row.cz = row.k12 * row.k23 - row.k22 * row.k13;
    const F det3 = row.k11 * row.cx + row.k12 * row.cy + row.k13 * row.cz;
    row.inverse3 = select(det3 != 0.0f, 1.0f / det3, det3);
    row.speed = g.motor_speed[j];
    row.limit_motor = kDt * g.max_torque[j];

    const F angle = g.angle[joint.b] - g.angle[joint.a] - joint.reference;
    row.lower = angle <= joint.lower;
    row.upper = ~row.lower & (angle >= joint.upper);
    row.limited = row.lower | row.upper;
    row.any_limited = any(row.limited);
    const I state = select(row.lower, splat_mask(true), select(row.upper, 1 - I{}, I{}));
    // Arriving at a limit, or leaving it, forgets the limit's impulse.
    const F kept = select(row.limited & (state == g.limit_state[j]), g.limit_impulse[j], F{});
    g.limit_state[j] = state;
    row.x = g.impulse_x[j] * g.dt_ratio;
    row.y = g.impulse_y[j] * g.dt_ratio;
    row.z = kept * g.dt_ratio;
    row.motor = g.motor_impulse[j] * g.dt_ratio;
    const F2 impulse{row.x, row.y};
    pull(v[joint.a], v[joint.b], m, impulse, cross(ra, impulse) + row.motor + row.z,
         cross(rb, impulse) + row.motor + row.z);
}

// b2RevoluteJoint::SolveVelocityConstraints: motor, then limit and point together, or the point alone.
template <class N>
WALKER_INLINE void solve_joint(const JointMass<N>& m, Velocity& a, Velocity& b, JointRow& row, N motor_mass) {
    const F motor_old = row.motor;
    const F motor_now = max(-row.limit_motor, min(motor_old - motor_mass * (b.w - a.w - row.speed), row.limit_motor));
    row.motor = motor_now;
    const F motor_impulse = motor_now - motor_old;
    a.w -= m.ia * motor_impulse;
    b.w += m.ib * motor_impulse;

    const F cx = (b.x - b.w * row.rb.y - a.x) + a.w * row.ra.y;
    const F cy = (b.y + b.w * row.rb.x - a.y) - a.w * row.ra.x;
    if (!row.any_limited) {
        const F2 back{row.inverse2 * (row.k22 * cx - row.k12 * cy), row.inverse2 * (row.k11 * cy - row.k12 * cx)};
        row.x -= back.x;
        row.y -= back.y;
        pull_back(a, b, m, back, cross(row.ra, back), cross(row.rb, back));
        return;
    }
    const F cz = b.w - a.w;
    const F k33 = as_row<F>(m.sum());
    // b2Mat33::Solve33 by Cramer's rule
    const F all_x = row.inverse3 * (cx * row.cx + cy * row.cy + cz * row.cz);
    const F all_y = row.inverse3 * (row.k11 * (cy * k33 - cz * row.k23) + row.k12 * (cz * row.k13 - cx * k33) +
                                      row.k13 * (cx * row.k23 - cy * row.k13));
    const F all_z = row.inverse3 * (row.k11 * (row.k22 * cz - row.k23 * cy) + row.k12 * (row.k23 * cx - row.k12 * cz) +
                                      row.k13 * (row.k12 * cy - row.k22 * cx));
    const F pressed = row.z - all_z;
    const I released = (row.lower & (pressed < 0.0f)) | (row.upper & (pressed > 0.0f));
    const I point_only = released | ~row.limited;
    const F bx = cx - row.z * row.k13, by = cy - row.z * row.k23;
    const F2 back{select(point_only, row.inverse2 * (row.k22 * bx - row.k12 * by), all_x),
                  select(point_only, row.inverse2 * (row.k11 * by - row.k12 * bx), all_y)};
    const F back_z = select(point_only, row.z, all_z);
    row.x -= back.x;
    row.y -= back.y;
    row.z = select(point_only, F{}, pressed);
    pull_back(a, b, m, back, cross(row.ra, back) + back_z, cross(row.rb, back) + back_z);
}

}  // namespace WALKER_KERNEL
}  // namespace walker
