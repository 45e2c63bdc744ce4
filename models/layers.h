// Layers: a constructor that declares parameters under PyTorch's names, and a call that records.
#pragma once

#include <string>

#include "engine/arena.h"
#include "engine/ops.h"

namespace basin {

// What a network's constructor fills.
struct Declaration {
  Layout parameters, buffers;
};

class Conv2d {
 public:
  Conv2d(Declaration& d, std::string name, int64_t in, int64_t out, int64_t kernel, int64_t stride,
         int64_t padding);
  Variable operator()(Tape& tape, const Variable& x) const;

 private:
  std::string name_;
  ConvOptions options_;
};

class Linear {
 public:
  // Of a flattened image of `positions` by `channels` features (positions = 1: plain features).
  Linear(Declaration& d, std::string name, int64_t channels, int64_t positions, int64_t out,
         bool has_bias);
  Variable operator()(Tape& tape, const Variable& x) const;

 private:
  std::string name_;
  bool has_bias_;
};

// Batch norm, or group norm with `groups` > 0, with a ReLU behind it.
class NormRelu {
 public:
  NormRelu(Declaration& d, std::string name, int64_t channels, int64_t groups);
  Variable operator()(Tape& tape, const Variable& x) const;
  // After adding a residual: y and the sum.
  NormActResult operator()(Tape& tape, const Variable& x, const Variable& residual) const;

 private:
  BatchNormOptions batch() const;
  std::string name_;
  int64_t groups_;
};

}  // namespace basin
