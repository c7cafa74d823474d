// What the core knows of the robot, the drives and the engine's settings, as plain numbers: Bullet's own, read from a
// robot that it has loaded.
#pragma once

#include "../constants.hpp"

namespace hexapod {

constexpr int kDegrees = 6 + kJoints;  // of freedom: spin and velocity of the trunk, then the joints
constexpr int kMaxPoints = 4;          // of contact under a foot, MANIFOLD_CACHE_SIZE

// Links lie along their x axis; the coxa turns about z, femur and tibia about y.
struct Model {
    double mass, inertia[3];                     // of the trunk
    double link_mass[kJoints], link_inertia[kJoints][3];
    double sign[kJoints];                        // of the joint's axis
    double middle[kJoints];                      // m, of a link's centre of mass beyond its joint
    double hip_x[kLegs], hip_y[kLegs];           // m, of the coxa's joint from the trunk's centre of mass
    double hip_turn_z[kLegs], hip_turn_w[kLegs]; // quaternion from the trunk's frame to the coxa's at angle 0
    double reach[kJoints];                       // m, of a joint beyond its parent's centre of mass; not of a coxa
    double low[kJoints], high[kJoints];          // rad
    double foot_radius, foot_along;              // m, along the tibia from its centre of mass
    double breaking;                             // m, from which on a contact is given up
    double friction;                             // of foot and ground together
    double gravity, time_step, contact_erp;
    int iterations, substeps;
    double stiffness, damping, lead, torque;
};

// A course as Bullet's height field has it.
struct Course {
    int rows, columns;            // along x and y
    const double* heights;        // (columns, rows), m over the field's middle
    const double* normals;        // (columns - 1, rows - 1, 2, 3): of a cell's two triangles
    const double *x, *y;          // m, of rows and columns from the field's middle
    double middle[3], half[3];    // m, of the field's box in the world
    double scale[2];              // rows and columns per m
    Hidden hidden;                // of the robot that walks it
};

// Where a foot touches the ground.
struct Point {
    double on_foot[3], on_ground[3];  // in the tibia's and the field's frame
    double foot[3], ground[3], normal[3], distance;  // in the world
};

struct Contacts {
    int count;
    Point points[kMaxPoints];
    double impulse[kMaxPoints];  // of the last step
};

// All that a step of physics finds in a lane: a world that gets it goes on as that from which it was taken.
struct LaneState {
    double position[3], turn[4], speed[kDegrees], angle[kJoints];
    Contacts contacts[kLegs];
};

}  // namespace hexapod
