// PPO's updates for one instruction set, which CMake names: clipped surrogate, critic, entropy, norms, Adam.

#include "kernel.hpp"

#include <cmath>

#include "network.hpp"

namespace proximal {
inline namespace PROXIMAL_KERNEL {

constexpr double kHalfLogTau = 0.91893853320467274178;
constexpr double kBeta1 = 0.9, kBeta2 = 0.999;

constexpr std::size_t least(std::size_t a, std::size_t b) { return a < b ? a : b; }

void forward(const Network& network, const float* theta, const float* inputs, std::size_t rows, float* outputs) {
    Worker worker(network, least(kTile, rows), false);
    worker.take(theta);
    const std::size_t width = network.sizes[0], made = network.sizes[network.layers];
    for (std::size_t from = 0; from < rows; from += kTile) {
        const std::size_t here = least(kTile, rows - from);
        for (std::size_t row = 0; row < here; ++row) {
            std::memcpy(worker.input(row), inputs + (from + row) * width, width * sizeof(float));
        }
        worker.forward(here);
        for (std::size_t row = 0; row < here; ++row) {
            std::memcpy(outputs + (from + row) * made, worker.output(row), made * sizeof(float));
        }
    }
}

// The loss of a minibatch, tile by tile, and its slopes by outputs and by the actions' deviations.
class Loss {
    const Steps& steps_;
    const Descent& how_;
    std::size_t actions_;
    const float* log_deviation_;
    Floats sharpness_;       // 1 / deviation
    Buffer<double> slopes_;  // by the logarithms of deviations
    double offset_ = 0.0;    // of log probabilities
    double policy_ = 0.0, critic_ = 0.0, divergence_ = 0.0, clipped_ = 0.0;

   public:
    Loss(const Steps& steps, const Descent& how, std::size_t actions, const float* log_deviation)
        : steps_(steps), how_(how), actions_(actions), log_deviation_(log_deviation), sharpness_(actions),
          slopes_(actions) {
        for (std::size_t a = 0; a < actions; ++a) {
            sharpness_.get()[a] = exponential(splat(-log_deviation[a]))[0];
            offset_ += static_cast<double>(log_deviation[a]) + kHalfLogTau;
        }
    }

    // What rows [0, here) of the tile, steps `order`, weigh: slopes by the outputs of both networks.
    void add(const std::int64_t* order, const float* share, std::size_t here, Worker& policy, Worker& critic) {
        alignas(64) float log_ratio[kTile] = {}, ratio[kTile];
        for (std::size_t row = 0; row < here; ++row) {
            const float* means = policy.output(row);
            const float* actions = steps_.actions + static_cast<std::size_t>(order[row]) * actions_;
            float off = 0.0f;
            for (std::size_t a = 0; a < actions_; ++a) {
                const float scaled = (actions[a] - means[a]) * sharpness_.get()[a];
                off += scaled * scaled;
            }
            const double now = -0.5 * static_cast<double>(off) - offset_;
            log_ratio[row] = static_cast<float>(now - static_cast<double>(steps_.known[order[row]]));
        }
        for (std::size_t row = 0; row < kTile; row += W) store(ratio + row, exponential(load(log_ratio + row)));
        const float low = static_cast<float>(1.0 - how_.clip), high = static_cast<float>(1.0 + how_.clip);
        for (std::size_t row = 0; row < here; ++row) {
            const auto step = static_cast<std::size_t>(order[row]);
            const float gain = steps_.gains[step], r = ratio[row], weight = share[row];
            // A comparison with NaN is false: it is followed, and told.
            const float free = r * gain, bounded = (r < low ? low : r > high ? high : r) * gain;
            const float by_log = free > bounded ? 0.0f : -weight * free;
            const float* means = policy.output(row);
            float* slope = policy.output_slope(row);
            for (std::size_t a = 0; a < actions_; ++a) {
                const float scaled = (steps_.actions[step * actions_ + a] - means[a]) * sharpness_.get()[a];
                slope[a] = by_log * scaled * sharpness_.get()[a];
                slopes_.get()[a] += static_cast<double>(by_log) * (static_cast<double>(scaled) * scaled - 1.0);
            }
            const float miss = critic.output(row)[0] - steps_.targets[step];
            critic.output_slope(row)[0] = weight * miss;
            const double w = weight;
            policy_ -= w * static_cast<double>(free > bounded ? bounded : free);
            critic_ += w * static_cast<double>(miss) * miss;
            divergence_ += w * (static_cast<double>(r) - 1.0 - static_cast<double>(log_ratio[row]));
            clipped_ += std::fabs(r - 1.0f) > static_cast<float>(how_.clip) ? w : 0.0;
        }
    }

    // By the logarithm of a deviation, in a batch whose rows count so much together.
    float slope(std::size_t a, double counted) const {
        return static_cast<float>(slopes_.get()[a] - counted * how_.entropy);
    }

    void tell(double counted, double* told) const {
        double entropy = 0.0;
        for (std::size_t a = 0; a < actions_; ++a) entropy += static_cast<double>(log_deviation_[a]) + 0.5 + kHalfLogTau;
        const double now[kTold] = {policy_, critic_, counted * entropy, divergence_, clipped_};
        for (std::size_t i = 0; i < kTold; ++i) told[i] += now[i];
    }
};

// Eight sums side by side, then one after another: one order for every width of rows.
double norm(const float* from, const float* to) {
    double sums[8] = {};
    for (; from + 8 <= to; from += 8) {
        for (int i = 0; i < 8; ++i) sums[i] += static_cast<double>(from[i]) * static_cast<double>(from[i]);
    }
    double sum = 0.0;
    for (; from < to; ++from) sum += static_cast<double>(*from) * static_cast<double>(*from);
    for (const double each : sums) sum += each;
    return std::sqrt(sum);
}

void adam(Learner& learner, const float* slope, const Descent& how) {
    const auto beta1 = static_cast<float>(kBeta1), beta2 = static_cast<float>(kBeta2);
    const auto new1 = static_cast<float>(1 - kBeta1), new2 = static_cast<float>(1 - kBeta2);
    const auto t = static_cast<double>(++learner.updates);
    const auto spread = static_cast<float>(std::sqrt(1 - std::pow(kBeta2, t)));
    const auto pace = static_cast<float>(-how.step_size / (1 - std::pow(kBeta1, t)));
    const auto epsilon = static_cast<float>(how.epsilon);
    float *__restrict p = learner.parameters, *__restrict m = learner.first, *__restrict v = learner.second;
    for (std::size_t i = 0; i < learner.size; ++i) {
        const float g = slope[i];
        m[i] = m[i] * beta1 + g * new1;
        v[i] = v[i] * beta2 + g * g * new2;
        p[i] += pace * (m[i] / (__builtin_sqrtf(v[i]) / spread + epsilon));
    }
    const auto bound = static_cast<float>(how.least_log_deviation);
    for (std::size_t i = learner.logs; i < learner.size; ++i) p[i] = p[i] < bound ? bound : p[i];
}

// Says what every row of a batch counts; gives the sum.
double share_out(const Steps& steps, const std::int64_t* chosen, std::size_t here, float* share) {
    const auto own = [&](std::size_t i) {
        return steps.weights == nullptr ? 1.0 : static_cast<double>(steps.weights[chosen[i]]);
    };
    double sum = 0.0;
    for (std::size_t i = 0; i < here; ++i) sum += own(i);
    const double all = sum < 1.0 ? 1.0 : sum;
    for (std::size_t i = 0; i < here; ++i) share[i] = static_cast<float>(own(i) / all);
    return sum / all;
}

// Scales each group of the slopes down to the largest norm, and adds what it had to `told`.
void shorten(float* slope, const Descent& how, double* told) {
    for (std::size_t g = 0; g < how.group_count; ++g) {
        float *begin = slope + how.groups[g].from, *end = slope + how.groups[g].to;
        const double size = norm(begin, end);
        told[g] += size;
        const double shrink = how.largest_norm / (size + 1e-6);
        if (how.largest_norm <= 0.0 || shrink >= 1.0) continue;
        for (float* each = begin; each < end; ++each) *each *= static_cast<float>(shrink);
    }
}

void descend(Learner& learner, const Steps& steps, const std::int64_t* order, std::size_t count, std::size_t batch,
             const Descent& how, double* told) {
    Worker policy(learner.policy, kTile, true), critic(learner.critic, kTile, true);
    const std::size_t inputs = learner.policy.sizes[0], actions = learner.size - learner.logs;
    Floats slope(learner.size), shares(batch);
    float* share = shares.get();
    for (std::size_t from = 0; from < count; from += batch) {
        const std::size_t here = least(batch, count - from);
        const std::int64_t* chosen = order + from;
        const double counted = share_out(steps, chosen, here, share);
        policy.take(learner.parameters);
        critic.take(learner.parameters + learner.values);
        Loss loss(steps, how, actions, learner.parameters + learner.logs);
        for (std::size_t at = 0; at < here; at += kTile) {
            const std::size_t tile = least(kTile, here - at);
            for (std::size_t row = 0; row < tile; ++row) {
                const float* seen = steps.observations + static_cast<std::size_t>(chosen[at + row]) * inputs;
                std::memcpy(policy.input(row), seen, inputs * sizeof(float));
                std::memcpy(critic.input(row), seen, inputs * sizeof(float));
            }
            policy.forward(tile);
            critic.forward(tile);
            loss.add(chosen + at, share + at, tile, policy, critic);
            policy.backward(tile);
            critic.backward(tile);
        }
        loss.tell(counted, told);
        float* logs = critic.give(policy.give(slope.get()));
        for (std::size_t a = 0; a < actions; ++a) logs[a] = loss.slope(a, counted);
        shorten(slope.get(), how, told + kTold);
        adam(learner, slope.get(), how);
    }
}

bool supported() {
#if PROXIMAL_LANES == 16
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw");
#elif PROXIMAL_LANES == 8
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
    return true;
#endif
}

extern const Kernel kKernel;
const Kernel kKernel{PROXIMAL_NAME, PROXIMAL_LANES, supported, forward, descend};

}  // namespace PROXIMAL_KERNEL
}  // namespace proximal
