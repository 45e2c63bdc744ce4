// cuDNN's backend descriptors on the emulated device, with the library's enumerators as plain ints.
// cudnn.cu has its functions, descriptors.cu what a descriptor of each kind is held to.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "kernels/emulated/convolution.h"

namespace basin::emulated {

// Thrown inside a call, which returns the status and keeps the detail.
struct Refusal {
  int status;
  std::string detail;
};

struct Engine {
  int64_t id;
  std::vector<int> notes;
  Arithmetic arithmetic;
  int64_t workspace_bytes;
  bool has_plan;  // else its plans are refused
  std::vector<int> behaviour = {};
};

struct Descriptor {
  explicit Descriptor(int kind) : kind(kind) {}

  int kind;
  bool finalized = false, destroyed = false;
  std::map<int, std::vector<std::byte>> values;            // by attribute
  std::map<int, std::shared_ptr<const Descriptor>> parts;  // the same, of descriptors
  Convolution convolution{};       // of an operation, and of what is made of one
  const Engine* engine = nullptr;  // of a configuration, an engine and a plan

  template <class T>
  std::vector<T> all(int name) const {
    const std::vector<std::byte>& bytes = values.at(name);
    std::vector<T> found(bytes.size() / sizeof(T));
    std::memcpy(found.data(), bytes.data(), bytes.size());
    return found;
  }
  template <class T>
  T one(int name) const {
    return all<T>(name).at(0);
  }
};

// An attribute that descriptors of one kind have.
struct Attribute {
  int kind, name, type;
  int64_t most;  // elements that can be set; 0 where it is the library's, to be got
  int part;      // the kind of a descriptor that it holds, or one of the kAny... below
  const char* text;
};
inline constexpr int kAnyOperation = -1, kNoPart = -2;

// Refusal where the descriptor has no such attribute.
const Attribute& attribute_of(const Descriptor& descriptor, int name);
size_t element_bytes(const Attribute& attribute);
bool may_hold(const Attribute& attribute, const Descriptor& part);

// Checks all that was set, and derives what follows from it.
void finalize(Descriptor& descriptor);
// The engines that a finalised heuristic names, the best first.
std::vector<const Engine*> engines_of(const Descriptor& heuristic);
// x, w and y of a finalised plan.
std::array<const Descriptor*, 3> tensors_of(const Descriptor& plan);
// Refusal where something that it was made of has been destroyed.
void require_whole(const Descriptor& descriptor);

// How many handles and descriptors have not been destroyed yet: for tests.
int64_t live_objects();

}  // namespace basin::emulated
