// The Python face of the updates, through nanobind. The interpreter's lock is free while they are made.

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <map>
#include <optional>
#include <span>
#include <stdexcept>

#include "../../environments/native/kernels.hpp"
#include "kernels.hpp"

namespace nb = nanobind;
using namespace proximal;

namespace {

template <class T>
using Row = nb::ndarray<T, nb::shape<-1>, nb::c_contig, nb::device::cpu>;
template <class T>
using Table = nb::ndarray<T, nb::shape<-1, -1>, nb::c_contig, nb::device::cpu>;

using Floats = Row<const float>;
using FloatTable = Table<const float>;

// A perceptron as Python names it: layer sizes, activation of the hidden layers, and of the last.
using Named = std::tuple<std::vector<std::size_t>, std::string, std::string>;

Activation activation(const std::string& name) {
    static const std::map<std::string, Activation> kinds{
        {"none", Activation::kNone},          {"tanh", Activation::kTanh}, {"relu", Activation::kRelu},
        {"leaky_relu", Activation::kLeakyRelu}, {"elu", Activation::kElu},   {"silu", Activation::kSilu},
        {"sigmoid", Activation::kSigmoid}};
    const auto found = kinds.find(name);
    if (found == kinds.end()) throw std::invalid_argument("no activation is called '" + name + "'");
    return found->second;
}

Network network_of(const Named& named) {
    const auto& [sizes, hidden, output] = named;
    if (sizes.size() < 2) throw std::invalid_argument("a network has an input and an output at least");
    for (const std::size_t size : sizes) {
        if (size < 1) throw std::invalid_argument("a layer has no units");
    }
    return {sizes.data(), sizes.size() - 1, activation(hidden), activation(output)};
}

std::size_t parameters_of(const Network& network) {
    std::size_t count = 0;
    for (std::size_t i = 0; i < network.layers; ++i) count += (network.sizes[i] + 1) * network.sizes[i + 1];
    return count;
}

// Python has said what does not fit, and how; here nothing is read beyond its end, whoever calls.
void demand(bool held) {
    if (!held) throw std::invalid_argument("the arrays do not fit the networks, or each other");
}

nb::ndarray<nb::numpy, float> forward(const Named& named, Floats theta, FloatTable inputs, const std::string& kernel) {
    const Network network = network_of(named);
    const Kernel& chosen = lanes::find_kernel<Kernel>(kKernels, kernel);
    const std::size_t rows = inputs.shape(0), made = network.sizes[network.layers];
    demand(theta.shape(0) == parameters_of(network) && inputs.shape(1) == network.sizes[0]);
    auto* outputs = new float[rows * made];
    nb::capsule owner(outputs, [](void* p) noexcept { delete[] static_cast<float*>(p); });
    {
        nb::gil_scoped_release free;
        chosen.forward(network, theta.data(), inputs.data(), rows, outputs);
    }
    return nb::ndarray<nb::numpy, float>(outputs, {rows, made}, owner);
}

std::vector<double> descend(const Named& policy, const Named& critic, Row<float> parameters, Row<float> first,
                            Row<float> second, std::int64_t updates, FloatTable observations, FloatTable actions,
                            Floats known, Floats gains, Floats targets, std::optional<Floats> weights,
                            Row<const std::int64_t> order, std::size_t batch, double clip, double entropy,
                            double step_size, double epsilon, double largest_norm,
                            const std::vector<std::pair<std::size_t, std::size_t>>& groups,
                            double least_log_deviation, const std::string& kernel) {
    Learner learner{network_of(policy), network_of(critic), 0, 0, 0, parameters.data(), first.data(), second.data(),
                    updates};
    const Kernel& chosen = lanes::find_kernel<Kernel>(kKernels, kernel);
    const std::size_t inputs = learner.policy.sizes[0], acts = learner.policy.sizes[learner.policy.layers];
    learner.values = parameters_of(learner.policy);
    learner.logs = learner.values + parameters_of(learner.critic);
    learner.size = learner.logs + acts;
    const std::size_t n = observations.shape(0), count = order.shape(0);
    demand(learner.critic.sizes[0] == inputs && learner.critic.sizes[learner.critic.layers] == 1);
    demand(observations.shape(1) == inputs && actions.shape(1) == acts && batch >= 1);
    for (const std::size_t length : {parameters.shape(0), first.shape(0), second.shape(0)}) demand(length == learner.size);
    for (const std::size_t length : {actions.shape(0), known.shape(0), gains.shape(0), targets.shape(0)}) {
        demand(length == n);
    }
    demand(!weights || weights->shape(0) == n);
    for (std::size_t i = 0; i < count; ++i) {
        const std::int64_t row = order.data()[i];
        if (row >= 0 && static_cast<std::size_t>(row) < n) continue;
        throw std::invalid_argument("order names row " + std::to_string(row) + "; there are " + std::to_string(n));
    }
    std::vector<Group> parts;
    for (const auto& [from, to] : groups) {
        demand(from <= to && to <= learner.size);
        parts.push_back({from, to});
    }
    const Steps steps{observations.data(), actions.data(), known.data(),
                      gains.data(),        targets.data(), weights ? weights->data() : nullptr};
    const Descent how{clip,         entropy,      step_size,   epsilon, least_log_deviation,
                      largest_norm, parts.data(), parts.size()};
    std::vector<double> told(kTold + parts.size());
    {
        nb::gil_scoped_release free;
        chosen.descend(learner, steps, order.data(), count, std::min(batch, std::max<std::size_t>(count, 1)), how,
                       told.data());
    }
    return told;
}

}  // namespace

NB_MODULE(_core, m) {
    m.def("kernels", [] { return lanes::describe<Kernel>(kKernels); },
          "Name, lanes, and whether it runs here, of every kernel.");
    m.def("forward", &forward, nb::arg("network"), nb::arg("theta"), nb::arg("inputs"), nb::arg("kernel") = "");
    m.def("descend", &descend, nb::arg("policy"), nb::arg("critic"), nb::arg("parameters").noconvert(),
          nb::arg("first").noconvert(), nb::arg("second").noconvert(), nb::arg("updates"), nb::arg("observations"),
          nb::arg("actions"), nb::arg("known"), nb::arg("gains"), nb::arg("targets"), nb::arg("weights").none(),
          nb::arg("order"), nb::arg("batch"), nb::arg("clip"), nb::arg("entropy"), nb::arg("step_size"),
          nb::arg("epsilon"), nb::arg("largest_norm"), nb::arg("groups"), nb::arg("least_log_deviation"),
          nb::arg("kernel") = "");
}
