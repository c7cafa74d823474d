// One kernel: this file is compiled once for each width of rows and instruction set.
//
// HEXAPOD_KERNEL names the namespace (so that no two kernels share a symbol), HEXAPOD_LANES fixes the width,
// HEXAPOD_NAME is what users see.

#include "kernel.hpp"

#include "../mind.hpp"
#include "step.hpp"

namespace hexapod {
inline namespace HEXAPOD_KERNEL {
namespace {

struct Memory {
    Group group;
    D targets[kJoints];
    D squares[kJoints];  // of the last control step's torques
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

constexpr double kOrigin[4] = {0, 0, 0, 1}, kStraight[kJoints] = {};

void retire(void* group, int lane) {
    place_lane(memory(group).group, lane, nullptr, kOrigin, kOrigin, kStraight);
    for (D& each : memory(group).targets) each[lane] = 0.0;
}

void clear(void* group) {
    __builtin_memset(group, 0, sizeof(Memory));
    for (int lane = 0; lane < W; ++lane) retire(group, lane);
}

void place(void* group, int lane, const Course& course, const double* position, const double* q,
           const double* angles) {
    place_lane(memory(group).group, lane, &course, position, q, angles);
    for (D& each : memory(group).squares) each[lane] = 0.0;
}

void restore(void* group, int lane, const Course& course, const LaneState& state) {
    restore_lane(memory(group).group, lane, &course, state);
    for (D& each : memory(group).squares) each[lane] = 0.0;
}

LaneState state(const void* group, int lane) { return state_of_lane(memory(group).group, lane); }

void pose(void* group, const Model& model) { pose(memory(group).group, model); }

void aim(void* group, int lane, const double* targets) {
    for (int j = 0; j < kJoints; ++j) memory(group).targets[j][lane] = targets[j];
}

void drive(void* group, const Model& model, Ticks& spent) {
    Memory& m = memory(group);
    drive(m.group, model, m.targets, m.squares, spent);
}

void read(const void* group, const Model& model, int lane, double* state) {
    const Memory& m = memory(group);
    read_lane(m.group, model, m.squares, lane, state);
}

}  // namespace

extern const Kernel kKernel;
const Kernel kKernel = {HEXAPOD_NAME, W,     sizeof(Memory), alignof(Memory), supported, clear, place, retire,
                        restore,      state, pose,           aim,             drive,     read,  think, ticks};

}  // namespace HEXAPOD_KERNEL
}  // namespace hexapod
