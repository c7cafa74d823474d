// What a hexapod observes, what its actions mean, what it earns and when it is over: task.py and gait.py in plain C++,
// the same operations in the same order, so that their every bit is the same.
#pragma once

#include <algorithm>
#include <cmath>

#include "state.hpp"

namespace hexapod {

enum Outcome : int { kNone = -1, kFinished = 0, kFell = 1, kTimedOut = 2, kDiverged = 3 };

inline double limited(double x, double most) { return std::min(std::max(x, -most), most); }

// portable.py's sine.
inline double sine(const std::vector<double>& terms, double x) {
    x = limited(x, 60.0);
    const double half_turns = std::rint(x * 0x1.45f306dc9c883p-2);
    const double rest = (x - half_turns * 0x1.921fb4p+1) - half_turns * 0x1.4442d18469899p-23;
    const double odd = half_turns - 2 * std::floor(half_turns / 2);
    const double square = rest * rest;
    double total = terms.back();
    for (auto term = terms.rbegin(); term != terms.rend(); ++term) total = total * square + *term;
    return (1 - 2 * odd) * rest * total;
}

class Ground {
    const Constants& k_;
    const double* heights_;  // rows along x

   public:
    Ground(const Constants& constants, const double* heights) : k_(constants), heights_(heights) {}

    double at(double x, double y) const {
        const Cell s = cell(x, y);
        const double near = s.a * (1 - s.v) + s.b * s.v;
        const double far = s.c * (1 - s.v) + s.d * s.v;
        return near * (1 - s.u) + far * s.u;
    }

    // Of the triangles that feet meet.
    double surface(double x, double y) const {
        const Cell s = cell(x, y);
        return s.u + s.v <= 1 ? s.a + (s.c - s.a) * s.u + (s.b - s.a) * s.v
                              : s.d + (s.b - s.d) * (1 - s.u) + (s.c - s.d) * (1 - s.v);
    }

   private:
    struct Cell {
        double a, b, c, d, u, v;
    };

    Cell cell(double x, double y) const {
        const double scale = 1 / k_.cell;
        const double row = std::min(std::max((x - k_.ground_start) * scale, 0.0), k_.rows - 1.001);
        const double column = std::min(std::max((y + k_.half_width) * scale, 0.0), k_.columns - 1.001);
        const int i = static_cast<int>(row), j = static_cast<int>(column);
        const double* place = heights_ + i * k_.columns + j;
        return {place[0], place[1], place[k_.columns], place[k_.columns + 1], row - i, column - j};
    }
};

// The trunk's axes as columns of a matrix. Adding nothing turns -0 into 0, as in Python.
struct Axes {
    double m[3][3];

    explicit Axes(const State& state) {
        const double *q = &state[kTurn], x = q[0], y = q[1], z = q[2], w = q[3];
        m[0][0] = 1 + 2 * (-(y * y) + -(z * z));
        m[0][1] = 0 + 2 * (x * y + -(z * w));
        m[0][2] = 0 + 2 * (x * z + y * w);
        m[1][0] = 0 + 2 * (x * y + z * w);
        m[1][1] = 1 + 2 * (-(x * x) + -(z * z));
        m[1][2] = 0 + 2 * (y * z + -(x * w));
        m[2][0] = 0 + 2 * (x * z + -(y * w));
        m[2][1] = 0 + 2 * (y * z + x * w);
        m[2][2] = 1 + 2 * (-(x * x) + -(y * y));
    }

    double into_body(int axis, const double* v) const { return m[0][axis] * v[0] + m[1][axis] * v[1] + m[2][axis] * v[2]; }
    double place(int axis, const State& state, const double* p) const {
        return state[kPosition + axis] + m[axis][0] * p[0] + m[axis][1] * p[1] + m[axis][2] * p[2];
    }
};

// How far an episode has come.
struct Progress {
    double x = 0, mark = 0;  // m, after the last step and when it last made headway
    long since = 0;          // steps without headway
    long under = 0;          // steps with a foot below the ground
    long steps = 0;
    double reward = 0;  // of the last step
    double earned = 0;
    float waiting[kMostDelay][kJoints] = {};  // actions on their way to the drives, the next one first
};

class Task {
    const Constants& k_;
    Ground ground_;
    int delay_;
    bool tripod_;
    long limit_;

