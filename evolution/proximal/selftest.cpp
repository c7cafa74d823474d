// Exercises the updates without Python, for builds with sanitisers: `make sanitize`.
//
// Networks of odd sizes and batches that fill no tile, in arrays of exactly the size that is told, by every kernel that
// runs here. Those with fused products must agree bit for bit, the others nearly. Exit status 1 names what failed.

#include <cmath>
#include <cstdio>
#include <cstring>
#include <iterator>
#include <vector>

#include "kernels.hpp"

namespace {

using namespace proximal;

int failures = 0;

void expect(bool holds, const char* what, const char* kernel) {
    if (holds) return;
    std::printf("FAILED: %s (%s)\n", what, kernel);
    ++failures;
}

// A small generator of its own: the same numbers everywhere.
struct Numbers {
    std::uint64_t state;

    double next() {  // in [-1, 1)
        state = state * 6364136223846793005ULL + 1442695040888963407ULL;
        return static_cast<double>(state >> 11) / 4503599627370496.0 - 1.0;
    }
    std::vector<float> some(std::size_t n, double scale) {
        std::vector<float> found(n);
        for (float& each : found) each = static_cast<float>(scale * next());
        return found;
    }
};

std::size_t parameters(const std::vector<std::size_t>& sizes) {
    std::size_t count = 0;
    for (std::size_t i = 0; i + 1 < sizes.size(); ++i) count += (sizes[i] + 1) * sizes[i + 1];
    return count;
}

struct Case {
    std::vector<std::size_t> policy, critic;
    Activation hidden;
    std::size_t rows, batch;
    bool weighted;
};

struct Found {
    std::vector<float> parameters, first, second, outputs;
    std::vector<double> told;
};

Found descended(const Kernel& kernel, const Case& c) {
    Numbers numbers{7};
    const std::size_t inputs = c.policy.front(), actions = c.policy.back();
    const std::size_t values = parameters(c.policy), logs = values + parameters(c.critic), size = logs + actions;
    Found found{numbers.some(size, 0.5), std::vector<float>(size), std::vector<float>(size),
                std::vector<float>(c.rows * actions), std::vector<double>(kTold + 2)};
    const auto observations = numbers.some(c.rows * inputs, 2.0), acted = numbers.some(c.rows * actions, 1.0);
    const auto known = numbers.some(c.rows, 1.0), gains = numbers.some(c.rows, 1.0), targets = numbers.some(c.rows, 1.0);
    std::vector<float> weights = numbers.some(c.rows, 1.0);
    for (float& each : weights) each = each > 0.0f ? 1.0f : 0.0f;
    std::vector<std::int64_t> order;
    for (int epoch = 0; epoch < 2; ++epoch) {
        for (std::size_t i = 0; i < c.rows; ++i) order.push_back(static_cast<std::int64_t>((i * 7 + 3) % c.rows));
    }
    const Network policy{c.policy.data(), c.policy.size() - 1, c.hidden, Activation::kNone};
    const Network critic{c.critic.data(), c.critic.size() - 1, Activation::kTanh, Activation::kNone};
    Learner learner{policy, critic, values, logs, size, found.parameters.data(), found.first.data(),
                    found.second.data(), 0};
    const Steps steps{observations.data(), acted.data(), known.data(), gains.data(), targets.data(),
                      c.weighted ? weights.data() : nullptr};
    const Group groups[] = {{0, values}, {values, logs}};
    const Descent how{0.2, 0.01, 1e-3, 1e-8, -3.0, 0.5, groups, 2};
    kernel.descend(learner, steps, order.data(), order.size(), c.batch, how, found.told.data());
    expect(learner.updates == static_cast<std::int64_t>((order.size() + c.batch - 1) / c.batch), "updates", kernel.name);
    kernel.forward(policy, found.parameters.data(), observations.data(), c.rows, found.outputs.data());
    return found;
}

bool equal(const std::vector<float>& a, const std::vector<float>& b) {
    return std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

bool close(const std::vector<float>& a, const std::vector<float>& b) {
    for (std::size_t i = 0; i < a.size(); ++i) {
        if (!(std::fabs(a[i] - b[i]) <= 1e-4f + 1e-3f * std::fabs(b[i]))) return false;
    }
    return true;
}

}  // namespace

int main() {
    const Case cases[] = {
        {{24, 40, 40, 4}, {24, 64, 64, 1}, Activation::kTanh, 200, 64, false},
        {{1, 1}, {1, 1}, Activation::kRelu, 1, 1, false},
        {{3, 17, 33, 15, 2}, {3, 1, 1}, Activation::kSilu, 65, 13, true},
        {{16, 16, 16}, {16, 1}, Activation::kElu, 129, 127, true},
        {{5, 31, 7}, {5, 32, 1}, Activation::kSigmoid, 63, 63, false},
        {{2, 8, 1}, {2, 47, 1}, Activation::kLeakyRelu, 70, 7, false},
    };
    for (const Case& c : cases) {
        const Found plain = descended(*kKernels[std::size(kKernels) - 1], c);
        const Found* fused = nullptr;
        std::vector<Found> kept;
        kept.reserve(std::size(kKernels));
        for (const Kernel* kernel : kKernels) {
            if (!kernel->supported()) continue;
            kept.push_back(descended(*kernel, c));
            const Found& here = kept.back();
            expect(close(here.outputs, plain.outputs), "outputs near those of plain rows", kernel->name);
            expect(close(here.parameters, plain.parameters), "parameters near those of plain rows", kernel->name);
            if (std::strcmp(kernel->name, "plain") == 0) continue;
            if (fused != nullptr) {
                expect(equal(here.parameters, fused->parameters) && equal(here.first, fused->first) &&
                           equal(here.second, fused->second) && equal(here.outputs, fused->outputs),
                       "bits of another kernel with fused products", kernel->name);
            }
            fused = &here;
        }
    }
    if (failures == 0) std::printf("the core is sound\n");
    return failures == 0 ? 0 : 1;
}
