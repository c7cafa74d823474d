// Continuous collision of one world: b2World::SolveTOI and b2Island::SolveTOI.
//
// Segments meet static shapes only, so an event moves one segment; joints
// take no part, as in Box2D. Most contacts are far from touching at any time
// of the step; a cheap bound proves it and spares the search.
#pragma once

#include "broadphase.hpp"
#include "toi.hpp"

namespace walker {
inline namespace WALKER_KERNEL {

// True where the straight paths of all corners, widened by the bow of their turn, keep clear of the
// shape along one of its axes: then no search can find an impact. The margin covers rounding.
inline bool surely_misses(const Group& g, const WalkerModel& model, int lane, const Contact& contact) {
    const Shape& shape = g.course[lane].shapes[contact.shape];
    const int b = contact.body;
    const Segment& body = model.segment[b];
    const float turn = g.angle[b][lane] - g.old_angle[b][lane];
    const float clear = kToiTarget + kToiTolerance + 0.0007f + 0.125f * body.reach * turn * turn;
    V2 corner[2 * kCorners];
    for (int i = 0; i < body.corners; ++i) {
        corner[2 * i] = {g.corner_x[b][i][lane], g.corner_y[b][i][lane]};
        corner[2 * i + 1] = {g.old_corner_x[b][i][lane], g.old_corner_y[b][i][lane]};
    }
    const auto beyond = [&](V2 normal, V2 on_face) {
        float least = kMaxFloat;
        for (int i = 0; i < 2 * body.corners; ++i) least = minf(least, dot(normal, corner[i] - on_face));
        return least > clear;
    };
    if (shape.corners == 2) {
        const V2 normal = vec(shape.normal[0]), along = {-normal.y, normal.x};
        return beyond(normal, vec(shape.vertex[0])) || beyond(-normal, vec(shape.vertex[0])) ||
               beyond(along, vec(shape.vertex[1])) || beyond(-along, vec(shape.vertex[0]));
    }
    for (int i = 0; i < shape.corners; ++i) {
        if (beyond(vec(shape.normal[i]), vec(shape.vertex[i]))) return true;
    }
    return false;
}

// Box2D advances static bodies' sweeps too; a segment that meets one later is put onto its time.
struct StaticTimes {
    int count = 0;
    std::int16_t shape[kMaxContacts];
    float alpha0[kMaxContacts];

    float& of(std::int16_t wanted) {
        for (int i = 0; i < count; ++i) {
            if (shape[i] == wanted) return alpha0[i];
        }
        shape[count] = wanted;
        alpha0[count] = 0.0f;
        return alpha0[count++];
    }
};

struct ContinuousWorld {
    Group& g;
    const WalkerModel& model;
    const int lane;
    Contacts& contacts;
    Sweep sweep[kBodies];
    StaticTimes times;

    ContinuousWorld(Group& group, const WalkerModel& walker, int which)
        : g(group), model(walker), lane(which), contacts(group.contacts[which]) {
        for (int b = 0; b < kBodies; ++b) {
            sweep[b] = {vec(model.segment[b].local_center),
                        {g.old_x[b][lane], g.old_y[b][lane]},
                        {g.x[b][lane], g.y[b][lane]},
                        g.old_angle[b][lane],
                        g.angle[b][lane],
                        0.0f};
        }
        for (int i = 0; i < contacts.count; ++i) {
            contacts.list[i].toi_valid = contacts.list[i].in_island = false;
            contacts.list[i].toi_count = 0;
            contacts.list[i].toi = 1.0f;
        }
    }

    const Shape& shape_of(const Contact& contact) const { return g.course[lane].shapes[contact.shape]; }

    // The earliest contact, or -1 when none comes within the step.
    int first_impact(float& when) {
        int first = -1;
        when = 1.0f;
        for (int i = contacts.count - 1; i >= 0; --i) {
            Contact& contact = contacts.list[i];
            if (!contact.enabled || contact.toi_count > kMaxSubSteps) continue;
            if (!contact.toi_valid) {
                Sweep& moving = sweep[contact.body];
                float& still = times.of(contact.shape);
                float alpha0 = still;
                if (still < moving.alpha0) {
                    alpha0 = still = moving.alpha0;
                } else if (moving.alpha0 < still) {
                    moving.advance(still);
                }
                float fraction;
                contact.toi = 1.0f;
                if (surely_misses(g, model, lane, contact)) {
                    contact.toi = 1.0f;
                } else if (time_of_impact(fraction, shape_of(contact), model.segment[contact.body], moving)) {
                    contact.toi = minf(alpha0 + (1.0f - alpha0) * fraction, 1.0f);
                }
                contact.toi_valid = true;
            }
            if (contact.toi < when) {
                first = i;
                when = contact.toi;
            }
        }
        return 1.0f - 10.0f * kEpsilon < when ? -1 : first;
    }

    // b2Body::Advance
    Pose advance(int b, float when) {
        Sweep& moving = sweep[b];
        moving.advance(when);
        moving.c = moving.c0;
        moving.a = moving.a0;
        return pose_of(model.segment[b], moving.c, moving.a);
    }

    void run() {
        float when;
        for (int i; (i = first_impact(when)) >= 0;) {
            if (when != when) return;
            const int b = contacts.list[i].body;
            const Sweep backup = sweep[b];
            float& still = times.of(contacts.list[i].shape);
            const float still_backup = still;
            Pose pose = advance(b, when);
            still = when;
            update_contact(g, model, lane, contacts.list[i], pose);
            contacts.list[i].toi_valid = false;
            ++contacts.list[i].toi_count;
            if (!contacts.list[i].touching) {
                contacts.list[i].enabled = false;
                sweep[b] = backup;
                still = still_backup;
                continue;
            }
            int island[kMaxToiContacts];
            const int size = gather_island(island, i, pose, when);
            solve_island(island, size, b, when);
            for (int k = 0; k < contacts.count; ++k) {
                if (contacts.list[k].body == b) contacts.list[k].toi_valid = contacts.list[k].in_island = false;
            }
            find_new_contacts(g, lane, settle(b) ? 1u << b : 0u);
        }
    }

    // The impact's contact first, then the segment's others that touch at that time, newest first.
    int gather_island(int* island, int impact, const Pose& pose, float when) {
        int size = 0;
        island[size++] = impact;
        contacts.list[impact].in_island = true;
        for (int k = contacts.count - 1; k >= 0 && size < kMaxToiContacts; --k) {
            Contact& contact = contacts.list[k];
            if (contact.body != contacts.list[impact].body || contact.in_island) continue;
            update_contact(g, model, lane, contact, pose);
            if (!contact.touching) continue;
            times.of(contact.shape) = when;
            contact.in_island = true;
            island[size++] = k;
        }
        return size;
    }

    struct Row {
        V2 normal, tangent, r[2];
        float normal_mass[2], tangent_mass[2], normal_impulse[2], tangent_impulse[2];
        float k11, k12, k22, inverse11, inverse12, inverse22;
        int count;
    };

    void solve_island(const int* island, int size, int b, float when) {
        const Segment& body = model.segment[b];
        Sweep& moving = sweep[b];
        V2 c = moving.c;
        float a = moving.a;
        for (int iteration = 0; iteration < kToiPositionIterations; ++iteration) {
            float least = 0.0f;
            for (int k = 0; k < size; ++k) correct(contacts.list[island[k]].manifold, body, c, a, least);
            if (least >= -1.5f * kLinearSlop) break;
        }
        moving.c0 = c;  // a leap of faith to the new safe state
        moving.a0 = a;

        V2 v{g.vx[b][lane], g.vy[b][lane]};
        float w = g.spin[b][lane];
        Row rows[kMaxToiContacts];
        for (int k = 0; k < size; ++k) initialize(rows[k], contacts.list[island[k]].manifold, body, c, a);
        iterate(rows, size, body, v, w);

        const float h = (1.0f - when) * kDt;
        const V2 translation = h * v;
        if (dot(translation, translation) > kMaxTranslation * kMaxTranslation) {
            v = (kMaxTranslation / length(translation)) * v;
        }
        const float turn = h * w;
        if (turn * turn > kMaxRotation * kMaxRotation) w *= kMaxRotation / absf(turn);
        moving.c = c + h * v;
        moving.a = a + h * w;
        g.vx[b][lane] = v.x;
        g.vy[b][lane] = v.y;
        g.spin[b][lane] = w;
    }

    // All velocity iterations, or fewer with the same result: a state that equals one some iterations
    // before will recur with that period, so whole periods may be left out.
    static void iterate(Row* rows, int size, const Segment& body, V2& v, float& w) {
        constexpr int kFew = 4;
        struct {
            V2 v;
            float w, impulses[kFew][4];
        } snapshot;
        int end = kVelocityIterations, taken = 0;
        bool repeats = false;
        for (int iteration = 1; iteration <= end; ++iteration) {
            for (int k = 0; k < size; ++k) solve_row(rows[k], body, v, w);
            if (repeats || size > kFew) continue;
            if (taken > 0 && v.x == snapshot.v.x && v.y == snapshot.v.y && w == snapshot.w) {
                bool same = true;
                for (int k = 0; k < size; ++k) {
                    for (int j = 0; j < rows[k].count; ++j) {
                        same = same && rows[k].normal_impulse[j] == snapshot.impulses[k][j] &&
                               rows[k].tangent_impulse[j] == snapshot.impulses[k][2 + j];
                    }
                }
                if (same) {
                    end = iteration + (kVelocityIterations - iteration) % (iteration - taken);
                    repeats = true;
                    continue;
                }
            }
            if ((iteration & (iteration - 1)) == 0) {  // 1, 2, 4, 8, ...
                taken = iteration;
                snapshot.v = v;
                snapshot.w = w;
                for (int k = 0; k < size; ++k) {
                    for (int j = 0; j < rows[k].count; ++j) {
                        snapshot.impulses[k][j] = rows[k].normal_impulse[j];
                        snapshot.impulses[k][2 + j] = rows[k].tangent_impulse[j];
                    }
                }
            }
        }
    }

    // b2ContactSolver::SolveTOIPositionConstraints for one contact.
    static void correct(const Manifold& m, const Segment& body, V2& c, float& a, float& least) {
        for (int j = 0; j < m.count; ++j) {
            Transform at;
            at.q = rotation(a);
            at.p = c - mul(at.q, vec(body.local_center));
            const V2 face = m.on_segment ? mul(at.q, m.normal) : m.normal;
            const V2 plane = m.on_segment ? mul(at, m.point) : m.point;
            const V2 clipped = m.on_segment ? m.points[j].local : mul(at, m.points[j].local);
            const float separation = dot(clipped - plane, face) - kPolygonRadius - kPolygonRadius;
            const V2 normal = m.on_segment ? -face : face;
            const V2 r = clipped - c;
            least = minf(least, separation);
            const float error = clampf(kToiBaumgarte * (separation + kLinearSlop), -kMaxLinearCorrection, 0.0f);
            const float arm = cross(r, normal);
            const float k = body.inverse_mass + body.inverse_inertia * arm * arm;
            const V2 impulse = (k > 0.0f ? -error / k : 0.0f) * normal;
            c = c + body.inverse_mass * impulse;
            a += body.inverse_inertia * cross(r, impulse);
        }
    }

    static void initialize(Row& row, const Manifold& m, const Segment& body, V2 c, float a) {
        const float mass = body.inverse_mass, inertia = body.inverse_inertia;
        Transform at;
        at.q = rotation(a);
        at.p = c - mul(at.q, vec(body.local_center));
        const V2 face = m.on_segment ? mul(at.q, m.normal) : m.normal;
        const V2 plane = m.on_segment ? mul(at, m.point) : m.point;
        row.normal = m.on_segment ? -face : face;
        row.tangent = clockwise(row.normal);
        row.count = m.count;
        float arm[2] = {};
        for (int j = 0; j < m.count; ++j) {
            const V2 clipped = m.on_segment ? m.points[j].local : mul(at, m.points[j].local);
            const V2 first = clipped + (kPolygonRadius - dot(clipped - plane, face)) * face;
            const V2 second = clipped - kPolygonRadius * face;
            row.r[j] = 0.5f * (first + second) - c;
            arm[j] = cross(row.r[j], row.normal);
            const float across = cross(row.r[j], row.tangent);
            row.normal_mass[j] = 1.0f / (mass + inertia * arm[j] * arm[j]);
            row.tangent_mass[j] = 1.0f / (mass + inertia * across * across);
            row.normal_impulse[j] = row.tangent_impulse[j] = 0.0f;
        }
        if (row.count < 2) return;
        row.k11 = mass + inertia * arm[0] * arm[0];
        row.k22 = mass + inertia * arm[1] * arm[1];
        row.k12 = mass + inertia * arm[0] * arm[1];
        if (!(row.k11 * row.k11 < 1000.0f * (row.k11 * row.k22 - row.k12 * row.k12))) {
            row.count = 1;
            return;
        }
        const float determinant = row.k11 * row.k22 - row.k12 * row.k12;
        const float inverse = determinant != 0.0f ? 1.0f / determinant : determinant;
        row.inverse11 = inverse * row.k22;
        row.inverse12 = -inverse * row.k12;
        row.inverse22 = inverse * row.k11;
    }

    static V2 velocity_at(V2 v, float w, V2 r) { return v + cross(w, r); }

    static void apply(const Segment& body, V2& v, float& w, V2 impulse, float turn) {
        v = v + body.inverse_mass * impulse;
        w += body.inverse_inertia * turn;
    }

    static void solve_row(Row& row, const Segment& body, V2& v, float& w) {
        for (int j = 0; j < row.count; ++j) {
            const float slip = dot(velocity_at(v, w, row.r[j]), row.tangent);
            const float limit = body.friction * row.normal_impulse[j];
            const float old = row.tangent_impulse[j];
            row.tangent_impulse[j] = clampf(old + row.tangent_mass[j] * -slip, -limit, limit);
            const V2 impulse = (row.tangent_impulse[j] - old) * row.tangent;
            apply(body, v, w, impulse, cross(row.r[j], impulse));
        }
        const float approach1 = dot(velocity_at(v, w, row.r[0]), row.normal);
        const float old1 = row.normal_impulse[0];
        if (row.count == 1) {
            row.normal_impulse[0] = maxf(old1 + -row.normal_mass[0] * approach1, 0.0f);
            const V2 impulse = (row.normal_impulse[0] - old1) * row.normal;
            apply(body, v, w, impulse, cross(row.r[0], impulse));
            return;
        }
        const float approach2 = dot(velocity_at(v, w, row.r[1]), row.normal);
        const float old2 = row.normal_impulse[1];
        const float b1 = approach1 - (row.k11 * old1 + row.k12 * old2);
        const float b2 = approach2 - (row.k12 * old1 + row.k22 * old2);
        float x1 = -(row.inverse11 * b1 + row.inverse12 * b2), x2 = -(row.inverse12 * b1 + row.inverse22 * b2);
        if (!(x1 >= 0.0f && x2 >= 0.0f)) {
            x1 = -row.normal_mass[0] * b1;
            x2 = 0.0f;
            if (!(x1 >= 0.0f && row.k12 * x1 + b2 >= 0.0f)) {
                x1 = 0.0f;
                x2 = -row.normal_mass[1] * b2;
                if (!(x2 >= 0.0f && row.k12 * x2 + b1 >= 0.0f)) {
                    x2 = 0.0f;
                    if (!(b1 >= 0.0f && b2 >= 0.0f)) return;
                }
            }
        }
        const V2 impulse1 = (x1 - old1) * row.normal, impulse2 = (x2 - old2) * row.normal;
        apply(body, v, w, impulse1 + impulse2, cross(row.r[0], impulse1) + cross(row.r[1], impulse2));
        row.normal_impulse[0] = x1;
        row.normal_impulse[1] = x2;
    }

    // Writes the segment's new place back and moves its box; true when the box had to move.
    bool settle(int b) {
        const Segment& body = model.segment[b];
        const Sweep& moving = sweep[b];
        const Pose now = pose_of(body, moving.c, moving.a);
        const Pose before = pose_of(body, moving.c0, moving.a0);
        g.x[b][lane] = moving.c.x;
        g.y[b][lane] = moving.c.y;
        g.angle[b][lane] = moving.a;
        g.sine[b][lane] = now.at.q.s;
        g.cosine[b][lane] = now.at.q.c;
        g.origin_x[b][lane] = now.at.p.x;
        g.origin_y[b][lane] = now.at.p.y;
        for (int i = 0; i < body.corners; ++i) {
            g.corner_x[b][i][lane] = now.corner[i].x;
            g.corner_y[b][i][lane] = now.corner[i].y;
            g.old_corner_x[b][i][lane] = before.corner[i].x;  // the rest of the step begins there
            g.old_corner_y[b][i][lane] = before.corner[i].y;
        }
        g.old_angle[b][lane] = moving.a0;
        Aabb swept = tight_box(body, before);
        const Aabb end = tight_box(body, now);
        swept = {{minf(swept.lower.x, end.lower.x), minf(swept.lower.y, end.lower.y)},
                 {maxf(swept.upper.x, end.upper.x), maxf(swept.upper.y, end.upper.y)}};
        return move_box(g, lane, b, swept, now.at.p - before.at.p);
    }
};

inline void solve_impacts(Group& g, const WalkerModel& model, int lane) {
    const Contacts& contacts = g.contacts[lane];
    bool near = false;
    for (int i = 0; i < contacts.count && !near; ++i) near = !surely_misses(g, model, lane, contacts.list[i]);
    if (!near) return;
    ContinuousWorld world(g, model, lane);
    world.run();
}

}  // namespace WALKER_KERNEL
}  // namespace walker