   public:
    Progress so_far;

    Task(const Constants& constants, const double* heights, const Hidden& hidden, bool tripod, long episode_limit)
        : k_(constants), ground_(constants, heights), delay_(hidden.delay), tripod_(tripod), limit_(episode_limit) {}

    void start(double x) {
        so_far = {};
        so_far.x = so_far.mark = x;
    }

    void observe(const State& s, float* seen) const {
        const Axes axes(s);
        const double ahead = axes.m[0][0], aside = axes.m[1][0];
        const double length = std::sqrt(ahead * ahead + aside * aside);
        const bool upended = length < 1e-9;
        const double cosine = upended ? 1.0 : ahead / length, turn = aside / (upended ? 1.0 : length);
        auto put = [&](double value, double most) { *seen++ = static_cast<float>(limited(value, most)); };
        for (int j = 0; j < kJoints; ++j) {
            const double middle = (k_.high[j] + k_.low[j]) / 2, half = (k_.high[j] - k_.low[j]) / 2;
            put((s[kAngles + j] - middle) / half, k_.most);
        }
        for (int j = 0; j < kJoints; ++j) put(s[kSpeeds + j] / k_.speed, k_.most);
        for (int axis = 0; axis < 3; ++axis) put(axes.m[2][axis], k_.most);
        for (int axis = 0; axis < 3; ++axis) put(axes.into_body(axis, &s[kVelocity]) / k_.speed_range, k_.most);
        for (int axis = 0; axis < 3; ++axis) put(axes.into_body(axis, &s[kSpin]) / k_.spin_range, k_.most);
        put(turn, k_.most);
        put(s[kPosition + 1] / k_.side_limit, k_.most);
        for (int leg = 0; leg < kLegs; ++leg) *seen++ = static_cast<float>(s[kFeet + leg]);
        for (int part = 0; part < 2; ++part) *seen++ = static_cast<float>(now()[part]);
        for (int point = 0; point < kScan; ++point) {
            const double along = k_.scan[2 * point], across = k_.scan[2 * point + 1];
            const double x = s[kPosition] + cosine * along - turn * across;
            const double y = s[kPosition + 1] + turn * along + cosine * across;
            put((ground_.at(x, y) - (s[kPosition + 2] - k_.height)) / k_.scan_range, 1.0);
        }
    }

    // What the drives are to reach by a finite action; where actions are late, by an older one.
    Joints targets(const float* newest) {
        float action[kJoints];
        reach(newest, action);
        Joints wanted;
        const double* clock = now();
        for (int leg = 0; leg < kLegs; ++leg) {
            double drive[3], moved[3];
            for (int part = 0; part < 3; ++part) drive[part] = limited(action[3 * leg + part], 1.0);
            const double beat = 1.0 - 2.0 * k_.beat[leg], sine = clock[0] * beat, cosine = clock[1] * beat;
            const double raised = k_.lift * std::max(cosine, 0.0) + k_.hold_range * drive[2];
            moved[0] = (k_.stroke + k_.stroke_range * drive[0]) * sine + k_.shift_range * drive[1] * cosine;
            moved[1] = raised;
            moved[2] = k_.tuck * raised;
            for (int part = 0; part < 3; ++part) {
                const int j = 3 * leg + part;
                const double reach = drive[part] > 0 ? k_.high[j] - k_.stance[j] : k_.stance[j] - k_.low[j];
                wanted[j] = tripod_ ? std::min(std::max(k_.stance[j] + moved[part], k_.low[j]), k_.high[j])
                                      : k_.stance[j] + drive[part] * reach;
            }
        }
        return wanted;
    }

