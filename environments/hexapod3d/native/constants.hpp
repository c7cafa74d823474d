// The numbers of body, engine, gait and task. They are written down in the Python modules of those names, which hand
// them over when the core is made: the two can not differ.
#pragma once

#include <array>
#include <string>
#include <vector>

namespace hexapod {

// A core is compiled for each number of legs: loops of known length are what makes it fast.
constexpr int kLegs = HEXAPOD_LEGS, kJoints = 3 * kLegs;
constexpr int kUnderside = 15, kScan = 15;
constexpr int kObservations = 2 * kJoints + 11 + kLegs + 2 + kScan;

using Joints = std::array<double, kJoints>;

constexpr int kMostDelay = 2;  // control steps

// What is hidden of a robot, and differs from one world to the next: physics.py. Ordinary as it is made.
struct Hidden {
    Joints gains;              // the share of its torque that each drive gives
    double friction_rate = 1;  // of the feet, as a share of the ordinary
    double load = 1;           // of the trunk's mass
    int delay = 0;             // control steps from an action to the drives, at most kMostDelay

    constexpr Hidden() : gains{} { gains.fill(1.0); }
};

struct Constants {
    std::string urdf;  // the text
    // engine
    double time_step, gravity, friction, margin, contact_erp, aloft;
    int substeps, iterations;
    double stiffness, damping, lead, torque;
    // ground
    int rows, columns;
    double cell, ground_start, ground_end, half_width;
    // body
    double height, speed;
    std::array<double, 3> segments;
    std::array<double, kLegs> hip_x, hip_y, yaw, side, beat;
    Joints low, high, stance;
    std::vector<double> sine;  // terms of portable.py's series
    // gait
    std::vector<double> clock;  // sine and cosine of each control step of a period
    double stroke, stroke_range, shift_range, lift, tuck, hold_range;
    // task
    double start_height;
    std::array<double, 2 * kScan> scan;
    std::array<double, 3 * kUnderside> underside;
    std::array<double, 13> most_motion;
    double scan_range, speed_range, spin_range, most, side_limit, back_limit, finish;
    double metre_reward, most_headway, effort_cost, fall_reward, upright, headway, deepest;
    int under, patience;
};

}  // namespace hexapod
