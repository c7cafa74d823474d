// The controller of environments/controller.py in plain C++: the same operations in the same order.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "constants.hpp"

namespace hexapod {
inline namespace HEXAPOD_KERNEL {

inline float tanh_of(float x) {
    const float square = x * x;
    float near = -5.70498872745e-3f * square + 2.06390887954e-2f;
    near = near * square + -5.37397155531e-2f;
    near = near * square + 1.33314422036e-1f;
    near = near * square + -3.33332819422e-1f;
    const float small = x + x * square * near;
    const float size = std::fabs(x);
    const float twice = 2.0f * (size < 10.0f ? size : 10.0f);  // 10 also for what is no number, as fmin has it
    const auto power = static_cast<std::int32_t>(twice * 1.44269504088896341f + 0.5f);
    const auto count = static_cast<float>(power);
    const float rest = (twice - count * 0.693359375f) - count * -2.12194440e-4f;
    float exp = 1.9875691500e-4f * rest + 1.3981999507e-3f;
    exp = exp * rest + 8.3334519073e-3f;
    exp = exp * rest + 4.1665795894e-2f;
    exp = exp * rest + 1.6666665459e-1f;
    exp = exp * rest + 5.0000001201e-1f;
    exp = (exp * (rest * rest) + rest) + 1.0f;
    const std::int32_t bits = (power + 127) << 23;
    float scale;
    std::memcpy(&scale, &bits, sizeof scale);
    const float large = std::copysign(1.0f - 2.0f / (exp * scale + 1.0f), x);
    return size >= 0.625f ? large : small;
}

template <int kInputs, int kOutputs>
const float* layer(const float* theta, const float* in, float* out) {
    float sums[kOutputs];
    for (int j = 0; j < kOutputs; ++j) sums[j] = in[0] * theta[j];
    for (int i = 1; i < kInputs; ++i) {
        const float* weights = theta + i * kOutputs;
        for (int j = 0; j < kOutputs; ++j) sums[j] += in[i] * weights[j];
    }
    const float* biases = theta + kInputs * kOutputs;
    for (int j = 0; j < kOutputs; ++j) out[j] = tanh_of(sums[j] + biases[j]);
    return biases + kOutputs;
}

constexpr int kHidden = 40;
constexpr int kParameters =
    (kObservations + 1) * kHidden + (kHidden + 1) * kHidden + (kHidden + 1) * kJoints;

inline void think(const float* theta, const float* observation, float* action) {
    float first[kHidden], second[kHidden];
    theta = layer<kObservations, kHidden>(theta, observation, first);
    theta = layer<kHidden, kHidden>(theta, first, second);
    layer<kHidden, kJoints>(theta, second, action);
}

}  // namespace HEXAPOD_KERNEL
}  // namespace hexapod
