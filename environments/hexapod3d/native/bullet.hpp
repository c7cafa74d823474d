// The little of Bullet's C interface that a hexapod needs, found in the pybullet that is installed.
//
// The wheel exports all of PhysicsClientC_API.h but ships no headers. Declarations are those of pybullet 3.2.7;
// `kVersion` is its SHARED_MEMORY_MAGIC_NUMBER, which changes with the structures.
#pragma once

#include <dlfcn.h>

#include <stdexcept>
#include <string>

namespace hexapod {

struct ClientTag;
struct CommandTag;
struct StatusTag;
using Client = ClientTag*;
using Command = CommandTag*;
using Status = StatusTag*;

struct ContactPoint {  // b3ContactPointData
    int flags, body_a, body_b, link_a, link_b;
    double on_a[3], on_b[3], normal[3], distance, normal_force;
    double friction_1, friction_2, direction_1[3], direction_2[3];
};
struct ContactInformation {  // b3ContactInformation
    int count;
    ContactPoint* points;
};

struct DynamicsInformation {  // b3DynamicsInfo, and more than what is left of it
    double mass, inertia[3], rest[64];
};

constexpr int kVersion = 202010061;
constexpr int kInertiaFromFile = 2;                      // URDF_USE_INERTIA_FROM_FILE
constexpr int kVelocityControl = 0, kTorqueControl = 1;  // CONTROL_MODE_*

class Bullet {
    void* library_;

    template <class F>
    F* find(const char* name) const {
        void* found = dlsym(library_, name);
        if (!found) throw std::runtime_error(std::string("this pybullet does not export ") + name);
        return reinterpret_cast<F*>(found);
    }

   public:
    explicit Bullet(const std::string& path) : library_(dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)) {
        if (!library_) throw std::runtime_error(std::string("pybullet cannot be opened: ") + dlerror());
    }

#define BULLET(name, result, ...) result (*name)(__VA_ARGS__) = find<result(__VA_ARGS__)>("b3" #name)
    BULLET(ConnectPhysicsDirect, Client);
    BULLET(DisconnectSharedMemory, void, Client);
    BULLET(SubmitClientCommandAndWaitStatus, Status, Client, Command);
    BULLET(InitResetSimulationCommand, Command, Client);
    BULLET(InitPhysicsParamCommand, Command, Client);
    BULLET(PhysicsParamSetGravity, int, Command, double, double, double);
    BULLET(PhysicsParamSetTimeStep, int, Command, double);
    BULLET(PhysicsParamSetNumSolverIterations, int, Command, int);
    BULLET(PhysicsParamSetContactBreakingThreshold, int, Command, double);
    BULLET(PhysicsParamSetDefaultContactERP, int, Command, double);
    BULLET(PhysicsParameterSetDeterministicOverlappingPairs, int, Command, int);
    BULLET(CreateCollisionShapeCommandInit, Command, Client);
    BULLET(CreateCollisionShapeAddHeightfield2, int, Client, Command, const double*, double, float*, int, int, int);
    BULLET(GetStatusCollisionShapeUniqueId, int, Status);
    BULLET(CreateMultiBodyCommandInit, Command, Client);
    BULLET(CreateMultiBodyBase, int, Command, double, int, int, const double*, const double*, const double*,
           const double*);
    BULLET(GetStatusBodyIndex, int, Status);
    BULLET(LoadUrdfCommandInit, Command, Client, const char*);
    BULLET(LoadUrdfCommandSetFlags, int, Command, int);
    BULLET(InitChangeDynamicsInfo, Command, Client);
    BULLET(ChangeDynamicsInfoSetLateralFriction, int, Command, int, int, double);
    BULLET(ChangeDynamicsInfoSetMass, int, Command, int, int, double);
    BULLET(ChangeDynamicsInfoSetLocalInertiaDiagonal, int, Command, int, int, const double*);
    BULLET(GetDynamicsInfoCommandInit, Command, Client, int, int);
    BULLET(GetDynamicsInfo, int, Status, DynamicsInformation*);
    BULLET(ChangeDynamicsInfoSetLinearDamping, int, Command, int, double);
    BULLET(ChangeDynamicsInfoSetAngularDamping, int, Command, int, double);
    BULLET(CollisionFilterCommandInit, Command, Client);
    BULLET(SetCollisionFilterGroupMask, void, Command, int, int, int, int);
    BULLET(JointControlCommandInit2, Command, Client, int, int);
    BULLET(JointControlSetDesiredForceTorque, int, Command, int, double);
    BULLET(JointControlSetDesiredVelocity, int, Command, int, double);
    BULLET(JointControlSetKd, int, Command, int, double);
    BULLET(JointControlSetMaximumForce, int, Command, int, double);
    BULLET(CreatePoseCommandInit, Command, Client, int);
    BULLET(CreatePoseCommandSetBasePosition, int, Command, double, double, double);
    BULLET(CreatePoseCommandSetBaseOrientation, int, Command, double, double, double, double);
    BULLET(CreatePoseCommandSetBaseLinearVelocity, int, Command, const double*);
    BULLET(CreatePoseCommandSetBaseAngularVelocity, int, Command, const double*);
    BULLET(CreatePoseCommandSetJointPosition, int, Client, Command, int, double);
    BULLET(CreatePoseCommandSetJointVelocity, int, Client, Command, int, double);
    BULLET(InitPerformCollisionDetectionCommand, Command, Client);
    BULLET(InitStepSimulationCommand, Command, Client);
    BULLET(RequestActualStateCommandInit, Command, Client, int);
    BULLET(GetStatusActualState, int, Status, int*, int*, int*, const double**, const double**, const double**,
           const double**);
    BULLET(InitRequestContactPointInformation, Command, Client);
    BULLET(SetContactFilterBodyA, void, Command, int);
    BULLET(GetContactPointInformation, void, Client, ContactInformation*);
#undef BULLET
};

}  // namespace hexapod
