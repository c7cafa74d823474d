// The beginning of a world: one lane cleared, and the walker put on the start pad.
#pragma once

#include "broadphase.hpp"

namespace walker {
inline namespace WALKER_KERNEL {

// Idle lanes hold zeros: harmless numbers for the solver to chew on.
inline void clear_lane(Group& g, int lane) {
    float* fields = reinterpret_cast<float*>(&g);
    constexpr std::size_t vectors = __builtin_offsetof(Group, flags) / sizeof(F);
    for (std::size_t i = 0; i < vectors; ++i) fields[i * W + static_cast<std::size_t>(lane)] = 0.0f;
    g.flags[lane] = {};
    g.contacts[lane].count = 0;
    g.contacts[lane].overflow = false;
    g.course[lane] = {};
    g.tree[lane] = nullptr;
    g.mode[lane] = Mode::kIdle;
    g.potential[lane] = 0.0;
}

inline void place(Group& g, int lane, int b, const Segment& body, V2 center, float angle) {
    const Pose pose = pose_of(body, center, angle);
    g.x[b][lane] = center.x;
    g.y[b][lane] = center.y;
    g.angle[b][lane] = angle;
    g.sine[b][lane] = pose.at.q.s;
    g.cosine[b][lane] = pose.at.q.c;
    g.origin_x[b][lane] = pose.at.p.x;
    g.origin_y[b][lane] = pose.at.p.y;
    for (int i = 0; i < body.corners; ++i) {
        g.corner_x[b][i][lane] = pose.corner[i].x;
        g.corner_y[b][i][lane] = pose.corner[i].y;
    }
}

// Plants the course's tree with the bodies in it, in their order of creation.
inline void plant(Group& g, int lane, TreeNode* tree) {
    const std::int32_t shapes = g.course[lane].size;
    g.tree[lane] = tree;
    copy_bytes(tree, g.course[lane].tree, static_cast<std::size_t>(tree_size(shapes)) * sizeof(TreeNode));
    for (int b = 0; b < kBodies; ++b) {
        tree[leaf_of_body(shapes, b)].box = fat_box(g, lane, b);
        insert_leaf(tree, leaf_of_body(shapes, b), first_inner(shapes) + shapes + b - 1);
    }
}

// Puts the walker of one lane on the start pad; its next step is the one that Gymnasium's reset takes.
inline void reset_lane(Group& g, int lane, const CourseView& course, float push, TreeNode* tree) {
    const WalkerModel& model = *course.model;
    clear_lane(g, lane);
    g.course[lane] = course;
    g.push[lane] = push;
    g.mode[lane] = Mode::kFresh;
    for (int b = 0; b < kBodies; ++b) {
        const Segment& body = model.segment[b];
        const Transform at{vec(model.start[b]), rotation(model.start_angle[b])};
        place(g, lane, b, body, mul(at, vec(body.local_center)), model.start_angle[b]);
        // A new body's transform is given, not derived from its centre of mass.
        g.origin_x[b][lane] = at.p.x;
        g.origin_y[b][lane] = at.p.y;
        Pose pose{at, {}};
        for (int i = 0; i < body.corners; ++i) {
            pose.corner[i] = mul(at, vec(body.vertex[i]));
            g.corner_x[b][i][lane] = pose.corner[i].x;
            g.corner_y[b][i][lane] = pose.corner[i].y;
        }
        const Aabb tight = tight_box(body, pose);
        g.fat_left[b][lane] = tight.lower.x - kAabbExtension;
        g.fat_bottom[b][lane] = tight.lower.y - kAabbExtension;
        g.fat_right[b][lane] = tight.upper.x + kAabbExtension;
        g.fat_top[b][lane] = tight.upper.y + kAabbExtension;
    }
    find_new_contacts(g, lane, (1u << kBodies) - 1);
    if (tree) plant(g, lane, tree);
}

}  // namespace WALKER_KERNEL
}  // namespace walker
