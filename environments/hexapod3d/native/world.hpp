// A hexapod and a course in a physics client of their own: what engine.py's World does, command for command.
#pragma once

#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include "bullet.hpp"
#include "state.hpp"

namespace hexapod {

// A text in a file, for as long as Bullet reads it.
class TemporaryFile {
    std::string path_ = (std::filesystem::temp_directory_path() / "poet-XXXXXX.urdf").string();

   public:
    explicit TemporaryFile(const std::string& text) {
        const int file = mkstemps(path_.data(), 5);
        if (file < 0) throw std::runtime_error("no temporary file can be made: " + path_);
        const ssize_t written = write(file, text.data(), text.size());
        close(file);
        if (written != static_cast<ssize_t>(text.size())) {
            unlink(path_.c_str());
            throw std::runtime_error("a temporary file cannot be written: " + path_);
        }
    }
    ~TemporaryFile() { unlink(path_.c_str()); }
    TemporaryFile(const TemporaryFile&) = delete;
    TemporaryFile& operator=(const TemporaryFile&) = delete;

    const std::string& path() const { return path_; }
};

class World {
    const Bullet& bullet_;
    const Constants& k_;
    Client client_ = nullptr;
    int robot_ = -1;
    Joints torques_{};
    std::array<double, 7 + kJoints> places_{};
    std::array<double, 6 + kJoints> speeds_{};
    bool seen_ = false;
    Hidden hidden_;

    Status submit(Command command) { return bullet_.SubmitClientCommandAndWaitStatus(client_, command); }

    // Places and speeds, the trunk's before the joints'; Bullet is asked once between two of its steps.
    void look() {
        if (seen_) return;
        const double *q, *u;
        Status status = submit(bullet_.RequestActualStateCommandInit(client_, robot_));
        if (!bullet_.GetStatusActualState(status, nullptr, nullptr, nullptr, nullptr, &q, &u, nullptr))
            throw std::runtime_error("Bullet does not give the robot's state");
        std::copy(q, q + places_.size(), places_.begin());
        std::copy(u, u + speeds_.size(), speeds_.begin());
        seen_ = true;
    }

   public:
    using Clock = std::chrono::steady_clock;
    Clock::duration stepping{};  // time spent in Bullet's own step

    World(const Bullet& bullet, const Constants& constants) : bullet_(bullet), k_(constants) { connect(); }
    ~World() { bullet_.DisconnectSharedMemory(client_); }
    World(const World&) = delete;
    World& operator=(const World&) = delete;

    void connect() {
        if (client_) bullet_.DisconnectSharedMemory(client_);
        client_ = bullet_.ConnectPhysicsDirect();
        if (!client_) throw std::runtime_error("Bullet has no more physics clients");
    }

    // Heights as the engine wants them: rows of equal y, each along x.
    void lay(std::vector<float>& heights, double low, double high, const Hidden& hidden) {
        robot_ = -1;
        hidden_ = hidden;
        seen_ = false;
        submit(bullet_.InitResetSimulationCommand(client_));
        Command command = bullet_.InitPhysicsParamCommand(client_);
        bullet_.PhysicsParamSetGravity(command, 0, 0, -k_.gravity);
        submit(command);
        command = bullet_.InitPhysicsParamCommand(client_);
        bullet_.PhysicsParamSetTimeStep(command, k_.time_step);
        bullet_.PhysicsParamSetNumSolverIterations(command, k_.iterations);
        bullet_.PhysicsParamSetContactBreakingThreshold(command, k_.margin);
        bullet_.PhysicsParamSetDefaultContactERP(command, k_.contact_erp);
        bullet_.PhysicsParameterSetDeterministicOverlappingPairs(command, 1);
        submit(command);
        lay_ground(heights, low, high);
        load_robot();
    }

    void place(const std::array<double, 3>& position, const std::array<double, 4>& turn, const Joints& angles) {
        pose({0, 0, k_.aloft}, {0, 0, 0, 1});
        submit(bullet_.InitPerformCollisionDetectionCommand(client_));
        pose(position, turn);
        const double still[3] = {0, 0, 0};
        Command command = bullet_.CreatePoseCommandInit(client_, robot_);
        bullet_.CreatePoseCommandSetBaseLinearVelocity(command, still);
        bullet_.CreatePoseCommandSetBaseAngularVelocity(command, still);
        submit(command);
        for (int joint = 0; joint < kJoints; ++joint) {
            command = bullet_.CreatePoseCommandInit(client_, robot_);
            bullet_.CreatePoseCommandSetJointPosition(client_, command, joint, angles[joint]);
            bullet_.CreatePoseCommandSetJointVelocity(client_, command, joint, 0.0);
            submit(command);
        }
        torques_.fill(0.0);
        seen_ = false;
    }

    void advance(const Joints& targets) {
        Joints squares{};
        for (int substep = 0; substep < k_.substeps; ++substep) {
            look();
            Command command = bullet_.JointControlCommandInit2(client_, robot_, kTorqueControl);
            for (int j = 0; j < kJoints; ++j) {
                const double lead = std::min(std::max(targets[j] - places_[7 + j], -k_.lead), k_.lead);
                const double pull = k_.stiffness * lead - k_.damping * speeds_[6 + j];
                const double torque = std::min(std::max(pull, -k_.torque), k_.torque) * hidden_.gains[j];
                bullet_.JointControlSetDesiredForceTorque(command, 6 + j, torque);
                squares[j] += torque * torque;
            }
            submit(command);
            const auto before = Clock::now();
            submit(bullet_.InitStepSimulationCommand(client_));
            stepping += Clock::now() - before;
            seen_ = false;
        }
        for (int j = 0; j < kJoints; ++j) torques_[j] = std::sqrt(squares[j] / k_.substeps);
    }

