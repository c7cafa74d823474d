// The multilayer perceptron 24-40-40-4 with tanh, one controller a lane.
//
// Weights stand parameter by parameter with the lanes side by side. Sums run
// over the inputs in order, then the bias is added: no batch changes them.
#pragma once

#include "group.hpp"

namespace walker {
inline namespace WALKER_KERNEL {

constexpr int kHidden = 40;
constexpr int kParameters =
    kObservations * kHidden + kHidden + kHidden * kHidden + kHidden + kHidden * kActions + kActions;

struct Controllers {
    F theta[kParameters];
};

inline void load_controller(Controllers& c, int lane, const float* theta) {
    float* to = reinterpret_cast<float*>(c.theta) + lane;
    for (int i = 0; i < kParameters; ++i) to[i * W] = theta[i];
}

// Theta is indexed by the parameter, and gives a row.
template <int Inputs, int Outputs, int Block, class Theta>
inline void layer(Theta theta, const F* __restrict in, F* __restrict out) {
    static_assert(Outputs % Block == 0);
    for (int start = 0; start < Outputs; start += Block) {
        F sum[Block] = {};
        for (int i = 0; i < Inputs; ++i) {
            const F x = in[i];
            for (int k = 0; k < Block; ++k) sum[k] += x * theta[i * Outputs + start + k];
        }
        for (int k = 0; k < Block; ++k) {
            out[start + k] = hyperbolic_tangent(sum[k] + theta[Inputs * Outputs + start + k]);
        }
    }
}

template <class Theta>
inline void act(Theta theta, Group& g) {
    F first[kHidden], second[kHidden];
    layer<kObservations, kHidden, 10>(theta, g.observation, first);
    theta += kObservations * kHidden + kHidden;
    layer<kHidden, kHidden, 10>(theta, first, second);
    theta += kHidden * kHidden + kHidden;
    layer<kHidden, kActions, 4>(theta, second, g.action);
}

inline void act(const Controllers& c, Group& g) { act<const F* __restrict>(c.theta, g); }

}  // namespace WALKER_KERNEL
}  // namespace walker
