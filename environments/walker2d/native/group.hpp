// The state of one group: W worlds side by side, one a lane.
//
// What the solver reads stands lane by lane (structure of arrays); contact
// lists, which differ in length and kind from world to world, stand apart.
#pragma once

#include "collide.hpp"
#include "constants.hpp"
#include "shapes.hpp"
#include "lanes.hpp"

namespace walker {
inline namespace WALKER_KERNEL {

// b2Contact between one static shape and one segment.
struct Contact {
    Manifold manifold;
    float toi;
    std::int16_t shape;
    std::int8_t body;
    std::int8_t toi_count;
    bool touching, enabled, toi_valid, in_island;
};

// The contacts of one world in order of creation; Box2D's lists run newest first, that is backwards.
struct Contacts {
    int count;
    bool overflow;
    Contact list[kMaxContacts];

    void remove(int i) {
        --count;
        for (int k = i; k < count; ++k) list[k] = list[k + 1];
    }
};

enum class Mode : std::uint8_t { kIdle, kFresh, kRunning };

// What a world shows besides its motion.
struct Flags {
    bool standing[2];  // Gymnasium's foot flag: one contact's end clears it though another may last
    bool hull_touched;
    bool broken;       // the numbers broke down, or a capacity was exceeded
};

struct Group {
    // Motion of the bodies' centres of mass.
    F x[kBodies], y[kBodies], angle[kBodies];
    F vx[kBodies], vy[kBodies], spin[kBodies];
    F old_x[kBodies], old_y[kBodies], old_angle[kBodies];  // at the start of the step
    F sleep_time[kBodies];
    I asleep;
    // Transforms of the origins, corners, and the fat bounding boxes of the broad phase.
    F origin_x[kBodies], origin_y[kBodies], sine[kBodies], cosine[kBodies];
    F old_origin_x[kBodies], old_origin_y[kBodies];
    F corner_x[kBodies][kCorners], corner_y[kBodies][kCorners];
    F old_corner_x[kBodies][kCorners], old_corner_y[kBodies][kCorners];
    F fat_left[kBodies], fat_bottom[kBodies], fat_right[kBodies], fat_top[kBodies];
    // Joints.
    F impulse_x[kJoints], impulse_y[kJoints], limit_impulse[kJoints], motor_impulse[kJoints];
    I limit_state[kJoints];  // -1 lower, 1 upper, 0 inactive
    F motor_speed[kJoints], max_torque[kJoints];
    F waiting[kMostDelay][kActions];  // actions that have not reached the motors, the oldest first
    F push;     // N on the hull in the first step
    F dt_ratio; // 0 in the first step, then 1

    F action[kActions];
    F observation[kObservations];

    Flags flags[W];
    Contacts contacts[W];
    CourseView course[W];  // and the body of the world that walks it
    TreeNode* tree[W];  // where the published lidar is asked for
    Mode mode[W];
    double potential[W];  // progress less tilt
};

inline Pose pose_at(const Group& g, const WalkerModel& model, int lane, int b) {
    Pose pose;
    pose.at.p = {g.origin_x[b][lane], g.origin_y[b][lane]};
    pose.at.q = {g.sine[b][lane], g.cosine[b][lane]};
    for (int i = 0; i < model.segment[b].corners; ++i) {
        pose.corner[i] = {g.corner_x[b][i][lane], g.corner_y[b][i][lane]};
    }
    return pose;
}

}  // namespace WALKER_KERNEL
}  // namespace walker