    void read(State& state) {
        look();
        std::copy(places_.begin(), places_.begin() + 7, &state[kPosition]);
        std::copy(speeds_.begin(), speeds_.begin() + 6, &state[kVelocity]);
        std::copy(places_.begin() + 7, places_.end(), &state[kAngles]);
        std::copy(speeds_.begin() + 6, speeds_.end(), &state[kSpeeds]);
        std::copy(torques_.begin(), torques_.end(), &state[kTorques]);
        std::fill(&state[kFeet], &state[kFeet] + kLegs, 0.0);
        Command command = bullet_.InitRequestContactPointInformation(client_);
        bullet_.SetContactFilterBodyA(command, robot_);
        submit(command);
        ContactInformation contacts{};
        bullet_.GetContactPointInformation(client_, &contacts);
        for (int i = 0; i < contacts.count; ++i)
            if (contacts.points[i].normal_force > 0) state[kFeet + contacts.points[i].link_a / 3] = 1.0;
    }

   private:
    void pose(const std::array<double, 3>& p, const std::array<double, 4>& q) { pose(robot_, p, q); }

    void pose(int body, const std::array<double, 3>& p, const std::array<double, 4>& q) {
        Command command = bullet_.CreatePoseCommandInit(client_, body);
        bullet_.CreatePoseCommandSetBasePosition(command, p[0], p[1], p[2]);
        bullet_.CreatePoseCommandSetBaseOrientation(command, q[0], q[1], q[2], q[3]);
        submit(command);
    }

    void lay_ground(std::vector<float>& heights, double low, double high) {
        const double scale[3] = {k_.cell, k_.cell, 1.0}, origin[3] = {0, 0, 0}, upright[4] = {0, 0, 0, 1};
        Command command = bullet_.CreateCollisionShapeCommandInit(client_);
        bullet_.CreateCollisionShapeAddHeightfield2(client_, command, scale, 1.0, heights.data(), k_.rows, k_.columns,
                                                    -1);
        const int shape = bullet_.GetStatusCollisionShapeUniqueId(submit(command));
        command = bullet_.CreateMultiBodyCommandInit(client_);
        bullet_.CreateMultiBodyBase(command, 0, shape, -1, origin, upright, origin, upright);
        const int ground = bullet_.GetStatusBodyIndex(submit(command));
        if (shape < 0 || ground < 0) throw std::runtime_error("Bullet does not take the course");
        pose(ground, {(k_.ground_start + k_.ground_end) / 2, 0.0, (low + high) / 2}, {0, 0, 0, 1});
        command = bullet_.InitChangeDynamicsInfo(client_);
        bullet_.ChangeDynamicsInfoSetLateralFriction(command, ground, -1, k_.friction * hidden_.friction_rate);
        submit(command);
    }

    void load_robot() {
        const TemporaryFile file(k_.urdf);
        Command command = bullet_.LoadUrdfCommandInit(client_, file.path().c_str());
        bullet_.LoadUrdfCommandSetFlags(command, kInertiaFromFile);
        robot_ = bullet_.GetStatusBodyIndex(submit(command));
        if (robot_ < 0) throw std::runtime_error("Bullet cannot read the robot's URDF");
        for (int link = -1; link < kJoints; ++link) {
            command = bullet_.InitChangeDynamicsInfo(client_);
            bullet_.ChangeDynamicsInfoSetLateralFriction(command, robot_, link, k_.friction);
            bullet_.ChangeDynamicsInfoSetLinearDamping(command, robot_, 0.0);
            bullet_.ChangeDynamicsInfoSetAngularDamping(command, robot_, 0.0);
            submit(command);
        }
        if (hidden_.load != 1) load_trunk();
        for (int link = -1; link < kJoints; ++link) {
            if (link % 3 == 2) continue;  // a foot
            command = bullet_.CollisionFilterCommandInit(client_);
            bullet_.SetCollisionFilterGroupMask(command, robot_, link, 0, 0);
            submit(command);
        }
        command = bullet_.JointControlCommandInit2(client_, robot_, kVelocityControl);
        for (int j = 0; j < kJoints; ++j) {
            bullet_.JointControlSetDesiredVelocity(command, 6 + j, 0.0);
            bullet_.JointControlSetKd(command, 6 + j, 1.0);
            bullet_.JointControlSetMaximumForce(command, 6 + j, 0.0);
        }
        submit(command);
    }

    void load_trunk() {
        DynamicsInformation trunk{};
        if (!bullet_.GetDynamicsInfo(submit(bullet_.GetDynamicsInfoCommandInit(client_, robot_, -1)), &trunk))
            throw std::runtime_error("Bullet does not give the trunk's mass");
        for (double& each : trunk.inertia) each *= hidden_.load;
        Command command = bullet_.InitChangeDynamicsInfo(client_);
        bullet_.ChangeDynamicsInfoSetMass(command, robot_, -1, trunk.mass * hidden_.load);
        bullet_.ChangeDynamicsInfoSetLocalInertiaDiagonal(command, robot_, -1, trunk.inertia);
        submit(command);
    }
};

}  // namespace hexapod
