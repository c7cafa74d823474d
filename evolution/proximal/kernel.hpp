// What a kernel offers: a perceptron's outputs, and descents of PPO's loss, for one instruction set.
//
// Kernels are given plain numbers and pointers: a template of the standard library's that one of them instantiated
// could be linked where its instructions do not run.
#pragma once

#include <cstddef>
#include <cstdint>

namespace proximal {

enum class Activation { kNone, kTanh, kRelu, kLeakyRelu, kElu, kSilu, kSigmoid };

// A multilayer perceptron; its parameters stand layer by layer, weights (inputs, outputs) and then biases (outputs,).
struct Network {
    const std::size_t* sizes;  // (layers + 1,)
    std::size_t layers;
    Activation hidden, output;
};

// What each row of a batch is: n steps of worlds.
struct Steps {
    const float* observations;  // (n, I)
    const float* actions;       // (n, A)
    const float* known;         // (n,) log probabilities of the actions when they were chosen
    const float* gains;         // (n,) advantages
    const float* targets;       // (n,) of the critic
    const float* weights;       // (n,) or null for ones; sums below 1 within a batch count as 1
};

struct Group {
    std::size_t from, to;
};

struct Descent {
    double clip, entropy, step_size, epsilon, least_log_deviation;
    double largest_norm;  // of each group of the gradient; 0 for none
    const Group* groups;  // of parameters
    std::size_t group_count;
};

// Policy, critic and logarithms of the actions' deviations stand one after another in n numbers.
struct Learner {
    Network policy, critic;
    std::size_t values, logs, size;      // where the critic begins, where the deviations do, and n
    float *parameters, *first, *second;  // (n,) each; Adam's moments
    std::int64_t updates;                // of Adam
};

constexpr std::size_t kTold = 5;  // losses of policy and critic, entropy, divergence, share clipped; then the norms

struct Kernel {
    const char* name;
    int lanes;
    bool (*supported)();
    void (*forward)(const Network& network, const float* theta, const float* inputs, std::size_t rows, float* outputs);
    // One update for each `batch` of the rows that `order` (count,) names, of which the last may have fewer; adds what
    // each told to `told` (kTold + groups,).
    void (*descend)(Learner& learner, const Steps& steps, const std::int64_t* order, std::size_t count,
                    std::size_t batch, const Descent& how, double* told);
};

}  // namespace proximal
