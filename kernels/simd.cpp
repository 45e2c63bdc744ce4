#include "kernels/simd.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "kernels/error.h"

namespace basin::cpu {
namespace {

Isa detect() {
#if defined(__x86_64__)
  // All of x86-64-v4, respectively v3: a processor may have AVX-512F without the rest.
  const bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                  __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
  const bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                  __builtin_cpu_supports("avx512vl");
  const Isa best = v4 ? Isa::Avx512 : v3 ? Isa::Avx2 : Isa::Base;
#else
  const Isa best = Isa::Base;
#endif
  const char* cap = std::getenv("BASIN_ISA");
  if (cap == nullptr) return best;
  const std::string_view name(cap);
  const Isa wanted = name == "base" ? Isa::Base : name == "avx2" ? Isa::Avx2 : Isa::Avx512;
  return std::min(best, wanted);
}

}  // namespace

Isa isa() {
  static const Isa level = detect();
  return level;
}

const char* isa_name(Isa level) {
  switch (level) {
    case Isa::Avx512:
      return "AVX-512";
    case Isa::Avx2:
      return "AVX2";
    case Isa::Base:
      return "baseline";
  }
  return "baseline";
}

bool has_bfloat16() {
#if defined(__x86_64__)
  return isa() == Isa::Avx512 && __builtin_cpu_supports("avx512bf16");
#else
  return false;
#endif
}

std::string instruction_set() {
  std::string text = isa_name(isa());
  if (!has_bfloat16()) return text;
#if defined(__x86_64__)
  unsigned a = 0, b = 0, c = 0, d = 0;  // leaf 7: AMX-BF16 is bit 22 of edx
  __get_cpuid_count(7, 0, &a, &b, &c, &d);
  if ((d >> 22 & 1U) != 0) return text + ", avx512_bf16 and AMX";
#endif
  return text + " and avx512_bf16";
}

void require_bfloat16(const std::string& where) {
  BASIN_CHECK(has_bfloat16(), where,
              "found bfloat16 on a processor with {}, expected AVX-512 with avx512_bf16: it would "
              "be emulated here",
              instruction_set());
}

}  // namespace basin::cpu
