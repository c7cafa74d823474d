// A perceptron's outputs and slopes for a tile of rows, all of whose numbers stay in the nearest cache.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <new>
#include <vector>

#include "kernel.hpp"
#include "products.hpp"

namespace proximal {
inline namespace PROXIMAL_KERNEL {

constexpr std::size_t kTile = 64;  // rows

// Zeros, aligned as registers are.
template <class T>
class Buffer {
    struct Free {
        void operator()(T* memory) const { ::operator delete(memory, std::align_val_t{64}); }
    };
    std::size_t size_;
    std::unique_ptr<T, Free> memory_;

   public:
    explicit Buffer(std::size_t size)
        : size_(size), memory_(static_cast<T*>(::operator new(size * sizeof(T), std::align_val_t{64}))) {
        clear();
    }
    void clear() { std::memset(memory_.get(), 0, size_ * sizeof(T)); }
    T* get() const { return memory_.get(); }
};
using Floats = Buffer<float>;

// y = f(z) in place, and the slope f'(z).
template <class Function>
PROXIMAL_INLINE void each(float* y, float* slope, std::size_t n, Function function) {
    for (std::size_t i = 0; i < n; i += W) {
        V d;
        store(y + i, function(load(y + i), d));
        store(slope + i, d);
    }
}

PROXIMAL_INLINE V sigmoid(V z) { return fused(splat(0.5f), hyperbolic_tangent(0.5f * z), splat(0.5f)); }

[[gnu::noinline]] inline void activate(Activation kind, float* y, float* slope, std::size_t n) {
    switch (kind) {
        case Activation::kNone:
            return each(y, slope, n, [](V z, V& d) { return d = splat(1.0f), z; });
        case Activation::kTanh:
            return each(y, slope, n, [](V z, V& d) {
                const V t = hyperbolic_tangent(z);
                d = fused(-t, t, splat(1.0f));
                return t;
            });
        case Activation::kRelu:
            return each(y, slope, n, [](V z, V& d) {
                d = select(z > 0.0f, splat(1.0f), V{});
                return select(z <= 0.0f, V{}, z);
            });
        case Activation::kLeakyRelu:
            return each(y, slope, n, [](V z, V& d) {
                d = select(z > 0.0f, splat(1.0f), splat(0.01f));
                return z * d;
            });
        case Activation::kElu:
            return each(y, slope, n, [](V z, V& d) {
                const V half = hyperbolic_tangent(0.5f * select(z < 0.0f, z, V{}));  // exp(z) - 1 = 2 t / (1 - t)
                const V below = 2.0f * half / (1.0f - half);
                d = below + 1.0f;
                return select(z > 0.0f, z, select(z == z, below, z));
            });
        case Activation::kSilu:
            return each(y, slope, n, [](V z, V& d) {
                const V s = sigmoid(z);
                d = s * fused(z, 1.0f - s, splat(1.0f));
                return z * s;
            });
        case Activation::kSigmoid:
            return each(y, slope, n, [](V z, V& d) {
                const V s = sigmoid(z);
                d = s * (1.0f - s);
                return s;
            });
    }
}

// A network at work: its parameters in rows that registers load, and a tile's signals.
class Worker {
    struct Layer {
        std::size_t inputs, outputs, stride;  // of the inputs, among which is a 1 for the biases
        Activation kind;
        Floats weights, transposed, slopes;  // (inputs + 1, outputs), (outputs, inputs), of the parameters
        Floats in, falls;                    // (tile, inputs + 1), and the activation's slopes (tile, outputs)
        Layer(std::size_t i, std::size_t o, Activation k, std::size_t rows, bool learns)
            : inputs(i), outputs(o), stride(padded(i + 1)), kind(k), weights((i + 1) * padded(o)),
              transposed(learns ? o * padded(i) : 0), slopes(learns ? (i + 1) * padded(o) : 0), in(rows * stride),
              falls(rows * padded(o)) {}
    };
    std::vector<Layer> layers_;
    bool learns_;
    Floats out_, out_slope_, back_, further_;

    static std::size_t widest(const Network& network) {
        std::size_t most = 0;
        for (std::size_t i = 0; i <= network.layers; ++i) most = network.sizes[i] > most ? network.sizes[i] : most;
        return padded(most);
    }

   public:
    // For tiles of at most so many rows; `backward` and `give` are for one that learns.
    Worker(const Network& network, std::size_t rows, bool learns)
        : learns_(learns), out_(rows * padded(network.sizes[network.layers])),
          out_slope_(learns ? rows * padded(network.sizes[network.layers]) : 0),
          back_(learns ? rows * widest(network) : 0), further_(learns ? rows * widest(network) : 0) {
        layers_.reserve(network.layers);
        for (std::size_t i = 0; i < network.layers; ++i) {
            const Activation kind = i + 1 == network.layers ? network.output : network.hidden;
            layers_.emplace_back(network.sizes[i], network.sizes[i + 1], kind, rows, learns);
            Layer& layer = layers_.back();
            for (std::size_t row = 0; row < rows; ++row) layer.in.get()[row * layer.stride + layer.inputs] = 1.0f;
        }
    }

    // Where the inputs of a row stand, to be written.
    float* input(std::size_t row) { return layers_.front().in.get() + row * layers_.front().stride; }
    const float* output(std::size_t row) const { return out_.get() + row * output_stride(); }
    // The loss's slope by a row's outputs, to be written before `backward`.
    float* output_slope(std::size_t row) { return out_slope_.get() + row * output_stride(); }
    std::size_t output_stride() const { return padded(layers_.back().outputs); }

    // Takes parameters, and forgets the slopes.
    void take(const float* theta) {
        for (Layer& layer : layers_) {
            const std::size_t width = padded(layer.outputs), across = padded(layer.inputs);
            for (std::size_t i = 0; i <= layer.inputs; ++i, theta += layer.outputs) {
                std::memcpy(layer.weights.get() + i * width, theta, layer.outputs * sizeof(float));
                if (!learns_ || i == layer.inputs || &layer == &layers_.front()) continue;
                for (std::size_t o = 0; o < layer.outputs; ++o) layer.transposed.get()[o * across + i] = theta[o];
            }
            layer.slopes.clear();
        }
    }

    void forward(std::size_t rows) {
        for (std::size_t i = 0; i < layers_.size(); ++i) {
            Layer& layer = layers_[i];
            const bool last = i + 1 == layers_.size();
            const std::size_t width = padded(layer.outputs), stride = last ? width : layers_[i + 1].stride;
            float* to = last ? out_.get() : layers_[i + 1].in.get();
            multiply<false>(rows, layer.inputs + 1, width, {layer.in.get(), layer.stride, 1}, layer.weights.get(),
                            width, to, stride);
            for (std::size_t row = 0; row < rows; ++row) {
                activate(layer.kind, to + row * stride, layer.falls.get() + row * width, width);
                if (!last) to[row * stride + layer.outputs] = 1.0f;
            }
        }
    }

    // Adds a tile's part to the slopes.
    void backward(std::size_t rows) {
        float *back = out_slope_.get(), *further = back_.get();
        for (std::size_t i = layers_.size(); i-- > 0;) {
            Layer& layer = layers_[i];
            const std::size_t width = padded(layer.outputs), across = padded(layer.inputs);
            for (std::size_t at = 0; at < rows * width; at += W) {
                store(back + at, load(back + at) * load(layer.falls.get() + at));
            }
            multiply<true>(layer.inputs + 1, rows, width, {layer.in.get(), 1, layer.stride}, back, width,
                           layer.slopes.get(), width);
            if (i == 0) break;
            multiply<false>(rows, layer.outputs, across, {back, width, 1}, layer.transposed.get(), across, further,
                            across);
            back = further;
            further = back == back_.get() ? further_.get() : back_.get();
        }
    }

    // Writes the slopes as parameters stand; gives where the next ones would.
    float* give(float* to) const {
        for (const Layer& layer : layers_) {
            for (std::size_t i = 0; i <= layer.inputs; ++i, to += layer.outputs) {
                std::memcpy(to, layer.slopes.get() + i * padded(layer.outputs), layer.outputs * sizeof(float));
            }
        }
        return to;
    }
};

}  // namespace PROXIMAL_KERNEL
}  // namespace proximal
