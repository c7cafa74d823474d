// What a robot is seen to do.
#pragma once

#include "constants.hpp"

namespace hexapod {

// Columns of a state, as in engine.py.
enum : int { kPosition = 0, kTurn = 3, kVelocity = 7, kSpin = 10, kAngles = 13 };
enum : int { kSpeeds = kAngles + kJoints, kTorques = kSpeeds + kJoints, kFeet = kTorques + kJoints };
constexpr int kStateSize = kFeet + kLegs;
using State = std::array<double, kStateSize>;

}  // namespace hexapod
