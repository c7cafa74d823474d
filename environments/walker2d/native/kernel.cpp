// One kernel: this file is compiled once for each lane width and instruction set.
//
// WALKER_KERNEL names the namespace (so that no two kernels share a symbol),
// WALKER_LANES fixes the width, WALKER_NAME is what users see.

#include "course.hpp"
#include "kernel.hpp"

#include "controller.hpp"
#include "step.hpp"
#include "world.hpp"

namespace walker {
inline namespace WALKER_KERNEL {
namespace {

struct Memory {
    Group group;
    Controllers controllers;
    ContactRows rows;
};

Memory& memory(void* group) { return *static_cast<Memory*>(group); }
const Memory& memory(const void* group) { return *static_cast<const Memory*>(group); }

bool supported() {
#if defined(__AVX512F__)
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw");
#elif defined(__AVX2__)
    return __builtin_cpu_supports("avx2");
#else
    return true;
#endif
}

void clear(void* group) {
    Memory& m = memory(group);
    __builtin_memset(static_cast<void*>(&m.controllers), 0, sizeof m.controllers);
    for (int lane = 0; lane < W; ++lane) clear_lane(m.group, lane);
}

void reset(void* group, int lane, const CourseView& course, float push, TreeNode* tree) {
    reset_lane(memory(group).group, lane, course, push, tree);
}

void retire(void* group, int lane) { clear_lane(memory(group).group, lane); }

void load(void* group, int lane, const float* theta) { load_controller(memory(group).controllers, lane, theta); }

void act(void* group, StageTimes* times) {
    const std::uint64_t start = ticks();
    act(memory(group).controllers, memory(group).group);
    times->controller += ticks() - start;
}

void set_action(void* group, int lane, const float* action) {
    for (int j = 0; j < kActions; ++j) memory(group).group.action[j][lane] = action[j];
}

void step(void* group, StepResult* results, StageTimes* times) {
    step(memory(group).group, memory(group).rows, results, *times);
}

void observe(const void* group, int lane, float* observation) {
    for (int i = 0; i < kObservations; ++i) observation[i] = memory(group).group.observation[i][lane];
}

void get_state(const void* group, int lane, WorldState& state) {
    const Group& g = memory(group).group;
    for (int b = 0; b < kBodies; ++b) {
        state.center[b][0] = g.x[b][lane];
        state.center[b][1] = g.y[b][lane];
        state.angle[b] = g.angle[b][lane];
        state.velocity[b][0] = g.vx[b][lane];
        state.velocity[b][1] = g.vy[b][lane];
        state.spin[b] = g.spin[b][lane];
        state.sleep_time[b] = g.sleep_time[b][lane];
        state.fat[b][0] = g.fat_left[b][lane];
        state.fat[b][1] = g.fat_bottom[b][lane];
        state.fat[b][2] = g.fat_right[b][lane];
        state.fat[b][3] = g.fat_top[b][lane];
    }
    for (int j = 0; j < kJoints; ++j) {
        state.joint_impulse[j][0] = g.impulse_x[j][lane];
        state.joint_impulse[j][1] = g.impulse_y[j][lane];
        state.joint_impulse[j][2] = g.limit_impulse[j][lane];
        state.joint_impulse[j][3] = g.motor_impulse[j][lane];
        state.limit_state[j] = g.limit_state[j][lane];
    }
    state.standing[0] = g.flags[lane].standing[0];
    state.standing[1] = g.flags[lane].standing[1];
    state.hull_touched = g.flags[lane].hull_touched;
    for (int i = 0; i < kMostDelay; ++i) {
        for (int j = 0; j < kActions; ++j) state.waiting[i][j] = g.waiting[i][j][lane];
    }
    state.potential = g.potential[lane];
    state.contacts = g.contacts[lane].count;
    for (int i = 0; i < state.contacts; ++i) {
        const Contact& from = g.contacts[lane].list[i];
        ContactState& to = state.contact[i];
        to = {from.shape, from.body, from.touching, 0, from.manifold.count, {}, {}, {}, {}, {}, {}};
        if (from.manifold.count == 0) continue;
        to.on_segment = from.manifold.on_segment;
        to.normal[0] = from.manifold.normal.x;
        to.normal[1] = from.manifold.normal.y;
        to.point[0] = from.manifold.point.x;
        to.point[1] = from.manifold.point.y;
        for (int k = 0; k < from.manifold.count; ++k) {
            const ManifoldPoint& point = from.manifold.points[k];
            to.local[k][0] = point.local.x;
            to.local[k][1] = point.local.y;
            to.normal_impulse[k] = point.normal_impulse;
            to.tangent_impulse[k] = point.tangent_impulse;
            to.id[k] = point.id;
        }
    }
}

void set_state(void* group, int lane, const WorldState& state) {
    Group& g = memory(group).group;
    if (!g.course[lane].model) g.course[lane].model = &walker_model();
    const WalkerModel& model = *g.course[lane].model;
    for (int b = 0; b < kBodies; ++b) {
        place(g, lane, b, model.segment[b], {state.center[b][0], state.center[b][1]}, state.angle[b]);
        g.vx[b][lane] = state.velocity[b][0];
        g.vy[b][lane] = state.velocity[b][1];
        g.spin[b][lane] = state.spin[b];
        g.sleep_time[b][lane] = state.sleep_time[b];
        g.fat_left[b][lane] = state.fat[b][0];
        g.fat_bottom[b][lane] = state.fat[b][1];
        g.fat_right[b][lane] = state.fat[b][2];
        g.fat_top[b][lane] = state.fat[b][3];
    }
    for (int j = 0; j < kJoints; ++j) {
        g.impulse_x[j][lane] = state.joint_impulse[j][0];
        g.impulse_y[j][lane] = state.joint_impulse[j][1];
        g.limit_impulse[j][lane] = state.joint_impulse[j][2];
        g.motor_impulse[j][lane] = state.joint_impulse[j][3];
        g.limit_state[j][lane] = state.limit_state[j];
    }
    g.flags[lane] = {{state.standing[0] != 0, state.standing[1] != 0}, state.hull_touched != 0, false};
    for (int i = 0; i < kMostDelay; ++i) {
        for (int j = 0; j < kActions; ++j) g.waiting[i][j][lane] = state.waiting[i][j];
    }
    g.potential[lane] = state.potential;
    g.mode[lane] = Mode::kRunning;
    g.push[lane] = 0.0f;
    g.dt_ratio[lane] = kInvDt * kDt;
    Contacts& contacts = g.contacts[lane];
    contacts.overflow = false;
    contacts.count = state.contacts;
    for (int i = 0; i < state.contacts; ++i) {
        const ContactState& from = state.contact[i];
        Contact& to = contacts.list[i];
        to.shape = static_cast<std::int16_t>(from.shape);
        to.body = static_cast<std::int8_t>(from.body);
        to.touching = from.touching != 0;
        to.enabled = true;
        to.toi = 1.0f;
        to.toi_count = 0;
        to.toi_valid = to.in_island = false;
        to.manifold.on_segment = from.on_segment != 0;
        to.manifold.count = from.count;
        to.manifold.normal = {from.normal[0], from.normal[1]};
        to.manifold.point = {from.point[0], from.point[1]};
        for (int k = 0; k < from.count; ++k) {
            to.manifold.points[k] = {{from.local[k][0], from.local[k][1]}, from.normal_impulse[k],
                                     from.tangent_impulse[k], from.id[k]};
        }
    }
}

void functions(const float* x, float* sine, float* cosine, float* tanh, std::size_t n) {
    for (std::size_t i = 0; i < n; i += W) {
        F row{};
        for (std::size_t k = 0; k < W && i + k < n; ++k) row[k] = x[i + k];
        const Rot<F> q = rotation(row);
        const F t = hyperbolic_tangent(row);
        for (std::size_t k = 0; k < W && i + k < n; ++k) {
            sine[i + k] = q.s[k];
            cosine[i + k] = q.c[k];
            tanh[i + k] = t[k];
        }
    }
}

}  // namespace

extern const Kernel kKernel;
const Kernel kKernel = {WALKER_NAME, W,          sizeof(Memory), alignof(Memory), supported, clear,     reset,
                        retire,      load,       act,            set_action,      step,      observe,   get_state,
                        set_state,   functions};

}  // namespace WALKER_KERNEL
}  // namespace walker
