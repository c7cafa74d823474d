// Box2D 2.3's tuning constants (b2Settings.h) and the limits of this engine.
//
// The values are those that pybox2d is built with; changing one changes the world.
#pragma once

#include "target.hpp"

namespace walker {

constexpr float kPi = 3.14159265359f;
constexpr float kLinearSlop = 0.005f;                   // m
constexpr float kAngularSlop = 2.0f / 180.0f * kPi;     // rad
constexpr float kPolygonRadius = 2.0f * kLinearSlop;    // m, skin of polygons and edges
constexpr float kTotalRadius = kPolygonRadius + kPolygonRadius;
constexpr float kAabbExtension = 0.1f;                  // m
constexpr float kAabbMultiplier = 2.0f;
constexpr int kMaxSubSteps = 8;
constexpr int kMaxToiContacts = 32;
constexpr int kMaxPolygonVertices = 16;                 // Box2D's bound, which ends the push-back loop of the TOI search
constexpr float kMaxLinearCorrection = 0.2f;            // m
constexpr float kMaxAngularCorrection = 8.0f / 180.0f * kPi;
constexpr float kMaxTranslation = 2.0f;                 // m a step
constexpr float kMaxRotation = 0.5f * kPi;              // rad a step
constexpr float kBaumgarte = 0.2f;
constexpr float kToiBaumgarte = 0.75f;
constexpr float kTimeToSleep = 0.5f;                    // s
constexpr float kLinearSleepTolerance = 0.01f;          // m/s
constexpr float kAngularSleepTolerance = 2.0f / 180.0f * kPi;
constexpr float kEpsilon = WALKER_FLT_EPSILON;
constexpr float kMaxFloat = WALKER_FLT_MAX;

constexpr float kDt = static_cast<float>(1.0 / 50.0);   // s
constexpr float kInvDt = 1.0f / kDt;
constexpr int kVelocityIterations = 180;
constexpr int kPositionIterations = 60;
constexpr int kToiPositionIterations = 20;

constexpr int kBodies = 5;        // hull, thigh and shin of the first leg, thigh and shin of the second
constexpr int kJoints = 4;        // hip and knee of the first leg, hip and knee of the second
constexpr int kCorners = 5;       // of the hull; a leg segment has four
constexpr int kRays = 10;
constexpr float kNoReport = 0.0f; // of the rays of a lidar that is off
constexpr int kObservations = 24;
constexpr int kActions = 4;
constexpr int kMostDelay = 2;    // control steps between an action and the motors

// Capacities that no course of the walker comes near; a world that exceeds one ends as diverged.
#ifndef WALKER_CONTACTS
#define WALKER_CONTACTS 256
#endif
constexpr int kMostContacts = 256;       // overlapping bounding boxes of one world
constexpr int kMaxContacts = WALKER_CONTACTS;  // of which a build may hold fewer, and then leaves such a world to another
constexpr int kMaxTreeDepth = 256;       // of balanced bounding boxes, of which there are 30005 at most
constexpr int kMaxSlotsPerBody = 12;     // touching contacts of one body
// A world beyond these is running away.
constexpr float kRunawayPosition = 1.0e4f;  // m
constexpr float kRunawayAngle = 100.0f;     // rad

}  // namespace walker