    // Rewards a control step. A state that makes no sense is put at rest.
    Outcome judge(State& s) {
        bool lost = wild(s);
        if (lost) {
            s.fill(0.0);
            s[kTurn + 3] = 1.0;
        }
        const Axes axes(s);
        const Middles middles = middles_of(s);
        lost = lost || deeper(s, axes, middles.data(), 1 + kLegs, k_.deepest);
        so_far.under = under(s, axes, middles.data() + 3) ? so_far.under + 1 : 0;
        lost = lost || so_far.under > k_.under;
        ++so_far.steps;
        const double x = s[kPosition], y = s[kPosition + 1];
        double effort = 0.0;
        for (int j = 0; j < kJoints; ++j) {
            const double share = s[kTorques + j] / k_.torque;
            effort += share * share;
        }
        double reward = k_.metre_reward * std::min(x - so_far.x, k_.most_headway);
        reward -= k_.effort_cost * effort;
        const bool stuck = no_headway(x);
        const bool fell = stuck || deeper(s, axes, k_.underside.data(), kUnderside, 0.0) || axes.m[2][2] < k_.upright ||
                          std::fabs(y) > k_.side_limit || x < k_.back_limit;
        Outcome outcome = so_far.steps >= limit_ ? kTimedOut : kNone;
        if (x > k_.finish) outcome = kFinished;
        if (fell) {
            outcome = kFell;
            reward = k_.fall_reward;
        }
        if (lost) {
            outcome = kDiverged;
            reward = k_.fall_reward - so_far.earned;
        }
        so_far.x = x;
        so_far.reward = reward;
        so_far.earned += reward;
        return outcome;
    }

   private:
    void reach(const float* newest, float* reaching) {
        std::copy_n(newest, kJoints, reaching);
        for (int place = delay_ - 1; place >= 0; --place)
            std::swap_ranges(reaching, reaching + kJoints, so_far.waiting[place]);
    }

    const double* now() const { return &k_.clock[2 * (so_far.steps % static_cast<long>(k_.clock.size() / 2))]; }

    bool no_headway(double x) {
        const bool ahead = x - so_far.mark >= k_.headway;
        if (ahead) so_far.mark = x;
        so_far.since = ahead ? 0 : so_far.since + 1;
        return so_far.since >= k_.patience;
    }

    bool wild(const State& s) const {
        for (double each : s)
            if (!std::isfinite(each)) return true;
        for (std::size_t i = 0; i < k_.most_motion.size(); ++i)
            if (std::fabs(s[i]) > k_.most_motion[i]) return true;
        return false;
    }

    bool deeper(const State& s, const Axes& axes, const double* points, int count, double most) const {
        for (const double* p = points; p < points + 3 * count; p += 3)
            if (ground_.at(axes.place(0, s, p), axes.place(1, s, p)) - axes.place(2, s, p) > most) return true;
        return false;
    }

    bool under(const State& s, const Axes& axes, const double* feet) const {
        for (const double* p = feet; p < feet + 3 * kLegs; p += 3)
            if (ground_.surface(axes.place(0, s, p), axes.place(1, s, p)) > axes.place(2, s, p)) return true;
        return false;
    }

    // The middles of trunk and feet in the trunk's frame.
    using Middles = std::array<double, 3 * (1 + kLegs)>;
    Middles middles_of(const State& s) const {
        Middles points{};
        for (int leg = 0; leg < kLegs; ++leg) {
            const double* angles = &s[kAngles + 3 * leg];
            const double raised = angles[1], bent = angles[1] - angles[2];
            const double yaw = k_.yaw[leg] - k_.side[leg] * angles[0], quarter = 0x1.921fb54442d18p+0;
            const auto sine = [this](double x) { return hexapod::sine(k_.sine, x); };
            const double reach = (k_.segments[0] + k_.segments[1] * sine(raised + quarter)) +
                                 k_.segments[2] * sine(bent + quarter);
            double* foot = points.data() + 3 * (leg + 1);
            foot[0] = k_.hip_x[leg] + reach * sine(yaw + quarter);
            foot[1] = k_.hip_y[leg] + reach * sine(yaw);
            foot[2] = k_.segments[1] * sine(raised) + k_.segments[2] * sine(bent);
        }
        return points;
    }
};

}  // namespace hexapod
