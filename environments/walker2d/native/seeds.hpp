// What a world's next episode is seeded by, and the push on the hull that a seed means: the bits of NumPy's PCG64
// (O'Neill 2014, PCG XSL-RR 128/64) and of `start_pushes` in env.py.
#pragma once

#include "target.hpp"

namespace walker {
inline namespace WALKER_KERNEL {

struct Wide {
    std::uint64_t high, low;
};

WALKER_INLINE std::uint64_t high_product(std::uint64_t a, std::uint64_t b) {
    const std::uint64_t a0 = a & 0xffffffffu, a1 = a >> 32, b0 = b & 0xffffffffu, b1 = b >> 32;
    const std::uint64_t low = a0 * b0, first = a1 * b0 + (low >> 32), second = a0 * b1 + (first & 0xffffffffu);
    return a1 * b1 + (first >> 32) + (second >> 32);
}

struct Generator {
    Wide state, increment;

    WALKER_INLINE std::uint64_t next() {
        constexpr Wide kMultiplier{0x2360ED051FC65DA4u, 0x4385DF649FCCF645u};
        const std::uint64_t low = state.low * kMultiplier.low;
        const std::uint64_t high = high_product(state.low, kMultiplier.low) + state.high * kMultiplier.low +
                                   state.low * kMultiplier.high;
        state.low = low + increment.low;
        state.high = high + increment.high + (state.low < low ? 1u : 0u);
        const std::uint64_t mixed = state.high ^ state.low;
        const unsigned turn = static_cast<unsigned>(state.high >> 58);
        return (mixed >> turn) | (mixed << ((64u - turn) & 63u));
    }
};

// N within ±5.
WALKER_INLINE float push_of(std::uint64_t seed) {
    std::uint64_t z = seed + 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    z ^= z >> 31;
    return static_cast<float>(5.0 * (2.0 * static_cast<double>(z >> 11) / 9007199254740992.0 - 1.0));
}

}  // namespace WALKER_KERNEL
}  // namespace walker
