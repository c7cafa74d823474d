// What differs between the targets of this one source: a host's compiler, and NVRTC for a GPU.
#pragma once

#if defined(__CUDACC_RTC__)
// NVRTC knows no header of the host's; sizes are those of every host that CUDA runs on.
namespace std {
using int8_t = signed char;
using int16_t = short;
using int32_t = int;
using int64_t = long long;
using uint8_t = unsigned char;
using uint16_t = unsigned short;
using uint32_t = unsigned int;
using uint64_t = unsigned long long;
using size_t = decltype(sizeof(0));
}  // namespace std
#define WALKER_INLINE __forceinline__
#define WALKER_ALWAYS_INLINE __forceinline__
#define WALKER_APART __noinline__
#define WALKER_FLT_EPSILON 1.1920928955078125e-7f
#define WALKER_FLT_MAX 3.402823466385288598e38f
#else
#include <cfloat>
#include <cstddef>
#include <cstdint>
#include <cstring>
#define WALKER_INLINE [[gnu::always_inline]] inline
#define WALKER_ALWAYS_INLINE [[gnu::always_inline]]
#define WALKER_APART [[gnu::noinline]]
#define WALKER_FLT_EPSILON FLT_EPSILON
#define WALKER_FLT_MAX FLT_MAX
#endif

namespace walker {
inline namespace WALKER_KERNEL {

#if defined(__CUDACC_RTC__)
WALKER_INLINE float square_root(float a) { return __fsqrt_rn(a); }
WALKER_INLINE float float_of_bits(std::uint32_t bits) { return __uint_as_float(bits); }
WALKER_INLINE void copy_bytes(void* to, const void* from, std::size_t n) { memcpy(to, from, n); }
WALKER_INLINE void clear_bytes(void* to, std::size_t n) { memset(to, 0, n); }
#else
WALKER_INLINE float square_root(float a) { return __builtin_sqrtf(a); }
WALKER_INLINE float float_of_bits(std::uint32_t bits) {
    float value;
    __builtin_memcpy(&value, &bits, sizeof value);
    return value;
}
WALKER_INLINE void copy_bytes(void* to, const void* from, std::size_t n) { __builtin_memcpy(to, from, n); }
WALKER_INLINE void clear_bytes(void* to, std::size_t n) { __builtin_memset(to, 0, n); }
#endif

}  // namespace WALKER_KERNEL
}  // namespace walker
