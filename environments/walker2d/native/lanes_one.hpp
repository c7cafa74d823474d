// Rows of a single lane, without vector extensions: what a thread of a GPU computes with.
#pragma once

#include "scalar.hpp"

namespace walker {
inline namespace WALKER_KERNEL {

template <class T>
struct One {
    T value;

    WALKER_INLINE T& operator[](int) { return value; }
    WALKER_INLINE T operator[](int) const { return value; }
};

using V = One<float>;
using VI = One<std::int32_t>;  // also masks: 0 or -1

#define WALKER_ARITHMETIC(op)                                                                         \
    template <class T> WALKER_INLINE One<T> operator op(One<T> a, One<T> b) { return {a.value op b.value}; } \
    WALKER_INLINE V operator op(V a, float b) { return {a.value op b}; }                              \
    WALKER_INLINE V operator op(float a, V b) { return {a op b.value}; }                              \
    WALKER_INLINE VI operator op(VI a, std::int32_t b) { return {a.value op b}; }                     \
    WALKER_INLINE VI operator op(std::int32_t a, VI b) { return {a op b.value}; }
WALKER_ARITHMETIC(+)
WALKER_ARITHMETIC(-)
WALKER_ARITHMETIC(*)
WALKER_ARITHMETIC(/)
#undef WALKER_ARITHMETIC

#define WALKER_COMPARISON(op)                                                                              \
    template <class T> WALKER_INLINE VI operator op(One<T> a, One<T> b) { return {a.value op b.value ? -1 : 0}; } \
    WALKER_INLINE VI operator op(V a, float b) { return {a.value op b ? -1 : 0}; }                         \
    WALKER_INLINE VI operator op(float a, V b) { return {a op b.value ? -1 : 0}; }                         \
    WALKER_INLINE VI operator op(VI a, std::int32_t b) { return {a.value op b ? -1 : 0}; }
WALKER_COMPARISON(<)
WALKER_COMPARISON(<=)
WALKER_COMPARISON(>)
WALKER_COMPARISON(>=)
WALKER_COMPARISON(==)
WALKER_COMPARISON(!=)
#undef WALKER_COMPARISON

WALKER_INLINE VI operator&(VI a, VI b) { return {a.value & b.value}; }
WALKER_INLINE VI operator|(VI a, VI b) { return {a.value | b.value}; }
WALKER_INLINE VI operator~(VI a) { return {~a.value}; }
template <class T> WALKER_INLINE One<T> operator-(One<T> a) { return {-a.value}; }
template <class T> WALKER_INLINE One<T>& operator+=(One<T>& a, One<T> b) { return a = a + b; }
template <class T> WALKER_INLINE One<T>& operator-=(One<T>& a, One<T> b) { return a = a - b; }
WALKER_INLINE VI& operator&=(VI& a, VI b) { return a = a & b; }
WALKER_INLINE VI& operator|=(VI& a, VI b) { return a = a | b; }

template <class T> WALKER_INLINE One<T> select(VI mask, One<T> a, One<T> b) { return mask.value ? a : b; }
WALKER_INLINE VI truncated(V a) { return {static_cast<std::int32_t>(a.value)}; }
WALKER_INLINE V converted(VI a) { return {static_cast<float>(a.value)}; }
WALKER_INLINE V power_of_two(VI n) { return {float_of_bits(static_cast<std::uint32_t>((n.value + 127) << 23))}; }
WALKER_INLINE bool any(VI mask) { return mask.value != 0; }
WALKER_INLINE V sqrt(V a) { return {square_root(a.value)}; }

}  // namespace WALKER_KERNEL
}  // namespace walker
