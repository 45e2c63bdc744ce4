#include "kernels/emulated/signals.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>

namespace basin::emulated {
namespace {

std::atomic<const Memory*> watched_device{nullptr}, watched_pinned{nullptr};
std::atomic<const std::string*> running{nullptr};
struct sigaction before_segv, before_ill;

// The process is at its end, and the fault lies in code that holds no lock of the heap's: what may
// be called in a handler is wider here than the standard has it.
void say(int number, siginfo_t* info, void*) {
  const std::string* name = running.load();
  const auto owner = [&](const Memory* memory) {
    return memory != nullptr && memory->owns(info->si_addr) ? memory : nullptr;
  };
  const Memory *device = owner(watched_device), *pinned = owner(watched_pinned);
  const Memory* memory = device != nullptr ? device : pinned;
  std::string line;
  if (number == SIGILL) {
    if (name != nullptr) line = fmt::format("kernel {}: a misaligned access", *name);
  } else if (name != nullptr) {
    line = fmt::format("kernel {}: an access to {}", *name,
                       memory != nullptr ? memory->describe(info->si_addr) : "no device memory");
  } else if (memory != nullptr) {
    line = fmt::format("the host touched {} memory: {}", device != nullptr ? "device" : "pinned",
                       memory->describe(info->si_addr));
  }
  if (!line.empty()) {
    line = "emulated device: " + line + "\n";
    [[maybe_unused]] const auto written = write(STDERR_FILENO, line.data(), line.size());
  }
  // Returning runs the instruction again, under whoever watched before.
  sigaction(number, number == SIGILL ? &before_ill : &before_segv, nullptr);
}

void watch(int number, struct sigaction& before) {
  struct sigaction action {};
  action.sa_sigaction = say;
  action.sa_flags = SA_SIGINFO;
  sigaction(number, &action, &before);
}

}  // namespace

void watch_signals(const Memory& device, const Memory& pinned) {
  watched_pinned = &pinned;
  if (watched_device.exchange(&device) != nullptr) return;
  watch(SIGSEGV, before_segv);
  watch(SIGILL, before_ill);
}

Running::Running(const std::string& name) {
  running = &name;
}
Running::~Running() {
  running = nullptr;
}

bool is_mapped(const void* address) {
  const auto value = reinterpret_cast<std::uintptr_t>(address);
  // Below 2^45 lie no heap, stack or library of Linux on x86-64, but numbers do (a float beside its
  // padding), and so does AddressSanitizer's own map.
  constexpr std::uintptr_t kLowest = std::uintptr_t{1} << 45;
  constexpr std::uintptr_t kHighest = std::uintptr_t{1} << 47, kPage = 4096;
  if (value < kLowest || value >= kHighest) return false;
  unsigned char resident = 0;
  auto* page = const_cast<char*>(static_cast<const char*>(address)) - value % kPage;
  return mincore(page, 1, &resident) == 0 || errno != ENOMEM;
}

}  // namespace basin::emulated
