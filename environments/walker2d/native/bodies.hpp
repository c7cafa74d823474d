// The bodies of a group's walkers as rows, for groups in which they differ.
//
// Where all are the same, which is nearly always, the solver reads the one `WalkerModel` that they share; the
// arithmetic is the same either way, and so is every bit.
#pragma once

#include "constraints.hpp"

namespace walker {
inline namespace WALKER_KERNEL {

template <class T>
struct SegmentRow {
    int corners;
    Vec2<T> vertex[kCorners], local_center;
    T inverse_mass, inverse_inertia, friction;
};

template <class T>
struct AnchorRow {
    int a, b;
    Vec2<T> anchor_a, anchor_b;
    float reference, lower, upper;  // which no body has otherwise
};

// What the solver reads of a `WalkerModel`, by the same names.
template <class T>
struct ModelRows {
    using Number = T;

    SegmentRow<T> segment[kBodies];
    AnchorRow<T> joint[kJoints];
    T gravity;

    void put(int lane, const WalkerModel& model) {
        const auto put_point = [lane](Vec2<T>& row, Point p) {
            row.x[lane] = p.x;
            row.y[lane] = p.y;
        };
        for (int b = 0; b < kBodies; ++b) {
            const Segment& from = model.segment[b];
            SegmentRow<T>& to = segment[b];
            to.corners = from.corners;
            for (int i = 0; i < from.corners; ++i) put_point(to.vertex[i], from.vertex[i]);
            put_point(to.local_center, from.local_center);
            to.inverse_mass[lane] = from.inverse_mass;
            to.inverse_inertia[lane] = from.inverse_inertia;
            to.friction[lane] = from.friction;
        }
        for (int j = 0; j < kJoints; ++j) {
            const Joint& from = model.joint[j];
            AnchorRow<T>& to = joint[j];
            to.a = from.a;
            to.b = from.b;
            put_point(to.anchor_a, from.anchor_a);
            put_point(to.anchor_b, from.anchor_b);
            to.reference = from.reference;
            to.lower = from.lower;
            to.upper = from.upper;
        }
        gravity[lane] = model.gravity;
    }

    const WalkerModel* source[sizeof(T) / 4];  // of each lane
};

// The bodies of the worlds in some lanes, side by side; lanes beyond repeat the first.
template <class T>
inline ModelRows<V> bodies_of(const ModelRows<T>& model, const int* lanes, int count) {
    ModelRows<V> few;
    for (int k = 0; k < kNative; ++k) few.put(k, *model.source[lanes[k < count ? k : 0]]);
    return few;
}
inline const WalkerModel& bodies_of(const WalkerModel& model, const int*, int) { return model; }

// A body of a world that is under way, null where none is; `alike` says whether all others have the same.
inline const WalkerModel* body_of_any(const Group& g, bool& alike) {
    const WalkerModel* found = nullptr;
    alike = true;
    for (int lane = 0; lane < W; ++lane) {
        if (g.mode[lane] == Mode::kIdle) continue;
        if (!found) found = g.course[lane].model;
        alike = alike && g.course[lane].model == found;
    }
    return found;
}

// Idle lanes get somebody's, whose numbers are harmless.
inline void gather_bodies(const Group& g, const WalkerModel& somebody, ModelRows<F>& rows) {
    for (int lane = 0; lane < W; ++lane) {
        rows.source[lane] = g.mode[lane] == Mode::kIdle ? &somebody : g.course[lane].model;
        rows.put(lane, *rows.source[lane]);
    }
}

}  // namespace WALKER_KERNEL
}  // namespace walker
